// The peers that hold a topic too, as far as we know: whom to choose neighbours from. No I/O.
//
// What is kept is the same in whatever order and however often peers are told, so nobody gains by being told first,
// last or often: of all that were told
// - those of the lowest ranks (kLowestMax), the rank being a hash that all nodes of the topic compute alike;
// - those of the lowest lots, the lot being a hash that only we can compute: a uniform sample (min-wise, Broder 1997; as used
//   against floods in Brahms, Bortnikov et al. 2009).
//
// The uplink is what makes the first tree cheap: every node chooses as parent the one that would be its parent if all
// nodes stood by rank in a heap with kBranching children each. Every uplink leads to a lower rank, so that they never form a cycle;
// where all know all there is one tree, of depth log n, before the first message is sent. Where a node
// knows a part only, it estimates its place from its sample; then there may be several trees, and messages join them (tree.h).
//
// What a liar can do: grind keys until its rank is low, and so be near the root. Nothing rests on the tree but speed.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "crypto/rng.h"
#include "gossip/broadcast/messages.h"

namespace weft::broadcast {

inline constexpr std::size_t kCandidatesMax = 256;  // 14 kB
inline constexpr std::size_t kLowestMax = 64;       // of them for their rank; the others are the sample
// Five hops from the root to any of 2,000 nodes. With 4 it is six; with 8 it is four, and inner nodes send 1.6 times as much.
inline constexpr std::size_t kBranching = 5;

class Candidates {
 public:
  // Whom not to choose.
  using Skip = std::function<bool(const NodeId&)>;

  // `topic` is the same number on all nodes of the topic, `secret` nobody else's.
  Candidates(const NodeId& self, std::uint64_t topic, std::uint64_t secret);

  // True if it is kept and was not. Never ourselves.
  bool add(const NodeId& peer);
  void remove(const NodeId& peer);
  // It did not answer or had no room: not chosen before `until`. Nothing if it is not kept.
  void put_off(const NodeId& peer, Instant until);

  // The parent of the heap, or else the next one above or below that has a lower rank than we; nullopt: none that may be chosen now.
  std::optional<NodeId> uplink(Instant now, Rng& rng, const Skip& skip) const;
  // Whether the heap that we know of today has `peer` about where our parent is: not twice too high or too low.
  bool fits(const NodeId& peer) const;
  // Any one of the sample, all with the same chance; nullopt: none that may be chosen now.
  std::optional<NodeId> any(Instant now, Rng& rng, const Skip& skip) const;
  // For somebody else: those of the lowest ranks, then any, but not itself.
  void name(const NodeId& whom, Rng& rng, InlineVec<NodeId, kOthersMax>& others) const;
  // When the first of those that were put off may be chosen again, if any was.
  std::optional<Instant> next_return(Instant now) const;

  std::size_t size() const { return all_.size(); }

 private:
  struct One {
    std::uint64_t rank = 0;
    NodeId id;
    std::uint64_t lot = 0;
    Instant not_before;
  };
  std::uint64_t rank_of(const NodeId& id) const;
  std::uint64_t lot_of(const NodeId& id) const;
  std::vector<One>::iterator place_of(std::uint64_t rank, const NodeId& id);
  // Which of all_ is the one to give way: the highest lot of those that are not among the lowest ranks.
  std::size_t last_lot() const;
  std::size_t lower_count() const;  // how many have a lower rank than we
  // Which of all_ is our parent in the heap; nullopt: any of the lowest, the sample is too coarse to say.
  std::optional<std::size_t> parent_place(std::size_t lower) const;

  NodeId self_;
  std::uint64_t topic_;
  std::uint64_t secret_;
  std::uint64_t own_rank_;
  std::vector<One> all_;         // by rank, then id
  bool all_known_ = true;        // nobody had to give way yet
  std::uint64_t lot_limit_ = 0;  // else: the highest lot of the sample
  bool sampled(const One& one) const { return all_known_ || one.lot <= lot_limit_; }
};

}  // namespace weft::broadcast
