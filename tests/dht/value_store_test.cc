#include "dht/value_store.h"

#include <gtest/gtest.h>

#include "dht/own_values.h"
#include "dht/store_round.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

Now at(Duration time) { return {Instant(time), {}}; }
Slot slot(std::string_view key, std::string_view author) { return {id_of(key), id_of(author)}; }
Held held(std::uint64_t seq, std::string_view text, Duration expires = 1h,
          Duration republish = 30min) {
  return {to_bytes(as_bytes(text)), seq, Instant(expires), Instant(republish)};
}

TEST(ValueStore, HoldsOneValueASlotAndKnowsWhichSupersedes) {
  ValueStore store(id_of("self"), {});
  ASSERT_TRUE(store.insert(slot("k", "a"), held(2, "two")).has_value());
  ASSERT_TRUE(store.insert(slot("k", "b"), held(1, "other author")).has_value());
  EXPECT_EQ(store.size(), 2U);
  EXPECT_EQ(store.judge(slot("k", "a"), 2, as_bytes("two")), Verdict::kSame);
  EXPECT_EQ(store.judge(slot("k", "a"), 1, as_bytes("one")), Verdict::kOlder);
  EXPECT_EQ(store.judge(slot("k", "a"), 3, as_bytes("three")), Verdict::kNewer);
  EXPECT_EQ(store.judge(slot("k", "c"), 1, as_bytes("x")), Verdict::kNewer);
  const bool wins = blob_hash(as_bytes("TWO")) > blob_hash(as_bytes("two"));
  EXPECT_EQ(store.judge(slot("k", "a"), 2, as_bytes("TWO")),
            wins ? Verdict::kNewer : Verdict::kOlder);
}

TEST(ValueStore, GivesValuesUpWhenTheirTimeHasCome) {
  ValueStore store(id_of("self"), {});
  for (int i = 0; i < 10; ++i) {
    store.insert(slot("k" + std::to_string(i), "a"), held(1, "v", std::chrono::seconds(10 - i)));
  }
  EXPECT_EQ(store.next_expiry(), Instant(1s));
  EXPECT_TRUE(store.take_expired(at(999ms), 100).empty());
  EXPECT_EQ(store.take_expired(at(4s), 3).size(), 3U) << "in bounded pieces";
  EXPECT_EQ(store.take_expired(at(4s), 3).size(), 1U);
  store.set_expiry(slot("k5", "a"), Instant(1h));
  EXPECT_EQ(store.take_expired(at(10s), 100).size(), 5U);
  EXPECT_EQ(store.size(), 1U);
  EXPECT_NE(store.find(slot("k5", "a")), nullptr);
}

TEST(ValueStore, RepublishesInTheOrderOfTime) {
  ValueStore store(id_of("self"), {});
  store.insert(slot("x", "a"), held(1, "v", 1h, 20min));
  store.insert(slot("y", "a"), held(1, "v", 1h, 10min));
  EXPECT_EQ(store.next_republish(), Instant(10min));
  EXPECT_FALSE(store.due_republish(at(9min)).has_value());
  EXPECT_EQ(store.due_republish(at(10min)), slot("y", "a"));
  store.set_republish(slot("y", "a"), Instant(30min));
  EXPECT_EQ(store.next_republish(), Instant(20min));
}

TEST(ValueStore, AnAuthorHasAQuota) {
  ValueStore store(id_of("self"), {.bytes_max = 1 << 20, .per_author_max = 3});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(store.insert(slot(std::to_string(i), "a"), held(1, "v")).has_value());
  }
  EXPECT_FALSE(store.has_room(slot("3", "a"), 1));
  EXPECT_FALSE(store.insert(slot("3", "a"), held(1, "v")).has_value());
  EXPECT_TRUE(store.insert(slot("2", "a"), held(2, "new")).has_value()) << "replacing is no growth";
  EXPECT_TRUE(store.insert(slot("3", "b"), held(1, "v")).has_value());
}

TEST(ValueStore, AKeyHasAQuotaOfAuthors) {
  ValueStore store(id_of("self"), {.bytes_max = 1 << 20, .per_author_max = 100, .per_key_max = 3});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(store.insert(slot("k", std::to_string(i)), held(1, "v")).has_value());
  }
  EXPECT_FALSE(store.has_room(slot("k", "3"), 1));
  EXPECT_FALSE(store.insert(slot("k", "3"), held(1, "v")).has_value());
  EXPECT_TRUE(store.insert(slot("k", "2"), held(2, "new")).has_value()) << "replacing is no growth";
  EXPECT_TRUE(store.insert(slot("other", "3"), held(1, "v")).has_value());
  store.erase(slot("k", "0"));
  EXPECT_TRUE(store.insert(slot("k", "3"), held(1, "v")).has_value());
}

// However many keys somebody makes, one key near a holder does not fill it: a slot of the largest
// values under every author that the quota admits leaves most of the room to others.
TEST(ValueStore, OneKeyDoesNotFillAHolder) {
  const NodeId self = id_of("self");
  const ValueStore::Limits limits;
  ValueStore store(self, limits);
  std::size_t held_there = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Slot s{self, id_of(std::to_string(i))};  // no key is nearer
    if (store.insert(s, held(1, std::string(kBlobBytesMax, 'x'))).has_value()) ++held_there;
  }
  EXPECT_EQ(held_there, kAuthorsPerKeyMax);
  EXPECT_LT(store.bytes(), limits.bytes_max / 8);
  EXPECT_TRUE(store.insert(slot("far", "honest"), held(1, "v")).has_value());
}

TEST(ValueStore, WhenFullOnlyNearerKeysComeIn) {
  const NodeId self = id_of("self");
  const std::size_t cost = kHeldOverheadBytes + 1;
  ValueStore store(self, {.bytes_max = 20 * cost, .per_author_max = 1000});
  Rng rng(test_seed(51));
  std::vector<NodeId> keys;
  for (int i = 0; i < 400; ++i) {
    const std::string name = "key" + std::to_string(rng.next());
    (void)store.insert(slot(name, "a"), held(1, "v"));
    keys.push_back(id_of(name));
    EXPECT_LE(store.bytes(), 20 * cost);
  }
  // What is left are the twenty nearest of all that were offered.
  std::ranges::sort(keys, [&](const NodeId& a, const NodeId& b) { return closer(self, a, b); });
  EXPECT_EQ(store.size(), 20U);
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_NE(store.find({keys[i], id_of("a")}), nullptr) << i;
  }
}

TEST(ValueStore, ALoweredLimitTakesNothingAwayAtOnce) {
  const NodeId self = id_of("self");
  const std::size_t cost = kHeldOverheadBytes + 1;
  ValueStore store(self, {.bytes_max = 100 * cost, .per_author_max = 1000});
  std::vector<std::string> names;
  for (int i = 0; i < 101; ++i) names.push_back("n" + std::to_string(i));
  std::ranges::sort(names, [&](const std::string& a, const std::string& b) {
    return closer(self, id_of(a), id_of(b));
  });
  for (std::size_t i = 1; i <= 100; ++i) ASSERT_TRUE(store.insert(slot(names[i], "a"), held(1, "v")));
  store.set_bytes_max(50 * cost);
  EXPECT_EQ(store.size(), 100U);
  Slot opposite{.key = self, .author = id_of("a")};
  for (auto& byte : opposite.key.bytes) byte = static_cast<std::uint8_t>(~byte);
  EXPECT_FALSE(store.has_room(opposite, 1)) << "nothing farther comes in";
  ASSERT_TRUE(store.insert(slot(names[100], "a"), held(2, "w")).has_value())
      << "a newer number of the farthest still does";
  EXPECT_EQ(store.size(), 100U);
  const auto evicted = store.insert(slot(names[0], "a"), held(1, "v"));
  ASSERT_TRUE(evicted.has_value());
  EXPECT_EQ(evicted->size(), kEvictionsPerInsert) << "in bounded pieces";
  EXPECT_EQ(store.size(), 101 - kEvictionsPerInsert);
  store.set_bytes_max(200 * cost);
  EXPECT_TRUE(store.insert(slot(names[100], "a"), held(3, "x")).has_value());
}

TEST(ValueStore, ARefusedInsertChangesNothing) {
  const NodeId self = id_of("self");
  ValueStore store(self, {.bytes_max = 3 * (kHeldOverheadBytes + 100), .per_author_max = 1000});
  std::vector<std::string> names;
  for (int i = 0; i < 4; ++i) names.push_back("n" + std::to_string(i));
  std::ranges::sort(names, [&](const std::string& a, const std::string& b) {
    return closer(self, id_of(a), id_of(b));
  });
  store.insert(slot(names[0], "a"), held(1, std::string(100, 'x')));
  store.insert(slot(names[1], "a"), held(1, std::string(100, 'x')));
  store.insert(slot(names[3], "a"), held(1, std::string(100, 'x')));
  // names[2] would need more room than its one farther neighbour can free.
  const std::size_t before = store.bytes();
  EXPECT_FALSE(store.insert(slot(names[2], "a"), held(1, std::string(700, 'y'))).has_value());
  EXPECT_EQ(store.bytes(), before);
  EXPECT_EQ(store.size(), 3U);
  EXPECT_NE(store.find(slot(names[3], "a")), nullptr);
}

TEST(ValueStore, DoesWhatTheNaiveModelDoes) {
  Rng rng(test_seed(52));
  const NodeId self = id_of("self");
  const ValueStore::Limits limits{.bytes_max = 40 * kHeldOverheadBytes, .per_author_max = 8,
                                  .per_key_max = 5};
  ValueStore store(self, limits);
  std::map<Slot, Held> model;
  const auto model_bytes = [&] {
    std::size_t sum = 0;
    for (const auto& [s, h] : model) sum += h.blob.size() + kHeldOverheadBytes;
    return sum;
  };
  for (int step = 0; step < 5000; ++step) {
    // A few of the keys are everybody's favourites.
    const Slot s = slot(std::to_string(rng.below(rng.below(2) == 0 ? 4 : 60)),
                        std::to_string(rng.below(8)));
    const Now now = at(std::chrono::seconds(step));
    switch (rng.below(8)) {
      case 0:
        store.erase(s);
        model.erase(s);
        break;
      case 1: {
        const auto gone = store.take_expired(now, 1000);
        std::size_t expected = 0;
        for (auto it = model.begin(); it != model.end();) {
          const bool over = it->second.expires <= now.mono;
          expected += over ? 1U : 0U;
          it = over ? model.erase(it) : std::next(it);
        }
        ASSERT_EQ(gone.size(), expected);
        break;
      }
      default: {
        Held h = held(1, std::string(rng.below(200), 'x'),
                      std::chrono::seconds(step + static_cast<int>(rng.below(2000))));
        const auto by_author = std::ranges::count_if(
            model, [&](const auto& item) { return item.first.author == s.author; });
        const auto by_key = std::ranges::count_if(
            model, [&](const auto& item) { return item.first.key == s.key; });
        bool fits = model.contains(s) || (by_author < 8 && by_key < 5);
        auto after = model;
        after.erase(s);
        after[s] = h;
        const auto bytes = [&] {
          std::size_t sum = 0;
          for (const auto& [k, v] : after) sum += v.blob.size() + kHeldOverheadBytes;
          return sum;
        };
        while (fits && bytes() > limits.bytes_max) {
          // Of the others, the farthest key; of one key's, the least author.
          auto far = after.end();
          for (auto it = after.begin(); it != after.end(); ++it) {
            if (it->first == s) continue;
            if (far == after.end() || closer(self, far->first.key, it->first.key)) far = it;
          }
          if (far == after.end() || !closer(self, s.key, far->first.key)) fits = false;
          else after.erase(far);
        }
        if (fits) model = after;
        ASSERT_EQ(store.insert(s, h).has_value(), fits) << step;
        break;
      }
    }
    ASSERT_EQ(store.size(), model.size()) << step;
    ASSERT_EQ(store.bytes(), model_bytes());
    // The walk in pieces of one is the whole.
    std::optional<Slot> walk;
    for (const auto& [key, value] : model) {
      store.visit_after(walk, [&](const Slot& slot, const Held& held) {
        EXPECT_EQ(slot, key);
        EXPECT_EQ(held.blob, value.blob);
        walk = slot;
        return false;
      });
      ASSERT_EQ(walk, key);
    }
  }
}

// Changing over to pages, a piece at a time: whatever comes, goes or is replaced between two pieces, before the place they have
// come to or behind it, at the end all of memory is known, and forgetting all of it leaves no byte counted.
TEST(ValueStore, BecomesPagedInPiecesAndKnowsAllThatItHas) {
  ValueStore store(id_of("self"), {.bytes_max = 1 << 20, .per_author_max = 10'000, .memory_max = 1});
  std::set<NodeId> there;
  const auto insert = [&](int i, std::uint64_t seq) {
    const Slot s = slot("k" + std::to_string(i), "a");
    ASSERT_TRUE(store.insert(s, held(seq, "value")).has_value());
    there.insert(s.key);
  };
  for (int i = 0; i < 300; ++i) insert(i, 1);
  ASSERT_TRUE(store.outgrown());
  store.begin_paging({});
  int pieces = 0;
  for (std::uint64_t ticket = 1; !store.page_more(ticket); ++ticket, ++pieces) {
    for (int i = 0; i < 5; ++i) insert(1000 + 5 * pieces + i, 1);
    for (int i = 0; i < 5; ++i) insert(10 * pieces + i, 2);
    const Slot gone = slot("k" + std::to_string(299 - pieces), "a");
    store.erase(gone);  // its row is gone, too, before become_paged()
    there.erase(gone.key);
    EXPECT_FALSE(store.paged());
  }
  EXPECT_GE(pieces, 4);
  store.become_paged(100, {});
  for (const NodeId& key : there) EXPECT_TRUE(store.knows(key));
  EXPECT_FALSE(store.knows(id_of("elsewhere")));
  EXPECT_EQ(store.next_expiry(), Instant(1h));
  EXPECT_TRUE(store.take_expired(at(2h), 10).empty()) << "those of a paged store are asked for";
  for (int i = 0; i < 100; ++i) {
    store.trim({.oldest_write = 1000, .oldest_load = 1000U + static_cast<std::uint64_t>(i), .now_at = 1000});
  }
  EXPECT_EQ(store.memory_bytes(), 0U);
  EXPECT_FALSE(store.next_republish().has_value());
}

TEST(OwnValues, NumbersAreNeverUsedTwice) {
  OwnValues own;
  const NodeId key = id_of("k");
  const Bytes blob(kBlobHeadBytes + 3);
  const auto value = [&](std::uint64_t seq) {
    return Own{.blob = blob, .seq = seq, .lifetime_s = 60, .expires = Instant(1h), .renew = true,
               .copies = 0, .republish = Instant(30min)};
  };
  EXPECT_EQ(own.number(key), 0U);
  own.take(key, 1);
  own.take(key, 2);  // a second put while the first waits for the disk
  EXPECT_EQ(own.number(key), 2U);
  own.commit(key, value(2));
  own.commit(key, value(1));
  EXPECT_EQ(own.find(key)->seq, 2U);
  own.take(key, 3);
  own.drop(key);
  EXPECT_EQ(own.number(key), 2U);
  EXPECT_EQ(own.next_due(), Instant(30min));
  own.published(key, 12, Instant(50min));
  EXPECT_EQ(own.copies_min(), 12U);
  EXPECT_FALSE(own.due(at(49min)).has_value());
  EXPECT_EQ(own.due(at(50min)), key);
}

// What the counts by copies say is what walking through all values says.
TEST(OwnValues, CountsByCopiesAreExact) {
  Rng rng(test_seed(311));
  OwnValues own;
  for (int step = 0; step < 5'000; ++step) {
    const NodeId key = id_of(std::to_string(rng.below(40)));
    const std::uint64_t seq = own.number(key) + 1;
    switch (rng.below(4)) {
      case 0:
        own.restore(key, {.blob = Bytes(kBlobHeadBytes + rng.below(2)), .seq = seq, .lifetime_s = 60,
                          .expires = Instant(1h), .copies = rng.below(13), .republish = Instant(1min)});
        break;
      case 1: own.erase(key); break;
      default: own.published(key, rng.below(13), Instant(2min)); break;
    }
    std::map<std::size_t, std::size_t> walked;
    for (const auto& [k, value] : own.all()) {
      if (!value.withdrawn()) ++walked[value.copies];
    }
    ASSERT_EQ(own.by_copies(), walked) << step;
    ASSERT_EQ(own.copies_min(), walked.empty() ? 0 : walked.begin()->first);
  }
}

TEST(OwnValues, HaveRoomForSoMany) {
  OwnValues own;
  ByteArray<32> raw{};
  for (std::uint32_t i = 0; i < kOwnValuesMax; ++i) {
    store_le(raw.data(), i);
    ASSERT_TRUE(own.has_room({raw}));
    own.restore({raw}, {.blob = Bytes(kBlobHeadBytes + 1), .seq = 1, .lifetime_s = 60, .expires = Instant(1h),
                        .republish = Instant(1min)});
  }
  EXPECT_TRUE(own.has_room({raw})) << "the key is there already";
  EXPECT_FALSE(own.has_room(id_of("one more")));
}

Target target(std::string_view name) {
  Target to;
  to.id = id_of(name);
  to.endpoints.push(Endpoint::v4(10, 0, 0, 1, 1));
  return to;
}
std::vector<Holder> holders_of(std::initializer_list<std::string_view> names) {
  std::vector<Holder> out;
  for (const auto name : names) out.push_back({target(name), Token{}});
  return out;
}
std::size_t pump(StoreRound& round) {
  std::size_t count = 0;
  while (round.next()) ++count;
  return count;
}

TEST(StoreRound, ReplacesWhoFailsByTheNextNearest) {
  StoreRound round({.wanted = 3, .needed = 1, .have = 1}, holders_of({"a", "b", "c", "d"}));
  EXPECT_EQ(pump(round), 2U);
  round.on_stored(id_of("a"), {.status = StoreStatus::kQuota});
  EXPECT_EQ(round.next()->to.id, id_of("c"));
  round.on_silent(id_of("b"));
  EXPECT_EQ(round.next()->to.id, id_of("d"));
  EXPECT_FALSE(round.settled());
  round.on_stored(id_of("c"), {});
  round.on_stored(id_of("c"), {});
  EXPECT_EQ(round.copies(), 2U) << "distinct holders";
  round.on_stored(id_of("d"), {});
  EXPECT_TRUE(round.settled());
  EXPECT_EQ(round.copies(), 3U);
}

TEST(StoreRound, DoesNotWaitForTheSlowIfThereAreEnough) {
  StoreRound round({.wanted = 2, .needed = 1, .have = 0}, holders_of({"a", "b"}));
  EXPECT_EQ(pump(round), 2U);
  round.on_slow(id_of("a"));
  EXPECT_FALSE(round.settled());
  round.on_slow(id_of("b"));
  EXPECT_FALSE(round.settled()) << "not one copy yet";
  round.on_stored(id_of("b"), {});
  EXPECT_TRUE(round.settled());
  round.on_stored(id_of("a"), {});
  EXPECT_EQ(round.copies(), 2U);
}

TEST(StoreRound, AsksForATokenWhereThereIsNoneAndOnceMoreIfItIsRefused) {
  StoreRound round({.wanted = 1, .needed = 1, .have = 0}, {{target("a"), {}}, {target("b"), {}}});
  auto ask = round.next();
  ASSERT_TRUE(ask.has_value());
  EXPECT_FALSE(ask->token.has_value());
  round.on_token(id_of("a"), Token{1}, false);
  ask = round.next();
  ASSERT_TRUE(ask->token.has_value());
  round.on_stored(id_of("a"), {.status = StoreStatus::kBadToken});
  EXPECT_FALSE(round.next()->token.has_value());
  round.on_token(id_of("a"), Token{2}, false);
  EXPECT_EQ(round.next()->token, Token{2});
  round.on_stored(id_of("a"), {.status = StoreStatus::kBadToken});
  EXPECT_EQ(round.next()->to.id, id_of("b")) << "not a third time";
  round.on_token(id_of("b"), {}, /*holds=*/true);
  EXPECT_TRUE(round.settled());
  EXPECT_EQ(round.copies(), 1U);
}

}  // namespace
}  // namespace weft::dht
