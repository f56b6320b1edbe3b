// One Membership under test and any number of made-up peers, with time by hand: the rules, row by
// row. Pings to peers are answered at once unless the peer is silent; relays say that they got no
// answer either. Everything that the object did is kept for the test to look at.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "crypto/keys.h"
#include "crypto/sessions.h"
#include "gossip/membership/accusation.h"
#include "gossip/membership/membership.h"

namespace weft::gossip::test {

class Lab {
 public:
  explicit Lab(Config config = {}, std::uint64_t seed = 7) : cache(provider, 10'000) {
    self = &identity(0);
    core = std::make_unique<Membership>(*self, record(0, 1), cache, Rng(seed), config, stamp());
  }

  const Identity& identity(std::size_t i) {
    auto& slot = identities[i];
    if (!slot) {
      ByteArray<32> key_seed{};
      store_le(key_seed.data(), std::uint64_t{i} + 1000);
      slot = std::make_unique<Identity>(provider, key_seed);
      by_id[slot->id()] = i;
    }
    return *slot;
  }
  const NodeId& id(std::size_t i) { return identity(i).id(); }
  RecordRef record(std::size_t i, std::uint64_t number, RecordStatus status = RecordStatus::kUp,
                   std::uint64_t instance = 0) {
    RecordFields fields;
    fields.number = number;
    fields.instance = instance == 0 ? 100 + i : instance;
    fields.status = status;
    fields.minor = kSuspicionMinor;
    fields.endpoints = {endpoint(i)};
    return make_record(identity(i), fields);
  }
  static Endpoint endpoint(std::size_t i) {
    return Endpoint::v4(10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i),
                        5000);
  }
  Contact contact(std::size_t i) { return {identity(i).public_key(), id(i), endpoint(i)}; }
  Asker asker(std::size_t i, bool early = false) {
    return {contact(i), ++rpc, early, kPayloadBytesMax};
  }
  Now stamp() const { return {now, {}}; }

  static GossipItem item(const RecordRef& r) { return {.record = r->wire, .suspicion = {}}; }
  GossipItem suspicion(std::size_t subject, std::uint64_t number, std::size_t accuser) {
    return {.record = {}, .suspicion = sign_suspicion(identity(accuser), {}, id(subject), number)};
  }

  // ---- inputs
  void gossip(std::size_t from, const GossipItems& items) {
    core->on_gossip(stamp(), asker(from), Gossip{items}, out);
    carry_out();
  }
  Ack ping(std::size_t from, const Ping& m, bool early = false) {
    Ack reply;
    core->on_ping(stamp(), asker(from, early), m, reply, out);
    keep(reply.items);
    carry_out();
    return reply;
  }
  void heard_from(std::size_t from, bool ours) {
    core->heard_from(stamp(), contact(from), ours, out);
    carry_out();
  }
  SyncPage sync(std::size_t from, const Sync& m, bool early = false) {
    SyncPage reply;
    core->on_sync(stamp(), asker(from, early), m, reply, out);
    keep(reply.items);
    carry_out();
    return reply;
  }
  // Members 1 to `count`, all known with number 1 and proven.
  void know(std::size_t count) {
    for (std::size_t i = 1; i <= count; ++i) {
      const RecordRef r = record(i, 1);
      GossipItems items{item(r)};
      gossip(i, items);
      heard_from(i, true);
    }
    if (count >= 3) settle(2);  // the victim of most tests
    events.clear();
    sent.clear();
    told.clear();
  }
  // Runs until no proof of life of `i` is fresh any more.
  void settle(std::size_t i) {
    last_ping[i] = now;
    while (now - last_ping[i] <= 2s) run(100ms);
  }
  // Makes `i` silent, and failed here.
  void fail(std::size_t i) {
    settle(i);
    silent.insert(i);
    gossip(1, {suspicion(i, core->find(id(i))->record->number, 1)});
    run(30s);
    events.clear();
    sent.clear();
    told.clear();
  }

  // ---- time
  void run(Duration duration) {
    const Instant end = now + duration;
    for (;;) {
      const auto deadline = core->next_deadline();
      Instant next = end;
      if (deadline) next = std::min(next, std::max(*deadline, now));
      if (!later.empty()) next = std::min(next, later.begin()->first);
      if (next >= end) break;
      now = next;
      if (!later.empty() && later.begin()->first <= now) {
        const auto what = later.begin()->second;
        later.erase(later.begin());
        if (what.slow)
          core->on_slow(stamp(), what.tag, out);
        else
          core->on_timeout(stamp(), what.tag, out);
      } else {
        core->on_deadline(stamp(), out);
        const auto after = core->next_deadline();
        CHECK(!after || *after > now);
      }
      carry_out();
    }
    now = end;
  }

  // ---- what came of it
  std::optional<MemberState> state(std::size_t i) {
    const auto view = core->find(id(i));
    if (!view) return std::nullopt;
    return view->state;
  }
  // "1:alive>suspect 1:suspect>failed"; '+' marks a new member.
  std::string story() {
    std::string text;
    for (const Event& event : events) {
      const auto* changed = std::get_if<MemberChanged>(&event);
      if (changed == nullptr) continue;
      if (!text.empty()) text += ' ';
      text += std::to_string(by_id.at(changed->record->id)) + ":";
      if (changed->is_new)
        text += "+";
      else
        text += std::string(to_string(changed->from)) + ">";
      text += to_string(changed->to);
    }
    events.clear();
    return text;
  }
  template <class E>
  std::vector<E> take() {
    std::vector<E> found;
    for (const Event& event : events) {
      if (const auto* e = std::get_if<E>(&event)) found.push_back(*e);
    }
    std::erase_if(events, [](const Event& event) { return std::holds_alternative<E>(event); });
    return found;
  }
  std::size_t pings_to(std::size_t i) {
    return static_cast<std::size_t>(
        std::ranges::count_if(sent, [&](const auto& s) { return s.first == i && s.second == 0; }));
  }
  // Whether any message told this suspicion about `subject`, to `to`.
  bool told_suspicion(std::size_t to, std::size_t subject) {
    return std::ranges::any_of(
        told, [&](const auto& t) { return t.first == to && t.second == id(subject); });
  }

  struct Later {
    RequestTag tag{};
    bool slow = false;
  };
  CheapProvider provider;
  RecordCache cache;
  std::map<std::size_t, std::unique_ptr<Identity>> identities;
  std::map<NodeId, std::size_t> by_id;
  const Identity* self = nullptr;
  std::unique_ptr<Membership> core;
  Instant now{Duration(1'000'000'000)};
  Output out;
  std::uint32_t rpc = 0;
  std::set<std::size_t> silent;
  std::set<std::size_t> vouching;  // relays that say yes, whoever they are asked for
  std::map<std::size_t, Instant> last_ping;
  std::vector<Event> events;
  std::vector<std::pair<std::size_t, std::size_t>> sent;  // peer, 0 ping / 1 ping-req / 2 sync
  std::vector<std::pair<std::size_t, NodeId>> told;       // peer, subject of a suspicion
  std::vector<Reply> replies;
  std::vector<RequestTag> syncs;
  std::multimap<Instant, Later> later;

 private:
  void keep(const GossipItems& items) {
    for (const GossipItem& i : items) CHECK(i.record.empty() || peek_record(i.record));
  }
  void carry_out() {
    Output mine;
    std::swap(mine, out);
    for (const Event& event : mine.events) events.push_back(event);
    for (const Reply& reply : mine.replies) replies.push_back(reply);
    for (const Send& send : mine.sends) note(by_id.at(send.to.id), send.message.items);
    for (const Request& request : mine.requests) {
      const std::size_t to = by_id.at(request.to.id);
      sent.emplace_back(to, request.message.index());
      if (const auto* m = std::get_if<Ping>(&request.message)) {
        note(to, m->items);
        last_ping[to] = now;
        answer_ping(request, to);
      } else if (std::holds_alternative<PingReq>(request.message)) {
        if (silent.contains(to))
          later.emplace(now + request.patience, Later{request.tag, false});
        else
          relayed.emplace_back(request.tag, vouching.contains(to));
      } else {
        syncs.push_back(request.tag);
        later.emplace(now + request.patience, Later{request.tag, false});
      }
    }
    while (!relayed.empty()) {
      const auto [tag, answered] = relayed.back();
      relayed.pop_back();
      core->on_ping_req_reply(stamp(), tag, {.answered = answered}, out);
    }
    if (!out.events.empty() || !out.requests.empty() || !out.sends.empty()) carry_out();
  }
  void note(std::size_t to, const GossipItems& items) {
    for (const GossipItem& i : items) {
      if (i.record.empty()) told.emplace_back(to, i.suspicion.subject);
    }
  }
  void answer_ping(const Request& request, std::size_t to) {
    if (silent.contains(to)) {
      later.emplace(now + 150ms, Later{request.tag, true});
      later.emplace(now + request.patience, Later{request.tag, false});
      return;
    }
    const auto view = core->find(id(to));
    Ack ack{.number = view->record->number,
            .instance = view->record->instance,
            .digest = std::get<Ping>(request.message).digest,
            .observed = endpoint(0),
            .items = {}};
    core->on_ack(stamp(), request.tag, 1ms, contact(to), ack, out);
  }
  std::vector<std::pair<RequestTag, bool>> relayed;
};

}  // namespace weft::gossip::test
