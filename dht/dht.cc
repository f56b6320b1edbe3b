// Wiring only: routes calls to the tables, and answers to the operations that asked.
#include "dht/dht.h"

#include "crypto/planted.h"
#include "dht/earlier.h"
#include "dht/get_op.h"
#include "dht/lookup_op.h"
#include "dht/put_op.h"
#include "dht/server.h"
#include "dht/upkeep.h"

namespace weft::dht {
namespace {

// Operations ended by one on_deadline; the others stay due.
constexpr std::size_t kEndsPerDeadline = 16;

}  // namespace

struct Dht::State {
  State(const Identity& identity, const CryptoProvider& provider, Entropy& entropy, Rng rng,
        const Config& config, Now now, UnixMillis node_time)
      : core(identity, provider, entropy, rng, config, now, node_time), upkeep(now, core) {}

  // Finished operations own bytes that the last output shows; they go at the next call.
  void begin(Now now) {
    core.turn = now.mono;
    graveyard.clear();
    core.trim();
  }
  void start_user(Now now, OpId op, std::unique_ptr<Operation> operation, Output& out);
  Operation* find(OpKey key);
  bool has_place(Now now, Output& out);
  void retire(Operation& operation);
  // Retires it; upkeep that waited for its end goes on.
  void ended(Now now, Operation& operation, Output& out);
  // Hands on to its operation that the peer of a request is late, or slow.
  void told(Now now, RequestTag tag, void (Operation::*what)(Now, Core&, const Asked&, Output&), Output& out);
  void settle(Now now, Output& out);
  template <class M, class Deliver>
  void answered(Now now, RequestTag tag, const M& m, Output& out, Deliver deliver);
  void end_all(Now now, OpError why, Output& out);
  void drop_spawned();

  Core core;
  Upkeep upkeep;
  std::map<OpKey, std::unique_ptr<Operation>> operations;
  std::map<OpId, OpKey> users;
  std::set<std::pair<Instant, OpKey>> deadlines;
  std::map<OpKey, Instant> deadline_of;
  std::vector<std::unique_ptr<Operation>> graveyard;
  bool shut = false;     // takes no operations; with `leaving` hands over
  bool leaving = false;
};

Operation* Dht::State::find(OpKey key) {
  const auto it = operations.find(key);
  return it == operations.end() ? nullptr : it->second.get();
}

void Dht::State::start_user(Now now, OpId op, std::unique_ptr<Operation> operation, Output& out) {
  users[op] = core.spawn(std::move(operation));
  settle(now, out);
}

// Whether one more operation of the user may start.
bool Dht::State::has_place(Now now, Output& out) {
  if (users.size() < core.config.ops_max) return true;
  for (const auto& [user, key] : users) {
    Operation* operation = find(key);
    if (!operation->answered()) continue;
    operation->end(now, core, OpError::kCancelled, out);
    retire(*operation);
    return true;
  }
  return false;
}

void Dht::State::retire(Operation& operation) {
  const OpKey key = operation.key();
  if (operation.user()) {
    users.erase(*operation.user());
  } else {
    --core.background_open;
  }
  deadlines.erase({deadline_of.at(key), key});
  deadline_of.erase(key);
  core.tracing.end(key);
  const auto it = operations.find(key);
  graveyard.push_back(std::move(it->second));
  operations.erase(it);
  upkeep.on_done(core, key, graveyard.back()->rest());
}

void Dht::State::ended(Now now, Operation& operation, Output& out) {
  const bool background = operation.background();
  retire(operation);
  if (background && (!shut || leaving)) upkeep.run(now, core, out);
}

// Starts what was spawned, which may spawn more, until nothing new is left. Upkeep starts bounded
// pieces and each moves its own schedule on, so this ends.
void Dht::State::settle(Now now, Output& out) {
  bool upkeep_changed = false;
  for (;;) {
    if (core.spawned.empty()) {
      if (!upkeep_changed || (shut && !leaving)) return;
      upkeep_changed = false;
      upkeep.run(now, core, out);
      continue;
    }
    std::vector<std::unique_ptr<Operation>> starting;
    starting.swap(core.spawned);
    for (auto& operation : starting) {
      const OpKey key = operation->key();
      const Instant deadline = now.mono + core.config.op_deadline;
      deadlines.emplace(deadline, key);
      deadline_of[key] = deadline;
      Operation& started = *(operations[key] = std::move(operation));
      started.start(now, core, out);
      if (!started.done()) continue;
      upkeep_changed = upkeep_changed || started.background();
      retire(started);
    }
  }
}

template <class M, class Deliver>
void Dht::State::answered(Now now, RequestTag tag, const M& m, Output& out, Deliver deliver) {
  begin(now);
  const auto it = core.asked.find(tag);
  if (it == core.asked.end()) return;
  const Asked asked = it->second;
  core.tracing.answered(asked.op, tag, now.mono, answer_of(m));
  core.asked.erase(it);
  core.note_outcome(asked, /*answered=*/true);
  if (Operation* operation = find(asked.op)) {
    deliver(*operation, asked);
    if (operation->done()) ended(now, *operation, out);
  }
  settle(now, out);
}

Dht::Dht(const Identity& identity, const CryptoProvider& provider, Entropy& entropy, Rng rng,
         Config config, Now now, UnixMillis node_time)
    : state_(std::make_unique<State>(identity, provider, entropy, rng, config, now, node_time)) {}

Dht::~Dht() = default;

// ---- restart

void Dht::restore(Now now, ByteView key, ByteView value, Duration down) {
  if (planted(Plant::kValuesForgotten)) return;
  restore_row(now, state_->core, key, value, down);
}

void Dht::values_on_disk(const HeldTotals& totals) { state_->core.page(totals); }

UnixMillis Dht::node_time(Now now) const { return state_->core.stamp(now).wall; }

void Dht::set_number_floor(std::uint64_t floor) { state_->core.number_floor = floor; }

const std::vector<Contact>& Dht::restored_contacts() const { return state_->core.restored; }

// ---- evidence

void Dht::heard_from(Now now, const Contact& peer, std::optional<Duration> rtt, Output& out) {
  State& s = *state_;
  s.begin(now);
  const RoutingTable::Heard heard = s.core.table.heard(now, peer, rtt);
  if (heard.ping) s.core.ping(*heard.ping, out);
  s.upkeep.heard(now, s.core, peer.id);
  if (!heard.added) return;
  std::erase_if(s.core.restored, [&peer](const Contact& c) { return c.id == peer.id; });
  s.upkeep.joined(now, s.core, peer.id);
}

void Dht::forget(Now now, const NodeId& peer) {
  State& s = *state_;
  s.begin(now);
  s.core.table.remove(peer);
  s.upkeep.left(now, s.core, peer);
  std::erase_if(s.core.restored, [&peer](const Contact& c) { return c.id == peer; });
}

// ---- served

void Dht::on_find_node(Now now, const Asker& asker, const FindNode& m, Nodes& reply) {
  serve_find_node(now, state_->core, asker, m, reply);
  if (state_->shut) reply.token.reset();  // what is stored here now would leave with us
}

bool Dht::on_get(Now now, const Asker& asker, const Get& m, Values& reply, Output& out) {
  Core& core = state_->core;
  if (core.store.knows(m.key)) serve_get(now, core, asker, m, reply);
  else if (serve_get_later(now, core, asker, m, reply, out)) return false;
  if (state_->shut) reply.token.reset();
  return true;
}

void Dht::on_store(Now now, const Asker& asker, const Store& m, Output& out) {
  state_->begin(now);
  serve_store(now, state_->core, asker, m, out);
}

void Dht::on_store_many(Now now, const Asker& asker, const StoreMany& m, Output& out) {
  state_->begin(now);
  serve_store_many(now, state_->core, asker, m, out);
}

bool Dht::on_compare(Now now, const Asker& asker, const Compare& m,
                     ByteArray<kCompareItemsMax / 8>& room, Compared& reply, Output& out) {
  Core& core = state_->core;
  if (!core.store.paged()) {
    serve_compare(now, core, asker, m, nullptr, room, reply);
  } else {
    if (serve_compare_later(core, asker, m, out)) return false;
    const Loaded nothing;
    serve_compare(now, core, asker, m, &nothing, room, reply);
  }
  if (state_->shut) reply.token.reset();
  return true;
}

// ---- operations

void Dht::lookup(Now now, OpId op, const NodeId& target, const LookupOptions& options, Output& out) {
  State& s = *state_;
  s.begin(now);
  const auto refuse = [&](OpError why) {
    out.events.push_back(LookupDone{op, std::unexpected(OpFailure{.error = why})});
  };
  if (s.shut) return refuse(OpError::kShutdown);
  if (!s.has_place(now, out)) return refuse(OpError::kOverloaded);
  CHECK(!s.users.contains(op));
  const Config& config = s.core.config;
  const std::size_t want = config.lookup_want != 0 ? config.lookup_want : config.bucket_size;
  s.start_user(now, op,
               std::make_unique<LookupOp>(
                   op, LookupOp::Options{.target = target, .want = want, .trace = options.trace, .paths = options.paths}),
               out);
}

void Dht::put(Now now, OpId op, const NodeId& key, Bytes value, const PutOptions& options,
              Output& out) {
  State& s = *state_;
  s.begin(now);
  const auto refuse = [&](OpError why) {
    out.events.push_back(PutDone{op, std::unexpected(OpFailure{.error = why})});
  };
  if (s.shut) return refuse(OpError::kShutdown);
  if (value.size() > kValueBytesMax) return refuse(OpError::kTooLarge);
  if (!s.has_place(now, out)) return refuse(OpError::kOverloaded);
  CHECK(!s.users.contains(op));
  if (options.withdraw) value.clear();
  s.start_user(now, op, std::make_unique<PutOp>(op, key, std::move(value), options), out);
}

void Dht::get(Now now, OpId op, const NodeId& key, const GetOptions& options, Output& out) {
  State& s = *state_;
  s.begin(now);
  const auto refuse = [&](OpError why) {
    out.events.push_back(GetDone{op, std::unexpected(OpFailure{.error = why})});
  };
  if (s.shut) return refuse(OpError::kShutdown);
  if (!s.has_place(now, out)) return refuse(OpError::kOverloaded);
  CHECK(!s.users.contains(op));
  s.start_user(now, op, std::make_unique<GetOp>(op, key, options), out);
}

void Dht::cancel(Now now, OpId op, Output& out) {
  State& s = *state_;
  s.begin(now);
  const auto it = s.users.find(op);
  if (it == s.users.end()) return;
  Operation* operation = s.find(it->second);
  CHECK(operation != nullptr);
  if (operation->answered()) return;
  operation->end(now, s.core, OpError::kCancelled, out);
  s.retire(*operation);
  s.settle(now, out);
}

void Dht::State::end_all(Now now, OpError why, Output& out) {
  while (!operations.empty()) {
    Operation& operation = *operations.begin()->second;
    operation.end(now, core, why, out);
    retire(operation);
    drop_spawned();
  }
}

void Dht::State::drop_spawned() {
  for (const auto& dropped : core.spawned) {
    if (dropped->background()) --core.background_open;
  }
  core.spawned.clear();
}

void Dht::leave(Now now, Output& out) {
  State& s = *state_;
  s.begin(now);
  if (s.shut) return;
  s.shut = true;
  s.leaving = true;
  s.end_all(now, OpError::kShutdown, out);
  s.upkeep.leave(now, s.core, out);
  s.upkeep.run(now, s.core, out);
  s.settle(now, out);
}

bool Dht::handed_over() const { return !state_->leaving || state_->upkeep.hand_overs().done(); }

void Dht::shutdown(Now now, Output& out) {
  State& s = *state_;
  s.begin(now);
  s.shut = true;
  s.leaving = false;
  s.end_all(now, OpError::kShutdown, out);
}

void Dht::set_limits(std::size_t values_bytes_max, std::uint64_t background_bytes_per_s) {
  State& s = *state_;
  s.core.store.set_bytes_max(values_bytes_max);
  s.core.budget.set_rate(background_bytes_per_s);
  s.upkeep.budget_changed();
}

void Dht::bootstrap(Now now, Output& out) {
  State& s = *state_;
  s.begin(now);
  if (s.shut) return;
  s.upkeep.bootstrap(now, s.core);
  s.settle(now, out);
}

// ---- answers

void Dht::on_nodes(Now now, RequestTag tag, Duration rtt, const Nodes& m, Output& out) {
  State& s = *state_;
  if (planted(Plant::kContactsBelieved)) {
    for (const Contact& contact : m.contacts) (void)s.core.table.heard(now, contact, {});
  }
  s.answered(now, tag, m, out, [&](Operation& operation, const Asked& asked) {
    operation.on_nodes(now, s.core, asked, rtt, m, out);
  });
}

void Dht::on_values(Now now, RequestTag tag, Duration rtt, const Values& m, Output& out) {
  State& s = *state_;
  s.answered(now, tag, m, out, [&](Operation& operation, const Asked& asked) {
    operation.on_values(now, s.core, asked, rtt, m, out);
  });
}

void Dht::on_stored(Now now, RequestTag tag, Duration, const Stored& m, Output& out) {
  State& s = *state_;
  s.answered(now, tag, m, out, [&](Operation& operation, const Asked& asked) {
    operation.on_stored(now, s.core, asked, m, out);
  });
}

void Dht::on_compared(Now now, RequestTag tag, Duration, const Compared& m, Output& out) {
  State& s = *state_;
  s.answered(now, tag, m, out, [&](Operation& operation, const Asked& asked) {
    operation.on_compared(now, s.core, asked, m, out);
  });
}

void Dht::on_stored_many(Now now, RequestTag tag, Duration, const StoredMany& m, Output& out) {
  State& s = *state_;
  s.answered(now, tag, m, out, [&](Operation& operation, const Asked& asked) {
    operation.on_stored_many(now, s.core, asked, m, out);
  });
}

void Dht::on_late(Now now, RequestTag tag, Output& out) { state_->told(now, tag, &Operation::on_late, out); }

void Dht::on_slow(Now now, RequestTag tag, Output& out) { state_->told(now, tag, &Operation::on_slow, out); }

void Dht::State::told(Now now, RequestTag tag, void (Operation::*what)(Now, Core&, const Asked&, Output&), Output& out) {
  begin(now);
  const auto it = core.asked.find(tag);
  if (it == core.asked.end()) return;
  const Asked asked_of = it->second;
  Operation* operation = find(asked_of.op);
  if (operation == nullptr) return;
  (operation->*what)(now, core, asked_of, out);
  if (operation->done()) ended(now, *operation, out);
  settle(now, out);
}

void Dht::on_timeout(Now now, RequestTag tag, Output& out) {
  State& s = *state_;
  s.begin(now);
  const auto it = s.core.asked.find(tag);
  if (it == s.core.asked.end()) return;
  const Asked asked = it->second;
  s.core.asked.erase(it);
  // Who does not answer a Compare may be of an older version, and well.
  const bool counts = asked.role != Role::kCompare;
  if (counts) s.core.note_outcome(asked, /*answered=*/false);
  if (counts && s.core.health.suspect()) {
    ++s.core.counters.evictions_frozen_total;
  } else if (counts) {
    const bool known = s.core.table.find(asked.peer.id) != nullptr;
    if (const auto again = s.core.table.silent(asked.peer.id)) s.core.ping(*again, out);
    if (known && s.core.table.find(asked.peer.id) == nullptr) {
      s.upkeep.left(now, s.core, asked.peer.id);
    }
  }
  if (Operation* operation = s.find(asked.op)) {
    operation->on_timeout(now, s.core, asked, out);
    if (operation->done()) s.ended(now, *operation, out);
  }
  s.settle(now, out);
}

void Dht::on_persisted(Now now, Ticket ticket, bool ok, Output& out) {
  State& s = *state_;
  s.begin(now);
  s.core.note_written(ticket);
  s.core.note_commit(now, ok);
  if (finish_store(now, s.core, ticket, ok, out)) return;
  const auto committed = finish_own(now, s.core, ticket, ok, out);
  if (!committed) return;
  if (Operation* operation = s.find(*committed)) {
    operation->on_committed(now, s.core, ok, out);
    if (operation->done()) s.retire(*operation);
  }
  s.settle(now, out);
}

void Dht::on_loaded(Now now, const Loaded& loaded, Output& out) {
  State& s = *state_;
  s.begin(now);
  s.core.on_loaded(now, loaded, out);
  if (s.shut && !s.leaving) s.drop_spawned();
  if (s.shut) {
    for (LateValues& late : out.late_values) late.message.token.reset();
    for (LateCompared& late : out.late_compared) late.token.reset();
  }
  std::vector<OpKey> resumed;
  resumed.swap(s.core.resumed);
  for (const OpKey key : resumed) {
    Operation* operation = s.find(key);
    if (operation == nullptr) continue;
    operation->on_loaded(now, s.core, out);
    if (operation->done()) s.ended(now, *operation, out);
  }
  if (!s.shut || s.leaving) s.upkeep.run(now, s.core, out);
  s.settle(now, out);
}

void Dht::on_deadline(Now now, Output& out) {
  State& s = *state_;
  s.begin(now);
  for (std::size_t i = 0; i < kEndsPerDeadline && !s.deadlines.empty() && s.deadlines.begin()->first <= now.mono; ++i) {
    Operation* operation = s.find(s.deadlines.begin()->second);
    CHECK(operation != nullptr);
    operation->end(now, s.core, OpError::kTimedOut, out);
    s.retire(*operation);  // upkeep comes next
  }
  serve_unchecked(now, s.core, out);
  if (!s.shut || s.leaving) s.upkeep.run(now, s.core, out);
  s.settle(now, out);
}

std::optional<Instant> Dht::next_deadline() {
  State& s = *state_;
  std::optional<Instant> at;
  if (!s.shut || s.leaving) at = s.upkeep.next_deadline(s.core);
  if (!s.deadlines.empty() && (!at || s.deadlines.begin()->first < *at)) {
    at = s.deadlines.begin()->first;
  }
  if (!s.core.unchecked.empty()) earlier(at, s.core.unchecked_due);
  return at;
}

// ---- views

Stats Dht::stats() const {
  const Core& core = state_->core;
  Stats out = core.counters;
  out.contacts = core.table.size();
  out.contacts_evicted_total = core.table.evicted_total();
  out.contacts_displaced_total = core.table.displaced_total();
  out.buckets = core.table.buckets();
  out.values = core.store.size();
  out.values_bytes = core.store.bytes();
  out.values_memory_bytes = core.store.memory_bytes();
  out.values_paged = core.store.paged();
  out.publishing_late_from = state_->upkeep.late_from(core);
  out.own = core.own.size();
  out.own_copies_min = core.own.copies_min();
  out.hand_overs_waiting = state_->upkeep.hand_overs().waiting();
  out.hints = core.hints.size();
  out.handing_over_since = state_->upkeep.hand_overs().busy_since();
  return out;
}

void Dht::for_each_contact(const std::function<void(const TableEntry&)>& visit) const {
  state_->core.table.for_each([&](const RoutingTable::Entry& entry, int bucket) {
    TableEntry out{.contact = entry.contact, .bucket = bucket, .rtt = {},
                   .last_seen = entry.last_seen};
    if (entry.srtt != Duration{}) out.rtt = entry.srtt;
    visit(out);
  });
}

void Dht::for_each_own(const std::optional<NodeId>& after, std::size_t max,
                       const std::function<void(const OwnValue&)>& visit) const {
  const auto& all = state_->core.own.all();
  auto it = after ? all.upper_bound(*after) : all.begin();
  for (; it != all.end() && max > 0; ++it, --max) {
    const auto& [key, own] = *it;
    visit({.key = key, .seq = own.seq, .bytes = own.value_bytes(), .copies = own.copies,
           .expires = own.expires, .next_republish = own.republish,
           .withdrawn = own.withdrawn()});
  }
}

const std::map<std::size_t, std::size_t>& Dht::own_by_copies() const {
  return state_->core.own.by_copies();
}

std::uint64_t Dht::network_size_estimate() const {
  return state_->core.mesh_size();
}

std::uint64_t Dht::digest() const {
  const Core& core = state_->core;
  Bytes all;
  const auto add = [&all](ByteView bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); };
  const auto add_number = [&add](std::uint64_t number) {
    ByteArray<8> raw;
    store_le(raw.data(), number);
    add(raw);
  };
  core.table.for_each([&](const RoutingTable::Entry& entry, int) {
    add(entry.contact.id.bytes);
    add(entry.contact.endpoint.ip);
    add_number(entry.contact.endpoint.port);
    add_number(entry.failures);
  });
  core.store.visit_after({}, [&](const Slot& slot, const Held& held) {
    add(slot.key.bytes);
    add(slot.author.bytes);
    add(blob_hash(held.blob));
    add_number(static_cast<std::uint64_t>(held.expires.time_since_epoch().count()));
    return true;
  });
  for (const auto& [key, own] : core.own.all()) {
    add(key.bytes);
    add_number(own.seq);
  }
  add_number(core.asked.size());
  add_number(state_->operations.size());
  return load_le<std::uint64_t>(blake2b_256(all).data());
}

NodeId key_of_text(std::string_view text) {
  return {blake2b_256(as_bytes("weft-key-1"), as_bytes(text))};
}

NodeId providers_key(const NodeId& key) {
  return {blake2b_256(as_bytes("weft-providers-1"), key.bytes)};
}

}  // namespace weft::dht
