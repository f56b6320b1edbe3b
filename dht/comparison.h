// The two ends of a Compare as its asker sees them (messages.h): what it shows, and what the answer says.
#pragma once

#include <algorithm>
#include <optional>

#include "dht/signed_value.h"

namespace weft::dht {

// What is shown lies between two ends, of which so many bytes are told: few other values lie there, too.
inline constexpr std::size_t kCompareEndBytes = 8;

// An answer that tells nothing of so few values is taken as if it lacked them: asking about halves of them costs more than
// the values, and somebody may have filled the keys beside one on purpose.
inline constexpr std::size_t kUntoldSent = 8;

// Shows `count` values, of which of(i) gives (key, blob) in the order of keys. `sums` is what the message points into.
template <class Of>
Compare comparison(std::uint64_t salt, std::size_t count, bool publishes, Bytes& sums, Of of) {
  NodeId first = of(0).first;
  NodeId last = of(count - 1).first;
  std::fill(first.bytes.begin() + kCompareEndBytes, first.bytes.end(), std::uint8_t{0});
  std::fill(last.bytes.begin() + kCompareEndBytes, last.bytes.end(), std::uint8_t{0xff});
  const int shared = common_prefix_bits(first, last);
  sums.resize(8 * count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [key, blob] = of(i);
    store_le(sums.data() + 8 * i, compare_item(salt, shared, key, blob));
  }
  return {.first = first, .last = last, .salt = salt, .sums = sums, .publishes = publishes};
}

// Whether the answer tells anything of `count` values; if so, whether value i is missing.
inline bool tells(const Compared& m, std::size_t count) { return m.missing.size() == (count + 7) / 8; }
inline bool lacks(const Compared& m, std::size_t i) { return (m.missing[i / 8] >> (i % 8) & 1) != 0; }

}  // namespace weft::dht
