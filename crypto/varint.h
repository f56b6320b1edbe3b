// Unsigned integers of up to 64 bits in one to ten bytes: LEB128, of which only the shortest form is read.
#pragma once

#include <optional>

#include "crypto/bytes.h"

namespace weft {

inline void put_varint(Bytes& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
  out.push_back(static_cast<std::uint8_t>(value));
}

// Takes one from the front of `from`; nullopt if it is cut, longer than it need be, or more than 64 bits.
inline std::optional<std::uint64_t> take_varint(ByteView& from) {
  std::uint64_t value = 0;
  for (int i = 0; i < 10 && !from.empty(); ++i) {
    const std::uint8_t byte = from[0];
    from = from.subspan(1);
    if (i == 9 && byte > 1) return std::nullopt;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) return i > 0 && byte == 0 ? std::nullopt : std::optional(value);
  }
  return std::nullopt;
}

}  // namespace weft
