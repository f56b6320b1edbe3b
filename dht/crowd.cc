#include "dht/crowd.h"

#include <algorithm>
#include <array>
#include <bit>

#include "crypto/check.h"

namespace weft::dht {
namespace {

// By number of nodes from kCrowdLeast on: 256 times the mean at which so many or more come with a chance of 1 in 10,000.
constexpr std::array<std::uint32_t, kCrowdMost - kCrowdLeast + 1> kRareMeans{182, 263, 355, 455, 562, 676, 796, 921, 1051, 1185, 1322, 1463, 1607, 1755, 1905};

// The first 32 bits: 2^32 of them are the key space.
std::uint64_t leading(const Distance& away) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 4; ++i) out = out << 8 | away.bytes[i];
  return out;
}

}  // namespace

bool crowded(std::span<const Distance> nearest, std::uint64_t nodes) {
  // Beyond it a distance of 32 bits says too little; nobody has such a mesh.
  constexpr std::uint64_t kNodesMost = 1ULL << 22;
  const std::uint64_t n = std::min(nodes, kNodesMost);
  for (std::size_t count = kCrowdLeast; count <= std::min(nearest.size(), kCrowdMost); ++count) {
    // 2^22 * 2^32 * 2^8 fits.
    const std::uint64_t mean = (n * (leading(nearest[count - 1]) + 1)) >> (32 - 8);
    if (mean < kRareMeans[count - kCrowdLeast]) return true;
  }
  return false;
}

NodeId place_beside(const NodeId& key, std::size_t i, std::uint64_t nodes, std::size_t replicas) {
  CHECK(i < kPlacesBeside);
  const std::uint64_t share = nodes / std::max<std::uint64_t>(2 * replicas, 1);
  const std::size_t bit = (share == 0 ? 0 : static_cast<std::size_t>(std::bit_width(share)) - 1) + i;
  NodeId out = key;
  out.bytes[bit / 8] ^= static_cast<std::uint8_t>(0x80U >> (bit % 8));
  return out;
}

}  // namespace weft::dht
