// What the tests of whole nodes in memory share: seeds, a mesh that has formed, a ledger of
// operations that stands outside the nodes.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <tuple>

#include "testnet/sim/network.h"

namespace weft::sim {

// The seed of a test: SEED from the environment, or the given one; printed when a test fails.
inline std::uint64_t seed_or(std::uint64_t fallback) {
  const char* text = std::getenv("SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

// Keeps what every operation ended with, and every change of membership that any node told.
class Ledger {
 public:
  explicit Ledger(SimNetwork& net) : net_(net) {
    net.observe([this](std::size_t node, Now now, const node::Event& event) { note(node, now, event); });
  }

  using Key = std::tuple<std::size_t, std::uint64_t, std::uint64_t>;  // node, life, op
  Key key_of(std::size_t node, OpId op) const {
    return {node, net_.life(node), static_cast<std::uint64_t>(op)};
  }
  struct Failure {
    std::size_t observer;
    NodeId subject;
    Duration at;
  };
  std::vector<Failure> failures;  // every `failed` verdict of any node
  std::map<Key, int> done;  // (node, op) -> Done events
  std::map<Key, dht::PutDone> puts;
  std::map<Key, dht::GetDone> gets;
  std::map<Key, dht::LookupDone> lookups;
  std::map<Key, node::PingDone> pings;
  std::vector<std::size_t> twins;

  // Puts, runs until done, and returns the result.
  dht::PutDone put(std::size_t node, std::string_view key, std::string_view value,
                   dht::PutOptions options = {}) {
    const OpId op = net_.operate(node, [&](node::NodeCore& core, Now now, node::Output& out) {
      return core.put(now, dht::key_of_text(key), to_bytes(as_bytes(value)), options, out);
    });
    return wait(puts, node, op);
  }
  dht::GetDone get(std::size_t node, std::string_view key, dht::GetOptions options = {}) {
    const OpId op = net_.operate(node, [&](node::NodeCore& core, Now now, node::Output& out) {
      return core.get(now, dht::key_of_text(key), options, out);
    });
    return wait(gets, node, op);
  }
  dht::LookupDone lookup(std::size_t node, const NodeId& target) {
    const OpId op = net_.operate(node, [&](node::NodeCore& core, Now now, node::Output& out) {
      return core.lookup(now, target, {.trace = true}, out);
    });
    return wait(lookups, node, op);
  }
  node::PingDone ping(std::size_t node, const NodeId& target) {
    const OpId op = net_.operate(node, [&](node::NodeCore& core, Now now, node::Output& out) {
      return core.ping(now, target, out);
    });
    return wait(pings, node, op);
  }

 private:
  template <class Map>
  typename Map::mapped_type wait(Map& map, std::size_t node, OpId op) {
    const auto key = key_of(node, op);
    EXPECT_TRUE(net_.run_until([&] { return map.contains(key); }, 60s, 1ms)) << "no Done event";
    const auto it = map.find(key);
    return it == map.end() ? typename Map::mapped_type{} : it->second;
  }

  void note(std::size_t node, Now now, const node::Event& event) {
    const auto count = [&](OpId op) { return ++done[key_of(node, op)]; };
    if (const auto* put = std::get_if<dht::PutDone>(&event)) {
      EXPECT_EQ(count(put->op), 1);
      puts[key_of(node, put->op)] = *put;
    } else if (const auto* get = std::get_if<dht::GetDone>(&event)) {
      EXPECT_EQ(count(get->op), 1);
      gets[key_of(node, get->op)] = *get;
    } else if (const auto* lookup = std::get_if<dht::LookupDone>(&event)) {
      EXPECT_EQ(count(lookup->op), 1);
      lookups[key_of(node, lookup->op)] = *lookup;
    } else if (const auto* ping = std::get_if<node::PingDone>(&event)) {
      EXPECT_EQ(count(ping->op), 1);
      pings[key_of(node, ping->op)] = *ping;
    } else if (const auto* change = std::get_if<gossip::MemberChanged>(&event)) {
      if (change->to == gossip::MemberState::kFailed) {
        failures.push_back({node, change->record->id, now.mono.time_since_epoch()});
      }
    } else if (std::holds_alternative<node::TwinFound>(event)) {
      twins.push_back(node);
    }
  }

  SimNetwork& net_;
};

// A mesh of n nodes, started `apart`, each given node 0 and nothing else; runs until all see all.
inline void form(SimNetwork& net, std::size_t n, Duration apart = 5ms, Duration at_most = 60s) {
  net.add(std::nullopt);
  for (std::size_t i = 1; i < n; ++i) {
    net.run_for(apart);
    net.add(0);
  }
  ASSERT_TRUE(net.run_until([&] { return net.all_see(n); }, at_most)) << "the mesh did not form";
}

}  // namespace weft::sim
