// What happens by itself: refreshing buckets, publishing values again, handing values over.
//
// Of a paged store (value_store.h) the same is done with what is brought to memory for it: for publishing the whole
// store goes by once in a period, in rounds of pieces by key, the next when nothing of the last is due any more;
// and what has ended is asked for when the first of it has.
//
// Everything here is spread out and bounded: at most kPublishesMax publications and kRefreshesMax
// refreshes run at once, one publication begins in a call, and hand-overs have bounds of their own (hand_overs.h). While the
// budget of bytes is overdrawn none of these begins; expiry, probes and the saving of contacts go on.
#pragma once

#include "dht/hand_overs.h"

namespace weft::dht {

inline constexpr std::size_t kPublishesMax = 2;
inline constexpr std::size_t kPublishesPerCall = 16;  // due ones looked at in one call
inline constexpr Duration kPublishAgain = 1min;  // when all places of background operations were taken
inline constexpr std::size_t kRefreshesMax = 2;
inline constexpr std::size_t kExpiredPerCall = 256;
inline constexpr Duration kEndedAgain = 250ms;  // between two questions for ended values, if there are more
inline constexpr Duration kPieceEvery = 100ms;  // between two pieces of a round, at least
inline constexpr Duration kSaveFirst = 1min;   // contacts are saved so long after the start...
inline constexpr Duration kSaveEvery = 10min;  // ...and then this often
// This often one contact is asked whether it lives: one that was silent when last asked, or else
// the one that was not heard for longest, if that is probe_unheard() or more.
inline constexpr Duration kProbeEvery = 10s;
inline constexpr Duration kProbeUnheard = 10min;
// A third of what is believed (lifetimes.h), for then a fifth of those asked are gone; but where nobody dies any more that grows with
// each question that is answered.
inline constexpr Duration kProbeUnheardMax = 1h;
constexpr Duration probe_unheard(std::optional<Duration> believed) {
  return std::clamp<Duration>(believed.value_or(Duration::zero()) / 3, kProbeUnheard, kProbeUnheardMax);
}
// A node has joined when it has looked around itself and refreshed its buckets, or after this.
inline constexpr Duration kSettleMax = 1min;
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
  // The node leaves: from now on it only hands over.
  void leave(Now now, Core& core, Output& out);
  const HandOvers& hand_overs() const { return hand_overs_; }
  // When the publishing of stored values becomes late, by a quarter of its period.
  std::optional<Instant> late_from(const Core& core) const;
  // An operation ended; of no interest unless upkeep started it. What a hand-over left is made again.
  void on_done(Core& core, OpKey key, Operation::Rest rest);

  // Does what is due; operations that it starts are spawned.
  void run(Now now, Core& core, Output& out);
  std::optional<Instant> next_deadline(const Core& core) const;
  // The budget has changed: what it held back is looked at again.
  void budget_changed() { held_back_ = false; }

 private:
  enum class Kind : std::uint8_t { kRefresh, kBootstrap, kPublish };
  OpKey start(Core& core, Kind kind, std::unique_ptr<Operation> operation);
  std::size_t running(Kind kind) const;
  void expire(Now now, Core& core, Output& out);
  void ask_ended(Now now, Core& core, Output& out);
  void on_ended(Now now, Core& core, const Loaded& loaded, Output& out);
  void publish(Now now, Core& core, Output& out);
  void ask_piece(Now now, Core& core, Output& out);
  void on_piece(Now now, Core& core, const Loaded& loaded);
  // True if it started a publication.
  bool publish_own(Now now, Core& core, Output& out);
  void refresh(Now now, Core& core);
  void try_store(Now now, Core& core, Output& out);
  void save_contacts(Now now, Core& core, Output& out);
  void probe(Now now, Core& core, Output& out);

  bool settle_budget(Now now, Core& core);
  void settle_in(Now now, const Core& core);

  Rng rng_;
  std::map<OpKey, Kind> running_;
  HandOvers hand_overs_;
  std::optional<Instant> settling_until_;  // it joins itself: whom it learns of is no newcomer
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
};

}  // namespace weft::dht
