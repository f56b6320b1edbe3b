// The neighbours of one node in one topic: who they are, and to which of them it pushes. No I/O.
//
// A link is symmetric: it stands when one side asked and the other said yes, and it ends with one word (kNo). Datagrams get lost, so
// both sides may disagree for a while; then the first message over such a link is answered with kNo and the two agree again.
//
// - A node asks: one at random to be a lazy neighbour, which names others; its uplink (candidates.h) to be an eager one; and more at random
//   until kChosenMin are of its own choice and kDegreeMin in all. A graph where each has three neighbours of its own random choice is
//   connected but with a chance that vanishes with its size (Fenner, Frieze 1982); the uplinks alone make it one where all know all.
// - A node that is asked says yes while there is room, but for that of its own choices: whoever asks it cannot choose all of its
//   neighbours. When it is full, one whose uplink it is takes the place of a lazy guest.
// - Who has more than kDegreeEnough offers to end lazy links, and those that have enough too agree: a mesh that grew one by one has no more
//   links then than one that started at once.
// - Whether the uplink is still about the right one is looked at after kRehomeMin and then more and more seldom, so the tree of
//   a mesh that grew is that of one that started at once.
//
// Invariants: at most kNeighboursMax neighbours and kAskedMax questions; a neighbour is either eager or lazy; the place of a
// neighbour does not change while it is one.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <utility>

#include "crypto/rng.h"
#include "gossip/broadcast/candidates.h"
#include "gossip/broadcast/messages.h"

namespace weft::broadcast {

inline constexpr std::size_t kNeighboursMax = 16;
inline constexpr std::size_t kDegreeMin = 6;        // where there are so many candidates
inline constexpr std::size_t kChosenMin = 3;        // of them by ourselves, the uplink included
inline constexpr std::size_t kDegreeEnough = 8;     // who has more offers to end links
inline constexpr std::size_t kLazyRoom = 12;        // who has so many admits only those whose uplink it is
inline constexpr std::size_t kAskedMax = 2;         // at a time
inline constexpr int kLinkTries = 3;
inline constexpr Duration kLinkPatience = 250ms;    // for each
inline constexpr Duration kFirstFill = 300ms;       // after the first candidate: until then others are told, and the choice is better
inline constexpr Duration kFillInterval = 100ms;    // one question in it
inline constexpr Duration kPutOff = 10s;            // who had no room, did not answer or ended the link
inline constexpr Duration kBan = 5min;              // who did not send what it had announced, kInVainMax times
inline constexpr std::size_t kBannedMax = 16;       // the oldest gives way
inline constexpr Duration kLookMin = 1s;            // a node without an uplink asks neighbours whether there is a lower one:
inline constexpr Duration kLookMax = 64s;           // after so long, doubled each time
inline constexpr Duration kSpareMin = 4s;           // links are offered to be ended after so long, doubled each time
inline constexpr Duration kSpareMax = 256s;
inline constexpr Duration kRehomeMin = 4s;          // whether the uplink is still the right one is asked after so long, doubled each time
inline constexpr Duration kRehomeMax = 256s;
inline constexpr std::uint32_t kAdmitBurst = 16;    // newcomers that we say yes to
inline constexpr Duration kAdmitInterval = 250ms;   // and then one in this time
inline constexpr std::uint32_t kCreditStart = 16;   // payloads for the grafts of a newcomer
inline constexpr std::uint32_t kCreditMax = 512;

using Place = std::uint8_t;  // of a neighbour: 0 to kNeighboursMax - 1
using PlaceSet = std::uint16_t;
static_assert(kNeighboursMax <= 16);
inline constexpr PlaceSet bit(Place place) { return static_cast<PlaceSet>(1U << place); }

struct Neighbour {
  NodeId id;
  bool eager = false;
  bool ours = false;  // we chose it
  bool home = false;  // the uplink of one side
  std::uint32_t credit = kCreditStart;  // payloads for its grafts
  std::uint32_t in_vain = 0;            // grafts without an answer; an answer halves it
  std::optional<Duration> round_trip{};
  std::optional<Instant> eager_since{};
  std::optional<Instant> grafted_at{};  // when we last asked it to push
  std::optional<Instant> pruned_at{};   // when we last told it not to
  std::optional<Instant> asked_at{};    // when we last asked it for a message
  // Messages in a row that a home link brought and that were here: see Tree::duplicate.
  std::uint32_t strikes = 0;
  std::optional<Instant> struck_at{};
  std::uint64_t struck_by = 0;  // the number of the last of them
};

struct LinkStats {
  std::uint64_t asked_total = 0;
  std::uint64_t refused_total = 0;    // by us: no room, or too many newcomers
  std::uint64_t strangers_total = 0;  // messages of who is no neighbour, answered with kNo
};

class Links {
 public:
  Links(const NodeId& self, std::uint64_t topic, Rng rng);

  // Ourselves and those that are known already make no difference.
  void add_candidate(Now now, const NodeId& peer);
  // Not alive, or holds the topic no more.
  void gone(Now now, const NodeId& peer);
  // Ends the link for kBan.
  void ban(Now now, Place place, Output& out);
  // Ends all links, and asks nobody any more.
  void leave(Output& out);
  // The link is none of the tree of uplinks any more; if it was our uplink, another is chosen.
  void unhome(Now now, Place place);

  // What a peer said of a link.
  void on_link(Now now, const NodeId& from, LinkStep step, std::span<const NodeId> others, Output& out);
  // A message of a neighbour came from somebody who is none: tells it so.
  void on_stranger(const NodeId& from, Output& out);

  void on_deadline(Now now, Output& out);
  std::optional<Instant> next_deadline() const;

  // Places that neighbours have left since this was asked last; another may have one already.
  PlaceSet take_freed() { return std::exchange(freed_, PlaceSet{0}); }

  // ---- views
  std::optional<Place> find(const NodeId& id) const;
  bool used(Place place) const { return (used_ & bit(place)) != 0; }
  Neighbour& at(Place place) { return places_[place]; }
  const Neighbour& at(Place place) const { return places_[place]; }
  PlaceSet eager() const;
  std::size_t size() const;
  const Candidates& candidates() const { return candidates_; }
  std::optional<NodeId> uplink() const { return uplink_; }
  const LinkStats& stats() const { return stats_; }

 private:
  struct Asked {
    NodeId id;
    bool is_uplink = false;
    int tries = 0;
    Instant due;
  };
  struct Banned {
    NodeId id;
    Instant until;
  };
  // What is done again and again, and more seldom each time.
  struct Seldom {
    std::optional<Instant> at;
    Duration after{};
  };

  std::optional<std::size_t> find_asked(const NodeId& id) const;
  std::size_t chosen() const;  // how many neighbours are ours
  bool is_full() const { return size() + asked_.size() >= kNeighboursMax; }
  bool is_banned(Now now, const NodeId& id) const;

  // A neighbour more; there must be room. It is lazy.
  Place add(const NodeId& id, bool ours);
  void remove(Place place);
  // Tells it, and removes it.
  void end(Place place, Output& out);
  // The link is one of the tree of uplinks from now on.
  void make_home(Now now, Place place);
  // The same as our uplink; the one before becomes lazy.
  void set_uplink(Now now, Place place, Output& out);

  void on_ask(Now now, const NodeId& from, bool eager, Output& out);
  void on_yes(Now now, const NodeId& from, Output& out);
  void on_no(Now now, const NodeId& from);
  void on_spare(Now now, const NodeId& from, Output& out);
  // A word that names others.
  void say(const NodeId& to, LinkStep step, Output& out);
  bool has_room_for_guest(bool as_child) const;
  bool take_admission(Now now);
  // A lazy link that is not home, if there is one; of one who asked us, if `guests_only`.
  std::optional<Place> spare_place(bool guests_only) const;
  // Whether we would agree to end it.
  bool is_spare(Place place) const;
  std::optional<Place> random_place(bool spare_only);

  // Arms what is to be done if something is wanted.
  void want_more(Now now);
  bool wants_lazy() const;
  // Asks one.
  void fill(Now now, Output& out);
  std::optional<NodeId> choose_uplink(Now now);
  // Gives up a lazy link for the uplink's sake if there is no other way; false: there is none to give up.
  bool make_room(const NodeId& uplink, Output& out);
  void ask(Now now, const NodeId& peer, bool is_uplink, Output& out);
  void on_unanswered(Now now, Output& out);

  // Arms it: after `least` if it was not armed, else after twice the last time, at most `most`.
  void seldom(Now now, Seldom& what, Duration least, Duration most);
  // Asks a neighbour to name others, while we have no uplink.
  void look(Now now, Output& out);
  void offer_spare(Now now, Output& out);
  void rehome(Now now, Output& out);

  NodeId self_;
  Rng rng_;
  Candidates candidates_;
  std::array<Neighbour, kNeighboursMax> places_;
  PlaceSet used_ = 0;
  PlaceSet freed_ = 0;
  InlineVec<Asked, kAskedMax> asked_;
  InlineVec<Banned, kBannedMax> banned_;
  std::optional<NodeId> uplink_;  // a neighbour, or asked
  std::optional<Instant> fill_at_;
  Seldom look_;
  Seldom spare_;
  Seldom rehome_;
  std::size_t rehomed_of_ = 0;  // how many candidates there were then
  std::uint32_t admits_ = kAdmitBurst;
  Instant admits_since_;
  LinkStats stats_;
};

}  // namespace weft::broadcast
