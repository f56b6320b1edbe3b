#include "crypto/inline_vec.h"

#include <gtest/gtest.h>

#include <vector>

#include "crypto/outbox.h"
#include "tests/crypto/session_world.h"

namespace weft {
namespace {

TEST(InlineVec, AgreesWithAVector) {
  Rng rng(testing::seed_from_env(1));
  InlineVec<int, 8> ours;
  std::vector<int> naive;
  for (int i = 0; i < 20'000; ++i) {
    switch (rng.below(6)) {
      case 0:
      case 1:
      case 2: {
        const bool fits = naive.size() < 8;
        ASSERT_EQ(ours.full(), !fits);
        ASSERT_EQ(ours.try_push(i), fits);
        if (fits) naive.push_back(i);
        break;
      }
      case 3:
        if (!naive.empty()) {
          const std::size_t at = rng.below(naive.size());
          ours.erase_at(at);
          naive.erase(naive.begin() + static_cast<std::ptrdiff_t>(at));
        }
        break;
      case 4: {
        const std::size_t size = rng.below(12);
        ours.truncate(size);
        if (size < naive.size()) naive.resize(size);
        break;
      }
      default:
        if (rng.chance({1, 10})) {
          ours.clear();
          naive.clear();
        }
    }
    ASSERT_EQ(ours.size(), naive.size());
    ASSERT_EQ(ours.empty(), naive.empty());
    ASSERT_TRUE(std::ranges::equal(ours, naive));
  }
}

TEST(InlineVec, EqualityLooksAtTheElementsAlone) {
  InlineVec<int, 4> a = {1, 2, 3};
  InlineVec<int, 4> b = {1, 2};
  EXPECT_FALSE(a == b);
  a.truncate(2);
  EXPECT_TRUE(a == b);
  a[1] = 9;
  EXPECT_FALSE(a == b);
}

using InlineVecDeathTest = ::testing::Test;
TEST(InlineVecDeathTest, MisuseIsCaught) {
  InlineVec<int, 2> v = {1, 2};
  EXPECT_DEATH(v.push(3), "CHECK failed");
  EXPECT_DEATH((void)v[2], "CHECK failed");
  EXPECT_DEATH(v.erase_at(2), "CHECK failed");
}

TEST(Outbox, KeepsDatagramsApartUntilCleared) {
  Outbox out;
  EXPECT_TRUE(out.empty());
  for (std::uint8_t i = 0; i < 50; ++i) {
    const MutableBytes room = out.room();
    ASSERT_EQ(room.size(), kDatagramBytesMax);
    std::ranges::fill(room, i);
    out.commit(Endpoint::v4(1, 1, 1, 1, i), 10U + i);
  }
  ASSERT_EQ(out.datagrams().size(), 50U);
  for (std::uint8_t i = 0; i < 50; ++i) {
    const auto& d = out.datagrams()[i];
    EXPECT_EQ(d.to.port, i);
    EXPECT_EQ(to_bytes(out.bytes(d)), Bytes(10U + i, i));
  }
  out.clear();
  EXPECT_TRUE(out.empty());
  EXPECT_DEATH(out.commit({}, kDatagramBytesMax + 1), "CHECK failed");
}

}  // namespace
}  // namespace weft
