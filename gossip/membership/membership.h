// Who is alive: SWIM (Das, Gupta, Motivala, DSN 2002) with own verdicts, over records that only
// their owner can sign. No I/O.
//
// Rules that hold whatever liars do:
// - Only a record signed by the member makes it known, changes it, or makes it leave.
// - A suspicion that its accuser signed starts or shortens my clock; it never ends it, and one accuser starts only so many. `failed` needs the full
//   suspicion time here and my own direct and indirect probes, at a random point in it, unanswered.
// - An answer to my own probe, or a handshake with me, makes the member alive here at the same
//   number. A suspicion that names a number above the newest signed record is dropped.
// - Everything is bounded: members, suspicions, accusers, the broadcast queue, probes under way.
#pragma once

#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "crypto/effects.h"
#include "crypto/rng.h"
#include "gossip/membership/messages.h"

namespace weft::gossip {

// What keeps the living from being called failed, part by part. A node has all of it; experiments switch parts off to see what
// each is worth (docs/EXPERIMENTS.md).
struct Parts {
  bool tries = true;       // a probe's ping goes out again while an answer may come in time
  bool nacks = true;       // a relay says that it got no answer; else every silent probe counts against our own health
  bool buddy = true;       // a ping to the accused carries the accusation
  bool shortening = true;  // the clock is suspicion_max, and shorter with accusers; else suspicion_min at once
  // An answer clears a suspicion here, and `failed` needs an own probe within the clock; else suspects stay in the round robin, only
  // a new number clears them, and the clock's end is a verdict.
  bool own_probe = true;
  bool proofs = true;      // an answer outweighs accusations for two intervals
  bool burst = true;       // probes come sooner while three or more are suspect
  bool forming = true;     // while many members are new here, the clock is suspicion_max, whoever else accuses
  bool stalls = true;      // what the own loop stood still for is not held against others
  bool credit = true;      // an accuser sets only so much in motion (accusation.h)
};

struct Config {
  Duration probe_interval = 1s;
  Duration gossip_interval = 200ms;  // ticks only while there is something to spread
  std::size_t gossip_fanout = 3;
  std::size_t indirect_probes = 3;
  std::size_t retransmit_factor = 4;  // times ceil(log10(n + 1)) sends per update
  Duration suspicion_min = 2s;
  Duration suspicion_max = 6s;
  std::size_t confirmations = 2;  // distinct accusers that shorten the clock to the minimum
  std::size_t health_max = 8;     // local health multiplier, Lifeguard
  Duration retry_failed = 2s;     // one failed member at a time, jittered
  std::size_t retry_sharers = 32;  // from so many live members on, all together try at a constant rate
  Duration forget_failed = 72h;
  std::size_t members_max = 20000;
  std::size_t queue_max = 4096;   // updates waiting to be spread
  Duration refute_interval = 1s;  // at most one new own number in this time
  Parts parts;
  bool alone = false;             // knows nobody, asks nobody: for meshes that are a DHT and no more
};

enum class MemberState : std::uint8_t { kAlive, kSuspect, kFailed, kLeft };
std::string_view to_string(MemberState state);

struct MemberView {
  RecordRef record;
  MemberState state = MemberState::kAlive;
  Instant since;
  std::optional<Duration> rtt;  // smoothed, of our own probes
  Endpoint address;             // proven if we have talked, else the record's first
};

// Exactly the transitions of the listed state. A member seen for the first time has is_new and
// from == to: alive, or left if only its leaving record reached us. A member of an earlier life
// (restore) is new when it is first alive. A new record of an alive member is no transition.
struct MemberChanged {
  RecordRef record;
  MemberState from = MemberState::kAlive;
  MemberState to = MemberState::kAlive;
  bool is_new = false;  // first seen
};
// Somebody suspects us, or shows our record at a number not below ours: a record with a number
// above `above` is wanted. NodeCore signs it, makes the number durable, then calls set_self.
struct NumberWanted {
  std::uint64_t above = 0;
};
// A record signed with our key and another instance is in the mesh: a former life, or a twin.
// NodeCore finds out which by a handshake to its endpoints.
struct OwnRecordSeen {
  RecordRef record;
};
// The full exchange with `peer` that join() started has ended.
struct SyncDone {
  NodeId peer;
  bool ok = false;
};
// Failed or left for long, or the one that gave way to another: what is kept of it may go.
struct MemberForgotten {
  NodeId id;
};
using Event = std::variant<MemberChanged, NumberWanted, OwnRecordSeen, SyncDone, MemberForgotten>;

// Messages in requests hold views into the member table: valid until the next call.
struct Request {
  RequestTag tag{};
  Target to;
  std::variant<Ping, PingReq, Sync> message;
  // The request is given up (on_timeout) this long after it was sent; NodeCore retransmits once
  // within, by its estimate of the round trip, and calls on_slow then.
  Duration patience{};
  // A probe that decides about life may handshake anew when the session stays silent.
  bool may_rehandshake = true;
  // NodeCore sends it once.
  bool once = false;
  // Somebody says that it lives: an address that was silent is tried again sooner.
  bool look_again = false;
};
struct Reply {
  ReplyTo to;
  PingReqReply message;
};
struct Send {  // no answer expected
  Target to;
  Gossip message;
};
struct Output {
  std::vector<Request> requests;
  std::vector<Reply> replies;
  std::vector<Send> sends;
  std::vector<Event> events;
  void clear() {
    requests.clear();
    replies.clear();
    sends.clear();
    events.clear();
  }
};

struct Stats {
  std::size_t alive = 0, suspect = 0, failed = 0, left = 0;  // alive includes the node itself
  std::size_t queue = 0;
  std::size_t health = 0;  // 0: well
  std::uint64_t probes_total = 0;
  std::uint64_t probe_failures_total = 0;
  std::uint64_t refutations_total = 0;
  std::uint64_t suspicions_total = 0;
  std::uint64_t suspicions_dropped_total = 0;
  std::uint64_t records_refused_total = 0;
  std::uint64_t syncs_total = 0;
  std::uint64_t queue_dropped_total = 0;
};

class Membership {
 public:
  // `self` is the own signed record, of `identity`, which signs suspicions; `identity` and `records` must outlive the object.
  Membership(const Identity& identity, RecordRef self, RecordCache& records, Rng rng, Config config, Now now);
  ~Membership();

  // The own record changed (new number, endpoints, tags, or leaving): spreads it.
  void set_self(Now now, RecordRef self, Output& out);
  // Members of an earlier life, tried again one at a time (their records were verified).
  void restore(Now now, const RecordRef& record);
  // Full exchange with a peer whose key is proven (a seed, or after a split). One SyncDone follows.
  void join(Now now, const Contact& peer, Output& out);
  // Sends the own leaving record to up to `fanout` alive and suspect members at once (after
  // set_self with kLeft): those whose key we proved before the others, the alive before suspects.
  void spread_now(Now now, std::size_t fanout, Output& out);

  // The peer proved its key at this address (handshake done by us or an answer): evidence of life.
  // `ours`: we initiated the handshake; otherwise it only makes a failed member worth a probe.
  // An answer that came after its request was given up is worth the same as a handshake of ours.
  void heard_from(Now now, const Contact& peer, bool ours, Output& out);
  // The loop was late by this much (a stall of our own): deadlines that passed meanwhile are not
  // held against others. To be called before the time-outs and deadlines of the same wake-up, and
  // best after the datagrams that waited in the socket.
  void was_late(Now now, Duration by);

  // ---- served. Replies that need no wait are filled in; their views are valid until the next
  // call.
  void on_ping(Now now, const Asker& asker, const Ping& m, Ack& reply, Output& out);
  void on_ping_req(Now now, const Asker& asker, const PingReq& m, Output& out);
  void on_gossip(Now now, const Asker& asker, const Gossip& m, Output& out);
  void on_sync(Now now, const Asker& asker, const Sync& m, SyncPage& reply, Output& out);

  // ---- answers to own requests
  void on_ack(Now now, RequestTag tag, Duration rtt, const Contact& from, const Ack& m,
              Output& out);
  void on_ping_req_reply(Now now, RequestTag tag, const PingReqReply& m, Output& out);
  void on_sync_page(Now now, RequestTag tag, const Contact& from, const SyncPage& m, Output& out);
  void on_slow(Now now, RequestTag tag, Output& out);
  void on_timeout(Now now, RequestTag tag, Output& out);
  // In place of on_timeout: the request did not leave (no address that may be tried now, too many requests).
  void on_unsent(Now now, RequestTag tag, Output& out);

  void on_deadline(Now now, Output& out);
  std::optional<Instant> next_deadline();

  // ---- views
  const RecordRef& self() const;
  // nullopt for a stranger. The node itself is a member, always alive.
  std::optional<MemberView> find(const NodeId& id) const;
  void for_each(const std::function<void(const MemberView&)>& visit) const;  // by id
  Stats stats() const;
  // The digest that pings and acks carry: of the signed facts held (not of local verdicts).
  std::uint64_t facts_digest() const;
  std::uint64_t digest() const;  // of all protocol-relevant state, canonical

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::gossip
