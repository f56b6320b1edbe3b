// Local health: how much this node trusts itself (Lifeguard, arXiv 1707.00788, section IV.A).
//
// A node that is starved of CPU or cut off sees silence everywhere and must blame itself first. The
// score rises with probes that nobody at all reacted to, with the need to refute and with stalls of
// the own loop; each answered probe lowers it. Intervals and time-outs are stretched by it.
//
// Unlike Lifeguard, a missing nack of one relay does not count while another relay answered: when a
// quarter of the mesh dies at once, relays are among the dead, and that is not our slowness.
#pragma once

#include <cstddef>

#include "crypto/time.h"

namespace weft::gossip {

inline constexpr std::size_t kStallScoreMax = 2;

class Awareness {
 public:
  // `max` is the highest score; 0 switches the mechanism off.
  explicit Awareness(std::size_t max) : max_(max) {}

  // An own probe was answered.
  void on_success();
  // An own probe stayed silent. `asked` relays were asked, `reacted` of them answered at all.
  void on_silence(std::size_t asked, std::size_t reacted);
  // Others suspected this node, so its answers are late.
  void on_refute();
  // The own loop stood still for `by`: a point if that is half an interval or more, and only up to
  // kStallScoreMax. Rounds that a stall touched are void and clocks are shifted anyway, so it need
  // not slow down a whole mesh that starts on two cores.
  void on_stall(Duration by, Duration interval);

  std::size_t score() const { return score_; }
  // For probe intervals and patience: d * (score + 1).
  Duration stretch(Duration d) const;
  // For suspicion clocks, more gently: d * (score + 2) / 2.
  Duration stretch_clock(Duration d) const;

 private:
  void add(std::size_t points);

  std::size_t max_;
  std::size_t score_ = 0;
};

}  // namespace weft::gossip
