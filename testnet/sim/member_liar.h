// A liar of membership: what a member with a key of its own may say about others, and says it. Beside a real node, in whose sessions it
// speaks; the node keeps the protocol, but does not hear what the liar answers or swallows in its place, and does not say what it holds back.
//
//   accuse    suspicions of everybody, kAccusedAtOnce to kToldAtOnce peers ten times a second, signed by itself: in its own name, and in one of
//             four messages in that of others, too; at the number that its node holds; of nine one at a number before it, one above it and
//             one at the highest
//   replay    records, suspicions and whole payloads that it has heard, as if they were new
//   withhold  nothing that others said leaves its node: no gossip, no pages; of relays every second is swallowed, the others it answers with
//             no at once, without having asked
//   vouch     answers every relay with yes at once, whoever is asked for
//
// Each answers pings as an honest node does: it can be reached, and nobody has a reason to think it dead.
//
// Bounds: kKeptMax records, suspicions and payloads each. One thread.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "gossip/membership/membership.h"
#include "testnet/sim/liars.h"

namespace weft::sim {

inline constexpr std::size_t kKeptMax = 256;
inline constexpr std::size_t kAccusedAtOnce = 8;
inline constexpr std::size_t kToldAtOnce = 8;
inline constexpr std::size_t kRelaysWaitingMax = 64;
inline constexpr Duration kMemberLiesEvery = 100ms;

class MemberLiar {
 public:
  MemberLiar(Lie role, Rng rng, const Identity& self) : role_(role), rng_(rng), self_(self) {}

  Duration pace() const { return kMemberLiesEvery; }
  // A payload of `from`. True: its node is not to hear it.
  bool hears(const NodeId& from, ByteView payload);
  // A payload that its node is about to say. True: it is not said.
  bool withholds(ByteView payload) const;
  // Answers what it has heard in its node's place.
  void answer();
  // Looks at whom its node knows, and lies to some of these peers.
  void act(std::span<const gossip::MemberView> members, std::span<const NodeId> peers);

  struct Say {
    NodeId to;
    Bytes payload;
  };
  std::vector<Say> take_says() { return std::exchange(says_, {}); }

 private:
  void keep(const gossip::GossipItems& items);
  void keep(std::vector<Bytes>& kept, std::size_t& next, ByteView bytes);
  void accuse(std::span<const gossip::MemberView> members, std::span<const NodeId> peers);
  void replay(std::span<const NodeId> peers);
  template <class M>
  void tell(const NodeId& to, const M& message, std::uint32_t rpc = 0);

  Lie role_;
  Rng rng_;
  const Identity& self_;
  std::vector<Bytes> records_, payloads_;
  std::size_t next_record_ = 0, next_payload_ = 0, next_suspicion_ = 0;
  std::vector<gossip::Suspicion> suspicions_;
  std::vector<std::pair<NodeId, std::uint32_t>> relays_;  // who asked, and by which request
  std::vector<Say> says_;
};

}  // namespace weft::sim
