#include "crypto/node_id.h"

#include <bit>

namespace weft {

Distance distance(const NodeId& a, const NodeId& b) {
  Distance d;
  for (std::size_t i = 0; i < d.bytes.size(); ++i) {
    d.bytes[i] = static_cast<std::uint8_t>(a.bytes[i] ^ b.bytes[i]);
  }
  return d;
}

bool closer(const NodeId& target, const NodeId& a, const NodeId& b) {
  for (std::size_t i = 0; i < target.bytes.size(); i += 8) {
    const std::uint64_t t = load_be64(target.bytes.data() + i);
    const std::uint64_t da = load_be64(a.bytes.data() + i) ^ t;
    const std::uint64_t db = load_be64(b.bytes.data() + i) ^ t;
    if (da != db) return da < db;
  }
  return false;
}

int common_prefix_bits(const NodeId& a, const NodeId& b) {
  for (std::size_t i = 0; i < a.bytes.size(); ++i) {
    const auto x = static_cast<std::uint8_t>(a.bytes[i] ^ b.bytes[i]);
    if (x != 0) return static_cast<int>(i) * 8 + std::countl_zero(x);
  }
  return 256;
}

std::string to_string(const NodeId& id) { return to_hex(id.bytes); }
std::string short_string(const NodeId& id) { return to_hex(ByteView(id.bytes).first(4)); }

}  // namespace weft
