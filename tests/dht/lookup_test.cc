#include "dht/lookup.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/dht/line.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

// A frozen network: who knows whom, and who is dead, slow to begin with, or a liar.
struct Graph {
  std::vector<Contact> people;
  std::map<NodeId, std::vector<Contact>> knows;
  std::set<NodeId> dead;
  std::set<NodeId> late;  // called slow first, then answers
  std::set<NodeId> liars;  // name the nearest of their kind, and nobody else

  Graph(Rng& rng, std::size_t count) : people(people_of(rng, count)) {
    // Each knows up to 20 others per bucket, as a filled routing table would.
    for (const Contact& who : people) {
      std::map<int, std::vector<Contact>> buckets;
      for (const Contact& other : people) {
        if (other.id != who.id) buckets[common_prefix_bits(who.id, other.id)].push_back(other);
      }
      for (auto& [depth, contacts] : buckets) {
        rng.shuffle(std::span<Contact>(contacts));
        contacts.resize(std::min<std::size_t>(contacts.size(), 20));
        auto& all = knows[who.id];
        all.insert(all.end(), contacts.begin(), contacts.end());
      }
    }
  }
  std::vector<Contact> answer(const NodeId& who, const NodeId& target) const {
    std::vector<Contact> out = knows.at(who);
    if (liars.contains(who)) {
      out = people;
      std::erase_if(out, [&](const Contact& c) { return !liars.contains(c.id); });
    }
    std::ranges::sort(out, [&](const Contact& a, const Contact& b) {
      return closer(target, a.id, b.id);
    });
    out.resize(std::min<std::size_t>(out.size(), 20));
    return out;
  }
  std::vector<NodeId> living_nearest(const NodeId& self, const NodeId& target,
                                     std::size_t count) const {
    std::vector<NodeId> out;
    for (const Contact& c : people) {
      if (c.id != self && !dead.contains(c.id)) out.push_back(c.id);
    }
    std::ranges::sort(out, [&](const NodeId& a, const NodeId& b) { return closer(target, a, b); });
    out.resize(std::min(out.size(), count));
    return out;
  }
};

struct Outcome {
  std::vector<NodeId> closest;
  std::size_t queries = 0;
  std::size_t widest = 0;
  bool ended = false;
};

// Drives a lookup over the graph; answers come back in random order.
Outcome drive(Rng& rng, const Graph& graph, const Contact& from, const NodeId& target,
              std::size_t want, std::size_t paths = 1, std::uint64_t nodes = 0) {
  Lookup lookup({.self = from.id, .target = target, .want = want, .parallelism = 3,
                 .parallelism_max = 8, .paths = paths, .nodes = nodes});
  auto seeds = graph.answer(from.id, target);
  for (const Contact& seed : seeds) lookup.seed(seed);
  std::set<NodeId> asked;
  std::vector<NodeId> open;
  std::set<NodeId> told_slow;
  Outcome out;
  for (int steps = 0; steps < 10000 && !lookup.finished(); ++steps) {
    while (const auto to = lookup.next()) {
      EXPECT_TRUE(asked.insert(to->id).second) << "asked twice";
      EXPECT_NE(to->id, from.id);
      open.push_back(to->id);
    }
    out.widest = std::max(out.widest, open.size() - told_slow.size());
    if (lookup.finished()) break;
    if (open.empty()) return out;  // stuck
    const std::size_t pick = rng.below(open.size());
    const NodeId who = open[pick];
    const bool troubled = graph.dead.contains(who) || graph.late.contains(who);
    if (troubled && told_slow.insert(who).second) {
      lookup.on_slow(who);
      continue;
    }
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
    told_slow.erase(who);
    if (graph.dead.contains(who)) {
      lookup.on_timeout(who);
    } else {
      lookup.on_reply(who, 1ms, graph.answer(who, target));
    }
  }
  out.ended = lookup.finished();
  out.queries = lookup.queries();
  for (const Target& to : lookup.closest(want)) out.closest.push_back(to.id);
  EXPECT_EQ(lookup.queries(), asked.size());
  for (const NodeId& id : out.closest) EXPECT_FALSE(graph.dead.contains(id));
  return out;
}

TEST(Lookup, FindsTheTrueNearestInAHealthyNetwork) {
  Rng rng(test_seed(41));
  const Graph graph(rng, 600);
  for (int round = 0; round < 100; ++round) {
    const Contact& from = graph.people[rng.below(graph.people.size())];
    const NodeId target = id_of("target" + std::to_string(rng.next()));
    const Outcome out = drive(rng, graph, from, target, 12);
    ASSERT_TRUE(out.ended);
    EXPECT_EQ(out.closest, graph.living_nearest(from.id, target, 12));
    EXPECT_LE(out.queries, 30U);
    EXPECT_LE(out.widest, 8U);
  }
}

TEST(Lookup, FindsTheNearestOfTheLivingWhenAThirdIsDead) {
  Rng rng(test_seed(42));
  Graph graph(rng, 600);
  for (const Contact& c : graph.people) {
    if (rng.chance({1, 3})) graph.dead.insert(c.id);
  }
  std::size_t found = 0, wanted = 0;
  for (int round = 0; round < 100; ++round) {
    const Contact& from = graph.people[rng.below(graph.people.size())];
    const NodeId target = id_of("target" + std::to_string(rng.next()));
    const Outcome out = drive(rng, graph, from, target, 12);
    ASSERT_TRUE(out.ended);
    const auto truth = graph.living_nearest(from.id, target, 12);
    EXPECT_GE(out.closest.size(), 8U) << "all named candidates together may hold fewer living";
    for (const NodeId& id : truth) {
      ++wanted;
      if (std::ranges::find(out.closest, id) != out.closest.end()) ++found;
    }
  }
  // Tables full of the dead name fewer of the living; nearly all are found all the same.
  EXPECT_GE(found * 100, wanted * 97) << found << " of " << wanted;
}

TEST(Lookup, LateAnswersCount) {
  Rng rng(test_seed(43));
  Graph graph(rng, 30);  // fewer than anybody could leave out
  for (const Contact& c : graph.people) graph.late.insert(c.id);
  for (int round = 0; round < 50; ++round) {
    const Contact& from = graph.people[rng.below(graph.people.size())];
    const Outcome out = drive(rng, graph, from, id_of(std::to_string(round)), 5);
    ASSERT_TRUE(out.ended);
    EXPECT_GE(out.closest.size(), 1U);
  }
}

TEST(Lookup, ASilentPeerNeverBlocksTheEnd) {
  Rng rng(44);
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 4, target);
  Lookup lookup({.self = {}, .target = target, .want = 4, .parallelism = 4, .parallelism_max = 8});
  for (const Contact& c : people) lookup.seed(c);
  while (lookup.next()) {
  }
  for (std::size_t i = 1; i < 4; ++i) lookup.on_reply(people[i].id, 1ms, {});
  EXPECT_FALSE(lookup.finished()) << "the nearest may still answer in time";
  lookup.on_slow(people[0].id);
  EXPECT_TRUE(lookup.finished());
  EXPECT_EQ(lookup.closest(4).size(), 3U);
  lookup.on_reply(people[0].id, 50ms, {});
  EXPECT_EQ(lookup.closest(4).size(), 4U) << "late, but the lookup was still there";
}

TEST(Lookup, SomebodyElseIsAskedInPlaceOfWhoIsLateAndStillWaitedFor) {
  Rng rng(48);
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 6, target);
  Lookup lookup({.self = {}, .target = target, .want = 4, .parallelism = 2, .parallelism_max = 2});
  for (const Contact& c : people) lookup.seed(c);
  ASSERT_EQ(lookup.next()->id, people[0].id);
  ASSERT_EQ(lookup.next()->id, people[1].id);
  EXPECT_FALSE(lookup.next().has_value()) << "two at once";
  lookup.on_late(people[0].id);
  EXPECT_EQ(lookup.awaited_nearer_than(people[2].id), 1U) << "the late one is not counted on";
  ASSERT_EQ(lookup.next()->id, people[2].id);
  for (std::size_t i = 1; i < 5; ++i) {
    lookup.on_reply(people[i].id, 1ms, {});
    (void)lookup.next();
  }
  EXPECT_FALSE(lookup.finished()) << "it may still answer in time";
  EXPECT_EQ(lookup.slow(), 0U);
  Lookup answered = lookup;
  answered.on_reply(people[0].id, 90ms, {});
  EXPECT_TRUE(answered.finished());
  EXPECT_EQ(answered.closest(1)[0].id, people[0].id);
  Lookup silent = lookup;
  silent.on_timeout(people[0].id);
  EXPECT_TRUE(silent.finished());
  lookup.on_slow(people[0].id);
  EXPECT_TRUE(lookup.finished());
  EXPECT_EQ(lookup.slow(), 1U);
}

TEST(Lookup, WaitsForTheSlowWhileTheyAreAllThereIs) {
  Rng rng(45);
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 1, target);
  Lookup lookup({.self = {}, .target = target, .want = 4, .parallelism = 3, .parallelism_max = 8});
  lookup.seed(people[0]);
  ASSERT_TRUE(lookup.next().has_value());
  lookup.on_slow(people[0].id);
  EXPECT_FALSE(lookup.finished());
  lookup.on_timeout(people[0].id);
  EXPECT_TRUE(lookup.finished());
  EXPECT_TRUE(lookup.closest(4).empty());
}

TEST(Lookup, WhereOneIsWantedSeveralAreAskedAtOnceAndASlowNearestIsWaitedFor) {
  Rng rng(47);
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 5, target);
  for (const std::size_t want : {1U, 2U, 3U}) {
    Lookup lookup({.self = {}, .target = target, .want = want, .parallelism = 3, .parallelism_max = 3});
    for (const Contact& c : people) lookup.seed(c);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto to = lookup.next();
      ASSERT_TRUE(to.has_value());
      EXPECT_EQ(to->id, people[i].id);
    }
    lookup.on_slow(people[0].id);
    for (std::size_t i = 1; i < 3; ++i) lookup.on_reply(people[i].id, 1ms, {});
    if (want == 3) {
      ASSERT_TRUE(lookup.next().has_value());
      lookup.on_reply(people[3].id, 1ms, {});
      EXPECT_TRUE(lookup.finished()) << "three others have answered";
      continue;
    }
    EXPECT_FALSE(lookup.finished()) << want;
    lookup.on_timeout(people[0].id);
    EXPECT_TRUE(lookup.finished()) << want;
    EXPECT_EQ(lookup.closest(1)[0].id, people[1].id);
  }
}

TEST(Lookup, EachSlowRequestOpensOneSlotAndWidens) {
  Rng rng(46);
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 60, target);
  Lookup lookup({.self = {}, .target = target, .want = 20, .parallelism = 3,
                 .parallelism_max = 5});
  for (const Contact& c : people) lookup.seed(c);
  std::size_t asked = 0;
  const auto pump = [&] {
    while (lookup.next()) ++asked;
  };
  pump();
  EXPECT_EQ(asked, 3U);
  lookup.on_slow(people[0].id);
  pump();
  EXPECT_EQ(asked, 5U) << "its own slot, and one more";
  for (std::size_t i = 1; i < 5; ++i) lookup.on_slow(people[i].id);
  pump();
  EXPECT_EQ(asked, 10U) << "never more than five that are not slow";
}

// The last round of a lookup for 12 of 600: how many more are asked once the first of three has answered and named so
// many of the 12 nearest, and as many others as make 20, in a mesh that is said to have so many nodes as would put the twelfth
// where it is, times `factor` / 100.
std::size_t asked_after_naming(std::size_t nearest, std::uint64_t factor, std::size_t want = 12) {
  Rng rng(test_seed(57));
  auto people = people_of(rng, 600);
  const NodeId target = id_of("target");
  std::ranges::sort(people, [&](const Contact& a, const Contact& b) { return closer(target, a.id, b.id); });
  const std::uint64_t even = UINT64_MAX / distance_head(people[11].id, target) * 12;
  Lookup lookup({.self = people[599].id, .target = target, .want = want, .parallelism = 3, .parallelism_max = 8,
                 .nodes = even / 100 * factor});
  for (std::size_t i = 500; i < 503; ++i) lookup.seed(people[i]);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(lookup.next());
  EXPECT_FALSE(lookup.next()) << "nobody has answered yet";
  std::vector<Contact> named(people.begin(), people.begin() + static_cast<std::ptrdiff_t>(nearest));
  named.insert(named.end(), people.begin() + 100, people.begin() + 120 - static_cast<std::ptrdiff_t>(nearest));
  lookup.on_reply(people[500].id, 1ms, named);
  std::size_t more = 0;
  while (lookup.next()) ++more;
  return more;
}

TEST(Lookup, OnceMostOfTheNearestAreKnownAllAreAskedAtOnce) {
  EXPECT_EQ(asked_after_naming(12, 99), 10U) << "twelve under way";
  EXPECT_EQ(asked_after_naming(8, 99), 10U) << "two thirds";
  EXPECT_EQ(asked_after_naming(7, 99), 1U) << "fewer";
  EXPECT_EQ(asked_after_naming(12, 0), 1U) << "nothing is known of the mesh's size";
  EXPECT_EQ(asked_after_naming(12, 10'000), 1U) << "they are not as near as that";
  EXPECT_EQ(asked_after_naming(12, 99, 3), 1U) << "no more than three are wanted";
}

TEST(Lookup, TheMeshsSizeCostsFewRequestsAndLosesNobody) {
  Rng rng(test_seed(58));
  const Graph graph(rng, 600);
  std::size_t queries = 0;
  std::size_t without = 0;
  for (int round = 0; round < 100; ++round) {
    const Contact& from = graph.people[rng.below(graph.people.size())];
    const NodeId target = id_of("target" + std::to_string(rng.next()));
    Rng again = rng;
    without += drive(again, graph, from, target, 12).queries;
    const Outcome out = drive(rng, graph, from, target, 12, 1, 600);
    ASSERT_TRUE(out.ended);
    EXPECT_EQ(out.closest, graph.living_nearest(from.id, target, 12));
    EXPECT_LE(out.widest, 12U);
    queries += out.queries;
  }
  EXPECT_LE(queries * 10, without * 11) << "a tenth more at most";
}

TEST(Lookup, ContactsThatTheReplierCouldNotReachAreNotTakenUp) {
  Rng rng(47);
  const NodeId target = id_of("t");
  auto people = line_of(rng, 3, target);
  people[0].endpoint = Endpoint::v4(127, 0, 0, 1, 22);
  people[1].endpoint = Endpoint::v4(192, 168, 0, 1, 22);
  people[2].endpoint = Endpoint::v4(9, 9, 9, 9, 9338);
  Lookup lookup({.self = {}, .target = target, .want = 4, .parallelism = 3, .parallelism_max = 8});
  lookup.seed(people[2]);
  ASSERT_TRUE(lookup.next().has_value());
  lookup.on_reply(people[2].id, 1ms, std::span<const Contact>(people.data(), 2));
  EXPECT_FALSE(lookup.next().has_value());
  EXPECT_TRUE(lookup.finished());
}

TEST(Lookup, RemembersTheNearestWhenFlooded) {
  Rng rng(test_seed(48));
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 500, target);
  Lookup lookup({.self = {}, .target = target, .want = 20, .parallelism = 3,
                 .parallelism_max = 8});
  for (std::size_t i = people.size(); i-- > 0;) lookup.seed(people[i]);
  std::vector<NodeId> order;
  while (!lookup.finished()) {
    const auto to = lookup.next();
    ASSERT_TRUE(to.has_value());
    order.push_back(to->id);
    lookup.on_reply(to->id, 1ms, {});
  }
  ASSERT_EQ(order.size(), 20U);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(order[i], people[i].id);
}

TEST(Lookup, TellsWhenEachWasAsked) {
  Rng rng(50);
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 3, target);
  Lookup lookup({.self = {}, .target = target, .want = 3, .parallelism = 1, .parallelism_max = 1});
  lookup.seed(people[2]);
  ASSERT_TRUE(lookup.next(3ms).has_value());
  lookup.on_reply(people[2].id, 4ms, std::span<const Contact>(people.data(), 2));
  ASSERT_TRUE(lookup.next(7ms).has_value());
  const auto visits = lookup.visits();
  ASSERT_EQ(visits.size(), 2U);
  EXPECT_EQ(visits[0].at, 3ms);
  EXPECT_EQ(visits[0].rtt, 4ms);
  EXPECT_EQ(visits[1].at, 7ms);
  EXPECT_FALSE(visits[1].rtt);
}

TEST(Lookup, TellsWhoNamedWhomAndHowFarItWent) {
  Rng rng(49);
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 3, target);
  Lookup lookup({.self = {}, .target = target, .want = 3, .parallelism = 3, .parallelism_max = 8});
  lookup.seed(people[2]);
  ASSERT_EQ(lookup.next()->id, people[2].id);
  lookup.on_reply(people[2].id, 4ms, std::span<const Contact>(&people[1], 1));
  ASSERT_EQ(lookup.next()->id, people[1].id);
  lookup.on_reply(people[1].id, 5ms, std::span<const Contact>(&people[0], 1));
  ASSERT_EQ(lookup.next()->id, people[0].id);
  lookup.on_timeout(people[0].id);
  EXPECT_TRUE(lookup.finished());
  const auto visits = lookup.visits();
  ASSERT_EQ(visits.size(), 3U);
  EXPECT_EQ(visits[0].named_by, NodeId{});
  EXPECT_EQ(visits[1].named_by, people[2].id);
  EXPECT_EQ(visits[2].named_by, people[1].id);
  EXPECT_EQ(visits[2].hop, 3U);
  EXPECT_FALSE(visits[2].rtt.has_value());
  EXPECT_EQ(lookup.hops(), 2U) << "of those who answered";
}

// ---- disjoint paths

TEST(LookupPaths, FindTheTrueNearestAndAskNobodyTwice) {
  Rng rng(test_seed(51));
  const Graph graph(rng, 600);
  std::map<std::size_t, std::size_t> queries;
  for (int round = 0; round < 50; ++round) {
    const Contact& from = graph.people[rng.below(graph.people.size())];
    const NodeId target = id_of("target" + std::to_string(rng.next()));
    for (const std::size_t paths : {1U, 2U, 3U, 8U}) {
      const Outcome out = drive(rng, graph, from, target, 12, paths);
      ASSERT_TRUE(out.ended) << paths;
      EXPECT_EQ(out.closest, graph.living_nearest(from.id, target, 12)) << paths;
      EXPECT_LE(out.widest, paths == 1 ? 8U : std::max(kOutstandingMax, paths * kOutstandingOfPath));
      queries[paths] += out.queries;
    }
  }
  // The nearest are asked once for all paths: eight of them cost far less than eight lookups.
  EXPECT_GT(queries[8], queries[1]);
  EXPECT_LT(queries[8], 4 * queries[1]);
}

TEST(LookupPaths, EndAmongTheDeadTheSlowAndLiars) {
  Rng rng(test_seed(52));
  for (int round = 0; round < 40; ++round) {
    Graph graph(rng, 20 + rng.below(200));
    for (const Contact& c : graph.people) {
      const std::size_t fate = rng.below(10);
      if (fate < 3) graph.dead.insert(c.id);
      else if (fate < 5) graph.late.insert(c.id);
      else if (fate < 7) graph.liars.insert(c.id);
    }
    for (std::size_t paths = 1; paths <= kPathsMax; ++paths) {
      const Contact& from = graph.people[rng.below(graph.people.size())];
      EXPECT_TRUE(drive(rng, graph, from, id_of(std::to_string(round)), 1 + rng.below(20), paths).ended) << paths;
    }
  }
}

TEST(LookupPaths, StandMoreLiarsThanOne) {
  Rng rng(test_seed(53));
  Graph graph(rng, 600);
  for (const Contact& c : graph.people) {
    if (rng.chance({1, 2})) graph.liars.insert(c.id);
  }
  std::map<std::size_t, std::size_t> found;
  for (int round = 0; round < 200; ++round) {
    const Contact* from = &graph.people[0];
    while (graph.liars.contains(from->id)) from = &graph.people[rng.below(graph.people.size())];
    const NodeId target = id_of("target" + std::to_string(rng.next()));
    const NodeId nearest = graph.living_nearest(from->id, target, 1)[0];
    for (const std::size_t paths : {1U, 8U}) {
      const Outcome out = drive(rng, graph, *from, target, 4, paths);
      ASSERT_TRUE(out.ended);
      if (!out.closest.empty() && out.closest[0] == nearest) ++found[paths];
    }
  }
  EXPECT_GT(found[8], found[1]) << "of 200";
  EXPECT_GE(found[8], 180U) << "and " << found[1];
}

// Of people in the order of their distance: a liar, and somebody honest who is farther; want 4, one request at a time.
struct Pair {
  std::vector<Contact> people;
  Lookup lookup;
  const Contact& liar = people[100];
  const Contact& honest = people[101];

  Pair(Rng& rng, std::size_t paths)
      : people(line_of(rng, 700, id_of("t"))),
        lookup({.self = {}, .target = id_of("t"), .want = 4, .parallelism = 1, .parallelism_max = 1, .paths = paths}) {
    lookup.seed(liar);
    lookup.seed(honest);
    EXPECT_EQ(lookup.next()->id, liar.id);
  }
  std::span<const Contact> some(std::size_t from, std::size_t count) const { return std::span(people).subspan(from, count); }
  // Whoever is asked from now on names nobody.
  void rest() {
    while (const auto to = lookup.next()) lookup.on_reply(to->id, 1ms, {});
  }
  std::vector<NodeId> found() const {
    std::vector<NodeId> out;
    for (const Target& to : lookup.closest(4)) out.push_back(to.id);
    return out;
  }
};

TEST(LookupPaths, ALiarFillsTheWindowOfItsOwnPathOnly) {
  Rng rng(54);
  Pair one(rng, 1);
  one.lookup.on_reply(one.liar.id, 1ms, one.some(10, 20));
  one.rest();
  EXPECT_TRUE(one.lookup.finished());
  EXPECT_EQ(one.lookup.queries(), 5U) << "the honest one is beyond the window";

  Pair two(rng, 2);
  two.lookup.on_reply(two.liar.id, 1ms, two.some(10, 20));
  const auto next = two.lookup.next();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->id, two.honest.id);
  two.lookup.on_reply(two.honest.id, 1ms, two.some(0, 4));
  two.rest();
  EXPECT_TRUE(two.lookup.finished());
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(two.found()[i], two.people[i].id);
}

TEST(LookupPaths, AFloodOfNamesDisplacesNothingOfAnotherPath) {
  Rng rng(55);
  Pair two(rng, 2);
  two.lookup.on_reply(two.liar.id, 1ms, two.some(10, 20));
  for (std::size_t from = 110; from + 20 <= 700; from += 20) two.lookup.learn(two.liar.id, two.some(from, 20));
  for (std::size_t from = 30; from + 20 <= 100; from += 20) two.lookup.learn(two.liar.id, two.some(from, 20));
  EXPECT_EQ(two.lookup.next()->id, two.honest.id);
}

TEST(LookupPaths, WhomALiarNamesMayStillBeAskedByAnotherPath) {
  Rng rng(56);
  Pair two(rng, 2);
  // A stepping stone that the liar names behind its own, where its path never gets.
  std::vector<Contact> named(two.people.begin() + 10, two.people.begin() + 29);
  named.push_back(two.people[90]);
  two.lookup.on_reply(two.liar.id, 1ms, named);
  ASSERT_EQ(two.lookup.next()->id, two.honest.id);
  two.lookup.on_reply(two.honest.id, 1ms, two.some(90, 1));
  bool asked = false;
  while (const auto to = two.lookup.next()) {
    const bool stone = to->id == two.people[90].id;
    asked |= stone;
    two.lookup.on_reply(to->id, 1ms, stone ? two.some(0, 1) : std::span<const Contact>{});
  }
  EXPECT_TRUE(asked);
  EXPECT_EQ(two.found()[0], two.people[0].id);
}

TEST(LookupPaths, WhoIsAskedByOneIsAnsweredForAll) {
  Rng rng(57);
  Pair two(rng, 2);
  two.lookup.on_reply(two.liar.id, 1ms, two.some(0, 4));
  ASSERT_EQ(two.lookup.next()->id, two.honest.id);
  two.lookup.on_reply(two.honest.id, 1ms, two.some(0, 4));
  two.rest();
  EXPECT_TRUE(two.lookup.finished());
  EXPECT_EQ(two.lookup.queries(), 6U) << "the four nearest once each";
}

TEST(LookupPaths, SilenceWidensThePathThatHearsItOnly) {
  Rng rng(58);
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 40, target);
  Lookup lookup({.self = {}, .target = target, .want = 20, .parallelism = 1, .parallelism_max = 8, .paths = 2});
  for (const Contact& c : people) lookup.seed(c);  // even ones to path 0, odd ones to path 1
  std::vector<NodeId> asked;
  const auto pump = [&] {
    while (const auto to = lookup.next()) asked.push_back(to->id);
  };
  pump();
  ASSERT_EQ(asked, (std::vector<NodeId>{people[0].id, people[1].id}));
  lookup.on_timeout(people[0].id);
  pump();
  EXPECT_EQ(asked, (std::vector<NodeId>{people[0].id, people[1].id, people[2].id, people[4].id}));
  for (const std::size_t i : {2U, 4U}) lookup.on_slow(people[i].id);
  pump();
  for (std::size_t i = 4; i < asked.size(); ++i) {
    EXPECT_EQ((std::ranges::find(people, asked[i], &Contact::id) - people.begin()) % 2, 0) << i;
  }
}

TEST(LookupPaths, WithoutSeedsTheyAreOver) {
  Rng rng(59);
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 1, target);
  Lookup lookup({.self = {}, .target = target, .want = 20, .parallelism = 3, .parallelism_max = 8, .paths = 8});
  EXPECT_TRUE(lookup.finished());
  lookup.seed(people[0]);
  EXPECT_FALSE(lookup.finished());
  ASSERT_TRUE(lookup.next().has_value());
  lookup.on_reply(people[0].id, 1ms, {});
  EXPECT_TRUE(lookup.finished());
}

}  // namespace
}  // namespace weft::dht
