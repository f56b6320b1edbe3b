// The one namespace that all nodes of a simulated run share: who is in it, whether all are equal, how long each entry takes to be
// everywhere. Sees the nodes from outside, as no node could.
//
// What it finds wrong (checker "state"): an acknowledged entry that is not in its writer's durable rows; and at the end, an acknowledged entry that
// a living member lacks, members that differ, documents that are not the fold of their entries (naive_fold.h), entries that should
// have been dropped, entries that nobody signed or that a member never wrote, two of a member's at one place in its history, a fork in a member's set that is not
// proven there, a proof against a member.
//
// Members are those that have kept the protocol all the time. Of one that was hostile once nothing is asked; what it wrote and others took,
// all must have alike.
//
// What must be there in the end. An acknowledged entry is held by a member that has it in memory or on disk. It loses it by a crash before it was on
// its disk, or when its disk is replaced by an older backup or is gone for good (a twin's). An entry that its last holder loses so is lost,
// which nobody could have prevented; it may come back. All others are owed to every living member, if one of those that live holds it: what is only on
// disks of members that are down cannot be reached. Who had an entry and has dropped it counts as a holder all the same. An entry may be absent if its own
// author's checkpoints discard it (and, where nobody lies, if it takes nothing away that is there). The same is asked of what liars wrote, once a
// member has taken it; but a liar's checkpoint may have been discarded itself since, when what it discarded was gone already.
//
// Clocks. What a member wrote whose clock is ahead is in its own set, and others hold it back until it is due: until then it is left out of what is
// compared. So is what a liar has stamped, and a member whose clock is ahead takes early; a checkpoint may be among it, so then all of the liars' words
// are left out. At the end all clocks go on to when the last such entry is due, and then nothing is left out. Of what liars stamp
// so, much falls due in bursts (state_liar.h); for one that does as the heal phase ends there is kDueSpread more.
//
// Bounds: kEntriesWatched entries on their way at once; later ones are not timed. kForeignMax entries of liars; later ones need not be kept.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "testnet/scenario/director.h"
#include "testnet/sim/naive_fold.h"
#include "testnet/sim/network.h"

namespace weft::sim {

inline constexpr std::size_t kEntriesWatched = 4096;
inline constexpr std::size_t kForeignMax = 65'536;
inline constexpr Duration kDueSpread = 40s;
// A node looks at what it holds back at least every minute; then it has to spread.
inline constexpr Duration kDayLaterMax = 2min;

class SharedSpace {
 public:
  // The network must outlive it.
  explicit SharedSpace(SimNetwork& network);

  const state::NamespaceId& id() const { return genesis_.id; }
  // Takes a living node in; it stays in through its restarts.
  void take_in(std::size_t node);
  // A node that runs is another's twin.
  void twin_of(std::size_t twin, std::size_t of);
  // A node begins to lie: from now on it is no member.
  void hostile(std::size_t node);
  // Something has arrived at a node. Returns the ages of the entries that have now reached all members who were alive when they
  // were written and still are.
  std::vector<Duration> on_arrived(std::size_t node);
  // A node is about to end: nobody waits for it any more.
  std::vector<Duration> on_down(std::size_t node);
  // The disk of a node that is down is another now; or it will never come back.
  void on_disk_replaced(std::size_t node);
  void on_gone(std::size_t node);
  // Whether all living members have the same.
  bool equal() const;
  // Entries that were sent in pushes, or fetched, and that were new where they came; of all lives.
  using Sums = scenario::StateCounters;
  Sums sums() const;
  // In words, since the last call.
  std::vector<std::string> take_problems() { return std::exchange(problems_, {}); }
  // After the heal phase.
  void final_checks();
  // Authors both sides of whose forks were in a member's set at the end.
  std::size_t forks_seen() const { return forks_seen_; }
  struct Acknowledged {
    std::size_t entries = 0;
    std::size_t lost = 0;         // with a disk or a memory, before anybody else had them
    std::size_t unreachable = 0;  // only at members that are down
    std::size_t ahead = 0;        // stamped so far ahead that others hold them back
  };
  Acknowledged acknowledged() const;

 private:
  struct Open {
    Instant born;
    std::set<std::size_t> missing;
  };
  class NodeSet {
   public:
    void insert(std::size_t node) {
      if (bits_.size() <= node / 64) bits_.resize(node / 64 + 1);
      bits_[node / 64] |= std::uint64_t{1} << node % 64;
    }
    void erase(std::size_t node) {
      if (contains(node)) bits_[node / 64] &= ~(std::uint64_t{1} << node % 64);
    }
    bool contains(std::size_t node) const { return node / 64 < bits_.size() && (bits_[node / 64] >> node % 64 & 1) != 0; }
    bool empty() const { return std::ranges::all_of(bits_, [](std::uint64_t word) { return word == 0; }); }

   private:
    std::vector<std::uint64_t> bits_;
  };
  struct Written {
    std::optional<std::size_t> writer;  // none: a liar's
    std::uint64_t stamp = 0;
    Bytes wire;
    NodeSet holders;
  };
  std::vector<Duration> take_complete();
  const state::Space* space(std::size_t node) const;
  static Sums sums_of(const state::Stats& stats);
  std::vector<std::size_t> living() const;
  bool on_disk(std::size_t node, const state::EntryId& id) const;
  template <class Lost>
  void lose(std::size_t node, Lost lost);
  bool due(std::uint64_t stamp) const;
  bool same_roots() const;
  // What members have and others hold back, because a clock was ahead.
  struct Early {
    std::set<state::EntryId> ids{};
    bool of_liars = false;
  };
  bool same_but(std::span<const std::size_t> members, const Early& early) const;
  bool acknowledged(const Written& written) const { return written.writer && !hostile_.contains(*written.writer); }
  bool reachable(const Written& written) const;
  void check_kept(std::span<const std::size_t> members, const std::map<std::size_t, const NaiveFold*>& folds);
  bool written_by_author(const state::EntryId& id) const;
  void check_authors(std::size_t node, std::span<const Bytes> entries);
  void check_places();
  bool has_lower_proof(std::size_t node, const state::Entry& proof) const;
  void check_forks(std::size_t node, const NaiveFold& fold);
  void a_day_later();

  SimNetwork& network_;
  CheapProvider provider_;
  state::Genesis genesis_;
  std::set<std::size_t> members_;
  std::set<std::size_t> hostile_;
  std::map<std::size_t, std::uint64_t> looked_;  // arrivals at each node, in its present life
  std::map<state::EntryId, Open> open_;
  std::map<state::EntryId, Written> written_;
  std::size_t foreign_ = 0;  // of them by liars
  std::set<state::EntryId> ahead_;  // not due yet when a member took or wrote them
  struct Compared {
    std::vector<state::TreeHash> roots{};
    std::size_t early = 0;
    bool equal = false;
  };
  mutable Compared compared_;
  std::size_t forks_seen_ = 0;  // authors that forked, in a member's set at the end
  std::vector<std::string> problems_;
  Sums ended_;
};

}  // namespace weft::sim
