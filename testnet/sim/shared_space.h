// The one namespace that all nodes of a simulated run share: who is in it, whether all are equal, how long each entry takes to be
// everywhere. Sees the nodes from outside, as no node could.
//
// What it finds wrong (checker "state"): an acknowledged entry that is not in its writer's durable rows; and at the end, an
// acknowledged entry that a living member lacks, members that differ, documents that are not the fold of their entries.
//
// Bounds: kEntriesWatched entries on their way at once; later ones are not timed.
#pragma once

#include <map>
#include <set>
#include <utility>

#include "testnet/scenario/director.h"
#include "testnet/sim/network.h"

namespace weft::sim {

inline constexpr std::size_t kEntriesWatched = 4096;

class SharedSpace {
 public:
  // The network must outlive it.
  explicit SharedSpace(SimNetwork& network);

  const state::NamespaceId& id() const { return genesis_.id; }
  // Takes a living node in; it stays in through its restarts.
  void take_in(std::size_t node);
  // Something has arrived at a node. Returns the ages of the entries that have now reached all members who were alive when they
  // were written and still are.
  std::vector<Duration> on_arrived(std::size_t node);
  // A node is about to end: nobody waits for it any more.
  std::vector<Duration> on_down(std::size_t node);
  // Whether all living members have the same.
  bool equal() const;
  // Entries that were sent in pushes, or fetched, and that were new where they came; of all lives.
  using Sums = scenario::StateCounters;
  Sums sums() const;
  // In words, since the last call.
  std::vector<std::string> take_problems() { return std::exchange(problems_, {}); }
  // After the heal phase.
  void final_checks();

 private:
  struct Open {
    Instant born;
    std::set<std::size_t> missing;
  };
  std::vector<Duration> take_complete();
  const state::Space* space(std::size_t node) const;
  static Sums sums_of(const state::Stats& stats);
  void check_fold(std::size_t node);

  SimNetwork& network_;
  CheapProvider provider_;
  state::Genesis genesis_;
  std::set<std::size_t> members_;
  std::map<std::size_t, std::uint64_t> looked_;  // arrivals at each node, in its present life
  std::map<state::EntryId, Open> open_;
  std::set<state::EntryId> acknowledged_;
  std::vector<std::string> problems_;
  Sums ended_;
};

}  // namespace weft::sim
