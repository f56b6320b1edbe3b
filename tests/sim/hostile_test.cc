// What a member with a key of its own can say in a sealed session, and what comes of it: numbers at
// their limits, forged and replayed records, values that claim too much.
#include "dht/signed_value.h"
#include "tests/sim/helpers.h"
#include "tests/sim/liar.h"

namespace weft::sim {
namespace {

using gossip::MemberState;

constexpr std::size_t kNodes = 5;

std::optional<gossip::MemberView> view(SimNetwork& net, std::size_t at, const NodeId& id) {
  std::optional<gossip::MemberView> found;
  net.core(at).for_each_member([&](const gossip::MemberView& m) {
    if (m.record->id == id) found = m;
  });
  return found;
}

bool all_hold(SimNetwork& net, const NodeId& id, MemberState state) {
  for (std::size_t i = 0; i < net.size(); ++i) {
    const auto seen = view(net, i, id);
    if (!seen || seen->state != state) return false;
  }
  return true;
}

// Answers pings like an honest node with that number.
Liar::Hears answering(Liar& liar, std::uint64_t number) {
  return [&liar, number](std::size_t from, const node::Head& head, Reader&) {
    if (head.kind != gossip::kPing) return;
    liar.say(from, gossip::Ack{.number = number, .instance = 4711, .digest = 0, .observed = liar.at,
                               .items = {}},
             head.rpc);
  };
}

// A record in somebody's name that the liar has signed.
Bytes forged(const Liar& liar, const NodeRecord& of, std::uint64_t number, RecordStatus status) {
  RecordFields fields;
  fields.number = number;
  fields.instance = of.instance;
  fields.status = status;
  fields.endpoints = of.endpoints;
  fields.network = of.network;
  fields.name = of.name;
  Bytes wire = make_record(liar.identity(), fields)->wire;
  const auto& mine = liar.identity().public_key().bytes;
  const auto at = std::search(wire.begin(), wire.end(), mine.begin(), mine.end());
  std::ranges::copy(of.key.bytes, at);
  return wire;
}

TEST(Hostile, AMemberAtTheHighestNumberLivesAndDiesLikeOthers) {
  SimNetwork net({.seed = seed_or(1), .link = {}});
  Ledger ledger(net);
  form(net, kNodes);
  Liar liar(net);
  const NodeId id = liar.identity().id();
  liar.hears = answering(liar, kNumberMax);
  liar.gossip(0, {liar.record(kNumberMax)->wire});
  EXPECT_TRUE(net.run_until([&] { return all_hold(net, id, MemberState::kAlive); }, 5s));
  net.run_for(10s);
  EXPECT_TRUE(all_hold(net, id, MemberState::kAlive));
  liar.deaf = true;
  EXPECT_TRUE(net.run_until([&] { return all_hold(net, id, MemberState::kFailed); }, 30s));
  // No record can be above it any more, but a proof of life needs none.
  liar.deaf = false;
  EXPECT_TRUE(net.run_until([&] { return all_hold(net, id, MemberState::kAlive); }, 30s));
  EXPECT_TRUE(net.all_see(kNodes + 1));
}

TEST(Hostile, SuspicionsAtTheHighestNumberAreDroppedAndAtTheRightOneRefuted) {
  SimNetwork net({.seed = seed_or(2), .link = {}});
  Ledger ledger(net);
  form(net, kNodes);
  Liar liar(net);
  liar.hears = answering(liar, 1);
  liar.gossip(0, {liar.record(1)->wire});
  ASSERT_TRUE(net.run_until([&] { return net.all_see(kNodes + 1); }, 5s));
  net.run_for(5s);
  const std::uint64_t number = net.core(3).record()->number;
  for (std::size_t i = 0; i < kNodes; ++i) liar.accuse(i, net.id(3), kNumberMax);
  net.run_for(10s);
  EXPECT_TRUE(all_hold(net, net.id(3), MemberState::kAlive));
  EXPECT_EQ(net.core(3).record()->number, number);
  for (std::size_t i = 0; i < kNodes; ++i) {
    EXPECT_EQ(net.core(i).status().members.suspicions_dropped_total, 1U) << i;
  }
  for (int round = 0; round < 20; ++round) {  // the accused answers each, at its own pace
    for (std::size_t i = 0; i < kNodes; ++i) {
      liar.accuse(i, net.id(3), net.core(3).record()->number);
    }
    net.run_for(500ms);
  }
  net.run_for(10s);
  EXPECT_TRUE(all_hold(net, net.id(3), MemberState::kAlive));
  EXPECT_GT(net.core(3).record()->number, number);
  EXPECT_LE(net.core(3).record()->number, number + gossip::kCreditMax);  // its credit; without it, one a second
  EXPECT_TRUE(ledger.failures.empty());
}

TEST(Hostile, ForgedRecordsAndGoodbyesAreRefusedAndCounted) {
  SimNetwork net({.seed = seed_or(3), .link = {}});
  Ledger ledger(net);
  form(net, kNodes);
  net.run_for(3s);
  Liar liar(net);
  const NodeRecord victim = *net.core(3).record();
  const RecordRef own = liar.record(1);
  for (const RecordStatus status : {RecordStatus::kUp, RecordStatus::kLeft}) {
    for (const std::uint64_t number : {victim.number + 1, kNumberMax}) {
      const Bytes record = forged(liar, victim, number, status);
      ASSERT_TRUE(peek_record(record));
      for (std::size_t i = 0; i < kNodes; ++i) liar.gossip(i, {record, own->wire});
      net.run_for(1s);
    }
  }
  net.run_for(10s);
  EXPECT_TRUE(all_hold(net, net.id(3), MemberState::kAlive));
  for (std::size_t i = 0; i < kNodes; ++i) {
    EXPECT_EQ(view(net, i, net.id(3))->record->number, victim.number) << i;
    EXPECT_EQ(net.core(i).status().members.records_refused_total, 4U) << i;
    EXPECT_FALSE(view(net, i, liar.identity().id())) << "the message ends at the first lie";
  }
  EXPECT_TRUE(ledger.twins.empty());
  EXPECT_TRUE(ledger.failures.empty());
}

TEST(Hostile, AGenuineGoodbyeOfAnEarlierLifeIsOldNews) {
  SimNetwork net({.seed = seed_or(4), .link = {}});
  Ledger ledger(net);
  form(net, kNodes);
  net.run_for(3s);
  net.operate(3, [](node::NodeCore& core, Now now, node::Output& out) { return core.leave(now, out); });
  net.run_for(1s);
  const RecordRef goodbye = view(net, 0, net.id(3))->record;
  ASSERT_EQ(goodbye->status, RecordStatus::kLeft);
  net.crash(3);
  net.restart(3, 0);
  ASSERT_TRUE(net.run_until([&] { return net.all_see(kNodes); }, 10s));
  Liar liar(net);
  for (std::size_t i = 0; i < kNodes; ++i) liar.gossip(i, {goodbye->wire});
  net.run_for(10s);
  EXPECT_TRUE(all_hold(net, net.id(3), MemberState::kAlive));
  EXPECT_TRUE(ledger.failures.empty());
}

// ---- values

// Asks for a token, then stores `blob` under it; the answers are kept.
struct Storing {
  explicit Storing(Liar& liar_in) : liar(liar_in) {
    liar.hears = [this](std::size_t from, const node::Head& head, Reader& r) {
      dht::Values values;
      dht::Stored stored;
      if (head.kind == dht::kValues && !decode(r, values) && values.token) {
        liar.say(from, dht::Store{.key = key, .token = *values.token, .remaining_s = 3600, .blob = blob},
                 2);
      } else if (head.kind == dht::kStored && !decode(r, stored)) {
        answers.push_back(stored);
      }
    };
  }
  void at(std::size_t node) {
    liar.say(node, dht::Get{.key = key, .author = {}, .after = {}, .want_token = true}, 1);
  }
  Liar& liar;
  NodeId key;
  Bytes blob;
  std::vector<dht::Stored> answers;
};

TEST(Hostile, AValueAtTheHighestNumberIsTheLastOfItsAuthorUnderThatKey) {
  SimNetwork net({.seed = seed_or(5), .link = {}});
  Ledger ledger(net);
  form(net, kNodes);
  Liar liar(net);
  Storing storing(liar);
  storing.key = dht::key_of_text("k");
  // The node's own key signed it, in a life that it does not remember.
  const auto text = as_bytes("last");
  storing.blob = dht::sign_value(
      net.core(2).identity(),
      {.key = storing.key, .seq = dht::kSeqMax, .lifetime_s = 3600, .value = text});
  for (std::size_t i = 0; i < kNodes; ++i) storing.at(i);
  net.run_for(1s);
  ASSERT_EQ(storing.answers.size(), kNodes);
  for (const auto& answer : storing.answers) EXPECT_EQ(answer.status, dht::StoreStatus::kStored);
  const auto put = ledger.put(2, "k", "one more");
  ASSERT_FALSE(put.result.has_value());
  EXPECT_EQ(put.result.error().error, OpError::kConflict);
  EXPECT_EQ(put.result.error().current_seq, dht::kSeqMax);
  const auto get = ledger.get(4, "k");
  ASSERT_TRUE(get.result.has_value());
  EXPECT_EQ(as_text(get.result->values[0].value), "last");
  // Under other keys, and for other authors under this one, nothing has changed.
  EXPECT_TRUE(ledger.put(2, "other", "v").result.has_value());
  EXPECT_TRUE(ledger.put(3, "k", "mine").result.has_value());
  // When its lifetime has ended the slot begins anew.
  net.run_for(2h);
  const auto again = ledger.put(2, "k", "again");
  ASSERT_TRUE(again.result.has_value());
  EXPECT_EQ(again.result->seq, 1U);
}

std::uint64_t invalid_at(SimNetwork& net, std::size_t node) {
  const node::Status status = net.core(node).status();
  return status.dht.stores_refused_total[static_cast<std::size_t>(dht::StoreStatus::kInvalid)];
}

TEST(Hostile, AForgedValueIsRefusedWhoeverShowsIt) {
  SimNetwork net({.seed = seed_or(6), .link = {}});
  Ledger ledger(net);
  form(net, kNodes);
  Liar liar(net);
  const NodeId key = dht::key_of_text("k");
  Bytes lie = dht::sign_value(
      net.core(2).identity(), {.key = key, .seq = 1, .lifetime_s = 3600, .value = as_bytes("lie")});
  store_le(lie.data() + 32, dht::kSeqMax);  // the number; the signature is of another
  {
    Storing storing(liar);
    storing.key = key;
    storing.blob = lie;
    for (std::size_t i = 0; i < kNodes; ++i) storing.at(i);
    net.run_for(1s);
    ASSERT_EQ(storing.answers.size(), kNodes);
    for (const auto& answer : storing.answers) EXPECT_EQ(answer.status, dht::StoreStatus::kInvalid);
    for (std::size_t i = 0; i < kNodes; ++i) EXPECT_EQ(invalid_at(net, i), 1U);
  }
  // Now it is asked itself: it shows the lie to everybody, and claims to hold a higher number than
  // any that it is given.
  std::size_t asked = 0;
  liar.hears = [&](std::size_t from, const node::Head& head, Reader&) {
    if (head.kind == dht::kGet) {
      ++asked;
      dht::Values values;
      values.token = dht::Token{1};
      values.values.push({.remaining_s = 3600, .blob = lie});
      liar.say(from, values, head.rpc);
    } else if (head.kind == dht::kStore) {
      liar.say(from, dht::Stored{.status = dht::StoreStatus::kStale, .seq = dht::kSeqMax}, head.rpc);
    } else if (head.kind == dht::kFindNode) {
      liar.say(from, dht::Nodes{}, head.rpc);
    }
  };
  liar.say(2, dht::FindNode{.target = key});  // who proves a key enters the table
  liar.say(4, dht::FindNode{.target = key});
  net.run_for(1s);
  for (std::uint64_t number = 1; number <= 3; ++number) {
    const auto put = ledger.put(2, "k", "true");
    ASSERT_TRUE(put.result.has_value()) << to_string(put.result.error().error);
    EXPECT_EQ(put.result->seq, number);
    const auto get = ledger.get(4, "k", {.all = true});
    ASSERT_TRUE(get.result.has_value());
    ASSERT_EQ(get.result->values.size(), 1U);
    EXPECT_EQ(as_text(get.result->values[0].value), "true");
  }
  EXPECT_GT(asked, 0U);
}

}  // namespace
}  // namespace weft::sim
