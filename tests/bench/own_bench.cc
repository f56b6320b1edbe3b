// What one owner of many values pays to keep them: `own_bench [VALUES] [HOURS]` (100,000 and 6), a
// mesh of 100 nodes in virtual time, the DHT alone, of which one puts all values. Prints JSON:
// lookups and publications of that node in the idle hour before the puts and in each after them,
// and how long walking through its values takes.
//
// Beside the defaults each node keeps as many values of one author as it gets: in a mesh of 100
// each node is a holder of every eighth value, and the bound of 2,048 a holder is meant for meshes
// with more nodes.
#include <cstdio>
#include <cstdlib>
#include <set>

#include "dht/dht.h"
#include "testnet/clock.h"
#include "testnet/sim/network.h"

namespace weft::sim {
namespace {

constexpr std::size_t kNodes = 100;
constexpr std::size_t kOwner = 1;
constexpr std::size_t kPutsOpen = 64;
constexpr std::size_t kValueBytes = 64;

struct Bench {
  explicit Bench(std::size_t values)
      : values_(values), net_({.seed = 1, .link = {.latency_min = 20ms, .latency_max = 20ms}}) {
    net_.observe([this](std::size_t node, Now, const node::Event& event) {
      const auto* done = std::get_if<dht::PutDone>(&event);
      if (done == nullptr || node != kOwner) return;
      --open_;
      if (done->result)
        ++stored_;
      else
        ++failed_;
    });
  }

  void form() {
    for (std::size_t i = 0; i < kNodes; ++i) {
      net_.add(i == 0 ? std::nullopt : std::optional<std::size_t>(0), [](node::Config& config) {
        config.membership.alone = true;
        config.dht.values_per_author_max = 1 << 20;
        config.dht.values_bytes_max = 64 << 20;
      });
      net_.run_for(35ms);
    }
    net_.run_for(1min);
  }

  void put_all() {
    while (next_ < values_ || open_ > 0) {
      while (open_ < kPutsOpen && next_ < values_) {
        const std::string key = "own-" + std::to_string(next_++);
        Bytes value(kValueBytes, static_cast<std::uint8_t>(next_));
        ++open_;
        net_.operate(kOwner, [&](node::NodeCore& core, Now now, node::Output& out) {
          return core.put(now, dht::key_of_text(key), std::move(value), {}, out);
        });
      }
      net_.run_for(10ms);
    }
  }

  dht::Stats stats() { return net_.core(kOwner).status().dht; }

  void run(int hours) {
    form();
    const dht::Stats formed = stats();
    net_.run_for(1h);
    const dht::Stats bare = stats();
    std::printf("{\"idle_hour_lookups\": %llu, ",
                static_cast<unsigned long long>(bare.lookups_total - formed.lookups_total));
    std::fflush(stdout);
    const Duration began = net_.now().mono.time_since_epoch();
    put_all();
    const dht::Stats put = stats();
    std::printf(
        "\"values\": %zu, \"stored\": %zu, \"failed\": %zu, \"put_lookups\": %llu, \"put_s\": "
        "%.0f,\n \"hours\": [",
        values_, stored_, failed_,
        static_cast<unsigned long long>(put.lookups_total - bare.lookups_total),
        static_cast<double>((net_.now().mono.time_since_epoch() - began).count()) / 1e6);
    dht::Stats before = put;
    for (int hour = 0; hour < hours; ++hour) {
      const std::uint64_t bytes = net_.bytes_total();
      net_.run_for(1h);
      const dht::Stats after = stats();
      const std::uint64_t lookups = after.lookups_total - before.lookups_total;
      const std::uint64_t published = after.republished_total - before.republished_total;
      std::printf(
          "%s\n  {\"lookups\": %llu, \"published\": %llu, \"share\": %.4f, \"compares\": %llu, "
          "\"missing\": %llu, "
          "\"copies_min\": %zu, \"bytes_per_node_s\": %.1f}",
          hour == 0 ? "" : ",", static_cast<unsigned long long>(lookups),
          static_cast<unsigned long long>(published),
          published == 0 ? 0.0 : static_cast<double>(lookups) / static_cast<double>(published),
          static_cast<unsigned long long>(after.compares_total - before.compares_total),
          static_cast<unsigned long long>(after.copies_missing_total - before.copies_missing_total),
          after.own_copies_min, static_cast<double>(net_.bytes_total() - bytes) / kNodes / 3600);
      std::fflush(stdout);
      before = after;
    }
    const auto start = testnet::mono_now();
    for (int i = 0; i < 1000; ++i) sum_ += net_.core(kOwner).status().dht.own_copies_min;
    const auto status_us = testnet::ms_between(start, testnet::mono_now());
    const auto walk = testnet::mono_now();
    net_.core(kOwner).for_each_own(std::nullopt, SIZE_MAX, [this](const dht::OwnValue& own) { sum_ += own.copies; });
    std::printf("],\n \"own\": %zu, \"status_us\": %lld, \"walk_ms\": %lld}\n", before.own,
                static_cast<long long>(status_us),
                static_cast<long long>(testnet::ms_between(walk, testnet::mono_now())));
  }

 private:
  std::size_t values_;
  SimNetwork net_;
  std::size_t next_ = 0, open_ = 0, stored_ = 0, failed_ = 0, sum_ = 0;
};

}  // namespace
}  // namespace weft::sim

int main(int argc, char** argv) {
  const std::size_t values = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
  const int hours = argc > 2 ? std::atoi(argv[2]) : 6;
  weft::sim::Bench(values).run(hours);
  return 0;
}
