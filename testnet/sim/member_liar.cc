#include "testnet/sim/member_liar.h"

#include <array>

#include "gossip/membership/accusation.h"
#include "node/codec.h"

namespace weft::sim {
namespace {

bool starts_as(ByteView payload, std::initializer_list<gossip::Kind> kinds) {
  Reader r(payload);
  const node::Head head = node::read_head(r);
  return !r.failed() && std::ranges::find(kinds, head.kind) != kinds.end();
}

}  // namespace

void MemberLiar::keep(std::vector<Bytes>& kept, std::size_t& next, ByteView bytes) {
  if (kept.size() < kKeptMax) return kept.push_back(to_bytes(bytes));
  kept[next++ % kKeptMax] = to_bytes(bytes);
}

void MemberLiar::keep(const gossip::GossipItems& items) {
  for (const gossip::GossipItem& item : items) {
    if (!item.record.empty()) {
      keep(records_, next_record_, item.record);
    } else if (suspicions_.size() < kKeptMax) {
      suspicions_.push_back(item.suspicion);
    } else {
      suspicions_[next_suspicion_++ % kKeptMax] = item.suspicion;
    }
  }
}

bool MemberLiar::hears(const NodeId& from, ByteView payload) {
  Reader r(payload);
  const node::Head head = node::read_head(r);
  if (r.failed()) return false;
  if (role_ == Lie::kMemberReplay) {
    keep(payloads_, next_payload_, payload);
    if (gossip::Gossip m; head.kind == gossip::kGossip && !decode(r, m)) keep(m.items);
    else if (gossip::Ack ack; head.kind == gossip::kAck && !decode(r, ack)) keep(ack.items);
    else if (gossip::Ping ping; head.kind == gossip::kPing && !decode(r, ping)) keep(ping.items);
    return false;
  }
  const bool relays = role_ == Lie::kMemberWithhold || role_ == Lie::kMemberVouch;
  if (!relays || head.kind != gossip::kPingReq) return false;
  const bool swallows = role_ == Lie::kMemberWithhold && rng_.below(2) == 0;
  if (!swallows && relays_.size() < kRelaysWaitingMax) relays_.emplace_back(from, head.rpc);
  return true;
}

bool MemberLiar::withholds(ByteView payload) const {
  return role_ == Lie::kMemberWithhold && starts_as(payload, {gossip::kGossip, gossip::kSyncPage});
}

template <class M>
void MemberLiar::tell(const NodeId& to, const M& message, std::uint32_t rpc) {
  ByteArray<kPayloadBytesMax> room;
  Writer w(room);
  encode(w, rpc, message);
  if (w.ok()) says_.push_back({to, to_bytes(w.view())});
}

void MemberLiar::answer() {
  for (const auto& [to, rpc] : relays_) tell(to, gossip::PingReqReply{.answered = role_ == Lie::kMemberVouch}, rpc);
  relays_.clear();
}

void MemberLiar::act(std::span<const gossip::MemberView> members, std::span<const NodeId> peers) {
  if (peers.empty()) return;
  if (role_ == Lie::kMemberAccuse) accuse(members, peers);
  if (role_ == Lie::kMemberReplay) replay(peers);
}

void MemberLiar::accuse(std::span<const gossip::MemberView> members, std::span<const NodeId> peers) {
  if (members.empty()) return;
  for (std::size_t i = 0; i < kToldAtOnce; ++i) {
    gossip::Gossip m;
    const bool in_other_names = rng_.below(4) == 0;
    for (std::size_t k = 0; k < kAccusedAtOnce; ++k) {
      const NodeRecord& accused = *members[rng_.below(members.size())].record;
      std::uint64_t number = accused.number;
      switch (rng_.below(9)) {
        case 0: number -= number > 0 ? 1U : 0U; break;
        case 1: ++number; break;
        case 2: number = kNumberMax; break;
        default: break;
      }
      gossip::Suspicion s = gossip::sign_suspicion(self_, accused.network, accused.id, number);
      if (in_other_names && rng_.below(2) == 0) s.accuser = members[rng_.below(members.size())].record->id;
      m.items.push({.record = {}, .suspicion = s});
    }
    tell(peers[rng_.below(peers.size())], m);
  }
}

void MemberLiar::replay(std::span<const NodeId> peers) {
  for (std::size_t i = 0; i < kToldAtOnce; ++i) {
    const NodeId& to = peers[rng_.below(peers.size())];
    if (!payloads_.empty() && rng_.below(2) == 0) {
      says_.push_back({to, payloads_[rng_.below(payloads_.size())]});
      continue;
    }
    gossip::Gossip m;
    for (int k = 0; k < 4 && !suspicions_.empty(); ++k) {
      m.items.push({.record = {}, .suspicion = suspicions_[rng_.below(suspicions_.size())]});
    }
    if (!records_.empty()) m.items.push({.record = records_[rng_.below(records_.size())], .suspicion = {}});
    if (!m.items.empty()) tell(to, m);
  }
}

}  // namespace weft::sim
