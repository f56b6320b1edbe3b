#include "dht/hand_overs.h"

#include <limits>

#include "dht/earlier.h"
#include "dht/hand_over_op.h"

namespace weft::dht {
namespace {

constexpr Ratio kJitter = {1, 5};

// What we can bring to others: held for the mesh, or our own.
std::optional<Spread::Value> value_in(const Core& core, const Slot& slot) {
  if (slot.author == core.self()) {
    if (const Own* own = core.own.find(slot.key)) {
      return Spread::Value{.slot = slot, .blob = own->blob, .seq = own->seq, .expires = own->expires};
    }
  }
  const Held* held = core.store.find(slot);
  if (held == nullptr) return std::nullopt;
  return Spread::Value{.slot = slot, .blob = held->blob, .seq = held->seq, .expires = held->expires};
}

bool at_hand(Core& core, const Slot& slot) {
  return core.store.knows(slot.key) || (slot.author == core.self() && core.own.find(slot.key) != nullptr);
}

}  // namespace

HandOvers::HandOvers(Rng rng) : rng_(rng) {}

// ---- what has changed

void HandOvers::changed(Now now, const Core& core, const Change& change) {
  if (core.store.size() == 0 || !core.config.sweep) return;  // nothing to hand over
  std::size_t nearer = 0;
  core.table.visit_nearest(core.self(), [&](const RoutingTable::Entry& entry) {
    return closer(core.self(), entry.contact.id, change.peer) && ++nearer < kSweepNear * core.config.replicas;
  });
  if (nearer == kSweepNear * core.config.replicas) return;
  const auto same = [&change](const Change& c) { return c.peer == change.peer && c.joined == change.joined; };
  if (std::ranges::any_of(changes_, same)) return;
  if (changes_.size() == kChangesMax) changes_.erase(changes_.begin());
  changes_.push_back(change);
  if (!next_sweep_) next_sweep_ = now.mono + rng_.jitter(kSweepDelay, kJitter);
}

void HandOvers::joined(Now now, const Core& core, const NodeId& peer) {
  changed(now, core, {.peer = peer, .joined = true});
}

void HandOvers::left(Now now, const Core& core, const NodeId& peer) {
  changed(now, core, {.peer = peer, .joined = false});
}

void HandOvers::heard(Now now, const Core& core, const NodeId& peer) {
  if (!core.hints.has(peer) || leaving_ || returned_.size() == kReturnedMax) return;
  if (std::ranges::find(returned_, peer) != returned_.end()) return;
  returned_.push_back(peer);
  if (!next_promise_) next_promise_ = now.mono + rng_.jitter(kHintDelay, kJitter);
}

// What somebody missed joins the hand-overs, as far as there is room for it.
void HandOvers::keep_promises(Now now, Core& core) {
  if (!next_promise_ || *next_promise_ > now.mono) return;
  next_promise_.reset();
  while (!returned_.empty() && waiting_ < kTransfersMax) {
    const NodeId peer = returned_.back();
    Batch batch{.to = peer, .slots = core.hints.take(now, peer, kCompareItemsMax)};
    core.counters.hints_kept_total += batch.slots.size();
    waiting_ += batch.slots.size();
    close(std::move(batch));
    if (core.hints.has(peer)) break;
    returned_.pop_back();
  }
  if (!returned_.empty()) next_promise_ = now.mono + kSweepEvery;
}

// ---- the sweep

void HandOvers::sweep_starts() {
  sweeping_.swap(changes_);
  for (const Change& change : changes_) {  // of the last sweep
    if (!change.second) sweeping_.push_back({.peer = change.peer, .joined = change.joined, .second = true});
  }
  changes_.clear();
  std::ranges::stable_sort(sweeping_, {}, &Change::peer);
  joined_ = static_cast<std::size_t>(std::ranges::count_if(sweeping_, &Change::joined));
  cursor_.reset();
  sweep_from_ = {};
  pieces_ = 0;
}

void HandOvers::sweep_ends(Now now) {
  sweep_under_way_ = false;
  flush();
  const bool once_more = std::ranges::any_of(sweeping_, [](const Change& c) { return !c.second; });
  next_sweep_.reset();
  if (!changes_.empty() || once_more) next_sweep_ = now.mono + rng_.jitter(kSweepDelay, kJitter);
}

void HandOvers::sweep(Now now, Core& core, Output& out) {
  if (!next_sweep_ || *next_sweep_ > now.mono) return;
  if (!sweep_under_way_) {
    sweep_under_way_ = true;
    sweep_starts();
  }
  next_sweep_ = now.mono + kSweepEvery;
  if (core.store.paged()) return sweep_paged(core, out);
  std::size_t looked = 0;
  std::optional<Slot> last;
  core.store.visit_after(cursor_, [&](const Slot& slot, const Held&) {
    if (looked == kSweepValues || waiting_ >= kTransfersMax) return false;
    look_at(core, slot);
    last = slot;
    ++looked;
    return true;
  });
  if (last) cursor_ = last;
  if (looked < kSweepValues && waiting_ < kTransfersMax) return sweep_ends(now);
  piece_ends();
}

void HandOvers::sweep_paged(Core& core, Output& out) {
  if (sweep_loading_ || waiting_ >= kTransfersMax) return;
  sweep_loading_ = core.want_rows(
      LoadKeys{.first = sweep_from_, .last = last_key(), .rows_max = kSweepValues, .author = {}, .author_max = 0},
      [this, &core](Now then, const Loaded& loaded, Output&) {
        sweep_loading_ = false;
        if (leaving_) return;
        std::optional<Slot> end;
        for (const Write& row : loaded.rows) {
          end = slot_of_row(row.key);
          if (end) look_at(core, *end);
        }
        piece_ends();
        if (!loaded.ok) return;
        const auto next = loaded.more && end ? next_key(end->key) : std::nullopt;
        if (next) sweep_from_ = *next;
        else sweep_ends(then);
      },
      out);
}

void HandOvers::piece_ends() {
  // Also when there is no room for more: what is gathered goes off, or nothing ever would.
  if (++pieces_ % kSweepTogether == 0 || waiting_ >= kTransfersMax) flush();
}

bool HandOvers::nearer(const NodeId& key, const Place& a, const Place& b) {
  return a.away != b.away ? a.away < b.away : closer(key, *a.id, *b.id);
}

HandOvers::Place HandOvers::place_of(const NodeId& key, const NodeId& id) {
  return {.away = distance_head(key, id), .id = &id};
}

// Who is near this value, and who held it before the changes. False if no change is as near as those who hold it:
// most are not.
bool HandOvers::gather_places(const Core& core, const NodeId& key) {
  const std::size_t replicas = core.config.replicas;
  std::uint64_t nearest_change = std::numeric_limits<std::uint64_t>::max();
  for (const Change& change : sweeping_) nearest_change = std::min(nearest_change, distance_head(key, change.peer));
  places_.clear();
  std::size_t before = 0;  // who are no newcomers
  core.table.visit_nearest(key, [&](const RoutingTable::Entry& entry) {
    Place place = place_of(key, entry.contact.id);
    if (place.away >= nearest_change) {
      const auto first = std::ranges::lower_bound(sweeping_, *place.id, {}, &Change::peer);
      for (auto change = first; change != sweeping_.end() && change->peer == *place.id; ++change) {
        place.newcomer = place.newcomer || change->joined;
        place.second = place.second || (change->joined && change->second);
      }
    }
    if (!place.newcomer) ++before;
    places_.push_back(place);
    return before < replicas && places_.size() < kSweepLooks * replicas;
  });
  const auto by_distance = [&key](const Place& a, const Place& b) { return nearer(key, a, b); };
  const auto insert = [&](std::vector<Place>& into, const Place& place) {
    into.insert(std::ranges::upper_bound(into, place, by_distance), place);
  };
  insert(places_, place_of(key, core.self()));
  former_.clear();
  for (const Place& place : places_) {
    if (!place.newcomer && former_.size() < replicas) former_.push_back(place);
  }
  if (former_.size() == replicas && former_.back().away < nearest_change) return false;
  // With those who left.
  somebody_left_ = false;
  for (const Change& change : sweeping_) {
    if (change.joined) continue;
    Place place = place_of(key, change.peer);
    place.here = false;
    place.second = change.second;
    if (former_.size() >= replicas && !nearer(key, place, former_.back())) continue;
    if (core.table.find(change.peer) != nullptr) continue;
    if (std::ranges::any_of(former_, [&](const Place& other) { return *other.id == change.peer; })) continue;
    insert(former_, place);
    if (former_.size() > replicas) former_.pop_back();
    somebody_left_ = true;
  }
  return true;
}

// Who of those who should hold this value did not before, and are we to bring it to them?
void HandOvers::look_at(const Core& core, const Slot& slot) {
  const NodeId& key = slot.key;
  const NodeId& self = core.self();
  const std::size_t replicas = core.config.replicas;
  // Held before from another time: so many others are nearer that we were no holder, whoever is a newcomer of them.
  if (core.table.nearer_than_self(key) >= replicas + joined_) return;
  if (!gather_places(core, key)) return;
  // How many of the first of those who held it and are here are nearer to `to` than we are?
  const auto before_us = [&](const NodeId& to, std::size_t of) {
    std::size_t count = 0;
    for (const Place& giver : former_) {
      if (!giver.here) continue;
      if (of-- == 0) break;
      if (*giver.id != to && closer(to, *giver.id, self)) ++count;
    }
    return count;
  };
  std::size_t givers = 0, us = SIZE_MAX;
  for (const Place& place : former_) {
    if (!place.here) continue;
    if (*place.id == self) us = givers;
    ++givers;
  }
  if (us == SIZE_MAX) return;
  // Those nearest to the value know best who is around it; of them, how many are before us to bring it?
  const std::size_t nearest = std::min(givers, kGivers);
  for (std::size_t i = 0; i < std::min(places_.size(), replicas); ++i) {
    const Place& to = places_[i];
    if (*to.id == self) continue;
    // Of those at the end some may have moved up past holders that we do not know of.
    const bool held = std::ranges::any_of(former_, [&](const Place& place) { return *place.id == *to.id; });
    if (held && (!somebody_left_ || i + kUnsure < replicas)) continue;
    const bool second = to.second || std::ranges::any_of(former_, [&](const Place& place) {
                          return !place.here && place.second && nearer(key, place, to);
                        });
    const bool ours = us < nearest && before_us(*to.id, nearest) == (second ? 1U : 0U);
    // Those nearest to the newcomer know best that it is there.
    if (ours || (second && before_us(*to.id, givers) <= 1)) add(*to.id, slot);
  }
}

// ---- a leaver

void HandOvers::leave(Now now, Core& core, Output& out) {
  leaving_ = true;
  gathering_.clear();
  ready_.clear();
  waiting_ = 0;
  if (core.store.paged()) {
    heirs_ = Heirs::kToLoad;
    return load_heirs(core, out);
  }
  core.store.visit_after({}, [&](const Slot& slot, const Held& held) {
    if (held.expires > now.mono) find_heir(core, slot);
    return waiting_ < kTransfersMax;
  });
  flush();
}

void HandOvers::load_heirs(Core& core, Output& out) {
  const bool asked = core.want_rows(
      LoadKeys{.first = {}, .last = last_key(), .rows_max = kTransfersMax, .author = {}, .author_max = 0},
      [this, &core](Now then, const Loaded& loaded, Output&) {
        heirs_ = Heirs::kNone;
        core.fill(then, loaded.rows, [&](const Slot& slot) {
          if (core.store.find(slot)->expires > then.mono) find_heir(core, slot);
        });
        flush();
      },
      out);
  if (asked) heirs_ = Heirs::kLoading;
}

// With one of the nearest gone, the first who was not among them is.
void HandOvers::find_heir(const Core& core, const Slot& slot) {
  std::size_t rank = 0;
  std::optional<NodeId> heir;
  core.table.visit_nearest(slot.key, [&](const RoutingTable::Entry& entry) {
    if (entry.failures > 0) return true;
    if (++rank < core.config.replicas) return true;
    if (closer(slot.key, core.self(), entry.contact.id)) heir = entry.contact.id;
    return false;
  });
  if (heir) add(*heir, slot);
}

// ---- the batches

void HandOvers::add(const NodeId& to, const Slot& slot) {
  std::vector<Slot>& slots = gathering_[to];
  slots.push_back(slot);
  ++waiting_;
  if (slots.size() < kCompareItemsMax) return;
  close({.to = to, .slots = std::move(slots)});
  gathering_.erase(to);
}

void HandOvers::flush() {
  for (auto& [to, slots] : gathering_) close({.to = to, .slots = std::move(slots)});
  gathering_.clear();
}

// Takes a batch whose slots are counted among those that wait.
void HandOvers::close(Batch batch) {
  if (batch.slots.empty()) return;
  const std::size_t count = batch.slots.size();
  std::ranges::sort(batch.slots);
  const auto twice = std::ranges::unique(batch.slots);
  batch.slots.erase(twice.begin(), twice.end());
  waiting_ -= count - batch.slots.size();
  ready_.push_back(std::move(batch));
}

void HandOvers::begin(Now now, Core& core, Output& out) {
  if (load_again_ && *load_again_ <= now.mono) load_again_.reset();
  const std::size_t at_once = leaving_ ? kLeaverHandOversMax : kHandOversMax;
  while (handing_.size() + loading_ < at_once && !ready_.empty()) {
    Batch& batch = ready_.front();
    const std::size_t count = batch.slots.size();
    if (core.table.find(batch.to) == nullptr) {
      // Its absence is a change of its own.
    } else if (std::ranges::all_of(batch.slots, [&](const Slot& slot) { return at_hand(core, slot); })) {
      std::vector<Spread::Value> values;
      for (const Slot& slot : batch.slots) {
        if (auto value = value_in(core, slot)) values.push_back(std::move(*value));
      }
      if (!start(now, core, batch, std::move(values))) return;  // when another operation ends
    } else {
      const bool place = core.background_open < kBackgroundOpsMax && !load_again_;
      if (!place || !load(core, batch, out)) return;
    }
    ready_.pop_front();
    waiting_ -= count;
  }
}

bool HandOvers::start(Now now, Core& core, const Batch& batch, std::vector<Spread::Value> values) {
  std::erase_if(values, [now](const Spread::Value& value) { return seconds_left(now, value.expires) == 0; });
  if (values.empty()) return true;
  const RoutingTable::Entry* peer = core.table.find(batch.to);
  if (peer == nullptr) return true;
  const OpKey key = core.spawn(
      std::make_unique<HandOverOp>(target_of(peer->contact), std::move(values), leaving_));
  if (key == OpKey{}) return false;
  handing_[key] = batch;
  return true;
}

bool HandOvers::load(Core& core, const Batch& batch, Output& out) {
  const bool asked = core.want_rows(
      LoadKeys{.first = batch.slots.front().key, .last = batch.slots.back().key, .rows_max = kHandOverRowsMax,
               .author = {}, .author_max = 0},
      [this, &core, batch](Now then, const Loaded& loaded, Output&) {
        --loading_;
        loading_slots_ -= batch.slots.size();
        std::map<Slot, Spread::Value> values;
        const auto take = [&](const Slot& slot) {
          if (auto value = value_in(core, slot)) values.insert_or_assign(slot, std::move(*value));
        };
        for (const Slot& slot : batch.slots) take(slot);
        core.fill(then, loaded.rows, [&](const Slot& slot) {
          if (std::ranges::binary_search(batch.slots, slot)) take(slot);
        });
        std::vector<Spread::Value> all;
        for (auto& [slot, value] : values) all.push_back(std::move(value));
        Batch rest{.to = batch.to, .slots = {}, .runs = batch.runs, .silences = batch.silences};
        if (!loaded.ok) {
          rest = batch;
          load_again_ = then.mono + kStoreTryEvery;
        } else if (!start(then, core, batch, std::move(all))) {
          rest = batch;  // the last place was taken meanwhile
        } else if (const auto last = loaded.more ? slot_of_row(loaded.rows.back().key) : std::nullopt) {
          std::ranges::copy_if(batch.slots, std::back_inserter(rest.slots),
                               [&](const Slot& slot) { return slot.key > last->key; });
        }
        if (rest.slots.empty()) return;
        waiting_ += rest.slots.size();
        ready_.push_front(std::move(rest));
      },
      out);
  if (!asked) return false;
  ++loading_;
  loading_slots_ += batch.slots.size();
  return true;
}

void HandOvers::again(Batch batch, Operation::Rest rest) {
  if (rest == Operation::Rest::kNothing || ++batch.runs == kHandOverRunsMax) return;
  if (rest == Operation::Rest::kSilence && ++batch.silences == kHandOverSilencesMax) return;
  waiting_ += batch.slots.size();
  ready_.push_back(std::move(batch));
}

bool HandOvers::on_done(OpKey key, Operation::Rest rest) {
  const auto it = handing_.find(key);
  if (it == handing_.end()) return false;
  Batch batch = std::move(it->second);
  handing_.erase(it);
  again(std::move(batch), rest);
  return true;
}

// ---- the clock

void HandOvers::run(Now now, Core& core, Output& out) {
  if (!leaving_) {
    sweep(now, core, out);
    keep_promises(now, core);
  } else if (heirs_ == Heirs::kToLoad) {
    load_heirs(core, out);
  }
  begin(now, core, out);
}

void HandOvers::note_busy(Now now) {
  const bool overdue = next_sweep_ && *next_sweep_ <= now.mono;
  if (!sweep_under_way_ && waiting() == 0 && !overdue) busy_since_.reset();
  else if (!busy_since_) busy_since_ = now.mono;
}

std::size_t HandOvers::waiting() const {
  std::size_t all = waiting_ + loading_slots_;
  for (const auto& [key, batch] : handing_) all += batch.slots.size();
  return all;
}

// A sweep that waits for room goes on when a hand-over ends; so do promises.
std::optional<Instant> HandOvers::next_deadline() const {
  std::optional<Instant> at;
  if (waiting_ >= kTransfersMax) return load_again_;
  if (!sweep_loading_) earlier(at, next_sweep_);
  earlier(at, next_promise_);
  if (!ready_.empty()) earlier(at, load_again_);
  return at;
}

}  // namespace weft::dht
