// From what a user changes to signed entries, and the clock that stamps them.
#include <algorithm>
#include <limits>

#include "crypto/check.h"
#include "gossip/state/state_inside.h"

namespace weft::state {
namespace {

// Bytes of an entry that is signed alone, without path, body and saw, at most.
constexpr std::size_t kEntryFrameBytes = 200;
constexpr std::size_t kRoomToReplace = 8;  // this part of a quota, at least one entry; of a quota of one nothing, or it would allow no write at all

std::uint64_t wall_stamp(Now now, Duration ahead = {}) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.wall.value + ahead / 1ms)) << kStampCounterBits;
}

// How many ids there is room for, of which a Grant takes one.
std::size_t names_max(std::size_t path, std::size_t body, bool grant) {
  const std::size_t used = kEntryFrameBytes + path + body + (grant ? sizeof(EntryId) : 0);
  return used >= kEntryBytesMax ? 0 : std::min(kSawMax - (grant ? 1U : 0U), (kEntryBytesMax - used) / sizeof(EntryId));
}

Error error_of(Refusal why) {
  switch (why) {
    case Refusal::kNoGrant: return Error::kNoGrant;
    case Refusal::kPath: return Error::kOutsidePath;
    case Refusal::kExpired: return Error::kExpired;
    case Refusal::kRevoked: return Error::kRevoked;
    case Refusal::kNotOwner: return Error::kNotOwner;
    case Refusal::kOpen: return Error::kOpen;
  }
  return Error::kNoGrant;
}

std::uint64_t magnitude(std::int64_t amount) {
  return amount < 0 ? ~static_cast<std::uint64_t>(amount) + 1 : static_cast<std::uint64_t>(amount);
}

bool add_to(std::uint64_t& sum, std::uint64_t more) {
  if (sum > std::numeric_limits<std::uint64_t>::max() - more) return false;
  sum += more;
  return true;
}

}  // namespace

// A hybrid logical clock (Kulkarni et al. 2014): the wall clock, and a counter where that stands still or goes back.
std::uint64_t State::Inside::stamp(Now now) {
  last_stamp = next_stamp(now);
  return last_stamp;
}

std::uint64_t State::Inside::next_stamp(Now now) const { return std::max(last_stamp + 1, wall_stamp(now)); }

// A clock that was set back farther than others bear is followed: what it stamped before is held back everywhere until it is due, and so would be all that
// came after it. Stamps ascend within an epoch, so new ones begin.
void State::Inside::follow_clock(Now now) {
  if (last_stamp <= wall_stamp(now, kSkewMax)) return;
  last_stamp = 0;
  for (auto& [id, local] : spaces) {
    local.epoch.reset();
    local.seq = 0;
    local.epochs_looked_at = false;
    local.epochs_closed = false;
  }
}

std::expected<std::optional<Rights::Choice>, Error> State::Inside::choose_grant(Now now, const Local& local, Kind kind,
                                                                                ByteView path) const {
  const Rights& rights = local.space.rights();
  if (rights.open() || rights.is_owner(identity.public_key())) return std::nullopt;
  // The last of a call may have a stamp that is a little higher.
  const auto choice = rights.choose(identity.id(), kind, path, next_stamp(now) + kEntriesPerWriteMax);
  if (!choice) return std::unexpected(error_of(choice.error()));
  return *choice;
}

void State::Inside::observe(Now now, std::uint64_t other) {
  last_stamp = std::max(last_stamp, std::min(other, wall_stamp(now, kClockPullMax)));
}

State::Inside::Drafts State::Inside::draft(Now now, const Local& local, const Change& change) const {
  if (!valid_path(change.path)) return std::unexpected(Error::kBadPath);
  const Documents& documents = local.space.documents();
  const PublicKey& self = identity.public_key();
  Draft main{.kind = Kind::kSet, .path = to_bytes(change.path), .body = to_bytes(change.value), .saw = {}};
  switch (change.what) {
    case Change::What::kSet: break;
    case Change::What::kAdd:
      if (change.value.empty()) return std::unexpected(Error::kBadEntry);
      main.kind = Kind::kAdd;
      break;
    case Change::What::kDelete:
      if (change.value.empty()) return std::unexpected(Error::kBadEntry);
      main.kind = Kind::kRemove;
      break;
    case Change::What::kRemove:
      main.kind = Kind::kClear;
      main.body.clear();
      break;
    case Change::What::kCount: {
      main.kind = Kind::kCount;
      Counted counted = documents.counted_by(change.path, self, local.epoch.value_or(0));
      if (!add_to(change.amount < 0 ? counted.down : counted.up, magnitude(change.amount))) return std::unexpected(Error::kTooLarge);
      main.body = count_body(counted);
      break;
    }
  }
  const auto choice = choose_grant(now, local, main.kind, main.path);
  if (!choice) return std::unexpected(choice.error());
  const bool over_others = !*choice || (*choice)->over_others;
  const Documents::Seen seen = documents.seen(main.kind, main.path, main.body, self, local.epoch.value_or(0), over_others);
  // An addition leaves others' of the same element as they are.
  if (seen.others && main.kind != Kind::kAdd) return std::unexpected(Error::kNoOverwrite);
  const bool takes_away = main.kind == Kind::kRemove || main.kind == Kind::kClear;
  if (takes_away && seen.saw.empty()) return std::unexpected(Error::kNothingThere);
  const bool grant = choice->has_value();
  const std::size_t room = names_max(main.path.size(), main.body.size(), grant);
  if (takes_away && room == 0) return std::unexpected(Error::kTooLarge);
  // What the entry has no room to name, Clears before it do; of what is taken away the next turn names the rest.
  std::vector<Draft> out;
  std::size_t named = std::min(room, seen.saw.size());
  main.saw.assign(seen.saw.begin(), seen.saw.begin() + static_cast<std::ptrdiff_t>(named));
  if (!takes_away) {
    const std::size_t a_clear = names_max(main.path.size(), 0, grant);
    while (named < seen.saw.size()) {
      const std::size_t count = std::min(a_clear, seen.saw.size() - named);
      if (count == 0) return std::unexpected(Error::kTooLarge);
      Draft clear{.kind = Kind::kClear, .path = main.path, .body = {}, .saw = {}};
      for (std::size_t i = 0; i < count; ++i) clear.saw.push_back(seen.saw[named++]);
      out.push_back(std::move(clear));
    }
  }
  out.push_back(std::move(main));
  if (grant) {
    for (Draft& one : out) one.saw.insert(std::ranges::lower_bound(one.saw, (*choice)->grant), (*choice)->grant);
  }
  return out;
}

bool State::Inside::replaces_own(const Local& local, const Draft& draft) const {
  if (draft.kind == Kind::kRemove || draft.kind == Kind::kClear) return true;
  const Documents& documents = local.space.documents();
  if (draft.kind == Kind::kCount) return local.epoch && documents.counted_by(draft.path, identity.public_key(), *local.epoch) != Counted{};
  return documents.has_own(draft.kind, draft.path, draft.body, identity.public_key());
}

std::expected<void, Error> State::Inside::sign(Now now, Local& local, std::span<const Draft> drafts,
                                               std::vector<EntryId>& written) {
  if (!local.epoch) local.epoch = entropy.next_u64();
  while (!drafts.empty()) {
    const std::span<const Draft> group = drafts.first(std::min(drafts.size(), kBatchMax));
    drafts = drafts.subspan(group.size());
    const auto together = sign_together(now, local, group, written);
    if (together) continue;
    if (together.error() != Error::kTooLarge || group.size() == 1) return together;
    // With the siblings of a batch one may be too large that is not alone.
    for (const Draft& draft : group) {
      if (const auto alone = sign_together(now, local, {&draft, 1}, written); !alone) return alone;
    }
  }
  return {};
}

// With one signature, each naming the one before it.
std::expected<void, Error> State::Inside::sign_together(Now now, Local& local, std::span<const Draft> drafts,
                                                        std::vector<EntryId>& written) {
  if (written.size() + drafts.size() > kEntriesPerWriteMax) return std::unexpected(Error::kTooMany);
  std::vector<Content> contents;
  std::optional<EntryId> prev = local.prev;
  for (const Draft& draft : drafts) {
    // A later Revoke must stand above the Grants that it ends, whatever the clock has done meanwhile.
    std::uint64_t at = stamp(now);
    if (draft.rights) last_stamp = at = std::max(at, local.space.rights().last_stamp(*draft.rights) + 1 + contents.size());
    contents.push_back({.space = local.space.genesis().id, .author = identity.public_key(), .epoch = *local.epoch,
                        .seq = local.seq + 1 + contents.size(), .prev = prev, .stamp = at, .kind = draft.kind,
                        .path = draft.path, .body = draft.body, .saw = draft.saw});
    const auto id = id_of_content(contents.back());
    if (!id) return std::unexpected(Error::kTooLarge);
    prev = *id;
  }
  const auto wires = sign_entries(identity, contents);
  if (!wires) return std::unexpected(Error::kTooLarge);
  std::size_t bytes_more = 0;
  for (const Bytes& wire : *wires) bytes_more += wire.size();
  if (!room_for(bytes_more, drafts.front().kind)) return std::unexpected(Error::kTooMany);
  const std::size_t ours = local.space.entries_of(identity.public_key()) + local.writes_waiting + written.size() + drafts.size();
  const bool reckoned = drafts.front().kind != Kind::kCheckpoint && !drafts.front().rights;
  const std::size_t most = local.space.entries_max(identity.public_key());
  // The last of the room is for what takes the place of something of ours, so that a checkpoint can make more.
  const bool replaces = std::ranges::all_of(drafts, [&](const Draft& draft) { return replaces_own(local, draft); });
  const std::size_t kept = replaces || most == 1 ? 0 : std::max<std::size_t>(1, most / kRoomToReplace);
  if (reckoned && ours > most - kept) return std::unexpected(Error::kOverQuota);
  for (const Bytes& wire : *wires) {
    const auto entry = decode_entry(wire);
    CHECK(entry.has_value());
    // A place that nobody has used: no checkpoint of ours speaks of it.
    if (local.space.insert(*entry, wire, /*settled=*/false) != Space::Inserted::kNew) return std::unexpected(Error::kOverQuota);
    written.push_back(entry->id);
  }
  local.seq += wires->size();
  local.prev = prev;
  return {};
}

// Changes of different documents share a signature; what depends on an earlier one of the same call sees it.
std::expected<void, Error> State::Inside::write_all(Now now, Local& local, std::span<const Change> changes,
                                                    std::vector<EntryId>& written) {
  std::vector<Draft> gathered;
  std::set<std::string_view> paths;
  const auto sign_gathered = [&]() -> std::expected<void, Error> {
    const auto done = sign(now, local, gathered, written);
    gathered.clear();
    paths.clear();
    return done;
  };
  for (const Change& change : changes) {
    const bool takes_away = change.what == Change::What::kRemove || change.what == Change::What::kDelete;
    if (takes_away || !paths.insert(as_text(change.path)).second) {
      if (const auto done = sign_gathered(); !done) return done;
      paths.insert(as_text(change.path));
    }
    for (bool first = true;; first = false) {
      auto drafts = draft(now, local, change);
      if (!drafts) {
        if (takes_away && !first && drafts.error() == Error::kNothingThere) break;
        return std::unexpected(drafts.error());
      }
      gathered.insert(gathered.end(), std::move_iterator(drafts->begin()), std::move_iterator(drafts->end()));
      if (!takes_away) break;
      // There may be more than one entry can name.
      if (const auto done = sign_gathered(); !done) return done;
    }
  }
  return sign_gathered();
}

void State::Inside::withdraw(Local& local, std::span<const EntryId> written) {
  local.space.withdraw(written);
  // A number is not used again: the store may have kept what it said it had not.
  const auto head = local.space.head(identity.public_key());
  local.prev = head ? std::optional(head->id) : std::nullopt;
}

std::vector<Write> State::Inside::rows_of(const Local& local, std::span<const EntryId> written) const {
  std::vector<Write> rows;
  for (const EntryId& id : written) rows.push_back(entry_row(local.space.genesis().id, id, *local.space.find(id)));
  return rows;
}

void State::write(Now now, OpId op, const NamespaceId& space, std::span<const Change> changes, Output& out) {
  Inside& s = *inside_;
  if (s.ended) return s.fail(op, Error::kShutdown, out);
  Inside::Local* local = s.find(space);
  if (local == nullptr) return s.fail(op, Error::kUnknownNamespace, out);
  if (s.waiting.size() + s.delayed.size() >= kWritesMax) return s.fail(op, Error::kTooMany, out);
  const Instant begin = s.pace.begin(now.mono, changes.size());
  if (s.delayed.empty() && begin <= now.mono) return s.write_now(now, op, *local, changes, out);
  Inside::Delayed later{.at = begin, .op = op, .space = space, .life = local->life, .changes = {}};
  for (const Change& c : changes) later.changes.push_back({.what = c.what, .path = to_bytes(c.path), .value = to_bytes(c.value), .amount = c.amount});
  s.delayed.push_back(std::move(later));
  ++s.totals.delayed_total;
}

void State::Inside::write_delayed(Now now, Output& out) {
  for (std::size_t i = 0; i < kDelayedPerTurn && !delayed.empty() && delayed.front().at <= now.mono; ++i) {
    const Delayed first = std::move(delayed.front());
    delayed.pop_front();
    // Left meanwhile, or the disk refused its row.
    Local* local = find(first.space);
    if (local == nullptr || local->life != first.life) {
      fail(first.op, Error::kUnknownNamespace, out);
      continue;
    }
    std::vector<Change> changes;
    for (const Delayed::Kept& c : first.changes) changes.push_back({.what = c.what, .path = c.path, .value = c.value, .amount = c.amount});
    write_now(now, first.op, *local, changes, out);
  }
}

void State::Inside::write_now(Now now, OpId op, Local& local, std::span<const Change> changes, Output& out) {
  follow_clock(now);
  std::vector<EntryId> written;
  if (const auto done = write_all(now, local, changes, written); !done) {
    withdraw(local, written);
    fail(op, done.error(), out);
    // What of ours is of no use any more may make room for the next.
    if (done.error() == Error::kOverQuota) maybe_checkpoint(now, local, out);
    return;
  }
  std::vector<Write> rows = rows_of(local, written);
  const std::size_t count = written.size();
  const bool counts = std::ranges::any_of(changes, [](const Change& change) { return change.what == Change::What::kCount; });
  wait_for({.op = op, .space = local.space.genesis().id, .written = std::move(written), .count = count, .counts = counts}, std::move(rows), out);
}

}  // namespace weft::state
