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
constexpr std::size_t kFrontierBytesMax = kFrontierMax * 16;

bool covers(ByteView top, ByteView path) {
  if (top.empty()) return true;
  return path.size() >= top.size() && equal(path.first(top.size()), top) && (path.size() == top.size() || path[top.size()] == '/');
}

// Where (epoch, seq) lies is asked of the frontier.
bool beyond(const Revocation& revocation, std::uint64_t epoch, std::uint64_t seq) {
  if (epoch < revocation.first || epoch > revocation.last) return false;
  const auto at = std::ranges::lower_bound(revocation.frontier, epoch, {}, [](const auto& one) { return one.first; });
  return at == revocation.frontier.end() || at->first != epoch || seq > at->second;
}

}  // namespace

std::string_view to_string(Refusal why) {
  switch (why) {
    case Refusal::kNoGrant: return "no_grant";
    case Refusal::kPath: return "path";
    case Refusal::kExpired: return "expired";
    case Refusal::kRevoked: return "revoked";
    case Refusal::kNotOwner: return "not_owner";
    case Refusal::kOpen: return "open";
  }
  return "unknown";
}

std::optional<Grant> read_grant(ByteView body) {
  Reader r(body);
  Grant out;
  r.array_of(5);
  out.to.bytes = r.bin_exact<32>();
  const ByteView path = r.bin(kPathBytesMax);
  out.rights = static_cast<std::uint8_t>(r.uint(kRightsAll));
  out.entries = r.uint();
  out.expires_ms = r.uint();
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
  r.array_of(4);
  out.of.bytes = r.bin_exact<32>();
  out.first = r.uint();
  out.last = r.uint();
  ByteView frontier = r.bin(kFrontierBytesMax);
  if (r.finish() || out.first > out.last) return std::nullopt;
  while (!frontier.empty()) {
    if (out.frontier.size() == kFrontierMax || frontier.size() < 8) return std::nullopt;
    const auto epoch = load_le<std::uint64_t>(frontier.data());
    frontier = frontier.subspan(8);
    const auto seq = take_varint(frontier);
    if (!seq || *seq == 0 || *seq > kSeqMax || epoch < out.first || epoch > out.last) return std::nullopt;
    if (!out.frontier.empty() && out.frontier.back().first >= epoch) return std::nullopt;
    out.frontier.emplace_back(epoch, *seq);
  }
  if (!equal(revocation_body(out), body)) return std::nullopt;
  return out;
}

Bytes revocation_body(const Revocation& revocation) {
  CHECK(revocation.frontier.size() <= kFrontierMax);
  Bytes frontier;
  for (const auto& [epoch, seq] : revocation.frontier) {
    ByteArray<8> bytes;
    store_le(bytes.data(), epoch);
    frontier.insert(frontier.end(), bytes.begin(), bytes.end());
    put_varint(frontier, seq);
  }
  ByteArray<kFrontierBytesMax + 64> room;
  Writer w(room);
  w.array(4).bin(revocation.of.bytes).uint(revocation.first).uint(revocation.last).bin(frontier);
  CHECK(w.ok());
  return to_bytes(w.view());
}

void Rights::add(const Entry& entry) {
  const Content& c = entry.content;
  const Rank rank(c.stamp, entry.id);
  last_stamp_ = std::max(last_stamp_, c.stamp);
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
