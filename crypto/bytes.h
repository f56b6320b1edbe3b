// Bytes, views and hex: the vocabulary in which every other file speaks of data.
//
// A ByteView never outlives the call that received it; whoever keeps bytes owns them. Nothing here
// allocates but the functions that return an owning type, and nothing here throws.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;

// The bytes of a text, without a terminating zero.
inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
// The same bytes seen as text; no claim that they are UTF-8.
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) { return Bytes(view.begin(), view.end()); }

inline bool equal(ByteView a, ByteView b) { return std::ranges::equal(a, b); }
// Compares secrets: the time taken depends on the lengths alone.
bool equal_constant_time(ByteView a, ByteView b);

// Lower-case hex of `bytes`, two digits a byte.
std::string to_hex(ByteView bytes);
// Parses an even number of hex digits of either case; nullopt for anything else.
std::optional<Bytes> from_hex(std::string_view text);
// Parses exactly 2*N hex digits.
template <std::size_t N>
std::optional<ByteArray<N>> array_from_hex(std::string_view text) {
  if (text.size() != 2 * N) return std::nullopt;
  const auto bytes = from_hex(text);
  if (!bytes) return std::nullopt;
  ByteArray<N> out{};
  std::ranges::copy(*bytes, out.begin());
  return out;
}

// Little-endian integers at a place in memory that need not be aligned (session frames, keys of
// the store). The caller guarantees the room.
template <std::unsigned_integral T>
void store_le(std::uint8_t* to, T value) {
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}
template <std::unsigned_integral T>
T load_le(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  return value;
}

// The big-endian integer at a place in memory: compares like its bytes.
inline std::uint64_t load_be64(const std::uint8_t* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return value;
}

// The lexicographic order of two arrays of bytes, a word at a time: nearly always the first decides,
// where memcmp would be a call.
template <std::size_t N>
std::strong_ordering compare_bytes(const ByteArray<N>& a, const ByteArray<N>& b) {
  static_assert(N % 8 == 0);
  for (std::size_t i = 0; i < N; i += 8) {
    const std::uint64_t x = load_be64(a.data() + i);
    const std::uint64_t y = load_be64(b.data() + i);
    if (x != y) return x <=> y;
  }
  return std::strong_ordering::equal;
}

}  // namespace weft
