#include "dht/region_op.h"

#include "dht/background_ops.h"
#include "dht/comparison.h"
#include "dht/store_filling.h"

namespace weft::dht {
namespace {

// The owner renews once this much of the lifetime is gone: each holder may miss two renewals.
constexpr Ratio kRenewAfter = {3, 10};
// Of holders that showed a higher number, newer values are fetched from so many at most.
constexpr std::size_t kFetchesMax = 8;

bool renewal_due(Now now, const Own& own) {
  if (!own.renew) return false;
  const Duration lifetime = std::chrono::seconds(own.lifetime_s);
  return own.expires - now.mono <=
         lifetime - lifetime * kRenewAfter.numerator / kRenewAfter.denominator;
}

}  // namespace

RegionOp::RegionOp(const Slot& target, std::vector<Due> due, bool owner)
    : Operation(std::nullopt), target_(target), due_(std::move(due)), owner_(owner) {
  CHECK(due_.size() <= kCompareItemsMax);
  std::ranges::sort(due_, {}, &Due::slot);
}

void RegionOp::start(Now now, Core& core, Output& out) {
  for (const Due& due : due_) take_up(now, core, due);
  if (items_.empty()) return finish();
  if (!owner_ && core.rng.below(kLookEvery) != 0 && knows_all_around(core)) {
    return begin_comparing(now, core, out);
  }
  if (worth_a_region(core)) {
    want_ = std::max(kRegionWant, core.config.replicas);
  } else {
    leave_out(core, std::nullopt);
    want_ = core.config.replicas;
  }
  walk_.emplace(now, core, key(),
                Walk::Options{.target = target_.key,
                              .message = FindNode{.target = target_.key},
                              .want = want_,
                              .background = true});
  advance(now, core, out);
}

// What there is to publish under a slot, if anything.
void RegionOp::take_up(Now now, const Core& core, const Due& due) {
  const Slot& slot = due.slot;
  Item item{.slot = slot, .blob = {}, .seq = 0, .expires = {}, .was_due = due.at, .newer_at = {}};
  if (owner_) {
    const Own* own = core.own.find(slot.key);
    if (own == nullptr) return;
    item.renew = renewal_due(now, *own);
    item.expires =
        item.renew ? now.mono + std::chrono::seconds(own->lifetime_s) : own->expires;
    item.blob = own->blob;
    item.seq = own->seq;
  } else {
    const Held* held = core.store.find(slot);
    if (held == nullptr) return;
    item.blob = held->blob;
    item.seq = held->seq;
    item.expires = held->expires;
  }
  if (seconds_left(now, item.expires) > 0) items_.push_back(std::move(item));
}

void RegionOp::advance(Now now, Core& core, Output& out) {
  if (done()) return;
  if (!comparing_) {
    for (;;) {
      walk_->pump(now, core, out);
      if (!walk_->ended(core, out)) return;
      if (looked_aside_) break;
      nearest_ = walk_->lookup().closest(want_);
      core.note_nearest(target_.key, walk_->lookup().closest(core.config.replicas));
      bits_ = answers_for(core);
      if (items_.size() == 1 || bits_) return begin_comparing(now, core, out);
      look_aside(now, core);
    }
    add_aside(core);
    return begin_comparing(now, core, out);
  }
  ask_peers(core, out);
  if (count(Peer::State::kDone) < peers_.size()) return;
  send(now, core, out);
  if (to_send_.empty() && sent_.empty()) complete(now, core, out);
}

std::optional<int> RegionOp::answers_for(const Core& core) const {
  if (nearest_.size() < want_) return 0;
  const int bits = common_prefix_bits(target_.key, nearest_.back().id) + 1;
  auto within = static_cast<std::size_t>(std::ranges::count_if(nearest_, [&](const Target& to) {
    return common_prefix_bits(target_.key, to.id) >= bits;
  }));
  if (common_prefix_bits(target_.key, core.self()) >= bits) ++within;
  if (within < core.config.replicas) return std::nullopt;
  return bits;
}

// The other half of the subtree in which the farthest of them is: with it, all of that is known.
void RegionOp::look_aside(Now now, Core& core) {
  const auto bit = static_cast<std::size_t>(common_prefix_bits(target_.key, nearest_.back().id));
  NodeId aside = target_.key;
  aside.bytes[bit / 8] = static_cast<std::uint8_t>(aside.bytes[bit / 8] ^ (0x80U >> (bit % 8)));
  looked_aside_ = static_cast<int>(bit);
  walk_.emplace(now, core, key(),
                Walk::Options{.target = aside,
                              .message = FindNode{.target = aside},
                              .want = want_,
                              .background = true});
}

void RegionOp::add_aside(const Core& core) {
  const std::vector<Target> others = walk_->lookup().closest(want_);
  const NodeId& aside = walk_->lookup().target();
  // Half of it again may lie beyond what this lookup knows; then the target alone is answered for.
  const bool whole = others.size() < want_ ||
                     common_prefix_bits(aside, others.back().id) + 1 <= *looked_aside_ + 1;
  for (const Target& to : others) {
    if (std::ranges::find(nearest_, to.id, &Target::id) == nearest_.end()) nearest_.push_back(to);
  }
  std::ranges::sort(nearest_, [&](const Target& a, const Target& b) {
    return closer(target_.key, a.id, b.id);
  });
  if (whole && nearest_.size() >= core.config.replicas) bits_ = *looked_aside_;
}

bool RegionOp::worth_a_region(const Core& core) const {
  const std::size_t nodes = std::max<std::size_t>(core.table.size() + 1, core.size.nodes());
  int bits = 0;
  while (nodes >> (bits + 1) >= kRegionNodes) ++bits;
  const auto near = std::ranges::count_if(items_, [&](const Item& item) {
    return common_prefix_bits(target_.key, item.slot.key) >= bits;
  });
  return static_cast<std::size_t>(near) > kRegionFew;
}

bool RegionOp::knows_all_around(const Core& core) {
  if (!core.looked_around) return false;
  bits_ = core.table.bits_known(core.config.replicas);
  if (!bits_ || common_prefix_bits(target_.key, core.self()) < *bits_) return false;
  core.table.visit_nearest(target_.key, [&](const RoutingTable::Entry& entry) {
    if (common_prefix_bits(entry.contact.id, core.self()) < *bits_) return true;
    if (entry.failures == 0) nearest_.push_back(target_of(entry.contact));
    return true;
  });
  // Some are silent: who stands in for them is not known.
  return *bits_ == 0 || nearest_.size() + 1 >= core.config.replicas;
}

// The values whose holders this lookup cannot know are due when they were.
void RegionOp::leave_out(Core& core, std::optional<int> bits) {
  std::erase_if(items_, [&](const Item& item) {
    const NodeId& key = item.slot.key;
    if (key == target_.key || (bits && common_prefix_bits(target_.key, key) >= *bits)) return false;
    if (owner_) {
      if (const Own* own = core.own.find(key)) core.own.published(key, own->copies, item.was_due);
    } else {
      core.store.set_republish(item.slot, item.was_due);
    }
    return true;
  });
}

void RegionOp::assign(Now now, Core& core, Output& out) {
  const std::size_t replicas = core.config.replicas;
  const std::size_t responders = nearest_.size();
  for (Target& to : nearest_) peers_.push_back({.to = std::move(to), .items = {}, .sums = {}, .token = {}});
  std::vector<std::uint16_t> order(responders);
  std::size_t adopted = 0;
  for (std::uint16_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    const NodeId& key = item.slot.key;
    for (std::uint16_t p = 0; p < responders; ++p) order[p] = p;
    std::ranges::sort(order, [&](std::uint16_t a, std::uint16_t b) {
      return closer(key, peers_[a].to.id, peers_[b].to.id);
    });
    bool among = false;
    for (const std::uint16_t p : order) {
      if (item.holders == replicas) break;
      if (!among && closer(key, core.self(), peers_[p].to.id)) {
        among = true;
        if (++item.holders == replicas) break;
      }
      ++item.holders;
      peers_[p].items.push_back(i);
    }
    if (!among && item.holders < replicas) {
      among = true;
      ++item.holders;
    }
    if (among) {
      // What is not known is taken for held, and looked at for a few, as it would be taken up for a few.
      const bool known = core.store.knows(key);
      const bool lacking =
          known ? core.store.judge(item.slot, item.seq, item.blob) == Verdict::kNewer : owner_;
      if (lacking && adopted++ < kRegionAdopts) {
        core.adopt(now, item.slot, item.blob, seconds_left(now, item.expires), out);
      }
      if (!known || !lacking || adopted <= kRegionAdopts) ++item.copies;
    } else if (!owner_ && responders >= replicas) {
      // A stray copy: the nearest get it now, so we keep ours but stay silent for longer.
      core.store.set_republish(item.slot, now.mono + 4 * core.config.republish_every);
    }
  }
  std::erase_if(peers_, [](const Peer& peer) { return peer.items.empty(); });
}

void RegionOp::begin_comparing(Now now, Core& core, Output& out) {
  comparing_ = true;
  leave_out(core, bits_);
  assign(now, core, out);
  salt_ = core.rng.next();
  advance(now, core, out);
}

std::size_t RegionOp::count(Peer::State state) const {
  return static_cast<std::size_t>(std::ranges::count(peers_, state, &Peer::state));
}

void RegionOp::ask_peers(Core& core, Output& out) {
  std::size_t open = count(Peer::State::kAsked);
  for (std::uint32_t at = 0; at < peers_.size(); ++at) {
    Peer& peer = peers_[at];
    if (open == kRegionComparesOpen) return;
    if (peer.state != Peer::State::kToAsk) continue;
    peer.state = Peer::State::kAsked;
    ++open;
    const Compare shown = comparison(salt_, peer.items.size(), /*publishes=*/true, peer.sums, [&](std::size_t i) {
      const Item& item = items_[peer.items[i]];
      return std::pair<const NodeId&, ByteView>(item.slot.key, item.blob);
    });
    ++core.counters.compares_total;
    core.ask(key(), Role::kCompare, peer.to, shown, /*background=*/true, out, at);
  }
}

void RegionOp::on_compared(Now now, Core& core, const Asked& asked, const Compared& m,
                           Output& out) {
  const auto at = static_cast<std::uint16_t>(asked.detail);
  if (asked.role != Role::kCompare || at >= peers_.size() || peers_[at].state != Peer::State::kAsked) return;
  Peer& peer = peers_[at];
  peer.state = Peer::State::kDone;
  peer.token = m.token;
  const bool told = tells(m, peer.items.size());
  if (!told && m.token && peer.items.size() > kUntoldSent) {
    const auto half = peer.items.begin() + static_cast<std::ptrdiff_t>(peer.items.size() / 2);
    Peer rest{.to = peer.to, .items = {half, peer.items.end()}, .sums = {}, .token = {}};
    peer.items.erase(half, peer.items.end());
    peer.state = Peer::State::kToAsk;
    peers_.push_back(std::move(rest));
    return advance(now, core, out);
  }
  for (std::size_t i = 0; i < peer.items.size(); ++i) {
    Item& item = items_[peer.items[i]];
    const bool missing = !told || lacks(m, i);
    if (told && missing) ++core.counters.copies_missing_total;
    item.gap = item.gap || (told && missing);
    if (!missing) ++item.copies;
    if (m.token && (missing || item.renew)) to_send_.push_back({at, peer.items[i], missing});
  }
  advance(now, core, out);
}

// Block by block of neighbours, once it is known who lacks what, in a block holder by holder: if the budget ends, the
// values that were begun are done.
void RegionOp::send(Now now, Core& core, Output& out) {
  if (!sorted_) {
    sorted_ = true;
    std::ranges::sort(to_send_, {}, [](const Sending& s) {
      return std::tuple(s.item / kRegionBlock, s.peer, s.item);
    });
  }
  while (!to_send_.empty() && sent_.size() < kRegionStoresOpen) {
    const Peer& peer = peers_[to_send_.front().peer];
    StoreFilling together(*peer.token);
    std::vector<Sending> sent;
    for (; !to_send_.empty() && &peers_[to_send_.front().peer] == &peer; to_send_.pop_front()) {
      const Sending& next = to_send_.front();
      Item& item = items_[next.item];
      if (!item.begun && begun_ >= kRegionLeast && !core.may_spend(now)) item.unsent = true;
      const std::uint32_t remaining_s = seconds_left(now, item.expires);
      if (item.unsent || remaining_s == 0) continue;
      if (!together.add({.key = item.slot.key, .remaining_s = remaining_s, .blob = item.blob})) break;
      if (!item.begun) ++begun_;
      item.begun = true;
      sent.push_back(next);
    }
    if (sent.empty()) continue;
    sent_.emplace(++sent_total_, std::move(sent));
    core.ask(key(), Role::kStore, peer.to, together.message(), /*background=*/true, out, sent_total_);
  }
}

void RegionOp::on_stored_many(Now now, Core& core, const Asked& asked, const StoredMany& m, Output& out) {
  const auto it = sent_.find(asked.detail);
  if (asked.role != Role::kStore || it == sent_.end()) return;
  // A holder that leaves answers out harms its own copies.
  for (std::size_t i = 0; i < std::min(it->second.size(), m.answers.size()); ++i) {
    const Sending& sent = it->second[i];
    const Stored& answer = m.answers[i];
    Item& item = items_[sent.item];
    if (answer.status == StoreStatus::kStored && sent.missing) ++item.copies;
    if (answer.status == StoreStatus::kStale && answer.seq > item.seq) item.newer_at = peers_[sent.peer].to;
  }
  sent_.erase(it);
  advance(now, core, out);
}

void RegionOp::on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                        Output& out) {
  if (!comparing_) walk_->on_nodes(asked, rtt, m);  // later ones help no more
  advance(now, core, out);
}

void RegionOp::on_slow(Now now, Core& core, const Asked& asked, Output& out) {
  if (asked.role == Role::kWalk && !comparing_) walk_->on_slow(asked);
  advance(now, core, out);
}

void RegionOp::on_timeout(Now now, Core& core, const Asked& asked, Output& out) {
  if (asked.role == Role::kCompare) {
    if (asked.detail < peers_.size()) peers_[asked.detail].state = Peer::State::kDone;
  } else if (asked.role == Role::kStore) {
    const auto it = sent_.find(asked.detail);
    if (it == sent_.end()) return;
    for (const Sending& sent : it->second) core.hints.add(now, asked.peer.id, items_[sent.item].slot);
    sent_.erase(it);
  } else if (!comparing_) {
    walk_->on_timeout(asked);
  }
  advance(now, core, out);
}

void RegionOp::complete(Now now, Core& core, Output& out) {
  finish();
  for (const Sending& left : to_send_) items_[left.item].unsent = true;
  std::vector<Write> rows;
  std::size_t fetches = 0;
  for (const Item& item : items_) {
    ++core.counters.republished_total;
    if (owner_) end_own(now, core, item, rows, out);
    else if (item.unsent) core.store.set_republish(item.slot, now.mono);
    if (item.newer_at && fetches++ < kFetchesMax) {
      core.spawn(std::make_unique<FetchOp>(item.slot, item.seq, *item.newer_at));
    }
  }
  core.write(std::move(rows), out);
}

void RegionOp::end_own(Now now, Core& core, const Item& item, std::vector<Write>& rows, Output& out) {
  const NodeId& key = item.slot.key;
  const Own* own = core.own.find(key);
  if (own == nullptr || own->seq != item.seq) return;
  if (item.renew && !item.unsent && item.copies > 0) {
    core.own.renewed(key, item.expires);
    rows.push_back(own_row(core.stamp(now), key, *own));
    const Held* held = core.store.find(item.slot);
    if (held != nullptr && held->seq == item.seq && held->expires < item.expires) {
      core.store.set_expiry(item.slot, item.expires);
      rows.push_back(value_row(core.stamp(now), item.slot, held->blob, item.expires));
    } else if (!core.store.knows(key)) {
      core.renew_held(now, item.slot, item.seq, item.expires, out);
    }
  }
  const bool complete = item.copies >= item.holders;
  core.own.set_calm(key, complete && !item.gap);
  const Instant again = core.owner_republish(now, own->lifetime_s, complete, own->calm);
  core.own.published(key, item.copies, item.unsent ? now.mono : again);
}

void RegionOp::end(Now now, Core& core, OpError why, Output& out) {
  if (comparing_ && why != OpError::kShutdown) return complete(now, core, out);
  finish();
}

}  // namespace weft::dht
