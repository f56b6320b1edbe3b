#include "tests/gossip/mesh.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "crypto/check.h"

namespace weft::gossip::test {
namespace {

template <class M>
Bytes pack(std::uint32_t rpc, const M& message) {
  ByteArray<kPayloadBytesMax> room;
  Writer w(room);
  encode(w, rpc, message);
  CHECK(w.ok());  // membership promises to fit
  return to_bytes(w.view());
}

}  // namespace

std::uint64_t seed_or(std::uint64_t fallback) {
  const char* text = std::getenv("SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 0) : fallback;
}

Mesh::Mesh(const MeshOptions& options)
    : options_(options), cache_(provider_, 200'000), rng_(Rng(options.seed).fork("mesh")) {}

void Mesh::schedule(Instant when, int rank, std::function<void()> run) {
  events_.push({when, rank, order_++, std::move(run)});
}

void Mesh::on_node(std::size_t index, Instant when, int rank, std::function<void()> what) {
  const std::uint64_t life = nodes_[index]->life;
  schedule(when, rank, [this, index, rank, life, what = std::move(what)] {
    Node& node = *nodes_[index];
    if (!node.core || node.life != life) return;
    if (now_ < node.stalled_until) return on_node(index, node.stalled_until, rank, what);
    what();
  });
}

void Mesh::at(Instant when, std::function<void()> what) { schedule(when, 0, std::move(what)); }

void Mesh::run_for(Duration duration) {
  const Instant end = now_ + duration;
  while (!events_.empty() && events_.top().at <= end) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    event.run();
  }
  now_ = end;
}

std::optional<Duration> Mesh::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant begin = now_;
  while (now_ - begin < limit) {
    run_for(10ms);
    if (done()) return now_ - begin;
  }
  return std::nullopt;
}

std::size_t Mesh::start(std::optional<std::size_t> seed) {
  const std::size_t index = nodes_.size();
  auto node = std::make_unique<Node>();
  ByteArray<32> key_seed{};
  store_le(key_seed.data(), std::uint64_t{index} + 1);
  store_le(key_seed.data() + 8, options_.seed);
  node->identity = std::make_unique<Identity>(provider_, key_seed);
  node->endpoint = Endpoint::v4(10, 0, static_cast<std::uint8_t>(index >> 8),
                                static_cast<std::uint8_t>(index), 4000);
  by_id_[node->identity->id()] = index;
  node->fields.number = 0;
  node->fields.minor = kSuspicionMinor;
  node->fields.endpoints = {node->endpoint};
  node->fields.name = "node-" + std::to_string(index);
  nodes_.push_back(std::move(node));
  boot(index, seed);
  return index;
}

void Mesh::restart(std::size_t index, std::optional<std::size_t> seed, bool lost_number) {
  CHECK(!nodes_[index]->core);
  if (lost_number) nodes_[index]->fields.number = 0;
  boot(index, seed);
}

void Mesh::boot(std::size_t index, std::optional<std::size_t> seed) {
  Node& node = *nodes_[index];
  ++node.life;
  ++node.fields.number;
  node.fields.instance = rng_.next();
  node.fields.status = RecordStatus::kUp;
  node.record = make_record(*node.identity, node.fields);
  node.sessions.clear();
  node.pending.clear();
  node.shaking.clear();
  node.ledger.clear();
  node.armed.reset();
  node.stalled_until = now_;
  node.core =
      std::make_unique<Membership>(*node.identity, node.record, cache_, Rng(rng_.next()), options_.config, stamp());
  node.ledger[node.identity->id()] = MemberState::kAlive;
  if (seed) {
    Output out;
    node.core->join(stamp(), contact(*seed), out);
    carry_out(index, out);
  }
  arm(index);
}

void Mesh::kill(std::size_t index) { nodes_[index]->core.reset(); }

void Mesh::leave(std::size_t index) {
  Node& node = *nodes_[index];
  ++node.fields.number;
  node.fields.status = RecordStatus::kLeft;
  node.record = make_record(*node.identity, node.fields);
  Output out;
  node.core->set_self(stamp(), node.record, out);
  node.core->spread_now(stamp(), 5, out);
  carry_out(index, out);
  arm(index);
}

void Mesh::set_tags(std::size_t index, std::map<std::string, std::string> tags) {
  Node& node = *nodes_[index];
  ++node.fields.number;
  node.fields.tags = std::move(tags);
  node.record = make_record(*node.identity, node.fields);
  Output out;
  node.core->set_self(stamp(), node.record, out);
  carry_out(index, out);
  arm(index);
}

void Mesh::stall(std::size_t index, Duration duration) {
  Node& node = *nodes_[index];
  node.stalled_until = std::max(node.stalled_until, now_ + duration);
  const Instant since = now_;
  // Rank 1: after the packets that waited in the socket, before the timers.
  on_node(index, node.stalled_until, 1, [this, index, since] {
    Node& n = *nodes_[index];
    n.core->was_late(stamp(), now_ - since);
    arm(index);
  });
}

void Mesh::arm(std::size_t index) {
  Node& node = *nodes_[index];
  const auto next = node.core->next_deadline();
  if (!next || (node.armed && *node.armed <= *next)) return;
  node.armed = next;
  on_node(index, std::max(*next, now_), 2, [this, index, when = *next] {
    Node& n = *nodes_[index];
    if (n.armed != when) return;
    n.armed.reset();
    Output out;
    n.core->on_deadline(stamp(), out);
    const auto after = n.core->next_deadline();
    CHECK(!after || *after > now_);
    carry_out(index, out);
    arm(index);
  });
}

Duration Mesh::latency() { return rng_.between(options_.latency_min, options_.latency_max); }

bool Mesh::lost(std::size_t from, std::size_t to) {
  if (rng_.chance(options_.loss)) return true;
  return !nodes_[to]->core || nodes_[from]->island != nodes_[to]->island;
}

void Mesh::carry_out(std::size_t index, Output& out) {
  Node& node = *nodes_[index];
  for (const Request& request : out.requests) {
    const std::uint32_t rpc = node.next_rpc++;
    Pending pending{.tag = request.tag,
                    .to = index_of(request.to.id),
                    .payload = {},
                    .kind = 0,
                    .may_rehandshake = request.may_rehandshake,
                    .sent = now_};
    CHECK(!request.to.endpoints.empty());
    std::visit([&](const auto& message) { pending.payload = pack(rpc, message); }, request.message);
    pending.kind = request.message.index() == 0   ? static_cast<int>(kPing)
                   : request.message.index() == 1 ? static_cast<int>(kPingReq)
                                                  : static_cast<int>(kSync);
    transmit(index, pending.to, pending.payload, pending.kind, false);
    CHECK(request.patience > Duration::zero());
    on_node(index, now_ + options_.slow_after, 2, [this, index, rpc] {
      Node& n = *nodes_[index];
      const auto it = n.pending.find(rpc);
      if (it == n.pending.end()) return;
      const Pending p = it->second;
      transmit(index, p.to, p.payload, p.kind, p.may_rehandshake);
      Output slow;
      n.core->on_slow(stamp(), p.tag, slow);
      carry_out(index, slow);
      arm(index);
    });
    on_node(index, now_ + request.patience, 2, [this, index, rpc] {
      Node& n = *nodes_[index];
      const auto it = n.pending.find(rpc);
      if (it == n.pending.end()) return;
      const RequestTag tag = it->second.tag;
      n.pending.erase(it);
      Output given_up;
      n.core->on_timeout(stamp(), tag, given_up);
      carry_out(index, given_up);
      arm(index);
    });
    node.pending[rpc] = std::move(pending);
  }
  for (const Reply& reply : out.replies) {
    transmit(index, index_of(reply.to.contact.id), pack(reply.to.rpc, reply.message), kPingReqReply,
             false);
  }
  for (const Send& send : out.sends) {
    transmit(index, index_of(send.to.id), pack(0, send.message), kGossip, false);
  }
  const auto events = std::move(out.events);
  for (const gossip::Event& event : events) take_event(index, event);
}

void Mesh::take_event(std::size_t index, const gossip::Event& event) {
  Node& node = *nodes_[index];
  if (const auto* changed = std::get_if<MemberChanged>(&event)) {
    const auto it = node.ledger.find(changed->record->id);
    if (changed->is_new) {
      EXPECT_TRUE(it == node.ledger.end()) << "a member was new twice";
    } else {
      EXPECT_TRUE(it != node.ledger.end() && it->second == changed->from);
      EXPECT_NE(changed->from, changed->to);
    }
    node.ledger[changed->record->id] = changed->to;
    if (changed->to == MemberState::kFailed) {
      failures_.push_back({now_, index, index_of(changed->record->id)});
    }
    trace_ = (trace_ ^ static_cast<std::uint64_t>(now_.time_since_epoch().count()) ^ index ^
              static_cast<std::uint64_t>(changed->to) << 40) *
             0x9e3779b97f4a7c15ULL;
  } else if (const auto* wanted = std::get_if<NumberWanted>(&event)) {
    if (!grant_numbers) return;
    on_node(index, now_ + options_.persist_time, 2, [this, index, above = wanted->above] {
      Node& n = *nodes_[index];
      if (n.fields.number > above || n.fields.status == RecordStatus::kLeft) return;
      n.fields.number = above + 1;
      n.record = make_record(*n.identity, n.fields);
      Output out;
      n.core->set_self(stamp(), n.record, out);
      carry_out(index, out);
      arm(index);
    });
  } else if (std::get_if<OwnRecordSeen>(&event)) {
    ++own_records_seen_;
  } else if (const auto* done = std::get_if<SyncDone>(&event)) {
    ++(done->ok ? syncs_ok_ : syncs_failed_);
  }
}

void Mesh::transmit(std::size_t from, std::size_t to, Bytes payload, int kind, bool rehandshake) {
  Node& node = *nodes_[from];
  const auto session = node.sessions.find(to);
  const bool stale =
      session != node.sessions.end() && (!nodes_[to]->core || session->second != nodes_[to]->life);
  if (session == node.sessions.end() || (stale && rehandshake)) {
    const auto [waiting, fresh] = node.shaking.try_emplace(to);
    if (waiting->second.size() < kQueuedPerPeer) waiting->second.emplace_back(payload, kind);
    if (fresh) handshake(from, to, 0);
    return;
  }
  ++traffic_.packets;
  traffic_.bytes += payload.size() + kDataOverhead;
  ++traffic_.by_kind[kind];
  if (stale || lost(from, to)) return;
  on_node(to, now_ + latency(), 0,
          [this, from, to, payload = std::move(payload)] { deliver(from, to, payload); });
}

// INIT, RESP, then what waits; a lost flight is repeated up to three times.
void Mesh::handshake(std::size_t from, std::size_t to, int tries) {
  ++traffic_.handshakes;
  ++traffic_.packets;
  traffic_.bytes += 300;
  if (lost(from, to) || lost(to, from)) {
    on_node(from, now_ + 250ms * (1 << tries), 2, [this, from, to, tries] {
      if (tries >= 3)
        nodes_[from]->shaking.erase(to);
      else
        handshake(from, to, tries + 1);
    });
    return;
  }
  ++traffic_.packets;
  traffic_.bytes += 150;
  const Duration there = latency();
  const std::uint64_t to_life = nodes_[to]->life;
  // The answer waits while the responder stalls.
  const Instant answered = std::max(now_ + there, nodes_[to]->stalled_until) + latency();
  on_node(from, answered, 0, [this, from, to, to_life] {
    const auto waiting = std::move(nodes_[from]->shaking[to]);
    nodes_[from]->shaking.erase(to);
    if (!nodes_[to]->core || nodes_[to]->life != to_life) return;
    nodes_[from]->sessions[to] = to_life;
    nodes_[to]->sessions[from] = nodes_[from]->life;
    Output out;
    nodes_[from]->core->heard_from(stamp(), contact(to), /*ours=*/true, out);
    carry_out(from, out);
    arm(from);
    for (const auto& [payload, kind] : waiting) transmit(from, to, payload, kind, false);
    on_node(to, now_ + latency(), 0, [this, from, to] {
      Output out2;
      nodes_[to]->core->heard_from(stamp(), contact(from), /*ours=*/false, out2);
      carry_out(to, out2);
      arm(to);
    });
  });
}

void Mesh::deliver(std::size_t from, std::size_t to, const Bytes& payload) {
  Node& node = *nodes_[to];
  Reader r(payload);
  r.array(16);
  const auto kind = static_cast<Kind>(r.uint(255));
  const auto rpc = static_cast<std::uint32_t>(r.uint(UINT32_MAX));
  const Asker asker{contact(from), rpc, false, kPayloadBytesMax};
  Output out;
  const auto take = [&](auto message, const auto& use) {
    const auto error = decode(r, message);
    CHECK(!error);
    use(message);
  };
  const auto answer = [&](const auto& reply, int reply_kind) {
    transmit(to, from, pack(rpc, reply), reply_kind, false);
  };
  const auto pending = node.pending.find(rpc);
  const bool asked = pending != node.pending.end() && pending->second.to == from;
  const auto finish = [&] {
    const Pending p = pending->second;
    node.pending.erase(pending);
    return p;
  };
  switch (kind) {
    case kPing:
      take(Ping{}, [&](const Ping& m) {
        Ack reply;
        node.core->on_ping(stamp(), asker, m, reply, out);
        answer(reply, kAck);
      });
      break;
    case kPingReq:
      take(PingReq{}, [&](const PingReq& m) { node.core->on_ping_req(stamp(), asker, m, out); });
      break;
    case kGossip:
      take(Gossip{}, [&](const Gossip& m) { node.core->on_gossip(stamp(), asker, m, out); });
      break;
    case kSync:
      take(Sync{}, [&](const Sync& m) {
        SyncPage reply;
        node.core->on_sync(stamp(), asker, m, reply, out);
        answer(reply, kSyncPage);
      });
      break;
    case kAck:
      if (!asked) return;
      take(Ack{}, [&](const Ack& m) {
        const Pending p = finish();
        node.core->on_ack(stamp(), p.tag, now_ - p.sent, contact(from), m, out);
      });
      break;
    case kPingReqReply:
      if (!asked) return;
      take(PingReqReply{}, [&](const PingReqReply& m) {
        node.core->on_ping_req_reply(stamp(), finish().tag, m, out);
      });
      break;
    case kSyncPage:
      if (!asked) return;
      take(SyncPage{}, [&](const SyncPage& m) {
        node.core->on_sync_page(stamp(), finish().tag, contact(from), m, out);
      });
      break;
  }
  carry_out(to, out);
  arm(to);
}

Contact Mesh::contact(std::size_t index) const {
  const Node& node = *nodes_[index];
  return {node.identity->public_key(), node.identity->id(), node.endpoint};
}

std::size_t Mesh::count_agree() {
  std::size_t alive = 0;
  for (const auto& node : nodes_) alive += node->core ? 1U : 0U;
  std::size_t agree = 0;
  for (const auto& node : nodes_) {
    if (!node->core) continue;
    const Stats stats = node->core->stats();
    if (stats.alive != alive || stats.suspect != 0) continue;
    bool exact = true;
    for (const auto& other : nodes_) {
      if (!other->core || !exact) continue;
      const auto view = node->core->find(other->identity->id());
      exact = view && view->state == MemberState::kAlive;
    }
    agree += exact ? 1U : 0U;
  }
  return agree;
}

bool Mesh::all_agree() {
  std::size_t alive = 0;
  for (const auto& node : nodes_) alive += node->core ? 1U : 0U;
  for (const auto& node : nodes_) {
    if (node->core && node->core->stats().alive != alive) return false;
  }
  return count_agree() == alive;
}

bool Mesh::all_see(std::size_t subject, MemberState state) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i]->core || i == subject) continue;
    const auto view = nodes_[i]->core->find(id(subject));
    if (!view || view->state != state) return false;
  }
  return true;
}

void Mesh::check_ledgers() {
  for (const auto& node : nodes_) {
    if (!node->core) continue;
    std::size_t seen = 0;
    node->core->for_each([&](const MemberView& view) {
      const auto it = node->ledger.find(view.record->id);
      ASSERT_TRUE(it != node->ledger.end());
      EXPECT_EQ(it->second, view.state);
      ++seen;
    });
    EXPECT_EQ(seen, node->ledger.size());
  }
}

}  // namespace weft::gossip::test
