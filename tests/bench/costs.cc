// What operations cost, counted and not timed: `costs put|get|lookup|write|rest COUNT`. A mesh of kNodes in virtual time, all parts on, production
// defaults, real codec and framing, the simulator's cheap sealing; after it has formed, COUNT operations of the kind begin kApart from each other, within a
// window that is the same for every kind and COUNT. Prints one line of JSON: what the whole mesh sent and allocated in the window.
//
// So what an operation costs is the difference of two runs, by their counts: with and without operations (COUNT 0). Instructions are what
// callgrind counts of the whole process, the simulator's own included; tests/integration/costs_test.py does that.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "dht/dht.h"
#include "testnet/sim/network.h"
#include "tests/allocations.h"

namespace weft::sim {
namespace {

constexpr std::size_t kNodes = 40;
constexpr std::size_t kMost = 100;  // operations
constexpr Duration kApart = 100ms;
constexpr Duration kWindow = 15s;
constexpr std::size_t kValueBytes = 256;

struct Costs {
  Costs() : net({.seed = 7, .link = {.latency_min = 10ms, .latency_max = 10ms}}) {
    net.observe([this](std::size_t, Now, const node::Event& event) {
      std::visit(
          [this](const auto& e) {
            if constexpr (requires { e.result; }) {
              ++ended;
              if (!e.result) ++failed;
            } else if constexpr (requires { e.entries; }) {
              ++ended;
              if (!e.entries) ++failed;
            }
          },
          event);
    });
  }

  static NodeId key(std::size_t i) { return dht::key_of_text("cost-" + std::to_string(i)); }

  void form() {
    for (std::size_t i = 0; i < kNodes; ++i) {
      net.add(i == 0 ? std::nullopt : std::optional<std::size_t>(0));
      net.run_for(50ms);
    }
    if (!net.run_until([this] { return net.all_see(kNodes); }, 1min)) std::exit(2);
    const Identity creator(provider, ByteArray<32>{1});
    genesis = state::make_genesis(creator, "costs", state::Access::kOpen);
    for (std::size_t i = 0; i < kNodes; ++i) {
      net.operate(i, [this](node::NodeCore& core, Now now, node::Output& out) { return core.state_join(now, genesis, out); });
    }
    // What gets will find.
    for (std::size_t i = 0; i < kMost; ++i) put(i);
    net.run_for(1min);
  }

  OpId put(std::size_t i) {
    return net.operate(i % kNodes, [i](node::NodeCore& core, Now now, node::Output& out) {
      return core.put(now, key(i), Bytes(kValueBytes, static_cast<std::uint8_t>(i)), {}, out);
    });
  }

  void begin(std::string_view what, std::size_t i) {
    // Another node than the one that put it.
    const std::size_t node = (i * 7 + 3) % kNodes;
    if (what == "put") {
      put(kMost + i);
    } else if (what == "get") {
      net.operate(node, [i](node::NodeCore& core, Now now, node::Output& out) { return core.get(now, key(i), {}, out); });
    } else if (what == "lookup") {
      net.operate(node, [i](node::NodeCore& core, Now now, node::Output& out) { return core.lookup(now, key(3 * kMost + i), {}, out); });
    } else {
      net.operate(node, [this, i](node::NodeCore& core, Now now, node::Output& out) {
        const std::string path = "at/" + std::to_string(i);
        const state::Change change{.what = state::Change::What::kSet, .path = as_bytes(path), .value = as_bytes(path), .amount = 0};
        return core.state_write(now, genesis.id, {&change, 1}, out);
      });
    }
  }

  CheapProvider provider;
  SimNetwork net;
  state::Genesis genesis;
  std::size_t ended = 0, failed = 0;
};

int run(std::string_view what, std::size_t count) {
  Costs costs;
  costs.form();
  SimNetwork& net = costs.net;
  costs.ended = costs.failed = 0;
  const std::uint64_t messages = net.datagrams_total(), bytes = net.bytes_total();
  const std::size_t allocations = testing::allocations();
  const Instant end = net.now().mono + kWindow;
  for (std::size_t i = 0; i < count; ++i) {
    costs.begin(what, i);
    net.run_for(kApart);
  }
  net.run_for(end - net.now().mono);
  std::printf("{\"operations\": %zu, \"failed\": %zu, \"messages\": %llu, \"bytes\": %llu, \"allocations\": %zu}\n", costs.ended, costs.failed,
              static_cast<unsigned long long>(net.datagrams_total() - messages), static_cast<unsigned long long>(net.bytes_total() - bytes),
              testing::allocations() - allocations);
  return costs.ended == count && costs.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace weft::sim

int main(int argc, char** argv) {
  const std::string_view what = argc == 3 ? argv[1] : "";
  const std::size_t count = argc == 3 ? std::strtoul(argv[2], nullptr, 10) : 0;
  const bool known = what == "put" || what == "get" || what == "lookup" || what == "write" || (what == "rest" && count == 0);
  if (!known || count > weft::sim::kMost) {
    std::fprintf(stderr, "usage: costs put|get|lookup|write COUNT (at most 100), costs rest 0\n");
    return 2;
  }
  return weft::sim::run(what, count);
}
