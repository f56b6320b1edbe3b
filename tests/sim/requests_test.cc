// The books of requests under way: matching, reuse, bounds.
#include "node/requests.h"

#include <gtest/gtest.h>

#include <map>

#include "node/peer_stats.h"
#include "tests/sim/helpers.h"

namespace weft::node {
namespace {

NodeId id_of(std::uint8_t n) {
  NodeId id;
  id.bytes[0] = n;
  return id;
}

RequestInfo info(std::uint8_t kind, std::uint8_t peer) {
  RequestInfo i;
  i.reply_kind = kind;
  i.to.id = id_of(peer);
  return i;
}

TEST(RequestTable, AnAnswerMatchesByIdKindAndPeerOnly) {
  SeededEntropy entropy(1);
  RequestTable table(entropy);
  const std::uint32_t rpc = table.open(info(17, 1))->rpc;
  EXPECT_EQ(table.match(rpc, 19, id_of(1)), nullptr);
  EXPECT_EQ(table.match(rpc, 17, id_of(2)), nullptr);
  EXPECT_EQ(table.match(rpc + 1, 17, id_of(1)), nullptr);
  ASSERT_NE(table.match(rpc, 17, id_of(1)), nullptr);
  table.close(*table.find(rpc));
  EXPECT_EQ(table.match(rpc, 17, id_of(1)), nullptr) << "ended twice";
}

TEST(RequestTable, AnOldAnswerNeverMatchesTheNextUseOfItsSlot) {
  SeededEntropy entropy(2);
  RequestTable table(entropy);
  std::uint32_t before = 0;
  for (int i = 0; i < 1000; ++i) {
    RequestTable::Request* r = table.open(info(17, 1));
    EXPECT_NE(r->rpc, before);
    EXPECT_EQ(table.find(before), nullptr);
    before = r->rpc;
    table.close(*r);
  }
}

TEST(RequestTable, IsBounded) {
  SeededEntropy entropy(3);
  RequestTable table(entropy);
  for (std::size_t i = 0; i < kRequestsMax; ++i) ASSERT_NE(table.open(info(17, 1)), nullptr);
  EXPECT_EQ(table.open(info(17, 1)), nullptr);
  EXPECT_EQ(table.size(), kRequestsMax);
}

TEST(RequestTable, BehavesLikeAMap) {
  const std::uint64_t seed = sim::seed_or(4);
  SCOPED_TRACE("SEED=" + std::to_string(seed));
  Rng rng(seed);
  SeededEntropy entropy(seed);
  RequestTable table(entropy);
  std::map<std::uint32_t, std::uint8_t> model;  // rpc -> peer
  for (int i = 0; i < 20000; ++i) {
    if (model.empty() || rng.chance({1, 2})) {
      const auto peer = static_cast<std::uint8_t>(rng.below(200));
      if (RequestTable::Request* r = table.open(info(17, peer))) {
        ASSERT_TRUE(model.emplace(r->rpc, peer).second);
      }
    } else {
      auto it = model.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(rng.below(std::min<std::size_t>(model.size(), 20))));
      RequestTable::Request* r = table.match(it->first, 17, id_of(it->second));
      ASSERT_NE(r, nullptr);
      table.close(*r);
      model.erase(it);
    }
    ASSERT_EQ(table.size(), model.size());
  }
}

// A quarter dies at once. A get that asks some of the dead before membership knows goes on after what the living need, far sooner than a
// request to somebody hardly known is sent again.
TEST(Hedge, GetsGoOnPastTheDeadBeforeRequestsAreSentAgain) {
  sim::SimNetwork net({.seed = sim::seed_or(2), .link = {}});
  sim::Ledger ledger(net);
  constexpr std::size_t kNodes = 40;
  sim::form(net, kNodes);
  const auto key = [](std::size_t i) { return "k" + std::to_string(i); };
  for (std::size_t i = 0; i < kNodes; ++i) EXPECT_TRUE(ledger.put(i, key(i), "v").result.has_value());
  net.run_for(5s);
  for (std::size_t i = 0; i < kNodes; i += 4) net.crash(i);
  const Instant died = net.now().mono;
  std::size_t past_the_dead = 0;
  Duration waited{};
  for (std::size_t get = 0; get < 12 * kNodes; ++get) {
    const std::size_t from = get % kNodes;
    if (from % 4 == 0) continue;
    const Instant asked = net.now().mono;
    EXPECT_TRUE(ledger.get(from, key((7 * get + get / kNodes) % kNodes)).result.has_value());
    const Duration took = net.now().mono - asked;
    if (took < kRtoMin) continue;
    ++past_the_dead;
    waited += took;
  }
  EXPECT_LT(net.now().mono - died, 3s) << "somebody may know of the deaths";
  EXPECT_GE(past_the_dead, 5U);
  EXPECT_LT(waited, past_the_dead * 2 * kRtoMin) << "each waits for one of the dead, or seldom two";
}

}  // namespace
}  // namespace weft::node
