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

std::strong_ordering Documents::compare_series(const Item& a, const Item& b) {
  if (const auto path = as_text(a.path) <=> as_text(b.path); path != 0) return path;
  if (a.kind != b.kind) return a.kind <=> b.kind;
  if (a.kind == Kind::kAdd) {
    if (const auto element = as_text(a.body) <=> as_text(b.body); element != 0) return element;
  }
  if (const auto author = a.author <=> b.author; author != 0) return author;
  return a.epoch <=> b.epoch;
}

bool Documents::SeriesOrder::operator()(Ref a, Ref b) const {
  if (const auto series = compare_series(a->second, b->second); series != 0) return series < 0;
  return std::pair(a->second.seq, a->first) < std::pair(b->second.seq, b->first);
}

bool Documents::SeriesOrder::operator()(Ref a, ByteView path) const { return as_text(a->second.path) < as_text(path); }

bool Documents::SeriesOrder::operator()(const Item& a, Ref b) const {
  if (const auto series = compare_series(a, b->second); series != 0) return series < 0;
  return a.seq < b->second.seq;
}

Documents::Item Documents::item_of(const Entry& entry, bool over_others) {
  const Content& c = entry.content;
  return {.author = c.author, .epoch = c.epoch, .seq = c.seq, .stamp = c.stamp, .path = c.path, .body = c.body, .kind = c.kind,
          .over_others = over_others};
}

bool Documents::may_void(const Item& by, const Item& item) {
  if (!by.over_others && item.author != by.author) return false;
  const bool same_path = equal(item.path, by.path);
  switch (by.kind) {
    case Kind::kSet: return item.kind == Kind::kSet && same_path;
    case Kind::kCount: return item.kind == Kind::kCount && same_path && item.author == by.author;
    case Kind::kAdd:
    case Kind::kRemove: return item.kind == Kind::kAdd && same_path && equal(item.body, by.body);
    case Kind::kClear: return holds_a_value(item.kind) && at_or_below(as_text(item.path), as_text(by.path));
    case Kind::kCheckpoint:
    case Kind::kGrant:
    case Kind::kRevoke:
    case Kind::kFork: return false;
  }
  return false;
}

bool Documents::insert(const Entry& entry, bool over_others) {
  const auto [at, fresh] = items_.try_emplace(entry.id, item_of(entry, over_others));
  if (!fresh) return false;
  Item& item = at->second;
  for (const EntryId& seen : entry.content.saw) {
    names_.emplace(seen, entry.id);
    if (const auto other = items_.find(seen); other != items_.end() && may_void(item, other->second)) add_voider(other->second);
  }
  const bool watched = item.author == watched_;
  if (!holds_a_value(item.kind)) {
    if (watched && !comes_first(item.kind) && item.kind != Kind::kCheckpoint) ++lost_;
    return true;
  }
  const auto place = order_.insert(&*at).first;
  // Those that named it before it came. An entry that names itself is not among them: its id would have to be in its own content.
  for (auto it = names_.lower_bound({entry.id, EntryId{}}); it != names_.end() && it->first == entry.id; ++it) {
    item.voiders += may_void(items_.at(it->second), item) ? 1U : 0U;
  }
  if (!watched) return true;
  // It counts for nothing, or the one before it in its series does so no more.
  if (!left(item)) ++lost_;
  else if (place != order_.begin() && compare_series((*std::prev(place))->second, item) == 0) ++lost_;
  return true;
}

void Documents::erase(const Entry& entry) {
  const auto at = items_.find(entry.id);
  CHECK(at != items_.end());
  const Item item = at->second;
  if (holds_a_value(item.kind)) order_.erase(&*at);
  items_.erase(at);
  for (const EntryId& seen : entry.content.saw) {
    names_.erase({seen, entry.id});
    if (item.kept) keepers_.erase({seen, entry.id});
    if (const auto other = items_.find(seen); other != items_.end() && may_void(item, other->second)) --other->second.voiders;
  }
}

void Documents::keep(const Entry& entry) {
  if (std::exchange(items_.at(entry.id).kept, true)) return;
  for (const EntryId& seen : entry.content.saw) keepers_.emplace(seen, entry.id);
}

bool Documents::set_over_others(const Entry& entry, bool over_others) {
  Item& item = items_.at(entry.id);
  if (item.over_others == over_others) return false;
  Item after = item;
  after.over_others = over_others;
  for (const EntryId& seen : entry.content.saw) {
    const auto other = items_.find(seen);
    if (other == items_.end()) continue;
    if (may_void(item, other->second)) --other->second.voiders;
    if (may_void(after, other->second)) add_voider(other->second);
  }
  item = after;
  return true;
}

bool Documents::is_named(const EntryId& id) const {
  const auto it = names_.lower_bound({id, EntryId{}});
  return it != names_.end() && it->first == id;
}

void Documents::add_voider(Item& item) {
  if (++item.voiders == 1 && item.author == watched_) ++lost_;
}

bool Documents::left(const Item& item) const {
  if (item.voiders > 0 || item.discarded) return false;
  const auto above = order_.upper_bound(item);
  return above == order_.end() || compare_series(item, (*above)->second) != 0;
}

bool Documents::counts(const Item& item) const { return holds_a_value(item.kind) && left(item); }

bool Documents::set_discarded(const EntryId& id, bool discarded) {
  return std::exchange(items_.at(id).discarded, discarded) != discarded;
}

bool Documents::holds_down(const Entry& entry, bool over_others) const {
  const Item by = item_of(entry, over_others);
  return std::ranges::any_of(entry.content.saw, [&](const EntryId& id) {
    const auto it = items_.find(id);
    return it != items_.end() && !it->second.discarded && may_void(by, it->second);
  });
}

template <class Visit>
void Documents::visit_path(ByteView path, Visit visit) const {
  for (auto it = order_.lower_bound(path); it != order_.end() && equal((*it)->second.path, path); ++it) {
    if (!visit(*it)) return;
  }
}

template <class Visit>
void Documents::visit(ByteView path, Kind kind, Visit visit) const {
  visit_path(path, [&](Ref ref) {
    if (ref->second.kind == kind && left(ref->second)) visit(ref);
    return ref->second.kind <= kind;
  });
}

std::vector<Written> Documents::read_register(ByteView path, std::size_t max) const {
  std::vector<Ref> found;
  visit(path, Kind::kSet, [&](Ref ref) { found.push_back(ref); });
  std::ranges::sort(found, std::ranges::greater{}, [](Ref e) { return std::tuple(e->second.stamp, e->second.author, e->first); });
  std::vector<Written> out;
  for (const Ref e : found) {
    if (out.size() == max) break;
    out.push_back({.id = e->first, .author = e->second.author, .stamp = e->second.stamp, .value = to_bytes(e->second.body)});
  }
  return out;
}

std::int64_t Documents::counter(ByteView path) const {
  Sum up, down;
  visit(path, Kind::kCount, [&](Ref ref) {
    const auto counted = read_count(ref->second.body);
    CHECK(counted.has_value());
    up.add(counted->up);
    down.add(counted->down);
  });
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (up >= down) return static_cast<std::int64_t>(difference(up, down, kMost));
  return -static_cast<std::int64_t>(difference(down, up, kMost));
}

std::vector<Bytes> Documents::elements(ByteView path) const { return elements(path, SIZE_MAX, {}); }

// They come in order.
std::vector<Bytes> Documents::elements(ByteView path, std::size_t max, const std::optional<Bytes>& after) const {
  std::vector<Bytes> out;
  visit_path(path, [&](Ref ref) {
    const Item& item = ref->second;
    if (item.kind != Kind::kAdd || !left(ref->second) || (after && as_text(item.body) <= as_text(*after))) return item.kind <= Kind::kAdd;
    if (!out.empty() && equal(out.back(), item.body)) return true;
    if (out.size() == max) return false;
    out.push_back(to_bytes(item.body));
    return true;
  });
  return out;
}

Documents::Kinds Documents::kinds(ByteView path) const {
  Kinds out;
  visit_path(path, [&](Ref ref) {
    const Kind kind = ref->second.kind;
    bool& has = kind == Kind::kSet ? out.has_register : kind == Kind::kCount ? out.has_counter : out.has_set;
    has = has || left(ref->second);
    return !(out.has_register && out.has_counter && out.has_set);
  });
  return out;
}

std::vector<std::string> Documents::paths(ByteView path, std::size_t max, const std::optional<std::string>& after) const {
  std::vector<std::string> out;
  // '/' is not the least byte of a path: what only begins alike lies between.
  const ByteView from = after ? as_bytes(*after) : path;
  for (auto it = order_.lower_bound(from); it != order_.end() && out.size() < max;) {
    const ByteView here = (*it)->second.path;
    if (!as_text(here).starts_with(as_text(path))) break;
    const bool wanted = (!after || !equal(here, from)) && (path.empty() || at_or_below(as_text(here), as_text(path)));
    bool any = false;
    for (; it != order_.end() && equal((*it)->second.path, here); ++it) any = any || (wanted && left((*it)->second));
    if (any) out.push_back(text_of(here));
  }
  return out;
}

Documents::Seen Documents::seen(Kind kind, ByteView path, ByteView element, const PublicKey& author, std::uint64_t epoch,
                                bool over_others) const {
  const Item by{.author = author, .epoch = epoch, .path = path, .body = element, .kind = kind};
  Seen out;
  // Each epoch's Count stands for itself: what a lost life counted is not known here, so it must not be counted on from.
  if (kind == Kind::kCount) return out;
  for (auto it = order_.lower_bound(path); it != order_.end(); ++it) {
    const Item& item = (*it)->second;
    if (kind == Kind::kClear ? !as_text(item.path).starts_with(as_text(path)) : !equal(item.path, path)) break;
    if (!may_void(by, item) || !left((*it)->second)) continue;
    if (!over_others && item.author != author) {
      out.others = true;
      continue;
    }
    // Its own of this epoch gives way by its seq, but not to a Remove or a Clear, which are no values.
    if (kind == item.kind && item.author == author && item.epoch == epoch) continue;
    if (out.saw.size() == kSawMax) {
      out.more = true;
      break;
    }
    out.saw.push_back((*it)->first);
  }
  std::ranges::sort(out.saw);
  return out;
}

bool Documents::has_own(Kind kind, ByteView path, ByteView element, const PublicKey& author) const {
  bool found = false;
  visit(path, kind, [&](Ref ref) {
    const Item& item = ref->second;
    found = found || (item.author == author && (kind != Kind::kAdd || equal(item.body, element)));
  });
  return found;
}

Counted Documents::counted_by(ByteView path, const PublicKey& author, std::uint64_t epoch) const {
  Counted out;
  visit(path, Kind::kCount, [&](Ref ref) {
    const Item& item = ref->second;
    if (item.author != author || item.epoch != epoch) return;
    const auto counted = read_count(item.body);
    out.up = sum(out.up, counted->up);
    out.down = sum(out.down, counted->down);
  });
  return out;
}

}  // namespace weft::state
