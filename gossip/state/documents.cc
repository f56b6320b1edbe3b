#include "gossip/state/documents.h"

#include <limits>
#include <utility>

#include "crypto/check.h"

namespace weft::state {
namespace {

bool holds_a_value(Kind kind) { return kind == Kind::kSet || kind == Kind::kCount || kind == Kind::kAdd; }

bool at_or_below(std::string_view path, std::string_view top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

std::string text_of(ByteView bytes) { return std::string(as_text(bytes)); }

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b ? std::numeric_limits<std::uint64_t>::max() : a + b;
}

// A sum of up to 2^64 numbers of 64 bits: nothing is cut before the end, so their order is of no account.
struct Sum {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  void add(std::uint64_t value) {
    low += value;
    high += low < value ? 1 : 0;
  }
  auto operator<=>(const Sum&) const = default;
};

// a - b of a >= b, at most `most`.
std::uint64_t difference(const Sum& a, const Sum& b, std::uint64_t most) {
  const std::uint64_t high = a.high - b.high - (a.low < b.low ? 1 : 0);
  return high != 0 ? most : std::min(most, a.low - b.low);
}

}  // namespace

Documents::Series Documents::series_of(const Item& item) {
  return {item.path, item.kind, item.kind == Kind::kAdd ? item.body : Bytes{}, item.author, item.epoch};
}

bool Documents::may_void(const Item& by, const Item& item) {
  if (!by.over_others && item.author != by.author) return false;
  switch (by.kind) {
    case Kind::kSet: return item.kind == Kind::kSet && item.path == by.path;
    case Kind::kCount: return item.kind == Kind::kCount && item.path == by.path && item.author == by.author;
    case Kind::kAdd:
    case Kind::kRemove: return item.kind == Kind::kAdd && item.path == by.path && item.body == by.body;
    case Kind::kClear: return holds_a_value(item.kind) && at_or_below(item.path, by.path);
    case Kind::kCheckpoint:
    case Kind::kGrant:
    case Kind::kRevoke:
    case Kind::kFork: return false;
  }
  return false;
}

bool Documents::insert(const Entry& entry, bool over_others) {
  const Content& c = entry.content;
  const auto [at, fresh] = items_.try_emplace(
      entry.id, Item{.author = c.author, .epoch = c.epoch, .seq = c.seq, .stamp = c.stamp, .kind = c.kind,
                     .path = text_of(c.path), .body = to_bytes(c.body), .over_others = over_others});
  if (!fresh) return false;
  Item& item = at->second;
  for (const EntryId& seen : c.saw) {
    named_by_[seen].insert(entry.id);
    if (const auto other = items_.find(seen); other != items_.end() && may_void(item, other->second)) ++other->second.voiders;
  }
  if (!holds_a_value(c.kind)) return true;
  by_path_[item.path].insert(entry.id);
  seqs_[series_of(item)].insert(item.seq);
  // Those that named it before it came. An entry that names itself is not among them: its id would have to be in its own content.
  for (const EntryId& by : named_by(entry.id)) item.voiders += may_void(items_.at(by), item) ? 1U : 0U;
  return true;
}

void Documents::erase(const Entry& entry) {
  const auto at = items_.find(entry.id);
  CHECK(at != items_.end());
  const Item item = std::move(at->second);
  items_.erase(at);
  for (const EntryId& seen : entry.content.saw) {
    const auto named = named_by_.find(seen);
    named->second.erase(entry.id);
    if (named->second.empty()) named_by_.erase(named);
    if (const auto other = items_.find(seen); other != items_.end() && may_void(item, other->second)) --other->second.voiders;
  }
  if (!holds_a_value(item.kind)) return;
  const auto here = by_path_.find(item.path);
  here->second.erase(entry.id);
  if (here->second.empty()) by_path_.erase(here);
  const auto series = seqs_.find(series_of(item));
  series->second.erase(series->second.find(item.seq));
  if (series->second.empty()) seqs_.erase(series);
}

bool Documents::left(const Items::value_type& entry) const {
  const Item& item = entry.second;
  return item.voiders == 0 && !item.discarded && *seqs_.at(series_of(item)).rbegin() == item.seq;
}

bool Documents::counts(const EntryId& id) const {
  const auto it = items_.find(id);
  return it != items_.end() && holds_a_value(it->second.kind) && left(*it);
}

bool Documents::set_discarded(const EntryId& id, bool discarded) {
  return std::exchange(items_.at(id).discarded, discarded) != discarded;
}

bool Documents::holds_down(const Entry& entry, bool over_others) const {
  const Content& c = entry.content;
  const Item by{.author = c.author, .epoch = c.epoch, .seq = c.seq, .stamp = c.stamp, .kind = c.kind, .path = text_of(c.path),
                .body = to_bytes(c.body), .over_others = over_others};
  return std::ranges::any_of(c.saw, [&](const EntryId& id) {
    const auto it = items_.find(id);
    return it != items_.end() && !it->second.discarded && may_void(by, it->second);
  });
}

const std::set<EntryId>& Documents::named_by(const EntryId& id) const {
  static const std::set<EntryId> nobody;
  const auto it = named_by_.find(id);
  return it == named_by_.end() ? nobody : it->second;
}

template <class Visit>
void Documents::visit(ByteView path, Kind kind, Visit visit) const {
  const auto here = by_path_.find(text_of(path));
  if (here == by_path_.end()) return;
  for (const EntryId& id : here->second) {
    const auto it = items_.find(id);
    if (it->second.kind == kind && left(*it)) visit(id, it->second);
  }
}

std::vector<Written> Documents::read_register(ByteView path, std::size_t max) const {
  std::vector<const Items::value_type*> found;
  visit(path, Kind::kSet, [&](const EntryId& id, const Item&) { found.push_back(&*items_.find(id)); });
  std::ranges::sort(found, std::ranges::greater{}, [](const auto* e) { return std::tuple(e->second.stamp, e->second.author, e->first); });
  std::vector<Written> out;
  for (const auto* e : found) {
    if (out.size() == max) break;
    out.push_back({.id = e->first, .author = e->second.author, .stamp = e->second.stamp, .value = e->second.body});
  }
  return out;
}

std::int64_t Documents::counter(ByteView path) const {
  Sum up, down;
  visit(path, Kind::kCount, [&](const EntryId&, const Item& item) {
    const auto counted = read_count(item.body);
    CHECK(counted.has_value());
    up.add(counted->up);
    down.add(counted->down);
  });
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (up >= down) return static_cast<std::int64_t>(difference(up, down, kMost));
  return -static_cast<std::int64_t>(difference(down, up, kMost));
}

std::vector<Bytes> Documents::elements(ByteView path) const {
  std::set<Bytes> all;
  visit(path, Kind::kAdd, [&](const EntryId&, const Item& item) { all.insert(item.body); });
  return {all.begin(), all.end()};
}

std::vector<Bytes> Documents::elements(ByteView path, std::size_t max, const std::optional<Bytes>& after) const {
  std::set<Bytes> first;
  visit(path, Kind::kAdd, [&](const EntryId&, const Item& item) {
    if (after && item.body <= *after) return;
    if (first.size() == max && (max == 0 || item.body >= *first.rbegin())) return;
    first.insert(item.body);
    if (first.size() > max) first.erase(std::prev(first.end()));
  });
  return {first.begin(), first.end()};
}

Documents::Kinds Documents::kinds(ByteView path) const {
  Kinds out;
  const auto here = by_path_.find(text_of(path));
  if (here == by_path_.end()) return out;
  for (const EntryId& id : here->second) {
    const auto it = items_.find(id);
    const Kind kind = it->second.kind;
    bool& has = kind == Kind::kSet ? out.has_register : kind == Kind::kCount ? out.has_counter : out.has_set;
    has = has || left(*it);
    if (out.has_register && out.has_counter && out.has_set) break;
  }
  return out;
}

std::vector<std::string> Documents::paths(ByteView path, std::size_t max, const std::optional<std::string>& after) const {
  const std::string top = text_of(path);
  std::vector<std::string> out;
  // '/' is not the least byte of a path: what only begins alike lies between.
  for (auto it = after ? by_path_.upper_bound(*after) : by_path_.lower_bound(top);
       it != by_path_.end() && it->first.starts_with(top) && out.size() < max; ++it) {
    if (!top.empty() && !at_or_below(it->first, top)) continue;
    const bool any = std::ranges::any_of(it->second, [&](const EntryId& id) { return left(*items_.find(id)); });
    if (any) out.push_back(it->first);
  }
  return out;
}

Documents::Seen Documents::seen(Kind kind, ByteView path, ByteView element, const PublicKey& author, std::uint64_t epoch,
                                bool over_others) const {
  const Item by{.author = author, .epoch = epoch, .seq = 0, .stamp = 0, .kind = kind, .path = text_of(path),
                .body = to_bytes(element)};
  Seen out;
  // Each epoch's Count stands for itself: what a lost life counted is not known here, so it must not be counted on from.
  if (kind == Kind::kCount) return out;
  const auto look_at = [&](const std::set<EntryId>& ids) {
    for (const EntryId& id : ids) {
      const auto it = items_.find(id);
      if (!may_void(by, it->second) || !left(*it)) continue;
      if (!over_others && it->second.author != author) {
        out.others = true;
        continue;
      }
      // Its own of this epoch gives way by its seq, but not to a Remove or a Clear, which are no values.
      if (kind == it->second.kind && it->second.author == author && it->second.epoch == epoch) continue;
      if (out.saw.size() == kSawMax) {
        out.more = true;
        return;
      }
      out.saw.push_back(id);
    }
  };
  const std::string top = text_of(path);
  if (kind != Kind::kClear) {
    if (const auto here = by_path_.find(top); here != by_path_.end()) look_at(here->second);
  } else {
    for (auto it = by_path_.lower_bound(top); it != by_path_.end() && it->first.starts_with(top) && !out.more; ++it) {
      if (at_or_below(it->first, top)) look_at(it->second);
    }
  }
  std::ranges::sort(out.saw);
  return out;
}

bool Documents::has_own(Kind kind, ByteView path, ByteView element, const PublicKey& author) const {
  bool found = false;
  visit(path, kind, [&](const EntryId&, const Item& item) {
    found = found || (item.author == author && (kind != Kind::kAdd || equal(item.body, element)));
  });
  return found;
}

Counted Documents::counted_by(ByteView path, const PublicKey& author, std::uint64_t epoch) const {
  Counted out;
  visit(path, Kind::kCount, [&](const EntryId&, const Item& item) {
    if (item.author != author || item.epoch != epoch) return;
    const auto counted = read_count(item.body);
    out.up = sum(out.up, counted->up);
    out.down = sum(out.down, counted->down);
  });
  return out;
}

}  // namespace weft::state
