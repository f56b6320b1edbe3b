// A few Sessions objects and the datagrams between them, on virtual time.
//
// Every datagram takes `latency`, unless `fate` says otherwise; time moves only in run(). What a
// node received and what happened to it is kept in `events`, as text, in order:
//   "data <peer> <payload>"   "early <peer> <payload>"   "up <peer> <us|them> <endpoint>"
//   "record <endpoint>"
#pragma once

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/session_frame.h"
#include "crypto/sessions.h"

namespace weft::testing {

inline const CryptoProvider& real_provider() {
  static const SodiumProvider provider;
  return provider;
}
inline const CryptoProvider& cheap_provider() {
  static const CheapProvider provider;
  return provider;
}

inline std::uint64_t seed_from_env(std::uint64_t fallback) {
  const char* text = std::getenv("SEED");
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

struct Packet {
  Endpoint from;
  Endpoint to;
  Bytes bytes;
  session::PacketType type() const { return static_cast<session::PacketType>(bytes.at(1)); }
};

class World;

struct Node {
  std::string name;
  Endpoint at;
  std::unique_ptr<Identity> identity;
  std::unique_ptr<RecordCache> records;
  std::unique_ptr<SeededEntropy> entropy;
  std::unique_ptr<Sessions> sessions;
  std::vector<std::string> events;
  // The answer to early data; by default "re:" and the data.
  std::function<Bytes(const Sessions::Received&)> answer;
  std::map<Endpoint, std::size_t> bytes_in;
  std::map<Endpoint, std::size_t> bytes_out;
  std::uint64_t hello_id = 0;
  std::optional<Duration> round_trip;  // of the last session that was established

  const PublicKey& key() const { return identity->public_key(); }
  PeerKey peer() const { return {identity->public_key(), identity->id()}; }
  const NodeId& id() const { return identity->id(); }
  std::uint64_t drops(SessionDrop cause) const {
    return sessions->stats().drops[static_cast<std::size_t>(cause)];
  }
  std::uint64_t drops() const {
    std::uint64_t sum = 0;
    for (const auto n : sessions->stats().drops) sum += n;
    return sum;
  }
  std::size_t count(const std::string& event) const {
    return static_cast<std::size_t>(std::ranges::count(events, event));
  }
};

class World {
 public:
  explicit World(const CryptoProvider& provider_in, Network network_in = open_network("test"))
      : provider(provider_in), network(std::move(network_in)) {}

  // A node whose identity follows from `seed`; its address is 10.0.<number>.1:7000.
  Node& add(const std::string& name, std::uint8_t seed, SessionConfig config = {}) {
    auto node = std::make_unique<Node>();
    node->name = name;
    node->at = Endpoint::v4(10, 0, static_cast<std::uint8_t>(nodes.size() + 1), 1, 7000);
    node->answer = [](const Sessions::Received& r) {
      return to_bytes(as_bytes("re:" + std::string(as_text(r.payload))));
    };
    ByteArray<32> raw{};
    raw.fill(seed);
    node->identity = std::make_unique<Identity>(provider, raw);
    nodes.push_back(std::move(node));
    Node& n = *nodes.back();
    n.records = std::make_unique<RecordCache>(provider, 64);
    start(n, config);
    return n;
  }
  // (Re)starts a node: nothing that its sessions knew survives.
  void start(Node& n, SessionConfig config = {}) { start(n, config, network); }
  void start(Node& n, SessionConfig config, const Network& own_network) {
    n.entropy = std::make_unique<SeededEntropy>(++starts * 1000 + entropy_seed);
    n.sessions = std::make_unique<Sessions>(*n.identity, own_network, provider, *n.records,
                                            *n.entropy, Rng(starts + entropy_seed), config);
  }
  RecordRef give_record(Node& n) {
    RecordFields fields;
    fields.endpoints.push(n.at);
    fields.network = network.id;
    fields.name = n.name;
    RecordRef record = make_record(*n.identity, fields);
    n.sessions->set_record(record);
    return record;
  }

  void send(Node& a, const Node& b, std::string_view text, bool early_ok = false) {
    a.sessions->send(now, b.peer(), b.at, as_bytes(text), early_ok, out);
    collect(a);
  }
  void rehandshake(Node& a, const Node& b, std::string_view text, bool early_ok = false) {
    a.sessions->rehandshake(now, b.peer(), b.at, as_bytes(text), early_ok, out);
    collect(a);
  }
  std::uint64_t hello(Node& a, const Endpoint& to) {
    a.hello_id = a.sessions->hello(now, to, out);
    collect(a);
    return a.hello_id;
  }
  // Hands a datagram to a node at once, as if it came from `from`.
  void deliver(Node& n, const Endpoint& from, ByteView bytes) {
    n.bytes_in[from] += bytes.size();
    const auto r = n.sessions->on_datagram(now, from, bytes, out);
    if (r.established) {
      n.round_trip = r.round_trip;
      n.events.push_back("up " + name_of(r.established->key) +
                         (r.established_by_us ? " us " : " them ") +
                         to_string(r.established->endpoint));
    }
    if (r.record != nullptr && r.hello_id == n.hello_id) {
      n.events.push_back("record " + to_string(r.record_from));
    }
    if (r.received) {
      n.events.push_back((r.received->early ? "early " : "data ") + name_of(r.received->peer) +
                         " " + std::string(as_text(r.received->payload)));
      if (on_received) on_received(n, *r.received);
      if (r.received->early) {
        const Bytes reply = n.answer(*r.received);
        n.sessions->respond(now, reply, out);
      }
    }
    collect(n);
  }

  void run(Duration span) {
    const Instant end = now.mono + span;
    for (;;) {
      Instant next = end;
      if (!flying.empty()) next = std::min(next, flying.begin()->first.first);
      for (const auto& n : nodes) {
        if (const auto at = n->sessions->next_deadline()) next = std::min(next, *at);
      }
      if (next >= end) break;
      step_to(std::max(next, now.mono));
    }
    now.mono = end;
  }
  // Deliver everything that is on its way, and what that leads to, without waiting for timers.
  void settle() {
    while (!flying.empty()) step_to(flying.begin()->first.first);
  }

  Node* find(const Endpoint& at) {
    for (const auto& n : nodes) {
      if (n->at == at) return n.get();
    }
    return nullptr;
  }
  std::string name_of(const PublicKey& key) const {
    for (const auto& n : nodes) {
      if (n->key() == key) return n->name;
    }
    return "?";
  }

  const CryptoProvider& provider;
  Network network;
  Now now{Instant{} + 1h, {}};
  Duration latency = 10ms;
  std::uint64_t entropy_seed = 0;
  std::vector<std::unique_ptr<Node>> nodes;
  // The delays after which copies of a datagram arrive; none: it is lost.
  std::function<std::vector<Duration>(const Packet&)> fate;
  std::function<void(Node&, const Sessions::Received&)> on_received;
  std::vector<Packet> sent;  // everything that ever left, in order
  std::map<std::pair<Instant, std::uint64_t>, Packet> flying;
  Outbox out;

  // The last datagram of a type that left.
  const Packet& last(session::PacketType type) const {
    for (std::size_t i = sent.size(); i > 0; --i) {
      if (sent[i - 1].type() == type) return sent[i - 1];
    }
    std::abort();
  }
  std::size_t count(session::PacketType type) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(sent, [&](const Packet& p) { return p.type() == type; }));
  }
  void collect(Node& n) {
    for (const auto& d : out.datagrams()) {
      Packet packet{n.at, d.to, to_bytes(out.bytes(d))};
      n.bytes_out[d.to] += packet.bytes.size();
      const auto delays = fate ? fate(packet) : std::vector<Duration>{latency};
      for (const Duration delay : delays) flying[{now.mono + delay, ++order}] = packet;
      sent.push_back(std::move(packet));
    }
    out.clear();
  }

 private:
  void step_to(Instant at) {
    now.mono = std::max(now.mono, at);
    while (!flying.empty() && flying.begin()->first.first <= now.mono) {
      const Packet packet = flying.begin()->second;
      flying.erase(flying.begin());
      if (Node* n = find(packet.to)) deliver(*n, packet.from, packet.bytes);
    }
    for (const auto& n : nodes) {
      const auto due = n->sessions->next_deadline();
      if (!due || *due > now.mono) continue;
      n->sessions->on_deadline(now, out);
      collect(*n);
    }
  }

  std::uint64_t order = 0;
  std::uint64_t starts = 0;
};

}  // namespace weft::testing
