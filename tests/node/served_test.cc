#include "node/served.h"

#include <gtest/gtest.h>

namespace weft::node {
namespace {

NodeId peer(std::uint8_t n) {
  NodeId id;
  id.bytes[0] = n;
  return id;
}

dht::TraceContext context(std::uint8_t trace, std::uint8_t span) {
  dht::TraceContext out;
  out.trace[0] = trace;
  out.span[0] = span;
  return out;
}

struct Rig {
  SeededEntropy entropy{1};
  ServedLog log{entropy};
  Now now{.mono = Instant(1s), .wall = {1'000}};
};

TEST(ServedLog, AnAnswerEndsTheRequestItBelongsToAndNoOther) {
  Rig rig;
  rig.log.begin(rig.now, peer(1), 7, context(1, 1), dht::kGet);
  rig.log.begin(rig.now, peer(2), 7, context(1, 2), dht::kFindNode);
  rig.now.mono += 3ms;
  dht::Nodes nodes;
  nodes.contacts.push({});
  rig.log.answered(rig.now, peer(2), 8, nodes);
  rig.log.answered(rig.now, peer(3), 7, nodes);
  EXPECT_FALSE(rig.log.all()[1].took);
  rig.log.answered(rig.now, peer(2), 7, nodes);
  EXPECT_FALSE(rig.log.all()[0].took);
  EXPECT_EQ(rig.log.all()[1].took, std::optional<Duration>(3ms));
  EXPECT_EQ(rig.log.all()[1].answer.contacts, 1U);
  rig.now.mono += 2ms;
  rig.log.answered(rig.now, peer(2), 7, nodes);
  EXPECT_EQ(rig.log.all()[1].took, std::optional<Duration>(3ms)) << "answered once";
  EXPECT_NE(rig.log.all()[0].span, rig.log.all()[1].span);
  EXPECT_EQ(rig.log.all()[0].at.value, 1'000);
}

TEST(ServedLog, ARequestThatComesAgainIsOne) {
  Rig rig;
  for (int i = 0; i < 3; ++i) rig.log.begin(rig.now, peer(1), 7, context(1, 1), dht::kGet);
  EXPECT_EQ(rig.log.all().size(), 1U);
}

TEST(ServedLog, KeepsTheLastOnes) {
  Rig rig;
  for (std::uint32_t i = 0; i < 3 * kServedMax; ++i) rig.log.begin(rig.now, peer(1), i, context(1, 1), dht::kStore);
  ASSERT_EQ(rig.log.all().size(), kServedMax);
  EXPECT_EQ(rig.log.all().front().rpc, 2 * kServedMax);
  dht::Stored refused{.status = dht::StoreStatus::kQuota};
  for (std::uint32_t i = 0; i < 3 * kServedMax; ++i) rig.log.answered(rig.now, peer(1), i, refused);
  for (const Served& served : rig.log.all()) EXPECT_EQ(served.answer.status, dht::StoreStatus::kQuota);
}

}  // namespace
}  // namespace weft::node
