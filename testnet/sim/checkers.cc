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

void Checkers::violation(std::string_view checker, Duration at, std::optional<std::size_t> node,
                         std::string detail) {
  ++total_;
  if (violations_.size() < kViolationsMax) {
    violations_.push_back({std::string(checker), at, node, std::move(detail)});
  }
}

void Checkers::inspect(Duration at, const std::function<bool(std::size_t)>& steady) {
  tables_.resize(network_.size());
  displaced_.resize(network_.size());
  for (std::size_t i = index_.size(); i < network_.size(); ++i) index_[network_.id(i)] = i;
  for (; replays_told_ < network_.replays().size(); ++replays_told_) {
    violation("replays", at, network_.replays()[replays_told_].node, "node " + std::to_string(network_.replays()[replays_told_].node) +
                                 " took a packet that it had taken before");
  }
  for (std::size_t i = 0; i < network_.size(); ++i) {
    if (!network_.alive(i)) continue;
    const std::string who = "node " + std::to_string(i) + ": ";
    const Work& work = network_.most(i);
    if (work.sends > kWorkMax.sends || work.events > kWorkMax.events || work.commits > kWorkMax.commits) {
      violation("work", at, i, who + std::to_string(work.sends) + " datagrams, " + std::to_string(work.events) +
                                " events, " + std::to_string(work.commits) + " commits at once");
    }
    node::NodeCore& core = network_.core(i);
    const node::Status status = core.status();
    if (status.requests_pending > node::kRequestsMax) {
      violation("bounds", at, i, who + std::to_string(status.requests_pending) + " requests open");
    }
    const node::Config& config = network_.config(i);
    if (status.sessions > config.sessions.sessions_max) {
      violation("bounds", at, i, who + std::to_string(status.sessions) + " sessions");
    }
    if (status.dht.values_bytes > config.dht.values_bytes_max) {
      violation("bounds", at, i, who + std::to_string(status.dht.values_bytes) + " bytes of values");
    }
    std::vector<std::uint32_t> table;
    core.for_each_contact([&](const dht::TableEntry& entry) {
      if (const auto whose = index_.find(entry.contact.id); whose != index_.end()) {
        table.push_back(static_cast<std::uint32_t>(whose->second));
      }
      const auto there = network_.index_of(entry.contact.endpoint);
      if (!there || network_.id(*there) != entry.contact.id) {
        violation("contacts", at, i, who + "names " + to_string(entry.contact.endpoint) +
                                      " with a key that was never there");
      }
    });
    std::ranges::sort(table);
    // Nearer ones took the places of so many since.
    const std::uint64_t before = std::exchange(displaced_[i], status.dht.contacts_displaced_total);
    std::uint64_t displaced = status.dht.contacts_displaced_total;
    if (displaced >= before) displaced -= before;  // or it was restarted
    if (steady(i) && !config.membership.alone) {
      for (const std::uint32_t other : tables_[i]) {
        if (std::ranges::binary_search(table, other) || !steady(other)) continue;
        if (displaced > 0) {
          --displaced;
          continue;
        }
        violation("evictions", at, i,
                  who + "lost node " + std::to_string(other) + " from its table, which lives");
      }
    }
    table.shrink_to_fit();
    tables_[i] = std::move(table);
  }
  for (const auto& [who, ghost] : network_.ghosts()) {
    if (ghost.to_bytes > 3 * ghost.from_bytes) {
      violation("amplification", at, who.second, "node " + std::to_string(who.second) + " to " + to_string(who.first) + ": " + std::to_string(ghost.to_bytes) +
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

std::optional<std::size_t> Checkers::nearest(const NodeId& target, std::size_t asker,
                                             const std::function<bool(std::size_t)>& counts) const {
  std::optional<std::size_t> best;
  NodeId best_id;
  for (std::size_t i = 0; i < network_.size(); ++i) {
    if (!network_.alive(i) || i == asker || !counts(i)) continue;
    const NodeId id = network_.id(i);
    if (best && !nearer(target, id, best_id)) continue;
    best = i;
    best_id = id;
  }
  return best;
}

std::size_t Checkers::holders(const NodeId& dht_key, const NodeId& author, bool living, std::size_t enough) {
  Bytes row = {dht::kValueTable};
  row.insert(row.end(), dht_key.bytes.begin(), dht_key.bytes.end());
  row.insert(row.end(), author.bytes.begin(), author.bytes.end());
  std::vector<std::pair<std::uint64_t, std::size_t>> farthest_last;
  farthest_last.reserve(network_.size());
  for (std::size_t i = 0; i < network_.size(); ++i) {
    if (!living || network_.alive(i)) farthest_last.emplace_back(distance_head(dht_key, network_.id(i)), i);
  }
  std::ranges::make_heap(farthest_last, std::ranges::greater{});
  std::size_t count = 0;
  while (count < enough && !farthest_last.empty()) {
    std::ranges::pop_heap(farthest_last, std::ranges::greater{});
    if (network_.durable(farthest_last.back().second).contains(row)) ++count;
    farthest_last.pop_back();
  }
  return count;
}

}  // namespace weft::sim
