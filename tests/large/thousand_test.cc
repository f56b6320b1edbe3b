// A thousand nodes for a virtual minute: they form, store, lose a tenth, and two runs are equal.
#include <cstdio>

#include "tests/sim/helpers.h"

namespace weft::sim {
namespace {

struct Outcome {
  std::uint64_t trace = 0;
  std::uint64_t datagrams = 0;
  std::uint64_t bytes = 0;
};

Outcome virtual_minute(std::uint64_t seed, std::size_t n) {
  SimNetwork net({.seed = seed, .link = {.latency_min = 5ms, .latency_max = 60ms}});
  Ledger ledger(net);
  const Instant start = net.now().mono;
  form(net, n, 5ms, 50s);
  std::printf("formed after %lld ms virtual, %llu datagrams\n",
              static_cast<long long>((net.now().mono - start).count() / 1000),
              static_cast<unsigned long long>(net.datagrams_total()));
  for (std::size_t i = 0; i < 50; ++i) {
    const auto put = ledger.put(i * 19 % n, "k" + std::to_string(i), "v" + std::to_string(i));
    EXPECT_TRUE(put.result.has_value());
  }
  for (std::size_t i = 1; i <= n / 10; ++i) net.crash(i);
  for (std::size_t i = 0; i < 50; ++i) {
    const auto get = ledger.get(n / 2 + i, "k" + std::to_string(i));
    EXPECT_TRUE(get.result.has_value()) << i;
  }
  const Instant end = start + 60s;
  if (net.now().mono < end) net.run_for(end - net.now().mono);
  for (const auto& failure : ledger.failures) {
    bool dead = false;
    for (std::size_t i = 1; i <= n / 10; ++i) dead = dead || net.id(i) == failure.subject;
    EXPECT_TRUE(dead) << "a live member was declared failed";
  }
  return {net.trace_hash(), net.datagrams_total(), net.bytes_total()};
}

TEST(Thousand, AVirtualMinuteTwice) {
  const std::uint64_t seed = seed_or(1000);
  const Outcome first = virtual_minute(seed, 1000);
  const Outcome second = virtual_minute(seed, 1000);
  EXPECT_EQ(first.trace, second.trace);
  EXPECT_EQ(first.datagrams, second.datagrams);
  EXPECT_EQ(first.bytes, second.bytes);
}

}  // namespace
}  // namespace weft::sim
