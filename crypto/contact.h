// How one node names another to a third: the public key and one address.
//
// On the wire 38 bytes for IPv4 (key 32, address 4, port 2) or 50 for IPv6. The id is computed from
// the key by whoever reads it, so a contact cannot lie about its id; its address is a claim until
// the key answered a handshake there.
#pragma once

#include "crypto/endpoint.h"
#include "crypto/provider.h"

namespace weft {

struct Contact {
  PublicKey key;
  NodeId id;  // always node_id_of(key)
  Endpoint endpoint;
  bool operator==(const Contact&) const = default;
};

inline Contact make_contact(const PublicKey& key, const Endpoint& endpoint) {
  return {key, node_id_of(key), endpoint};
}

inline constexpr std::size_t kContactWireMax = 32 + kEndpointWireMax;

}  // namespace weft
