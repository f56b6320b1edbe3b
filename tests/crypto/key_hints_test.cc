#include "crypto/key_hints.h"

#include <gtest/gtest.h>

#include "crypto/bytes.h"

namespace weft::session {
namespace {

NodeId peer(std::uint64_t n) {
  NodeId id;
  store_le(id.bytes.data(), n);
  return id;
}

TEST(KeyHints, RemembersWhatIsNotTheFirstKey) {
  KeyHints hints;
  EXPECT_EQ(hints.of(peer(1)), 0U);
  hints.note(peer(1), 0);
  EXPECT_EQ(hints.size(), 0U);
  hints.note(peer(1), 2);
  EXPECT_EQ(hints.of(peer(1)), 2U);
  hints.note(peer(1), 0);
  EXPECT_EQ(hints.of(peer(1)), 0U);
  EXPECT_EQ(hints.size(), 0U);
}

TEST(KeyHints, TheLongestUnnotedGivesWay) {
  KeyHints hints;
  for (std::size_t i = 0; i < kKeyHintsMax; ++i) hints.note(peer(i), 1);
  hints.note(peer(0), 1);  // now peer 1 is the oldest
  hints.note(peer(kKeyHintsMax), 1);
  EXPECT_EQ(hints.size(), kKeyHintsMax);
  EXPECT_EQ(hints.of(peer(0)), 1U);
  EXPECT_EQ(hints.of(peer(1)), 0U);
  EXPECT_EQ(hints.of(peer(kKeyHintsMax)), 1U);
}

}  // namespace
}  // namespace weft::session
