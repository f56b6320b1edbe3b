#include "testnet/sim/checkers.h"

#include <algorithm>

#include "dht/rows.h"
#include "node/requests.h"

namespace weft::sim {
namespace {

constexpr std::uint32_t kMillion = 1'000'000;

// a nearer to `target` than b, byte by byte.
bool nearer(const NodeId& target, const NodeId& a, const NodeId& b) {
  for (std::size_t i = 0; i < target.bytes.size(); ++i) {
    const int da = a.bytes[i] ^ target.bytes[i];
    const int db = b.bytes[i] ^ target.bytes[i];
    if (da != db) return da < db;
  }
  return false;
}

}  // namespace

void Checkers::violation(std::string_view checker, Duration at, std::string detail) {
  ++total_;
  if (violations_.size() < kViolationsMax) {
    violations_.push_back({std::string(checker), at, std::move(detail)});
  }
}

void Checkers::inspect(Duration at) {
  for (std::size_t i = 0; i < network_.size(); ++i) {
    if (!network_.alive(i)) continue;
    const std::string who = "node " + std::to_string(i) + ": ";
    node::NodeCore& core = network_.core(i);
    const node::Status status = core.status();
    if (status.requests_pending > node::kRequestsMax) {
      violation("bounds", at, who + std::to_string(status.requests_pending) + " requests open");
    }
    const SessionConfig sessions;
    if (status.sessions > sessions.sessions_max) {
      violation("bounds", at, who + std::to_string(status.sessions) + " sessions");
    }
    const dht::Config config;
    if (status.dht.values_bytes > config.values_bytes_max) {
      violation("bounds", at, who + std::to_string(status.dht.values_bytes) + " bytes of values");
    }
    core.for_each_contact([&](const dht::TableEntry& entry) {
      const auto there = network_.index_of(entry.contact.endpoint);
      if (!there || network_.id(*there) != entry.contact.id) {
        violation("contacts", at, who + "names " + to_string(entry.contact.endpoint) +
                                      " with a key that was never there");
      }
    });
  }
  for (const auto& [endpoint, ghost] : network_.ghosts()) {
    if (ghost.to_bytes > 3 * ghost.from_bytes) {
      violation("amplification", at, to_string(endpoint) + ": " + std::to_string(ghost.to_bytes) +
                                         " bytes for " + std::to_string(ghost.from_bytes));
    }
  }
}

std::uint32_t Checkers::closest_share(const NodeId& target, const std::vector<Contact>& found,
                                      std::size_t want, std::size_t asker) {
  std::vector<NodeId> living;
  for (std::size_t i = 0; i < network_.size(); ++i) {
    if (network_.alive(i) && i != asker) living.push_back(network_.id(i));
  }
  std::ranges::sort(living, [&](const NodeId& a, const NodeId& b) { return nearer(target, a, b); });
  living.resize(std::min(want, living.size()));
  if (living.empty()) return kMillion;
  std::size_t hits = 0;
  for (const NodeId& id : living) {
    if (std::ranges::any_of(found, [&](const Contact& c) { return c.id == id; })) ++hits;
  }
  return static_cast<std::uint32_t>(hits * kMillion / living.size());
}

std::size_t Checkers::holders(const NodeId& dht_key, const NodeId& author) {
  Bytes row = {dht::kValueTable};
  row.insert(row.end(), dht_key.bytes.begin(), dht_key.bytes.end());
  row.insert(row.end(), author.bytes.begin(), author.bytes.end());
  std::size_t count = 0;
  for (std::size_t i = 0; i < network_.size(); ++i) {
    if (network_.alive(i) && network_.durable(i).contains(row)) ++count;
  }
  return count;
}

}  // namespace weft::sim
