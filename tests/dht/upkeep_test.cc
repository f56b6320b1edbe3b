// What nodes do for values by themselves, in a mesh in memory: newcomers and heirs get what is theirs.
#include <gmock/gmock.h>

#include "dht/hints.h"
#include "dht/upkeep.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

// A node whose disk fails is no holder: one refused store tells it, then it gives no tokens, so writers
// go to others at once. A write of its own finds out that the disk is well again.
TEST(Upkeep, WhoCannotStoreGivesNoTokens) {
  Mesh mesh({.seed = 121});
  mesh.grow(16);  // all others are among the twelve nearest, or nearly
  mesh.nodes[5]->disk_fails = true;
  const auto stores_to_5 = [&] {
    std::size_t count = 0;
    mesh.filter = [&count](std::size_t, std::size_t to, const Request& r) {
      if (to == 5 && std::holds_alternative<Store>(r.message)) ++count;
      return true;
    };
    for (int i = 0; i < 20; ++i) {
      const PutDone put = mesh.put_done(3, mesh.put(3, "k" + std::to_string(i), "v"));
      EXPECT_TRUE(put.result.has_value());
      mesh.run_for(100ms);
    }
    mesh.filter = {};
    return count;
  };
  const std::size_t failing = stores_to_5();
  EXPECT_GE(failing, 1U) << "somebody has to find out";
  EXPECT_LE(failing, 2U) << "of 20 puts: those that had their token before";
  EXPECT_GT(mesh.nodes[5]->dht->stats().tokens_withheld_total, 10U);
  EXPECT_EQ(mesh.nodes[5]->dht->stats().values, 0U);
  mesh.run_for(1min);
  const std::uint64_t tries = mesh.nodes[5]->persists;
  mesh.run_for(1min);
  EXPECT_NEAR(static_cast<double>(mesh.nodes[5]->persists - tries), 12.0, 3.0) << "one every 5 s";
  mesh.nodes[5]->disk_fails = false;
  mesh.run_for(6s);
  EXPECT_GE(stores_to_5(), 12U);
  EXPECT_GT(mesh.nodes[5]->dht->stats().values, 8U);
}

TEST(Upkeep, QuestionsFollowHowLongNodesLive) {
  EXPECT_EQ(probe_unheard(std::nullopt), 10min);
  EXPECT_EQ(probe_unheard(Duration(84s)), 10min);
  EXPECT_EQ(probe_unheard(Duration(45min)), 15min);
  EXPECT_EQ(probe_unheard(Duration(24h)), kProbeUnheardMax);
}

TEST(Upkeep, HoldersShareTheWorkOfRepublishing) {
  Config config;
  config.refresh_every = 3h;
  Mesh mesh({.seed = 25, .config = config});
  mesh.grow(40);
  for (int i = 0; i < 10; ++i) {
    (void)mesh.put_done(5, mesh.put(5, "k" + std::to_string(i), "v", {.ttl_s = 24 * 3600}));
  }
  mesh.kill(5);
  std::uint64_t before = 0, after = 0;
  for (const auto& n : mesh.nodes) before += n->dht->stats().republished_total;
  mesh.run_for(10h);
  for (const auto& n : mesh.nodes) after += n->dht->stats().republished_total;
  // Ten values for ten hours: about one publication a value and hour, not one for each holder.
  EXPECT_GE(after - before, 80U);
  EXPECT_LE(after - before, 220U);
}

TEST(Upkeep, ANewcomerIsHandedWhatItIsNearestTo) {
  Mesh mesh({.seed = test_seed(26)});
  mesh.grow(40);
  constexpr int kValues = 60;
  for (int i = 0; i < kValues; ++i) {
    const auto who = static_cast<std::size_t>(i % 40);
    (void)mesh.put_done(who, mesh.put(who, "k" + std::to_string(i), "v"));
  }
  const std::uint64_t stores = mesh.counts.store;
  const std::size_t newcomer = mesh.add();
  mesh.introduce(newcomer, 0);
  mesh.bootstrap(newcomer);
  mesh.run_for(30s);
  int responsible = 0, handed = 0;
  for (int i = 0; i < kValues; ++i) {
    const NodeId key = id_of("k" + std::to_string(i));
    const auto nearest = mesh.nearest(key);
    const auto twelfth = nearest.begin() + 12;
    if (std::find(nearest.begin(), twelfth, newcomer) == twelfth) continue;
    ++responsible;
    const NodeId author = mesh.nodes[static_cast<std::size_t>(i % 40)]->contact.id;
    if (mesh.held_seq(newcomer, key, author) == 1) ++handed;
  }
  EXPECT_GT(responsible, 5);
  EXPECT_GE(handed * 10, responsible * 9) << handed << " of " << responsible;
  // Not each of the twelve holders sends it: at most a store or two a value.
  EXPECT_LE(mesh.counts.store - stores, 2U * static_cast<std::uint64_t>(responsible));
}

// Whoever leaves hands what it holds to those who take its place: the copies are all there before it goes.
TEST(Upkeep, ALeaverHandsOver) {
  Mesh mesh({.seed = 281});
  mesh.grow(40);
  const NodeId author = mesh.nodes[1]->contact.id;
  std::vector<std::string> held;
  for (int i = 0; i < 40; ++i) {
    const std::string key = "k" + std::to_string(i);
    ASSERT_TRUE(mesh.put_done(1, mesh.put(1, key, "v")).result.has_value());
    mesh.run_for(100ms);
  }
  const auto copies_without_5 = [&](const std::string& key) {
    mesh.nodes[5]->up = false;
    const std::size_t copies = mesh.holders(id_of(key), author, 1);
    mesh.nodes[5]->up = true;
    return copies;
  };
  for (int i = 0; i < 40; ++i) {
    const std::string key = "k" + std::to_string(i);
    if (mesh.holders(id_of(key), author, 1) > copies_without_5(key)) held.push_back(key);
  }
  ASSERT_GE(held.size(), 6U);
  const OpId mine = mesh.put(5, "under way", "v");
  const std::uint64_t stores = mesh.counts.store;
  mesh.leave(5);
  EXPECT_EQ(mesh.put_done(5, mine).result.error().error, OpError::kShutdown);
  EXPECT_EQ(mesh.put_done(5, mesh.put(5, "late", "v")).result.error().error, OpError::kShutdown);
  EXPECT_FALSE(mesh.nodes[5]->dht->handed_over());
  const Asker asker{.contact = mesh.nodes[2]->contact, .rpc = 1, .early = false, .reply_max = 1170};
  Values values;
  mesh.nodes[5]->dht->on_get(mesh.now(), asker, {.key = id_of(held[0]), .author = author, .want_token = true}, values, mesh.ignored);
  EXPECT_FALSE(values.token) << "nobody stores at a leaver";
  EXPECT_EQ(values.values.size(), 1U) << "but reads go on";
  Nodes nodes;
  mesh.nodes[5]->dht->on_find_node(mesh.now(), asker, {.target = id_of("x"), .want_token = true}, nodes);
  EXPECT_FALSE(nodes.token);
  mesh.run_for(200ms);
  EXPECT_TRUE(mesh.nodes[5]->dht->handed_over());
  EXPECT_LE(mesh.counts.store - stores, held.size()) << "one each";
  for (const std::string& key : held) EXPECT_GE(copies_without_5(key), 12U) << key;
}

// A hand-over that met silence is made again, a few times.
TEST(Upkeep, AHandOverInVainIsMadeAgain) {
  Mesh mesh({.seed = 282});
  mesh.grow(40);
  ASSERT_TRUE(mesh.put_done(1, mesh.put(1, "k", "v")).result.has_value());
  mesh.run_for(1s);
  const NodeId author = mesh.nodes[1]->contact.id;
  std::size_t leaver = 0;
  while (leaver == 1 || mesh.held_seq(leaver, id_of("k"), author) == 0) ++leaver;
  std::map<std::size_t, int> dropped;  // the heir answers the second try
  mesh.filter = [&](std::size_t from, std::size_t to, const Request& r) {
    return from != leaver || !std::holds_alternative<Compare>(r.message) || ++dropped[to] > 1;
  };
  mesh.leave(leaver);
  mesh.run_for(2s);
  EXPECT_FALSE(dropped.empty());
  EXPECT_TRUE(mesh.nodes[leaver]->dht->handed_over());
  mesh.kill(leaver);
  EXPECT_GE(mesh.holders(id_of("k"), author, 1), 12U);
}

// Who was silent while a value was stored is brought it when it is heard again, once, and nobody else is.
TEST(Upkeep, WhoMissedAValueGetsItWhenHeardAgain) {
  Mesh mesh({.seed = 283});
  mesh.grow(40);
  const NodeId key = id_of("k");
  const NodeId author = mesh.nodes[1]->contact.id;
  ASSERT_TRUE(mesh.put_done(1, mesh.put(1, "k", "old")).result.has_value());
  mesh.run_for(1s);
  std::vector<std::size_t> nearest = mesh.nearest(key);
  std::erase(nearest, 1);
  const std::size_t cut_off = nearest[0], dead = nearest[1];
  mesh.filter = [&](std::size_t, std::size_t to, const Request&) { return to != cut_off && to != dead; };
  ASSERT_TRUE(mesh.put_done(1, mesh.put(1, "k", "new")).result.has_value());
  mesh.run_for(2s);
  EXPECT_EQ(mesh.held_seq(cut_off, key, author), 1U);
  EXPECT_EQ(mesh.nodes[1]->dht->stats().hints, 2U);
  mesh.filter = {};
  const std::uint64_t stores = mesh.counts.store;
  mesh.hear(1, cut_off, std::nullopt);
  mesh.run_for(1s);
  EXPECT_EQ(mesh.held_seq(cut_off, key, author), 2U);
  EXPECT_EQ(mesh.held_seq(dead, key, author), 1U);
  EXPECT_EQ(mesh.counts.store - stores, 1U);
  EXPECT_EQ(mesh.nodes[1]->dht->stats().hints, 1U);
  mesh.hear(1, cut_off, std::nullopt);
  mesh.run_for(1s);
  EXPECT_EQ(mesh.counts.store - stores, 1U);
}

TEST(Upkeep, HintsAreBoundedAndEnd) {
  Hints hints;
  const auto slot = [](std::uint8_t i) { return Slot{.key = id_of(std::string(1, static_cast<char>(i))), .author = {}}; };
  const auto peer = [](std::size_t i) { return id_of("peer" + std::to_string(i)); };
  Now now{.mono = Instant{} + 1h, .wall = {}};
  hints.add(now, peer(0), slot(1));
  hints.add(now, peer(0), slot(1));
  EXPECT_EQ(hints.size(), 1U);
  for (std::size_t i = 1; i <= kHintsMax; ++i) hints.add(now, peer(i), slot(1));
  EXPECT_EQ(hints.size(), kHintsMax);
  EXPECT_FALSE(hints.has(peer(0))) << "the oldest gave way";
  // What is taken and comes again lives as long as a new one.
  EXPECT_EQ(hints.take(now, peer(1), 8).size(), 1U);
  now.mono += kHintFor / 2;
  hints.add(now, peer(1), slot(1));
  for (std::uint8_t i = 2; i < 12; ++i) hints.add(now, peer(2), slot(i));
  EXPECT_EQ(hints.take(now, peer(2), 8).size(), 8U);
  now.mono += kHintFor / 2;
  EXPECT_EQ(hints.take(now, peer(5), 8).size(), 0U) << "too old";
  EXPECT_EQ(hints.take(now, peer(1), 8).size(), 1U);
  EXPECT_EQ(hints.size(), 2U) << "of the second half: what is left for peer 2";
}

}  // namespace
}  // namespace weft::dht
