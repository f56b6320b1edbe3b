// The figures of the issue, in a virtual network: forming, killing, loss, a split, restarts,
// stalls.
#include "tests/gossip/mesh.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "gossip/membership/forming.h"

namespace weft::gossip::test {
namespace {

std::int64_t ms(Duration d) { return d.count() / 1000; }

MeshOptions options_with(std::uint64_t fallback) {
  MeshOptions options;
  options.seed = seed_or(fallback);
  return options;
}

// Starts `count` nodes over `span`, each given the first as its only seed.
void form(Mesh& mesh, std::size_t count, Duration span) {
  mesh.start();
  for (std::size_t i = 1; i < count; ++i) {
    mesh.at(mesh.now() + span * static_cast<Duration::rep>(i) / static_cast<Duration::rep>(count),
            [&mesh] { mesh.start(0); });
  }
  mesh.run_for(span);
  ASSERT_EQ(mesh.size(), count);
}

void form_and_settle(Mesh& mesh, std::size_t count) {
  form(mesh, count, 2s);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_agree(); }, 15s)) << mesh.count_agree();
  mesh.run_for(5s);
  ASSERT_TRUE(mesh.failures().empty());
  mesh.traffic() = {};
}

void report(const char* name, Mesh& mesh, Duration over) {
  const Mesh::Traffic& t = mesh.traffic();
  const auto per_node = [&](std::uint64_t n) {
    return static_cast<double>(n) * 1e6 / static_cast<double>(over.count()) /
           static_cast<double>(mesh.size());
  };
  std::printf("  %s: %llu packets, %llu kB; per node and second %.2f packets, %.0f B;", name,
              static_cast<unsigned long long>(t.packets),
              static_cast<unsigned long long>(t.bytes / 1000), per_node(t.packets),
              per_node(t.bytes));
  std::printf(" handshakes %llu", static_cast<unsigned long long>(t.handshakes));
  for (const auto& [kind, count] : t.by_kind) {
    std::printf(" kind%d %llu", kind, static_cast<unsigned long long>(count));
  }
  std::printf("\n");
}

std::size_t false_failures(Mesh& mesh, const std::vector<std::size_t>& dead) {
  std::size_t count = 0;
  for (const Mesh::Failure& f : mesh.failures()) {
    count += std::ranges::find(dead, f.subject) == dead.end() ? 1U : 0U;
  }
  return count;
}

TEST(Mesh, TwoHundredFormFromOneSeed) {
  Mesh mesh(options_with(1));
  SCOPED_TRACE("SEED=" + std::to_string(seed_or(1)));
  form(mesh, 200, 4s);
  const auto took = mesh.run_until([&] { return mesh.all_agree(); }, 16s);
  ASSERT_TRUE(took) << mesh.count_agree();
  std::printf("  all 200 agree %lld ms after the last start\n", static_cast<long long>(ms(*took)));
  report("forming", mesh, 4s + *took);
  EXPECT_LT(*took, 6s);
  mesh.traffic() = {};
  mesh.run_for(30s);
  report("30 s after", mesh, 30s);
  EXPECT_TRUE(mesh.failures().empty());
  EXPECT_TRUE(mesh.all_agree());
  EXPECT_EQ(mesh.syncs_done(true), 199U);
  mesh.check_ledgers();
}

TEST(Mesh, AtRestOnePingAndOneAckASecond) {
  Mesh mesh(options_with(2));
  SCOPED_TRACE("SEED=" + std::to_string(seed_or(2)));
  form_and_settle(mesh, 30);
  mesh.run_for(60s);  // by then every pair has a session
  mesh.traffic() = {};
  mesh.run_for(100s);
  report("rest", mesh, 100s);
  const auto& t = mesh.traffic();
  // Thirty nodes, a hundred seconds, one ping each; a phase may put one over the edge.
  EXPECT_NEAR(static_cast<double>(t.by_kind.at(kPing)), 3000, 30);
  EXPECT_NEAR(static_cast<double>(t.by_kind.at(kAck)), 3000, 30);
  EXPECT_EQ(t.packets, t.by_kind.at(kPing) + t.by_kind.at(kAck));
  EXPECT_EQ(t.handshakes, 0U);
  EXPECT_LT(t.bytes, 3060U * 2 * 95);  // without UDP and IP headers
}

TEST(Mesh, OneDeadIsKnownToAll) {
  for (std::uint64_t seed = seed_or(3), end = seed + 5; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    MeshOptions options;
    options.seed = seed;
    Mesh mesh(options);
    form_and_settle(mesh, 100);
    mesh.kill(50);
    const auto took = mesh.run_until([&] { return mesh.all_see(50, MemberState::kFailed); }, 20s);
    ASSERT_TRUE(took);
    std::printf("  one of 100 dead, known to all after %lld ms\n",
                static_cast<long long>(ms(*took)));
    report("detection", mesh, *took);
    EXPECT_LT(*took, 10s);
    EXPECT_TRUE(mesh.all_agree());
    EXPECT_EQ(false_failures(mesh, {50}), 0U);
    mesh.check_ledgers();
  }
}

TEST(Mesh, FiftyOfTwoHundredKilledAtOnce) {
  for (std::uint64_t seed = seed_or(10), end = seed + 2; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    MeshOptions options;
    options.seed = seed;
    Mesh mesh(options);
    form_and_settle(mesh, 200);
    mesh.run_for(2 * kFormingWindow);
    std::vector<std::size_t> dead;
    for (std::size_t i = 100; i < 150; ++i) {
      mesh.kill(i);
      dead.push_back(i);
    }
    const auto took = mesh.run_until([&] { return mesh.all_agree(); }, 30s);
    ASSERT_TRUE(took) << mesh.count_agree();
    Instant first = mesh.now();
    for (const Mesh::Failure& f : mesh.failures()) first = std::min(first, f.at);
    std::printf("  50 of 200 dead, all exact after %lld ms, first verdict %lld ms before\n",
                static_cast<long long>(ms(*took)), static_cast<long long>(ms(mesh.now() - first)));
    report("mass failure", mesh, *took);
    EXPECT_LT(*took, 12s);
    EXPECT_EQ(false_failures(mesh, dead), 0U);
    EXPECT_EQ(mesh.failures().size(), 150U * 50U);
    mesh.check_ledgers();
  }
}

TEST(Mesh, TenPercentLossForTwoMinutes) {
  for (std::uint64_t seed = seed_or(20), end = seed + 3; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    MeshOptions options;
    options.seed = seed;
    Mesh mesh(options);
    form_and_settle(mesh, 50);
    mesh.set_loss({10, 100});
    mesh.run_for(100s);
    report("10 % loss", mesh, 100s);
    EXPECT_TRUE(mesh.failures().empty());
    mesh.kill(7);
    const auto took = mesh.run_until([&] { return mesh.all_see(7, MemberState::kFailed); }, 20s);
    ASSERT_TRUE(took);
    std::printf("  dead, known to all after %lld ms\n", static_cast<long long>(ms(*took)));
    EXPECT_LT(*took, 15s);
    mesh.run_for(20s);
    EXPECT_EQ(false_failures(mesh, {7}), 0U);
    EXPECT_TRUE(mesh.run_until([&] { return mesh.all_agree(); }, 20s));
    mesh.check_ledgers();
  }
}

TEST(Mesh, TwentyFivePercentLossKillsNobody) {
  Mesh mesh(options_with(25));
  SCOPED_TRACE("SEED=" + std::to_string(seed_or(25)));
  form_and_settle(mesh, 50);
  mesh.set_loss({25, 100});
  mesh.run_for(120s);
  report("25 % loss", mesh, 120s);
  EXPECT_TRUE(mesh.failures().empty());
}

TEST(Mesh, SplitHealsWithinSeconds) {
  for (std::uint64_t seed = seed_or(30), end = seed + 3; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    MeshOptions options;
    options.seed = seed;
    Mesh mesh(options);
    form_and_settle(mesh, 50);
    for (std::size_t i = 0; i < 25; ++i) mesh.set_island(i, 1);
    mesh.run_for(60s);
    report("split", mesh, 60s);
    for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(mesh.core(i).stats().alive, 25U);
    EXPECT_EQ(mesh.failures().size(), 50U * 25U);  // nobody on the own side
    for (std::size_t i = 0; i < 25; ++i) mesh.set_island(i, 0);
    mesh.traffic() = {};
    const auto took = mesh.run_until([&] { return mesh.all_agree(); }, 30s);
    ASSERT_TRUE(took) << mesh.count_agree();
    std::printf("  all see all %lld ms after the split\n", static_cast<long long>(ms(*took)));
    report("healing", mesh, *took);
    EXPECT_LT(*took, 10s);
    mesh.run_for(30s);
    EXPECT_EQ(mesh.failures().size(), 50U * 25U);
    EXPECT_TRUE(mesh.all_agree());
    mesh.check_ledgers();
  }
}

TEST(Mesh, RestartIsSeenByAll) {
  for (std::uint64_t seed = seed_or(40), end = seed + 5; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    MeshOptions options;
    options.seed = seed;
    Mesh mesh(options);
    form_and_settle(mesh, 100);
    mesh.kill(5);
    ASSERT_TRUE(mesh.run_until([&] { return mesh.all_see(5, MemberState::kFailed); }, 20s));
    mesh.run_for(5s);
    mesh.restart(5, 0);
    const auto took = mesh.run_until([&] { return mesh.all_agree(); }, 20s);
    ASSERT_TRUE(took) << mesh.count_agree();
    std::printf("  restart seen by all after %lld ms\n", static_cast<long long>(ms(*took)));
    EXPECT_LT(*took, 3s);
    mesh.check_ledgers();
  }
}

TEST(Mesh, QuickRestartFailsNowhere) {
  Mesh mesh(options_with(50));
  SCOPED_TRACE("SEED=" + std::to_string(seed_or(50)));
  form_and_settle(mesh, 60);
  mesh.kill(5);
  mesh.run_for(Config{}.suspicion_min);  // nobody may be quicker
  mesh.restart(5, 0);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_agree(); }, 20s));
  mesh.run_for(20s);
  EXPECT_TRUE(mesh.failures().empty());
}

TEST(Mesh, RestartWithALostNumberIsShownItsOldRecord) {
  Mesh mesh(options_with(55));
  SCOPED_TRACE("SEED=" + std::to_string(seed_or(55)));
  form_and_settle(mesh, 40);
  for (int i = 0; i < 3; ++i) {
    mesh.set_tags(5, {{"step", std::to_string(i)}});
    mesh.run_for(2s);
  }
  mesh.kill(5);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_see(5, MemberState::kFailed); }, 20s));
  mesh.restart(5, 0, /*lost_number=*/true);
  const auto took = mesh.run_until([&] { return mesh.all_agree(); }, 20s);
  ASSERT_TRUE(took);
  EXPECT_LT(*took, 5s);
  EXPECT_GT(mesh.record(5)->number, 4U);
  EXPECT_GT(mesh.own_records_seen(), 0U);
}

TEST(Mesh, TagsReachAll) {
  Mesh mesh(options_with(60));
  SCOPED_TRACE("SEED=" + std::to_string(seed_or(60)));
  form_and_settle(mesh, 60);
  mesh.set_tags(9, {{"role", "db"}});
  const auto has = [&] {
    for (std::size_t i = 0; i < mesh.size(); ++i) {
      if (mesh.core(i).find(mesh.id(9))->record->tags.count("role") == 0) return false;
    }
    return true;
  };
  const auto took = mesh.run_until(has, 10s);
  ASSERT_TRUE(took);
  std::printf("  tags known to all after %lld ms\n", static_cast<long long>(ms(*took)));
  EXPECT_LT(*took, 2s);
}

TEST(Mesh, LeavingIsNotFailing) {
  Mesh mesh(options_with(70));
  SCOPED_TRACE("SEED=" + std::to_string(seed_or(70)));
  form_and_settle(mesh, 60);
  mesh.leave(9);
  mesh.run_for(300ms);
  mesh.kill(9);
  const auto took = mesh.run_until([&] { return mesh.all_see(9, MemberState::kLeft); }, 10s);
  ASSERT_TRUE(took);
  std::printf("  leave known to all after %lld ms\n", static_cast<long long>(ms(*took)));
  EXPECT_LT(*took, 3s);
  mesh.run_for(30s);
  EXPECT_TRUE(mesh.failures().empty());
  mesh.restart(9, 3);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_agree(); }, 10s));
  mesh.check_ledgers();
}

TEST(Mesh, NewcomersDoNotListTheDeadForLong) {
  Mesh mesh(options_with(80));
  SCOPED_TRACE("SEED=" + std::to_string(seed_or(80)));
  form_and_settle(mesh, 40);
  mesh.kill(5);
  mesh.run_for(2s);  // suspected here and there, failed nowhere
  for (int i = 0; i < 10; ++i) mesh.start(static_cast<std::size_t>(i % 4));
  const auto took = mesh.run_until([&] { return mesh.all_agree(); }, 40s);
  ASSERT_TRUE(took) << mesh.count_agree();
  EXPECT_LT(*took, 30s);
  EXPECT_EQ(false_failures(mesh, {5}), 0U);
}

// It lists the dead for alive no longer than those do who told it.
TEST(Mesh, ANewcomerSuspectsWhoIsSuspected) {
  for (std::uint64_t seed = seed_or(81), end = seed + 5; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    Mesh mesh(options_with(seed));
    form_and_settle(mesh, 40);
    mesh.kill(5);
    const NodeId dead = mesh.id(5);
    const auto listed = [&](std::size_t at) {
      const auto view = mesh.core(at).find(dead);
      return view ? std::optional(view->state) : std::nullopt;
    };
    ASSERT_TRUE(mesh.run_until([&] { return mesh.all_see(5, MemberState::kSuspect); }, 30s));
    mesh.run_for(1s);
    ASSERT_EQ(listed(0), MemberState::kSuspect);
    const std::size_t newcomer = mesh.start(0);
    ASSERT_TRUE(mesh.run_until([&] { return listed(newcomer).has_value(); }, 2s));
    EXPECT_TRUE(mesh.run_until([&] { return listed(newcomer) != MemberState::kAlive; }, 200ms));
    EXPECT_EQ(false_failures(mesh, {5}), 0U);
  }
}

// Two hundred processes on two cores: for ten seconds nobody runs on time.
TEST(Mesh, FormingWhileStarvedOfCpuFailsNobody) {
  for (std::uint64_t seed = seed_or(90), end = seed + 2; seed < end; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    MeshOptions options;
    options.seed = seed;
    Mesh mesh(options);
    Rng luck = Rng(seed).fork("stalls");
    mesh.start();
    for (std::size_t i = 1; i < 200; ++i) {
      mesh.at(mesh.now() + 40ms * static_cast<Duration::rep>(i), [&mesh] { mesh.start(0); });
    }
    for (int tick = 0; tick < 100; ++tick) {
      mesh.at(mesh.now() + 100ms * tick, [&mesh, &luck] {
        for (std::size_t i = 0; i < mesh.size(); ++i) {
          if (luck.chance({10, 100})) mesh.stall(i, luck.between(50ms, 900ms));
        }
      });
    }
    mesh.run_for(10s);
    const auto took = mesh.run_until([&] { return mesh.all_agree(); }, 10s);
    ASSERT_TRUE(took) << mesh.count_agree();
    std::printf("  starved: all agree %lld ms after the first start\n",
                static_cast<long long>(10000 + ms(*took)));
    report("starved", mesh, 10s + *took);
    mesh.run_for(20s);
    EXPECT_TRUE(mesh.failures().empty());
    EXPECT_TRUE(mesh.all_agree());
    mesh.check_ledgers();
  }
}

TEST(Mesh, AStoppedProcessComesBackWithoutBlamingOthers) {
  Mesh mesh(options_with(95));
  SCOPED_TRACE("SEED=" + std::to_string(seed_or(95)));
  form_and_settle(mesh, 50);
  mesh.stall(9, 30s);
  mesh.run_for(29s);
  EXPECT_TRUE(mesh.failures().size() == 49);  // everybody else gave it up
  const auto took = mesh.run_until([&] { return mesh.all_agree(); }, 20s);
  ASSERT_TRUE(took) << mesh.count_agree();
  std::printf("  stopped for 30 s, all agree %lld ms after\n",
              static_cast<long long>(ms(*took) - 1000));
  EXPECT_LT(*took, 8s);
  EXPECT_EQ(false_failures(mesh, {9}), 0U);
}

TEST(Mesh, SameSeedSameRun) {
  std::uint64_t traces[2];
  std::uint64_t packets[2];
  for (int i = 0; i < 2; ++i) {
    Mesh mesh(options_with(99));
    form(mesh, 40, 1s);
    mesh.set_loss({20, 100});
    mesh.run_for(20s);
    mesh.kill(3);
    mesh.run_for(20s);
    traces[i] = mesh.trace();
    for (std::size_t n = 0; n < mesh.size(); ++n) {
      if (mesh.up(n)) traces[i] = traces[i] * 31 + mesh.core(n).digest();
    }
    packets[i] = mesh.traffic().packets;
  }
  EXPECT_EQ(traces[0], traces[1]);
  EXPECT_EQ(packets[0], packets[1]);
}

}  // namespace
}  // namespace weft::gossip::test
