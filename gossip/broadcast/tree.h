// Spreading of messages among the nodes of one topic: each gets a payload about once, along a tree that heals itself. No I/O, and
// nothing is known of what a message is: it has an id, and the owner finds the payload to an id and knows which ids are here.
//
// Plumtree (Leitao, Pereira, Rodrigues, "Epidemic Broadcast Trees", SRDS 2007): a node pushes a new message to its eager neighbours at
// once and announces it to the lazy ones a little later (IHAVE). Who gets a message twice turns the second link lazy (PRUNE); who hears
// of one that does not come asks an announcer for it (GRAFT) and, if that was no accident, turns the link eager. Different from the paper:
//
// - Eager at first is nobody but the uplink (candidates.h), so the first message finds a tree and need not make one out of a flood, and a
//   hundred first messages at once find the same. Links of that tree are home links. One that delivers late is
//   pruned only after kStrikesMax messages in a row; until then it is the detour beside it that goes. So many messages at once, each of which
//   would cut the cycle it finds at another place, do not cut the tree to pieces; and the depth stays that of a heap.
// - The first kLateMax - 1 messages that do not come are only asked for. A lost datagram needs no other tree.
// - How long an announced message is waited for follows from what the tree takes, measured: kLagStart at first.
// - Announcements go to all lazy neighbours that are not known to have the message, and once more after kRepeatDelay to those who still
//   are not. So a lossy link delays, and a message is missed only where all announcers' datagrams are lost twice.
//
// Invariants: a neighbour is eager or lazy, never both; both sides agree about a link after the next message over it; a peer is
// never sent what it sent; nothing is forwarded but what the owner accepted, and nothing twice to one but for a graft.
//
// Bounds, at each node and topic: kNeighboursMax neighbours, kCandidatesMax candidates, kRecentMax messages that can be asked for,
// kMissingPerPeer missing ones a neighbour: 0.2 MB, 1 MB while all neighbours lie. One kAnnouncementsMax announcement datagram and one timer
// serve any number of messages within kAnnounceDelay.
//
// What a liar can do. It announces what never comes: at most kMissingPerPeer ids at a time, each asked for kTriesMax times at
// most, from others too if they announce it; after kInVainMax unanswered grafts the link ends for kBan. It grafts everything: a payload
// more for each that was new here, and kCreditStart at once. It prunes everybody: it gets announcements. It withholds what it should
// push: its neighbours ask others, and after kLateMax messages they have another eager link. It sends old messages
// late: see home links. It asks everybody to be its neighbour: kNeighboursMax - kChosenMin at each, and kAdmitBurst in a while. It names
// candidates: the owner passes on only those that it knows alive, and they get no more than their share of the sample. None of
// this stops a message from coming by another neighbour, or at last by anti-entropy.
//
// Costs, without loss: n - 1 payloads a message; one announcement of 17 bytes a lazy link and direction (about 5.5 a node). While nobody
// writes, at most a word about links in kSpareMax at each node, and one in kLookMax at the root.
//
// One thread. The object owns all that it keeps; views are valid until the next call that is not const.
#pragma once

#include <span>

#include "gossip/broadcast/missing.h"
#include "gossip/broadcast/recent.h"

namespace weft::broadcast {

inline constexpr Duration kAnnounceDelay = 30ms;  // announcements that come within it share a datagram
inline constexpr Duration kRepeatDelay = 400ms;   // then once more to who has neither sent nor announced it to us
inline constexpr Duration kCrossing = 150ms;      // what a peer said may cross what we said so long ago, or two round trips
inline constexpr Duration kPatienceMin = 40ms;    // for an answer, however near the peer is: the owner may gather pushes
inline constexpr Duration kAnswerMax = 500ms;     // a payload that comes later is no answer to a graft
inline constexpr Duration kDueSlack = 10ms;       // grafts that are due within it share datagrams
inline constexpr Duration kRoundTripMax = 500ms;  // who is farther is treated as if it were not

// How long after its announcement a message may come by the tree: the longest time of the last window, kLagHopsMax hops at most.
inline constexpr int kLagStart = 4;  // round trips, before anything was measured
inline constexpr std::uint32_t kLagHopsMax = 12;
inline constexpr Duration kLagWindow = 30s;  // and kLagSamples, whichever is longer
inline constexpr std::uint32_t kLagSamples = 64;

inline constexpr std::uint32_t kLateMax = 2;        // messages in a row that had to be asked for: then an eager link is wanted
inline constexpr Duration kRelinkInterval = 500ms;  // one in it: a hundred that are late at once have one reason
inline constexpr Duration kPruneInterval = 500ms;   // between two to one peer: what is under way is no news
inline constexpr std::uint32_t kStrikesMax = 4;     // messages in a row that a home link brought late
inline constexpr std::uint64_t kStrikeGap = 2;      // between two that count as in a row
inline constexpr Duration kStrikeInterval = 1s;     // one in it
inline constexpr std::uint32_t kInVainMax = 32;

struct Config {
  std::uint64_t topic = 0;     // the same on all nodes of the topic, another for other topics
  Duration round_trip = 50ms;  // of links of which the owner has told nothing
};

// An announcement as it came, and whether its message is here.
struct Heard {
  MessageId id{};
  std::uint32_t hops = 0;
  bool here = false;
};

struct Stats {
  std::size_t neighbours = 0;
  std::size_t eager = 0;
  std::size_t candidates = 0;
  std::size_t missing = 0;  // announced and not here
  std::uint64_t accepted_total = 0;
  std::uint64_t duplicates_total = 0;
  std::uint64_t pushes_total = 0;
  std::uint64_t announced_total = 0;              // ids, to each neighbour
  std::uint64_t announcements_refused_total = 0;  // kMissingPerPeer
  std::uint64_t grafts_total = 0;                 // ids that we asked for
  std::uint64_t relinks_total = 0;                // of them with an eager link
  std::uint64_t grafts_served_total = 0;
  std::uint64_t grafts_refused_total = 0;  // not here lately, the asker's own, or no credit
  std::uint64_t prunes_total = 0;
  std::uint64_t prunes_held_total = 0;  // kPruneInterval, or the last eager link
  std::uint64_t given_up_total = 0;     // ids that no announcer sent
  std::uint64_t banned_total = 0;       // links ended for kInVainMax
  LinkStats links;
};

class Tree {
 public:
  Tree(const NodeId& self, Rng rng, const Config& config);

  // ---- peers
  // Somebody who is alive and holds the topic. May be told any number of times; ourselves are not taken.
  void add_candidate(Now now, const NodeId& peer);
  // Measured by the owner; nothing if it is no neighbour.
  void set_round_trip(const NodeId& peer, Duration round_trip);
  // Not alive, or holds the topic no more: it is nobody's neighbour from now on and is told nothing.
  void peer_gone(Now now, const NodeId& peer);
  // Takes leave of all neighbours; to be destroyed then.
  void leave(Output& out);

  // ---- messages. Each is told once, by the first of these three that is true.
  // We wrote it.
  void originate(Now now, const MessageId& id, Output& out);
  // It came in a push of `from`, was verified, and was new here. `hops` as the push said.
  void accepted(Now now, const MessageId& id, const NodeId& from, std::uint32_t hops, Output& out);
  // It is here, by anti-entropy: not missing any more, not pushed, not announced.
  void arrived_otherwise(const MessageId& id);
  // It came in a push of `from` and was here already, whatever way it had come. What was refused is told by none of these.
  void duplicate(Now now, const MessageId& id, const NodeId& from, std::uint32_t hops, Output& out);

  // ---- what peers say. The peer's key is proven. Lists beyond their limits are cut off.
  void on_ihave(Now now, const NodeId& from, std::span<const Heard> heard, Output& out);
  void on_graft(Now now, const NodeId& from, bool eager, std::span<const MessageId> ids, Output& out);
  void on_prune(Now now, const NodeId& from, Output& out);
  // `others`: those of the word's that the owner knows alive.
  void on_link(Now now, const NodeId& from, LinkStep step, std::span<const NodeId> others, Output& out);

  // May be called early, late or twice.
  void on_deadline(Now now, Output& out);
  std::optional<Instant> next_deadline() const;

  // ---- views
  const Links& links() const { return links_; }
  Stats stats() const;

 private:
  Duration round_trip(Place place) const;
  Duration slowest_round_trip() const;
  Duration crossing(Place place) const;
  // How long an announcement of this neighbour is given to become a push of anybody.
  Duration patience(Place place);
  void note_lag(Now now, Instant heard_at, std::uint32_t hops, std::uint32_t announced_hops);
  // Keeps a new message, pushes it, and has it announced.
  void spread(Now now, const Recent& recent, Output& out);
  // Those numbered from <= number < to, to one neighbour.
  void announce(Place place, std::uint64_t from, std::uint64_t to, Output& out);
  void announce_lazy(std::uint64_t from, std::uint64_t to, Output& out);
  void on_home_duplicate(Now now, const Recent& recent, Place place, Output& out);
  void prune(Now now, Place place, Output& out);
  // Asks the next announcer, or gives up.
  void ask(Now now, const MessageId& id, Output& out);
  std::optional<Place> choose(Missing& missing) const;
  // Counts a graft that was not answered; the neighbour may be none any more then.
  void on_silence(Now now, Place place, Output& out);
  void make_eager(Now now, Place place);
  // To be called after whatever may have ended a link.
  void forget_freed();

  NodeId self_;
  Config config_;
  Rng rng_;
  Links links_;
  RecentLog recent_;
  MissingTable missing_;
  Duration lag_;                // of the last window, and of this one if that is more
  Duration lag_next_{};         // of this window
  std::uint32_t lags_ = 0;      // samples in this window
  Instant lags_since_;
  std::uint32_t late_ = 0;      // messages in a row that had to be asked for
  std::optional<Instant> relinked_at_;
  std::uint64_t announced_ = 0;  // numbers below are announced
  std::uint64_t repeated_ = 0;   // numbers below are announced twice
  std::optional<Instant> announce_at_;
  Stats stats_;
};

}  // namespace weft::broadcast
