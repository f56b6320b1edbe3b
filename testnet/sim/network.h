// A network of many nodes in memory, on virtual time: the first test bench of NodeCore.
//
// It replaces the two steps of a node that touch the world, and nothing else: datagrams travel
// through one event heap ordered by (time, insertion) instead of sockets, commits end after a
// virtual while instead of an fsync, and the clock is the heap's. Everything is drawn from the
// seed, in integers. A datagram's fate (lost, delayed, doubled) is a hash of the seed and its own
// coordinates (from, to, time, ordinal), so removing one node leaves the luck of the rest alone.
//
// A rolling trace hash covers every event and every output; two runs of one seed must be equal.
// Links neither libuv nor a file system. One thread.
#pragma once

#include <list>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "node/node_core.h"
#include "testnet/sim/disk.h"
#include "testnet/sim/liars.h"
#include "testnet/sim/member_liar.h"
#include "testnet/sim/nat.h"
#include "testnet/sim/state_liar.h"
#include "testnet/sim/tally.h"
#include "testnet/sim/weather.h"

namespace weft::sim {

struct LinkOptions {
  Duration latency_min = 100us;  // one way
  Duration latency_max = 300us;
  Ratio loss{0, 1};
  Ratio duplicate{0, 1};
};

// What is wrong with one node beside its network. Durations are added to each event of the kind.
struct NodeFaults {
  Duration cpu{};             // each event takes this long; later ones wait, to kSocketQueueMax
  Duration disk{};            // each commit takes this much longer
  bool disk_fails = false;    // commits end with an error
  Duration late_receive{};    // datagrams come this late while timers fire
  Duration wall_step{};       // the wall clock is off by this
  std::int32_t skew_ppm = 0;  // the monotonic clock runs fast (+) or slow (-)
  std::uint32_t drop_ppm = 0;    // liar: of what it should send, this share is not sent
  std::uint32_t replay_ppm = 0;  // liar: sends a datagram again later
  std::uint32_t spoof_ppm = 0;   // liar: a copy to a third node under its receiver's or nobody's address
  Duration flood_every{};        // liar: noise to a random node; 0: none
  Lie lie = Lie::kNone;          // liar: what it says in its sessions (not with real_crypto)
  bool blocked = false;          // what comes and what should leave waits until this is over; timers fire
};

// Datagrams that wait for a busy or paused process; a socket's buffer holds about as many.
inline constexpr std::size_t kSocketQueueMax = 1'024;

// As many leading bits of a ground id are those of its target: nearer than any honest node of a mesh
// of thousands, after some 4,096 keys.
inline constexpr int kGroundBits = 12;

// Traffic of one node with an address where nobody lives.
struct Ghost {
  std::uint64_t from_bytes = 0;  // came under its name
  std::uint64_t to_bytes = 0;    // sent to it
};
inline constexpr std::size_t kGhosts = 256;
// Addresses where nobody lives, private like the nodes': others are not told of private contacts.
Endpoint ghost(std::size_t number);
bool is_ghost(const Endpoint& endpoint);

// What one input made a core do.
struct Work {
  std::size_t sends = 0;    // datagrams
  std::size_t events = 0;
  std::size_t commits = 0;  // batches
};
// Places for the datagrams of late that a node's life is known to have taken.
inline constexpr std::size_t kSeenMax = 512;

struct NetworkOptions {
  std::uint64_t seed = 1;
  LinkOptions link;
  bool shuffle_ties = false;     // events of one instant in an order drawn from the seed
  Duration commit = 500us;       // from persist to on_persisted
  Duration load = 150us;         // from a load to on_loaded
  bool real_crypto = false;      // else CheapProvider: equal sizes, no arithmetic
  std::string network = "sim";
  bool tally = false;            // what is sent is looked into, to be told by kind; costs a quarter of all time
};

class SimNetwork {
 public:
  // Called for every event a node emits, in order.
  using Observer = std::function<void(std::size_t node, Now now, const node::Event& event)>;

  // What a core took and what it asked for, in order: one input, then its effects. Views and
  // pointers are valid within the call.
  struct Step {
    enum class What : std::uint8_t { kDatagram, kDeadline, kPersisted, kPersist, kSend, kEvent };
    What what = What::kDeadline;
    std::size_t node = 0;
    Now now;
    Endpoint peer;                           // kDatagram: from; kSend: to
    ByteView bytes;                          // of the datagram
    const node::Persist* persist = nullptr;  // kPersist, kPersisted
    const node::Event* event = nullptr;
  };
  using Tap = std::function<void(const Step& step)>;

  explicit SimNetwork(NetworkOptions options);
  ~SimNetwork();

  // Adds a node and starts it now; it joins through `seed` (an index) once it is ready.
  // `adjust` may change its configuration.
  std::size_t add(std::optional<std::size_t> seed,
                  const std::function<void(node::Config&)>& adjust = {});
  // The same with the identity of `of`, an empty store and an address of its own.
  std::size_t add_twin(std::size_t of, std::optional<std::size_t> seed,
                       const std::function<void(node::Config&)>& adjust = {});
  // The same home started a second time, elsewhere: a twin with a copy of all that `of` has on disk.
  std::size_t add_double(std::size_t of, std::optional<std::size_t> seed,
                         const std::function<void(node::Config&)>& adjust = {});
  // The same as add, with an identity whose id shares kGroundBits bits with `target`.
  std::size_t add_ground(const NodeId& target, std::optional<std::size_t> seed,
                         const std::function<void(node::Config&)>& adjust = {});
  // From now on the node names these besides its seed whenever it joins.
  void name_seeds(std::size_t node, std::vector<std::size_t> seeds) { nodes_[node]->more_seeds = std::move(seeds); }
  // SIGKILL: the core is gone, uncommitted writes with it.
  void crash(std::size_t node);
  // Constructs the core anew from what was committed; joins through `seed` if given.
  void restart(std::size_t node, std::optional<std::size_t> seed);
  // Keeps what a node has on disk now, in place of what was kept before.
  void back_up(std::size_t node);
  // A crashed node's next life begins with what was kept, or with nothing.
  void restore_backup(std::size_t node);
  // A crashed node's next life is at another address (behind another NAT of its kind).
  void move(std::size_t node);
  // Changes the configuration of a node's next life.
  void adjust(std::size_t node, const std::function<void(node::Config&)>& change) {
    change(nodes_[node]->config);
  }
  // Inputs queue and come late (SIGSTOP).
  void pause(std::size_t node);
  void resume(std::size_t node);

  void set_link(const LinkOptions& link) { options_.link = link; }
  // From now on this decides the fate of datagrams, in place of the options' link and `blocked`.
  // Not owned; nullptr: none.
  void set_weather(Weather* weather) { weather_ = weather; }
  // Who is behind a NAT; before the first node is added. Not owned; nullptr: nobody.
  void set_nats(Nats* nats) { nats_ = nats; }
  void set_faults(std::size_t node, const NodeFaults& faults);
  // Datagrams from a to b vanish while blocked(a, b) is true; nullptr heals.
  void set_blocked(std::function<bool(std::size_t from, std::size_t to)> blocked);
  // A datagram from nowhere: what an attacker sends. Arrives now.
  void inject(const Endpoint& from, std::size_t to, ByteView bytes);

  // Test-only: the next event that it fits, from the nth event on, is changed.
  enum class Tamper : std::uint8_t {
    kNothing,
    kPayloadBit,  // a datagram arrives with one bit of it flipped
    kTie,         // two events of one instant change places
    kDeadline,    // a wake comes a microsecond later
  };
  void tamper(Tamper what, std::uint64_t nth) {
    tamper_ = what;
    tamper_at_ = nth;
  }
  bool tampered() const { return tampered_; }

  void run_for(Duration span);
  // Adds every node's digest to the trace hash.
  void mix_digests();
  using Ghosts = std::map<std::pair<Endpoint, std::size_t>, Ghost>;  // at most kGhosts a node
  const Ghosts& ghosts() const { return ghosts_; }
  // From now on: DATA packets that a node took a second time without dropping them.
  void watch_replays() { watching_replays_ = true; }
  struct Replay {
    std::size_t node = 0;
    Instant at;
  };
  const std::vector<Replay>& replays() const { return replays_; }
  // The most that one input made of a node's core, of each kind.
  const Work& most(std::size_t node) const { return nodes_[node]->most; }
  const node::Config& config(std::size_t node) const { return nodes_[node]->config; }
  // Lies that honest nodes were told, by kind.
  const LieLedger::Totals& lies_reached() const { return lies_.reached(); }
  // What a node has on disk.
  const std::map<Bytes, Bytes>& durable(std::size_t node) const { return nodes_[node]->durable; }
  // Whose address this is or once was: the node's own, or a mapping of its NAT.
  std::optional<std::size_t> index_of(const Endpoint& endpoint) const;
  // Runs until `done` (asked every `step`) or for `at_most`; true if done.
  bool run_until(const std::function<bool()>& done, Duration at_most, Duration step = 50ms);

  Now now() const { return now_; }
  std::size_t size() const { return nodes_.size(); }
  bool alive(std::size_t node) const { return nodes_[node]->core != nullptr; }
  node::NodeCore& core(std::size_t node);
  // How often a node was started or crashed so far: operation ids start anew with each life.
  std::uint64_t life(std::size_t node) const { return nodes_[node]->life; }
  const Endpoint& endpoint(std::size_t node) const { return nodes_[node]->endpoint; }
  NodeId id(std::size_t node) const { return nodes_[node]->identity->id(); }
  const PublicKey& public_key(std::size_t node) const { return nodes_[node]->identity->public_key(); }
  // Runs `call` on a node's core with an Output that is then carried out.
  OpId operate(std::size_t node, const std::function<OpId(node::NodeCore&, Now, node::Output&)>& call);
  void observe(Observer observer) { observer_ = std::move(observer); }
  // Told of every step from now on; an empty one ends that.
  void tap(Tap tap) { tap_ = std::move(tap); }

  std::uint64_t trace_hash() const { return trace_; }
  std::uint64_t events_total() const { return events_; }
  std::uint64_t datagrams_total() const { return datagrams_; }
  std::uint64_t bytes_total() const { return bytes_; }
  // Of what was sent, by kind; nothing without NetworkOptions::tally, or with real cryptography.
  const Tally& tally() const { return tally_; }
  // Members that `node` lists as alive (itself included).
  std::size_t alive_at(std::size_t node);
  // Every living node lists exactly `count` alive.
  bool all_see(std::size_t count);

 private:
  struct Node {
    ByteArray<32> secret{};  // of the identity
    std::unique_ptr<LyingProvider> provider;  // honest unless its faults say otherwise
    std::unique_ptr<StateLiar> state_liar;    // while it lies so, or so...
    std::unique_ptr<MemberLiar> member_liar;
    Instant lies_from;                        // ...and since when
    std::unique_ptr<Identity> identity;
    std::unique_ptr<SeededEntropy> entropy;
    std::unique_ptr<node::NodeCore> core;
    node::Config config;
    Endpoint endpoint;  // as the node itself knows it
    Endpoint outside;   // the same unless it is behind a NAT: its public address
    std::uint32_t moves = 0;
    bool natted = false;
    std::map<Bytes, Bytes> durable;
    UnixMillis node_time, last_seen;  // at the last commit
    struct Backup {
      std::map<Bytes, Bytes> durable;
      UnixMillis node_time, last_seen;
    };
    Backup backup;
    std::optional<std::size_t> seed;
    std::vector<std::size_t> more_seeds;
    std::uint64_t life = 0;  // events of a former life are dropped
    bool paused = false;
    std::vector<std::pair<Endpoint, Bytes>> waiting;  // while paused or blocked
    std::vector<std::pair<Endpoint, Bytes>> held_back;  // to be sent, while blocked
    std::optional<Instant> armed;   // its wake in the heap; true time
    std::optional<Instant> wanted;  // when the core wants to wake; never before `armed`
    std::uint64_t ordinal = 0;
    NodeFaults faults;
    Instant clock_true{}, clock_local{};  // the node's clock showed clock_local at clock_true
    Instant busy_until{};
    bool freeing = false;                 // an event that takes up the backlog is on its way
    std::list<std::uint32_t> backlog;     // slots
    Work most;
    Bytes kept;                           // a liar's: to be replayed
    Endpoint kept_to;
    std::size_t kept_for = 0;
    Rng mischief{0};
    std::uint64_t seen_life = 0;
    std::vector<std::uint64_t> seen;      // hashes of packets taken of late, each in its place
  };
  // A load under way: answered as it was asked, or when it ends, by turns, so that both may be met.
  struct Reading {
    dht::Load load;
    std::optional<dht::Loaded> answer;
  };
  struct Event {
    enum class Kind : std::uint8_t { kDatagram, kWake, kCommit, kLoad, kFree, kFlood, kLie } kind = Kind::kWake;
    std::size_t node = 0;
    std::uint64_t life = 0;
    Endpoint from;
    Bytes bytes;
    node::Persist persist;
    std::unique_ptr<Reading> reading;
    Instant due;  // wake: what it was armed for
    std::uint32_t moves = 0;  // datagram: of the receiver, when it was sent
    std::uint16_t port = 0;   // datagram: of the receiver's NAT; 0: there is none to pass
  };
  // The heap holds these; the events lie still in their slots.
  struct Entry {
    Instant at;
    std::uint64_t order = 0;
    std::uint32_t slot = 0;
    // std::push_heap keeps the largest in front.
    bool operator<(const Entry& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  // `disk_of`: begins with a copy of that node's.
  std::size_t add_with(const ByteArray<32>* secret, std::optional<std::size_t> seed,
                       const std::function<void(node::Config&)>& adjust, std::optional<std::size_t> disk_of = {});
  void boot(std::size_t index);
  const CryptoProvider& provider(const Node& n) const {
    return options_.real_crypto ? static_cast<const CryptoProvider&>(real_) : *n.provider;
  }
  void push(Instant at, Event event);
  void step();
  void take(std::uint32_t slot);
  void tamper_with_next();
  bool taken_before(Node& n, ByteView bytes);
  Now local(const Node& n) const;
  LyingProvider::Knowledge knowledge(std::size_t index);
  std::optional<NodeId> id_at(const Endpoint& endpoint) const;
  // Begins to lie about shared state, or ends that.
  void set_state_liar(std::size_t index, Lie lie);
  void set_member_liar(std::size_t index, Lie lie);
  void begin_to_act(std::size_t index, Duration pace);
  // What a liar of shared state or of membership does now and then, and what it answers: `acts` and else.
  void lie_of_state(std::size_t index, bool acts);
  void lie_of_members(std::size_t index, bool acts);
  template <class Says>
  void say_lies(std::size_t index, const Says& says);
  // Living nodes but this one and its twins.
  std::vector<NodeId> peers_of(std::size_t index) const;
  // What waited while the node was blocked or paused is taken now.
  void take_waiting(std::size_t index, node::Output& out);
  Instant to_true(const Node& n, Instant local) const;
  void mischief(std::size_t index, const Endpoint& to, ByteView bytes);
  static void place(std::size_t index, Node& n);
  Endpoint source_of(std::size_t index, const Endpoint& to);
  bool reaches(std::size_t index, const Endpoint& to) const;
  std::size_t door(std::size_t index, std::size_t seed) const;
  void deliver(std::size_t from, const Endpoint& claimed, std::size_t to, std::uint16_t port, ByteView bytes);
  void carry_out(std::size_t index, node::Output& out);
  void arm(std::size_t index);
  void wake(std::size_t index, Instant at);
  void transmit(std::size_t index, const Endpoint& to, ByteView bytes);
  void mix(std::uint64_t value);
  void tell(Step::What what, std::size_t node, const Endpoint& peer, ByteView bytes,
            const node::Persist* persist = nullptr, const node::Event* event = nullptr) {
    if (tap_) tap_(Step{what, node, now_, peer, bytes, persist, event});
  }

  NetworkOptions options_;
  SodiumProvider real_;
  CheapProvider cheap_;
  LieLedger lies_;
  std::optional<NodeId> heard_from_;  // whose datagram a node is taking
  std::unique_ptr<RecordCache> records_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Entry> heap_;
  std::vector<Event> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::function<bool(std::size_t, std::size_t)> blocked_;
  Weather* weather_ = nullptr;
  Ghosts ghosts_;
  Nats* nats_ = nullptr;
  Tamper tamper_ = Tamper::kNothing;
  std::uint64_t tamper_at_ = 0;
  bool tampered_ = false;
  bool watching_replays_ = false;
  std::vector<Replay> replays_;
  Observer observer_;
  Tap tap_;
  Now now_;
  std::uint64_t order_ = 0;
  std::uint64_t wall_us_ = 0;
  std::uint64_t loads_ = 0;
  std::uint64_t trace_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t datagrams_ = 0;
  std::uint64_t bytes_ = 0;
  Tally tally_;
  node::Output scratch_;
};

}  // namespace weft::sim
