// What a set of entries means, from the rules alone: documents.h for values, checkpoint.h for what is discarded, space.h for what stays.
// It keeps nothing but the set, looks at all of it for every question, and shares no code with what it checks.
#pragma once

#include <algorithm>

#include "tests/gossip/state_generators.h"

namespace weft::state {

// All that can be read at one path.
struct Page {
  std::string path;
  std::vector<Written> values;
  std::int64_t sum = 0;
  std::vector<Bytes> elements;
  Documents::Kinds kinds;
  bool operator==(const Page&) const = default;
};

inline std::vector<Page> pages(const Documents& documents) {
  std::vector<Page> out;
  for (const std::string& path : documents.paths({}, SIZE_MAX)) {
    const ByteView at = as_bytes(path);
    out.push_back({path, documents.read_register(at), documents.counter(at), documents.elements(at), documents.kinds(at)});
  }
  return out;
}

class Reference {
 public:
  Reference() = default;
  explicit Reference(const std::vector<KeptRef>& set) {
    for (const KeptRef& kept : set) add(kept);
  }
  void add(const KeptRef& kept) { set_.emplace(kept->entry.id, kept); }
  bool contains(const EntryId& id) const { return set_.contains(id); }

  // Ids of entries that a checkpoint of the set discards.
  std::set<EntryId> discarded() const {
    std::set<EntryId> out;
    const auto by_author = counting();
    for (const auto& [id, kept] : set_) {
      const Content& c = kept->entry.content;
      const auto at = by_author.find(c.author);
      if (at == by_author.end()) continue;
      for (const Entry* higher : at->second) {
        const bool counts_for_it = c.kind != Kind::kCheckpoint || rank(*higher) > rank(kept->entry);
        if (counts_for_it && covers(*higher, c)) out.insert(id);
      }
    }
    return out;
  }
  // Ids that the set comes to: what is discarded stays only while it voids what is not.
  std::set<EntryId> kept() const {
    std::set<EntryId> out;
    const std::set<EntryId> gone = discarded();
    for (const auto& [id, kept] : set_) {
      bool stays = !gone.contains(id);
      for (const EntryId& seen : kept->entry.content.saw) {
        const auto target = set_.find(seen);
        if (target != set_.end() && !gone.contains(seen) && voids(kept->entry.content, target->second->entry.content)) stays = true;
      }
      if (stays) out.insert(id);
    }
    return out;
  }
  std::vector<Page> pages() const {
    std::set<EntryId> out = discarded();
    for (const auto& [id, kept] : set_) {
      for (const EntryId& seen : kept->entry.content.saw) {
        const auto target = set_.find(seen);
        if (target != set_.end() && voids(kept->entry.content, target->second->entry.content)) out.insert(seen);
      }
    }
    // Of an author's own in one epoch the highest, discarded or not.
    std::map<std::tuple<PublicKey, std::uint64_t, Kind, Bytes, Bytes>, std::uint64_t> last;
    const auto series = [](const Content& c) {
      return std::tuple(c.author, c.epoch, c.kind, to_bytes(c.path), c.kind == Kind::kAdd ? to_bytes(c.body) : Bytes{});
    };
    for (const auto& [id, kept] : set_) {
      std::uint64_t& seq = last[series(kept->entry.content)];
      seq = std::max(seq, kept->entry.content.seq);
    }
    std::map<std::string, std::vector<const Entry*>> left;
    for (const auto& [id, kept] : set_) {
      const Content& c = kept->entry.content;
      const bool is_value = c.kind == Kind::kSet || c.kind == Kind::kCount || c.kind == Kind::kAdd;
      if (is_value && !out.contains(id) && last.at(series(c)) == c.seq) left[std::string(as_text(c.path))].push_back(&kept->entry);
    }
    std::vector<Page> pages;
    for (const auto& [path, entries] : left) pages.push_back(page(path, entries));
    return pages;
  }

 private:
  static std::pair<std::uint64_t, EntryId> rank(const Entry& e) { return {e.content.stamp, e.id}; }
  static bool covers(const Entry& checkpoint, const Content& c) {
    const std::vector<Section> sections = read_checkpoint(checkpoint.content.body).value();
    for (const Section& s : sections) {
      if (s.epoch != c.epoch || c.seq < s.first || c.seq > s.last) continue;
      if (std::ranges::find(s.wanted, c.seq) == s.wanted.end()) return true;
    }
    return false;
  }
  std::map<PublicKey, std::vector<const Entry*>> counting() const {
    std::map<PublicKey, std::vector<const Entry*>> all;
    for (const auto& [id, kept] : set_) {
      if (kept->entry.content.kind == Kind::kCheckpoint) all[kept->entry.content.author].push_back(&kept->entry);
    }
    for (auto& [author, checkpoints] : all) {
      std::ranges::sort(checkpoints, [](const Entry* a, const Entry* b) { return rank(*a) > rank(*b); });
      std::vector<const Entry*> count;
      for (const Entry* one : checkpoints) {
        bool hit = false;
        for (const Entry* higher : count) hit = hit || covers(*higher, one->content);
        if (!hit && count.size() < 32) count.push_back(one);
      }
      checkpoints = count;
    }
    return all;
  }
  static bool voids(const Content& by, const Content& what) {
    const std::string_view here = as_text(what.path);
    if (by.kind == Kind::kClear) {
      if (what.kind != Kind::kSet && what.kind != Kind::kCount && what.kind != Kind::kAdd) return false;
      return here == as_text(by.path) || here.starts_with(std::string(as_text(by.path)) + '/');
    }
    if (here != as_text(by.path)) return false;
    if (what.kind == Kind::kSet) return by.kind == Kind::kSet;
    if (what.kind == Kind::kCount) return by.kind == Kind::kCount && by.author == what.author;
    if (what.kind == Kind::kAdd) return (by.kind == Kind::kAdd || by.kind == Kind::kRemove) && as_text(by.body) == as_text(what.body);
    return false;
  }
  static Page page(const std::string& path, const std::vector<const Entry*>& entries) {
    Page out{.path = path, .values = {}, .sum = 0, .elements = {}, .kinds = {}};
    std::set<Bytes> elements;
    // The sum in two halves of 32 bits, so that none overflows.
    std::int64_t high = 0, low = 0;
    const auto add = [&](std::uint64_t number, std::int64_t sign) {
      high += sign * static_cast<std::int64_t>(number >> 32);
      low += sign * static_cast<std::int64_t>(number & UINT32_MAX);
    };
    for (const Entry* e : entries) {
      const Content& c = e->content;
      if (c.kind == Kind::kSet) out.values.push_back({.id = e->id, .author = c.author, .stamp = c.stamp, .value = to_bytes(c.body)});
      if (c.kind == Kind::kAdd) elements.insert(to_bytes(c.body));
      if (c.kind == Kind::kCount) {
        add(load_le<std::uint64_t>(c.body.data()), 1);
        add(load_le<std::uint64_t>(c.body.data() + 8), -1);
        out.kinds.has_counter = true;
      }
    }
    std::ranges::sort(out.values, [](const Written& a, const Written& b) {
      return std::tie(a.stamp, a.author, a.id) > std::tie(b.stamp, b.author, b.id);
    });
    out.elements.assign(elements.begin(), elements.end());
    out.kinds.has_register = !out.values.empty();
    out.kinds.has_set = !elements.empty();
    high += low >> 32;
    low &= UINT32_MAX;
    constexpr std::int64_t kHalf = std::int64_t{1} << 31;
    if (high >= kHalf) out.sum = INT64_MAX;
    else if (high < -kHalf || (high == -kHalf && low == 0)) out.sum = -INT64_MAX;
    else out.sum = high * (2 * kHalf) + low;
    return out;
  }

  std::map<EntryId, KeptRef> set_;
};

}  // namespace weft::state
