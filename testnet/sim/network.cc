#include "testnet/sim/network.h"

#include <algorithm>
#include <utility>

#include "crypto/check.h"
#include "crypto/fold_hash.h"
#include "crypto/session_frame.h"
#include "dht/rows.h"
#include "dht/value_store.h"

namespace weft::sim {
namespace {

constexpr std::size_t kRecordsShared = 65536;
// A wake later than this is a stall, as in the shell.
constexpr Duration kLateAfter = 100ms;

std::uint64_t mixed(std::uint64_t h, std::uint64_t value) {
  h ^= value + 0x9e3779b97f4a7c15ULL + (h << 6) + (h >> 2);
  h *= 0xd6e8feb86659fd93ULL;
  return h ^ h >> 32;
}

bool is_data(ByteView bytes) {
  return bytes.size() > 1 && bytes[1] == static_cast<std::uint8_t>(session::PacketType::kData);
}

}  // namespace

SimNetwork::SimNetwork(NetworkOptions options) : options_(std::move(options)) {
  const CryptoProvider& provider =
      options_.real_crypto ? static_cast<const CryptoProvider&>(real_) : cheap_;
  records_ = std::make_unique<RecordCache>(provider, kRecordsShared);
  now_ = {Instant(Duration(1)), UnixMillis{1'700'000'000'000}};
}

SimNetwork::~SimNetwork() = default;

void SimNetwork::mix(std::uint64_t value) { trace_ = mixed(trace_, value); }

std::size_t SimNetwork::add(std::optional<std::size_t> seed,
                            const std::function<void(node::Config&)>& adjust) {
  return add_with(nullptr, seed, adjust);
}

std::size_t SimNetwork::add_ground(const NodeId& target, std::optional<std::size_t> seed,
                                   const std::function<void(node::Config&)>& adjust) {
  SeededEntropy luck(mixed(mixed(options_.seed, 0x6772696e64), nodes_.size()));
  ByteArray<32> secret;
  do {
    luck.fill(secret);
  } while (common_prefix_bits(Identity(cheap_, secret).id(), target) < kGroundBits);
  return add_with(&secret, seed, adjust);
}

std::size_t SimNetwork::add_with(const ByteArray<32>* secret, std::optional<std::size_t> seed,
                                 const std::function<void(node::Config&)>& adjust, std::optional<std::size_t> disk_of) {
  const std::size_t index = nodes_.size();
  auto n = std::make_unique<Node>();
  n->provider = std::make_unique<LyingProvider>(cheap_, lies_);
  n->entropy = std::make_unique<SeededEntropy>(mixed(options_.seed, index + 1));
  n->entropy->fill(n->secret);
  if (secret != nullptr) n->secret = *secret;
  n->identity = std::make_unique<Identity>(provider(*n), n->secret);
  n->natted = nats_ != nullptr && nats_->behind(index);
  place(index, *n);
  n->seed = seed;
  n->config.network = open_network(options_.network);
  n->config.name = "n" + std::to_string(index);
  n->config.endpoints = {n->endpoint};
  n->config.ipv6 = false;
  n->config.loopback_only = true;  // one simulated prefix
  n->config.rng_seed = mixed(options_.seed, 0x10000 + index);
  if (adjust) adjust(n->config);
  if (disk_of) {
    n->durable = nodes_[*disk_of]->durable;
    n->node_time = nodes_[*disk_of]->node_time;
    n->last_seen = nodes_[*disk_of]->last_seen;
  }
  nodes_.push_back(std::move(n));
  boot(index);
  return index;
}

void SimNetwork::boot(std::size_t index) {
  Node& n = *nodes_[index];
  n.clock_true = n.clock_local = now_.mono;
  n.busy_until = {};
  for (const std::uint32_t slot : n.backlog) free_slots_.push_back(slot);
  n.backlog.clear();
  n.freeing = false;
  node::Stored stored;
  const dht::HeldTotals held = held_totals(n.durable);
  const std::size_t memory = n.config.dht.values_memory_max;
  if (memory > 0 && held.bytes + held.values * dht::kHeldOverheadBytes > memory) stored.values_on_disk = held;
  for (const auto& [key, value] : n.durable) {
    if (stored.values_on_disk && key[0] == dht::kValueTable) continue;
    stored.rows.push_back({key, value, false});
  }
  ++n.life;
  n.config.rng_seed = mixed(n.config.rng_seed, n.life);
  n.paused = false;
  n.waiting.clear();
  n.armed.reset();
  n.wanted.reset();
  if (n.last_seen.value > 0) {
    stored.node_time = n.node_time;
    stored.down = std::chrono::milliseconds(std::max<std::int64_t>(0, local(n).wall.value - n.last_seen.value));
  }
  n.core = std::make_unique<node::NodeCore>(
      n.config, std::move(stored), local(n),
      node::Deps{*n.identity, provider(n), *records_, *n.entropy});
  node::Output out;
  n.core->start(local(n), out);
  carry_out(index, out);
}

void SimNetwork::crash(std::size_t index) {
  Node& n = *nodes_[index];
  n.core.reset();
  ++n.life;
  n.waiting.clear();
  n.faults = {};
  n.held_back.clear();
  n.provider->lie(Lie::kNone, Rng(0), {});
  set_state_liar(index, Lie::kNone);
  set_member_liar(index, Lie::kNone);
  mix(index);
}

void SimNetwork::set_faults(std::size_t index, const NodeFaults& faults) {
  Node& n = *nodes_[index];
  // The clock goes on from where it is, at its new speed.
  n.clock_local = local(n).mono;
  n.clock_true = now_.mono;
  const bool flooding = n.faults.flood_every.count() > 0;
  n.faults = faults;
  n.mischief = Rng(mixed(mixed(options_.seed, 0x6c696172), index));
  if (!flooding && faults.flood_every.count() > 0) {
    Event e;
    e.kind = Event::Kind::kFlood;
    e.node = index;
    e.life = n.life;
    push(now_.mono + faults.flood_every, std::move(e));
  }
  n.provider->lie(faults.lie, n.mischief.fork("lies"), knowledge(index));
  set_state_liar(index, faults.lie);
  set_member_liar(index, faults.lie);
  n.armed.reset();
  n.wanted.reset();
  if (n.core == nullptr) return;
  if (!n.faults.blocked && !n.paused && (!n.waiting.empty() || !n.held_back.empty())) {
    for (const auto& [to, bytes] : std::exchange(n.held_back, {})) transmit(index, to, bytes);
    node::Output out;
    take_waiting(index, out);
    if (n.core == nullptr) return;
  }
  arm(index);
}

Now SimNetwork::local(const Node& n) const {
  Now now = now_;
  const Duration passed = now_.mono - n.clock_true;
  // 30 days in microseconds times two millions stays below 2^63.
  now.mono = n.clock_local + passed + Duration(passed.count() * n.faults.skew_ppm / 1'000'000);
  now.wall.value += n.faults.wall_step.count() / 1000;
  return now;
}

// The first true instant at which the node's clock shows `at` or later.
Instant SimNetwork::to_true(const Node& n, Instant at) const {
  if (n.faults.skew_ppm == 0) return n.clock_true + (at - n.clock_local);
  const std::int64_t speed = 1'000'000 + n.faults.skew_ppm;
  const std::int64_t passed = (at - n.clock_local).count();
  return n.clock_true + Duration((passed * 1'000'000 + speed - 1) / speed);
}

void SimNetwork::mix_digests() {
  for (const auto& n : nodes_) {
    if (n->core != nullptr) mix(n->core->digest());
  }
}

void SimNetwork::restart(std::size_t index, std::optional<std::size_t> seed) {
  CHECK(nodes_[index]->core == nullptr);
  nodes_[index]->seed = seed;
  boot(index);
}

void SimNetwork::set_blocked(std::function<bool(std::size_t, std::size_t)> blocked) {
  blocked_ = std::move(blocked);
}

void SimNetwork::inject(const Endpoint& from, std::size_t to, ByteView bytes) {
  Event e;
  e.kind = Event::Kind::kDatagram;
  e.node = to;
  e.from = from;
  e.moves = nodes_[to]->moves;
  e.bytes = to_bytes(bytes);
  push(now_.mono, std::move(e));
}

node::NodeCore& SimNetwork::core(std::size_t node) {
  CHECK(nodes_[node]->core != nullptr);
  return *nodes_[node]->core;
}

OpId SimNetwork::operate(std::size_t index,
                         const std::function<OpId(node::NodeCore&, Now, node::Output&)>& call) {
  node::Output out;
  const OpId op = call(core(index), local(*nodes_[index]), out);
  carry_out(index, out);
  return op;
}

void SimNetwork::push(Instant at, Event event) {
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.push_back(std::move(event));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = std::move(event);
  }
  std::uint64_t order = order_++;
  if (options_.shuffle_ties) order = mixed(options_.seed, order);
  heap_.push_back({at, order, slot});
  std::push_heap(heap_.begin(), heap_.end());
}

void SimNetwork::arm(std::size_t index) {
  Node& n = *nodes_[index];
  const auto next = n.core->next_deadline();
  if (!next) {
    n.wanted.reset();
    return;
  }
  const Instant at = std::max(to_true(n, *next), now_.mono);
  if (n.wanted == at) return;
  n.wanted = at;
  mix(static_cast<std::uint64_t>(at.time_since_epoch().count()));
  if (n.armed && *n.armed <= at && *n.armed >= now_.mono) return;  // the earlier wake re-arms
  wake(index, at);
}

void SimNetwork::wake(std::size_t index, Instant at) {
  Node& n = *nodes_[index];
  n.armed = at;
  Event e;
  e.kind = Event::Kind::kWake;
  e.node = index;
  e.life = n.life;
  e.due = at;
  push(at, std::move(e));
}

void SimNetwork::transmit(std::size_t index, const Endpoint& to, ByteView bytes) {
  Node& n = *nodes_[index];
  ++datagrams_;
  bytes_ += bytes.size();
  if (options_.tally && !options_.real_crypto) tally_.sent(bytes);
  if (n.faults.blocked) {
    if (n.held_back.size() < kSocketQueueMax) n.held_back.emplace_back(to, to_bytes(bytes));
    return;
  }
  if (n.faults.drop_ppm != 0 && n.mischief.chance({n.faults.drop_ppm, 1'000'000})) return;
  if (n.provider->withheld(bytes)) return;
  if (n.faults.replay_ppm != 0 || n.faults.spoof_ppm != 0) mischief(index, to, bytes);
  const Endpoint from = source_of(index, to);
  auto at = index_of(to);
  if (at && !reaches(*at, to)) at.reset();
  const std::uint64_t ordinal = n.ordinal++;
  if (!at) {
    if (is_ghost(to)) ghosts_[{to, index}].to_bytes += bytes.size();
    return;
  }
  const std::uint16_t port = nodes_[*at]->natted ? to.port : std::uint16_t{0};
  if (weather_ != nullptr) return deliver(index, from, *at, port, bytes);
  if (blocked_ && blocked_(index, *at)) return;
  std::uint64_t fate = mixed(options_.seed, index);
  fate = mixed(fate, *at);
  fate = mixed(fate, static_cast<std::uint64_t>(now_.mono.time_since_epoch().count()));
  Rng luck(mixed(fate, ordinal));
  if (luck.chance(options_.link.loss)) return;
  const int copies = luck.chance(options_.link.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Event e;
    e.kind = Event::Kind::kDatagram;
    e.node = *at;
    e.from = from;
    e.moves = nodes_[*at]->moves;
    e.port = port;
    e.bytes = to_bytes(bytes);
    push(now_.mono + luck.between(options_.link.latency_min, options_.link.latency_max),
         std::move(e));
  }
}

// By the weather, under the address that `from` claims, to `port` of the receiver's NAT if it has one.
void SimNetwork::deliver(std::size_t from, const Endpoint& claimed, std::size_t to, std::uint16_t port,
                         ByteView bytes) {
  if (port == 0 && nodes_[to]->natted) return;  // to no port that could be mapped
  const Arrivals arrivals = weather_->decide(now_.mono, from, to, bytes.size());
  for (const Arrival& arrival : arrivals) {
    Event e;
    e.kind = Event::Kind::kDatagram;
    e.node = to;
    e.from = claimed;
    e.moves = nodes_[to]->moves;
    e.port = port;
    e.bytes = to_bytes(bytes);
    if (arrival.damage && !e.bytes.empty()) {
      const std::uint64_t bit = *arrival.damage % (e.bytes.size() * 8);
      e.bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    }
    push(now_.mono + arrival.after + nodes_[to]->faults.late_receive, std::move(e));
  }
}

void SimNetwork::carry_out(std::size_t index, node::Output& out) {
  Node& n = *nodes_[index];
  // Events may lead to calls that append to a further output (joining, after Ready).
  for (auto& persist : out.persist) {
    tell(Step::What::kPersist, index, {}, {}, &persist);
    Event e;
    e.kind = Event::Kind::kCommit;
    e.node = index;
    e.life = n.life;
    e.persist = std::move(persist);
    push(now_.mono + options_.commit + n.faults.disk, std::move(e));
  }
  for (dht::Load& load : out.loads) {
    Event e;
    e.kind = Event::Kind::kLoad;
    e.node = index;
    e.life = n.life;
    e.reading = std::make_unique<Reading>();
    if (++loads_ % 2 == 0) e.reading->answer = answer(n.durable, load);
    e.reading->load = std::move(load);
    push(now_.mono + options_.load + n.faults.disk, std::move(e));
  }
  n.most.sends = std::max(n.most.sends, out.send.datagrams().size());
  n.most.events = std::max(n.most.events, out.events.size());
  n.most.commits = std::max(n.most.commits, out.persist.size());
  for (const auto& d : out.send.datagrams()) {
    const ByteView bytes = out.send.bytes(d);
    mix(fold_hash(0, bytes));
    tell(Step::What::kSend, index, d.to, bytes);
    transmit(index, d.to, bytes);
  }
  const std::vector<node::Event> events = std::move(out.events);
  out.clear();
  bool wants_seeds = false;
  for (const auto& event : events) {
    mix(event.index() + 100);
    tell(Step::What::kEvent, index, {}, {}, nullptr, &event);
    if (std::holds_alternative<node::SeedsWanted>(event)) wants_seeds = true;
    if (observer_) observer_(index, now_, event);
  }
  if (wants_seeds && n.seed && n.core != nullptr) {
    std::vector<node::Seed> seeds;
    for (const std::size_t other : n.more_seeds) seeds.push_back({std::nullopt, nodes_[other]->endpoint});
    seeds.push_back({std::nullopt, nodes_[door(index, *n.seed)]->endpoint});
    node::Output more;
    n.core->join(local(n), seeds, more);
    carry_out(index, more);
    return;
  }
  if (n.core != nullptr) arm(index);
}

void SimNetwork::step() {
  if (tamper_ != Tamper::kNothing && !tampered_ && events_ >= tamper_at_) tamper_with_next();
  std::pop_heap(heap_.begin(), heap_.end());
  const Entry entry = heap_.back();
  heap_.pop_back();
  const Duration passed = entry.at - now_.mono;
  now_.mono = entry.at;
  wall_us_ += static_cast<std::uint64_t>(passed.count());
  now_.wall.value = 1'700'000'000'000 + static_cast<std::int64_t>(wall_us_ / 1000);
  const std::size_t index = slots_[entry.slot].node;
  const Event::Kind kind = slots_[entry.slot].kind;
  Node& n = *nodes_[index];
  if (kind == Event::Kind::kFree) {
    const bool stale = slots_[entry.slot].life != n.life;
    free_slots_.push_back(entry.slot);
    if (stale) return;
    n.freeing = false;
    if (n.backlog.empty()) return;
    const std::uint32_t slot = n.backlog.front();
    n.backlog.pop_front();
    take(slot);
  } else if (n.core != nullptr && n.busy_until > now_.mono) {
    // A full socket buffer loses datagrams; the rest of what a process waits for keeps.
    if (kind == Event::Kind::kDatagram && n.backlog.size() >= kSocketQueueMax) {
      free_slots_.push_back(entry.slot);
    } else {
      n.backlog.push_back(entry.slot);
    }
  } else {
    take(entry.slot);
  }
  if (!n.backlog.empty() && !n.freeing) {
    n.freeing = true;
    Event free;
    free.kind = Event::Kind::kFree;
    free.node = index;
    free.life = n.life;
    push(std::max(n.busy_until, now_.mono), std::move(free));
  }
}

void SimNetwork::tamper_with_next() {
  const Entry first = heap_.front();
  Event& event = slots_[first.slot];
  if (nodes_[event.node]->core == nullptr) return;
  switch (tamper_) {
    case Tamper::kNothing:
      return;
    case Tamper::kPayloadBit:
      if (event.kind != Event::Kind::kDatagram || event.bytes.empty()) return;
      event.bytes[event.bytes.size() / 2] ^= 1;
      break;
    case Tamper::kTie: {
      // Neither may be about nothing, as a wake that was put off is.
      const auto real = [this](const Entry& e) { return slots_[e.slot].kind == Event::Kind::kDatagram; };
      const auto second = std::ranges::find_if(heap_, [&](const Entry& e) {
        return e.at == first.at && e.slot != first.slot && real(e);
      });
      if (second == heap_.end() || !real(first)) return;
      std::swap(heap_.front().slot, second->slot);
      break;
    }
    case Tamper::kDeadline: {
      Node& n = *nodes_[event.node];
      if (event.kind != Event::Kind::kWake || event.life != n.life || n.armed != event.due || n.wanted != event.due) return;
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.pop_back();
      free_slots_.push_back(first.slot);
      const std::size_t node = event.node;
      const Instant later = first.at + Duration(1);
      n.wanted = later;
      wake(node, later);
      break;
    }
  }
  tampered_ = true;
}

void SimNetwork::take(std::uint32_t slot) {
  Event e = std::move(slots_[slot]);
  free_slots_.push_back(slot);
  Node& n = *nodes_[e.node];
  if (n.core == nullptr) return;
  const auto at = static_cast<std::uint64_t>(now_.mono.time_since_epoch().count());
  scratch_.clear();
  switch (e.kind) {
    case Event::Kind::kDatagram:
      if (e.moves != n.moves) return;  // it was sent to where the node no longer is
      if (e.port != 0 && !nats_->inbound(now_.mono, e.node, e.port, e.from)) return;
      mix(at ^ fold_hash(0, e.bytes));
      if (n.paused || n.faults.blocked) {
        if (n.waiting.size() < kSocketQueueMax) n.waiting.emplace_back(e.from, std::move(e.bytes));
        return;
      }
      tell(Step::What::kDatagram, e.node, e.from, e.bytes);
      if (n.state_liar || n.member_liar) heard_from_ = id_at(e.from);
      if (is_ghost(e.from)) ghosts_[{e.from, e.node}].from_bytes += e.bytes.size();
      if (watching_replays_ && is_data(e.bytes)) {
        const std::uint64_t before = n.core->dropped();
        n.core->on_datagram(local(n), e.from, e.bytes, scratch_);
        const bool taken = n.core->dropped() == before;
        if (taken && taken_before(n, e.bytes)) replays_.push_back({e.node, now_.mono});
        break;
      }
      n.core->on_datagram(local(n), e.from, e.bytes, scratch_);
      break;
    case Event::Kind::kWake:
      if (e.life != n.life || n.paused || n.armed != e.due) return;
      n.armed.reset();
      if (!n.wanted) return;
      if (*n.wanted > now_.mono) return wake(e.node, *n.wanted);  // it was put off meanwhile
      n.wanted.reset();
      mix(at ^ e.node);
      tell(Step::What::kDeadline, e.node, {}, {});
      // As the shell does: a loop that comes back late says so before deadlines are judged.
      if (now_.mono - e.due > kLateAfter) n.core->was_late(local(n), now_.mono - e.due);
      n.core->on_deadline(local(n), scratch_);
      break;
    case Event::Kind::kCommit: {
      if (e.life != n.life) return;  // the crash came first: never durable
      const bool ok = !n.faults.disk_fails;
      for (const Write& w : e.persist.writes) {
        if (!ok) break;
        if (w.erase) erase_row(n.durable, w.key);
        else n.durable[w.key] = w.value;
      }
      if (ok) {
        n.last_seen = local(n).wall;
        n.node_time = n.core->node_time(local(n));
      }
      mix(at ^ e.node ^ (ok ? 1U << 30 : 1U << 31));
      tell(Step::What::kPersisted, e.node, {}, {}, &e.persist);
      n.core->on_persisted(local(n), e.persist.ticket, ok, scratch_);
      break;
    }
    case Event::Kind::kLoad: {
      if (e.life != n.life) return;
      dht::Loaded loaded{};
      if (n.faults.disk_fails) loaded.ticket = e.reading->load.ticket;
      else if (e.reading->answer) loaded = std::move(*e.reading->answer);
      else loaded = answer(n.durable, e.reading->load);
      mix(at ^ e.node ^ (loaded.ok ? 1U << 28 : 1U << 29));
      n.core->on_loaded(local(n), loaded, scratch_);
      break;
    }
    case Event::Kind::kFlood: {
      if (e.life != n.life || n.faults.flood_every.count() == 0 || weather_ == nullptr) return;
      Bytes noise(64 + n.mischief.below(1'100));
      for (auto& byte : noise) byte = static_cast<std::uint8_t>(n.mischief.below(256));
      const std::size_t to = n.mischief.below(nodes_.size());
      if (to != e.node) deliver(e.node, source_of(e.node, nodes_[to]->outside), to, 0, noise);
      push(now_.mono + n.faults.flood_every, std::move(e));
      return;
    }
    case Event::Kind::kLie:
      if (e.life != n.life || e.due != n.lies_from) return;
      if (n.state_liar) {
        lie_of_state(e.node, /*acts=*/true);
        push(now_.mono + n.state_liar->pace(), std::move(e));
      } else if (n.member_liar) {
        lie_of_members(e.node, /*acts=*/true);
        push(now_.mono + n.member_liar->pace(), std::move(e));
      }
      return;
    case Event::Kind::kFree:
      return;
  }
  ++events_;
  if (n.faults.cpu.count() > 0) n.busy_until = now_.mono + n.faults.cpu;
  carry_out(e.node, scratch_);
  if (n.core == nullptr) return;
  if (n.state_liar) lie_of_state(e.node, /*acts=*/false);
  if (n.member_liar) lie_of_members(e.node, /*acts=*/false);
}

// Whether this life of the node took this very packet of late. From now on it did.
bool SimNetwork::taken_before(Node& n, ByteView bytes) {
  if (n.seen_life != n.life || n.seen.empty()) {
    n.seen_life = n.life;
    n.seen.assign(kSeenMax, 0);
  }
  const std::uint64_t hash = fold_hash(0, bytes);
  std::uint64_t& place = n.seen[hash % kSeenMax];
  return std::exchange(place, hash) == hash;
}

void SimNetwork::run_for(Duration span) {
  const Instant end = now_.mono + span;
  while (!heap_.empty() && heap_.front().at <= end) step();
  wall_us_ += static_cast<std::uint64_t>((end - now_.mono).count());
  now_.mono = end;
}

bool SimNetwork::run_until(const std::function<bool()>& done, Duration at_most, Duration step_by) {
  const Instant end = now_.mono + at_most;
  while (now_.mono < end) {
    if (done()) return true;
    run_for(step_by);
  }
  return done();
}

std::size_t SimNetwork::alive_at(std::size_t node) { return core(node).status().members.alive; }

bool SimNetwork::all_see(std::size_t count) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i]->core != nullptr && alive_at(i) != count) return false;
  }
  return true;
}

}  // namespace weft::sim
