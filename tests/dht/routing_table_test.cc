#include "dht/routing_table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

Now at(Duration time) { return {Instant(time), {}}; }

Contact contact(Rng& rng, const Endpoint& endpoint) {
  PublicKey key;
  for (std::size_t i = 0; i < 32; i += 8) store_le(key.bytes.data() + i, rng.next());
  return make_contact(key, endpoint);
}
// Any address of its own: 10.x.y.z.
Contact contact(Rng& rng) {
  const std::uint64_t n = rng.next();
  return contact(rng, Endpoint::v4(10, static_cast<std::uint8_t>(n),
                                   static_cast<std::uint8_t>(n >> 8),
                                   static_cast<std::uint8_t>(n >> 16), 9338));
}
NodeId random_id(Rng& rng) { return contact(rng).id; }

std::vector<NodeId> nearest(const RoutingTable& table, const NodeId& target, std::size_t max) {
  std::vector<NodeId> out;
  table.visit_nearest(target, [&](const RoutingTable::Entry& entry) {
    if (out.size() == max) return false;
    out.push_back(entry.contact.id);
    return true;
  });
  return out;
}

TEST(RoutingTable, VisitsTheNearestFirstWhateverTheTarget) {
  Rng rng(test_seed(31));
  const NodeId self = random_id(rng);
  RoutingTable table(self, {.bucket_size = 20, .replacements = 8, .prefix_per_bucket = 0,
                            .prefix_per_table = 0});
  for (int i = 0; i < 500; ++i) table.heard(at(0s), contact(rng), {});
  std::vector<NodeId> all;
  table.for_each([&](const RoutingTable::Entry& entry, int bucket) {
    all.push_back(entry.contact.id);
    EXPECT_EQ(bucket, common_prefix_bits(self, entry.contact.id));
  });
  EXPECT_EQ(all.size(), table.size());
  for (int round = 0; round < 200; ++round) {
    const NodeId target = round == 0 ? self : round % 3 == 0 ? all[rng.below(all.size())]
                                                             : random_id(rng);
    std::ranges::sort(all, [&](const NodeId& a, const NodeId& b) { return closer(target, a, b); });
    const std::size_t count = 1 + rng.below(all.size());
    const auto found = nearest(table, target, count);
    EXPECT_TRUE(std::equal(found.begin(), found.end(), all.begin(),
                           all.begin() + static_cast<std::ptrdiff_t>(count)));
    const auto nearer = std::ranges::count_if(all, [&](const NodeId& id) { return closer(target, id, self); });
    EXPECT_EQ(table.nearer_than_self(target), static_cast<std::size_t>(nearer));
  }
}

// The same rules, written down naively: one list of live contacts and one of spares per bucket.
struct Naive {
  struct Item {
    Contact contact;
    Instant first, seen;
    Duration rtt{};
    int failures = 0;
  };
  NodeId self;
  RoutingTable::Config config;
  std::map<int, std::vector<Item>> live, spare;

  int fewer() const { return config.unasked ? 1 : 0; }
  static std::vector<Item>::iterator in(std::vector<Item>& items, const NodeId& id) {
    return std::ranges::find_if(items, [&](const Item& i) { return i.contact.id == id; });
  }
  bool fits(int bucket, const Endpoint& e) {
    std::size_t here = 0, all = 0;
    for (const auto& [b, items] : live) {
      for (const Item& i : items) {
        if (prefix(i.contact.endpoint) != prefix(e)) continue;
        ++all;
        if (b == bucket) ++here;
      }
    }
    return (config.prefix_per_bucket == 0 || here < config.prefix_per_bucket) &&
           (config.prefix_per_table == 0 || all < config.prefix_per_table);
  }
  void promote(int b) {
    auto& s = spare[b];
    auto best = s.end();
    for (auto i = s.begin(); i != s.end(); ++i) {
      if (!fits(b, i->contact.endpoint)) continue;
      const auto rank = [](const Item& x) { return x.rtt == 0us ? Duration::max() : x.rtt; };
      if (best == s.end() || rank(*i) <= rank(*best)) best = i;
    }
    if (best == s.end()) return;
    live[b].push_back(*best);
    s.erase(best);
  }
  void to_spare(int b, const Item& item) {
    auto& s = spare[b];
    if (config.prefix_per_bucket != 0) {
      std::size_t same = 0;
      for (const Item& i : s) {
        if (prefix(i.contact.endpoint) == prefix(item.contact.endpoint)) ++same;
      }
      if (same >= config.prefix_per_bucket) return;
    }
    if (s.size() == config.replacements) s.erase(s.begin());
    s.push_back(item);
  }
  void heard(Instant now, const Contact& c, std::optional<Duration> rtt) {
    if (c.id == self) return;
    const int b = common_prefix_bits(self, c.id);
    Item item{.contact = c, .first = now, .seen = now};
    bool was_live = false;
    if (auto i = in(live[b], c.id); i != live[b].end()) {
      item = *i;
      was_live = true;
      live[b].erase(i);
    } else if (auto s = in(spare[b], c.id); s != spare[b].end()) {
      item = *s;
      spare[b].erase(s);
    }
    const bool moved = item.contact.endpoint != c.endpoint;
    item.contact = c;
    item.seen = now;
    item.failures = 0;
    if (rtt) item.rtt = item.rtt == 0us ? *rtt : item.rtt + (*rtt - item.rtt) / 8;
    if (was_live && !moved) return live[b].push_back(item);
    if (!fits(b, c.endpoint)) {
      if (was_live) promote(b);
      return to_spare(b, item);
    }
    if (live[b].size() < config.bucket_size) return live[b].push_back(item);
    // The longest silent of those that failed often enough gives way.
    auto out = live[b].end();
    for (auto i = live[b].begin(); i != live[b].end(); ++i) {
      if (i->failures < kFailuresToReplace - fewer()) continue;
      if (out == live[b].end() || i->seen < out->seen) out = i;
    }
    if (out == live[b].end()) {
      const auto far = farther(b, item);
      if (far == live[b].end()) return to_spare(b, item);
      const Item old = *far;
      live[b].erase(far);
      live[b].push_back(item);
      return to_spare(b, old);
    }
    live[b].erase(out);
    live[b].push_back(item);
  }
  std::vector<Item>::iterator farther(int b, const Item& item) {
    auto& l = live[b];
    auto far = l.end();
    for (auto i = l.begin(); i != l.end(); ++i) {
      const auto older = static_cast<std::size_t>(std::ranges::count_if(l, [&](const Item& x) { return x.first < i->first; }));
      const bool same_quarter = common_prefix_bits(i->contact.id, item.contact.id) >= b + 3;
      if (item.rtt == 0us || i->rtt < 2 * item.rtt || i->rtt < item.rtt + 10ms || !same_quarter || older < (l.size() + 1) / 2) continue;
      if (far == l.end() || i->rtt > far->rtt || (i->rtt == far->rtt && i->seen < far->seen)) far = i;
    }
    return far;
  }
  void silent(const NodeId& id) {
    const int b = common_prefix_bits(self, id);
    if (auto s = in(spare[b], id); s != spare[b].end()) {
      spare[b].erase(s);
      return;
    }
    auto i = in(live[b], id);
    if (i == live[b].end()) return;
    if (++i->failures < kFailuresToReplace - fewer()) return;
    const Item old = *i;
    live[b].erase(i);
    const std::size_t before = live[b].size();
    const bool stays = old.failures < kFailuresToDrop - fewer() || ids().size() < kContactsKept;
    promote(b);
    if (live[b].size() == before && stays) live[b].push_back(old);
  }
  void remove(const NodeId& id) {
    const int b = common_prefix_bits(self, id);
    if (auto s = in(spare[b], id); s != spare[b].end()) spare[b].erase(s);
    if (auto i = in(live[b], id); i != live[b].end()) {
      live[b].erase(i);
      promote(b);
    }
  }
  std::vector<NodeId> ids() const {
    std::vector<NodeId> out;
    for (const auto& [b, items] : live) {
      for (const Item& i : items) out.push_back(i.contact.id);
    }
    std::ranges::sort(out);
    return out;
  }
};

void compare_with_model(std::uint64_t seed, const RoutingTable::Config& config, bool narrow) {
  Rng rng(seed);
  const NodeId self = random_id(rng);
  RoutingTable table(self, config);
  Naive naive{.self = self, .config = config, .live = {}, .spare = {}};
  std::vector<Contact> people;
  const auto anywhere = [&] {
    const auto third = static_cast<std::uint8_t>(rng.below(narrow ? 12 : 250));
    return Endpoint::v4(10, 0, third, static_cast<std::uint8_t>(1 + rng.below(250)), 9338);
  };
  for (int i = 0; i < 120; ++i) people.push_back(contact(rng, anywhere()));
  for (int step = 0; step < 20000; ++step) {
    // Distinct instants, so that "longest silent" is never a tie.
    const Now now = at(std::chrono::milliseconds(step));
    Contact& who = people[rng.below(people.size())];
    switch (rng.below(10)) {
      case 0:
        who.endpoint = anywhere();
        [[fallthrough]];
      case 1: case 2: case 3: case 4: case 5: {
        std::optional<Duration> rtt;
        if (rng.chance({1, 2})) rtt = Duration(1 + rng.below(100000));
        table.heard(now, who, rtt);
        naive.heard(now.mono, who, rtt);
        break;
      }
      case 6: case 7: case 8:
        table.silent(who.id);
        naive.silent(who.id);
        break;
      default:
        table.remove(who.id);
        naive.remove(who.id);
        break;
    }
    std::vector<NodeId> ids;
    std::map<std::uint64_t, std::size_t> prefixes;
    std::map<int, std::size_t> sizes;
    Instant last;
    int last_bucket = -1;
    table.for_each([&](const RoutingTable::Entry& entry, int bucket) {
      ids.push_back(entry.contact.id);
      ++prefixes[prefix(entry.contact.endpoint)];
      EXPECT_LE(++sizes[bucket], config.bucket_size);
      if (bucket == last_bucket) {
        EXPECT_LE(last, entry.last_seen);
      }
      last = entry.last_seen;
      last_bucket = bucket;
    });
    std::ranges::sort(ids);
    ASSERT_EQ(ids, naive.ids()) << "step " << step;
    ASSERT_EQ(ids.size(), table.size());
    if (config.prefix_per_table == 0) continue;
    for (const auto& [p, count] : prefixes) ASSERT_LE(count, config.prefix_per_table);
  }
}

TEST(RoutingTable, DoesWhatTheNaiveModelDoes) {
  const std::uint64_t seed = test_seed(32);
  compare_with_model(seed, {.bucket_size = 4, .replacements = 3, .prefix_per_bucket = 0,
                            .prefix_per_table = 0}, /*narrow=*/false);
  compare_with_model(seed + 1, {.bucket_size = 4, .replacements = 3, .prefix_per_bucket = 2,
                                .prefix_per_table = 5}, /*narrow=*/true);
  compare_with_model(seed + 2, {.bucket_size = 5, .replacements = 3, .prefix_per_bucket = 0,
                                .prefix_per_table = 0, .unasked = true}, /*narrow=*/false);
}

TEST(RoutingTable, AsksTheLongestSilentBeforeItMakesRoom) {
  Rng rng(1);
  NodeId self;  // all zero: half of all ids share no bit with it
  RoutingTable table(self, {.bucket_size = 2, .replacements = 2, .prefix_per_bucket = 0,
                            .prefix_per_table = 0});
  const auto far = [&] {
    for (;;) {
      const Contact c = contact(rng);
      if (common_prefix_bits(self, c.id) == 0) return c;
    }
  };
  const Contact a = far(), b = far(), c = far(), d = far();
  EXPECT_TRUE(table.heard(at(0s), a, {}).added);
  EXPECT_TRUE(table.heard(at(1s), b, {}).added);
  EXPECT_FALSE(table.heard(at(2s), c, {}).ping.has_value()) << "heard a moment ago";
  const auto heard = table.heard(at(5min), d, {});
  EXPECT_FALSE(heard.added);
  ASSERT_TRUE(heard.ping.has_value());
  EXPECT_EQ(heard.ping->id, a.id);
  EXPECT_FALSE(table.heard(at(5min), c, {}).ping.has_value()) << "one question at a time";
  // It is silent twice: the newest spare takes its place.
  EXPECT_TRUE(table.silent(a.id).has_value()) << "asked once more";
  EXPECT_NE(table.find(a.id), nullptr);
  table.silent(a.id);
  EXPECT_EQ(table.find(a.id), nullptr);
  EXPECT_NE(table.find(c.id), nullptr);
}

TEST(RoutingTable, WhereManyDieWhoWasNotHeardForLongIsNotBelieved) {
  Rng rng(1);
  RoutingTable table(contact(rng).id, {.prefix_per_bucket = 0, .prefix_per_table = 0});
  const Contact a = contact(rng), b = contact(rng);
  table.heard(at(0s), a, {});
  table.heard(at(50s), b, {});
  EXPECT_TRUE(table.believed(at(9min), *table.find(a.id))) << "hardly anybody dies";
  table.believe(60s);
  EXPECT_TRUE(table.believed(at(60s), *table.find(a.id)));
  EXPECT_FALSE(table.believed(at(61s), *table.find(a.id)));
  EXPECT_TRUE(table.believed(at(61s), *table.find(b.id)));
  table.silent(b.id);
  EXPECT_FALSE(table.believed(at(61s), *table.find(b.id))) << "asked in vain";
  table.heard(at(62s), b, {});
  EXPECT_TRUE(table.believed(at(62s), *table.find(b.id)));
  table.believe(std::nullopt);
  EXPECT_TRUE(table.believed(at(9min), *table.find(a.id)));
}

TEST(RoutingTable, WhereNobodyTellsOfDeathsANewcomerTakesThePlaceOfWhoIsBelievedNoMore) {
  for (const bool unasked : {false, true}) {
    Rng rng(1);
    const NodeId self;  // all zero
    RoutingTable table(self, {.bucket_size = 2, .replacements = 2, .prefix_per_bucket = 0, .prefix_per_table = 0, .unasked = unasked});
    const auto far = [&] {
      for (;;) {
        const Contact c = contact(rng);
        if (common_prefix_bits(self, c.id) == 0) return c;
      }
    };
    const Contact a = far(), b = far(), c = far(), d = far();
    table.heard(at(0s), a, {});
    table.heard(at(10s), b, {});
    EXPECT_FALSE(table.heard(at(50s), c, {}).added) << "everybody is believed";
    table.believe(45s);
    EXPECT_EQ(table.heard(at(50s), c, {}).added, unasked);
    EXPECT_EQ(table.find(a.id) == nullptr, unasked);
    EXPECT_NE(table.find(b.id), nullptr) << "heard 40 s ago";
    EXPECT_FALSE(table.heard(at(51s), d, {}).added) << "both are believed, or nobody gives way unasked";
    EXPECT_EQ(table.evicted_total(), unasked ? 1U : 0U);
    EXPECT_EQ(table.size(), 2U);
  }
}

TEST(RoutingTable, WhoIsNearerByFarTakesAPlaceInTheYoungerHalf) {
  Rng rng(2);
  const NodeId self;  // all zero
  // In bucket 0, with these two bits next.
  const auto in_quarter = [&rng](int quarter) {
    for (;;) {
      const Contact c = contact(rng);
      if (c.id.bytes[0] >> 5 == (0x4 | quarter)) return c;
    }
  };
  RoutingTable table(self, {.bucket_size = 4, .replacements = 2, .prefix_per_bucket = 0, .prefix_per_table = 0});
  std::vector<Contact> old;
  for (int i = 0; i < 4; ++i) {
    old.push_back(in_quarter(1));
    table.heard(at(Duration(i * 1s)), old.back(), Duration(100ms + i * 1ms));
  }
  const auto present = [&] {
    std::string out;
    for (const Contact& c : old) out += table.find(c.id) != nullptr ? '1' : '0';
    return out;
  };
  table.heard(at(10s), in_quarter(1), 60ms);
  table.heard(at(10s), in_quarter(1), {});
  table.heard(at(10s), in_quarter(2), 1ms);
  EXPECT_EQ(present(), "1111") << "not twice as near, not measured, of another quarter";
  const Contact near = in_quarter(1);
  EXPECT_FALSE(table.heard(at(11s), near, 40ms).added) << "it was heard before, or might have been";
  EXPECT_EQ(present(), "1110") << "the farthest of the younger half";
  EXPECT_NE(table.find(near.id), nullptr);
  const Contact second = in_quarter(1);
  table.heard(at(12s), second, 45ms);
  EXPECT_EQ(present(), "1100");
  table.heard(at(13s), in_quarter(1), 36ms);
  table.heard(at(13s), in_quarter(1), 1ms);
  EXPECT_EQ(present(), "1100") << "the older half stays";
  EXPECT_EQ(table.find(second.id), nullptr) << "nearer still";
  EXPECT_EQ(table.displaced_total(), 3U);
  EXPECT_EQ(table.evicted_total(), 0U);
  EXPECT_EQ(table.size(), 4U);
}

TEST(RoutingTable, WithinASiteAllAreAsNear) {
  Rng rng(4);
  RoutingTable table(NodeId{}, {.bucket_size = 2, .replacements = 2, .prefix_per_bucket = 0, .prefix_per_table = 0});
  for (int i = 0; i < 200; ++i) table.heard(at(Duration(i * 1s)), contact(rng), Duration(i % 10 == 0 ? 9ms : 100us));
  EXPECT_EQ(table.displaced_total(), 0U);
}

// Where nobody tells of deaths one silence is enough for a spare, and two for being dropped.
TEST(RoutingTable, SilenceCountsForMoreWhereNobodyTells) {
  for (const bool unasked : {false, true}) {
    Rng rng(5);
    RoutingTable table(NodeId{}, {.bucket_size = 8, .replacements = 2, .prefix_per_bucket = 0, .prefix_per_table = 0, .unasked = unasked});
    std::vector<Contact> people;
    while (people.size() < 9) {
      const Contact c = contact(rng);
      if (common_prefix_bits(NodeId{}, c.id) != 0) continue;
      people.push_back(c);
      table.heard(at(0s), c, {});
    }
    EXPECT_EQ(table.silent(people[0].id).has_value(), !unasked) << "asked once more";
    EXPECT_EQ(table.find(people[0].id) == nullptr, unasked);
    if (!unasked) (void)table.silent(people[0].id);
    EXPECT_EQ(table.find(people[0].id), nullptr) << "the spare has its place";
    EXPECT_NE(table.find(people[8].id), nullptr);
    const int drop = unasked ? kFailuresToDrop - 1 : kFailuresToDrop;
    for (int i = 1; i < drop; ++i) (void)table.silent(people[1].id);
    EXPECT_NE(table.find(people[1].id), nullptr) << "nobody waits for its place";
    (void)table.silent(people[1].id);
    EXPECT_EQ(table.find(people[1].id), nullptr);
  }
}

// Sooner where nobody tells of deaths.
TEST(RoutingTable, NewcomersOfFullBucketsAskOneQuestionInAWhile) {
  for (const bool unasked : {false, true}) {
    const Duration after = unasked ? kQuestionableAfter : kQuestionableAfterTold;
    Rng rng(1);
    const NodeId self;  // all zero
    RoutingTable table(self, {.bucket_size = 1, .replacements = 2, .prefix_per_bucket = 0, .prefix_per_table = 0, .unasked = unasked});
    const auto in_bucket = [&](int bits) {
      for (;;) {
        const Contact c = contact(rng);
        if (common_prefix_bits(self, c.id) == bits) return c;
      }
    };
    for (const int bits : {0, 1, 2}) table.heard(at(0s), in_bucket(bits), {});
    EXPECT_FALSE(table.heard(at(after - 1ms), in_bucket(0), {}).ping.has_value());
    EXPECT_TRUE(table.heard(at(after), in_bucket(0), {}).ping.has_value());
    EXPECT_FALSE(table.heard(at(after), in_bucket(1), {}).ping.has_value()) << "another bucket was asked just now";
    EXPECT_FALSE(table.heard(at(after + kQuestionEvery - 1ms), in_bucket(1), {}).ping.has_value());
    EXPECT_TRUE(table.heard(at(after + kQuestionEvery), in_bucket(2), {}).ping.has_value());
  }
}

TEST(RoutingTable, NeverLosesTheLastContacts) {
  Rng rng(3);
  RoutingTable table(contact(rng).id, {.prefix_per_bucket = 0, .prefix_per_table = 0});
  std::vector<Contact> people;
  for (int i = 0; i < 10; ++i) {
    people.push_back(contact(rng));
    table.heard(at(0s), people.back(), {});
  }
  for (int round = 0; round < 300; ++round) {
    for (const Contact& who : people) table.silent(who.id);
  }
  EXPECT_EQ(table.size(), kContactsKept);
}

TEST(RoutingTable, NobodyEntersAtAnUnusableAddressAndNeitherDoWe) {
  Rng rng(2);
  const Contact self = contact(rng);
  RoutingTable table(self.id, {});
  EXPECT_FALSE(table.heard(at(0s), self, {}).added);
  EXPECT_FALSE(table.heard(at(0s), contact(rng, Endpoint::v4(0, 0, 0, 0, 1)), {}).added);
  EXPECT_FALSE(table.heard(at(0s), contact(rng, Endpoint::v4(10, 0, 0, 1, 0)), {}).added);
  EXPECT_FALSE(table.heard(at(0s), contact(rng, Endpoint::v4(169, 254, 0, 1, 9)), {}).added);
  EXPECT_FALSE(table.heard(at(0s), contact(rng, Endpoint::v4(224, 0, 0, 1, 9)), {}).added);
  EXPECT_EQ(table.size(), 0U);
}

TEST(RoutingTable, RefreshesTheBucketsThatNoLookupVisited) {
  Rng rng(test_seed(33));
  const NodeId self = random_id(rng);
  RoutingTable table(self, {.prefix_per_bucket = 0, .prefix_per_table = 0});
  for (int i = 0; i < 200; ++i) table.heard(at(0s), contact(rng), {});
  EXPECT_FALSE(table.stale_bucket(at(14min), 15min).has_value());
  ASSERT_TRUE(table.next_stale(15min).has_value());
  EXPECT_EQ(*table.next_stale(15min), Instant(15min));
  EXPECT_GT(table.refresh_depth(), 2U);
  EXPECT_LT(table.refresh_depth(), table.depth());
  for (std::size_t j = 0; j < table.refresh_depth(); ++j) {
    EXPECT_EQ(table.stale_bucket(at(16min), 15min), j);
    const NodeId target = table.random_id_in(j, rng);
    EXPECT_EQ(common_prefix_bits(self, target), static_cast<int>(j));
    table.note_lookup(at(16min), target);
  }
  EXPECT_FALSE(table.stale_bucket(at(16min), 15min).has_value());
}

}  // namespace
}  // namespace weft::dht
