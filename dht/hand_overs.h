// Whom to bring what, as peers come, go and return: the sweep, the hints, and a leaver's last wish.
//
// A sweep looks once at every held value. For each it knows who held it before the changes since the last sweep
// (the `replicas` nearest of those who stayed and those who left) and who should now. Each newcomer to that circle
// gets it from one of the kGivers nearest former holders that are here, the one whose id is nearest to its own. Any
// rule that all holders agree on would do; by this one most values of a newcomer come from a few neighbours, so they
// are compared in a few questions (hand_over_op.h), in sessions that exist already. Tables do not know all that
// live: those near the value know best who else holds it, those near the newcomer that it is there. So each change is
// swept twice, kSweepDelay apart: the second time the second in line asks, and also the two nearest to the newcomer of
// all former holders. One giver that failed, lies or sees another mesh costs no copy, and what all of them miss is
// found missing by the next publication (region_op.h).
//
// Peers that a node learns of while it joins itself are no newcomers: it is one to them.
//
// What is to be handed over is gathered by peer, and goes off when there is a Compare full, after
// kSweepTogether pieces of a sweep (so that the peer need not look through its whole store for one question), or at the
// sweep's end. Of a paged store (value_store.h) only keys are looked at; the values are loaded when a batch begins.
//
// Bounds: kChangesMax peers a sweep, kTransfersMax values that wait (the sweep pauses; opendht#869: a mass
// restart must settle), kHandOversMax operations. A batch that met silence is made again, kHandOverSilencesMax
// times, and kHandOverRunsMax times in all while the budget cuts it short. A peer that comes and goes all the time
// costs each neighbour a question in kSweepDelay and what it says it lacks, within upkeep's budget. A peer of protocol
// minor 0 knows no Compare and is handed nothing.
#pragma once

#include <list>

#include "dht/operation.h"
#include "dht/spread.h"

namespace weft::dht {

inline constexpr std::size_t kHandOversMax = 4;
inline constexpr std::size_t kLeaverHandOversMax = 16;  // of a node that leaves
// Peers that came or went since the last sweep; the oldest is forgotten first.
inline constexpr std::size_t kChangesMax = 256;
inline constexpr std::size_t kSweepValues = 64;
inline constexpr Duration kSweepDelay = 10s;    // changes are collected for so long: no storm after a mass failure
inline constexpr Duration kSweepEvery = 250ms;  // one piece of a sweep
inline constexpr std::size_t kSweepTogether = 8;
// Of no interest is who has so many others nearer to us, in multiples of the replicas: it and we are never among
// the nearest to one key. (Those are in one subtree with `replicas` nodes or a few more.)
inline constexpr std::size_t kSweepNear = 4;
// If somebody left, so many at the end of those who should hold a value are asked whether they do, even if we
// think that they did before: tables do not know all that live.
inline constexpr std::size_t kUnsure = 2;
// Former holders of a value, the nearest to it, one of whom hands it over.
inline constexpr std::size_t kGivers = 6;
// Peers looked at for one value, in multiples of the replicas: the rest of a crowd of newcomers is behind them.
inline constexpr std::size_t kSweepLooks = 4;
// A peer that missed something gets it so long after it was heard again: by then others know it, too.
inline constexpr Duration kHintDelay = 500ms;
inline constexpr std::size_t kReturnedMax = 64;  // such peers at once; others wait until they are heard again
inline constexpr std::size_t kTransfersMax = 1024;
inline constexpr std::size_t kHandOverSilencesMax = 3;
inline constexpr std::size_t kHandOverRunsMax = 16;
// Rows between a batch's first and last key that are loaded for it.
inline constexpr std::size_t kHandOverRowsMax = 2 * kSweepTogether * kSweepValues;

class HandOvers {
 public:
  explicit HandOvers(Rng rng);

  // A newcomer is in the table, or a peer is gone for good.
  void joined(Now now, const Core& core, const NodeId& peer);
  void left(Now now, const Core& core, const NodeId& peer);
  // A peer proved that it is there; of interest if it missed something (hints.h).
  void heard(Now now, const Core& core, const NodeId& peer);
  // From now on each held value is for the node that moves up to be among its holders; kTransfersMax of
  // them, the rest is left to the other holders' sweeps.
  void leave(Now now, Core& core, Output& out);
  // Does what is due.
  void run(Now now, Core& core, Output& out);
  // Whether there is still something to do, for busy_since().
  void note_busy(Now now);
  // An operation ended; false: it is none of these.
  bool on_done(OpKey key, Operation::Rest rest);
  std::optional<Instant> next_deadline() const;

  // Values waiting, or being loaded or handed over.
  std::size_t waiting() const;
  // Since when there has always been something to look at or to hand over.
  std::optional<Instant> busy_since() const { return busy_since_; }
  // A leaver has nothing more to do.
  bool done() const { return waiting() == 0 && heirs_ == Heirs::kNone; }

 private:
  struct Change {
    NodeId peer;
    bool joined = false;
    bool second = false;  // swept once already
  };
  struct Batch {
    NodeId to;
    std::vector<Slot> slots;  // sorted, at most kCompareItemsMax
    std::size_t runs = 0;
    std::size_t silences = 0;
  };
  // One who is or was near a value.
  struct Place {
    std::uint64_t away = 0;  // the head of its distance
    const NodeId* id = nullptr;
    bool here = true;
    bool newcomer = false;
    bool second = false;
  };
  void changed(Now now, const Core& core, const Change& change);
  void sweep(Now now, Core& core, Output& out);
  void sweep_paged(Core& core, Output& out);
  void sweep_starts();
  void piece_ends();
  void sweep_ends(Now now);
  static bool nearer(const NodeId& key, const Place& a, const Place& b);
  static Place place_of(const NodeId& key, const NodeId& id);
  bool gather_places(const Core& core, const NodeId& key);
  void look_at(const Core& core, const Slot& slot);
  void load_heirs(Core& core, Output& out);
  void find_heir(const Core& core, const Slot& slot);
  void keep_promises(Now now, Core& core);
  void add(const NodeId& to, const Slot& slot);
  void close(Batch batch);
  void flush();
  void begin(Now now, Core& core, Output& out);
  // False: no place for an operation.
  bool start(Now now, Core& core, const Batch& batch, std::vector<Spread::Value> values);
  // False: too many loads are under way.
  bool load(Core& core, const Batch& batch, Output& out);
  void again(Batch batch, Operation::Rest rest);

  Rng rng_;
  std::vector<Change> changes_;   // waiting for the next sweep
  std::vector<Change> sweeping_;  // of the sweep under way or the last, by peer
  // Of the value looked at: those who are here, with us, the nearest first; who held it before; whether some of
  // those are gone. Their ids lie in the table and in sweeping_: of no use once look_at has returned.
  std::vector<Place> places_, former_;
  bool somebody_left_ = false;
  std::size_t joined_ = 0;        // of sweeping_
  std::optional<Slot> cursor_;    // the last slot looked at
  std::optional<Instant> next_sweep_;
  NodeId sweep_from_;             // paged: the first key not looked at
  bool sweep_loading_ = false;
  bool sweep_under_way_ = false;
  std::size_t pieces_ = 0;        // of this sweep
  std::map<NodeId, std::vector<Slot>> gathering_;
  std::list<Batch> ready_;
  std::size_t waiting_ = 0;       // slots in both
  std::map<OpKey, Batch> handing_;
  std::size_t loading_ = 0;       // batches whose values are being loaded
  std::size_t loading_slots_ = 0;
  std::vector<NodeId> returned_;  // heard again, with hints for them
  std::optional<Instant> next_promise_;
  std::optional<Instant> load_again_;  // after a load that failed
  bool leaving_ = false;
  enum class Heirs : std::uint8_t { kNone, kToLoad, kLoading } heirs_ = Heirs::kNone;  // a paged leaver's values
  std::optional<Instant> busy_since_;
};

}  // namespace weft::dht
