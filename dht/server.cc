#include "dht/server.h"

#include "crypto/planted.h"

namespace weft::dht {
namespace {

// Own values are published again soon after a restart, but not all nodes' at once.
constexpr Duration kRestartPublishFirst = 10s;
constexpr Duration kRestartPublishLast = 10min;
// Those that have lived half of their time, or all, sooner: an owner that is up for a minute now and then keeps them.
constexpr Duration kRestartPublishSoon = 30s;

// At least so many contacts are named, if there are, before those who may be gone are left out.
constexpr std::size_t kNamedMin = 4;

// Contacts near `target` that may be named to the asker, as far as they fit. Whoever was silent
// when last asked is not handed on; nor, if there are kNamedMin others, who was not heard for longer than is believed.
// Whom the asker knows counts as named.
void fill_contacts(Now now, const Core& core, const Asker& asker, const NodeId& target, std::size_t max, const Known& known,
                   std::size_t room, InlineVec<Contact, kContactsPerReply>& contacts) {
  if (max == 0) return;
  std::size_t named = 0;
  const auto name = [&](const RoutingTable::Entry& entry) {
    if (entry.contact.id == asker.contact.id) return true;
    if (!may_be_named_to(entry.contact.endpoint, asker.contact.endpoint)) return true;
    if (!is_known(known, entry.contact)) {
      const std::size_t bytes = contact_bytes(entry.contact);
      if (bytes > room) return false;
      room -= bytes;
      contacts.push(entry.contact);
    }
    return ++named < max && !contacts.full();
  };
  core.table.visit_nearest(target, [&](const RoutingTable::Entry& entry) {
    return !core.table.believed(now, entry) || name(entry);
  });
  if (named >= std::min(max, kNamedMin)) return;
  core.table.visit_nearest(target, [&](const RoutingTable::Entry& entry) {
    if (entry.failures > 0 || core.table.believed(now, entry)) return true;
    return name(entry) && named < kNamedMin;
  });
}

// A write token, if one is wanted, fits and would be worth something.
std::optional<Token> token_for(Now now, Core& core, const Asker& asker, const NodeId& key, bool wanted,
                                    std::size_t& room) {
  if (!wanted || room < kTokenBytes) return std::nullopt;
  if (!core.can_store()) {
    ++core.counters.tokens_withheld_total;
    return std::nullopt;
  }
  room -= kTokenBytes;
  return core.tokens.make(now, asker.contact, key);
}

void answer(Core& core, const StoreReplyTo& reply, StoreStatus status, std::uint64_t seq, Output& out) {
  if (status != StoreStatus::kStored) {
    ++core.counters.stores_refused_total[static_cast<std::size_t>(status)];
  }
  const Stored stored{.status = status, .seq = seq};
  if (!reply.together) return out.replies.push_back({reply.to, stored});
  StoredTogether& all = *reply.together;
  all.message.answers[reply.place] = stored;
  if (--all.open == 0) out.replies_many.push_back({reply.to, all.message});
}

// The same value again: another holder's refresh spares us ours; the author's starts the lifetime
// anew. Nobody else can lengthen it, or values would never die.
void refresh_held(Now now, Core& core, const Asker& asker, const Slot& slot, const Store& m,
                  const SignedValue& value, Output& out) {
  core.store.set_republish(slot, core.holder_republish(now));
  if (asker.contact.key != value.author) return;
  const Held* held = core.store.find(slot);
  const Instant expires = now.mono + std::chrono::seconds(m.remaining_s);
  if (expires <= held->expires) return;
  core.store.set_expiry(slot, expires);
  core.write({value_row(core.stamp(now), slot, m.blob, expires)}, out);
}

constexpr int kParkedMax = 3;  // a store asks for the key, for the author, for the farthest

// One value that somebody wants held.
struct Offer {
  const Asker& asker;
  const StoreReplyTo& to;
  const Store& m;
  int parked = 0;         // how often it has waited for the durable store
  bool its_turn = false;  // it has waited for its signature to be checked
};
void take(Now now, Core& core, const Offer& offer, Output& out);

WaitingStore waiting(const Offer& offer) {
  Store store = offer.m;
  store.blob = {};
  return {offer.asker, offer.to, store, to_bytes(offer.m.blob), offer.parked};
}

void take_up(Now now, Core& core, const WaitingStore& waited, bool its_turn, Output& out) {
  Store store = waited.store;
  store.blob = waited.blob;
  take(now, core, {waited.asker, waited.reply, store, waited.parked, its_turn}, out);
}

// Takes the value up again when what is asked for (a call that begins the load) is known.
template <class Want>
void park(Core& core, const Offer& offer, Want want, Output& out) {
  const auto kept = std::make_shared<WaitingStore>(waiting(offer));
  ++kept->parked;
  const auto then = [&core, kept](Now later, bool ok, Output& o) {
    if (ok) return take_up(later, core, *kept, /*its_turn=*/false, o);
    answer(core, kept->reply, StoreStatus::kFailed, 0, o);
  };
  if (offer.parked < kParkedMax && want(then)) return;
  answer(core, offer.to, StoreStatus::kFailed, 0, out);
}

// What is held or on its way to the disk under a slot, if it is not superseded by `seq`, `blob`.
std::optional<std::uint64_t> superseded_by(const Core& core, const Slot& slot, std::uint64_t seq,
                                           ByteView blob) {
  if (const Held* held = core.store.find(slot)) {
    if (supersedes(held->seq, held->blob, seq, blob)) return held->seq;
  }
  if (const auto it = core.newest_commit.find(slot); it != core.newest_commit.end()) {
    const Held& coming = core.store_commits.at(it->second).held;
    if (supersedes(coming.seq, coming.blob, seq, blob)) return coming.seq;
  }
  return std::nullopt;
}

}  // namespace

void serve_find_node(Now now, Core& core, const Asker& asker, const FindNode& m, Nodes& reply) {
  reply.token.reset();
  reply.contacts.clear();
  if (asker.reply_max < kNodesHeadBytes) return;
  std::size_t room = asker.reply_max - kNodesHeadBytes;
  reply.token = token_for(now, core, asker, m.target, m.want_token, room);
  fill_contacts(now, core, asker, m.target, m.contacts_max, m.known, room, reply.contacts);
}

void serve_get(Now now, Core& core, const Asker& asker, const Get& m, Values& reply) {
  reply.token.reset();
  reply.more = false;
  reply.values.clear();
  reply.contacts.clear();
  if (asker.reply_max < kValuesHeadBytes) {
    reply.more = true;
    return;
  }
  std::size_t room = asker.reply_max - kValuesHeadBytes;
  // The token is small and a writer is lost without it; its room is kept before the values'.
  reply.token = token_for(now, core, asker, m.key, m.want_token, room);
  const auto offer = [&](const Held& held) {
    const HeldValue value{seconds_left(now, held.expires), held.blob};
    if (value.remaining_s == 0 || held.seq <= m.newer_than) return true;
    if (value_bytes(value) > room || !reply.values.try_push(value)) {
      reply.more = true;
      return false;
    }
    room -= value_bytes(value);
    return true;
  };
  if (m.author) {
    const Held* held = core.store.find({m.key, *m.author});
    if (held != nullptr) (void)offer(*held);
  } else {
    std::size_t scanned = 0;
    core.store.visit_key(m.key, m.after ? &*m.after : nullptr, [&](const NodeId&, const Held& held) {
      if (++scanned > kValuesScannedMax) reply.more = true;
      return !reply.more && offer(held);
    });
  }
  fill_contacts(now, core, asker, m.key, m.after ? 0 : kContactsPerReply, m.known, room, reply.contacts);
}

bool serve_get_later(Now now, Core& core, const Asker& asker, const Get& m, Values& reply,
                     Output& out) {
  if (asker.early) {
    // By the time it asks in a session, it is here.
    if (core.loads_open() < kEarlyLoadsMax) {
      (void)core.want(m.key, std::nullopt, [](Now, bool, Output&) {}, out);
    }
  } else if (core.want(m.key, std::nullopt,
                       [&core, asker, m](Now later, bool ok, Output& o) {
                         LateValues& late = o.late_values.emplace_back();
                         late.to = {asker.contact, asker.rpc};
                         serve_get(later, core, asker, m, late.message);
                         if (!ok) late.message.more = true;
                       },
                       out)) {
    return true;
  }
  serve_get(now, core, asker, m, reply);
  reply.more = true;  // than the nothing that is here
  return false;
}

bool serve_compare_later(Core& core, const Asker& asker, const Compare& m, Output& out) {
  if (core.wide_loads_open() >= kCompareLoadsMax) return false;
  auto sums = std::make_shared<Bytes>(to_bytes(m.sums));
  return core.want_rows(
      LoadKeys{.first = m.first, .last = m.last, .rows_max = kCompareScannedMax, .author = {},
               .author_max = 0},
      [&core, asker, m, sums](Now later, const Loaded& loaded, Output& o) {
        Compare shown = m;
        shown.sums = *sums;
        LateCompared& late = o.late_compared.emplace_back();
        late.to = {asker.contact, asker.rpc};
        ByteArray<kCompareItemsMax / 8> room;
        Compared reply;
        serve_compare(later, core, asker, shown, &loaded, room, reply);
        late.missing = to_bytes(reply.missing);
        late.token = reply.token;
      },
      out);
}

namespace {

// The first or last of the keys that share `shared` bits with `near` and have this hint.
NodeId hinted_end(const NodeId& near, int shared, std::uint32_t hint, bool last) {
  NodeId end = near;
  const int tail = std::min(256, (shared + 24 + 7) / 8 * 8);  // from there on whole bytes
  for (int bit = shared; bit < tail; ++bit) {
    const int of_hint = bit - shared;
    const bool set = of_hint < 24 ? (hint >> (23 - of_hint) & 1U) != 0 : last;
    const auto at = static_cast<std::size_t>(bit);
    const auto mask = static_cast<std::uint8_t>(0x80U >> (at % 8));
    end.bytes[at / 8] = static_cast<std::uint8_t>(set ? end.bytes[at / 8] | mask : end.bytes[at / 8] & ~mask);
  }
  std::fill(end.bytes.begin() + tail / 8, end.bytes.end(), static_cast<std::uint8_t>(last ? 0xff : 0));
  return end;
}

}  // namespace

void serve_compare(Now now, Core& core, const Asker& asker, const Compare& m, const Loaded* loaded,
                   ByteArray<kCompareItemsMax / 8>& room, Compared& reply) {
  const std::size_t count = m.sums.size() / 8;
  const int shared = common_prefix_bits(m.first, m.last);
  std::array<std::pair<std::uint64_t, std::uint8_t>, kCompareItemsMax> items;
  for (std::size_t i = 0; i < count; ++i) {
    items[i] = {load_le<std::uint64_t>(m.sums.data() + 8 * i), static_cast<std::uint8_t>(i)};
  }
  const std::span shown(items.data(), count);
  std::ranges::sort(shown);
  const auto from = [&shown](std::uint64_t item) {
    return std::ranges::lower_bound(shown, std::pair{item, std::uint8_t{0}});
  };
  room.fill(0);
  for (std::size_t i = 0; i < count; ++i) {
    room[i / 8] = static_cast<std::uint8_t>(room[i / 8] | 1U << (i % 8));
  }
  std::vector<Slot> both;
  std::size_t scanned = 0;
  const auto look_at = [&](const Slot& slot, ByteView blob, Instant expires) {
    if (++scanned > kCompareScannedMax) return false;
    if (seconds_left(now, expires) == 0) return true;
    const std::uint64_t item = compare_item(m.salt, shared, slot.key, blob);
    auto it = from(item);
    if (it == shown.end() || it->first != item) return true;
    for (; it != shown.end() && it->first == item; ++it) {
      room[it->second / 8] = static_cast<std::uint8_t>(room[it->second / 8] & ~(1U << (it->second % 8)));
    }
    if (m.publishes) both.push_back(slot);
    return true;
  };
  if (loaded != nullptr) {
    if (!loaded->ok || loaded->more) scanned = kCompareScannedMax + 1;  // it says nothing of any
    const Now stamped = core.stamp(now);
    for (const Write& row : loaded->rows) {
      const auto slot = slot_of_row(row.key);
      if (!slot || core.store.knows(slot->key)) continue;  // what is here is newer
      const std::uint64_t hint = compare_hint(shared, slot->key);
      const auto it = from(hint << kCompareSumBits);
      if (it == shown.end() || it->first >> kCompareSumBits != hint) continue;
      const auto read = read_value_row(row.key, row.value);
      if (read && !look_at(*slot, read->blob, end_of(stamped, *read))) break;
    }
  }
  for (auto it = shown.begin(); it != shown.end() && scanned <= kCompareScannedMax;) {
    const auto hint = static_cast<std::uint32_t>(it->first >> kCompareSumBits);
    const NodeId first = std::max(m.first, hinted_end(m.first, shared, hint, /*last=*/false));
    const NodeId last = std::min(m.last, hinted_end(m.first, shared, hint, /*last=*/true));
    if (first <= last) {
      core.store.visit_range(first, last, [&](const Slot& slot, const Held& held) {
        return look_at(slot, held.blob, held.expires);
      });
    }
    while (it != shown.end() && it->first >> kCompareSumBits == hint) ++it;
  }
  for (const Slot& slot : both) {
    if (core.rng.below(kTrustNobodyEvery) != 0) core.store.set_republish(slot, core.holder_republish(now));
  }
  reply.missing = ByteView(room).first(scanned > kCompareScannedMax ? 0 : (count + 7) / 8);
  reply.token.reset();
  if (!core.can_store()) {
    ++core.counters.tokens_withheld_total;
    return;
  }
  reply.token = core.tokens.make_region(now, asker.contact, m.first,
                                        common_prefix_bits(m.first, m.last));
}

void serve_store(Now now, Core& core, const Asker& asker, const Store& m, Output& out) {
  const StoreReplyTo to{.to = {asker.contact, asker.rpc}};
  take(now, core, {asker, to, m}, out);
}

void serve_store_many(Now now, Core& core, const Asker& asker, const StoreMany& m, Output& out) {
  StoreReplyTo to{.to = {asker.contact, asker.rpc}, .together = std::make_shared<StoredTogether>()};
  for (std::size_t i = 0; i < m.items.size(); ++i) to.together->message.answers.push({});
  to.together->open = m.items.size();
  for (const StoreItem& item : m.items) {
    take(now, core,
         {asker, to, {.key = item.key, .token = m.token, .remaining_s = item.remaining_s, .blob = item.blob}}, out);
    ++to.place;
  }
}

void serve_unchecked(Now now, Core& core, Output& out) {
  for (std::size_t i = 0; i < kChecksPerTurn && !core.unchecked.empty(); ++i) {
    const WaitingStore waited = std::move(core.unchecked.front());
    core.unchecked.pop_front();
    take_up(now, core, waited, /*its_turn=*/true, out);
  }
  core.unchecked_due = now.mono;
}

namespace {

void take(Now now, Core& core, const Offer& offer, Output& out) {
  const Asker& asker = offer.asker;
  const StoreReplyTo& to = offer.to;
  const Store& m = offer.m;
  if (!core.tokens.check(now, asker.contact, m.key, m.token)) {
    return answer(core, to, StoreStatus::kBadToken, 0, out);
  }
  const auto value = decode_value(m.blob);
  if (!value || m.remaining_s == 0 || m.remaining_s > value->lifetime_s) {
    return answer(core, to, StoreStatus::kInvalid, 0, out);
  }
  const Slot slot{m.key, node_id_of(value->author)};
  const auto ask_author = [&](auto then) { return core.want(m.key, slot.author, then, out); };
  if (!core.store.knows(m.key)) return park(core, offer, ask_author, out);
  if (core.store.judge(slot, value->seq, m.blob) == Verdict::kSame) {
    refresh_held(now, core, asker, slot, m, *value, out);
    return answer(core, to, StoreStatus::kStored, value->seq, out);
  }
  const auto newer = superseded_by(core, slot, value->seq, m.blob);
  if (newer && *newer > value->seq) {
    return answer(core, to, StoreStatus::kStale, *newer, out);
  }
  switch (offer.its_turn ? Core::Check::kNow : core.may_check(now)) {
    case Core::Check::kNow: break;
    case Core::Check::kTooMany: return answer(core, to, StoreStatus::kFailed, 0, out);
    case Core::Check::kLater:
      if (core.unchecked.empty()) core.unchecked_due = now.mono;
      core.unchecked.push_back(waiting(offer));
      return;
  }
  if (!verify_value(core.provider, m.key, *value)) {
    return answer(core, to, StoreStatus::kInvalid, 0, out);
  }
  const Held* held = core.store.find(slot);
  if (newer || (held != nullptr && held->seq == value->seq)) {
    // The author signed two values with one number: two processes with one key, or a lost disk.
    ++core.counters.equal_number_conflicts_total;
  }
  if (newer) return answer(core, to, StoreStatus::kStale, *newer, out);
  if (held != nullptr && planted(Plant::kOverwriteLost)) {
    return answer(core, to, StoreStatus::kStored, value->seq, out);
  }
  switch (core.store.room_for(slot, m.blob.size())) {
    case Room::kYes: break;
    case Room::kNo: return answer(core, to, StoreStatus::kQuota, held == nullptr ? 0 : held->seq, out);
    case Room::kAskAuthor: return park(core, offer, ask_author, out);
    case Room::kAskFarthest:
      return park(core, offer, [&](auto then) { return core.want_farthest(then, out); }, out);
  }
  if (core.store_commits.size() >= kCommitsMax) {
    return answer(core, to, StoreStatus::kFailed, 0, out);
  }
  const Instant expires = now.mono + std::chrono::seconds(m.remaining_s);
  const Ticket ticket = core.persist({value_row(core.stamp(now), slot, m.blob, expires)}, out);
  core.store_commits[ticket] = {
      .reply = to, .slot = slot,
      .held = {to_bytes(m.blob), value->seq, expires, core.holder_republish(now)}};
  core.newest_commit[slot] = ticket;
}

}  // namespace

bool finish_store(Now now, Core& core, Ticket ticket, bool ok, Output& out) {
  const auto it = core.store_commits.find(ticket);
  if (it == core.store_commits.end()) return false;
  StoreCommit commit = std::move(it->second);
  core.store_commits.erase(it);
  if (const auto newest = core.newest_commit.find(commit.slot);
      newest != core.newest_commit.end() && newest->second == ticket) {
    core.newest_commit.erase(newest);
  }
  const std::uint64_t seq = commit.held.seq;
  StoreStatus status = StoreStatus::kStored;
  std::uint64_t told = seq;
  if (!ok) {
    status = StoreStatus::kFailed;
    told = 0;
  } else {
    switch (core.store.judge(commit.slot, seq, commit.held.blob)) {
      case Verdict::kSame: break;
      case Verdict::kOlder:
        status = StoreStatus::kStale;
        told = core.store.find(commit.slot)->seq;
        break;
      case Verdict::kNewer:
        if (core.hold(commit.slot, std::move(commit.held), out)) break;
        // The room went to others meanwhile: the disk must say what memory says.
        status = StoreStatus::kQuota;
        told = 0;
        if (const Held* held = core.store.find(commit.slot)) {
          core.write({value_row(core.stamp(now), commit.slot, held->blob, held->expires)}, out);
        } else {
          core.write({value_erased(commit.slot)}, out);
        }
        break;
    }
  }
  if (commit.reply) answer(core, *commit.reply, status, told, out);
  return true;
}

std::optional<OpKey> finish_own(Now now, Core& core, Ticket ticket, bool ok, Output& out) {
  const auto it = core.own_commits.find(ticket);
  if (it == core.own_commits.end()) return std::nullopt;
  OwnCommit commit = std::move(it->second);
  core.own_commits.erase(it);
  if (!ok) {
    core.own.drop(commit.key);
    return commit.op;
  }
  const Slot slot{commit.key, core.self()};
  if (commit.hold && core.store.judge(slot, commit.own.seq, commit.own.blob) == Verdict::kNewer) {
    const Held held{commit.own.blob, commit.own.seq, commit.own.expires,
                    core.holder_republish(now)};
    if (!core.hold(slot, held, out)) core.write({value_erased(slot)}, out);
  }
  core.own.commit(commit.key, std::move(commit.own));
  return commit.op;
}

void restore_row(Now now, Core& core, ByteView key, ByteView value, Duration down) {
  if (key.empty()) return;
  if (key[0] == kContactsTable) {
    core.restored = read_contacts_row(value);
    std::erase_if(core.restored, [&](const Contact& c) { return c.id == core.self(); });
    return;
  }
  if (key[0] == kRoundTable) {
    if (value.size() == 32) std::ranges::copy(value, core.round_from.bytes.begin());
    return;
  }
  const bool own = key[0] == kOwnTable;
  const auto row = own ? read_own_row(key, value) : read_value_row(key, value);
  if (!row) {
    core.dead_rows.push_back({.key = to_bytes(key), .value = {}, .erase = true});
    return;
  }
  const Instant expires = end_of(core.stamp(now), *row, down);
  if (own) {
    if (!row->renew && expires + kOwnGrace <= now.mono) {
      core.dead_rows.push_back({.key = to_bytes(key), .value = {}, .erase = true});
      return;
    }
    const bool old = expires - now.mono < std::chrono::seconds(row->value.lifetime_s) / 2;
    const Duration last =
        std::min(old ? kRestartPublishSoon : kRestartPublishLast, core.config.republish_every);
    const Instant at =
        now.mono + core.rng.between(std::min(kRestartPublishFirst, last), last);
    core.own.restore(row->key, {.blob = row->blob, .seq = row->value.seq,
                                .lifetime_s = row->value.lifetime_s, .expires = expires,
                                .renew = row->renew, .copies = 0, .republish = at});
    return;
  }
  const Slot slot{row->key, row->author};
  const Instant at = now.mono + core.rng.between(core.config.republish_every / 10,
                                                 core.config.republish_every);
  if (seconds_left(now, expires) == 0 ||
      core.store.judge(slot, row->value.seq, row->blob) != Verdict::kNewer) {
    core.dead_rows.push_back({.key = to_bytes(key), .value = {}, .erase = true});
    return;
  }
  // The limit may be lower than in the life before: the nearest stay.
  const auto evicted = core.store.insert(slot, {row->blob, row->value.seq, expires, at});
  if (!evicted) core.dead_rows.push_back({.key = to_bytes(key), .value = {}, .erase = true});
  for (const Slot& other : evicted.value_or(std::vector<Slot>{})) {
    core.dead_rows.push_back(value_erased(other));
  }
}

}  // namespace weft::dht
