#include "crypto/siphash.h"

#include <sodium.h>

namespace weft {

std::uint64_t siphash(const ByteArray<16>& key, ByteView bytes) {
  static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8);
  ByteArray<8> out;
  crypto_shorthash(out.data(), bytes.data(), bytes.size(), key.data());
  return load_le<std::uint64_t>(out.data());
}

}  // namespace weft
