// What the datagrams of a run carry: how many of each kind of message, and how many ids and addresses they name.
//
// Reads what CheapProvider seals, so a network with real cryptography has none of it. It counts what is sent, and
// changes nothing.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "crypto/bytes.h"

namespace weft::sim {

// The payload within a datagram, as plain sealing leaves it: that of a DATA or a RESP, or the early data of an INIT.
// Empty: none. nullopt: too short for its type.
std::optional<ByteView> payload_of(ByteView datagram);

class Tally {
 public:
  struct Sent {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
  };

  void sent(ByteView datagram);
  // Ids and addresses named: the target of a FindNode or a Get, and each contact of a Nodes or a Values. (What the
  // model of Li et al. 2005 counts 4 bytes each for.)
  std::uint64_t names() const { return names_; }
  // `visit(name, sent)` for each kind that there was: "FindNode"; "INIT FindNode" and "RESP Nodes" are those that
  // travelled with a handshake, "INIT" one that carried nothing.
  template <class F>
  void for_each(F&& visit) const {
    for (std::size_t type = 0; type < kTypes; ++type) {
      for (std::size_t kind = 0; kind < kKinds; ++kind) {
        if (kinds_[type][kind].packets > 0) visit(name(type, kind), kinds_[type][kind]);
      }
    }
  }

 private:
  static constexpr std::size_t kTypes = 8;   // of packets
  static constexpr std::size_t kKinds = 64;  // of messages; 0: none
  static std::string name(std::size_t type, std::size_t kind);

  std::array<std::array<Sent, kKinds>, kTypes> kinds_{};
  std::uint64_t names_ = 0;
};

}  // namespace weft::sim
