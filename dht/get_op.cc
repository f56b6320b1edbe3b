#include "dht/get_op.h"

#include "crypto/planted.h"
#include "dht/background_ops.h"
#include "dht/lookup_op.h"

namespace weft::dht {

GetOp::GetOp(OpId user, const NodeId& key, const GetOptions& options)
    : Operation(user), dht_key_(key), options_(options) {}

void GetOp::start(Now now, Core& core, Output& out) {
  if (options_.trace) core.tracing.begin(key(), now.mono);
  quorum_ = options_.quorum != 0 ? options_.quorum : core.config.read_quorum;
  if (!core.store.knows(dht_key_)) loading_ = core.want(dht_key_, key(), out);
  look_here(now, core);
  walk_.emplace(now, core, key(),
                Walk::Options{.target = dht_key_,
                              .message = Get{.key = dht_key_,
                                             .author = options_.author,
                                             .after = {},
                                             .want_token = true,
                                             .newer_than = 0},
                              .want = core.config.replicas,
                              .paths = options_.paths,
                              .background = false});
  advance(now, core, out);
}

void GetOp::on_loaded(Now now, Core& core, Output& out) {
  loading_ = false;
  look_here(now, core);
  advance(now, core, out);
}

// What this node holds, or has published itself, is a copy like any other.
void GetOp::look_here(Now now, Core& core) {
  const auto show = [&](ByteView blob, Instant expires) {
    const HeldValue held{seconds_left(now, expires), blob};
    (void)found_.add(now, core.provider, dht_key_, core.self(), held);
  };
  core.store.visit_key(dht_key_, nullptr, [&](const NodeId& author, const Held& held) {
    if (!options_.author || *options_.author == author) show(held.blob, held.expires);
    return true;
  });
  if (options_.author && *options_.author != core.self()) return;
  const Own* own = core.own.find(dht_key_);
  if (own != nullptr) show(own->blob, own->expires);
}

void GetOp::on_values(Now now, Core& core, const Asked& asked, Duration rtt, const Values& m,
                      Output& out) {
  if (asked.role == Role::kPage) {
    Responder& responder = responders_[asked.peer.id];
    if (responder.page_open) --pages_open_;
    responder.page_open = false;
  } else if (!beside_) {
    walk_->on_values(asked, rtt, m);
  }
  take(now, core, asked, m, out);
  advance(now, core, out);
}

void GetOp::take(Now now, Core& core, const Asked& asked, const Values& m, Output& out) {
  Responder& responder = responders_[asked.peer.id];
  bool progress = m.values.empty() && responder.pages == 0;  // one more try, in session
  for (const HeldValue& held : m.values) {
    const auto author = found_.add(now, core.provider, dht_key_, asked.peer.id, held);
    if (!author) continue;
    // Pages run upwards through the authors; a holder that turns back is read no further.
    if (responder.after && *author <= *responder.after) continue;
    responder.after = author;
    progress = true;
  }
  if (!m.more || !progress || responder.pages == kPagesPerHolderMax) {
    responder.complete = !m.more;
    return;
  }
  ++responder.pages;
  ask_page(core, target_of(asked.peer), responder.after, out);
}

void GetOp::ask_page(Core& core, const Target& to, const std::optional<NodeId>& after, Output& out) {
  ++pages_total_;
  responders_[to.id].page_open = true;
  ++pages_open_;
  const Get page{.key = dht_key_, .author = options_.author, .after = after, .want_token = false, .newer_than = 0};
  core.ask(key(), Role::kPage, to, page, /*background=*/false, out);
}

void GetOp::on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                     Output& out) {
  if (beside_) beside_->on_nodes(asked, rtt, m);
  else walk_->on_nodes(asked, rtt, m);
  advance(now, core, out);
}

void GetOp::on_late(Now now, Core& core, const Asked& asked, Output& out) {
  if (beside_) return;
  walk_->on_late(asked);
  advance(now, core, out);
}

void GetOp::on_slow(Now now, Core& core, const Asked& asked, Output& out) {
  if (asked.role == Role::kPage) {
    Responder& responder = responders_[asked.peer.id];
    if (responder.page_open) --pages_open_;  // set aside: not waited for
    responder.page_open = false;
  } else if (beside_) {
    beside_->on_slow(asked);
  } else {
    walk_->on_slow(asked);
  }
  advance(now, core, out);
}

void GetOp::on_timeout(Now now, Core& core, const Asked& asked, Output& out) {
  if (asked.role == Role::kPage) {
    Responder& responder = responders_[asked.peer.id];
    if (responder.page_open) --pages_open_;
    responder.page_open = false;
  } else if (beside_) {
    beside_->on_timeout(asked);
  } else {
    walk_->on_timeout(asked);
  }
  advance(now, core, out);
}

bool GetOp::enough() const {
  if (options_.all || found_.empty() || pages_open_ > 0) return false;
  return found_.copies_min() >= quorum_;
}

// Whoever is nearer to the key than somebody who holds it very likely holds it too: if enough of
// those have been asked already, further requests would only cost.
bool GetOp::enough_asked() const {
  if (options_.all || found_.empty()) return false;
  for (const auto& [author, found] : found_.all()) {
    const NodeId& farthest = *std::ranges::max_element(
        found.holders, [this](const NodeId& a, const NodeId& b) { return closer(dht_key_, a, b); });
    const std::size_t awaited = walk_->lookup().awaited_nearer_than(farthest);
    if (found.holders.size() + awaited < quorum_) return false;
  }
  return true;
}

void GetOp::advance(Now now, Core& core, Output& out) {
  if (done()) return;
  if (beside_) return advance_beside(now, core, out);
  if (enough()) return settle(now, core, /*converged=*/false, out);
  if (!enough_asked()) walk_->pump(now, core, out);
  if (pages_open_ > 0) return;
  if (!walk_->ended(core, out) || loading_) return;
  if (found_.empty() && !widened_ && walk_->lookup().responders() > 0) {
    widened_ = true;
    walk_->widen(kWiderSearch * core.config.replicas);
    return advance(now, core, out);
  }
  settle(now, core, /*converged=*/true, out);
}

void GetOp::settle(Now now, Core& core, bool converged, Output& out) {
  if (!core.seems_crowded(walk_->lookup())) return complete(now, core, converged, out);
  converged_ = converged;
  beside_.emplace(dht_key_, walk_->lookup().nearest_known(), core);
  advance_beside(now, core, out);
}

void GetOp::advance_beside(Now now, Core& core, Output& out) {
  while (pages_open_ == 0) {
    if (beside_->over() || (read_beside_ && enough())) return complete(now, core, converged_, out);
    if (!beside_->advance(now, core, key(), out)) {
      if (beside_->over()) continue;  // it was no crowd
      return;
    }
    read_beside_ = true;
    for (const Target& to : beside_->nearest()) {
      if (!responders_.contains(to.id)) ask_page(core, to, std::nullopt, out);
    }
  }
}

void GetOp::complete(Now now, Core& core, bool converged, Output& out) {
  repair(now, core, converged, out);
  const Lookup& lookup = walk_->lookup();
  if (converged && !beside_) core.note_nearest(dht_key_, lookup.closest(core.config.replicas));
  if (options_.quorum != 0 && !found_.empty() && found_.copies_max() < options_.quorum) {
    return fail({.error = OpError::kQuorum, .current_seq = 0, .replicas = found_.copies_max()},
                out);
  }
  GetOk ok{.key = dht_key_, .values = {}, .hops = 0, .queries = lookup.queries() + pages_total_,
           .trace = {}};
  for (const auto& [author, found] : found_.all()) {
    for (const NodeId& holder : found.holders) {
      ok.hops = std::max<std::size_t>(ok.hops, lookup.hop_of(holder));
    }
    if (found.withdrawn()) continue;
    // Under a quorum of the user's choice a value that too few hold is not shown.
    if (options_.quorum != 0 && found.holders.size() < options_.quorum) continue;
    const ByteView value = ByteView(found.blob).subspan(kBlobHeadBytes);
    ok.values.push_back({.author = found.author, .author_id = author, .seq = found.seq,
                         .remaining_s = seconds_left(now, found.expires),
                         .value = to_bytes(value), .copies = found.holders.size()});
  }
  if (ok.values.empty()) {
    // Nobody answered although somebody was asked: that says nothing about the key.
    const bool silence = found_.empty() && lookup.queries() > 0 && lookup.responders() == 0;
    return fail({.error = silence ? OpError::kTimedOut : OpError::kNotFound, .current_seq = 0,
                 .replicas = 0}, out);
  }
  ok.trace = core.tracing.trace(key(), lookup);
  finish();
  out.events.push_back(GetDone{*user(), std::move(ok)});
}

// Who should hold the newest value of an author and does not: those who showed an older one; those
// of the nearest who showed none, if the lookup has converged; otherwise only those nearer than
// some holder, because the nearest are not known yet.
void GetOp::repair(Now now, Core& core, bool converged, Output& out) {
  const std::vector<Holder> all = walk_->holders();
  const std::size_t replicas = core.config.replicas;
  std::size_t repaired = 0;
  for (const auto& [author, found] : found_.all()) {
    if (repaired == kRepairsPerGet || seconds_left(now, found.expires) == 0) break;
    const auto holds = [&found](const NodeId& id) {
      return std::ranges::find(found.holders, id) != found.holders.end();
    };
    std::vector<Holder> wanting;
    bool nearer_than_a_holder = false;
    for (std::size_t i = all.size(); i-- > 0;) {  // from the farthest
      const NodeId& id = all[i].to.id;
      if (holds(id)) {
        nearer_than_a_holder = true;
        continue;
      }
      const bool stale = std::ranges::find(found.stale, id) != found.stale.end();
      const bool read = responders_[id].complete;
      const bool should = i < replicas && (converged || nearer_than_a_holder);
      if (stale || (read && should)) wanting.insert(wanting.begin(), all[i]);
    }
    const Slot slot{dht_key_, author};
    const auto nearer = static_cast<std::size_t>(std::ranges::count_if(
        all, [&](const Holder& h) { return closer(dht_key_, h.to.id, core.self()); }));
    const bool here = core.store.find(slot) != nullptr || (converged && nearer < replicas);
    if (here) core.adopt(now, slot, found.blob, seconds_left(now, found.expires), out);
    if (wanting.empty()) continue;
    ++repaired;
    core.spawn(std::make_unique<SpreadOp>(
        Spread::Value{.slot = slot, .blob = found.blob, .seq = found.seq,
                      .expires = found.expires},
        std::move(wanting)));
  }
}

void GetOp::fail(const OpFailure& failure, Output& out) {
  finish();
  if (planted(Plant::kGetWithoutEnd)) return;
  out.events.push_back(GetDone{*user(), std::unexpected(failure)});
}

void GetOp::end(Now now, Core& core, OpError why, Output& out) {
  // At the deadline what has been found counts, as if the lookup had come to an end.
  if (why == OpError::kTimedOut && !found_.empty()) {
    return complete(now, core, /*converged=*/false, out);
  }
  fail({.error = why, .current_seq = 0, .replicas = found_.copies_max()}, out);
}

}  // namespace weft::dht
