#include "dht/known.h"

#include "crypto/siphash.h"

namespace weft::dht {

std::uint16_t known_tag(std::uint16_t salt, const NodeId& id) {
  ByteArray<16> key{};
  store_le(key.data(), salt);
  std::ranges::copy(as_bytes("weft-knw"), key.begin() + 8);
  return static_cast<std::uint16_t>(siphash(key, id.bytes));
}

}  // namespace weft::dht
