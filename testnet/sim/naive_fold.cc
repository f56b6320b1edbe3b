#include "testnet/sim/naive_fold.h"

#include <algorithm>
#include <tuple>

namespace weft::sim {

using state::Entry;
using state::EntryId;
using state::Kind;

NaiveFold::Checkpoint checkpoint_of(const Entry& entry) {
  return {entry.content.stamp, entry.id, state::read_checkpoint(entry.content.body).value_or(std::vector<state::Section>{})};
}

bool leaves_out(const NaiveFold::Checkpoint& by, std::uint64_t epoch, std::uint64_t seq) {
  for (const state::Section& section : by.sections) {
    if (section.epoch != epoch || seq < section.first || seq > section.last) continue;
    if (std::ranges::find(section.wanted, seq) == section.wanted.end()) return true;
  }
  return false;
}

namespace {

// A number of more than 64 bits, as a counter's sums may be.
__extension__ using Wide = unsigned __int128;

constexpr std::size_t kCountedMax = 64;  // checkpoints of an author

std::string text(ByteView bytes) { return std::string(as_text(bytes)); }

bool below(const std::string& path, const std::string& top) { return path == top || path.starts_with(top + "/"); }

// Whether `by`, which names `other`, takes its value away.
bool takes_away(const Entry& by, const Entry& other) {
  const std::string mine = text(by.content.path), theirs = text(other.content.path);
  const Kind kind = other.content.kind;
  switch (by.content.kind) {
    case Kind::kSet: return kind == Kind::kSet && mine == theirs;
    case Kind::kCount: return kind == Kind::kCount && mine == theirs && by.content.author == other.content.author;
    case Kind::kAdd:
    case Kind::kRemove: return kind == Kind::kAdd && mine == theirs && text(by.content.body) == text(other.content.body);
    case Kind::kClear: return (kind == Kind::kSet || kind == Kind::kCount || kind == Kind::kAdd) && below(theirs, mine);
    case Kind::kCheckpoint:
    case Kind::kGrant:
    case Kind::kRevoke:
    case Kind::kFork: return false;
  }
  return false;
}

using All = std::map<EntryId, Entry>;

// Of each author those checkpoints that count, the highest first.
std::map<PublicKey, std::vector<NaiveFold::Checkpoint>> counting(const All& all) {
  std::map<PublicKey, std::vector<const Entry*>> of;
  for (const auto& [id, entry] : all) {
    if (entry.content.kind == Kind::kCheckpoint) of[entry.content.author].push_back(&entry);
  }
  std::map<PublicKey, std::vector<NaiveFold::Checkpoint>> out;
  for (auto& [author, checkpoints] : of) {
    std::ranges::sort(checkpoints, [](const Entry* a, const Entry* b) {
      return std::tie(a->content.stamp, a->id) > std::tie(b->content.stamp, b->id);
    });
    auto& count = out[author];
    for (const Entry* one : checkpoints) {
      const bool gone = std::ranges::any_of(count, [&](const auto& higher) { return leaves_out(higher, one->content.epoch, one->content.seq); });
      if (gone || count.size() == kCountedMax) continue;
      count.push_back(checkpoint_of(*one));
    }
  }
  return out;
}

}  // namespace

bool NaiveFold::discards(const Entry& entry) const {
  const Kind kind = entry.content.kind;
  if (kind == Kind::kGrant || kind == Kind::kRevoke || kind == Kind::kFork) return false;
  const auto of = counting.find(entry.content.author);
  if (of == counting.end()) return false;
  return std::ranges::any_of(of->second, [&](const NaiveFold::Checkpoint& one) {
    const bool higher = entry.content.kind != Kind::kCheckpoint || std::tie(one.stamp, one.id) > std::tie(entry.content.stamp, entry.id);
    return higher && leaves_out(one, entry.content.epoch, entry.content.seq);
  });
}

bool NaiveFold::unwanted(const Entry& entry) const {
  if (!discards(entry)) return false;
  return std::ranges::none_of(entry.content.saw, [&](const EntryId& id) {
    const auto other = all.find(id);
    return other != all.end() && !discarded.contains(id) && takes_away(entry, other->second);
  });
}

NaiveFold naive_fold(std::vector<Bytes> entries) {
  NaiveFold out;
  out.wires = std::move(entries);
  All& all = out.all;
  for (const Bytes& wire : out.wires) {
    auto entry = state::decode_entry(wire);
    if (!entry) {
      ++out.malformed;
      continue;
    }
    const EntryId id = entry->id;
    all.emplace(id, std::move(*entry));
  }
  out.counting = counting(all);
  std::set<EntryId>& gone = out.discarded;
  for (const auto& [id, entry] : all) {
    if (out.discards(entry)) gone.insert(id);
  }
  std::set<EntryId> taken_away;
  for (const auto& [by_id, by] : all) {
    for (const EntryId& id : by.content.saw) {
      const auto other = all.find(id);
      if (other == all.end() || !takes_away(by, other->second)) continue;
      taken_away.insert(id);
    }
    if (out.unwanted(by)) out.droppable.push_back(by_id);
  }
  // An author's own order: kind, path and element, author and epoch -> highest seq.
  std::map<std::tuple<Kind, std::string, std::string, PublicKey, std::uint64_t>, std::uint64_t> highest;
  const auto series = [](const Entry& e) {
    return std::tuple(e.content.kind, text(e.content.path), e.content.kind == Kind::kAdd ? text(e.content.body) : std::string(),
                      e.content.author, e.content.epoch);
  };
  for (const auto& [id, entry] : all) {
    std::uint64_t& most = highest[series(entry)];
    most = std::max(most, entry.content.seq);
  }
  std::map<std::string, std::pair<Wide, Wide>> counted;
  for (const auto& [id, entry] : all) {
    if (gone.contains(id) || taken_away.contains(id) || highest.at(series(entry)) != entry.content.seq) continue;
    const std::string path = text(entry.content.path);
    switch (entry.content.kind) {
      case Kind::kSet:
        out.registers[path].push_back({entry.content.stamp, entry.content.author, id, to_bytes(entry.content.body)});
        break;
      case Kind::kCount: {
        const auto numbers = state::read_count(entry.content.body);
        if (!numbers) {
          ++out.malformed;
          break;
        }
        counted[path].first += numbers->up;
        counted[path].second += numbers->down;
        break;
      }
      case Kind::kAdd: out.sets[path].insert(to_bytes(entry.content.body)); break;
      case Kind::kRemove:
      case Kind::kClear:
      case Kind::kCheckpoint:
      case Kind::kGrant:
      case Kind::kRevoke:
      case Kind::kFork: continue;  // no values
    }
    out.paths.insert(path);
  }
  for (auto& [path, values] : out.registers) {
    std::ranges::sort(values, [](const auto& a, const auto& b) { return std::tie(a.stamp, a.author, a.id) > std::tie(b.stamp, b.author, b.id); });
  }
  for (const auto& [path, sums] : counted) {
    const auto& [up, down] = sums;
    const Wide most = INT64_MAX;
    out.counters[path] = up >= down ? static_cast<std::int64_t>(std::min(most, up - down)) : -static_cast<std::int64_t>(std::min(most, down - up));
  }
  return out;
}

bool same(const NaiveFold& fold, const state::Documents& documents) {
  const std::vector<std::string> paths = documents.paths({}, SIZE_MAX);
  if (!std::ranges::equal(paths, fold.paths)) return false;
  for (const std::string& path : paths) {
    const ByteView at = as_bytes(path);
    const auto values = documents.read_register(at, SIZE_MAX);
    const auto here = fold.registers.find(path);
    const std::vector<NaiveFold::Value> none;
    const auto& wanted = here == fold.registers.end() ? none : here->second;
    const bool equal_values = std::ranges::equal(values, wanted, [](const state::Written& a, const NaiveFold::Value& b) {
      return a.id == b.id && a.author == b.author && a.stamp == b.stamp && a.value == b.bytes;
    });
    const auto counter = fold.counters.find(path);
    const auto set = fold.sets.find(path);
    const std::vector<Bytes> elements = documents.elements(at);
    const bool equal_set = set == fold.sets.end() ? elements.empty() : std::ranges::equal(elements, set->second);
    if (!equal_values || !equal_set || documents.counter(at) != (counter == fold.counters.end() ? 0 : counter->second)) return false;
  }
  return true;
}

}  // namespace weft::sim
