// How entries come and go: pushes of what is new, and walks for what was missed.
#include <algorithm>

#include "crypto/check.h"
#include "crypto/sessions.h"
#include "gossip/state/state_inside.h"

namespace weft::state {

// ---- the tree

void State::Inside::tend(Now now, Local& local, Output& out) {
  if (tree_out.empty()) return;
  const SpaceHandle handle = handle_of(local.space.genesis().id);
  for (const broadcast::Push& push : tree_out.pushes) {
    if (local.pushes_waiting >= kPushesWaitingMax / 2) pace.choked(now.mono);
    if (local.pushes_waiting == kPushesWaitingMax) break;  // the next walks bring it
    local.pushes[push.to].push_back(push);
    ++local.pushes_waiting;
    if (!push_at) push_at = now.mono + kPushDelay;
  }
  for (const broadcast::IHave& told : tree_out.ihaves) {
    totals.announced_total += told.ids.size();
    say(told.to, IHave{.space = handle, .ids = told.ids}, out);
  }
  for (const broadcast::Graft& wanted : tree_out.grafts) {
    Graft word{.space = handle, .eager = wanted.eager, .ids = {}};
    for (const broadcast::MessageId& id : wanted.ids) word.ids.push(EntryId{id});
    say(wanted.to, word, out);
  }
  for (const broadcast::Prune& prune : tree_out.prunes) say(prune.to, Prune{.space = handle}, out);
  for (const broadcast::Link& link : tree_out.links) say(link.to, Link{.space = handle, .step = link.step, .others = link.others}, out);
  tree_out.clear();
}

std::size_t State::Inside::push(Local& local, std::size_t most, Output& out) {
  std::size_t sent = 0;
  for (auto it = local.pushes.begin(); it != local.pushes.end() && sent < most;) {
    auto& [to, queue] = *it;
    Push word{.space = handle_of(local.space.genesis().id), .hops = {}, .pack = {}};
    Packer packer(kPayloadBytesMax - kPackHeadBytes);
    while (!queue.empty()) {
      // What has been dropped meanwhile nobody wants.
      if (const Space::Held* held = local.space.find(EntryId{queue.front().id}); held != nullptr) {
        if (!packer.add(decode_entry(held->wire).value())) break;
        word.hops.push(static_cast<std::uint8_t>(std::min(queue.front().hops, broadcast::kHopsMax)));
      }
      queue.pop_front();
      --local.pushes_waiting;
    }
    if (packer.count() > 0) {
      totals.pushed_total += packer.count();
      word.pack = packer.bytes();
      say(to, std::move(word), out);
      ++sent;
    }
    it = queue.empty() ? local.pushes.erase(it) : std::next(it);
  }
  return sent;
}

void State::on_push(Now now, const NodeId& from, const Push& m, Output& out) {
  Inside& s = *inside_;
  Inside::Local* local = s.find(m.space);
  const auto entries = local == nullptr ? std::nullopt : unpack(local->space.genesis().id, m.pack);
  if (!entries || entries->size() != m.hops.size()) {
    ++s.totals.refused_total;
    return;
  }
  local->tree.add_candidate(now, from);
  std::vector<Write> rows;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const Unpacked& one = (*entries)[i];
    switch (s.take(now, *local, one.entry, one.bytes, rows)) {
      case Inside::Taken::kNew:
        s.pace.pushed(now, one.entry.content.author, one.entry.content.stamp);
        s.note_lag(now, *local, one.entry);
        local->tree.accepted(now, one.entry.id.bytes, from, m.hops[i], s.tree_out);
        break;
      case Inside::Taken::kKnown:
      case Inside::Taken::kDiscarded:
        ++s.totals.push_known_total;
        local->tree.duplicate(now, one.entry.id.bytes, from, m.hops[i], s.tree_out);
        break;
      case Inside::Taken::kForbidden:
      case Inside::Taken::kHeldBack:
      case Inside::Taken::kLater:
      case Inside::Taken::kRefused:
      case Inside::Taken::kFull: break;
    }
  }
  s.tend(now, *local, out);
  s.flush(now, std::move(rows), out);
}

void State::on_ihave(Now now, const NodeId& from, const IHave& m, Output& out) {
  Inside& s = *inside_;
  Inside::Local* local = s.find(m.space);
  if (local == nullptr) return;
  std::vector<broadcast::Heard> heard;
  for (const broadcast::Announcement& one : m.ids) {
    heard.push_back({.id = one.id, .hops = one.hops, .here = local->space.holds(EntryId{one.id})});
  }
  local->tree.on_ihave(now, from, heard, s.tree_out);
  s.tend(now, *local, out);
}

void State::on_graft(Now now, const NodeId& from, const Graft& m, Output& out) {
  Inside& s = *inside_;
  Inside::Local* local = s.find(m.space);
  if (local == nullptr) return;
  std::vector<broadcast::MessageId> ids;
  for (const EntryId& id : m.ids) ids.push_back(id.bytes);
  local->tree.on_graft(now, from, m.eager, ids, s.tree_out);
  s.tend(now, *local, out);
}

void State::on_prune(Now now, const NodeId& from, const Prune& m, Output& out) {
  Inside& s = *inside_;
  Inside::Local* local = s.find(m.space);
  if (local == nullptr) return;
  local->tree.on_prune(now, from, s.tree_out);
  s.tend(now, *local, out);
}

void State::on_link(Now now, const NodeId& from, const Link& m, Output& out) {
  Inside& s = *inside_;
  Inside::Local* local = s.find(m.space);
  if (local == nullptr) {
    // Not here, or not any more: who asks is told, or it would count on us.
    const bool asks = m.step == broadcast::LinkStep::kAsk || m.step == broadcast::LinkStep::kAskEager;
    if (asks) s.say(from, Link{.space = m.space, .step = broadcast::LinkStep::kNo, .others = {}}, out);
    return;
  }
  local->tree.on_link(now, from, m.step, {m.others.begin(), m.others.end()}, s.tree_out);
  s.tend(now, *local, out);
}

void State::measured(const NodeId& peer, Duration round_trip) {
  for (auto& [id, local] : inside_->spaces) local.tree.set_round_trip(peer, round_trip);
}

void State::Inside::end_walks_with(Now now, const NodeId& peer) {
  for (auto& [id, local] : spaces) {
    if (local.running && local.running->peer.id == peer) end_walk(now, local, /*well=*/false);
  }
}

void State::forget(Now now, const NodeId& peer) {
  inside_->end_walks_with(now, peer);
  inside_->noted.erase(peer);
  for (auto& [id, local] : inside_->spaces) local.tree.peer_gone(now, peer);
}

// ---- digests and walks

void State::Inside::note(Now now, const NodeId& peer, const TreeHash& theirs) {
  if (noted.size() == kPeersNotedMax && !noted.contains(peer)) noted.erase(noted.begin());
  noted[peer] = {.ours = digest_or_zero(), .theirs = theirs, .at = now.mono};
}

void State::on_digest(Now now, const Contact& peer, const TreeHash& digest, Output& out) {
  Inside& s = *inside_;
  if (s.spaces.empty()) return;
  const TreeHash& ours = s.digest_or_zero();
  if (digest == ours) {
    for (auto& [id, local] : s.spaces) local.tree.add_candidate(now, peer.id);
    return;
  }
  const auto noted = s.noted.find(peer.id);
  const bool same = noted != s.noted.end() && noted->second.ours == ours && noted->second.theirs == digest;
  if (same && now.mono - noted->second.at < kNotedFor) return;
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

void State::on_roots(Now now, const Asker& asker, const Roots& m, RootsReply& reply) {
  Inside& s = *inside_;
  for (const Root& theirs : m.roots) {
    Inside::Local* local = s.find(theirs.space);
    if (local == nullptr) continue;
    if (!asker.early) local->tree.add_candidate(now, asker.contact.id);
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

void State::on_roots_reply(Now now, RequestTag tag, const RootsReply& m, Output& out) {
  Inside& s = *inside_;
  const auto asked = s.take_asked(tag);
  if (!asked || asked->walk != 0) return;
  const auto& question = std::get<Roots>(asked->question);
  std::size_t differs = 0;
  std::vector<Inside::Local*> begun;
  for (const Root& theirs : m.roots) {
    const bool was_asked = std::ranges::find(question.roots, theirs.space, &Root::space) != question.roots.end();
    Inside::Local* local = s.find(theirs.space);
    if (!was_asked || local == nullptr) continue;
    local->tree.add_candidate(now, asked->to.id);
    if (theirs.hash == long_hash(question.salt, local->space.tree().root())) continue;
    ++differs;
    std::size_t walks = 0;
    for (const auto& [id, other] : s.spaces) walks += other.running ? 1U : 0U;
    if (local->running || walks >= kWalksMax || !s.may_walk(now, *local, asked->to.id)) continue;
    local->running.emplace(Inside::Running{.walk = Walk(local->space.genesis().id, !local->space.rights().open()),
                                           .peer = asked->to, .theirs = asked->theirs,
                                           .number = ++s.walks, .began = now.mono});
    ++s.totals.walks_total;
    begun.push_back(local);
  }
  for (Inside::Local* local : begun) {
    local->running->alone = differs == 1;
    s.pump(now, *local, out);
  }
  if (differs == 0) s.note(now, asked->to.id, asked->theirs);
}

void State::Inside::pump(Now now, Local& local, Output& out) {
  Running& running = *local.running;
  if (now.mono - running.began >= kWalkMax && !running.walk.ended()) return end_walk(now, local, /*well=*/false);
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
  if (running.walk.ended()) end_walk(now, local, /*well=*/true);
}

bool State::Inside::may_walk(Now now, const Local& local, const NodeId& peer) const {
  return std::ranges::none_of(local.passed_over, [&](const PassedOver& one) { return one.peer == peer && now.mono < one.until; });
}

void State::Inside::end_walk(Now now, Local& local, bool well) {
  const Running running = std::move(*local.running);
  local.running.reset();
  // A peer is left alone until one of us changes only if all that it has and we have not was looked for and nothing came.
  if (well && running.alone && running.idle) note(now, running.peer.id, running.theirs);
  if (well) return;
  ++totals.walks_failed_total;
  if (running.brought || now.mono - running.began < kWalkMax) return;
  if (local.passed_over.size() == kPassedOverMax) local.passed_over.pop_front();
  local.passed_over.push_back({.peer = running.peer.id, .until = now.mono + kWalkPause});
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

void State::on_branch_reply(Now now, RequestTag tag, const BranchReply& m, Output& out) {
  Inside& s = *inside_;
  const auto asked = s.take_asked(tag);
  Inside::Local* local = asked ? s.walk_of(*asked) : nullptr;
  if (local == nullptr) return;
  const auto* question = std::get_if<Branch>(&asked->question);
  if (question == nullptr || !local->running->walk.on_reply(local->space, *question, m)) return s.end_walk(now, *local, /*well=*/false);
  s.pump(now, *local, out);
}

void State::on_fetch_reply(Now now, RequestTag tag, const FetchReply& m, Output& out) {
  Inside& s = *inside_;
  const auto asked = s.take_asked(tag);
  Inside::Local* local = asked ? s.walk_of(*asked) : nullptr;
  if (local == nullptr) return;
  const auto* question = std::get_if<Fetch>(&asked->question);
  const auto entries = question == nullptr ? std::nullopt : unpack(local->space.genesis().id, m.pack);
  if (!entries) return s.end_walk(now, *local, /*well=*/false);
  // What was not asked for is not looked at.
  std::vector<EntryKey> keys;
  for (const Unpacked& one : *entries) keys.push_back(key_of(one.entry));
  if (!Walk::asked_for(*question, m.more, keys)) return s.end_walk(now, *local, /*well=*/false);
  std::vector<Write> rows;
  std::size_t fresh = 0;
  bool refused = false;
  for (const Unpacked& one : *entries) {
    const auto taken = s.take(now, *local, one.entry, one.bytes, rows);
    refused = refused || taken == Inside::Taken::kRefused;
    using Taken = Inside::Taken;
    const bool idle = taken == Taken::kKnown || taken == Taken::kHeldBack || taken == Taken::kRefused || taken == Taken::kFull;
    if (!idle) local->running->idle = false;
    if (taken != Inside::Taken::kNew) continue;
    ++fresh;
    local->running->brought = true;
    ++s.totals.fetched_total;
    s.pace.walked(now, one.entry.content.stamp);
    s.note_lag(now, *local, one.entry);
    local->tree.arrived_otherwise(one.entry.id.bytes);
  }
  refused = !local->running->walk.on_reply(*question, m.more, keys, fresh) || refused;
  if (refused) {
    s.end_walk(now, *local, /*well=*/false);
  } else {
    s.pump(now, *local, out);
  }
  s.flush(now, std::move(rows), out);
}

void State::on_timeout(Now now, RequestTag tag, Output&) {
  Inside& s = *inside_;
  const auto asked = s.take_asked(tag);
  if (asked) s.end_walks_with(now, asked->to.id);
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
    // All who heard of it hold it back until about now: it is not pushed again.
    if (local != nullptr && take(now, *local, *entry, wire, rows) == Taken::kNew) local->tree.arrived_otherwise(entry->id.bytes);
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
  if (s.keep_at && now.mono >= *s.keep_at) s.keep(out);
  s.prove(now, out);
  s.pace.step(now.mono);
  s.write_delayed(now, out);
  for (auto& [id, local] : s.spaces) {
    const auto due = local.tree.next_deadline();
    if (!due || *due > now.mono) continue;
    local.tree.on_deadline(now, s.tree_out);
    s.tend(now, local, out);
  }
  if (!s.push_at || now.mono < *s.push_at) return;
  s.push_at.reset();
  std::size_t left = kPushesPerTurn;
  for (auto& [id, local] : s.spaces) left -= s.push(local, left, out);
  const bool more = std::ranges::any_of(s.spaces, [](const auto& entry) { return entry.second.pushes_waiting > 0; });
  if (more) s.push_at = now.mono;
}

std::optional<Instant> State::next_deadline() {
  Inside& s = *inside_;
  std::optional<Instant> next = s.push_at;
  const auto earlier = [&next](std::optional<Instant> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  earlier(s.look_at);
  earlier(s.keep_at);
  earlier(s.prove_at());
  if (!s.delayed.empty()) earlier(s.delayed.front().at);
  for (const auto& [id, local] : s.spaces) earlier(local.tree.next_deadline());
  return next;
}

}  // namespace weft::state
