// When values that are not in memory should be published again: about one byte a value, in a table of fixed
// size, by a keyed hash of the slot.
//
// Two values may share a cell; then the later note counts for both, and one is published later here than
// it should be. The key is drawn anew in each life and by each holder, so all holders of a value share that
// mistake only by chance, and nobody can prepare values that do.
#pragma once

#include <memory>
#include <optional>

#include "crypto/siphash.h"
#include "crypto/time.h"
#include "dht/slot.h"

namespace weft::dht {

inline constexpr std::size_t kRecencyCells = std::size_t{1} << 21;
// Instants are told to within this part of the period; one more than kRecencyPeriods away is not told right.
inline constexpr std::int64_t kRecencyParts = 16;
inline constexpr std::int64_t kRecencyPeriods = 7;

class Recency {
 public:
  // `period` is that of republishing, 1 s or more.
  Recency(const ByteArray<16>& key, Duration period);

  void note(const Slot& slot, Instant due);
  // nullopt: nothing was noted for it in this life. An instant long past may come out as another past one.
  std::optional<Instant> due(const Slot& slot, Instant now) const;

 private:
  std::size_t cell_of(const Slot& slot) const;
  std::int64_t part_of(Instant at) const { return at.time_since_epoch() / part_; }

  ByteArray<16> key_;
  Duration part_;
  std::unique_ptr<std::uint8_t[]> cells_;  // 0: nothing; else the part of time, modulo 255, and one
};

}  // namespace weft::dht
