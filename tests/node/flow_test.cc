#include "node/flow.h"

#include <gtest/gtest.h>

#include "node/codec.h"

namespace weft::node {
namespace {

struct Rig {
  Flow flow;
  Now now{.mono = Instant(1s), .wall = {1'000}};
  NodeId peer{};

  template <class M>
  void say(const M& message) {
    ByteArray<kPayloadBytesMax> buffer{};
    Writer w{MutableBytes(buffer)};
    encode(w, 7, message);
    ASSERT_TRUE(w.ok());
    flow.note(now, peer, w.view());
    bytes = w.view().size();
  }
  std::size_t bytes = 0;
};

TEST(Flow, KeepsNothingUnlessSomebodyLooks) {
  Rig rig;
  rig.say(gossip::Ping{});
  EXPECT_TRUE(rig.flow.said().empty());
  EXPECT_EQ(rig.flow.last(), 0U);
  rig.flow.watch(rig.now);
  rig.say(gossip::Ping{});
  ASSERT_EQ(rig.flow.said().size(), 1U);
  EXPECT_EQ(rig.flow.said()[0].at.value, 1'000);
  EXPECT_EQ(rig.flow.said()[0].bytes, rig.bytes);
  // Not any more: it is forgotten with the next message, and numbers go on.
  rig.now.mono += kFlowWatched;
  rig.say(gossip::Ping{});
  EXPECT_TRUE(rig.flow.said().empty());
  rig.flow.watch(rig.now);
  rig.say(gossip::Ping{});
  EXPECT_EQ(rig.flow.last(), 2U);
}

TEST(Flow, TellsWhatAMessageIsAbout) {
  Rig rig;
  rig.flow.watch(rig.now);
  rig.say(gossip::Sync{});
  rig.say(dht::FindNode{});
  rig.say(dht::Get{});
  rig.say(dht::Stored{});
  rig.say(state::Roots{});
  rig.say(state::Prune{});
  // What a traced one wraps.
  ByteArray<64> inside{};
  Writer w{MutableBytes(inside)};
  encode(w, 7, dht::FindNode{});
  rig.say(dht::Traced{.context = {}, .request = w.view()});
  const ByteArray<2> nonsense{0xc1, 0xc1};
  rig.flow.note(rig.now, rig.peer, nonsense);
  std::vector<Topic> topics;
  for (const Said& said : rig.flow.said()) topics.push_back(said.topic);
  EXPECT_EQ(topics, (std::vector{Topic::kMembership, Topic::kLookup, Topic::kValue, Topic::kValue, Topic::kState, Topic::kState, Topic::kLookup, Topic::kOther}));
}

TEST(Flow, KeepsTheLastOnes) {
  Rig rig;
  rig.flow.watch(rig.now);
  for (std::size_t i = 0; i < 3 * kFlowMax; ++i) {
    rig.peer.bytes[0] = static_cast<std::uint8_t>(i / kFlowMax);
    rig.say(gossip::Ping{});
  }
  ASSERT_EQ(rig.flow.said().size(), kFlowMax);
  EXPECT_EQ(rig.flow.said().front().to.bytes[0], 2);
  EXPECT_EQ(rig.flow.last(), 3 * kFlowMax);
}

}  // namespace
}  // namespace weft::node
