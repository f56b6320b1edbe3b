#include "testnet/sim/state_liar.h"

#include <algorithm>

#include "node/codec.h"

namespace weft::sim {
namespace {

constexpr std::size_t kLookMax = 64;   // entries at once
constexpr std::size_t kMineMax = 128;
constexpr std::int64_t kBurst = 30'000;  // ms

void remember(std::vector<Bytes>& ring, std::size_t& next, Bytes wire, std::size_t most) {
  if (ring.size() < most) {
    ring.push_back(std::move(wire));
  } else {
    ring[next++ % most] = std::move(wire);
  }
}

std::uint64_t stamp_of(std::int64_t wall_ms) { return static_cast<std::uint64_t>(std::max<std::int64_t>(0, wall_ms)) << 16; }

bool at_peer(const NodeId& id, std::uint64_t seq) { return ((id.bytes[0] ^ seq) & 1) == 0; }

}  // namespace

template <class M>
void StateLiar::tell(const NodeId& to, const M& message, std::uint32_t rpc) {
  Bytes room(kPayloadBytesMax);
  Writer w(room);
  encode(w, rpc, message);
  if (w.ok()) says_.push_back({to, to_bytes(w.view())});
}

void StateLiar::push(const NodeId& to, std::span<const Bytes> wires, std::uint8_t hops) {
  while (!wires.empty()) {
    state::Push word{.space = state::handle_of(space_), .hops = {}, .pack = {}};
    state::Packer packer(kPayloadBytesMax - state::kPackHeadBytes);
    while (!wires.empty() && packer.count() < state::kPackEntriesMax && packer.add(*state::decode_entry(wires.front()))) {
      word.hops.push(hops);
      wires = wires.subspan(1);
    }
    if (packer.count() == 0) return;
    word.pack = packer.bytes();
    tell(to, word);
  }
}

// ---- what it knows and makes

void StateLiar::look(const state::Space& space) {
  space_ = space.genesis().id;
  std::size_t left = kLookMax;
  space.visit_arrivals(looked_, [&](std::uint64_t arrival, const state::EntryId& id, ByteView wire) {
    looked_ = arrival;
    if (seen_.size() < kSeenEntriesMax) {
      seen_.push_back({id, to_bytes(wire)});
    } else if (rng_.below(2) == 0) {  // some of the old ones stay
      seen_[next_seen_++ % kSeenEntriesMax] = {id, to_bytes(wire)};
    }
    return --left > 0;
  });
}

const StateLiar::Seen* StateLiar::some() { return seen_.empty() ? nullptr : &seen_[rng_.below(seen_.size())]; }

Bytes StateLiar::some_path() {
  const Seen* seen = some();
  if (seen == nullptr || rng_.below(8) == 0) return to_bytes(as_bytes("lies/" + std::to_string(rng_.below(8))));
  return to_bytes(state::decode_entry(seen->wire)->content.path);
}

Bytes StateLiar::noise(std::size_t least, std::size_t most) {
  Bytes out(least + rng_.below(most - least + 1));
  for (auto& byte : out) byte = static_cast<std::uint8_t>(rng_.below(256));
  return out;
}

state::EntryId StateLiar::made_up() {
  state::EntryId id;
  for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(rng_.below(256));
  return id;
}

std::vector<state::EntryId> StateLiar::some_ids(std::size_t most) {
  std::vector<state::EntryId> ids;
  for (std::size_t i = 1 + rng_.below(most); i > 0; --i) {
    const Seen* seen = some();
    ids.push_back(seen != nullptr && rng_.below(4) != 0 ? seen->id : made_up());
  }
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// Of its own epoch, or now and then of another.
Bytes StateLiar::some_checkpoint() {
  state::Section section{.epoch = rng_.below(8) == 0 ? rng_.next() : epoch_, .first = 1 + rng_.below(seq_ + 2), .last = 1, .wanted = {}};
  section.last = section.first + rng_.below(12);
  for (std::uint64_t seq = section.first; seq <= section.last; ++seq) {
    if (rng_.below(3) == 0) section.wanted.push_back(seq);
  }
  return state::checkpoint_body({&section, 1});
}

state::Kind StateLiar::some_kind() { return static_cast<state::Kind>(1 + rng_.below(static_cast<std::uint64_t>(state::Kind::kCheckpoint))); }

// Well-formed, at the next place of its own.
StateLiar::Draft StateLiar::draft(Now now, state::Kind kind) {
  Draft out{.kind = kind, .path = some_path(), .body = {}, .epoch = epoch_, .seq = ++seq_, .stamp = stamp_of(now.wall.value)};
  if (rng_.below(2) == 0) out.prev = made_up();
  if (rng_.below(2) == 0) out.saw = some_ids(4);
  switch (kind) {
    case state::Kind::kSet: out.body = noise(0, 60); break;
    case state::Kind::kCount: out.body = state::count_body({.up = rng_.next(), .down = rng_.next()}); break;
    case state::Kind::kAdd: out.body = Bytes{static_cast<std::uint8_t>('a' + rng_.below(8))}; break;
    case state::Kind::kRemove:
      out.body = Bytes{static_cast<std::uint8_t>('a' + rng_.below(8))};
      if (out.saw.empty()) out.saw = some_ids(4);
      break;
    case state::Kind::kClear:
      if (out.saw.empty()) out.saw = some_ids(4);
      break;
    case state::Kind::kCheckpoint:
      out.path = to_bytes(as_bytes(state::kCheckpointPath));
      out.body = some_checkpoint();
      out.saw.clear();
      break;
    case state::Kind::kGrant:
    case state::Kind::kRevoke:
    case state::Kind::kFork: break;  // made elsewhere
  }
  return out;
}

state::Content StateLiar::content_of(const Draft& d) const {
  return {.space = space_, .author = self_.public_key(), .epoch = d.epoch, .seq = d.seq, .prev = d.prev, .stamp = d.stamp,
          .kind = d.kind, .path = d.path, .body = d.body, .saw = d.saw};
}

std::vector<Bytes> StateLiar::sign(std::span<const Draft> drafts) const {
  std::vector<state::Content> contents;
  for (const Draft& one : drafts) contents.push_back(content_of(one));
  auto wires = state::sign_entries(self_, contents);
  return wires ? std::move(*wires) : std::vector<Bytes>{};
}

std::vector<NodeId> StateLiar::half(std::span<const NodeId> peers) {
  std::vector<NodeId> out;
  for (const NodeId& peer : peers) {
    if (rng_.below(2) == 0) out.push_back(peer);
  }
  return out;
}

// ---- the roles

void StateLiar::fork(Now now, std::span<const NodeId> peers) {
  constexpr state::Kind kKinds[] = {state::Kind::kSet, state::Kind::kCount, state::Kind::kAdd, state::Kind::kCheckpoint};
  Draft one = draft(now, kKinds[rng_.below(4)]);
  // The other of the two may be what its own node wrote.
  if (const Seen* seen = some(); seen != nullptr && rng_.below(4) == 0) {
    const auto entry = state::decode_entry(seen->wire);
    if (entry->content.author == self_.public_key()) {
      one.epoch = entry->content.epoch;
      one.seq = entry->content.seq;
      one.prev = entry->content.prev;
    }
  }
  Draft other = one;
  const bool same = rng_.below(4) == 0;  // one content, signed alone and with another
  if (!same) {
    other.body = draft(now, one.kind).body;
    --seq_;
    if (rng_.below(2) == 0) ++other.stamp;
  }
  const std::vector<Bytes> first = sign({&one, 1});
  std::vector<Bytes> second = sign({&other, 1});
  if (same) {
    const Draft both[] = {one, draft(now, state::Kind::kSet)};
    second = sign(both);
  }
  for (const NodeId& peer : peers) push(peer, at_peer(peer, one.seq) ? first : second, 1);
}

std::optional<Bytes> StateLiar::forged(Now now) {
  const Seen* seen = some();
  if (seen == nullptr) return std::nullopt;
  const auto entry = state::decode_entry(seen->wire);
  state::Content content = std::move(entry->content);
  Signature signature = entry->signature;
  switch (rng_.below(7)) {
    case 6: {  // a proof that another forked: a header of its own, and one that it never signed
      const auto honest = state::decode_entry(seen->wire);
      const Draft changed{.kind = content.kind, .path = some_path(), .body = to_bytes(content.body), .saw = {}, .epoch = content.epoch,
                          .seq = content.seq, .prev = content.prev, .stamp = content.stamp};
      state::Content other = content_of(changed);
      other.author = content.author;
      const auto wire = state::assemble_entry(other, 1, 0, {}, signature);
      const auto entry_of_other = wire ? state::decode_entry(*wire) : std::unexpected(state::EntryError::kMalformed);
      const auto body = entry_of_other ? state::fork_body(*honest, *entry_of_other) : std::nullopt;
      if (!body) return std::nullopt;
      Draft accusation = draft(now, state::Kind::kFork);
      accusation.path = to_bytes(as_bytes(state::kForkPath));
      accusation.body = *body;
      accusation.saw.clear();
      accusation.epoch = 0;
      accusation.seq = 1;
      accusation.prev.reset();
      accusation.stamp = 0;
      const auto wires = sign({&accusation, 1});
      return wires.empty() ? std::nullopt : std::optional(wires.front());
    }
    case 0: {  // another's name under its own signature
      const Draft mine = draft(now, state::Kind::kSet);
      const auto wires = sign({&mine, 1});
      if (wires.empty()) return std::nullopt;
      state::Content in_anothers_name = content_of(mine);
      in_anothers_name.author = content.author;
      return state::assemble_entry(in_anothers_name, 1, 0, {}, state::decode_entry(wires.front())->signature);
    }
    case 1: signature.bytes[rng_.below(8)] ^= static_cast<std::uint8_t>(1U << rng_.below(8)); break;
    case 2: content.seq = 1 + rng_.below(state::kSeqMax); break;
    case 3: content.stamp += 1; break;
    case 4: {
      const Bytes body = noise(1, 40);
      if (content.kind != state::Kind::kSet) return std::nullopt;
      content.body = body;
      return state::assemble_entry(content, entry->batch, entry->place, entry->siblings, signature);
    }
    default: {  // one of a batch whose siblings are another's
      const Draft batch[] = {draft(now, state::Kind::kSet), draft(now, state::Kind::kAdd), draft(now, state::Kind::kSet)};
      const auto wires = sign(batch);
      if (wires.empty()) return std::nullopt;
      const auto mine = state::decode_entry(wires[rng_.below(3)]);
      Bytes siblings = to_bytes(mine->siblings);
      if (siblings.empty()) return std::nullopt;
      siblings[rng_.below(siblings.size())] ^= 1;
      return state::assemble_entry(mine->content, mine->batch, mine->place, siblings, mine->signature);
    }
  }
  return state::assemble_entry(content, entry->batch, entry->place, entry->siblings, signature);
}

void StateLiar::forge(Now now, std::span<const NodeId> peers) {
  for (const NodeId& peer : half(peers)) {
    if (rng_.below(4) == 0) {
      state::Push word{.space = state::handle_of(space_), .hops = {}, .pack = noise(1, 600)};
      for (std::size_t i = 1 + rng_.below(state::kPackEntriesMax); i > 0; --i) word.hops.push(static_cast<std::uint8_t>(rng_.below(256)));
      tell(peer, word);
      continue;
    }
    std::vector<Bytes> wires;
    for (int i = 0; i < 3; ++i) {
      if (auto wire = forged(now); wire && state::decode_entry(*wire)) wires.push_back(std::move(*wire));
    }
    push(peer, wires, 1);
  }
}

void StateLiar::future(Now now, std::span<const NodeId> peers) {
  Draft one = draft(now, some_kind());
  const std::int64_t wall = now.wall.value;
  // In bursts: what is due at once is due for many.
  const auto burst = [wall](std::int64_t ahead_ms) { return stamp_of((wall + ahead_ms + kBurst - 1) / kBurst * kBurst); };
  switch (rng_.below(10)) {
    case 0: one.stamp = stamp_of(wall + 4'000); break;
    case 1: one.stamp = burst(10'000); break;
    case 2: one.stamp = burst(60'000); break;
    case 3: one.stamp = burst(600'000); break;
    case 4: one.stamp = burst(3'600'000); break;
    case 5: one.stamp = burst(86'400'000); break;
    case 6: one.stamp = burst(5 * 86'400'000LL); break;
    case 7: one.stamp = UINT64_MAX; break;
    case 8: one.stamp = rng_.next(); break;
    default: one.stamp = rng_.below(2); break;
  }
  const std::vector<Bytes> wires = sign({&one, 1});
  for (const NodeId& peer : half(peers)) push(peer, wires, 1);
}

void StateLiar::replay(std::span<const NodeId> peers) {
  if (seen_.empty()) return;
  for (const NodeId& peer : half(peers)) {
    std::vector<Bytes> wires;
    for (int i = 0; i < 4; ++i) wires.push_back(some()->wire);
    push(peer, wires, static_cast<std::uint8_t>(rng_.below(256)));
  }
}

void StateLiar::flood(Now now, std::span<const NodeId> peers) {
  const state::SpaceHandle handle = state::handle_of(space_);
  std::vector<Draft> drafts;
  while (drafts.size() < 4) drafts.push_back(draft(now, state::Kind::kSet));
  const std::vector<Bytes> wires = sign(drafts);
  for (int i = 0; i < 3; ++i) {
    const NodeId& peer = peers[rng_.below(peers.size())];
    push(peer, wires, 1);
    state::IHave told{.space = handle, .ids = {}};
    while (!told.ids.full()) told.ids.push({.id = made_up().bytes, .hops = static_cast<std::uint32_t>(rng_.below(8))});
    tell(peer, told);
    state::Graft graft{.space = handle, .eager = rng_.below(2) == 0, .ids = {}};
    while (!graft.ids.full()) {
      const Seen* seen = some();
      graft.ids.push(seen != nullptr && rng_.below(2) == 0 ? seen->id : made_up());
    }
    tell(peer, graft);
    tell(peer, state::Prune{.space = handle});
    state::Link link{.space = handle, .step = static_cast<broadcast::LinkStep>(1 + rng_.below(5)), .others = {}};
    while (!link.others.full()) {
      NodeId other;
      for (auto& byte : other.bytes) byte = static_cast<std::uint8_t>(rng_.below(256));
      link.others.push(rng_.below(2) == 0 ? peers[rng_.below(peers.size())] : other);
    }
    tell(peer, link);
  }
}

void StateLiar::annul(Now now, std::span<const NodeId> peers) {
  Draft one = draft(now, some_kind());
  if (one.kind != state::Kind::kCheckpoint) {
    one.saw = some_ids(state::kSawMax);
    // A Clear takes what is below its path, too.
    const auto slash = std::ranges::find(one.path, std::uint8_t{'/'});
    if (one.kind == state::Kind::kClear && rng_.below(2) == 0) one.path.erase(slash, one.path.end());
  } else {
    // Ranks of all orders: an older one may discard a newer one's place, which then counts or does not by what else is there.
    one.stamp -= rng_.below(20'000) << 16;
  }
  const std::vector<Bytes> wires = sign({&one, 1});
  for (const NodeId& peer : half(peers)) push(peer, wires, 1);
  for (const Bytes& wire : wires) remember(mine_, next_mine_, wire, kMineMax);
  if (mine_.empty()) return;
  for (const NodeId& peer : half(peers)) push(peer, {&mine_[rng_.below(mine_.size())], 1}, 1);
}

void StateLiar::act(Now now, const state::State& own, std::span<const NodeId> peers) {
  const state::Space* space = nullptr;
  own.for_each([&](const state::Space& one) { space = &one; });
  if (space == nullptr || peers.empty()) return;
  look(*space);
  switch (role_) {
    case Lie::kStateFork: return fork(now, peers);
    case Lie::kStateForge: return forge(now, peers);
    case Lie::kStateFuture: return future(now, peers);
    case Lie::kStateReplay: return replay(peers);
    case Lie::kStateFlood: return flood(now, peers);
    case Lie::kStateVoid: return annul(now, peers);
    case Lie::kStateWithhold:  // answers only
    case Lie::kNone:
    case Lie::kContacts:
    case Lie::kAccomplices:
    case Lie::kForge:
    case Lie::kDeny:
    case Lie::kCollude:
    case Lie::kMemberAccuse:
    case Lie::kMemberReplay:
    case Lie::kMemberWithhold:
    case Lie::kMemberVouch: return;
  }
}

// ---- what it hears

bool StateLiar::withholds(ByteView payload) const {
  if (role_ != Lie::kStateWithhold) return false;
  Reader r(payload);
  return node::read_head(r).kind == state::kPush && !r.failed();
}

bool StateLiar::hears(const NodeId& from, ByteView payload) {
  if (role_ != Lie::kStateWithhold && role_ != Lie::kStateForge) return false;
  Reader r(payload);
  const node::Head head = node::read_head(r);
  if (r.failed() || questions_.size() == kQuestionsWaitingMax) return false;
  // Some are answered as they should be: who never answers is not asked again.
  if (head.kind == state::kFetch && rng_.below(3) != 0) {
    state::Fetch m;
    if (decode(r, m)) return false;
    questions_.push_back({from, head.rpc, m});
    return true;
  }
  if (head.kind == state::kBranch && role_ == Lie::kStateWithhold && rng_.below(3) != 0) {
    state::Branch m;
    if (decode(r, m)) return false;
    questions_.push_back({from, head.rpc, m});
    return true;
  }
  return false;
}

void StateLiar::answer(const state::State& own) {
  const state::Space* space = nullptr;
  own.for_each([&](const state::Space& one) { space = &one; });
  for (const Question& asked : std::exchange(questions_, {})) {
    if (space == nullptr) continue;
    if (const auto* branch = std::get_if<state::Branch>(&asked.question)) answer_branch(asked, *branch, *space);
    if (const auto* fetch = std::get_if<state::Fetch>(&asked.question)) answer_fetch(asked, *fetch, *space);
  }
}

void StateLiar::answer_branch(const Question& asked, const state::Branch& m, const state::Space& space) {
  state::BranchReply reply;
  state::answer(space, m, reply);
  for (std::size_t i = 0; i < reply.nodes.size(); ++i) {
    state::BranchNode& node = reply.nodes[i];
    switch (rng_.below(3)) {
      case 0:  // nothing there
        node = {.at = m.nodes[i], .count = 0, .parts = {}};
        break;
      case 1:  // always something else there
        for (std::size_t k = 0; k < node.parts.size(); ++k) node.parts[k].hash = static_cast<std::uint32_t>(rng_.next());
        break;
      default:  // a tree that goes down for ever
        node = {.at = m.nodes[i], .count = state::kBranchCountMax, .parts = {}};
        for (std::uint8_t nibble = 0; nibble < 16; ++nibble) {
          node.parts.push({.nibble = nibble, .count = state::kBranchCountMax, .hash = static_cast<std::uint32_t>(rng_.next())});
        }
        break;
    }
  }
  tell(asked.from, reply, asked.rpc);
}

void StateLiar::answer_fetch(const Question& asked, const state::Fetch& m, const state::Space& space) {
  state::FetchReply reply;
  if (role_ == Lie::kStateWithhold) {
    reply.more = rng_.below(2) == 0;
    // Or the first page over and over.
    state::Fetch first = m;
    first.after.reset();
    first.have.clear();
    if (rng_.below(2) == 0) state::answer(space, first, kPayloadBytesMax, reply);
    reply.more = reply.more || rng_.below(2) == 0;
    return tell(asked.from, reply, asked.rpc);
  }
  state::answer(space, m, kPayloadBytesMax, reply);
  const auto entries = state::unpack(space_, reply.pack);
  if (!entries || entries->empty()) return tell(asked.from, reply, asked.rpc);
  state::Packer packer(kPayloadBytesMax - state::kPackHeadBytes);
  for (const state::Unpacked& one : *entries) {
    Signature signature = one.entry.signature;
    if (rng_.below(2) == 0) signature.bytes[0] ^= 1;
    const auto wire = state::assemble_entry(one.entry.content, one.entry.batch, one.entry.place, one.entry.siblings, signature);
    if (!wire || !packer.add(*state::decode_entry(*wire))) break;
  }
  reply.pack = packer.bytes();
  tell(asked.from, reply, asked.rpc);
}

}  // namespace weft::sim
