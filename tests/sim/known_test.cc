// Who is asked by a node learns whom that node knows only if its record says that it reads that.
#include "tests/sim/helpers.h"
#include "tests/sim/liar.h"

namespace weft::sim {
namespace {

struct Heard {
  std::size_t requests = 0;
  std::size_t with_tags = 0;
};

// What somebody is asked in puts and lookups of five others: a member of this minor, or one without a record.
Heard heard_by(std::optional<std::uint32_t> minor) {
  SimNetwork net({.seed = seed_or(1), .link = {}});
  Ledger ledger(net);
  form(net, 5);
  Heard heard;
  Liar member(net);
  const auto answer = [&](std::size_t from, const node::Head& head, auto m, Reader& r, const auto& reply) {
    EXPECT_FALSE(decode(r, m).has_value());
    ++heard.requests;
    if (!m.known.tags.empty()) ++heard.with_tags;
    member.say(from, reply, head.rpc);
  };
  member.hears = [&](std::size_t from, const node::Head& head, Reader& r) {
    if (head.kind == gossip::kPing) {
      member.say(from, gossip::Ack{.number = 1, .instance = 4711, .digest = 0, .observed = member.at, .items = {}}, head.rpc);
    } else if (head.kind == dht::kFindNode) {
      answer(from, head, dht::FindNode{}, r, dht::Nodes{.token = dht::Token{1}});
    } else if (head.kind == dht::kGet) {
      answer(from, head, dht::Get{}, r, dht::Values{.token = dht::Token{1}});
    }
  };
  for (std::size_t i = 0; i < 5; ++i) {
    if (minor) member.gossip(i, {member.record(1, *minor)->wire});
    member.say(i, dht::FindNode{.target = net.id(i)});
  }
  net.run_for(2s);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(ledger.put(i, "k" + std::to_string(i), "v").result.has_value());
    (void)ledger.lookup(i, dht::key_of_text("t" + std::to_string(i)));
    net.run_for(2s);
  }
  return heard;
}

TEST(Known, IsToldToMembersWhoseRecordSaysThatTheyReadIt) {
  const Heard older = heard_by(node::kKnownMinor - 1);
  EXPECT_GE(older.requests, 5U);
  EXPECT_EQ(older.with_tags, 0U);
  const Heard stranger = heard_by(std::nullopt);
  EXPECT_GE(stranger.requests, 5U);
  EXPECT_EQ(stranger.with_tags, 0U);
  const Heard newer = heard_by(node::kKnownMinor);
  EXPECT_GE(newer.requests, 5U);
  EXPECT_GE(newer.with_tags, 5U);
}

}  // namespace
}  // namespace weft::sim
