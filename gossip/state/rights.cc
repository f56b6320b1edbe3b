#include "gossip/state/rights.h"

#include <algorithm>
#include <tuple>

#include "crypto/check.h"
#include "crypto/provider.h"
#include "crypto/varint.h"
#include "gossip/state/fork.h"

namespace weft::state {
namespace {

constexpr std::size_t kGrantBytesMax = 400;

bool covers(ByteView top, ByteView path) {
  if (top.empty()) return true;
  return path.size() >= top.size() && equal(path.first(top.size()), top) && (path.size() == top.size() || path[top.size()] == '/');
}

// Whether this place is in its range and none of those that stay.
bool beyond(const Revocation& revocation, std::uint64_t epoch, std::uint64_t seq) {
  const Revocation::Place place(epoch, seq);
  if (place < revocation.first || place > revocation.last) return false;
  // The last run that begins at or before it.
  const auto after = std::ranges::upper_bound(revocation.frontier, place, {}, [](const Run& run) { return Revocation::Place(run.epoch, run.first); });
  if (after == revocation.frontier.begin()) return true;
  const Run& run = *std::prev(after);
  return run.epoch != epoch || seq > run.last;
}

Bytes frontier_bytes(std::span<const Run> runs) {
  Bytes out;
  for (std::size_t at = 0; at < runs.size();) {
    std::size_t end = at;
    while (end < runs.size() && runs[end].epoch == runs[at].epoch) ++end;
    ByteArray<8> epoch;
    store_le(epoch.data(), runs[at].epoch);
    out.insert(out.end(), epoch.begin(), epoch.end());
    put_varint(out, end - at);
    for (std::uint64_t next = 1; at < end; ++at) {
      put_varint(out, runs[at].first - next);
      put_varint(out, runs[at].last - runs[at].first);
      next = runs[at].last + 1;
    }
  }
  return out;
}

std::optional<std::vector<Run>> read_frontier(ByteView bytes) {
  std::vector<Run> out;
  while (!bytes.empty()) {
    if (bytes.size() < 8) return std::nullopt;
    const auto epoch = load_le<std::uint64_t>(bytes.data());
    if (!out.empty() && out.back().epoch >= epoch) return std::nullopt;
    bytes = bytes.subspan(8);
    const auto count = take_varint(bytes);
    if (!count || *count == 0) return std::nullopt;
    std::uint64_t next = 1;  // the least that a run may begin with
    for (std::uint64_t i = 0; i < *count; ++i) {
      const auto gap = take_varint(bytes);
      const auto length = gap ? take_varint(bytes) : std::nullopt;
      if (!length || next > kSeqMax || *gap > kSeqMax - next || (i > 0 && *gap == 0)) return std::nullopt;
      const std::uint64_t first = next + *gap;
      if (*length > kSeqMax - first) return std::nullopt;
      out.push_back({.epoch = epoch, .first = first, .last = first + *length});
      next = first + *length + 1;
    }
  }
  return out;
}

}  // namespace

std::optional<Grant> read_grant(ByteView body) {
  Reader r(body);
  Grant out;
  r.array_of(5);
  out.to.bytes = r.bin_exact<32>();
  const ByteView path = r.bin(kPathBytesMax);
  out.rights = static_cast<std::uint8_t>(r.uint(kRightsAll));
  out.entries = r.uint();
  out.expires_ms = r.uint(kExpiresMsMax);
  if (r.finish() || (!path.empty() && !valid_path(path)) || (out.rights & kRightAdd) == 0) return std::nullopt;
  out.path = to_bytes(path);
  if (!equal(grant_body(out), body)) return std::nullopt;
  return out;
}

Bytes grant_body(const Grant& grant) {
  ByteArray<kGrantBytesMax> room;
  Writer w(room);
  w.array(5).bin(grant.to.bytes).bin(grant.path).uint(grant.rights).uint(grant.entries).uint(grant.expires_ms);
  CHECK(w.ok());
  return to_bytes(w.view());
}

std::optional<Revocation> read_revocation(ByteView body) {
  Reader r(body);
  Revocation out;
  r.array_of(6);
  out.of.bytes = r.bin_exact<32>();
  out.first.first = r.uint();
  out.first.second = r.uint(kSeqMax);
  out.last.first = r.uint();
  out.last.second = r.uint(kSeqMax);
  const ByteView frontier = r.bin(kFrontierBytesMax);
  if (r.finish() || out.first > out.last) return std::nullopt;
  auto runs = read_frontier(frontier);
  if (!runs) return std::nullopt;
  out.frontier = std::move(*runs);
  const bool outside = std::ranges::any_of(out.frontier, [&](const Run& run) {
    return std::pair(run.epoch, run.first) < out.first || std::pair(run.epoch, run.last) > out.last;
  });
  if (outside || !equal(revocation_body(out), body)) return std::nullopt;
  return out;
}

Bytes revocation_body(const Revocation& revocation) {
  ByteArray<kFrontierBytesMax + 100> room;
  Writer w(room);
  w.array(6).bin(revocation.of.bytes).uint(revocation.first.first).uint(revocation.first.second).uint(revocation.last.first);
  w.uint(revocation.last.second).bin(frontier_bytes(revocation.frontier));
  CHECK(w.ok());
  return to_bytes(w.view());
}

std::vector<Revocation> revocations(const NodeId& of, std::span<const Run> frontier) {
  std::vector<Revocation> out{{.of = of}};
  std::size_t bytes = 0;
  for (const Run& run : frontier) {
    // An epoch and a count, and the two numbers of the run.
    Bytes numbers;
    put_varint(numbers, run.first);
    put_varint(numbers, run.last - run.first);
    const bool begins = out.back().frontier.empty() || out.back().frontier.back().epoch != run.epoch;
    const std::size_t more = numbers.size() + (begins ? 8 + 3 : 0);
    if (bytes + more > kFrontierBytesMax) {
      if (out.size() == kRevokesMax) return out;  // what follows is in the last one's range, and not told
      out.back().last = run.first == 1 ? Revocation::Place(run.epoch - 1, kSeqMax) : Revocation::Place(run.epoch, run.first - 1);
      out.push_back({.of = of, .first = {run.epoch, run.first}});
      bytes = 8 + 3;
    }
    bytes += more;
    out.back().frontier.push_back(run);
  }
  return out;
}

void Rights::add(const Entry& entry) {
  const Content& c = entry.content;
  const Rank rank(c.stamp, entry.id);
  if (c.kind == Kind::kGrant) {
    const auto grant = read_grant(c.body);
    CHECK(grant.has_value());
    if (grants_.emplace(entry.id, Held{.rank = rank, .grant = *grant}).second) by_receiver_[grant->to].push_back(entry.id);
    return;
  }
  CHECK(c.kind == Kind::kRevoke);
  const auto revocation = read_revocation(c.body);
  CHECK(revocation.has_value());
  std::vector<Cut>& cuts = cuts_[revocation->of];
  if (std::ranges::find(cuts, rank, &Cut::rank) != cuts.end()) return;
  cuts.push_back({.rank = rank, .revocation = *revocation});
  ++revocations_;
}

std::optional<Refusal> Rights::refuses(const Grant& grant, Kind kind, ByteView path, std::uint64_t stamp) {
  if (kind != Kind::kCheckpoint && !covers(grant.path, path)) return Refusal::kPath;
  if (grant.expires_ms != 0 && stamp >> kStampCounterBits >= grant.expires_ms) return Refusal::kExpired;
  return std::nullopt;
}

// Whether a later revocation of its receiver that `by` holds of cuts it.
bool Rights::cut(const Held& held, const std::function<bool(const Revocation&)>& by) const {
  const auto cuts = cuts_.find(held.grant.to);
  return cuts != cuts_.end() &&
         std::ranges::any_of(cuts->second, [&](const Cut& one) { return one.rank > held.rank && by(one.revocation); });
}

Rights::Verdict Rights::judge(const Entry& entry) const {
  const Content& c = entry.content;
  const bool of_owner = c.kind == Kind::kGrant || c.kind == Kind::kRevoke;
  if (open_) return {.refusal = of_owner ? std::optional(Refusal::kOpen) : std::nullopt, .over_others = true};
  if (is_owner(c.author) && c.kind != Kind::kFork) return {.refusal = {}, .over_others = true};
  if (of_owner) return {.refusal = Refusal::kNotOwner};
  if (c.kind == Kind::kFork) {
    const PublicKey accused = read_fork(c.space, c.body).value().author();
    const bool known = is_owner(accused) || by_receiver_.contains(node_id_of(accused));
    return {.refusal = known ? std::nullopt : std::optional(Refusal::kNoGrant)};
  }
  Verdict out{.refusal = Refusal::kNoGrant};
  const NodeId author = node_id_of(c.author);
  for (const EntryId& id : c.saw) {
    const auto held = grants_.find(id);
    if (held == grants_.end() || held->second.grant.to != author) continue;
    auto refusal = refuses(held->second.grant, c.kind, c.path, c.stamp);
    const auto is_beyond = [&](const Revocation& revocation) { return beyond(revocation, c.epoch, c.seq); };
    if (!refusal && cut(held->second, is_beyond)) refusal = Refusal::kRevoked;
    if (!refusal) {
      out.over_others = out.over_others || (held->second.grant.rights & kRightOverwrite) != 0;
      out.refusal.reset();
    } else if (out.refusal) {
      out.refusal = refusal;
    }
  }
  return out;
}

std::expected<Rights::Choice, Refusal> Rights::choose(const NodeId& author, Kind kind, ByteView path, std::uint64_t stamp) const {
  const auto ids = by_receiver_.find(author);
  if (ids == by_receiver_.end()) return std::unexpected(Refusal::kNoGrant);
  const Held* best = nullptr;
  // Of those that do not do, what is nearest to doing is told: expired, revoked, elsewhere.
  std::optional<Refusal> why;
  const auto any = [](const Revocation&) { return true; };
  const auto key = [](const Held& held) {
    const bool ever = held.grant.expires_ms == 0;
    return std::tuple((held.grant.rights & kRightOverwrite) != 0, ever, held.grant.expires_ms, held.rank);
  };
  for (const EntryId& id : ids->second) {
    const Held& held = grants_.at(id);
    auto refusal = refuses(held.grant, kind, path, stamp);
    if (!refusal && cut(held, any)) refusal = Refusal::kRevoked;
    if (refusal) {
      why = std::max(why.value_or(*refusal), *refusal);
    } else if (best == nullptr || key(held) > key(*best)) {
      best = &held;
    }
  }
  if (best == nullptr) return std::unexpected(why.value_or(Refusal::kNoGrant));
  return Choice{.grant = best->rank.second, .over_others = (best->grant.rights & kRightOverwrite) != 0};
}

std::uint64_t Rights::last_stamp(const NodeId& of) const {
  std::uint64_t last = 0;
  if (const auto ids = by_receiver_.find(of); ids != by_receiver_.end()) {
    for (const EntryId& id : ids->second) last = std::max(last, grants_.at(id).rank.first);
  }
  if (const auto cuts = cuts_.find(of); cuts != cuts_.end()) {
    for (const Cut& one : cuts->second) last = std::max(last, one.rank.first);
  }
  return last;
}

std::optional<std::uint64_t> Rights::entries_max(const NodeId& author) const {
  const auto ids = by_receiver_.find(author);
  if (open_ || ids == by_receiver_.end()) return std::nullopt;
  std::uint64_t most = 0;
  for (const EntryId& id : ids->second) {
    const std::uint64_t entries = grants_.at(id).grant.entries;
    if (entries == 0) return std::nullopt;
    most = std::max(most, entries);
  }
  return most;
}

std::vector<Rights::Given> Rights::given() const {
  std::vector<Given> out;
  for (const auto& [to, ids] : by_receiver_) {
    const std::size_t from = out.size();
    for (const EntryId& id : ids) {
      const Held& held = grants_.at(id);
      const bool revoked = cut(held, [](const Revocation&) { return true; });
      out.push_back({.id = id, .stamp = held.rank.first, .grant = held.grant, .revoked = revoked});
    }
    std::sort(out.begin() + static_cast<std::ptrdiff_t>(from), out.end(),
              [](const Given& a, const Given& b) { return std::pair(a.stamp, a.id) < std::pair(b.stamp, b.id); });
  }
  return out;
}

}  // namespace weft::state
