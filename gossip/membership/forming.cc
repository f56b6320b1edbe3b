#include "gossip/membership/forming.h"

#include <algorithm>

namespace weft::gossip {

void Forming::on_arrival(Instant now) {
  if (now - window_ >= kFormingWindow) {
    in_last_ = now - window_ < 2 * kFormingWindow ? in_window_ : 0;
    in_window_ = 0;
    window_ = now;
  }
  ++in_window_;
}

bool Forming::now_forming(Instant now, std::size_t live) const {
  return arrivals(now) >= std::max(kFormingLeast, live / kFormingShare);
}

std::size_t Forming::arrivals(Instant now) const {
  const Duration age = now - window_;
  if (age >= 2 * kFormingWindow) return 0;
  return in_window_ + (age < kFormingWindow ? in_last_ : 0);
}

}  // namespace weft::gossip
