#include "gossip/membership/awareness.h"

#include <algorithm>

namespace weft::gossip {

void Awareness::add(std::size_t points) { score_ = std::min(max_, score_ + points); }

void Awareness::on_success() {
  if (score_ > 0) --score_;
}

void Awareness::on_silence(std::size_t asked, std::size_t reacted) {
  if (asked == 0 || reacted == 0) add(1);
}

void Awareness::on_refute() { add(1); }

void Awareness::on_stall(Duration by, Duration interval) {
  if (by * 2 >= interval && score_ < kStallScoreMax) add(1);
}

Duration Awareness::stretch(Duration d) const { return d * static_cast<Duration::rep>(score_ + 1); }

Duration Awareness::stretch_clock(Duration d) const {
  return d * static_cast<Duration::rep>(score_ + 2) / 2;
}

}  // namespace weft::gossip
