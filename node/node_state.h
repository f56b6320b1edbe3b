// The inside of NodeCore, shared by its five files and by nothing else:
//   node_core.cc     entry points, views, deadlines
//   node_send.cc     carries out what dht and membership ask for: seal, retransmit, persist, tell
//   node_receive.cc  from a datagram to the right handler
//   node_life.cc     start, own record, join, leave, twins
//   node_shared.cc   shared state: operations, and what it asks for
#pragma once

#include "crypto/timer_queue.h"
#include "node/codec.h"
#include "node/node_core.h"
#include "node/own_record.h"
#include "node/peer_stats.h"
#include "node/requests.h"
#include "node/served.h"
#include "node/store_rows.h"

namespace weft::node {

inline constexpr std::size_t kSeedsPerJoin = 32;
inline constexpr std::size_t kJoinsMax = 8;
inline constexpr std::size_t kPingOpsMax = 1024;
// Once a call of on_deadline has sent so much, what else is due is left to the next.
inline constexpr std::size_t kSendsPerDeadline = 8;
inline constexpr Duration kHelloRetry = 500ms;
inline constexpr Duration kJoinDeadline = 10s;
inline constexpr std::size_t kLeaveFanout = 8;      // members told of it directly
inline constexpr Duration kHandOverDeadline = 800ms;  // of a leaver's values, before its goodbye
inline constexpr Duration kLeaveSpread = 300ms;     // lets the goodbye travel
inline constexpr Duration kLeaveDeadline = 1500ms;  // even if the store hangs; from the goodbye on
inline constexpr Duration kSeedsFirst = 1s;         // back-off of SeedsWanted
inline constexpr Duration kSeedsMax = 30s;
inline constexpr Duration kCompany = 2min;  // who hears nobody for so long, and has no members, asks its seeds
inline constexpr Duration kMemberFlush = 5s;        // members are written in batches
inline constexpr std::size_t kMemberFlushMax = 256;
inline constexpr Duration kPersistRetry = 2s;       // own number after a failing store
// How long after a twin was met it is looked at again: by one that joined a mesh which showed the
// key already, and by one that was there first (longer, so that the other has stopped by then).
inline constexpr Duration kTwinRecheckNewcomer = 1s;
inline constexpr Duration kTwinRecheckSettled = 5s;
inline constexpr Duration kTwinTry = 300ms;  // for each endpoint of its record
// A node that nobody let in, since others came to it, is in the mesh this long after the first.
inline constexpr Duration kSettle = 2s;

struct NodeCore::State {
  State(Config config_in, Stored stored, Now now, Deps deps_in);

  // ---- node_send.cc
  // Carries out everything the cores have asked for, until they ask for nothing more.
  void drain(Now now, Output& out);
  void carry_out_dht(Now now, Output& out);
  // Whether it is told whom we know (dht/known.h): a member whose record says that it reads that. Without membership all are taken to.
  bool takes_known(const NodeId& peer) const;
  void carry_out_membership(Now now, Output& out);
  void carry_out_state(Now now, Output& out);
  // Once and without an answer: in the session with the peer, or with a handshake.
  template <class M>
  void send_once(Now now, const Target& to, const M& message, Output& out);
  void send_once(Now now, const Target& to, ByteView payload, Output& out);
  template <class M>
  void request(Now now, RequestInfo info, const M& message, Output& out);
  void transmit(Now now, RequestTable::Request& r, bool fresh_handshake, Output& out);
  void wrap_traced(const dht::TraceContext& context, RequestTable::Request& r);
  Duration patience_of_one(const RequestTable::Request& r) const;
  bool pick_endpoint(Now now, RequestTable::Request& r);
  template <class M>
  void reply_in_session(Now now, const ReplyTo& to, const M& message, Output& out);
  void on_request_timer(Now now, std::uint32_t rpc, Output& out);
  void tell_slow(Now now, const RequestTable::Request& r, Output& out);
  void give_up(Now now, RequestTable::Request& r, bool unsent, Output& out);
  void on_event(Now now, dht::Event& event, Output& out);
  void on_event(Now now, gossip::Event& event, Output& out);
  void on_member_changed(Now now, const gossip::MemberChanged& change);
  // Its row is written, or erased, before long.
  void keep_member(Now now, const NodeId& id, bool erase);

  // ---- node_receive.cc
  void on_result(Now now, const Sessions::Result& result, Output& out);
  void on_payload(Now now, const Sessions::Received& received, Output& out);
  void on_request(Now now, const Asker& asker, std::uint8_t kind, Reader& r, Output& out);
  void on_answer(Now now, const Contact& from, const Head& head, Reader& r, Output& out);
  template <class M>
  void answer(Now now, const Asker& asker, const M& message, Output& out);
  template <class M>
  bool decoded(Reader& r, M& message);
  void count(Drop drop) { ++status_.drops[static_cast<std::size_t>(drop)]; }

  // ---- node_life.cc
  struct SeedTry {
    Seed seed;
    std::optional<Contact> contact;  // known since its record came
    std::uint64_t hello_id = 0;
    bool settled = false;
    bool joined = false;
    Instant next_hello;
  };
  struct JoinOp {
    OpId op{};
    std::vector<SeedTry> seeds;
    Instant deadline;
    TimerQueue::Handle timer;
  };
  void want_record(Now now, Output& out);
  void on_number_durable(Now now, bool ok, Output& out);
  void become_ready(Now now, Output& out);
  void start_join(Now now, OpId op, std::span<const Seed> seeds, Output& out);
  void on_join_timer(Now now, OpId op, Output& out);
  void on_seed_record(Now now, const Sessions::Result& result, Output& out);
  void on_sync_done(Now now, const gossip::SyncDone& done, Output& out);
  void finish_join_if_settled(Now now, JoinOp& join, Output& out);
  void arm_seeds(Now now);
  bool has_company(Now now) const;
  void on_seeds_timer(Now now, Output& out);
  void start_leave(Now now, OpId op, Output& out);
  void say_goodbye(Now now, Output& out);
  void finish_leave(Now now, Output& out);
  void flush_members(Output& out);
  // A record under our key and with another instance was shown: to us by a seed that is asked for
  // its own (at `seed`), or by somebody else.
  void on_own_record_seen(Now now, const RecordRef& seen, const std::optional<Endpoint>& seed,
                          Output& out);
  void try_twin(Now now, Output& out);
  void on_twin_timer(Now now, Output& out);
  void on_twin(Now now, const Endpoint& at, Output& out);
  bool in_mesh(Now now) const { return in_mesh_from && now.mono >= *in_mesh_from; }

  // Books what left since the outbox had `before` datagrams.
  void count_sent(const Output& out, std::size_t before) {
    const auto& all = out.send.datagrams();
    for (std::size_t i = before; i < all.size(); ++i) {
      status_.sent_bytes += all[i].size;
      ++status_.sent_packets;
    }
  }
  std::optional<Target> target_for(const NodeId& node) const;
  // Starts an operation of shared state: `begin` is called with its id, unless the node is not up.
  template <class Begin>
  OpId state_op(Now now, Output& out, Begin begin);
  std::size_t alive() const;
  // Whether a peer's record says that it takes what came with protocol minor 2.
  bool speaks_state(const NodeId& peer) const;
  void greet_some(Now now);

  // Timers of the core: a kind in the top byte of the tag, a number below.
  enum class Timer : std::uint8_t { kRequest = 1, kJoin, kSeeds, kFlush, kLeave, kNumber, kTwin, kHandOver };
  static TimerQueue::Tag tag(Timer kind, std::uint64_t number = 0) {
    return static_cast<std::uint64_t>(kind) << 56 | number;
  }
  void on_timer(Now now, TimerQueue::Tag fired, Output& out);

  // Of users' puts, gets and lookups that are under way; of no more than the DHT takes.
  std::map<OpId, Instant> op_began;
  OpId next_op() { return static_cast<OpId>(++ops_); }
  Ticket core_ticket(std::uint64_t inner, std::uint64_t module) {
    return static_cast<Ticket>(inner << 2 | module);
  }
  static constexpr std::uint64_t kTicketState = 0;
  static constexpr std::uint64_t kTicketDht = 1;
  static constexpr std::uint64_t kTicketNumber = 2;
  static constexpr std::uint64_t kTicketMembers = 3;

  Config config;
  Deps deps;
  Rng rng;
  Instant last_now;
  Instant started;
  Sessions sessions;
  dht::Dht dht;
  std::unique_ptr<gossip::Membership> membership;  // from Ready on
  state::State shared;
  OwnRecord own;
  PeerStats peers;
  RequestTable requests;
  ServedLog served;
  Flow flow;
  TimerQueue timers;
  std::vector<RecordRef> stored_members;

  dht::Output dht_out, dht_work;
  gossip::Output gossip_out, gossip_work;
  state::Output state_out, state_work;
  std::vector<RequestTag> untold;             // of the DHT, that were not sent at all
  std::vector<RequestTag> untold_state;
  std::vector<std::uint32_t> failed_at_once;  // rpc ids that found no address

  std::vector<JoinOp> joins;
  std::map<NodeId, bool> dirty_members;  // true: erase the row
  bool flush_armed = false;
  bool seeds_armed = false;
  Duration seeds_backoff = kSeedsFirst;
  std::optional<Instant> in_mesh_from;
  // The other process with our key, if any: the latest instance that was shown to us.
  struct Twin {
    std::uint64_t instance = 0;
    bool was_first = false;  // its record was there before we were in the mesh
    InlineVec<Endpoint, kRecordEndpointsMax> untried;
    std::optional<Instant> met;  // it proved our key at `at`
    Endpoint at;
    TimerQueue::Handle timer;
  };
  std::optional<Twin> twin;
  std::optional<OpId> leaving;
  bool handing_over = false;  // a leaver that has not begun its goodbye
  bool goodbye_said = false;
  bool left = false;
  std::uint64_t ops_ = 0;
  std::uint64_t tickets_ = 0;
  Status status_;
  std::size_t early_answers = 0;  // responses given to early data so far
  ByteArray<kDatagramBytesMax> scratch{};
};

}  // namespace weft::node
