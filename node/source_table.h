// Which of our addresses a peer talks to, so that a socket on all addresses answers from there.
//
// On a machine with several addresses the system chooses the source of what leaves by its routes;
// a peer that asked another address drops such an answer (crypto/sessions.h binds a session to the
// address where it was proven). A fixed table of sets, of which the entry unused for longest gives
// way: who is not in it is served as the system sees fit. Nothing is allocated after the first note.
// Loop thread only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "crypto/endpoint.h"

namespace weft::node {

// Peers remembered; a mesh of several hundred fits.
inline constexpr std::size_t kSourceSets = 256;
inline constexpr std::size_t kSourceWays = 4;

class SourceTable {
 public:
  using Ip = ByteArray<16>;  // as in Endpoint

  // A datagram of `peer` came to `local`.
  void note(const Endpoint& peer, const Ip& local);
  // The address that `peer` talks to, if it is known.
  std::optional<Ip> find(const Endpoint& peer);
  // The address is no longer ours.
  void forget(const Endpoint& peer);

 private:
  struct Entry {
    Endpoint peer;
    Ip local{};
    std::uint32_t used = 0;  // 0: free
  };
  Entry* set_of(const Endpoint& peer);
  Entry* lookup(const Endpoint& peer);

  std::vector<Entry> entries_;  // empty until the first note
  std::uint32_t clock_ = 0;
};

}  // namespace weft::node
