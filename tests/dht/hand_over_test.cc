// Hand-overs as peers come, go and return: who gets what, from how many, and what it costs.
#include <gmock/gmock.h>

#include "dht/hand_overs.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

constexpr std::size_t kReplicas = 12;

class HandOver : public testing::Test {
 protected:
  // `count` values "k0"... of authors 0 to writers - 1 by turns, in a mesh of `nodes`.
  void fill(Mesh& mesh, std::size_t nodes, std::size_t count, std::size_t writers) {
    mesh.grow(nodes);
    for (std::size_t i = 0; i < count; ++i) {
      keys_.push_back(id_of("k" + std::to_string(i)));
      authors_.push_back(mesh.nodes[i % writers]->contact.id);
      ASSERT_TRUE(mesh.put_done(i % writers, mesh.put(i % writers, "k" + std::to_string(i), "v")).result.has_value());
    }
    mesh.run_for(6 * kSweepDelay);  // what the joining began is done
  }
  bool holds(Mesh& mesh, std::size_t who, std::size_t value) {
    return mesh.held_seq(who, keys_[value], authors_[value]) == 1;
  }
  // Values that `who` should hold, and those of them that it does.
  std::pair<std::size_t, std::size_t> due_and_held(Mesh& mesh, std::size_t who) {
    std::size_t due = 0, held = 0;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const auto nearest = mesh.nearest(keys_[i]);
      const auto end = nearest.begin() + static_cast<std::ptrdiff_t>(kReplicas);
      if (std::find(nearest.begin(), end, who) == end) continue;
      ++due;
      if (holds(mesh, who, i)) ++held;
    }
    return {due, held};
  }
  std::size_t copies_missing(Mesh& mesh) {
    std::size_t missing = 0;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      std::size_t copies = 0;
      for (std::size_t n = 0; n < mesh.nodes.size(); ++n) copies += mesh.nodes[n]->up && holds(mesh, n, i) ? 1U : 0U;
      missing += kReplicas - std::min(copies, kReplicas);
    }
    return missing;
  }
  static void all_forget(Mesh& mesh, std::size_t whom) {
    for (std::size_t i = 0; i < mesh.nodes.size(); ++i) {
      if (!mesh.nodes[i]->up) continue;
      mesh.nodes[i]->dht->forget(mesh.now(), mesh.nodes[whom]->contact.id);
      mesh.arm(i);
    }
  }

  std::vector<NodeId> keys_;
  std::vector<NodeId> authors_;
};

TEST_F(HandOver, ANewcomerGetsAllOfItInAFewQuestions) {
  Mesh mesh({.seed = test_seed(401)});
  fill(mesh, 40, 120, 40);
  const Mesh::Counts before = mesh.counts;
  const std::size_t newcomer = mesh.add();
  mesh.introduce(newcomer, 0);
  mesh.bootstrap(newcomer);
  mesh.run_for(20s);
  const auto [due, held] = due_and_held(mesh, newcomer);
  EXPECT_GT(due, 20U);
  EXPECT_EQ(held, due);
  EXPECT_LE(mesh.counts.store - before.store, held + held / 10) << "none twice";
  EXPECT_LE(mesh.counts.compare - before.compare, due / 2);
}

TEST_F(HandOver, WhoReturnsWithItsValuesIsSentNone) {
  Mesh mesh({.seed = test_seed(402)});
  fill(mesh, 40, 120, 7);
  const std::size_t away = 7;  // owns none, so it has none to publish
  mesh.kill(away);
  all_forget(mesh, away);
  mesh.run_for(60s);
  EXPECT_EQ(copies_missing(mesh), 0U);
  const Mesh::Counts before = mesh.counts;
  mesh.restart(away, 1min);
  mesh.introduce(away, 0);
  mesh.bootstrap(away);
  mesh.run_for(50s);
  const auto [due, held] = due_and_held(mesh, away);
  EXPECT_EQ(held, due);
  EXPECT_EQ(mesh.counts.store - before.store, 0U);
  EXPECT_GT(mesh.counts.compare - before.compare, 0U);
  EXPECT_LE(mesh.counts.compare - before.compare, due) << "in both sweeps";
  const Stats stats = mesh.nodes[away]->dht->stats();
  // A paged store begins a round of publishing at the start.
  EXPECT_TRUE(stats.values_paged || stats.compares_total <= 2) << "to it the others are no newcomers, but for the first";
}

TEST_F(HandOver, AfterAMassFailureEachMissingCopyIsMadeAboutOnce) {
  Mesh mesh({.seed = test_seed(403)});
  fill(mesh, 60, 150, 60);
  for (std::size_t i = 0; i < 15; ++i) mesh.kill(i * 4);
  const std::size_t missing = copies_missing(mesh);
  ASSERT_GT(missing, 300U);
  const Mesh::Counts before = mesh.counts;
  for (std::size_t i = 0; i < 15; ++i) all_forget(mesh, i * 4);
  mesh.run_for(15s);
  EXPECT_EQ(copies_missing(mesh), 0U);
  EXPECT_LE(mesh.counts.store - before.store, missing + missing / 20) << "a few by who does not know all the nearest";
  EXPECT_LE(mesh.counts.compare - before.compare, missing);
}

// The one who should bring it does nothing: the second nearest does, in the next sweep.
TEST_F(HandOver, AGiverThatFailsCostsNoCopy) {
  Mesh mesh({.seed = test_seed(404)});
  fill(mesh, 40, 80, 40);
  const std::size_t newcomer = mesh.add();
  std::vector<std::size_t> others = mesh.nearest(mesh.nodes[newcomer]->contact.id);
  std::erase(others, newcomer);
  const std::size_t idle = others[0];
  mesh.filter = [&](std::size_t from, std::size_t to, const Request& r) {
    return from != idle || to != newcomer || !std::holds_alternative<Compare>(r.message);
  };
  mesh.introduce(newcomer, others[5]);
  mesh.bootstrap(newcomer);
  mesh.run_for(14s);
  auto [due, held] = due_and_held(mesh, newcomer);
  EXPECT_LT(held, due) << "the idle one was to bring some";
  mesh.run_for(20s);
  std::tie(due, held) = due_and_held(mesh, newcomer);
  EXPECT_EQ(held, due);
}

// Who forgets what it is sent and says it lacks it is sent it again, but not for ever.
TEST_F(HandOver, WhoSaysItLacksEverythingCostsABoundedNumberOfStores) {
  Mesh mesh({.seed = test_seed(405)});
  fill(mesh, 40, 80, 40);
  const std::size_t liar = mesh.add();
  mesh.nodes[liar]->disk_fails = true;  // it refuses each store, and gives tokens again after a while
  const std::uint64_t before = mesh.counts.store;
  mesh.introduce(liar, 0);
  mesh.bootstrap(liar);
  mesh.run_for(3min);
  const auto [due, held] = due_and_held(mesh, liar);
  EXPECT_EQ(held, 0U);
  EXPECT_GT(mesh.counts.store - before, 0U);
  EXPECT_LE(mesh.counts.store - before, 3 * due);
  for (const auto& node : mesh.nodes) EXPECT_EQ(node->dht->stats().hand_overs_waiting, 0U);
}

// More is gathered in a piece or two of a sweep than may wait, for many peers at once: it goes off all the same.
TEST_F(HandOver, ACrowdOfNewcomersDoesNotStopTheSweep) {
  for (const std::size_t memory : {std::size_t{16} << 20, std::size_t{20'000}}) {
    keys_.clear();
    authors_.clear();
    Config config;
    config.values_memory_max = memory;
    Mesh mesh({.seed = test_seed(408), .config = config});
    fill(mesh, 1, 400, 1);
    for (int i = 0; i < 16; ++i) {
      const std::size_t newcomer = mesh.add();
      mesh.introduce(newcomer, 0);
      mesh.bootstrap(newcomer);
    }
    mesh.run_for(2min);
    EXPECT_TRUE(memory > 1 << 20 || mesh.nodes[0]->dht->stats().values_paged);
    for (std::size_t n = 0; n < mesh.nodes.size(); ++n) {
      const auto [due, held] = due_and_held(mesh, n);
      EXPECT_GE(held * 100, due * 97) << n << " holds " << held << " of " << due;
      EXPECT_EQ(mesh.nodes[n]->dht->stats().hand_overs_waiting, 0U);
    }
  }
}

// Who cannot read its store tries again, at its time and not all the time, and hands over when it can.
TEST_F(HandOver, AStoreThatFailsForAWhileHandsOverLater) {
  Config config;
  config.values_memory_max = 20'000;
  Mesh mesh({.seed = test_seed(409), .config = config});
  fill(mesh, 2, 200, 2);
  mesh.kill(1);  // half of the values are not the other's own, so they are on its disk alone
  all_forget(mesh, 1);
  mesh.run_for(30s);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t newcomer = mesh.add();
    mesh.introduce(newcomer, 0);
    mesh.bootstrap(newcomer);
  }
  // In the middle of the sweep: what it has gathered so far is to be loaded while nothing can be.
  const Instant last = mesh.clock + 20s;
  while (mesh.nodes[0]->dht->stats().hand_overs_waiting == 0 && mesh.clock < last) mesh.run_for(10ms);
  ASSERT_GT(mesh.nodes[0]->dht->stats().hand_overs_waiting, 0U);
  const std::uint64_t loads = mesh.loads;
  mesh.nodes[0]->disk_fails = true;
  mesh.run_for(1min);
  EXPECT_GT(mesh.loads, loads);
  EXPECT_LT(mesh.loads - loads, 1000U);
  mesh.nodes[0]->disk_fails = false;
  mesh.run_for(1min);
  for (std::size_t n = 2; n < mesh.nodes.size(); ++n) {
    const auto [due, held] = due_and_held(mesh, n);
    EXPECT_EQ(held, due) << n;
  }
}

// While some stores are lost and questions, too, nothing of it is a crash or is left for ever.
TEST_F(HandOver, WhatIsLostIsAskedAboutAnew) {
  Mesh mesh({.seed = test_seed(407)});
  fill(mesh, 30, 300, 30);
  const std::size_t newcomer = mesh.add();
  int seen = 0;
  mesh.filter = [&](std::size_t, std::size_t to, const Request& r) {
    const bool hand_over = std::holds_alternative<Compare>(r.message) || std::holds_alternative<StoreMany>(r.message);
    return to != newcomer || !hand_over || ++seen % 3 != 0;
  };
  mesh.introduce(newcomer, 0);
  mesh.bootstrap(newcomer);
  mesh.run_for(45s);
  const auto [due, held] = due_and_held(mesh, newcomer);
  EXPECT_GE(held, due * 95 / 100);
  EXPECT_GT(seen, 20);
  for (const auto& node : mesh.nodes) EXPECT_EQ(node->dht->stats().hand_overs_waiting, 0U);
}

// More values between two keys than a holder looks through for one question: it is asked by halves.
TEST_F(HandOver, WhoHoldsTooMuchToTellIsAskedByHalves) {
  Config config;
  config.values_memory_max = 20'000;  // a paged store looks through all that lies between
  Mesh mesh({.seed = test_seed(406), .config = config});
  constexpr std::size_t kAll = 1400, kMissed = 20;
  fill(mesh, 12, kAll, 1);
  const std::size_t absent = 5;
  mesh.filter = [&](std::size_t, std::size_t to, const Request&) { return to != absent; };
  for (std::size_t i = 0; i < kMissed; ++i) {
    keys_.push_back(id_of("m" + std::to_string(i)));
    authors_.push_back(mesh.nodes[0]->contact.id);
    ASSERT_TRUE(mesh.put_done(0, mesh.put(0, "m" + std::to_string(i), "v")).result.has_value());
  }
  mesh.filter = {};
  const Mesh::Counts before = mesh.counts;
  mesh.hear(0, absent, std::nullopt);
  mesh.run_for(2s);
  for (std::size_t i = 0; i < kMissed; ++i) EXPECT_TRUE(holds(mesh, absent, kAll + i));
  EXPECT_EQ(mesh.counts.store - before.store, kMissed);
  EXPECT_GE(mesh.counts.compare - before.compare, 3U);
  EXPECT_LE(mesh.counts.compare - before.compare, 2 * kMissed);
}

}  // namespace
}  // namespace weft::dht
