#include "node/member_log.h"

#include <gtest/gtest.h>

namespace weft::node {
namespace {

constexpr Now kNow{Instant(1s), {1'700'000'000'000}};

TEST(MemberLog, TellsWhatCameAfterACursorPageByPage) {
  MemberLog log;
  const std::uint64_t start = log.last(kNow);
  EXPECT_FALSE(log.page(start, 10).some);
  EXPECT_EQ(log.page(start, 10).changes, "[]");
  for (const char* one : {"1", "2", "3"}) log.add(kNow, one);
  const MemberLog::Page first = log.page(start, 2);
  EXPECT_EQ(first.changes, "[1,2]");
  EXPECT_TRUE(first.some);
  const MemberLog::Page rest = log.page(first.cursor, 2);
  EXPECT_EQ(rest.changes, "[3]");
  EXPECT_EQ(rest.cursor, log.last(kNow));
  EXPECT_TRUE(log.knows(kNow, rest.cursor));
}

TEST(MemberLog, KeepsTheNewestAndKnowsWhatItHasDropped) {
  MemberLog log;
  const std::uint64_t start = log.last(kNow);
  for (std::size_t i = 0; i < kMemberChangesKept; ++i) log.add(kNow, std::to_string(i));
  EXPECT_TRUE(log.knows(kNow, start)) << "all are still here";
  log.add(kNow, "last");
  EXPECT_FALSE(log.knows(kNow, start));
  EXPECT_TRUE(log.knows(kNow, start + 1));
  EXPECT_EQ(log.page(start + 1, 1).changes, "[1]");
  EXPECT_EQ(log.page(log.last(kNow) - 1, 5).changes, "[last]");
}

TEST(MemberLog, CursorsOfAnotherLifeAreGaps) {
  MemberLog earlier;
  earlier.add(kNow, "1");
  const std::uint64_t old = earlier.last(kNow);
  const Now later{Instant(5s), {kNow.wall.value + 1000}};
  MemberLog log;
  EXPECT_FALSE(log.knows(later, old));
  EXPECT_FALSE(log.knows(later, 0));
  EXPECT_FALSE(log.knows(later, log.last(later) + 1)) << "nor one that it has not come to";
  // A clock that was set back.
  const Now before{Instant(5s), {kNow.wall.value - 3'600'000}};
  MemberLog set_back;
  EXPECT_FALSE(set_back.knows(before, old));
}

}  // namespace
}  // namespace weft::node
