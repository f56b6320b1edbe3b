#include "crypto/replay_window.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "crypto/rng.h"
#include "crypto/sessions.h"
#include "tests/crypto/session_world.h"

namespace weft {
namespace {

static_assert(ReplayWindow::kBits == kReplayWindow);

// The rule as one would say it.
class NaiveWindow {
 public:
  bool fresh(std::uint64_t c) const {
    if (seen_.contains(c) || c == UINT64_MAX) return false;
    return seen_.empty() || *seen_.rbegin() < ReplayWindow::kBits ||
           c > *seen_.rbegin() - ReplayWindow::kBits;
  }
  void mark(std::uint64_t c) { seen_.insert(c); }

 private:
  std::set<std::uint64_t> seen_;
};

TEST(ReplayWindow, AgreesWithTheNaiveOne) {
  const std::uint64_t first = testing::seed_from_env(1);
  for (std::uint64_t seed = first; seed < first + 30; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    Rng rng(seed);
    ReplayWindow window;
    NaiveWindow naive;
    std::uint64_t top = seed % 2 == 0 ? 0 : rng.next() >> 1;
    std::uint64_t highest = 0;
    for (int i = 0; i < 3000; ++i) {
      std::uint64_t c = 0;
      switch (rng.below(8)) {
        case 0:
          c = top + rng.below(3000);
          break;
        case 1:
          c = top + rng.below(70);
          break;
        case 2:
          c = top - std::min(top, rng.below(1100));
          break;
        case 3:
          c = top - std::min(top, 1020 + rng.below(10));
          break;
        case 4:
          c = top + 1020 + rng.below(10);
          break;
        case 5:
          c = rng.next();
          break;
        default:
          c = top + 1;
          break;
      }
      if (c > top && c - top > 100'000 && rng.chance({19, 20})) continue;
      ASSERT_EQ(window.fresh(c), naive.fresh(c)) << c << " top " << top;
      if (!naive.fresh(c) || rng.chance({1, 4})) continue;
      window.mark(c);
      naive.mark(c);
      top = std::max(top, c);
      highest = std::max(highest, c);
      ASSERT_EQ(window.end(), highest + 1);
    }
  }
}

// As a session is used: nearly in order, some lost, some late. The word serves until a lost one leaves it.
TEST(ReplayWindow, OrderlySessionsAgreeWithTheNaiveOneToo) {
  const std::uint64_t first = testing::seed_from_env(1);
  for (std::uint64_t seed = first; seed < first + 100; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    Rng rng(seed);
    const auto lost_ppm = static_cast<std::uint32_t>(seed % 4 * 10'000);
    ReplayWindow window;
    NaiveWindow naive;
    std::vector<std::uint64_t> late;
    const auto take = [&](std::uint64_t c) {
      ASSERT_EQ(window.fresh(c), naive.fresh(c)) << c;
      if (!naive.fresh(c)) return;
      window.mark(c);
      naive.mark(c);
    };
    for (std::uint64_t c = 0; c < 1500; ++c) {
      if (rng.chance({lost_ppm, 1'000'000})) {
        if (rng.chance({1, 2})) late.push_back(c);
        continue;
      }
      ASSERT_NO_FATAL_FAILURE(take(c));
      ASSERT_NO_FATAL_FAILURE(take(c - std::min(c, rng.below(130))));  // again
      if (!late.empty() && rng.chance({1, 40})) {
        ASSERT_NO_FATAL_FAILURE(take(late.back()));
        late.pop_back();
      }
    }
    for (std::uint64_t c = 0; c < 1600; ++c) ASSERT_EQ(window.fresh(c), naive.fresh(c)) << c;
  }
}

TEST(ReplayWindow, StartsAtZeroAndEndsBeforeTheLast) {
  ReplayWindow window;
  EXPECT_TRUE(window.fresh(0));
  window.mark(0);
  EXPECT_FALSE(window.fresh(0));
  window.mark(UINT64_MAX - 1);
  EXPECT_FALSE(window.fresh(UINT64_MAX - 1));
  EXPECT_FALSE(window.fresh(UINT64_MAX));
  EXPECT_TRUE(window.fresh(UINT64_MAX - 1024));
  EXPECT_FALSE(window.fresh(UINT64_MAX - 1025));
}

}  // namespace
}  // namespace weft
