// Walks with peers that take their time: nobody keeps the others from being asked.
#include <gmock/gmock.h>

#include "tests/gossip/state_solo.h"

namespace weft::state {
namespace {

std::uint8_t nibble_of(const Bytes& wire, std::size_t at) {
  const std::uint8_t byte = key_of(decode_entry(wire).value()).bytes[at / 2];
  return at % 2 == 0 ? byte >> 4 : byte & 15;
}

class SlowPeer : public testing::Test {
 public:
  SlowPeer() {
    solo.make();
    solo.commit_all();
  }
  Contact peer(std::uint8_t n) const {
    Identity id(solo.provider, ByteArray<32>{n});
    return make_contact(id.public_key(), Endpoint::v4(10, 0, 0, n, 1000));
  }
  // The peer's digest, and what it says of its root. Whether that began a walk.
  bool differs(const Contact& with, std::uint8_t digest) {
    solo.asked.clear();
    solo.call([&](OpId, Output& out) { solo.state->on_digest(solo.now(), with, TreeHash{digest}, out); });
    if (solo.asked.empty()) return false;
    const Request question = solo.asked.front();
    solo.asked.pop_front();
    RootsReply reply;
    reply.roots.push({.space = handle_of(solo.space_id), .hash = 12345});
    const std::uint64_t before = solo.state->stats().walks_total;
    solo.call([&](OpId, Output& out) { solo.state->on_roots_reply(solo.now(), question.tag, reply, out); });
    return solo.state->stats().walks_total > before;
  }
  // Answers the oldest question with two branches that nobody has, or with an entry.
  void answer(const std::optional<Bytes>& wire = {}) {
    const Request question = solo.asked.front();
    solo.asked.pop_front();
    if (const auto* fetch = std::get_if<Fetch>(&question.message)) {
      FetchReply reply;
      Packer packer(kPayloadBytesMax - kPackHeadBytes);
      if (wire && fetch->prefix.covers(key_of(decode_entry(*wire).value()))) (void)packer.add(decode_entry(*wire).value());
      reply.pack = packer.bytes();
      solo.call([&](OpId, Output& out) { solo.state->on_fetch_reply(solo.now(), question.tag, reply, out); });
      return;
    }
    const auto& branch = std::get<Branch>(question.message);
    BranchReply reply;
    for (const Prefix& asked : branch.nodes) {
      BranchNode node{.at = asked, .count = 255, .parts = {}};
      for (std::uint8_t nibble = 0; !wire && nibble < 2; ++nibble) node.parts.push({.nibble = nibble, .count = 255, .hash = 7});
      if (wire) node.parts.push({.nibble = nibble_of(*wire, asked.nibbles), .count = 1, .hash = 7});
      reply.nodes.push(node);
    }
    solo.call([&](OpId, Output& out) { solo.state->on_branch_reply(solo.now(), question.tag, reply, out); });
  }
  std::size_t walks() const { return solo.state->stats().walks; }
  Solo solo;
};

TEST_F(SlowPeer, ItsWalkEndsAndOthersGetTheirTurn) {
  ASSERT_TRUE(differs(peer(2), 1));
  for (int i = 0; i < 29; ++i) {
    solo.pass(1s);
    ASSERT_FALSE(solo.asked.empty());
    answer();
    ASSERT_EQ(walks(), 1U) << i;
  }
  solo.pass(1s);
  answer();
  EXPECT_EQ(walks(), 0U) << "thirty seconds have passed";
  // Answers that come later are nobody's.
  while (!solo.asked.empty()) answer();
  EXPECT_EQ(solo.state->stats().walks_failed_total, 1U);
  EXPECT_FALSE(differs(peer(2), 2)) << "it brought nothing";
  EXPECT_TRUE(differs(peer(3), 3));
  while (walks() > 0) {
    solo.pass(10s);
    answer();
  }
  solo.pass(29s);
  EXPECT_FALSE(differs(peer(2), 4));
  solo.pass(1s);
  EXPECT_FALSE(differs(peer(3), 5));
  EXPECT_TRUE(differs(peer(2), 6)) << "a minute has passed";
}

TEST_F(SlowPeer, WhoBroughtSomethingIsAskedAgain) {
  Identity author(solo.provider, ByteArray<32>{9});
  const Bytes wire = solo.signed_by(author, 1, 1, "k");
  ASSERT_TRUE(differs(peer(2), 1));
  answer(wire);
  answer(wire);
  ASSERT_EQ(solo.state->stats().fetched_total, 1U);
  // That was all, so well; once more, and slowly.
  ASSERT_EQ(walks(), 0U);
  const Bytes more = solo.signed_by(author, 2, 2, "l");
  ASSERT_TRUE(differs(peer(2), 2));
  const Request first = solo.asked.front();
  BranchReply reply;
  BranchNode node{.at = std::get<Branch>(first.message).nodes[0], .count = 255, .parts = {}};
  const std::uint8_t its = nibble_of(more, 0);
  node.parts.push({.nibble = std::min<std::uint8_t>(its, its ^ 1U), .count = std::uint8_t(its & 1U ? 255 : 1), .hash = 7});
  node.parts.push({.nibble = std::max<std::uint8_t>(its, its ^ 1U), .count = std::uint8_t(its & 1U ? 1 : 255), .hash = 7});
  reply.nodes.push(node);
  solo.asked.pop_front();
  solo.call([&](OpId, Output& out) { solo.state->on_branch_reply(solo.now(), first.tag, reply, out); });
  ASSERT_EQ(solo.asked.size(), 2U);
  if (!std::holds_alternative<Fetch>(solo.asked.front().message)) std::swap(solo.asked[0], solo.asked[1]);
  answer(more);
  ASSERT_EQ(solo.state->stats().fetched_total, 2U);
  solo.pass(40s);
  answer();
  EXPECT_EQ(walks(), 0U);
  EXPECT_EQ(solo.state->stats().walks_failed_total, 1U);
  EXPECT_TRUE(differs(peer(2), 3));
}

TEST_F(SlowPeer, WithWhomNothingWasLeftToBringIsAskedAgainInAWhile) {
  Contact with = peer(2);
  solo.call([&](OpId, Output& out) { solo.state->on_digest(solo.now(), with, TreeHash{1}, out); });
  const Request question = solo.asked.front();
  RootsReply none;
  solo.call([&](OpId, Output& out) { solo.state->on_roots_reply(solo.now(), question.tag, none, out); });
  const auto asks = [&] {
    solo.asked.clear();
    solo.call([&](OpId, Output& out) { solo.state->on_digest(solo.now(), with, TreeHash{1}, out); });
    return !solo.asked.empty();
  };
  EXPECT_FALSE(asks());
  solo.pass(kNotedFor - 1s);
  EXPECT_FALSE(asks());
  solo.pass(1s);
  EXPECT_TRUE(asks());
}

}  // namespace
}  // namespace weft::state
