// The rows of the store that NodeCore owns; 'v', 'o' and 'c' are the DHT's (dht/rows.h).
#pragma once

#include <cstdint>

namespace weft::node {

// 'n' -> the own record's number, 8 bytes, little-endian
inline constexpr std::uint8_t kRowNumber = 'n';
// 'm' | id 32 -> a member's signed record
inline constexpr std::uint8_t kRowMember = 'm';

}  // namespace weft::node
