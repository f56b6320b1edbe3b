#include "node/source_table.h"

#include <gtest/gtest.h>

#include "crypto/rng.h"

namespace weft::node {
namespace {

const auto kFirst = Endpoint::v4(10, 0, 0, 1, 0).ip;
const auto kSecond = Endpoint::v4(10, 0, 0, 2, 0).ip;

TEST(SourceTable, RemembersToWhichAddressEachPeerTalks) {
  SourceTable table;
  const Endpoint a = Endpoint::v4(192, 0, 2, 1, 7);
  const Endpoint b = Endpoint::v4(192, 0, 2, 1, 8);
  EXPECT_FALSE(table.find(a));
  table.forget(a);
  table.note(a, kFirst);
  table.note(b, kSecond);
  EXPECT_EQ(table.find(a), kFirst);
  EXPECT_EQ(table.find(b), kSecond);
  table.note(a, kSecond);
  EXPECT_EQ(table.find(a), kSecond) << "the last one counts";
  table.forget(a);
  EXPECT_FALSE(table.find(a));
  EXPECT_EQ(table.find(b), kSecond);
}

TEST(SourceTable, AMeshFitsAndAFloodOnlyMakesItForget) {
  SourceTable table;
  Rng rng(1);
  const auto peer = [](std::uint32_t i) {
    return Endpoint::v4(10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1, 9338);
  };
  for (std::uint32_t i = 0; i < 300; ++i) table.note(peer(i), kFirst);
  std::size_t known = 0;
  for (std::uint32_t i = 0; i < 300; ++i) known += table.find(peer(i)) ? 1U : 0U;
  EXPECT_GE(known, 285U);
  for (int i = 0; i < 100'000; ++i) {
    table.note(Endpoint::v4(11, 0, 0, 1, static_cast<std::uint16_t>(rng.below(65535) + 1)), kSecond);
  }
  table.note(peer(7), kFirst);
  EXPECT_EQ(table.find(peer(7)), kFirst);
}

}  // namespace
}  // namespace weft::node
