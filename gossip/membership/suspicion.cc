#include "gossip/membership/suspicion.h"

#include <algorithm>
#include <array>

namespace weft::gossip {
namespace {

// 1000 * log2(n) for n = 1 to 8, rounded: a ratio of two logarithms needs no floating point.
constexpr std::array<std::int64_t, kConfirmationsMax + 1> kLog = {0,    1000, 1585, 2000,
                                                                  2322, 2585, 2807, 3000};

}  // namespace

Duration suspicion_time(Duration min, Duration max, std::size_t k, std::size_t accusers) {
  if (max <= min) return min;
  k = std::min(k, kConfirmationsMax);
  if (k == 0) return min;
  const std::size_t c = std::min(accusers > 0 ? accusers - 1 : 0, k);
  return max - (max - min) * kLog[c] / kLog[k];
}

SuspicionClock::SuspicionClock(Instant since, std::uint64_t number, std::uint16_t draw,
                               const NodeId& accuser)
    : since_(since), number_(number), accusers_({accuser}), draw_(draw) {}

bool SuspicionClock::wants(const NodeId& accuser, std::size_t k) const {
  return accusers_.size() <= std::min(k, kConfirmationsMax) && std::ranges::find(accusers_, accuser) == accusers_.end();
}

bool SuspicionClock::accuse(const NodeId& accuser, std::size_t k) {
  if (!wants(accuser, k)) return false;
  accusers_.push(accuser);
  return true;
}

void SuspicionClock::on_probe_void() {
  probe_ = Probe::kWaiting;
  hurried_ = true;
}

Instant SuspicionClock::probe_at(Duration length) const {
  if (hurried_) return since_;
  if (full_) return since_ + length / 3 + length / 3 * static_cast<Duration::rep>(draw_) / 65536;
  return since_ + length / 2 * static_cast<Duration::rep>(draw_) / 65536;
}

bool SuspicionClock::expired(Instant now, Duration length) const {
  return probe_ == Probe::kSilent && now >= ends(length);
}

}  // namespace weft::gossip
