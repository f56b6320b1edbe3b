#include "crypto/network.h"

#include "crypto/check.h"
#include "crypto/provider.h"

namespace weft {

Network open_network(std::string_view name) {
  Network network;
  network.name = std::string(name);
  blake2b(network.id, {}, as_bytes("weft-open-network-id-1"), as_bytes(name));
  network.keys.push_back(blake2b_256(as_bytes("weft-open-network-key-1"), as_bytes(name)));
  return network;
}

Network private_network(std::string name, const ByteArray<16>& id,
                        std::vector<ByteArray<32>> keys) {
  CHECK(!keys.empty());
  CHECK(keys.size() <= kNetworkKeysMax);
  return {std::move(name), id, true, std::move(keys)};
}

}  // namespace weft
