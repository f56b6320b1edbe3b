// The inside of Membership, shared by its parts and nobody else:
//
//   membership.cc  the public calls and the timers
//   facts.cc       what changes the table: records, suspicions, proofs of life, the own number
//   probing.cc     probe rounds, suspicion clocks, relays, rechecks, retries
//   exchange.cc    gossip messages, and full exchanges asked and served
//
// State is wiring: each decision lives in a small part of its own (suspicion.h, probe.h, sync.h,
// broadcast_queue.h, awareness.h), which is tested alone.
#pragma once

#include <map>

#include "crypto/sessions.h"
#include "crypto/timer_queue.h"
#include "gossip/membership/awareness.h"
#include "gossip/membership/broadcast_queue.h"
#include "gossip/membership/forming.h"
#include "gossip/membership/member_table.h"
#include "gossip/membership/membership.h"
#include "gossip/membership/probe.h"
#include "gossip/membership/probe_order.h"
#include "gossip/membership/requests.h"
#include "gossip/membership/retry.h"
#include "gossip/membership/suspicion.h"
#include "gossip/membership/sync.h"

namespace weft::gossip {

// ---- limits
inline constexpr std::size_t kRelaysPerProbeMax = 8;  // Config::indirect_probes is capped by it
inline constexpr std::size_t kVerifyMax = 64;         // own probes of suspicions under way
inline constexpr Duration kVerifySpacing = 5ms;       // between two of them
inline constexpr std::size_t kOwnSuspicionsMax = 4;   // started by own probes, per probe interval
inline constexpr std::size_t kRelayedMax = 64;        // probes under way for others
inline constexpr std::size_t kRelayAskersMax = 4;     // that wait for one of them
inline constexpr std::size_t kSyncJobsMax = 8;
inline constexpr std::size_t kSyncTriesMax = 3;      // of one page
inline constexpr std::size_t kSyncPagesMax = 16384;  // of one exchange
inline constexpr std::size_t kSyncExtra = 3;         // datagrams beside a newcomer's page
// Suspects that are told beside an answer: of one accuser no more are heard than its credit. In so many datagrams at most.
inline constexpr std::size_t kSuspectsHandedMax = kCreditMax;
inline constexpr std::size_t kSuspectDatagramsMax = 4;
inline constexpr std::size_t kPushDatagramsMax = 8;  // after one page
// A peer that agrees with us has seen the mesh, and has not just started as we have, if of those that an earlier life knew no more are
// missing than one for so many that live.
inline constexpr std::size_t kMissedShare = 3;
inline constexpr std::size_t kGossipFanoutMax = 8;
// Accusations are urgent, and few fit into a datagram: so many datagrams' worth to each peer while one comes next (one more if large
// records leave gaps).
inline constexpr std::size_t kAccusingDatagrams = 2;
inline constexpr std::size_t kAcquainted = 32;  // proven keys from which on gossip goes to no strangers
// ---- pace
// Three or more suspects at once: probably more are dead, so look sooner.
inline constexpr std::size_t kAlarmSuspects = 3;
inline constexpr Duration kFirstGossipDelay = 10ms;  // collects what arrives together
inline constexpr Duration kQuiet = 500ms;            // no news for so long: gossip has settled
inline constexpr Duration kMismatchPatience = 2s;    // digests differ for so long: do not wait
// So many peers in a row hold just what we hold: what waits to be spread is no news to anybody.
inline constexpr std::size_t kAgreementsEnough = 3;
inline constexpr Duration kSyncAgain = 1s;
inline constexpr Duration kSyncBackoffMax = 60s;
inline constexpr Duration kForgetLeft = 24h;
inline constexpr Duration kSweepEvery = 10min;

struct Round {
  ProbeRound probe;
  Slot slot = kNoSlot;
  bool used = false;
  std::optional<NodeId> claimant;
  InlineVec<RequestTag, 1 + kRelaysPerProbeMax> tags;
};

struct Relay {
  Slot slot = kNoSlot;
  bool used = false;
  InlineVec<ReplyTo, kRelayAskersMax> askers;
};

struct SyncJob {
  std::uint32_t id = 0;
  Contact peer;
  std::size_t joins = 0;  // SyncDone events owed
  bool newcomer = false;  // asks with zeros, is not gossiped on, pushes nothing but itself
  std::optional<NodeId> after;
  MemberTable::Buckets sent;
  std::size_t tries = 0;
  std::size_t pages = 0;
  std::size_t news = 0;
  RequestTag tag{};
};

struct Suspected {
  SuspicionClock clock;
  TimerQueue::Handle timer;
  Suspicion first;               // as its accuser signed it
  std::optional<Suspicion> own;  // signed when first needed
};

struct Membership::State {
  State(const Identity& own_identity, RecordRef own, RecordCache& cache, Rng rng, const Config& settings, Now now);

  // What applying one item came to.
  enum class Applied : std::uint8_t { kNews, kSame, kStale, kOwn, kIgnored, kRefused };
  struct Source {
    NodeId peer;
    bool spread = true;  // pass news on by gossip
  };

  // ---- facts.cc
  // Applies items in order; stops at a record whose signature is wrong. Ids of the records seen go
  // to `seen` if given; slots whose record here is newer to `stale`.
  struct Seen {
    SeenIds ids;
    InlineVec<Slot, kGossipItemsMax> stale;
    bool self_stale = false;  // our own record or a suspicion of us, below our number
    std::size_t news = 0;
  };
  void apply(Now now, const GossipItems& items, const Source& source, Seen& seen, Output& out);
  Applied apply_record(Now now, ByteView wire, const Source& source, Seen& seen, Output& out);
  Applied apply_suspicion(Now now, const Suspicion& s, Output& out);
  Applied apply_own_suspicion(Now now, const Suspicion& s, Output& out);
  // Whether the accuser may set something in motion; takes its credit if so. kNews: it may.
  Applied charge(Now now, Slot accuser, const Suspicion& s);
  bool genuine(Slot accuser, const Suspicion& s) const;
  Applied forged();  // counts it; the rest of its message is not heard
  // Ours of that member, at the number that we hold. Of a suspect it is signed once.
  GossipItem own_suspicion(Slot slot);
  bool takes_suspicions(Slot slot) const { return table[slot].record->minor >= kSuspicionMinor; }
  Applied apply_own(Now now, ByteView wire, std::uint64_t number, Output& out);
  void admit_unknown(Now now, const RecordRef& record, const Source& source, Output& out);
  void replace(Now now, Slot slot, const RecordRef& record, const Source& source, Output& out);
  void move_to(Now now, Slot slot, MemberState to, Output& out);
  void note_arrival(Now now, Member& member);
  void announce_new(Now now, Slot slot, Output& out);
  void proof_of_life(Now now, Slot slot, Output& out);
  void note_address(Slot slot, const Endpoint& endpoint);
  void note_rtt(Slot slot, Duration rtt);
  Duration rtt_of_the_slow{};  // the largest of the last round trips, decaying; 0: none yet
  // The member spoke to us: not a proof that counts, but worth a probe if we doubted it.
  void spoke(Now now, Slot slot, Output& out);
  // An ack tells another number or instance than the record that we hold: show it.
  void show_own_record(Slot slot, const Ack& m, Output& out);
  void want_number(Now now, std::uint64_t above, Output& out);
  void on_refute_timer(Now now, Output& out);
  void suspect(Now now, Slot slot, const Suspicion& s, Output& out);
  void accuse(Now now, Slot slot, const Suspicion& s);
  void confirm(Now now, Slot slot);  // accuse, in our own name
  bool may_recheck(Now now, const Member& member) const {
    return !member.recheck_queued && member.rounds == 0 && now.mono >= member.recheck_after;
  }
  bool make_room(Output* out);
  void forget(Slot slot, Output* out);
  void sweep(Now now, Output& out);

  // ---- probing.cc
  void on_probe_timer(Now now, Output& out);
  bool start_round(Now now, Slot slot, ProbeKind kind, const std::optional<NodeId>& claimant,
                   Output& out);
  void ask_relays(Now now, std::uint32_t index, Output& out);
  void settle_round(Now now, std::uint32_t index, Output& out);
  void close_round(std::uint32_t index);
  void on_silent(Now now, const Round& round, Output& out);
  void on_verified_silent(Now now, Slot slot, bool is_void, Output& out);
  void step_suspicion(Now now, Slot slot, Output& out);
  void arm_suspicion(Now now, Slot slot);
  void recheck(Now now, Slot slot, const std::optional<NodeId>& claimant);
  void on_recheck_timer(Now now, Output& out);
  void on_retry_timer(Now now, Output& out);
  void arm_retry(Now now);
  void relay(Now now, const Asker& asker, const NodeId& target, Output& out);
  void end_relay(std::uint32_t index, bool answered, Output& out);
  void nack(const ReplyTo& to, Output& out) const;
  Ping make_ping(Slot slot, bool with_gossip);
  Target target(Slot slot) const;
  Duration patience(Slot slot) const;
  Duration relay_patience() const;
  std::size_t confirmations() const;
  Duration clock_length(const SuspicionClock& clock) const;
  bool is_forming(Now now) const { return config.parts.forming && forming.now_forming(now.mono, table.live()); }
  bool counts_as_sent(Now now, const Member& member) const;

  // ---- exchange.cc
  void on_gossip_timer(Now now, Output& out);
  void arm_gossip(Now now);
  std::size_t pick_peers(InlineVec<Slot, kGossipFanoutMax>& picked, std::size_t count);
  std::size_t pick_relays(InlineVec<Slot, kRelaysPerProbeMax>& picked, Slot subject);
  std::size_t transmit_limit() const;
  void compare_digests(Now now, const Contact& peer, std::uint64_t theirs, bool stranger,
                       Output& out);
  SyncJob* job_with(const NodeId& peer);
  void start_sync(Now now, const Contact& peer, std::size_t joins, Output& out);
  void send_sync(Now now, SyncJob& job, Output& out);
  void serve_sync(Now now, const Asker& asker, const Sync& m, SyncPage& reply, Output& out);
  // The asker takes whom a page lists for alive: it is told which of them are suspects.
  void hand_suspects(Slot asker, const MemberTable::Buckets& theirs, const PageRange& range, Output& out);
  void on_page(Now now, std::uint32_t id, const Contact& from, const SyncPage& m, Output& out);
  void push_missing(const SyncJob& job, const SyncPage& m, const Seen& seen, Output& out);
  void finish_sync(Now now, std::uint32_t id, bool ok, Output& out);
  void note_missed();  // peers hold just whom we hold
  void mark_missed(Member& member);
  void send_items(const Target& to, const GossipItems& items, Output& out);
  bool add_item(GossipItems& items, std::size_t& budget, const GossipItem& item) const;
  GossipItem record_item(Slot slot) const;

  // ---- timers
  enum Timer : std::uint64_t {
    kProbeTimer,
    kGossipTimer,
    kRetryTimer,
    kRecheckTimer,
    kSweepTimer,
    kRefuteTimer,
    kSuspicionTimer,  // the slot in the upper bits
  };
  void on_timer(Now now, TimerQueue::Tag tag, Output& out);

  bool is_self(const NodeId& id) const { return id == self->id; }
  // Keeps a replaced record alive for the views that the current output may hold.
  void retire(RecordRef record) { retired.push_back(std::move(record)); }
  // At the start of every call that writes to an output.
  void begin() { retired.clear(); }

  Config config;
  const Identity& identity;
  RecordCache& records;
  Rng order_rng;
  Rng peer_rng;
  Rng timer_rng;

  RecordRef self;
  Slot self_slot = kNoSlot;
  MemberTable table;
  ProbeOrder live;  // alive and suspect, without self
  ProbeOrder failed;
  BroadcastQueue queue;
  Awareness health;
  Forming forming;
  TimerQueue timers;
  RequestTable requests;
  std::vector<Round> rounds;
  std::vector<Relay> relays;
  std::size_t unheard = 0;  // failed, restored and not missed
  std::map<Slot, Suspected> suspicions;
  RecheckQueue rechecks;
  std::vector<SyncJob> jobs;
  std::vector<RecordRef> retired;

  std::size_t verifying = 0;
  Instant next_verify;
  Instant suspicion_period;  // start of the current one
  std::size_t suspicions_in_period = 0;
  std::optional<TimerQueue::Handle> gossip_timer;
  Instant last_gossip;
  bool retry_armed = false;
  bool recheck_armed = false;
  Instant next_recheck;

  std::optional<std::uint64_t> wanted_above;  // NumberWanted sent or due, not yet satisfied
  std::optional<Instant> last_wanted;
  bool refute_armed = false;
  std::optional<Instant> last_own_seen;

  Instant last_news;
  std::optional<Instant> mismatch_since;
  std::size_t agreements = 0;       // peers in a row whose digest equals...
  std::uint64_t agreed_digest = 0;  // ...this, ours at that time
  NodeId agreed_peer;               // the last of them: one peer counts once in a row
  Instant sync_not_before;
  Duration sync_backoff = kSyncAgain;
  std::uint64_t digest_at_sync = 0;
  std::uint32_t next_job = 1;

  Stats counters;  // the *_total fields
};

}  // namespace weft::gossip
