// Owned namespaces: grants and revocations, entries that wait for a Grant, and forks that are to be proven.
#include <algorithm>
#include <tuple>

#include "crypto/check.h"
#include "crypto/provider.h"
#include "gossip/state/state_inside.h"

namespace weft::state {

// ---- the owner's

std::expected<State::Inside::Local*, Error> State::Inside::owned(const NamespaceId& space) {
  if (ended) return std::unexpected(Error::kShutdown);
  Local* local = find(space);
  if (local == nullptr) return std::unexpected(Error::kUnknownNamespace);
  const Rights& rights = local->space.rights();
  if (rights.open()) return std::unexpected(Error::kOpen);
  if (!rights.is_owner(identity.public_key())) return std::unexpected(Error::kNotOwner);
  if (waiting.size() >= kWritesMax) return std::unexpected(Error::kTooMany);
  return local;
}

void State::Inside::write_rights(Now now, OpId op, const NamespaceId& space, std::span<const Draft> drafts, Output& out) {
  Local& local = spaces.at(space);
  follow_clock(now);
  std::vector<EntryId> written;
  if (const auto done = sign(now, local, drafts, written); !done) {
    withdraw(local, written);
    return fail(op, done.error(), out);
  }
  std::vector<Write> rows = rows_of(local, written);
  const std::size_t count = written.size();
  wait_for({.op = op, .space = space, .written = std::move(written), .count = count}, std::move(rows), out);
}

void State::grant(Now now, OpId op, const NamespaceId& space, const Grant& grant, Output& out) {
  Inside& s = *inside_;
  const auto local = s.owned(space);
  if (!local) return s.fail(op, local.error(), out);
  if ((*local)->space.rights().grants() >= kGrantsMax) return s.fail(op, Error::kTooMany, out);
  if (!grant.path.empty() && !valid_path(grant.path)) return s.fail(op, Error::kBadPath, out);
  const Inside::Draft draft{.kind = Kind::kGrant, .path = to_bytes(as_bytes(kGrantPath)), .body = grant_body(grant), .saw = {},
                            .rights = grant.to};
  s.write_rights(now, op, space, {&draft, 1}, out);
}

void State::revoke(Now now, OpId op, const NamespaceId& space, const NodeId& of, Output& out) {
  Inside& s = *inside_;
  const auto local = s.owned(space);
  if (!local) return s.fail(op, local.error(), out);
  const Space& mine = (*local)->space;
  const auto given = mine.rights().given();
  // Also of one that was revoked before: it may have more to be cut off.
  if (std::ranges::none_of(given, [&](const Rights::Given& one) { return one.grant.to == of; })) {
    return s.fail(op, Error::kNoGrant, out);
  }
  std::vector<Inside::Draft> drafts;
  for (const Revocation& part : revocations(of, mine.frontier(of))) {
    drafts.push_back({.kind = Kind::kRevoke, .path = to_bytes(as_bytes(kRevokePath)), .body = revocation_body(part), .saw = {}, .rights = of});
  }
  s.write_rights(now, op, space, drafts, out);
}

// ---- what waits for a Grant

void State::Inside::park(const Entry& entry, ByteView wire) {
  const PublicKey& author = entry.content.author;
  std::erase_if(parked_order, [&](const EntryId& id) { return !parked.contains(id); });
  const auto of_author = std::ranges::count_if(parked, [&](const auto& one) { return one.second.author == author; });
  if (static_cast<std::size_t>(of_author) >= kParkedOfAuthorMax) {
    ++totals.parked_lost_total;
    return;
  }
  if (parked.size() == kParkedMax) {
    parked.erase(parked_order.front());
    parked_order.pop_front();
    ++totals.parked_lost_total;
  }
  parked.emplace(entry.id, Parked{.space = entry.content.space, .author = author, .wire = to_bytes(wire)});
  parked_order.push_back(entry.id);
  ++totals.parked_total;
}

void State::Inside::unpark(Now now, Local& local, std::vector<Write>& rows) {
  std::vector<Bytes> again;
  for (auto it = parked.begin(); it != parked.end();) {
    if (it->second.space != local.space.genesis().id) {
      ++it;
      continue;
    }
    again.push_back(std::move(it->second.wire));
    it = parked.erase(it);
  }
  for (const Bytes& wire : again) {
    const auto entry = decode_entry(wire);
    CHECK(entry.has_value());
    // Whoever it was sent to has parked it or gets it by a walk.
    if (take(now, local, *entry, wire, rows) == Taken::kNew) local.tree.arrived_otherwise(entry->id.bytes);
  }
}

// ---- what an operator should know

void State::Inside::notice(StateNoticed::What what, const NamespaceId& space, const NodeId& author, std::uint64_t number) {
  // What we lost is told each time; of each of the others so many authors, so that one cannot be drowned in another.
  if (what != StateNoticed::What::kCutOff && what != StateNoticed::What::kOverQuota) {
    auto& told = noticed[what];
    if (told.size() >= kNoticedMax || !told.emplace(space, author).second) return;
  }
  to_notice.push_back({.what = what, .space = space, .author = author, .number = number});
}

bool State::Inside::was_noticed(StateNoticed::What what, const NamespaceId& space, const NodeId& author) const {
  const auto told = noticed.find(what);
  return told != noticed.end() && (told->second.size() >= kNoticedMax || told->second.contains({space, author}));
}

void State::Inside::note_skew(Now now, const Entry& entry) {
  const auto ms = entry.content.stamp >> kStampCounterBits;
  const auto wall = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.wall.value));
  const NodeId author = node_id_of(entry.content.author);
  const std::uint64_t ahead = ms - std::min(ms, wall);
  if (skewed.size() < kSkewedMax || skewed.contains(author)) skewed[author] = std::max(skewed[author], ahead);
  notice(StateNoticed::What::kSkewed, entry.content.space, author, ahead);
}

void State::Inside::look_round(Now now, Local& local, std::vector<Write>& rows) {
  Space& space = local.space;
  if (local.rights_seen != space.rights().size()) {
    local.rights_seen = space.rights().size();
    unpark(now, local, rows);
  }
  for (const auto& [author, count] : space.take_cut_off()) {
    totals.cut_off_total += count;
    digest.reset();
    if (author == identity.public_key()) notice(StateNoticed::What::kCutOff, space.genesis().id, identity.id(), count);
  }
  for (const auto& [author, count] : space.take_crowded_out()) {
    totals.crowded_out_total += count;
    if (author == identity.public_key()) notice(StateNoticed::What::kOverQuota, space.genesis().id, identity.id(), count);
  }
  for (auto& [author, fork] : space.take_forks()) {
    const auto same = [&](const Unproven& one) { return one.space == space.genesis().id && one.author == author; };
    if (unproven.size() == kForksWaitingMax || std::ranges::any_of(unproven, same)) continue;
    unproven.push_back({.space = space.genesis().id, .author = author, .first = std::move(fork.first),
                        .second = std::move(fork.second), .at = now.mono + rng.between(Duration::zero(), kProveDelayMax)});
  }
  for (const PublicKey& author : space.take_proven()) notice(StateNoticed::What::kForked, space.genesis().id, node_id_of(author), 0);
  // What was restored without its Grant; the rows are still there.
  for (const Bytes& wire : space.take_set_aside()) {
    const auto entry = decode_entry(wire);
    CHECK(entry.has_value());
    park(*entry, wire);
  }
}

// ---- proofs

void State::Inside::prove(Now now, Output& out) {
  for (auto it = unproven.begin(); it != unproven.end();) {
    if (it->at > now.mono) {
      ++it;
      continue;
    }
    Unproven one = std::move(*it);
    it = unproven.erase(it);
    Local* local = find(one.space);
    if (local == nullptr || local->space.proofs().contains(one.author)) continue;
    if (waiting.size() >= kWritesMax) {
      prove_later(now, std::move(one));
      break;
    }
    const auto first = decode_entry(one.first);
    const auto second = decode_entry(one.second);
    CHECK(first.has_value() && second.has_value());
    const auto body = fork_body(*first, *second);
    CHECK(body.has_value());
    const Content content{.space = one.space, .author = identity.public_key(), .epoch = 0, .seq = 1, .prev = {}, .stamp = 0,
                          .kind = Kind::kFork, .path = as_bytes(kForkPath), .body = *body, .saw = {}};
    const auto wires = sign_entries(identity, {&content, 1});
    CHECK(wires.has_value());
    const auto entry = decode_entry(wires->front());
    if (!room_for(wires->front().size(), Kind::kFork) || local->space.insert(*entry, wires->front(), /*settled=*/false) != Space::Inserted::kNew) continue;
    ++totals.proofs_total;
    const std::vector<EntryId> written{entry->id};
    std::vector<Write> rows = rows_of(*local, written);
    const NamespaceId space = one.space;
    wait_for({.op = {}, .space = space, .written = written, .count = 0, .proof = std::move(one)}, std::move(rows), out);
  }
}

void State::Inside::prove_later(Now now, Unproven one) {
  const auto same = [&](const Unproven& other) { return other.space == one.space && other.author == one.author; };
  if (unproven.size() == kForksWaitingMax || std::ranges::any_of(unproven, same)) return;
  one.at = now.mono + kProveDelayMax;
  unproven.push_back(std::move(one));
}

std::optional<Instant> State::Inside::prove_at() const {
  std::optional<Instant> next;
  for (const Unproven& one : unproven) {
    if (!next || one.at < *next) next = one.at;
  }
  return next;
}

const std::map<NodeId, std::uint64_t>& State::skewed() const { return inside_->skewed; }

}  // namespace weft::state
