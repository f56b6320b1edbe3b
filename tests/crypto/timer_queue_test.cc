#include "crypto/timer_queue.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "crypto/rng.h"
#include "tests/allocations.h"
#include "tests/crypto/session_world.h"

namespace weft {
namespace {

TEST(TimerQueue, AgreesWithASortedSet) {
  const std::uint64_t first = testing::seed_from_env(1);
  for (std::uint64_t seed = first; seed < first + 20; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    Rng rng(seed);
    TimerQueue queue;
    struct Armed {
      Instant at;
      std::uint64_t order;
      TimerQueue::Tag tag;
      TimerQueue::Handle handle;
    };
    std::vector<Armed> naive;
    std::vector<TimerQueue::Handle> dead;
    Instant now{};
    std::uint64_t order = 0;
    const auto earliest = [&] {
      return std::ranges::min_element(naive, {},
                                      [](const Armed& a) { return std::pair(a.at, a.order); });
    };
    for (int i = 0; i < 4000; ++i) {
      switch (rng.below(5)) {
        case 0:
        case 1: {
          const Instant at = now + Duration(static_cast<Duration::rep>(rng.below(50)));
          const TimerQueue::Tag tag = rng.next();
          naive.push_back({at, order++, tag, queue.arm(at, tag)});
          break;
        }
        case 2:
          if (!naive.empty()) {
            const auto at = naive.begin() + static_cast<std::ptrdiff_t>(rng.below(naive.size()));
            queue.cancel(at->handle);
            dead.push_back(at->handle);
            naive.erase(at);
          }
          break;
        case 3:
          if (!dead.empty()) queue.cancel(dead[rng.below(dead.size())]);
          queue.cancel({});
          break;
        default: {
          now += Duration(static_cast<Duration::rep>(rng.below(10)));
          const auto popped = queue.pop_due(now);
          const auto expected = earliest();
          if (expected == naive.end() || expected->at > now) {
            ASSERT_EQ(popped, std::nullopt);
          } else {
            ASSERT_EQ(popped, expected->tag);
            dead.push_back(expected->handle);
            naive.erase(expected);
          }
        }
      }
      ASSERT_EQ(queue.size(), naive.size());
      const auto next = queue.next();
      ASSERT_EQ(next.has_value(), !naive.empty());
      if (next) {
        ASSERT_EQ(*next, earliest()->at);
      }
    }
  }
}

TEST(TimerQueue, EqualInstantsComeOutInTheOrderOfArming) {
  TimerQueue queue;
  for (TimerQueue::Tag tag = 0; tag < 100; ++tag) queue.arm(Instant{} + 1s, tag);
  for (TimerQueue::Tag tag = 0; tag < 100; ++tag) EXPECT_EQ(queue.pop_due(Instant{} + 1s), tag);
  EXPECT_EQ(queue.pop_due(Instant{} + 1h), std::nullopt);
}

TEST(TimerQueue, ArmAndCancelForEverNeitherGrowsNorAllocates) {
  TimerQueue queue;
  queue.arm(Instant{} + 1h, 1);
  for (int i = 0; i < 1000; ++i) queue.cancel(queue.arm(Instant{} + 2h, 2));
  const std::size_t before = testing::allocations();
  for (int i = 0; i < 100'000; ++i) queue.cancel(queue.arm(Instant{} + 2h, 2));
  EXPECT_EQ(testing::allocations(), before);
  EXPECT_EQ(queue.size(), 1U);
}

}  // namespace
}  // namespace weft
