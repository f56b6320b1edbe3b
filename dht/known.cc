#include "dht/known.h"

#include "crypto/siphash.h"

namespace weft::dht {

std::uint8_t known_tag(std::uint32_t salt, const NodeId& id) {
  ByteArray<16> key{};
  store_le(key.data(), salt);
  std::ranges::copy(as_bytes("weft-knw"), key.begin() + 8);
  return static_cast<std::uint8_t>(siphash(key, id.bytes));
}

KnownSet::KnownSet(const Known& known) : salt_(known.salt) {
  for (const std::uint8_t tag : known.tags) tags_.set(tag);
}

}  // namespace weft::dht
