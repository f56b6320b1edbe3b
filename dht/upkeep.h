// What happens by itself: refreshing buckets, publishing values again, handing values over.
//
// Of a paged store (value_store.h) the same is done with what is brought to memory for it: for publishing the whole
// store goes by once in a period, in rounds of pieces by key, the next when nothing of the last is due any more; a
// sweep is pieces without their values; and what has ended is asked for when the first of it has.
//
// Everything here is spread out and bounded: at most kPublishesMax publications and kRefreshesMax
// refreshes run at once, values are looked through kSweepValues at a time, and hand-overs wait in a
// queue that pauses the sweep when it is full (opendht#869: a mass restart must settle). While the
// budget of bytes is overdrawn none of these begins; expiry, probes and the saving of contacts go on.
#pragma once

#include <deque>

#include "dht/operation.h"

namespace weft::dht {

inline constexpr std::size_t kPublishesMax = 2;
inline constexpr std::size_t kPublishesPerCall = 16;  // due ones looked at in one call
inline constexpr Duration kPublishAgain = 1min;  // when all places of background operations were taken
inline constexpr std::size_t kRefreshesMax = 2;
inline constexpr std::size_t kHandOversMax = 4;
inline constexpr std::size_t kLeaverHandOversMax = 32;  // of a node that leaves
// Peers that came or went since the last sweep; the oldest is forgotten first.
inline constexpr std::size_t kChangesMax = 64;
inline constexpr std::size_t kSweepValues = 64;
inline constexpr Duration kSweepDelay = 15s;    // changes are collected for so long: no storm after a mass failure
inline constexpr Duration kSweepEvery = 250ms;  // one piece of a sweep
// A peer that missed something gets it so long after it was heard again: by then others know it, too.
inline constexpr Duration kHintDelay = 500ms;
inline constexpr std::size_t kReturnedMax = 64;  // such peers at once; others wait until they are heard again
inline constexpr std::size_t kTransfersMax = 256;
// Of one hand-over to a peer that does not answer, while it is in the table.
inline constexpr std::size_t kTransferTriesMax = 3;
// How many of the nearest holders hand a value over to a newcomer.
inline constexpr std::size_t kHandOverRanks = 2;
inline constexpr std::size_t kExpiredPerCall = 256;
inline constexpr Duration kEndedAgain = 250ms;  // between two questions for ended values, if there are more
inline constexpr Duration kPieceEvery = 100ms;  // between two pieces of a round, at least
inline constexpr Duration kSaveFirst = 1min;   // contacts are saved so long after the start...
inline constexpr Duration kSaveEvery = 10min;  // ...and then this often
// This often one contact is asked whether it lives: one that was silent when last asked, or else
// the one that was not heard for longest, if that is kProbeUnheard or more.
inline constexpr Duration kProbeEvery = 10s;
inline constexpr Duration kProbeUnheard = 10min;
// A refresh of a bucket far away needs few responders.
inline constexpr std::size_t kRefreshWant = 8;

class Upkeep {
 public:
  Upkeep(Now now, Core& core);

  // A contact entered the table, or a peer is gone for good.
  void joined(Now now, const Core& core, const NodeId& peer);
  void left(Now now, const Core& core, const NodeId& peer);
  // A peer proved that it is there; of interest if it missed something (hints.h).
  void heard(Now now, const Core& core, const NodeId& peer);
  // Looks up the own id, then refreshes every bucket wider than the nearest neighbour's.
  void bootstrap(Now now, Core& core);
  // The node leaves: from now on it only hands over, each held value to the node that moves up to be among
  // its holders then; kTransfersMax of them, the rest is left to the other holders' sweeps.
  void leave(Now now, Core& core, Output& out);
  std::size_t hand_overs_waiting() const { return transfers_.size() + handing_loads_; }
  // Since when there has always been something to look at or to hand over.
  std::optional<Instant> busy_since() const { return busy_since_; }
  bool handed_over() const {
    return transfers_.empty() && running(Kind::kHandOver) == 0 && !sweep_loading_ && handing_loads_ == 0;
  }
  // Paged: since when the round of publishing has gone on.
  std::optional<Instant> round_since() const { return round_since_; }
  // An operation ended; of no interest unless upkeep started it. A hand-over in vain is made again.
  void on_done(Core& core, OpKey key, bool in_vain);

  // Does what is due; operations that it starts are spawned.
  void run(Now now, Core& core, Output& out);
  std::optional<Instant> next_deadline(const Core& core) const;
  // The budget has changed: what it held back is looked at again.
  void budget_changed() { held_back_ = false; }

 private:
  struct Change {
    NodeId peer;
    bool joined = false;
  };
  struct Transfer {
    Slot slot;
    NodeId to;
    std::size_t tries = 0;
  };
  enum class Kind : std::uint8_t { kRefresh, kBootstrap, kPublish, kHandOver };
  OpKey start(Core& core, Kind kind, std::unique_ptr<Operation> operation);
  std::size_t running(Kind kind) const;
  void changed(Now now, const Core& core, const Change& change);
  void expire(Now now, Core& core, Output& out);
  void ask_ended(Now now, Core& core, Output& out);
  void on_ended(Now now, Core& core, const Loaded& loaded, Output& out);
  void publish(Now now, Core& core, Output& out);
  void ask_piece(Now now, Core& core, Output& out);
  void on_piece(Now now, Core& core, const Loaded& loaded);
  void publish_own(Now now, Core& core, Output& out);
  void refresh(Now now, Core& core);
  void sweep(Now now, Core& core, Output& out);
  void sweep_paged(Core& core, Output& out);
  void sweep_ends(Now now);
  void look_at(const Core& core, const Slot& slot);
  void find_heir(Now now, const Core& core, const Slot& slot);
  void keep_promises(Now now, Core& core);
  void hand_over(Core& core, Output& out);
  void try_store(Now now, Core& core, Output& out);
  void save_contacts(Now now, Core& core, Output& out);
  void probe(Now now, Core& core, Output& out);

  bool settle_budget(Now now, Core& core);

  Rng rng_;
  std::map<OpKey, Kind> running_;
  std::map<OpKey, Transfer> handing_;  // of the hand-overs among them
  std::vector<Change> changes_;   // waiting for the next sweep
  std::vector<Change> sweeping_;  // of the sweep under way
  std::optional<Slot> cursor_;    // the last slot looked at
  std::optional<Instant> next_sweep_;
  NodeId sweep_from_;             // paged: the first key not looked at
  bool sweep_loading_ = false;
  std::size_t handing_loads_ = 0;  // hand-overs whose values are being loaded
  std::deque<Transfer> transfers_;
  std::vector<NodeId> returned_;  // heard again, with hints for them
  std::optional<Instant> next_promise_;
  std::vector<std::size_t> to_refresh_;  // buckets, after a join
  Instant next_self_lookup_;
  Instant next_save_;
  Instant next_probe_;
  NodeId piece_from_;             // paged: the first key that the round has not come to
  bool piece_loading_ = false;
  Instant next_piece_;
  std::optional<Instant> round_since_;
  bool ending_ = false;           // ended values are being asked for
  std::optional<Ticket> ended_gone_;  // they are being erased
  bool held_back_ = false;  // by the budget, when last run
  bool leaving_ = false;
  std::optional<Instant> busy_since_;
};

}  // namespace weft::dht
