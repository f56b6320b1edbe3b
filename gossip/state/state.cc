#include "gossip/state/state.h"

#include <algorithm>

#include "crypto/check.h"
#include "crypto/provider.h"
#include "gossip/state/state_inside.h"

namespace weft::state {
namespace {

constexpr std::size_t kArrivalBytes = 8;
// Of the room, two shares so small are above what is for all: one for checkpoints, Grants and Revokes, the one below it also for proofs, which anybody
// can multiply.
constexpr std::uint64_t kRoomShares = 100;

// Whether what is not admitted could be, once something comes that it names.
bool may_wait_for_a_grant(const Space& space, const Entry& entry, Refusal why) {
  if (why != Refusal::kNoGrant) return false;
  if (entry.content.kind == Kind::kFork) return true;
  return std::ranges::any_of(entry.content.saw, [&](const EntryId& id) { return !space.holds(id); });
}

// Against whom there is a proof already, if the entry is another one that would take its place (the lower id does).
std::optional<PublicKey> replaces_proof(const Space& space, const Entry& entry) {
  if (entry.content.kind != Kind::kFork) return std::nullopt;
  const PublicKey accused = read_fork(entry.content.space, entry.content.body).value().author();
  return space.proofs().contains(accused) ? std::optional(accused) : std::nullopt;
}

Bytes row_key(std::uint8_t table, const NamespaceId& space) {
  Bytes key{table};
  key.insert(key.end(), space.bytes.begin(), space.bytes.end());
  return key;
}

}  // namespace

std::string_view to_string(Error error) {
  switch (error) {
    case Error::kUnknownNamespace: return "unknown_namespace";
    case Error::kBadName: return "bad_name";
    case Error::kBadPath: return "bad_path";
    case Error::kTooLarge: return "too_large";
    case Error::kNothingThere: return "nothing_there";
    case Error::kTooMany: return "too_many";
    case Error::kStore: return "store";
    case Error::kBadEntry: return "bad_entry";
    case Error::kNoGrant: return "no_grant";
    case Error::kOutsidePath: return "outside_path";
    case Error::kExpired: return "expired";
    case Error::kRevoked: return "revoked";
    case Error::kNoOverwrite: return "no_overwrite";
    case Error::kOverQuota: return "over_quota";
    case Error::kNotOwner: return "not_owner";
    case Error::kOpen: return "open";
    case Error::kShutdown: return "shutdown";
  }
  return "unknown";
}

// ---- the inside

State::Inside::Local* State::Inside::find(const NamespaceId& space) {
  const auto it = spaces.find(space);
  return it == spaces.end() ? nullptr : &it->second;
}

State::Inside::Local* State::Inside::find(const SpaceHandle& handle) {
  NamespaceId first;
  std::ranges::copy(handle, first.bytes.begin());
  const auto it = spaces.lower_bound(first);
  return it == spaces.end() || handle_of(it->first) != handle ? nullptr : &it->second;
}

std::expected<bool, Error> State::Inside::add(Now now, const Genesis& genesis, std::vector<Write>& rows) {
  if (const Local* here = find(genesis.id); here != nullptr) {
    if (!here->kept) rows.push_back({.key = row_key(kRowSpace, genesis.id), .value = genesis.wire});
    return !here->kept;
  }
  // Two namespaces of one handle: somebody took the trouble to make the second.
  if (spaces.size() == kSpacesMax || find(handle_of(genesis.id)) != nullptr) return std::unexpected(Error::kTooMany);
  const auto added = spaces.emplace(std::piecewise_construct, std::tuple(genesis.id),
                                    std::forward_as_tuple(genesis, identity.id(), rng.fork(to_hex(genesis.id.bytes))));
  added.first->second.life = ++lives;
  added.first->second.since = now.wall;
  added.first->second.space.watch(identity.public_key());
  digest.reset();
  rows.push_back({.key = row_key(kRowSpace, genesis.id), .value = genesis.wire});
  return true;
}

std::uint64_t State::Inside::arrivals_luck(const Local& local) const {
  return rng.fork("arrivals of " + to_hex(local.space.genesis().id.bytes) + " in its life " + std::to_string(local.life)).next();
}

void State::Inside::wait_for(Waiting op, std::vector<Write> rows, Output& out) {
  // What nobody waits for goes first: the order of rows is that of the calls.
  const auto ticket = static_cast<Ticket>(++tickets);
  if (Local* local = find(op.space); local != nullptr) {
    local->writes_waiting += op.written.size();
    op.life = local->life;
  }
  std::vector<Write> all = std::exchange(unkept, {});
  op.others = all;
  waiting.emplace(ticket, std::move(op));
  all.insert(all.end(), std::move_iterator(rows.begin()), std::move_iterator(rows.end()));
  keep_at.reset();
  out.persist.push_back({ticket, std::move(all)});
}

void State::Inside::keep(Output& out) {
  keep_at.reset();
  if (unkept.empty()) return;
  const auto ticket = static_cast<Ticket>(++tickets);
  const auto& rows = keeping.emplace(ticket, std::exchange(unkept, {})).first->second;
  out.persist.push_back({ticket, rows});
}

void State::Inside::keep_again(Now now, std::vector<Write> rows) {
  // What another commit wrote meanwhile must not be undone by this one.
  std::erase_if(rows, [this](Write& row) { return !bring_up_to_date(row); });
  // Of too many the next walk after a restart brings the rest.
  if (unkept.size() + rows.size() > kUnkeptMax) return;
  rows.insert(rows.end(), std::move_iterator(unkept.begin()), std::move_iterator(unkept.end()));
  unkept = std::move(rows);
  if (!unkept.empty() && !keep_at) keep_at = now.mono + kKeepDelay;
}

bool State::Inside::bring_up_to_date(Write& row) const {
  NamespaceId space;
  EntryId id;
  if (row.key.size() != 1 + sizeof(space) + sizeof(id) || row.key[0] != kRowEntry) return true;
  std::copy_n(row.key.begin() + 1, sizeof(space), space.bytes.begin());
  std::copy_n(row.key.end() - sizeof(id), sizeof(id), id.bytes.begin());
  const auto local = spaces.find(space);
  const Space::Held* held = local == spaces.end() ? nullptr : local->second.space.find(id);
  if (row.erase || held == nullptr) return row.erase && held == nullptr;
  row = entry_row(space, id, *held);
  return true;
}

Write State::Inside::entry_row(const NamespaceId& space, const EntryId& id, const Space::Held& held) {
  Write row{.key = row_key(kRowEntry, space), .value = Bytes(kArrivalBytes)};
  row.key.insert(row.key.end(), id.bytes.begin(), id.bytes.end());
  store_le(row.value.data(), held.arrival);
  row.value.insert(row.value.end(), held.wire.begin(), held.wire.end());
  return row;
}

std::size_t State::Inside::entries() const {
  std::size_t sum = 0;
  for (const auto& [id, local] : spaces) sum += local.space.documents().size();
  return sum;
}

std::uint64_t State::Inside::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [id, local] : spaces) sum += local.space.bytes();
  return sum;
}

std::uint64_t State::Inside::memory() const {
  std::uint64_t sum = 0;
  for (const auto& [id, local] : spaces) sum += local.space.memory();
  return sum;
}

void State::Inside::Local::charge(Now now, const PublicKey& author, std::size_t work) {
  if (costly_until.size() >= kCostlyMax) std::erase_if(costly_until, [&](const auto& one) { return one.second <= now.mono; });
  Instant& paid = costly_until[author];
  paid = std::max(paid, now.mono) + kLookPause * static_cast<std::int64_t>(work);
}

bool State::Inside::room_for(std::size_t bytes_more, Kind kind) const {
  std::uint64_t shares = kRoomShares;
  if (kind == Kind::kFork) shares += 1;
  if (kind == Kind::kCheckpoint || kind == Kind::kGrant || kind == Kind::kRevoke) shares += 2;
  return entries() < kEntriesMax / kRoomShares * shares && memory() + kEntryMemory + bytes_more <= config.bytes_max / kRoomShares * shares;
}

bool State::Inside::verified(const Entry& entry) {
  if (!signed_by_author(entry)) return false;
  const Content& c = entry.content;
  return c.kind != Kind::kFork || verify_fork(provider, c.space, read_fork(c.space, c.body).value());
}

bool State::Inside::signed_by_author(const Entry& entry) {
  if (entry.batch == 1) return verify_entry(provider, entry);
  // Of a batch the first pays. The author belongs to what is known: a liar can put another's content among its own leaves.
  Verified mine{.author = entry.content.author, .root = entry.root, .batch = entry.batch, .signature = entry.signature};
  if (std::ranges::find(verified_batches, mine) != verified_batches.end()) return true;
  if (!verify_entry(provider, entry)) return false;
  if (verified_batches.size() == kVerifiedMax) verified_batches.pop_front();
  verified_batches.push_back(mine);
  return true;
}

State::Inside::Taken State::Inside::take(Now now, Local& local, const Entry& entry, ByteView wire, std::vector<Write>& rows) {
  const auto refuse = [&](Taken why) {
    ++(why == Taken::kFull ? totals.full_total : totals.refused_total);
    return why;
  };
  if (entry.content.space != local.space.genesis().id) return refuse(Taken::kRefused);
  if (local.space.holds(entry.id)) return Taken::kKnown;
  if (held_back.contains({entry.content.stamp, entry.id}) || parked.contains(entry.id)) return Taken::kKnown;
  if (local.space.unwanted(entry)) {
    ++totals.discarded_total;
    return Taken::kDiscarded;
  }
  const Rights::Verdict verdict = local.space.judge(entry);
  if (!verdict.admitted() && !may_wait_for_a_grant(local.space, entry, *verdict.refusal)) {
    ++totals.forbidden_total;
    const NodeId author = node_id_of(entry.content.author);
    if (!was_noticed(StateNoticed::What::kRefused, entry.content.space, author) && verified(entry)) notice(StateNoticed::What::kRefused, entry.content.space, author, 0);
    return Taken::kForbidden;
  }
  if (!room_for(wire.size(), entry.content.kind)) return refuse(Taken::kFull);
  // What makes us look through all entries of an author waits if its author has had more than its part of our time; a walk brings it then.
  const bool costly = entry.content.kind == Kind::kCheckpoint || entry.content.kind == Kind::kRevoke;
  const auto until = costly ? local.costly_until.find(entry.content.author) : local.costly_until.end();
  if (until != local.costly_until.end() && now.mono + kLookDebtMax < until->second) return Taken::kLater;
  const std::optional<PublicKey> other_proof = replaces_proof(local.space, entry);
  if (other_proof) {
    const auto last = local.proof_replaced.find(*other_proof);
    if (last != local.proof_replaced.end() && now.mono - last->second < kProofPause) return Taken::kLater;
  }
  if (!verified(entry)) return refuse(Taken::kRefused);
  if (!verdict.admitted()) {
    park(entry, wire);
    return Taken::kHeldBack;
  }
  const auto limit = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.wall.value + kSkewMax / 1ms)) << 16;
  if (entry.content.stamp > limit) {
    // Of too many those are kept that are due first.
    if (held_back.size() == kHeldBackMax) {
      const auto last = std::prev(held_back.end());
      if (last->first < std::pair(entry.content.stamp, entry.id)) return Taken::kHeldBack;
      held_back.erase(last);
    }
    held_back.emplace(std::pair(entry.content.stamp, entry.id), std::pair(entry.content.space, to_bytes(wire)));
    ++totals.held_back_total;
    note_skew(now, entry);
    look_again(now);
    return Taken::kHeldBack;
  }
  observe(now, entry.content.stamp);
  (void)local.space.take_work();
  const bool taken = local.space.insert(entry, wire, /*settled=*/true) == Space::Inserted::kNew;
  if (costly) local.charge(now, entry.content.author, local.space.take_work());
  if (!taken) return Taken::kDiscarded;
  if (other_proof) local.proof_replaced[*other_proof] = now.mono;
  local.arrived = true;
  digest.reset();
  ++totals.received_total;
  const Space::Held* held = local.space.find(entry.id);
  if (held == nullptr) return Taken::kDiscarded;  // it was too much, and went at once
  rows.push_back(entry_row(entry.content.space, entry.id, *held));
  return Taken::kNew;
}

void State::Inside::note_lag(Now now, const Local& local, const Entry& entry) {
  const auto written = static_cast<std::int64_t>(entry.content.stamp >> 16);
  if (written >= local.since.value) totals.lag.add(std::chrono::milliseconds(now.wall.value - written));
}

void State::Inside::flush(Now now, std::vector<Write> rows, Output& out) {
  for (auto& [id, local] : spaces) look_round(now, local, rows);
  for (const StateNoticed& one : std::exchange(to_notice, {})) out.events.push_back(one);
  for (auto& [id, local] : spaces) {
    for (const EntryId& dropped : local.space.take_dropped()) {
      if (local.space.holds(dropped)) continue;  // it came back in the same call
      Write row = entry_row(id, dropped, {});
      rows.push_back({.key = std::move(row.key), .value = {}, .erase = true});
      ++totals.dropped_total;
    }
  }
  unkept.insert(unkept.end(), std::move_iterator(rows.begin()), std::move_iterator(rows.end()));
  if (!unkept.empty() && !keep_at) keep_at = now.mono + kKeepDelay;
  if (unkept.size() >= kKeepRows && keeping.empty()) keep(out);
  for (auto& [id, local] : spaces) {
    if (std::exchange(local.arrived, false)) out.events.push_back(StateArrived{id});
    if (local.look_at_own || local.space.documents().lost() >= local.look_after) maybe_checkpoint(now, local, out);
  }
}

// ---- rows and operations

State::State(const Identity& identity, const CryptoProvider& provider, Entropy& entropy, Rng rng, Config config, Now)
    : inside_(std::make_unique<Inside>(identity, provider, entropy, rng, config)) {}
State::~State() = default;

void State::restore(Now now, ByteView key, ByteView value) {
  Inside& s = *inside_;
  const auto refuse = [&] { ++s.totals.refused_total; };
  if (key.empty()) return refuse();
  if (key[0] == kRowSpace) {
    const auto genesis = read_genesis(s.provider, value);
    std::vector<Write> rows;
    if (!genesis || !equal(key.subspan(1), genesis->id.bytes) || !s.add(now, *genesis, rows)) return refuse();
    s.find(genesis->id)->kept = true;
    return;
  }
  if (key[0] != kRowEntry || value.size() < kArrivalBytes) return refuse();
  const ByteView wire = value.subspan(kArrivalBytes);
  const auto entry = decode_entry(wire);
  if (!entry || key.size() != 1 + sizeof(NamespaceId) + sizeof(EntryId)) return refuse();
  Inside::Local* local = s.find(entry->content.space);
  const auto arrival = load_le<std::uint64_t>(value.data());
  // The id is a hash of all that was signed: it vouches for the bytes.
  if (local == nullptr || arrival == 0 || !equal(key.last(sizeof(EntryId)), entry->id.bytes) ||
      !equal(key.subspan(1, sizeof(NamespaceId)), entry->content.space.bytes) ||
      !local->space.restore(*entry, wire, arrival)) {
    return refuse();
  }
  s.digest.reset();
  if (entry->content.author == s.identity.public_key()) {
    s.last_stamp = std::max(s.last_stamp, entry->content.stamp);
    if (const auto head = local->space.head(s.identity.public_key())) local->prev = head->id;
  } else {
    s.observe(now, entry->content.stamp);
  }
}

void State::restored() {
  for (auto& [id, local] : inside_->spaces) {
    local.space.restored(inside_->arrivals_luck(local));
    local.rights_seen = local.space.rights().size();
    inside_->digest.reset();
  }
}

void State::create(Now now, OpId op, std::string_view name, Access access, Output& out) {
  Inside& s = *inside_;
  if (!valid_name(name)) return s.fail(op, Error::kBadName, out);
  join(now, op, make_genesis(s.identity, name, access), out);
}

void State::join(Now now, OpId op, const Genesis& genesis, Output& out) {
  Inside& s = *inside_;
  if (s.ended) return s.fail(op, Error::kShutdown, out);
  std::vector<Write> rows;
  if (s.waiting.size() + s.delayed.size() >= kWritesMax) return s.fail(op, Error::kTooMany, out);
  const bool here = s.find(genesis.id) != nullptr;
  const auto added = s.add(now, genesis, rows);
  if (!added) return s.fail(op, added.error(), out);
  // It may have been here before, and somebody may have numbers of then.
  if (Inside::Local& local = *s.find(genesis.id); !here) local.space.restored(s.arrivals_luck(local));
  s.wait_for({.op = op, .space = genesis.id, .written = {}, .count = 0, .adds = *added}, std::move(rows), out);
}

void State::leave(Now now, OpId op, const NamespaceId& space, Output& out) {
  Inside& s = *inside_;
  if (s.ended) return s.fail(op, Error::kShutdown, out);
  Inside::Local* local = s.find(space);
  if (local == nullptr) return s.fail(op, Error::kUnknownNamespace, out);
  if (s.waiting.size() >= kWritesMax) return s.fail(op, Error::kTooMany, out);
  local->tree.leave(s.tree_out);
  s.tend(now, *local, out);
  s.spaces.erase(space);
  s.digest.reset();
  std::erase_if(s.held_back, [&](const auto& held) { return held.second.first == space; });
  std::erase_if(s.parked, [&](const auto& parked) { return parked.second.space == space; });
  std::erase_if(s.unproven, [&](const auto& one) { return one.space == space; });
  s.wait_for({.op = op, .space = space, .written = {}, .count = 0},
             {{.key = row_key(kRowSpace, space), .value = {}, .erase = true}}, out);
}

void State::import(Now now, OpId op, const NamespaceId& space, std::span<const ByteView> entries, Output& out) {
  Inside& s = *inside_;
  if (s.ended) return s.fail(op, Error::kShutdown, out);
  Inside::Local* local = s.find(space);
  if (local == nullptr) return s.fail(op, Error::kUnknownNamespace, out);
  if (entries.size() > kImportMax || s.waiting.size() + s.delayed.size() >= kWritesMax) return s.fail(op, Error::kTooMany, out);
  std::vector<Entry> decoded;
  for (const ByteView wire : entries) {
    auto entry = decode_entry(wire);
    if (!entry || entry->content.space != space || !s.verified(*entry)) return s.fail(op, Error::kBadEntry, out);
    decoded.push_back(std::move(*entry));
  }
  std::vector<Write> rows;
  std::size_t fresh = 0;
  bool full = false;
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    local->costly_until.clear();  // it is our user who wants this
    local->proof_replaced.clear();
    const auto taken = s.take(now, *local, decoded[i], entries[i], rows);
    if (taken == Inside::Taken::kNew) {
      ++fresh;
      local->tree.originate(now, decoded[i].id.bytes, s.tree_out);
    }
    full = full || taken == Inside::Taken::kFull;
    // What is here already may still lack its row: the disk refused it, or it came a moment ago.
    const Space::Held* held = taken == Inside::Taken::kKnown ? local->space.find(decoded[i].id) : nullptr;
    if (held != nullptr && held->settled) rows.push_back(Inside::entry_row(space, decoded[i].id, *held));
  }
  s.tend(now, *local, out);
  s.unkept.insert(s.unkept.end(), std::move_iterator(rows.begin()), std::move_iterator(rows.end()));
  if (full && fresh == 0) {
    s.fail(op, Error::kTooMany, out);
  } else {
    s.wait_for({.op = op, .space = space, .written = {}, .count = fresh}, {}, out);
  }
  s.flush(now, {}, out);
}

void State::shutdown(Now now, Output& out) {
  Inside& s = *inside_;
  s.ended = true;
  for (auto& [id, local] : s.spaces) {
    local.tree.leave(s.tree_out);
    s.tend(now, local, out);
  }
  s.keep(out);
  for (const auto& [ticket, op] : s.waiting) {
    if (op.op) s.fail(*op.op, Error::kShutdown, out);
  }
  s.waiting.clear();
  for (const Inside::Delayed& one : s.delayed) s.fail(one.op, Error::kShutdown, out);
  s.delayed.clear();
}

void State::on_persisted(Now now, Ticket ticket, bool ok, Output& out) {
  Inside& s = *inside_;
  if (auto kept = s.keeping.extract(ticket); !kept.empty()) {
    if (!ok) s.keep_again(now, std::move(kept.mapped()));
    return;
  }
  const auto it = s.waiting.find(ticket);
  if (it == s.waiting.end()) return;
  const Inside::Waiting op = std::move(it->second);
  s.waiting.erase(it);
  if (!ok) s.keep_again(now, op.others);
  Inside::Local* local = s.find(op.space);
  if (local != nullptr && local->life == op.life) {
    if (op.checkpoint) local->checkpoint_waiting = false;
    if (!ok && op.counts && op.withdrawn.empty()) s.withdraw_counts_after(ticket, *local);
    ok ? s.on_durable(now, *local, op, out) : s.on_refused(now, *local, op, out);
  } else if (op.op && !ok) {
    s.fail(*op.op, Error::kStore, out);
  } else if (op.op && op.life != 0) {
    // It was left meanwhile, and maybe joined again: what was written is as gone as all of that life.
    s.fail(*op.op, Error::kUnknownNamespace, out);
  } else if (op.op) {
    out.events.push_back(StateDone{*op.op, op.count});
  }
  s.flush(now, {}, out);
}

void State::Inside::on_refused(Now now, Local& local, const Waiting& op, Output& out) {
  local.writes_waiting -= op.written.size();
  withdraw(local, op.written);
  // Who waits for arrivals stands before what is gone now.
  local.arrived = local.arrived || !op.written.empty();
  if (op.op) fail(*op.op, Error::kStore, out);
  if (op.proof) {
    --totals.proofs_total;
    prove_later(now, *op.proof);
  } else if (!op.op) {
    // A checkpoint: the next write that becomes durable looks again.
    local.epochs_looked_at = local.epochs_closed = false;
  }
  // Without its row nothing of the namespace would be there after a restart; another one may be on its way.
  const auto adds = [&](const auto& one) { return one.second.adds && one.second.life == op.life; };
  if (op.adds && !local.kept && std::ranges::none_of(waiting, adds)) {
    spaces.erase(op.space);
    digest.reset();
  }
}

void State::Inside::withdraw_counts_after(Ticket refused, Local& local) {
  for (auto it = waiting.upper_bound(refused); it != waiting.end(); ++it) {
    Waiting& later = it->second;
    if (!later.counts || later.life != local.life || later.written.empty()) continue;
    // At once, so that the next one is not drafted upon it.
    local.writes_waiting -= later.written.size();
    withdraw(local, later.written);
    later.withdrawn = std::exchange(later.written, {});
    local.arrived = true;
  }
}

void State::Inside::on_durable(Now now, Local& local, const Waiting& op, Output& out) {
  for (const EntryId& id : op.withdrawn) {
    Write row = entry_row(op.space, id, {});
    unkept.push_back({.key = std::move(row.key), .value = {}, .erase = true});
  }
  if (!op.withdrawn.empty()) return fail(*op.op, Error::kStore, out);
  local.writes_waiting -= op.written.size();
  if (op.adds) local.kept = true;
  // While they were on their way to the disk our right may have ended, or others of ours have come that go before them.
  std::size_t lost = 0;
  Error why = Error::kOverQuota;
  for (const EntryId& id : op.written) {
    const Space::Settled settled = local.space.settle(id);
    if (settled == Space::Settled::kHere) {
      local.tree.originate(now, id.bytes, tree_out);
      continue;
    }
    ++lost;
    if (settled == Space::Settled::kNotAdmitted) why = Error::kRevoked;
  }
  tend(now, local, out);
  if (!op.written.empty()) {
    local.arrived = true;
    // With the first of a life come the epochs of those before.
    if (!std::exchange(local.epochs_looked_at, true)) local.look_at_own = true;
    digest.reset();
  }
  totals.written_total += op.written.size() - lost;
  if (op.op && lost > 0) {
    fail(*op.op, why, out);
  } else if (op.op) {
    out.events.push_back(StateDone{*op.op, op.count});
  }
}

// ---- views

TreeHash State::Inside::digest_or_zero() const {
  if (spaces.empty()) return {};
  if (!digest) {
    Bytes input;
    for (const auto& [id, local] : spaces) {
      const TreeHash root = local.space.tree().root();
      input.insert(input.end(), id.bytes.begin(), id.bytes.end());
      input.insert(input.end(), root.begin(), root.end());
    }
    const ByteArray<1> zero{};
    blake2b(digest.emplace(), {}, as_bytes("weft-state-1"), zero, input);
  }
  return *digest;
}

std::optional<TreeHash> State::digest() const {
  if (inside_->spaces.empty()) return std::nullopt;
  return inside_->digest_or_zero();
}

void State::for_each(const std::function<void(const Space&)>& visit) const {
  for (const auto& [id, local] : inside_->spaces) visit(local.space);
}

const Space* State::find(const NamespaceId& space) const {
  const Inside::Local* local = inside_->find(space);
  return local == nullptr ? nullptr : &local->space;
}

std::vector<TreeLink> State::tree_links(const NamespaceId& space) const {
  std::vector<TreeLink> out;
  const Inside::Local* local = inside_->find(space);
  if (local == nullptr) return out;
  const broadcast::Links& links = local->tree.links();
  for (broadcast::Place place = 0; place < broadcast::kNeighboursMax; ++place) {
    if (!links.used(place)) continue;
    const broadcast::Neighbour& one = links.at(place);
    out.push_back({.peer = one.id, .eager = one.eager, .home = one.home, .round_trip = one.round_trip});
  }
  return out;
}

std::optional<NodeId> State::tree_parent(const NamespaceId& space) const {
  const Inside::Local* local = inside_->find(space);
  return local == nullptr ? std::nullopt : local->tree.links().uplink();
}

Stats State::stats() const {
  const Inside& s = *inside_;
  Stats out = s.totals;
  out.namespaces = s.spaces.size();
  out.entries = s.entries();
  out.bytes = s.bytes();
  out.held_back = s.held_back.size();
  out.delayed = s.delayed.size();
  out.pause = s.pace.pause();
  out.parked = s.parked.size();
  for (const auto& [id, local] : s.spaces) out.forked += local.space.proofs().size();
  for (const auto& [id, local] : s.spaces) {
    out.neighbours += local.tree.stats().neighbours;
    out.walks += local.running ? 1U : 0U;
  }
  return out;
}

}  // namespace weft::state
