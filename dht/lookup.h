// One iterative lookup as a pure value: whom to ask next, and when it is over. It sends nothing,
// waits for nothing and knows no time.
//
// Rules (Maymounkov, Mazieres 2002, section 2.3, with what later systems learned):
// - It ends when the `want` closest candidates that are not silent have answered. Whoever was asked
//   too long ago is set aside (on_slow): it no longer blocks the end and its slot is free; if it
//   answers while the lookup runs it counts like any other. Only while slow peers outnumber those
//   who answered does the lookup wait for them, because then they are all there is; and where fewer are
//   wanted than are asked at once, for those of the closest: nobody stands for the one that is missed.
//   Before that a peer may be late (on_late): its slot is free, too, but it still blocks the end.
// - It asks the closest that were not asked, among the `want` closest, or the `parallelism` closest if these are more.
// - At most `parallelism` requests run that are not slow; each slow or silent peer widens that by
//   one, up to parallelism_max. As soon as the kClosingResponders nearest candidates have answered
//   nothing nearer is expected, and the rest of the `want` closest are asked at full width.
//   Nor is it once two thirds of the `want` are known that are as near as a mesh of `nodes` has them: then all `want`
//   closest are asked at once (Walk::Options::hurry), if somebody has answered, whichever path asked it. They are asked anyway, and three answers less are waited for. With an estimate that is
//   too high nothing changes; with one too low some are asked whom nearer ones would have spared. Made-up nodes that a
//   liar names near the target are asked sooner, not more of them. (Kubo's optimistic provide ends its walk by the
//   same estimate; here a put needs an answer of each holder, so it is the last round that begins sooner.)
// - Nobody is asked twice. At most kCandidatesMax are remembered, the nearest.
// - The result holds responders only.
//
// Disjoint paths (Baumgart, Mies 2007, S/Kademlia, section 4.4): `paths` of them start from the seeds dealt out in
// turn, and each follows the rules above by what it knows. It knows its seeds and what those named whom it asked
// itself; so whoever names many liars fills the window of the path that asked it, and no other.
// - Nobody is asked by two paths: a candidate belongs to the path that asks it first, and to none by being named, or
//   else a liar could name honest nodes in order to keep them from the other paths. Its answer is that path's alone.
//   For the others who know it, it counts as what it is: asked, slow, silent, or one of their `want` closest.
// - The lookup is over when all paths are. Whoever is among the `want` closest of all is so for each path that knows
//   it, so the result needs no further round: it is all responders, by distance.
// - All are kept apart but for two things: a candidate's addresses, which any path may add to, the first named first;
//   and the time that the slowest path takes.
// - Of one path everything is as if there were no paths.
//
// Cost: next() and on_reply() are linear in the candidates, of which there are kCandidatesMax a path.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "crypto/effects.h"
#include "dht/crowd.h"
#include "dht/known.h"

namespace weft::dht {

inline constexpr std::size_t kCandidatesMax = 128;
inline constexpr std::size_t kClosingResponders = 3;
// Requests under way, slow ones included; several paths share them, but each has kOutstandingOfPath.
inline constexpr std::size_t kOutstandingMax = 32;
inline constexpr std::size_t kOutstandingOfPath = 8;
inline constexpr std::size_t kPathsMax = 8;
// The share of the `want` that is known as near as the mesh's size puts them when nothing nearer is expected.
inline constexpr std::size_t kKnownOfWantedNum = 2;
inline constexpr std::size_t kKnownOfWantedDen = 3;

class Lookup {
 public:
  struct Options {
    NodeId self;    // never asked
    NodeId target;
    std::size_t want = 20;
    std::size_t parallelism = 3;
    std::size_t parallelism_max = 8;  // both of each path
    std::size_t paths = 1;            // at most kPathsMax
    std::uint64_t nodes = 0;          // how many the mesh has, by estimate; 0: not known, or not to be gone by
  };
  // What is known of one asked peer.
  struct Visit {
    Contact peer;
    NodeId named_by;  // all zero: a seed
    std::uint32_t hop = 0;
    Duration at{};                // asked, since the lookup began
    std::optional<Duration> rtt;  // nullopt: silent, or not yet answered
    std::size_t contacts = 0;
  };

  explicit Lookup(const Options& options);

  // A contact to start from; the nearest ones first, so that each path gets its share of them.
  void seed(const Contact& contact);
  // The next peer to ask, if one should be asked now; it counts as asked from then on. Call until
  // nullopt after each change.
  // `at`: the time since the lookup began, told again by visits().
  std::optional<Target> next(Duration at = {});
  // An asked peer answered. Contacts that it named are taken up; those it could not know by their
  // address scope are not. Ignored if the peer was not asked or was given up.
  void on_reply(const NodeId& peer, Duration rtt, std::span<const Contact> contacts);
  // More contacts from a peer that has answered already.
  void learn(const NodeId& named_by, std::span<const Contact> contacts);
  // An asked peer takes longer than others need: somebody else is asked in its place, and it is still waited for.
  void on_late(const NodeId& peer);
  // An asked peer takes longer than expected.
  void on_slow(const NodeId& peer);
  // An asked peer was given up.
  void on_timeout(const NodeId& peer);
  bool finished() const;
  // How many were asked, are slow, and are not waited for.
  std::size_t slow() const { return count(State::kSlow); }
  // From now on it ends only when this many have answered; never fewer than before.
  void widen(std::size_t want) { options_.want = std::max(options_.want, want); }

  // Responders, nearest first, at most `max`.
  std::vector<Target> closest(std::size_t max) const;
  std::size_t responders() const { return answered_; }
  // How far the nearest are that are known and not silent, ascending: those that nobody has asked, too.
  InlineVec<Distance, kCrowdMost> nearest_known() const;
  // Who was asked, has not answered, and would be among the `max` nearest if it had.
  std::vector<NodeId> missing(std::size_t max) const;
  // Peers nearer than `id` whose answers are awaited and not late.
  std::size_t awaited_nearer_than(const NodeId& id) const;
  // Whom the next to be asked need not name, nearest first, at each address that is known. Nobody if
  // the lookup follows several paths, or wants so few that what is spared is less than the tags.
  Known known(std::uint16_t salt) const;
  // Requests made; the longest chain of namings among the `want` closest responders.
  std::size_t queries() const { return asked_.size(); }
  std::size_t hops() const;
  std::uint32_t hop_of(const NodeId& peer) const;
  // Every peer asked, in the order of asking.
  std::vector<Visit> visits() const;
  const NodeId& target() const { return options_.target; }

 private:
  enum class State : std::uint8_t { kHeard, kAsked, kLate, kSlow, kAnswered, kSilent };
  // An answer still counts.
  static bool awaited(State state) { return state == State::kAsked || state == State::kLate || state == State::kSlow; }
  // Others are asked in its place.
  static bool replaced(State state) { return state == State::kLate || state == State::kSlow || state == State::kSilent; }
  struct Candidate {
    Distance away;
    Target to;  // the addresses named, the first one first
    NodeId named_by;
    std::uint32_t hop = 1;
    State state = State::kHeard;
    Duration at{};
    std::optional<Duration> rtt;
    std::uint16_t contacts = 0;
    std::uint8_t known_to = 0;  // paths, a bit each
    std::uint8_t path = 0;      // that asked it

    bool known(std::size_t which) const { return ((known_to >> which) & 1) != 0; }
  };

  // False: the path knew it, or has no room for it.
  bool add(const Contact& contact, const NodeId& named_by, std::uint32_t hop, std::size_t path);
  std::size_t rank_of(const Distance& away) const;
  Candidate* find(const NodeId& id);
  const Candidate* find(const NodeId& id) const;
  bool make_room(const Distance& away, std::size_t path);
  std::uint16_t free_slot();
  std::size_t width(std::size_t path) const;
  bool nearest_named(std::size_t path) const;
  std::size_t outstanding_max() const;
  bool may_ask(std::size_t path) const;
  std::optional<Target> next_of(std::size_t path, Duration at);
  bool finished(std::size_t path) const;
  std::size_t count(State state) const;

  Options options_;
  std::vector<Candidate> pool_;       // never moves a candidate
  std::vector<std::uint16_t> order_;  // pool positions, nearest first
  std::vector<std::uint16_t> asked_;  // pool positions, in the order of asking
  std::vector<std::uint16_t> free_;   // pool positions that every path has forgotten
  std::size_t answered_ = 0;
  struct Path {
    std::uint16_t known = 0;     // candidates
    std::uint32_t troubles = 0;  // slow or silent peers so far, of those it asked
  };
  std::array<Path, kPathsMax> paths_{};
  std::size_t seeds_ = 0;  // dealt out
  std::size_t turn_ = 0;   // the path whose turn it is to ask
};

}  // namespace weft::dht
