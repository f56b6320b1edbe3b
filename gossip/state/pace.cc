#include "gossip/state/pace.h"

#include <algorithm>
#include <utility>

namespace weft::state {
namespace {

constexpr std::int64_t kSilent = INT64_MAX;

}  // namespace

void Pace::pushed(Now now, const PublicKey& author, std::uint64_t stamp) {
  step(now.mono);
  ++others_;
  meet_others(now.mono);
  const std::uint64_t stamp_ms = stamp >> 16;
  const bool by_clock = (stamp & 0xffff) == 0;
  // The wall clock may be set; the other one only goes on.
  const std::int64_t passed = now.mono.time_since_epoch() / 1ms - static_cast<std::int64_t>(stamp_ms);
  Least* least = stamp_ms == 0 ? nullptr : least_of(author, passed);
  if (least == nullptr) return;
  ++came_;
  if (by_clock) {
    least->now = std::min(least->now, passed);
    least->late = passed - std::min(least->now, least->before) >= kLateBy / 1ms;
  }
  late_ += least->late ? 1U : 0U;
}

Pace::Least* Pace::least_of(const PublicKey& author, std::int64_t passed) {
  if (const auto at = leasts_.find(author); at != leasts_.end()) return &at->second;
  if (leasts_.size() == kLeastsMax) {
    const auto silent = std::ranges::find(leasts_, kSilent, [](const auto& one) { return one.second.now; });
    if (silent == leasts_.end()) return nullptr;
    leasts_.erase(silent);
  }
  return &leasts_.emplace(author, Least{.now = passed, .before = passed, .late = false}).first->second;
}

void Pace::walked(Now now, std::uint64_t stamp) {
  step(now.mono);
  if (now.wall.value - static_cast<std::int64_t>(stamp >> 16) >= kOldAfter / 1ms) return;
  ++others_;
  ++came_;
  ++late_;
}

void Pace::choked(Instant now) {
  step(now);
  choked_ = true;
}

Instant Pace::begin(Instant now, std::size_t entries) {
  step(now);
  if (now - wrote_ >= kRestAfter) met_others_ = false;
  wrote_ = now;
  meet_others(now);
  const Instant begin = std::max(next_, now);
  const auto most = static_cast<std::int64_t>(kPaceWaitMax / kPauseMin);
  next_ = std::min(begin + pause_ * std::min(static_cast<std::int64_t>(entries), most), now + kPaceWaitMax);
  return begin;
}

void Pace::meet_others(Instant now) {
  if (met_others_ || others_ + others_before_ < kOthersMin || now - wrote_ >= kPaceStep) return;
  met_others_ = true;
  pause_ = std::max(pause_, kPauseFirst);
}

void Pace::step(Instant now) {
  if (now - leasts_began_ >= kLeastFor) {
    // Who wrote nothing in that time is forgotten, and all if nobody looked for so long.
    const bool long_ago = now - leasts_began_ >= 2 * kLeastFor;
    std::erase_if(leasts_, [&](const auto& one) { return long_ago || one.second.now == kSilent; });
    for (auto& [author, least] : leasts_) least = {.now = kSilent, .before = least.now, .late = least.late};
    leasts_began_ = now;
  }
  if (now - began_ < kPaceStep) return;
  const bool behind = std::exchange(choked_, false) || (late_ >= kLateMin && late_ * kLatePart >= came_);
  others_before_ = now - began_ < 2 * kPaceStep ? others_ : 0;
  others_ = late_ = came_ = 0;
  if (behind) pause_ = std::clamp(pause_ * 2, kPauseFirst, kPauseMax);
  // In steps that nobody looked at nothing came.
  for (auto quiet = (now - began_) / kPaceStep - (behind ? 1 : 0); quiet > 0 && pause_ > Duration{}; --quiet) {
    pause_ -= pause_ / kPauseEases;
    if (pause_ < kPauseMin) pause_ = {};
  }
  began_ = now;
}

}  // namespace weft::state
