#include "dht/lifetimes.h"

#include <algorithm>

#include "crypto/rng.h"

namespace weft::dht {
namespace {

constexpr Ratio kLn2 = {693, 1000};

}  // namespace

void Lifetimes::note(const NodeId& peer, Duration unheard, bool answered) {
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (samples_[i].peer != peer) continue;
    samples_.erase_at(i);
    break;
  }
  if (samples_.full()) samples_.erase_at(0);
  const auto ms = std::clamp<Duration>(unheard, Duration::zero(), kUnheardMax) / 1ms;
  samples_.push({peer, static_cast<std::uint32_t>(ms), answered});
}

std::optional<Duration> Lifetimes::believed() const {
  std::int64_t silent = 0;
  std::int64_t unheard_ms = 0;
  for (const Sample& sample : samples_) {
    if (!sample.answered) ++silent;
    unheard_ms += sample.unheard_ms;
  }
  if (silent < static_cast<std::int64_t>(kLifetimeSilent)) return std::nullopt;
  const std::int64_t half_ms = unheard_ms / silent * kLn2.numerator / kLn2.denominator;
  return std::max<Duration>(std::chrono::milliseconds(half_ms), kBelievedMin);
}

}  // namespace weft::dht
