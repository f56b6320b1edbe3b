#include "dht/recency.h"

#include <algorithm>

namespace weft::dht {
namespace {

constexpr std::int64_t kRound = 255;
static_assert(kRecencyParts * kRecencyPeriods <= kRound / 2);

}  // namespace

Recency::Recency(const ByteArray<16>& key, Duration period)
    : key_(key),
      part_(std::max<Duration>(period / kRecencyParts, 1ms)),
      cells_(std::make_unique<std::uint8_t[]>(kRecencyCells)) {}

std::size_t Recency::cell_of(const Slot& slot) const {
  ByteArray<64> both;
  std::ranges::copy(slot.key.bytes, both.begin());
  std::ranges::copy(slot.author.bytes, both.begin() + 32);
  return static_cast<std::size_t>(siphash(key_, both) % kRecencyCells);
}

void Recency::note(const Slot& slot, Instant due) {
  const std::int64_t part = part_of(due) % kRound;
  cells_[cell_of(slot)] = static_cast<std::uint8_t>((part < 0 ? part + kRound : part) + 1);
}

std::optional<Instant> Recency::due(const Slot& slot, Instant now) const {
  const std::uint8_t cell = cells_[cell_of(slot)];
  if (cell == 0) return std::nullopt;
  const std::int64_t here = part_of(now);
  std::int64_t away = (cell - 1 - here) % kRound;
  if (away < -(kRound / 2)) away += kRound;
  if (away > kRound / 2) away -= kRound;
  return Instant(part_ * (here + away));
}

}  // namespace weft::dht
