// Many Membership objects in one virtual network: the figures of the issue, in milliseconds.
//
// It plays NodeCore's part: encodes and decodes every message, keeps requests with one
// retransmission at `slow_after`, performs handshakes (three flights, counted), and gives out new
// own numbers when asked. Packets have latency and luck; nodes can be killed, restarted, stalled
// and split into islands. A ledger checks that MemberChanged events are exactly the transitions.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <vector>

#include "crypto/keys.h"
#include "crypto/sessions.h"
#include "gossip/membership/membership.h"

namespace weft::gossip::test {

// The seed of random tests: SEED from the environment, or `fallback`. Printed with failures.
std::uint64_t seed_or(std::uint64_t fallback);

struct MeshOptions {
  std::uint64_t seed = 1;
  Config config;
  Duration latency_min = 200us;
  Duration latency_max = 2ms;
  Ratio loss{0, 100};
  Duration slow_after = 150ms;
  Duration persist_time = 3ms;  // from NumberWanted to set_self
};

class Mesh {
 public:
  struct Traffic {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;  // of payloads with session overhead
    std::uint64_t handshakes = 0;
    std::map<int, std::uint64_t> by_kind;
  };
  struct Failure {  // a MemberChanged to kFailed
    Instant at;
    std::size_t observer;
    std::size_t subject;
  };

  explicit Mesh(const MeshOptions& options);

  // Starts one more node; joins through `seed` if given. Returns its index.
  std::size_t start(std::optional<std::size_t> seed = std::nullopt);
  // Starts an ended node again: same key, a higher number unless `lost_number`.
  void restart(std::size_t index, std::optional<std::size_t> seed, bool lost_number = false);
  void kill(std::size_t index);
  void leave(std::size_t index);
  // From now on packets pass only within an island.
  void set_island(std::size_t index, int island) { nodes_[index]->island = island; }
  void set_loss(Ratio loss) { options_.loss = loss; }
  // Nothing runs on the node for `duration`; then was_late is called.
  void stall(std::size_t index, Duration duration);
  void set_tags(std::size_t index, std::map<std::string, std::string> tags);

  void at(Instant when, std::function<void()> what);
  void run_for(Duration duration);
  // Runs until `done` holds (asked every 10 ms) or `limit` passes; returns how long it took.
  std::optional<Duration> run_until(const std::function<bool()>& done, Duration limit);

  Instant now() const { return now_; }
  std::size_t size() const { return nodes_.size(); }
  bool up(std::size_t index) const { return nodes_[index]->core != nullptr; }
  Membership& core(std::size_t index) { return *nodes_[index]->core; }
  const NodeId& id(std::size_t index) const { return nodes_[index]->identity->id(); }
  const RecordRef& record(std::size_t index) const { return nodes_[index]->record; }
  const Identity& identity(std::size_t index) const { return *nodes_[index]->identity; }
  Contact contact(std::size_t index) const;
  RecordCache& cache() { return cache_; }

  // Every node that is up lists exactly the nodes that are up as alive, nobody as suspect.
  bool all_agree();
  std::size_t count_agree();
  // Every node that is up lists `subject` in that state.
  bool all_see(std::size_t subject, MemberState state);
  const std::vector<Failure>& failures() const { return failures_; }
  void forget_failures() { failures_.clear(); }
  Traffic& traffic() { return traffic_; }
  std::uint64_t own_records_seen() const { return own_records_seen_; }
  std::uint64_t syncs_done(bool ok) const { return ok ? syncs_ok_ : syncs_failed_; }
  // Checks the ledger of events of every node against its views.
  void check_ledgers();
  std::uint64_t trace() const { return trace_; }
  // What to do with NumberWanted; false: ignore it.
  bool grant_numbers = true;

 private:
  struct Pending {
    RequestTag tag{};
    std::size_t to = 0;
    Bytes payload;
    int kind = 0;
    bool may_rehandshake = false;
    Instant sent;
  };
  struct Node {
    std::unique_ptr<Identity> identity;
    std::unique_ptr<Membership> core;
    RecordRef record;
    RecordFields fields;
    Endpoint endpoint;
    int island = 0;
    std::uint64_t life = 0;                                             // counts starts
    std::map<std::size_t, std::uint64_t> sessions;                      // peer -> its life
    std::map<std::size_t, std::vector<std::pair<Bytes, int>>> shaking;  // payloads that wait
    std::map<std::uint32_t, Pending> pending;
    std::uint32_t next_rpc = 1;
    std::optional<Instant> armed;
    Instant stalled_until;
    bool granting = false;
    std::map<NodeId, MemberState> ledger;
  };
  struct Event {
    Instant at;
    int rank = 0;  // packets before timers, after a stall
    std::uint64_t order = 0;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return std::tie(at, rank, order) > std::tie(other.at, other.rank, other.order);
    }
  };

  void schedule(Instant when, int rank, std::function<void()> run);
  // Runs `what` on a node at `when`, or after its stall; not if that life has ended.
  void on_node(std::size_t index, Instant when, int rank, std::function<void()> what);
  void boot(std::size_t index, std::optional<std::size_t> seed);
  void arm(std::size_t index);
  void carry_out(std::size_t index, Output& out);
  void transmit(std::size_t from, std::size_t to, Bytes payload, int kind, bool rehandshake);
  void handshake(std::size_t from, std::size_t to, int tries);
  void deliver(std::size_t from, std::size_t to, const Bytes& payload);
  std::size_t index_of(const NodeId& id) const { return by_id_.at(id); }
  bool lost(std::size_t from, std::size_t to);
  Duration latency();
  Now stamp() const { return {now_, {}}; }
  void take_event(std::size_t index, const gossip::Event& event);

  MeshOptions options_;
  CheapProvider provider_;
  RecordCache cache_;
  Rng rng_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<NodeId, std::size_t> by_id_;
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0;
  Instant now_{Duration(1'000'000)};
  Traffic traffic_;
  std::vector<Failure> failures_;
  std::uint64_t own_records_seen_ = 0;
  std::uint64_t syncs_ok_ = 0;
  std::uint64_t syncs_failed_ = 0;
  std::uint64_t trace_ = 0;
};

}  // namespace weft::gossip::test
