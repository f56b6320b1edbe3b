#include "dht/known.h"

#include "crypto/siphash.h"

namespace weft::dht {

std::uint16_t known_tag(std::uint16_t salt, const NodeId& id, const Endpoint& endpoint) {
  ByteArray<16> key{};
  store_le(key.data(), salt);
  std::ranges::copy(as_bytes("weft-knw"), key.begin() + 8);
  ByteArray<32 + kEndpointWireMax> tagged;
  std::ranges::copy(id.bytes, tagged.begin());
  const std::size_t size = 32 + encode_endpoint(endpoint, MutableBytes(tagged).subspan(32));
  return static_cast<std::uint16_t>(siphash(key, ByteView(tagged).first(size)));
}

}  // namespace weft::dht
