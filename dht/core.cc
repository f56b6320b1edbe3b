#include "dht/core.h"

#include <utility>

#include "dht/crowd.h"
#include "dht/operation.h"

namespace weft::dht {
namespace {

// The owner comes a little before the holders, so that its refresh is the one they wait for.
constexpr Ratio kJitter = {1, 5};
// An incomplete publication is tried again after this.
constexpr Duration kRetryPublication = 2min;
// What a request costs on the wire besides a value: frame, seal, head, key, token.
constexpr std::size_t kRequestBytes = 120;

std::size_t request_bytes(const Core::Message& message) {
  if (const auto* store = std::get_if<Store>(&message)) return kRequestBytes + store->blob.size();
  if (const auto* many = std::get_if<StoreMany>(&message)) {
    std::size_t bytes = kRequestBytes;
    for (const StoreItem& item : many->items) bytes += store_item_bytes(item);
    return bytes;
  }
  if (const auto* compare = std::get_if<Compare>(&message)) return kRequestBytes + compare->sums.size();
  return kRequestBytes;
}

}  // namespace

Core::Core(const Identity& id, const CryptoProvider& crypto, Entropy& entropy, Rng luck,
           const Config& configuration, Now now, UnixMillis node_time)
    : identity(id),
      provider(crypto),
      config(configuration),
      rng(luck),
      table(id.id(), {.bucket_size = config.bucket_size,
                      .replacements = config.replacements,
                      .prefix_per_bucket = config.prefix_per_bucket,
                      .prefix_per_table = config.prefix_per_table,
                      .unasked = config.alone}),
      store(id.id(), {.bytes_max = config.values_bytes_max,
                      .per_author_max = config.values_per_author_max,
                      .per_key_max = config.authors_per_key_max,
                      .memory_max = config.values_memory_max,
                      .republish_every = config.republish_every}),
      tokens(entropy, now),
      budget(config.background_bytes_per_s),
      tracing(entropy),
      turn(now.mono),
      entropy_(entropy) {
  const UnixMillis start = node_time.value > 0 ? node_time : now.wall;
  node_ahead_ms_ = start.value - now.mono.time_since_epoch() / 1ms;
}

Core::~Core() = default;

void Core::ask(OpKey asked_by, Role role, const Target& to, const Message& message,
               bool background, Output& out, std::uint32_t detail) {
  CHECK(!to.endpoints.empty());
  const auto tag = static_cast<RequestTag>(++tags_);
  Contact peer{to.key, to.id, to.endpoints[0]};
  Target target = to;
  std::optional<Duration> unheard;
  // Where it proved its key beats where somebody said it was.
  if (const RoutingTable::Entry* known = table.find(to.id)) {
    if (known->contact.endpoint != to.endpoints[0]) {
      target = target_of(known->contact);
      for (const Endpoint& other : to.endpoints) {
        if (other != known->contact.endpoint) target.endpoints.try_push(other);
      }
    }
    peer.endpoint = known->contact.endpoint;
    unheard = turn - known->last_seen;
  }
  asked.emplace(tag, Asked{asked_by, role, peer, detail, unheard});
  ++counters.requests_total;
  if (background) background_bytes += request_bytes(message);
  out.requests.push_back({tag, target, message, background, !unheard, tracing.asked(asked_by, tag, role, peer, turn)});
}

void Core::note_outcome(const Asked& was, bool answered) {
  health.note(was.peer.id, answered);
  if (!was.unheard || health.suspect()) return;
  lifetimes.note(was.peer.id, *was.unheard, answered);
  table.believe(lifetimes.believed());
}

void Core::ping(const Contact& peer, Output& out) {
  // A FindNode for no contacts: the answer alone is what we want.
  ask({}, Role::kPing, target_of(peer), FindNode{.target = self(), .contacts_max = 0},
      /*background=*/true, out);
}

void Core::write(std::vector<Write> writes, Output& out) {
  if (!writes.empty()) (void)persist(std::move(writes), out);
}

Ticket Core::persist(std::vector<Write> writes, Output& out) {
  const Ticket ticket = next_ticket();
  if (config.values_memory_max > 0) {
    writes_.insert(ticket);
    for (const Write& row : writes) {
      const auto slot = slot_of_row(row.key);
      if (!slot) continue;
      store.note_change(slot->key, static_cast<std::uint64_t>(ticket));
      if (row.erase) erasures_.insert(ticket);
    }
  }
  out.persist.push_back({ticket, std::move(writes)});
  return ticket;
}

Now Core::stamp(Now now) const {
  return {.mono = now.mono, .wall = {now.mono.time_since_epoch() / 1ms + node_ahead_ms_}};
}

void Core::note_written(Ticket ticket) {
  writes_.erase(ticket);
  erasures_.erase(ticket);
}

void Core::page(const HeldTotals& on_disk) { store.page(on_disk, drawn_key()); }

ByteArray<16> Core::drawn_key() {
  ByteArray<16> key{};
  entropy_.fill(key);
  return key;
}

void Core::trim() {
  if (store.outgrown() && !store.paging()) store.begin_paging(drawn_key());
  if (store.paging() && store.page_more(tickets_) && erasures_.empty()) {
    std::vector<NodeId> coming;
    for (const auto& [ticket, commit] : store_commits) coming.push_back(commit.slot.key);
    for (const auto& [ticket, commit] : own_commits) coming.push_back(commit.key);
    store.become_paged(tickets_, coming);
  }
  if (!store.paged()) return;
  const auto oldest = [](const auto& tickets, auto ticket_of) {
    return tickets.empty() ? UINT64_MAX : static_cast<std::uint64_t>(ticket_of(*tickets.begin()));
  };
  store.trim({.oldest_write = oldest(writes_, [](Ticket ticket) { return ticket; }),
              .oldest_load = oldest(loads_, [](const auto& load) { return load.first; }),
              .now_at = tickets_ + 1});
}

bool Core::add_load(decltype(Load::what) what, OpenLoad load, Output& out) {
  if (loads_.size() >= kLoadsMax || (load.wide && wide_loads_ >= kWideLoadsMax)) return false;
  const Ticket ticket = next_ticket();
  if (load.key) loads_by_key_[*load.key] = ticket;
  if (load.wide) ++wide_loads_;
  ++counters.loads_total;
  loads_.emplace(ticket, std::move(load));
  out.loads.push_back({ticket, std::move(what)});
  return true;
}

bool Core::want(const NodeId& key, const std::optional<NodeId>& author, Then then, Output& out) {
  if (load_waiters_ >= kLoadWaitersMax) return false;
  // To count an author's values takes as long as there are many.
  const bool count = author && !store.counts_author(*author);
  const std::pair of{key, count ? author : std::nullopt};
  if (const auto open = loads_by_key_.find(of); open != loads_by_key_.end()) {
    loads_.at(open->second).then.push_back(std::move(then));
  } else {
    OpenLoad load{.key = of, .wide = false, .then = {}, .then_rows = nullptr};
    load.then.push_back(std::move(then));
    if (!add_load(LoadKeys{.first = key, .last = key, .rows_max = 1, .author = of.second,
                           .author_max = config.values_per_author_max},
                  std::move(load), out)) {
      return false;
    }
  }
  ++load_waiters_;
  return true;
}

bool Core::want(const NodeId& key, OpKey op, Output& out) {
  return want(key, std::nullopt, [this, op](Now, bool, Output&) { resumed.push_back(op); }, out);
}

bool Core::want_farthest(Then then, Output& out) {
  return want_rows(
      LoadFarthest{.from = self(), .rows_max = kFarthestMax},
      [this, then = std::move(then)](Now now, const Loaded& loaded, Output& o) {
        std::vector<Slot> slots;
        if (loaded.ok) {
          fill(now, loaded.rows, [&slots](const Slot& slot) { slots.push_back(slot); });
          store.farthest_are(std::move(slots));
        }
        then(now, loaded.ok, o);
      },
      out);
}

bool Core::want_rows(decltype(Load::what) what, ThenRows then, Output& out) {
  return add_load(std::move(what),
                  {.key = {}, .wide = true, .then = {}, .then_rows = std::move(then)}, out);
}

void Core::fill(Now now, const std::vector<Write>& rows,
                const std::function<void(const Slot&)>& visit) {
  const Now stamped = stamp(now);
  for (auto row = rows.begin(); row != rows.end();) {
    const auto slot = slot_of_row(row->key);
    if (!slot) {
      ++row;
      continue;
    }
    std::vector<std::pair<NodeId, Held>> values;
    std::vector<Slot> slots;
    for (; row != rows.end(); ++row) {
      const auto here = slot_of_row(row->key);
      if (!here || here->key != slot->key) break;
      slots.push_back(*here);
      auto read = read_value_row(row->key, row->value);
      if (!read) continue;
      // Those that have ended, too: under a known key what is not here is gone from the disk, or going.
      values.emplace_back(here->author,
                          Held{.blob = std::move(read->blob), .seq = read->value.seq,
                               .expires = end_of(stamped, *read), .republish = {}});
    }
    store.fill(now, slot->key, std::move(values));
    for (const Slot& each : slots) {
      if (store.find(each) != nullptr) visit(each);
    }
  }
}

void Core::on_loaded(Now now, const Loaded& loaded, Output& out) {
  const auto it = loads_.find(loaded.ticket);
  if (it == loads_.end()) return;
  OpenLoad load = std::move(it->second);
  loads_.erase(it);
  load_waiters_ -= load.then.size();
  if (load.wide) --wide_loads_;
  if (!loaded.ok) ++counters.loads_failed_total;
  if (load.key) {
    const auto& [key, author] = *load.key;
    loads_by_key_.erase(*load.key);
    if (loaded.ok) {
      fill(now, loaded.rows, [](const Slot&) {});
      store.fill(now, key, {});  // if there is nothing
      if (author) store.author_has(*author, loaded.of_author);
    }
  }
  if (load.then_rows) load.then_rows(now, loaded, out);
  for (const Then& then : load.then) then(now, loaded.ok, out);
}

void Core::note_commit(Now now, bool ok) {
  if (ok) store_try.reset();
  else store_try = now.mono + kStoreTryEvery;
}

Core::Check Core::may_check(Now now) {
  if (checks_at_ != now.mono) checks_ = 0;
  checks_at_ = now.mono;
  const bool full = unchecked.size() >= kUncheckedMax;
  if (full && checks_ >= kChecksMax) return Check::kTooMany;
  if (!full && (!unchecked.empty() || checks_ >= kChecksPerTurn)) return Check::kLater;
  ++checks_;
  return Check::kNow;
}

bool Core::may_spend(Now now) {
  counters.background_bytes_total += background_bytes;
  budget.spend(now, std::exchange(background_bytes, 0));
  return !budget.overdrawn(now);
}

void Core::seed(Now now, Lookup& lookup) {
  const std::size_t wanted = std::max(config.bucket_size, config.replicas);
  std::size_t healthy = 0;
  table.visit_nearest(lookup.target(), [&](const RoutingTable::Entry& entry) {
    if (table.believed(now, entry)) {
      lookup.seed(entry.contact);
      ++healthy;
    }
    return healthy < wanted;
  });
  if (healthy >= wanted) return;
  // Few are known to be well: those that were silent lately may be back, or it was us.
  table.visit_nearest(lookup.target(), [&](const RoutingTable::Entry& entry) {
    if (!table.believed(now, entry)) lookup.seed(entry.contact);
    return ++healthy < 2 * wanted;
  });
  if (table.size() >= config.parallelism) return;
  for (const Contact& contact : restored) lookup.seed(contact);
}

bool Core::hold(const Slot& slot, Held held, Output& out) {
  const auto evicted = store.insert(slot, std::move(held));
  if (!evicted) return false;
  counters.values_evicted_total += evicted->size();
  std::vector<Write> gone;
  for (const Slot& other : *evicted) gone.push_back(value_erased(other));
  write(std::move(gone), out);
  return true;
}

void Core::adopt(Now now, const Slot& slot, ByteView blob, std::uint32_t remaining_s,
                 Output& out) {
  const auto value = decode_value(blob);
  if (!value || remaining_s == 0 || store_commits.size() >= kCommitsMax) return;
  const bool asks = !store.knows(slot.key) || store.room_for(slot, blob.size()) == Room::kAskAuthor;
  if (asks) {
    // Once more when it is known; not again if that has not helped.
    const Duration left = std::chrono::seconds(remaining_s);
    (void)want(slot.key, slot.author,
               [this, slot, blob = to_bytes(blob), at = now.mono + left](Now then, bool ok, Output& o) {
                 if (ok && store.knows(slot.key)) adopt(then, slot, blob, seconds_left(then, at), o);
               },
               out);
    return;
  }
  if (store.judge(slot, value->seq, blob) != Verdict::kNewer) return;
  if (!store.has_room(slot, blob.size())) return;
  const Instant expires = now.mono + std::chrono::seconds(std::min(remaining_s, value->lifetime_s));
  const Ticket ticket = persist({value_row(stamp(now), slot, blob, expires)}, out);
  store_commits[ticket] = {
      .reply = {}, .slot = slot,
      .held = {to_bytes(blob), value->seq, expires, holder_republish(now)}};
  newest_commit[slot] = ticket;
}

void Core::renew_held(Now now, const Slot& slot, std::uint64_t seq, Instant expires, Output& out) {
  if (!store.knows(slot.key)) {
    (void)want(slot.key, std::nullopt,
               [this, slot, seq, expires](Now then, bool ok, Output& o) {
                 if (ok && store.knows(slot.key)) renew_held(then, slot, seq, expires, o);
               },
               out);
    return;
  }
  const Held* held = store.find(slot);
  if (held == nullptr || held->seq != seq || held->expires >= expires) return;
  store.set_expiry(slot, expires);
  write({value_row(stamp(now), slot, held->blob, expires)}, out);
}

bool Core::responsible_for(const NodeId& key) const {
  std::size_t nearer = 0;
  table.visit_nearest(key, [&](const RoutingTable::Entry& entry) {
    if (!closer(key, entry.contact.id, self())) return false;
    return ++nearer < config.replicas;
  });
  return nearer < config.replicas;
}

OpKey Core::spawn(std::unique_ptr<Operation> operation) {
  if (operation->background()) {
    if (background_open >= kBackgroundOpsMax) return {};
    ++background_open;
  }
  const auto key = static_cast<OpKey>(++operations_);
  operation->set_key(key);
  spawned.push_back(std::move(operation));
  return key;
}

Instant Core::holder_republish(Now now) {
  return now.mono + rng.jitter(config.republish_every, kJitter);
}

Duration Core::owner_every(std::uint32_t lifetime_s, unsigned calm) const {
  const Duration lifetime = std::chrono::seconds(lifetime_s);
  Duration every = config.republish_every * 7 / 10;
  // Twice before a renewal is due.
  every = std::max<Duration>(every, std::min<Duration>(every * (1 << calm), lifetime * 3 / 20));
  return std::max<Duration>(std::min<Duration>(every, lifetime * 9 / 20), 1s);
}

Instant Core::owner_republish(Now now, std::uint32_t lifetime_s, bool complete, unsigned calm) {
  Duration every = owner_every(lifetime_s, calm);
  if (!complete) every = std::min(every, kRetryPublication);
  return now.mono + rng.jitter(every, kJitter);
}

void Core::note_missed(Now now, const Slot& slot, std::size_t wanted, const Lookup& lookup,
                       const StoreRound& round) {
  for (const NodeId& peer : lookup.missing(wanted)) hints.add(now, peer, slot);
  for (const NodeId& peer : round.silent()) hints.add(now, peer, slot);
}

void Core::note_nearest(const NodeId& target, const std::vector<Target>& nearest) {
  std::vector<Distance> away;
  away.reserve(nearest.size());
  for (const Target& to : nearest) away.push_back(distance(to.id, target));
  size.note(target, away);
}

std::uint64_t Core::mesh_size() const {
  const std::uint64_t known = table.size() + 1;
  // A table that has not filled one bucket knows everybody there is.
  return known <= config.bucket_size ? known : std::max(known, size.nodes());
}

bool Core::seems_crowded(const Lookup& lookup) const {
  if (size.samples() < kCrowdSamples) return false;
  const auto around = lookup.nearest_known();
  return crowded({around.data(), around.size()}, mesh_size());
}

}  // namespace weft::dht
