// The [limits] of a node as its DHT keeps them.
#include "dht/dht.h"

#include <gmock/gmock.h>

#include "dht/upkeep.h"
#include "dht/value_store.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

TEST(Limits, AFullStoreRefusesAndRaisingTheLimitHelps) {
  Config config;
  config.values_bytes_max = 4 * (kHeldOverheadBytes + 200);
  Mesh mesh({.config = config});
  mesh.add();
  OpError error{};
  int stored = 0;
  for (int i = 0; i < 40; ++i) {
    const PutDone put = mesh.put_done(0, mesh.put(0, "k" + std::to_string(i), "v"));
    if (put.result) {
      ++stored;
    } else {
      error = put.result.error().error;
    }
  }
  EXPECT_GE(stored, 4);
  EXPECT_LT(stored, 40);
  EXPECT_EQ(error, OpError::kNoRoom);
  EXPECT_LE(mesh.nodes[0]->dht->stats().values_bytes, config.values_bytes_max);
  mesh.nodes[0]->dht->set_limits(1 << 20, 1 << 20);
  for (int i = 0; i < 40; ++i) {
    EXPECT_TRUE(mesh.put_done(0, mesh.put(0, "m" + std::to_string(i), "v")).result.has_value());
  }
}

TEST(Limits, ARestartWithALowerLimitKeepsTheNearest) {
  Mesh mesh({});
  mesh.add();
  for (int i = 0; i < 40; ++i) mesh.put_done(0, mesh.put(0, "k" + std::to_string(i), "v", {.ttl_s = 7200}));
  EXPECT_EQ(mesh.nodes[0]->dht->stats().values, 40U);
  mesh.options.config.values_bytes_max = 10 * (kHeldOverheadBytes + 200);
  mesh.restart(0, 1s);
  const std::size_t kept = mesh.nodes[0]->dht->stats().values;
  EXPECT_GE(kept, 10U);
  EXPECT_LT(kept, 40U);
  mesh.bootstrap(0);
  mesh.run_for(2min);
  std::size_t rows = 0;
  for (const auto& [key, value] : mesh.nodes[0]->rows) rows += key[0] == 'v' ? 1U : 0U;
  EXPECT_EQ(rows, kept) << "what gave way is gone from the disk, too";
}

TEST(Limits, UpkeepKeepsToItsBudget) {
  const auto bytes_after = [](std::uint64_t bytes_per_s) {
    Config config;
    config.background_bytes_per_s = bytes_per_s;
    config.republish_every = 1min;
    config.default_ttl_s = 120;  // so that the values themselves are sent, and not only compared
    Mesh mesh({.seed = 5, .config = config});
    mesh.grow(12);
    for (int i = 0; i < 60; ++i) {
      mesh.put_done(0, mesh.put(0, "k" + std::to_string(i), std::string(500, 'v')));
    }
    mesh.put_done(0, mesh.put(0, "kept", "v", {.ttl_s = 3600}));
    const std::uint64_t before = mesh.nodes[0]->dht->stats().background_bytes_total;
    mesh.run_for(10min);
    EXPECT_TRUE(mesh.get_done(7, mesh.get(7, "kept")).result.has_value()) << "reading is not upkeep";
    return mesh.nodes[0]->dht->stats().background_bytes_total - before;
  };
  const std::uint64_t free = bytes_after(1 << 20);
  const std::uint64_t bound = bytes_after(200);
  EXPECT_GT(free, 400'000U);
  // What is under way when the budget is overdrawn still goes out.
  EXPECT_LE(bound, 200U * 600 + 60'000);
}

// Hand-overs that a budget holds back are told as what they are: something that has been behind since then.
TEST(Limits, HandOversThatAreBehindAreTold) {
  const auto longest_behind = [](std::uint64_t bytes_per_s) {
    Config config;
    config.background_bytes_per_s = bytes_per_s;
    Mesh mesh({.seed = 6, .config = config});
    mesh.grow(30);
    for (int i = 0; i < 60; ++i) {
      mesh.put_done(0, mesh.put(0, "k" + std::to_string(i), std::string(500, 'v')));
    }
    mesh.run_for(kSettleMax);
    for (int i = 0; i < 6; ++i) {
      const std::size_t newcomer = mesh.add();
      mesh.introduce(newcomer, 0);
      mesh.bootstrap(newcomer);
    }
    mesh.run_for(6min);
    Duration longest{};
    std::size_t waiting = 0;
    for (const auto& node : mesh.nodes) {
      const Stats stats = node->dht->stats();
      waiting += stats.hand_overs_waiting;
      if (stats.handing_over_since) longest = std::max(longest, mesh.clock - *stats.handing_over_since);
    }
    EXPECT_EQ(waiting > 0, longest > 5min);
    return longest;
  };
  EXPECT_EQ(longest_behind(1 << 20), Duration{});
  EXPECT_GT(longest_behind(20), 5min);
}

// So is the publishing of what is stored, if there is never a budget for it.
TEST(Limits, PublishingThatIsLateIsTold) {
  for (const auto& [bytes_per_s, late] : {std::pair{std::uint64_t{1 << 20}, false}, {std::uint64_t{1}, true}}) {
    Config config;
    config.background_bytes_per_s = bytes_per_s;
    Mesh mesh({.seed = 7, .config = config});
    mesh.grow(30);
    for (int i = 0; i < 60; ++i) (void)mesh.put_done(0, mesh.put(0, "k" + std::to_string(i), "v"));
    bool told = false;
    for (int i = 0; i < 18; ++i) {
      mesh.run_for(10min);
      for (const auto& node : mesh.nodes) {
        const auto from = node->dht->stats().publishing_late_from;
        told = told || (from && mesh.clock > *from);
      }
    }
    EXPECT_EQ(told, late);
  }
}

}  // namespace
}  // namespace weft::dht
