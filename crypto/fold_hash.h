// A fast 64-bit hash for what has no enemy: trace hashes and the simulator's cheap sealing. Equal on
// every machine. Multiply-and-fold over 16 bytes a step; a changed bit goes unnoticed in one of
// some 2^64 cases, and an adversary can make it so at will.
#pragma once

#include <cstring>

#include "crypto/bytes.h"

namespace weft {

// `state`: a seed, or the hash so far.
inline std::uint64_t fold_hash(std::uint64_t state, ByteView bytes) {
  const auto fold = [](std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  constexpr std::uint64_t kA = 0xa0761d6478bd642fULL;
  constexpr std::uint64_t kB = 0xe7037ed1a0b428dbULL;
  state ^= fold(bytes.size() ^ kB, kA);
  std::size_t i = 0;
  for (; i + 16 <= bytes.size(); i += 16) {
    state = fold(load_le<std::uint64_t>(bytes.data() + i) ^ kA,
                 load_le<std::uint64_t>(bytes.data() + i + 8) ^ state);
  }
  if (i < bytes.size()) {
    ByteArray<16> rest{};
    std::memcpy(rest.data(), bytes.data() + i, bytes.size() - i);
    state = fold(load_le<std::uint64_t>(rest.data()) ^ kA,
                 load_le<std::uint64_t>(rest.data() + 8) ^ state);
  }
  return fold(state ^ kA, kB);
}

}  // namespace weft
