#include "testnet/sim/network.h"

#include <algorithm>

#include "crypto/check.h"

namespace weft::sim {
namespace {

constexpr std::size_t kRecordsShared = 65536;

std::uint64_t mixed(std::uint64_t h, std::uint64_t value) {
  h ^= value + 0x9e3779b97f4a7c15ULL + (h << 6) + (h >> 2);
  h *= 0xd6e8feb86659fd93ULL;
  return h ^ h >> 32;
}

std::uint64_t hash_bytes(ByteView bytes) {
  std::uint64_t h = bytes.size();
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) h = mixed(h, load_le<std::uint64_t>(bytes.data() + i));
  for (; i < bytes.size(); ++i) h = mixed(h, bytes[i]);
  return h;
}

// Simulated nodes live in 10/8: one address each, the default port.
Endpoint address(std::size_t index) {
  return Endpoint::v4(10, static_cast<std::uint8_t>(index >> 16),
                      static_cast<std::uint8_t>(index >> 8), static_cast<std::uint8_t>(index),
                      9338);
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

std::size_t SimNetwork::add_twin(std::size_t of, std::optional<std::size_t> seed,
                                 const std::function<void(node::Config&)>& adjust) {
  const ByteArray<32> secret = nodes_[of]->secret;
  return add_with(&secret, seed, adjust);
}

std::size_t SimNetwork::add_with(const ByteArray<32>* secret, std::optional<std::size_t> seed,
                                 const std::function<void(node::Config&)>& adjust) {
  const CryptoProvider& provider =
      options_.real_crypto ? static_cast<const CryptoProvider&>(real_) : cheap_;
  const std::size_t index = nodes_.size();
  auto n = std::make_unique<Node>();
  n->entropy = std::make_unique<SeededEntropy>(mixed(options_.seed, index + 1));
  n->entropy->fill(n->secret);
  if (secret != nullptr) n->secret = *secret;
  n->identity = std::make_unique<Identity>(provider, n->secret);
  n->endpoint = address(index);
  n->seed = seed;
  n->config.network = open_network(options_.network);
  n->config.name = "n" + std::to_string(index);
  n->config.endpoints = {n->endpoint};
  n->config.ipv6 = false;
  n->config.loopback_only = true;  // one simulated prefix
  n->config.rng_seed = mixed(options_.seed, 0x10000 + index);
  if (adjust) adjust(n->config);
  by_endpoint_[n->endpoint] = index;
  nodes_.push_back(std::move(n));
  boot(index);
  return index;
}

void SimNetwork::boot(std::size_t index) {
  Node& n = *nodes_[index];
  const CryptoProvider& provider =
      options_.real_crypto ? static_cast<const CryptoProvider&>(real_) : cheap_;
  node::Stored stored;
  for (const auto& [key, value] : n.durable) stored.rows.push_back({key, value, false});
  ++n.life;
  n.config.rng_seed = mixed(n.config.rng_seed, n.life);
  n.paused = false;
  n.waiting.clear();
  n.armed.reset();
  n.core = std::make_unique<node::NodeCore>(
      n.config, std::move(stored), now_,
      node::Deps{*n.identity, provider, *records_, *n.entropy});
  node::Output out;
  n.core->start(now_, out);
  carry_out(index, out);
}

void SimNetwork::crash(std::size_t index) {
  Node& n = *nodes_[index];
  n.core.reset();
  ++n.life;
  mix(index);
}

void SimNetwork::restart(std::size_t index, std::optional<std::size_t> seed) {
  CHECK(nodes_[index]->core == nullptr);
  nodes_[index]->seed = seed;
  boot(index);
}

void SimNetwork::pause(std::size_t index) { nodes_[index]->paused = true; }

void SimNetwork::resume(std::size_t index) {
  Node& n = *nodes_[index];
  n.paused = false;
  if (n.core == nullptr) return;
  // As the shell does: told of the stall, then the socket is read dry, then deadlines are judged.
  node::Output out;
  if (n.armed && *n.armed < now_.mono) n.core->was_late(now_, now_.mono - *n.armed);
  for (auto& [from, bytes] : n.waiting) {
    n.core->on_datagram(now_, from, bytes, out);
  }
  n.waiting.clear();
  carry_out(index, out);
}

void SimNetwork::set_blocked(std::function<bool(std::size_t, std::size_t)> blocked) {
  blocked_ = std::move(blocked);
}

void SimNetwork::inject(const Endpoint& from, std::size_t to, ByteView bytes) {
  Event e;
  e.at = now_.mono;
  e.kind = Event::Kind::kDatagram;
  e.node = to;
  e.from = from;
  e.bytes = to_bytes(bytes);
  push(std::move(e));
}

node::NodeCore& SimNetwork::core(std::size_t node) {
  CHECK(nodes_[node]->core != nullptr);
  return *nodes_[node]->core;
}

OpId SimNetwork::operate(std::size_t index,
                         const std::function<OpId(node::NodeCore&, Now, node::Output&)>& call) {
  node::Output out;
  const OpId op = call(core(index), now_, out);
  carry_out(index, out);
  return op;
}

void SimNetwork::push(Event event) {
  event.order = order_++;
  heap_.push_back(std::move(event));
  std::ranges::push_heap(heap_, Later());
}

void SimNetwork::arm(std::size_t index) {
  Node& n = *nodes_[index];
  const auto next = n.core->next_deadline();
  if (!next) {
    n.armed.reset();
    return;
  }
  const Instant at = std::max(*next, now_.mono);
  if (n.armed && *n.armed <= at && *n.armed >= now_.mono) return;  // the earlier wake re-arms
  n.armed = at;
  Event e;
  e.at = at;
  e.kind = Event::Kind::kWake;
  e.node = index;
  e.life = n.life;
  push(std::move(e));
}

void SimNetwork::transmit(std::size_t index, const Endpoint& to, ByteView bytes) {
  Node& n = *nodes_[index];
  ++datagrams_;
  bytes_ += bytes.size();
  const auto it = by_endpoint_.find(to);
  const std::uint64_t ordinal = n.ordinal++;
  if (it == by_endpoint_.end()) return;
  if (blocked_ && blocked_(index, it->second)) return;
  std::uint64_t fate = mixed(options_.seed, index);
  fate = mixed(fate, it->second);
  fate = mixed(fate, static_cast<std::uint64_t>(now_.mono.time_since_epoch().count()));
  Rng luck(mixed(fate, ordinal));
  if (luck.chance(options_.link.loss)) return;
  const int copies = luck.chance(options_.link.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Event e;
    e.at = now_.mono + luck.between(options_.link.latency_min, options_.link.latency_max);
    e.kind = Event::Kind::kDatagram;
    e.node = it->second;
    e.from = n.endpoint;
    e.bytes = to_bytes(bytes);
    push(std::move(e));
  }
}

void SimNetwork::carry_out(std::size_t index, node::Output& out) {
  Node& n = *nodes_[index];
  // Events may lead to calls that append to a further output (joining, after Ready).
  for (auto& persist : out.persist) {
    tell(Step::What::kPersist, index, {}, {}, &persist);
    Event e;
    e.at = now_.mono + options_.commit;
    e.kind = Event::Kind::kCommit;
    e.node = index;
    e.life = n.life;
    e.persist = std::move(persist);
    push(std::move(e));
  }
  for (const auto& d : out.send.datagrams()) {
    const ByteView bytes = out.send.bytes(d);
    mix(hash_bytes(bytes));
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
    const node::Seed seed{std::nullopt, nodes_[*n.seed]->endpoint};
    node::Output more;
    n.core->join(now_, std::span(&seed, 1), more);
    carry_out(index, more);
    return;
  }
  if (n.core != nullptr) arm(index);
}

void SimNetwork::step() {
  std::ranges::pop_heap(heap_, Later());
  Event e = std::move(heap_.back());
  heap_.pop_back();
  ++events_;
  const Duration passed = e.at - now_.mono;
  now_.mono = e.at;
  wall_us_ += static_cast<std::uint64_t>(passed.count());
  now_.wall.value = 1'700'000'000'000 + static_cast<std::int64_t>(wall_us_ / 1000);
  Node& n = *nodes_[e.node];
  if (n.core == nullptr) return;
  scratch_.clear();
  switch (e.kind) {
    case Event::Kind::kDatagram:
      mix(static_cast<std::uint64_t>(e.at.time_since_epoch().count()) ^ hash_bytes(e.bytes));
      if (n.paused) {
        n.waiting.emplace_back(e.from, std::move(e.bytes));
        return;
      }
      tell(Step::What::kDatagram, e.node, e.from, e.bytes);
      n.core->on_datagram(now_, e.from, e.bytes, scratch_);
      break;
    case Event::Kind::kWake:
      if (e.life != n.life || n.paused || n.armed != e.at) return;
      n.armed.reset();
      mix(static_cast<std::uint64_t>(e.at.time_since_epoch().count()) ^ e.node);
      tell(Step::What::kDeadline, e.node, {}, {});
      n.core->on_deadline(now_, scratch_);
      break;
    case Event::Kind::kCommit:
      if (e.life != n.life) return;  // the crash came first: never durable
      for (const Write& w : e.persist.writes) {
        if (w.erase) n.durable.erase(w.key);
        else n.durable[w.key] = w.value;
      }
      tell(Step::What::kPersisted, e.node, {}, {}, &e.persist);
      n.core->on_persisted(now_, e.persist.ticket, true, scratch_);
      break;
  }
  carry_out(e.node, scratch_);
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
