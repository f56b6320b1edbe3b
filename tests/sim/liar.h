// A member of the mesh that keeps no rule: it has a key, an address and sealed sessions, and says
// whatever a test wants, to whom it wants.
#pragma once

#include <functional>
#include <utility>

#include "gossip/membership/accusation.h"
#include "node/codec.h"
#include "testnet/sim/network.h"

namespace weft::sim {

class Liar {
 public:
  // Takes the network's tap; what is sent to its address reaches it at once.
  explicit Liar(SimNetwork& net)
      : net_(net),
        records_(provider_, 64),
        identity_(provider_, ByteArray<32>{0x6c, 0x69, 0x61, 0x72}),
        sessions_(identity_, open_network("sim"), provider_, records_, entropy_, Rng(99), {}) {
    net_.tap([this](const SimNetwork::Step& step) {
      if (step.what != SimNetwork::Step::What::kSend || step.peer != at || deaf) return;
      take(step.now, net_.endpoint(step.node), to_bytes(step.bytes));
    });
  }
  ~Liar() { net_.tap({}); }
  Liar(const Liar&) = delete;
  Liar& operator=(const Liar&) = delete;

  const Identity& identity() const { return identity_; }
  // Its own record, signed as it should be.
  RecordRef record(std::uint64_t number, std::uint32_t minor = 0) const {
    RecordFields fields;
    fields.number = number;
    fields.instance = 4711;
    fields.endpoints = {at};
    fields.network = open_network("sim").id;
    fields.minor = minor;
    fields.name = "liar";
    return make_record(identity_, fields);
  }

  template <class M>
  void say(std::size_t to, const M& message, std::uint32_t rpc = 0) {
    ByteArray<kPayloadBytesMax> room;
    Writer w(room);
    encode(w, rpc, message);
    CHECK(w.ok());
    const Identity& peer = net_.core(to).identity();
    sessions_.send(net_.now(), {peer.public_key(), peer.id()}, net_.endpoint(to), w.view(), /*early_ok=*/false, out_);
    flush();
  }
  void gossip(std::size_t to, std::initializer_list<ByteView> records) {
    gossip::Gossip m;
    for (const ByteView record : records) m.items.push({.record = record, .suspicion = {}});
    say(to, m);
  }
  void accuse(std::size_t to, const NodeId& subject, std::uint64_t number) {
    gossip::Gossip m;
    m.items.push({.record = {}, .suspicion = gossip::sign_suspicion(identity_, open_network("sim").id, subject, number)});
    say(to, m);
  }

  // What it does with a message that somebody sent it, in a session.
  using Hears = std::function<void(std::size_t from, const node::Head& head, Reader& r)>;
  Hears hears;
  bool deaf = false;  // nothing reaches it: even the answer to a handshake is a sign of life
  const Endpoint at = Endpoint::v4(10, 200, 0, 1, 9338);

 private:
  void take(Now now, const Endpoint& from, const Bytes& bytes) {
    const auto result = sessions_.on_datagram(now, from, bytes, out_);
    if (result.received) {
      if (result.received->early) {
        sessions_.respond(now, {}, out_);
      } else if (hears) {
        Reader r(result.received->payload);
        const node::Head head = node::read_head(r);
        for (std::size_t i = 0; i < net_.size(); ++i) {
          if (net_.endpoint(i) == from) hears(i, head, r);
        }
      }
    }
    flush();
  }
  void flush() {
    // Injecting is no call of sessions_, so nothing is appended meanwhile.
    for (const auto& d : out_.datagrams()) {
      for (std::size_t i = 0; i < net_.size(); ++i) {
        if (net_.endpoint(i) == d.to) net_.inject(at, i, out_.bytes(d));
      }
    }
    out_.clear();
  }

  SimNetwork& net_;
  CheapProvider provider_;
  RecordCache records_;
  Identity identity_;
  SeededEntropy entropy_{77};
  Sessions sessions_;
  Outbox out_;
};

}  // namespace weft::sim
