#include "gossip/state/pace.h"

#include <algorithm>
#include <utility>

namespace weft::state {

void Pace::pushed(Now now, const PublicKey& author, std::uint64_t stamp_ms) {
  step(now.mono);
  ++came_;
  meet_others(now.mono);
  const std::int64_t passed = now.wall.value - static_cast<std::int64_t>(stamp_ms);
  auto at = leasts_.find(author);
  if (at == leasts_.end()) {
    if (leasts_.size() == kLeastsMax) return;
    at = leasts_.emplace(author, Least{.now = passed, .before = passed}).first;
  }
  Least& least = at->second;
  least.now = std::min(least.now, passed);
  if (passed - std::min(least.now, least.before) >= kLateBy / 1ms) ++late_;
}

void Pace::walked(Instant now) {
  step(now);
  ++came_;
  ++late_;
}

void Pace::choked(Instant now) {
  step(now);
  choked_ = true;
}

void Pace::wrote(Instant now, std::size_t entries) {
  step(now);
  if (now - wrote_ >= kRestAfter) met_others_ = false;
  wrote_ = now;
  meet_others(now);
  const auto most = static_cast<std::int64_t>(kPaceWaitMax / kPauseMin);
  const auto count = std::min(static_cast<std::int64_t>(entries), most);
  next_ = std::min(std::max(next_, now) + pause_ * count, now + kPaceWaitMax);
}

Instant Pace::next(Instant now) {
  step(now);
  return pause_ == Duration{} ? now : next_;
}

void Pace::meet_others(Instant now) {
  if (met_others_ || came_ + came_before_ < kOthersMin || now - wrote_ >= kPaceStep) return;
  met_others_ = true;
  pause_ = std::max(pause_, kPauseFirst);
}

void Pace::step(Instant now) {
  if (now - leasts_began_ >= kLeastFor) {
    leasts_began_ = now;
    // Who wrote nothing in that time is forgotten.
    std::erase_if(leasts_, [](const auto& one) { return one.second.now == INT64_MAX; });
    for (auto& [author, least] : leasts_) least = {.now = INT64_MAX, .before = least.now};
  }
  if (now - began_ < kPaceStep) return;
  const bool behind = std::exchange(choked_, false) || (late_ >= kLateMin && late_ * kLatePart >= came_);
  came_before_ = now - began_ < 2 * kPaceStep ? came_ : 0;
  late_ = came_ = 0;
  if (behind) pause_ = std::clamp(pause_ * 2, kPauseFirst, kPauseMax);
  // In steps that nobody looked at nothing came.
  for (auto quiet = (now - began_) / kPaceStep - (behind ? 1 : 0); quiet > 0 && pause_ > Duration{}; --quiet) {
    pause_ -= pause_ / kPauseEases;
    if (pause_ < kPauseMin) pause_ = {};
  }
  began_ = now;
}

}  // namespace weft::state
