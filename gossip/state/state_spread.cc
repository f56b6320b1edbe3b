// How entries come and go: pushes of what is new, and walks for what was missed.
#include <algorithm>

#include "crypto/check.h"
#include "crypto/sessions.h"
#include "gossip/state/state_inside.h"

namespace weft::state {

// ---- pushes

void State::Inside::push_later(Now now, Local& local, const EntryId& id, const NodeId& from) {
  if (local.fresh.size() == kFreshMax) return;  // the next walks bring it
  local.fresh.push_back({id, from});
  if (!push_at) push_at = now.mono + kPushDelay;
}

// One datagram to each of a few neighbours.
void State::Inside::push(Local& local, Output& out) {
  std::vector<std::pair<Unpacked, NodeId>> batch;  // and from whom
  Packer fits(kPayloadBytesMax - kPackHeadBytes);
  while (!local.fresh.empty()) {
    const Fresh& fresh = local.fresh.front();
    if (const Space::Held* held = local.space.find(fresh.id); held != nullptr) {
      Unpacked one{.bytes = held->wire, .entry = {}};
      one.entry = decode_entry(one.bytes).value();
      if (!fits.add(one.entry)) break;
      batch.emplace_back(std::move(one), fresh.from);
    }
    local.fresh.pop_front();
  }
  if (batch.empty()) return;
  std::vector<std::size_t> order(local.neighbours.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  rng.shuffle(std::span(order));
  std::size_t told = 0;
  for (const std::size_t index : order) {
    const Target& to = local.neighbours[index];
    Packer packer(kPayloadBytesMax - kPackHeadBytes);
    // Without what it sent itself the pack may be longer than the whole, where what follows leans on that: then that stays in.
    bool fit = true;
    for (const auto& [one, from] : batch) fit = fit && (from == to.id || packer.add(one.entry));
    if (packer.count() == 0) continue;
    totals.pushed_total += fit ? packer.count() : batch.size();
    out.sends.push_back({.to = to, .message = {.space = handle_of(local.space.genesis().id), .pack = fit ? packer.bytes() : fits.bytes()}});
    if (++told == kPushFanout) return;
  }
}

void State::on_push(Now now, const Contact& from, const Push& m, Output& out) {
  Inside& s = *inside_;
  Inside::Local* local = s.find(m.space);
  const auto entries = local == nullptr ? std::nullopt : unpack(local->space.genesis().id, m.pack);
  if (!entries) {
    ++s.totals.refused_total;
    return;
  }
  s.add_neighbour(*local, target_of(from));
  std::vector<Write> rows;
  for (const Unpacked& one : *entries) {
    const auto taken = s.take(now, *local, one.entry, one.bytes, rows);
    if (taken == Inside::Taken::kKnown || taken == Inside::Taken::kDiscarded) ++s.totals.push_known_total;
    if (taken == Inside::Taken::kNew) s.push_later(now, *local, one.entry.id, from.id);
  }
  s.flush(now, std::move(rows), out);
}

// ---- neighbours

void State::Inside::add_neighbour(Local& local, const Target& peer) {
  const auto at = std::ranges::find(local.neighbours, peer.id, &Target::id);
  if (at != local.neighbours.end()) {
    *at = peer;
  } else if (local.neighbours.size() < kNeighboursMax) {
    local.neighbours.push_back(peer);
  } else {
    local.neighbours[static_cast<std::size_t>(rng.below(kNeighboursMax))] = peer;
  }
}

void State::Inside::drop_neighbour(const NodeId& peer) {
  for (auto& [id, local] : spaces) {
    std::erase_if(local.neighbours, [&](const Target& t) { return t.id == peer; });
    if (local.running && local.running->peer.id == peer) end_walk(local, /*well=*/false);
  }
}

void State::forget(const NodeId& peer) {
  inside_->drop_neighbour(peer);
  inside_->noted.erase(peer);
}

// ---- digests and walks

void State::Inside::note(const NodeId& peer, const TreeHash& theirs) {
  if (noted.size() == kPeersNotedMax && !noted.contains(peer)) noted.erase(noted.begin());
  noted[peer] = {.ours = digest_or_zero(), .theirs = theirs};
}

void State::on_digest(Now, const Contact& peer, const TreeHash& digest, Output& out) {
  Inside& s = *inside_;
  if (s.spaces.empty()) return;
  const TreeHash& ours = s.digest_or_zero();
  if (digest == ours) {
    for (auto& [id, local] : s.spaces) s.add_neighbour(local, target_of(peer));
    return;
  }
  const auto noted = s.noted.find(peer.id);
  if (noted != s.noted.end() && noted->second.ours == ours && noted->second.theirs == digest) return;
  std::size_t open = 0;
  for (const auto& [tag, asked] : s.asked) {
    if (asked.to.id == peer.id) return;
    open += asked.walk == 0 ? 1U : 0U;
  }
  if (open >= kRootsOpenMax) return;
  s.ask_roots(peer, digest, out);
}

void State::Inside::ask_roots(const Contact& peer, const TreeHash& theirs, Output& out) {
  Roots question;
  entropy.fill(question.salt);
  for (const auto& [id, local] : spaces) {
    question.roots.push({.space = handle_of(id), .hash = long_hash(question.salt, local.space.tree().root())});
  }
  const auto tag = static_cast<RequestTag>(++tags);
  asked.emplace(tag, Asked{.to = target_of(peer), .space = {}, .walk = 0, .theirs = theirs, .question = question});
  out.requests.push_back({.tag = tag, .to = target_of(peer), .message = question});
}

void State::greet(Now, const Contact& peer, Output& out) {
  Inside& s = *inside_;
  if (!s.spaces.empty()) s.ask_roots(peer, {}, out);
}

void State::on_roots(Now, const Asker& asker, const Roots& m, RootsReply& reply) {
  Inside& s = *inside_;
  for (const Root& theirs : m.roots) {
    Inside::Local* local = s.find(theirs.space);
    if (local == nullptr) continue;
    if (!asker.early) s.add_neighbour(*local, target_of(asker.contact));
    reply.roots.push({.space = theirs.space, .hash = long_hash(m.salt, local->space.tree().root())});
  }
}

std::optional<State::Inside::Asked> State::Inside::take_asked(RequestTag tag) {
  const auto it = asked.find(tag);
  if (it == asked.end()) return std::nullopt;
  Asked out = std::move(it->second);
  asked.erase(it);
  return out;
}

void State::on_roots_reply(Now, RequestTag tag, const RootsReply& m, Output& out) {
  Inside& s = *inside_;
  const auto asked = s.take_asked(tag);
  if (!asked || asked->walk != 0) return;
  const auto& question = std::get<Roots>(asked->question);
  bool differs = false;
  for (const Root& theirs : m.roots) {
    const bool was_asked = std::ranges::find(question.roots, theirs.space, &Root::space) != question.roots.end();
    Inside::Local* local = s.find(theirs.space);
    if (!was_asked || local == nullptr) continue;
    s.add_neighbour(*local, asked->to);
    if (theirs.hash == long_hash(question.salt, local->space.tree().root())) continue;
    differs = true;
    std::size_t walks = 0;
    for (const auto& [id, other] : s.spaces) walks += other.running ? 1U : 0U;
    if (local->running || walks >= kWalksMax) continue;
    local->running.emplace(Inside::Running{.walk = Walk(local->space.genesis().id), .peer = asked->to, .theirs = asked->theirs,
                                           .number = ++s.walks});
    ++s.totals.walks_total;
    s.pump(*local, out);
  }
  if (!differs) s.note(asked->to.id, asked->theirs);
}

void State::Inside::pump(Local& local, Output& out) {
  Running& running = *local.running;
  while (auto question = running.walk.next(local.space, entropy)) {
    const auto tag = static_cast<RequestTag>(++tags);
    Asked entry{.to = running.peer, .space = local.space.genesis().id, .walk = running.number,
                .theirs = running.theirs, .question = {}};
    Request request{.tag = tag, .to = running.peer, .message = {}};
    std::visit(
        [&](const auto& q) {
          entry.question = q;
          request.message = q;
        },
        *question);
    asked.emplace(tag, std::move(entry));
    out.requests.push_back(std::move(request));
  }
  if (running.walk.ended()) end_walk(local, /*well=*/true);
}

void State::Inside::end_walk(Local& local, bool well) {
  const Running running = std::move(*local.running);
  local.running.reset();
  if (well) {
    note(running.peer.id, running.theirs);
  } else {
    ++totals.walks_failed_total;
  }
}

State::Inside::Local* State::Inside::walk_of(const Asked& question) {
  if (question.walk == 0) return nullptr;
  Local* local = find(question.space);
  return local != nullptr && local->running && local->running->number == question.walk ? local : nullptr;
}

bool State::on_branch(Now, const Asker&, const Branch& m, BranchReply& reply) {
  const Inside::Local* local = inside_->find(m.space);
  if (local == nullptr) return false;
  answer(local->space, m, reply);
  return true;
}

bool State::on_fetch(Now, const Asker& asker, const Fetch& m, FetchReply& reply) {
  const Inside::Local* local = inside_->find(m.space);
  if (local == nullptr) return false;
  answer(local->space, m, asker.reply_max, reply);
  return true;
}

void State::on_branch_reply(Now, RequestTag tag, const BranchReply& m, Output& out) {
  Inside& s = *inside_;
  const auto asked = s.take_asked(tag);
  Inside::Local* local = asked ? s.walk_of(*asked) : nullptr;
  if (local == nullptr) return;
  const auto* question = std::get_if<Branch>(&asked->question);
  if (question == nullptr || !local->running->walk.on_reply(local->space, *question, m)) return s.end_walk(*local, /*well=*/false);
  s.pump(*local, out);
}

void State::on_fetch_reply(Now now, RequestTag tag, const FetchReply& m, Output& out) {
  Inside& s = *inside_;
  const auto asked = s.take_asked(tag);
  Inside::Local* local = asked ? s.walk_of(*asked) : nullptr;
  if (local == nullptr) return;
  const auto* question = std::get_if<Fetch>(&asked->question);
  const auto entries = question == nullptr ? std::nullopt : unpack(local->space.genesis().id, m.pack);
  if (!entries) return s.end_walk(*local, /*well=*/false);
  // The order is checked first: what was not asked for is not verified either.
  std::vector<EntryKey> keys;
  std::size_t unknown = 0;
  for (const Unpacked& one : *entries) {
    keys.push_back(key_of(one.entry));
    unknown += local->space.holds(one.entry.id) ? 0U : 1U;
  }
  if (!local->running->walk.on_reply(*question, m.more, keys, unknown)) return s.end_walk(*local, /*well=*/false);
  std::vector<Write> rows;
  bool refused = false;
  for (const Unpacked& one : *entries) {
    const auto taken = s.take(now, *local, one.entry, one.bytes, rows);
    refused = refused || taken == Inside::Taken::kRefused || taken == Inside::Taken::kFull;
    s.totals.fetched_total += taken == Inside::Taken::kNew ? 1U : 0U;
  }
  if (refused) {
    s.end_walk(*local, /*well=*/false);
  } else {
    s.pump(*local, out);
  }
  s.flush(now, std::move(rows), out);
}

void State::on_timeout(Now, RequestTag tag, Output&) {
  Inside& s = *inside_;
  const auto asked = s.take_asked(tag);
  if (asked) s.drop_neighbour(asked->to.id);
}

// ---- time

void State::Inside::release_held_back(Now now, Output& out) {
  std::vector<Write> rows;
  for (std::size_t i = 0; i < kHeldBackPerTurn && !held_back.empty(); ++i) {
    const auto first = held_back.begin();
    const auto ms = static_cast<std::int64_t>(first->first.first >> 16);
    if (ms > now.wall.value + kSkewMax / 1ms) break;
    const auto [space, wire] = std::move(first->second);
    held_back.erase(first);
    Local* local = find(space);
    const auto entry = decode_entry(wire);
    CHECK(entry.has_value());
    if (local != nullptr && take(now, *local, *entry, wire, rows) == Taken::kNew) push_later(now, *local, entry->id, identity.id());
  }
  look_again(now);
  flush(now, std::move(rows), out);
}

// The wall clock may jump meanwhile: it is looked at again at least every kLookAgainMax.
void State::Inside::look_again(Now now) {
  look_at.reset();
  if (held_back.empty()) return;
  const auto ms = static_cast<std::int64_t>(held_back.begin()->first.first >> 16);
  const std::int64_t left_ms = ms - (now.wall.value + kSkewMax / 1ms);
  look_at = now.mono + std::chrono::milliseconds(std::clamp<std::int64_t>(left_ms, 1, kLookAgainMax / 1ms));
}

void State::on_deadline(Now now, Output& out) {
  Inside& s = *inside_;
  if (s.look_at && now.mono >= *s.look_at) s.release_held_back(now, out);
  if (!s.push_at || now.mono < *s.push_at) return;
  // One datagram's worth in a turn, of the namespace in which most waits.
  const auto fuller = [](const auto& a, const auto& b) { return a.second.fresh.size() < b.second.fresh.size(); };
  s.push_at.reset();
  if (s.spaces.empty()) return;
  s.push(std::ranges::max_element(s.spaces, fuller)->second, out);
  if (!std::ranges::max_element(s.spaces, fuller)->second.fresh.empty()) s.push_at = now.mono;
}

std::optional<Instant> State::next_deadline() {
  const Inside& s = *inside_;
  if (s.push_at && s.look_at) return std::min(*s.push_at, *s.look_at);
  return s.push_at ? s.push_at : s.look_at;
}

}  // namespace weft::state
