// What must hold in every run, checked from outside with a ledger of its own.
//
//   one_done       an operation ends exactly once
//   values_kept    an acknowledged value is found as long as a living node holds it
//   closest        a lookup returns the true closest living nodes (share over kFinalLookups targets;
//                  the same for kFinalAskers askers)
//   membership     after the heal phase every node lists exactly the living
//   contacts       a routing table names nodes only by keys and addresses that they have had
//   bounds         tables and queues stay within their named limits
//   amplification  towards an address where nobody lives, at most three times what came from it
//   stuck          after the heal phase no operation is open
//   acknowledged   a put has as many durable copies as it says when it is answered
//   numbers        a node that comes back has a higher number than anybody has seen of it
//   replays        no DATA packet is taken twice
//   evictions      on a line without loss a routing table loses no contact that lives (but where nobody tells of deaths)
//   failures       no member that lives and can be reached is declared failed
//   values_true    a get brings bytes that somebody put under this key
//   reads_fresh    a get in which R copies agree brings no less than what W of `wanted` copies had
//                  acknowledged before it began, if R + W > wanted
//   work           one input makes a core do no more than kWorkMax
//
// The distances are computed naively here: nothing of dht/ is used.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "dht/core.h"
#include "testnet/sim/network.h"
#include "testnet/sim/world.h"

namespace weft::sim {

// A put stores at the 12 closest at once, while gossip to 3, a probe with its 3 relays and lookups
// (3 queries each) may fall due in the same instant; a full sync page names some 20 members. Of what is due
// more is left to the next call (node::kSendsPerDeadline). Seen in the scenarios: 14 datagrams, 13 events. In one
// call a holder may write dht::kChecksPerTurn values that waited for their check, beside what its own upkeep writes.
inline constexpr Work kWorkMax = {.sends = 32, .events = 64, .commits = dht::kChecksPerTurn + 8};

class Checkers {
 public:
  explicit Checkers(SimNetwork& network) : network_(network) {}

  // `node`: whose steps before `at` tell more, if it is one node's doing.
  void violation(std::string_view checker, Duration at, std::optional<std::size_t> node, std::string detail);
  // Periodically: contacts, bounds, amplification, replays, evictions. `steady(node)`: it has been up
  // and without a fault since long before the last inspection, on a clean line.
  void inspect(Duration at, const std::function<bool(std::size_t)>& steady);
  // The share of the `want` truly closest living nodes that are in `found`, in millionths.
  std::uint32_t closest_share(const NodeId& target, const std::vector<Contact>& found,
                              std::size_t want, std::size_t asker);
  // The living node nearest to the target, of those but the asker that `counts` takes.
  std::optional<std::size_t> nearest(const NodeId& target, std::size_t asker, const std::function<bool(std::size_t)>& counts) const;
  // How many nodes hold a value of this author under this key on disk, of the living ones or of all; counting ends
  // at `enough`. The nearest to the key are looked at first: the work is small where they hold it.
  std::size_t holders(const NodeId& dht_key, const NodeId& author, bool living, std::size_t enough = SIZE_MAX);

  const std::vector<Violation>& violations() const { return violations_; }
  std::uint64_t total() const { return total_; }

 private:
  SimNetwork& network_;
  std::vector<Violation> violations_;
  std::uint64_t total_ = 0;
  std::size_t replays_told_ = 0;
  // Whom each node had in its table at the last inspection, sorted.
  std::vector<std::vector<std::uint32_t>> tables_;
  std::vector<std::uint64_t> displaced_;
  std::map<NodeId, std::size_t> index_;
};

}  // namespace weft::sim
