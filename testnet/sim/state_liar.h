// A liar of shared state: what a member with a key of its own may say there, and says it. Beside a real node, whose sessions it speaks
// in; the node keeps the protocol, but does not hear what the liar answers in its place, and does not say what the liar holds back.
//
//   fork      two entries at one place (epoch, seq) of its own, one to half of the peers and the other to the other half: Sets, Counts, Adds,
//             Checkpoints, also beside what its node wrote; and one entry signed in two ways
//   forge     entries in others' names, with changed content, signatures, places and siblings; packs of noise; and in answers to Fetch
//   future    entries stamped from seconds to days ahead, and at the ends of the scale, to some
//   replay    entries that it has seen, the discarded among them, as if they were new
//   withhold  no push leaves its node; digests, branches and pages are wrong, empty or without end
//   flood     entries in packs, announcements of what does not exist, grafts, prunes and links, as fast as it is let
//   void      Sets, Counts, Adds, Removes and Clears that name many entries, seen and invented; checkpoints that discard its own words, replace each
//             other and bring the words back
//
// All but forge and withhold say what anybody may say: honest nodes take it, and must come to have the same of it. Who is told what is
// drawn, so that the sets differ before they are compared.
//
// Bounds: kSeenMax entries remembered. One thread.
#pragma once

#include <functional>
#include <span>
#include <variant>

#include "gossip/state/state.h"
#include "testnet/sim/liars.h"

namespace weft::sim {

inline constexpr std::size_t kSeenEntriesMax = 512;
inline constexpr std::size_t kQuestionsWaitingMax = 64;

class StateLiar {
 public:
  // `self`, its node's identity, must outlive it.
  StateLiar(Lie role, Rng rng, const Identity& self) : role_(role), rng_(rng), self_(self), epoch_(rng_.next()) {}

  // How often it acts of its own accord.
  Duration pace() const { return role_ == Lie::kStateFlood ? 100ms : 200ms; }
  // A payload of `from`. True: its node is not to hear it.
  bool hears(const NodeId& from, ByteView payload);
  // A payload that its node is about to say. True: it is not said.
  bool withholds(ByteView payload) const;
  // Answers what it has heard in its node's place.
  void answer(const state::State& own);
  // Looks at what its node has, and lies to some of these peers.
  void act(Now now, const state::State& own, std::span<const NodeId> peers);

  struct Say {
    NodeId to;
    Bytes payload;
  };
  std::vector<Say> take_says() { return std::exchange(says_, {}); }

 private:
  struct Question {
    NodeId from;
    std::uint32_t rpc = 0;
    std::variant<state::Branch, state::Fetch> question;
  };
  struct Seen {
    state::EntryId id;
    Bytes wire;
  };
  // What the next entry says; the rest is the liar's.
  struct Draft {
    state::Kind kind = state::Kind::kSet;
    Bytes path;
    Bytes body;
    std::vector<state::EntryId> saw{};
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::optional<state::EntryId> prev{};
    std::uint64_t stamp = 0;
  };

  void look(const state::Space& space);
  const Seen* some();
  Bytes some_path();
  Bytes noise(std::size_t least, std::size_t most);
  state::EntryId made_up();
  std::vector<state::EntryId> some_ids(std::size_t most);
  Bytes some_checkpoint();
  Draft draft(Now now, state::Kind kind);
  state::Kind some_kind();
  state::Content content_of(const Draft& draft) const;
  // One entry for each draft, with one signature; none if one of them is not within the limits.
  std::vector<Bytes> sign(std::span<const Draft> drafts) const;
  std::vector<NodeId> half(std::span<const NodeId> peers);

  void fork(Now now, std::span<const NodeId> peers);
  void forge(Now now, std::span<const NodeId> peers);
  void future(Now now, std::span<const NodeId> peers);
  void replay(std::span<const NodeId> peers);
  void flood(Now now, std::span<const NodeId> peers);
  void annul(Now now, std::span<const NodeId> peers);
  std::optional<Bytes> forged(Now now);
  void answer_branch(const Question& asked, const state::Branch& m, const state::Space& space);
  void answer_fetch(const Question& asked, const state::Fetch& m, const state::Space& space);

  // As many pushes as they take. `hops` of each.
  void push(const NodeId& to, std::span<const Bytes> wires, std::uint8_t hops);
  template <class M>
  void tell(const NodeId& to, const M& message, std::uint32_t rpc = 0);

  Lie role_;
  Rng rng_;
  const Identity& self_;
  std::uint64_t epoch_;
  std::uint64_t seq_ = 0;
  state::NamespaceId space_;
  std::uint64_t looked_ = 0;
  std::vector<Seen> seen_;
  std::size_t next_seen_ = 0;
  std::vector<Bytes> mine_;  // the last of its own making
  std::size_t next_mine_ = 0;
  std::vector<Question> questions_;
  std::vector<Say> says_;
};

}  // namespace weft::sim
