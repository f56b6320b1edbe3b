// Which mesh a node belongs to: open by name, or private by a key file with several keys.
//
// An open network's id and its one packet key follow from its name. A private one has a random id
// and up to kNetworkKeysMax keys; first packets are sent with the first, then with the others in
// turn, and all are accepted, so a key can be replaced while nodes run. Whoever does not know a key gets silence from every node (session packets are keyed
// by it) and cannot complete a handshake (it is the psk of Noise_IKpsk2).
#pragma once

#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace weft {

inline constexpr std::size_t kNetworkKeysMax = 8;
inline constexpr std::size_t kNetworkNameBytesMax = 64;

struct Network {
  std::string name;                     // as told to people
  ByteArray<16> id{};                   // hash that records carry
  bool is_private = false;              // psk in the handshake
  std::vector<ByteArray<32>> keys;      // 1 to kNetworkKeysMax; the first is tried first
  bool operator==(const Network&) const = default;
};

// The open network of that name (1 to kNetworkNameBytesMax bytes; the caller has checked).
Network open_network(std::string_view name);
// A private network from its id and keys (1 to kNetworkKeysMax).
Network private_network(std::string name, const ByteArray<16>& id,
                        std::vector<ByteArray<32>> keys);

}  // namespace weft
