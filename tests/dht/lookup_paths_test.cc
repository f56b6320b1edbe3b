// Lookups along several paths, beside the rules in the plainest words.
#include <gtest/gtest.h>

#include <set>

#include "dht/lookup.h"
#include "tests/dht/line.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

// The rules of lookup.h in the plainest words, for few candidates.
struct PlainPaths {
  enum class Is { kHeard, kAsked, kAnswered, kSilent };
  NodeId target;
  std::size_t want, parallelism, most;
  std::vector<std::set<NodeId>> knows;  // by path
  std::map<NodeId, Is> state;
  std::map<NodeId, std::size_t> asked_by;
  std::vector<std::size_t> troubles;
  std::size_t dealt = 0, turn = 0;

  std::vector<NodeId> window(std::size_t path) const {
    std::vector<NodeId> out;
    for (const NodeId& id : knows[path]) {
      if (state.at(id) != Is::kSilent) out.push_back(id);
    }
    std::ranges::sort(out, [&](const NodeId& a, const NodeId& b) { return closer(target, a, b); });
    out.resize(std::min(out.size(), want));
    return out;
  }
  void name(const NodeId& id, std::size_t path) {
    state.emplace(id, Is::kHeard);
    knows[path].insert(id);
  }
  void seed(const NodeId& id) { name(id, dealt++ % knows.size()); }
  std::optional<NodeId> next() {
    for (std::size_t i = 0; i < knows.size(); ++i) {
      const std::size_t path = (turn + i) % knows.size();
      const auto near = window(path);
      std::size_t front = 0;
      while (front < near.size() && state[near[front]] == Is::kAnswered) ++front;
      const std::size_t width = front >= kClosingResponders ? most : std::min(parallelism + troubles[path], most);
      const auto active = std::ranges::count_if(asked_by, [&](const auto& a) { return a.second == path && state[a.first] == Is::kAsked; });
      if (static_cast<std::size_t>(active) >= width) continue;
      const auto free = std::ranges::find_if(near, [&](const NodeId& id) { return state[id] == Is::kHeard; });
      if (free == near.end()) continue;
      state[*free] = Is::kAsked;
      asked_by[*free] = path;
      turn = path + 1;
      return *free;
    }
    return std::nullopt;
  }
  bool finished() const {
    for (std::size_t path = 0; path < knows.size(); ++path) {
      for (const NodeId& id : window(path)) {
        if (state.at(id) != Is::kAnswered) return false;
      }
    }
    return true;
  }
};

TEST(LookupPaths, DoAsThePlainRulesSay) {
  Rng rng(test_seed(60));
  for (int round = 0; round < 200; ++round) {
    const NodeId target = id_of("model" + std::to_string(rng.next()));
    const auto people = line_of(rng, 100, target);
    const std::size_t paths = 1 + rng.below(kPathsMax);
    const std::size_t want = 3 + rng.below(12);
    Lookup lookup({.self = {}, .target = target, .want = want, .parallelism = 2, .parallelism_max = 4, .paths = paths});
    PlainPaths plain{.target = target, .want = want, .parallelism = 2, .most = 4,
                     .knows = std::vector<std::set<NodeId>>(paths), .state = {}, .asked_by = {},
                     .troubles = std::vector<std::size_t>(paths)};
    std::set<NodeId> dealt;
    for (std::size_t i = 0; i < 12; ++i) {
      const Contact& seed = people[rng.below(people.size())];
      if (!dealt.insert(seed.id).second) continue;
      lookup.seed(seed);
      plain.seed(seed.id);
    }
    std::vector<NodeId> open;
    for (int step = 0; step < 1000; ++step) {
      ASSERT_EQ(lookup.finished(), plain.finished());
      const auto to = lookup.next();
      const auto wanted = plain.next();
      ASSERT_EQ(to.has_value(), wanted.has_value());
      if (to) {
        ASSERT_EQ(to->id, *wanted);
        open.push_back(to->id);
        if (rng.chance({1, 2})) continue;
      }
      if (open.empty()) break;
      const std::size_t pick = rng.below(open.size());
      const NodeId who = open[pick];
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
      const std::size_t path = plain.asked_by[who];
      if (rng.chance({1, 5})) {
        lookup.on_timeout(who);
        plain.state[who] = PlainPaths::Is::kSilent;
        ++plain.troubles[path];
        continue;
      }
      std::vector<Contact> named;
      for (std::size_t i = rng.below(6); i > 0; --i) named.push_back(people[rng.below(people.size())]);
      lookup.on_reply(who, 1ms, named);
      plain.state[who] = PlainPaths::Is::kAnswered;
      for (const Contact& c : named) plain.name(c.id, path);
    }
    EXPECT_TRUE(lookup.finished());
    std::vector<NodeId> answered;
    for (const auto& [id, is] : plain.state) {
      if (is == PlainPaths::Is::kAnswered) answered.push_back(id);
    }
    std::ranges::sort(answered, [&](const NodeId& a, const NodeId& b) { return closer(target, a, b); });
    std::vector<NodeId> found;
    for (const Target& to : lookup.closest(SIZE_MAX)) found.push_back(to.id);
    EXPECT_EQ(found, answered);
  }
}

}  // namespace
}  // namespace weft::dht
