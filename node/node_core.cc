#include "node/node_core.h"

#include <algorithm>

#include "crypto/check.h"
#include "crypto/sealed_value.h"
#include "node/node_state.h"

namespace weft::node {
namespace {

RecordFields first_fields(const Config& config, Entropy& entropy) {
  RecordFields fields;
  fields.number = 0;
  fields.instance = entropy.next_u64();
  fields.minor = kProtocolMinor;
  fields.network = config.network.id;
  fields.name = config.name;
  fields.tags = config.tags;
  return fields;
}

dht::Config dht_config(const Config& config) {
  dht::Config c = config.dht;
  c.alone = config.membership.alone;
  if (config.loopback_only) {
    c.prefix_per_bucket = 0;
    c.prefix_per_table = 0;
  }
  return c;
}

UnixMillis node_time_at_start(const Stored& stored) {
  if (stored.node_time.value <= 0) return {};
  return {stored.node_time.value + stored.down / 1ms};
}

}  // namespace

std::string_view to_string(Drop drop) {
  switch (drop) {
    case Drop::kMalformed: return "malformed";
    case Drop::kUnknownKind: return "unknown_kind";
    case Drop::kUnasked: return "unasked";
    case Drop::kEarlyWrite: return "early_write";
    case Drop::kSelf: return "self";
    case Drop::kTooManyRequests: return "too_many_requests";
    case Drop::kNoEndpoint: return "no_endpoint";
    case Drop::kBackedOff: return "backed_off";
    case Drop::kCount: break;
  }
  return "unknown";
}

NodeCore::State::State(Config config_in, Stored stored, Now now, Deps deps_in)
    : config(std::move(config_in)),
      deps(deps_in),
      rng(config.rng_seed),
      last_now(now.mono),
      started(now.mono),
      sessions(deps.identity, config.network, deps.provider, deps.records, deps.entropy,
               rng.fork("sessions"), config.sessions),
      dht(deps.identity, deps.provider, deps.entropy, rng.fork("dht"), dht_config(config), now,
          node_time_at_start(stored)),
      shared(deps.identity, deps.provider, deps.entropy, rng.fork("state"), config.state, now),
      own(deps.identity, first_fields(config, deps.entropy)),
      peers(rng.fork("index").next()),
      requests(deps.entropy),
      served(deps.entropy) {
  // A namespace before its entries.
  for (const std::uint8_t table : {state::kRowSpace, state::kRowEntry}) {
    for (const Write& row : stored.rows) {
      if (!row.key.empty() && row.key[0] == table) shared.restore(now, row.key, row.value);
    }
  }
  shared.restored();
  for (const Write& row : stored.rows) {
    if (row.key.empty() || row.key[0] == state::kRowSpace || row.key[0] == state::kRowEntry) continue;
    if (row.key[0] == kRowNumber && row.value.size() == 8) {
      const std::uint64_t number = std::min(load_le<std::uint64_t>(row.value.data()), kNumberMax - 1);
      own.want_above(number);
      dht.set_number_floor(number / kRestoreNumberStep * kRestoreNumberStep);
    } else if (row.key[0] == kRowMember) {
      if (auto record = deps.records.admit(row.value, config.network.id);
          record && (*record)->key != deps.identity.public_key()) {
        stored_members.push_back(*record);
      }
    } else {
      dht.restore(now, row.key, row.value, stored.down);
    }
  }
  if (stored.values_on_disk) dht.values_on_disk(*stored.values_on_disk);
  (void)own.set_endpoints(config.endpoints);
}

void NodeCore::State::on_timer(Now now, TimerQueue::Tag fired, Output& out) {
  const std::uint64_t number = fired & ((1ULL << 56) - 1);
  switch (static_cast<Timer>(fired >> 56)) {
    case Timer::kRequest:
      on_request_timer(now, static_cast<std::uint32_t>(number), out);
      break;
    case Timer::kJoin: on_join_timer(now, static_cast<OpId>(number), out); break;
    case Timer::kSeeds: on_seeds_timer(now, out); break;
    case Timer::kFlush: flush_members(out); break;
    case Timer::kLeave: finish_leave(now, out); break;
    case Timer::kHandOver: say_goodbye(now, out); break;
    case Timer::kNumber: want_record(now, out); break;
    case Timer::kTwin: on_twin_timer(now, out); break;
  }
  drain(now, out);
}

std::optional<Target> NodeCore::State::target_for(const NodeId& node) const {
  if (membership != nullptr) {
    if (const auto member = membership->find(node)) {
      Target target{member->record->key, node, {member->address}};
      for (const Endpoint& e : member->record->endpoints) {
        if (e != member->address) (void)target.endpoints.try_push(e);
      }
      return target;
    }
  }
  std::optional<Target> target;
  dht.for_each_contact([&](const dht::TableEntry& entry) {
    if (entry.contact.id == node) target = target_of(entry.contact);
  });
  return target;
}

NodeCore::NodeCore(Config config, Stored stored, Now now, Deps deps)
    : state_(std::make_unique<State>(std::move(config), std::move(stored), now, deps)) {}
NodeCore::~NodeCore() = default;

void NodeCore::start(Now now, Output& out) { state_->want_record(now, out); }

void NodeCore::on_datagram(Now now, const Endpoint& from, ByteView datagram, Output& out) {
  State& s = *state_;
  CHECK(now.mono >= s.last_now);
  s.last_now = now.mono;
  s.status_.received_bytes += datagram.size();
  ++s.status_.received_packets;
  if (s.left) return;
  const std::size_t before = out.send.datagrams().size();
  s.on_result(now, s.sessions.on_datagram(now, from, datagram, out.send), out);
  s.count_sent(out, before);
}

void NodeCore::on_deadline(Now now, Output& out) {
  State& s = *state_;
  CHECK(now.mono >= s.last_now);
  s.last_now = now.mono;
  if (s.left) return;
  const std::size_t before = out.send.datagrams().size();
  // What this call does not come to stays due, and next_deadline() is in the past.
  const auto full = [&] { return out.send.datagrams().size() - before >= kSendsPerDeadline; };
  if (!full()) s.sessions.on_deadline(now, out.send);
  bool timers_done = false;
  while (!timers_done && !full()) {
    const auto fired = s.timers.pop_due(now.mono);
    if (fired) s.on_timer(now, *fired, out);
    else timers_done = true;
  }
  if (timers_done && !full()) s.dht.on_deadline(now, s.dht_out);
  if (timers_done && !full()) s.shared.on_deadline(now, s.state_out);
  // After all of the requests' timers that are due: a member whose ping has not been sent again, or that nobody else was asked
  // about, is not judged silent.
  if (timers_done && s.membership != nullptr) s.membership->on_deadline(now, s.gossip_out);
  s.drain(now, out);
  s.count_sent(out, before);
}

std::optional<Instant> NodeCore::next_deadline() {
  State& s = *state_;
  if (s.left) return std::nullopt;
  std::optional<Instant> next;
  const auto earlier = [&next](std::optional<Instant> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  earlier(s.sessions.next_deadline());
  earlier(s.timers.next());
  earlier(s.dht.next_deadline());
  earlier(s.shared.next_deadline());
  if (s.membership != nullptr) earlier(s.membership->next_deadline());
  return next;
}

void NodeCore::on_persisted(Now now, Ticket ticket, bool ok, Output& out) {
  State& s = *state_;
  const auto value = static_cast<std::uint64_t>(ticket);
  const std::size_t before = out.send.datagrams().size();
  switch (value & 3) {
    case State::kTicketState: s.shared.on_persisted(now, static_cast<Ticket>(value >> 2), ok, s.state_out); break;
    case State::kTicketDht: s.dht.on_persisted(now, static_cast<Ticket>(value >> 2), ok, s.dht_out); break;
    case State::kTicketNumber: s.on_number_durable(now, ok, out); break;
    default: break;
  }
  s.drain(now, out);
  s.count_sent(out, before);
}

void NodeCore::on_loaded(Now now, const dht::Loaded& loaded, Output& out) {
  State& s = *state_;
  const std::size_t before = out.send.datagrams().size();
  s.dht.on_loaded(now, loaded, s.dht_out);
  s.drain(now, out);
  s.count_sent(out, before);
}

UnixMillis NodeCore::node_time(Now now) const { return state_->dht.node_time(now); }

void NodeCore::was_late(Now now, Duration by) {
  State& s = *state_;
  if (s.membership != nullptr) s.membership->was_late(now, by);
  // Answers that wait in the socket are read before deadlines are judged; those still on their way
  // get one more round trip.
  s.requests.for_each([&](RequestTable::Request& r) {
    r.give_up_at = std::max(r.give_up_at, now.mono + r.rto);
    s.timers.cancel(r.timer);
    r.timer = s.timers.arm(now.mono + r.rto, State::tag(State::Timer::kRequest, r.rpc));
  });
}

OpId NodeCore::join(Now now, std::span<const Seed> seeds, Output& out) {
  const OpId op = state_->next_op();
  const std::size_t before = out.send.datagrams().size();
  state_->start_join(now, op, seeds, out);
  state_->drain(now, out);
  state_->count_sent(out, before);
  return op;
}

OpId NodeCore::ping(Now now, const NodeId& node, Output& out) {
  State& s = *state_;
  const OpId op = s.next_op();
  const auto fail = [&](OpError error) {
    out.events.push_back(PingDone{op, std::unexpected(error)});
    return op;
  };
  if (s.membership == nullptr || s.leaving) return fail(OpError::kShutdown);
  const auto target = s.target_for(node);
  if (!target || node == s.deps.identity.id()) return fail(OpError::kNotFound);
  const std::size_t before = out.send.datagrams().size();
  gossip::Ping m;
  m.number = s.own.number();
  m.digest = s.membership->facts_digest();
  s.request(now,
            {.owner = Owner::kPingOp,
             .tag = static_cast<RequestTag>(op),
             .reply_kind = reply_kind(m),
             .to = *target,
             .early_ok = early_ok(m)},
            m, out);
  s.drain(now, out);
  s.count_sent(out, before);
  return op;
}

OpId NodeCore::put(Now now, const NodeId& key, Bytes value, const dht::PutOptions& options,
                   Output& out) {
  State& s = *state_;
  const OpId op = s.next_op();
  if (s.membership == nullptr || s.leaving) {
    out.events.push_back(
        dht::PutDone{op, std::unexpected(dht::OpFailure{.error = OpError::kShutdown})});
    return op;
  }
  const std::size_t before = out.send.datagrams().size();
  s.op_began.emplace(op, now.mono);
  s.dht.put(now, op, key, std::move(value), options, s.dht_out);
  s.drain(now, out);
  s.count_sent(out, before);
  return op;
}

OpId NodeCore::get(Now now, const NodeId& key, const dht::GetOptions& options, Output& out) {
  State& s = *state_;
  const OpId op = s.next_op();
  if (s.membership == nullptr || s.leaving) {
    out.events.push_back(
        dht::GetDone{op, std::unexpected(dht::OpFailure{.error = OpError::kShutdown})});
    return op;
  }
  const std::size_t before = out.send.datagrams().size();
  s.op_began.emplace(op, now.mono);
  s.dht.get(now, op, key, options, s.dht_out);
  s.drain(now, out);
  s.count_sent(out, before);
  return op;
}

OpId NodeCore::lookup(Now now, const NodeId& target, const dht::LookupOptions& options, Output& out) {
  State& s = *state_;
  const OpId op = s.next_op();
  if (s.membership == nullptr || s.leaving) {
    out.events.push_back(
        dht::LookupDone{op, std::unexpected(dht::OpFailure{.error = OpError::kShutdown})});
    return op;
  }
  const std::size_t before = out.send.datagrams().size();
  s.op_began.emplace(op, now.mono);
  s.dht.lookup(now, op, target, options, s.dht_out);
  s.drain(now, out);
  s.count_sent(out, before);
  return op;
}

OpId NodeCore::leave(Now now, Output& out) {
  const OpId op = state_->next_op();
  const std::size_t before = out.send.datagrams().size();
  state_->start_leave(now, op, out);
  state_->drain(now, out);
  state_->count_sent(out, before);
  return op;
}

void NodeCore::cancel(Now now, OpId op, Output& out) {
  State& s = *state_;
  s.dht.cancel(now, op, s.dht_out);
  for (State::JoinOp& join : s.joins) {
    if (join.op != op) continue;
    for (State::SeedTry& seed : join.seeds) seed.settled = true;
    s.finish_join_if_settled(now, join, out);
    break;
  }
  s.requests.for_each([&](RequestTable::Request& r) {
    if (r.owner != Owner::kPingOp || static_cast<OpId>(r.tag) != op) return;
    out.events.push_back(PingDone{op, std::unexpected(OpError::kCancelled)});
    s.timers.cancel(r.timer);
    s.requests.close(r);
  });
  s.drain(now, out);
}

void NodeCore::set_limits(const Limits& limits) {
  state_->sessions.set_limits(limits.sessions, limits.new_endpoints_per_minute);
  state_->dht.set_limits(limits.store_bytes, limits.background_bytes_per_s);
}

void NodeCore::set_endpoints(Now now, std::vector<Endpoint> endpoints, Output& out) {
  State& s = *state_;
  if (!s.own.set_endpoints(endpoints)) return;
  if (s.status_.ready && !s.leaving) s.want_record(now, out);
}

Status NodeCore::status() const {
  const State& s = *state_;
  Status status = s.status_;
  status.started = s.started;
  if (s.membership != nullptr) status.members = s.membership->stats();
  status.dht = s.dht.stats();
  status.state = s.shared.stats();
  status.sessions = s.sessions.sessions();
  status.network_size_estimate = s.dht.network_size_estimate();
  status.session_stats = s.sessions.stats();
  status.requests_pending = s.requests.size();
  return status;
}

std::uint64_t NodeCore::dropped() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t n : state_->status_.drops) sum += n;
  for (const std::uint64_t n : state_->sessions.stats().drops) sum += n;
  return sum;
}

const RecordRef& NodeCore::record() const { return state_->own.current(); }
const Identity& NodeCore::identity() const { return state_->deps.identity; }

std::optional<Bytes> NodeCore::seal_value(const PublicKey& reader, const NodeId& dht_key, ByteView plain) {
  const Deps& deps = state_->deps;
  return weft::seal_value(deps.provider, deps.entropy, deps.identity.id(), dht_key, reader, plain);
}

std::optional<Bytes> NodeCore::open_value(const NodeId& author, const NodeId& dht_key, ByteView value) const {
  const Deps& deps = state_->deps;
  return weft::open_value(deps.provider, deps.identity, author, dht_key, value);
}

void NodeCore::for_each_member(const std::function<void(const gossip::MemberView&)>& visit) const {
  if (state_->membership != nullptr) state_->membership->for_each(visit);
}
void NodeCore::for_each_contact(const std::function<void(const dht::TableEntry&)>& visit) const {
  state_->dht.for_each_contact(visit);
}
const std::map<std::size_t, std::size_t>& NodeCore::own_by_copies() const {
  return state_->dht.own_by_copies();
}

void NodeCore::for_each_own(const std::optional<NodeId>& after, std::size_t max,
                            const std::function<void(const dht::OwnValue&)>& visit) const {
  state_->dht.for_each_own(after, max, visit);
}

std::uint64_t NodeCore::digest() const {
  const State& s = *state_;
  std::uint64_t d = s.own.number() * 0x9e3779b97f4a7c15ULL;
  d = (d ^ s.dht.digest()) * 0xd6e8feb86659fd93ULL;
  if (s.membership != nullptr) d = (d ^ s.membership->digest()) * 0x9e3779b97f4a7c15ULL;
  if (const auto shared = s.shared.digest()) d = (d ^ load_le<std::uint64_t>(shared->data())) * 0xd6e8feb86659fd93ULL;
  return d ^ d >> 32;
}

}  // namespace weft::node
