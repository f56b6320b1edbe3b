// The rows of the store that NodeCore owns; 'v', 'o' and 'c' are the DHT's (dht/rows.h).
#pragma once

#include <cstdint>

namespace weft::node {

// 'n' -> the own record's number, 8 bytes, little-endian
inline constexpr std::uint8_t kRowNumber = 'n';
// A restore from a backup raises the own number by this much. So its high part counts the restores, and
// numbers of values above it were not used by the life that the backup missed.
inline constexpr std::uint64_t kRestoreNumberStep = 1 << 20;
// 'm' | id 32 -> a member's signed record
inline constexpr std::uint8_t kRowMember = 'm';

}  // namespace weft::node
