// 256-bit identifiers of nodes and keys, and the XOR metric between them.
//
// An id is compared as a big-endian number (Maymounkov, Mazieres 2002, section 2.1). A node's id is
// BLAKE2b-256 of a domain label and its public key, so nobody can choose or claim one.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "crypto/bytes.h"

namespace weft {

struct NodeId {
  ByteArray<32> bytes{};
  bool operator==(const NodeId&) const = default;
  auto operator<=>(const NodeId& other) const { return compare_bytes(bytes, other.bytes); }
};

// XOR distance as a number that compares like one.
struct Distance {
  ByteArray<32> bytes{};
  bool operator==(const Distance&) const = default;
  auto operator<=>(const Distance& other) const { return compare_bytes(bytes, other.bytes); }
};

Distance distance(const NodeId& a, const NodeId& b);
// The first 64 bits of the distance. Of two ids the one with the smaller head is nearer; where the heads are equal
// (of honest ids nearly never), only closer() tells.
inline std::uint64_t distance_head(const NodeId& a, const NodeId& b) {
  return load_be64(a.bytes.data()) ^ load_be64(b.bytes.data());
}
// True if a is nearer to target than b; equal distances are equal ids.
bool closer(const NodeId& target, const NodeId& a, const NodeId& b);
// Number of leading bits that two ids share: 256 for equal ids.
int common_prefix_bits(const NodeId& a, const NodeId& b);

// 64 hex digits.
std::string to_string(const NodeId& id);
// The first 8 hex digits, for logs.
std::string short_string(const NodeId& id);

}  // namespace weft
