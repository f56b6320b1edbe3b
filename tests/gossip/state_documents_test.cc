// The fold of shared state against a naive one that knows nothing of indexes, and its laws.
#include <gmock/gmock.h>

#include "tests/gossip/state_history.h"

namespace weft::state {
namespace {

// Rules of documents.h, word by word, in quadratic time.
struct Naive {
  std::vector<KeptRef> set;

  static bool value(const Content& c) { return c.kind == Kind::kSet || c.kind == Kind::kCount || c.kind == Kind::kAdd; }
  static bool below(std::string_view path, std::string_view top) {
    return path == top || path.starts_with(std::string(top) + "/");
  }
  static bool may(const Content& by, const Content& c) {
    const bool same = equal(by.path, c.path);
    if (by.kind == Kind::kSet) return same && c.kind == Kind::kSet;
    if (by.kind == Kind::kCount) return same && c.kind == Kind::kCount && by.author == c.author;
    if (by.kind == Kind::kCheckpoint) return false;
    if (by.kind == Kind::kClear) return value(c) && below(as_text(c.path), as_text(by.path));
    return same && c.kind == Kind::kAdd && equal(by.body, c.body);
  }
  bool left(const Entry& e) const {
    const Content& c = e.content;
    if (!value(c)) return false;
    for (const KeptRef& other : set) {
      const Content& o = other->entry.content;
      if (may(o, c) && std::ranges::find(o.saw, e.id) != o.saw.end()) return false;
      if (o.author == c.author && o.epoch == c.epoch && o.seq > c.seq && o.kind == c.kind && equal(o.path, c.path) &&
          (c.kind != Kind::kAdd || equal(o.body, c.body))) {
        return false;
      }
    }
    return true;
  }
  std::vector<const Entry*> at(std::string_view path, Kind kind) const {
    std::vector<const Entry*> out;
    std::set<EntryId> once;
    for (const KeptRef& k : set) {
      const Content& c = k->entry.content;
      if (c.kind == kind && as_text(c.path) == path && once.insert(k->entry.id).second && left(k->entry)) out.push_back(&k->entry);
    }
    return out;
  }
  void expect_equal(const Documents& documents) const {
    std::vector<std::string> there;
    for (const std::string& path : History::kPaths) {
      std::set<EntryId> registers, shown;
      for (const Entry* e : at(path, Kind::kSet)) registers.insert(e->id);
      const auto written = documents.read_register(as_bytes(path));
      for (const Written& w : written) shown.insert(w.id);
      ASSERT_EQ(shown, registers) << path;
      ASSERT_EQ(shown.size(), written.size());
      for (std::size_t i = 1; i < written.size(); ++i) ASSERT_GE(written[i - 1].stamp, written[i].stamp);
      std::int64_t sum = 0;
      for (const Entry* e : at(path, Kind::kCount)) {
        const Counted counted = read_count(e->content.body).value();
        sum += static_cast<std::int64_t>(counted.up) - static_cast<std::int64_t>(counted.down);
      }
      ASSERT_EQ(documents.counter(as_bytes(path)), sum) << path;
      std::set<Bytes> elements;
      for (const Entry* e : at(path, Kind::kAdd)) elements.insert(to_bytes(e->content.body));
      ASSERT_EQ(documents.elements(as_bytes(path)), std::vector<Bytes>(elements.begin(), elements.end())) << path;
      const std::vector<Bytes> in_order(elements.begin(), elements.end());
      const auto two = documents.elements(as_bytes(path), 2, {});
      ASSERT_EQ(two, std::vector<Bytes>(in_order.begin(), in_order.begin() + std::min<std::ptrdiff_t>(2, std::ssize(in_order))));
      if (!two.empty()) {
        ASSERT_EQ(documents.elements(as_bytes(path), 10, two[0]), std::vector<Bytes>(in_order.begin() + 1, in_order.end()));
      }
      ASSERT_TRUE(documents.elements(as_bytes(path), 0, {}).empty());
      const Documents::Kinds kinds{.has_register = !registers.empty(), .has_counter = !at(path, Kind::kCount).empty(),
                                   .has_set = !elements.empty()};
      ASSERT_EQ(documents.kinds(as_bytes(path)), kinds) << path;
      if (!registers.empty() || !elements.empty() || !at(path, Kind::kCount).empty()) there.push_back(path);
    }
    ASSERT_EQ(documents.paths({}, 100), there);
    std::erase_if(there, [](const std::string& path) { return !below(path, "a"); });
    ASSERT_EQ(documents.paths(as_bytes("a"), 100), there) << "ab is not below a";
  }
};

// All that can be read, as one comparable value.
std::string shown(const Documents& documents) {
  std::string out;
  for (const std::string& path : documents.paths({}, 1000)) {
    out += path + ":";
    for (const Written& w : documents.read_register(as_bytes(path))) out += to_hex(w.id.bytes) + "=" + to_hex(w.value) + ",";
    out += std::to_string(documents.counter(as_bytes(path)));
    for (const Bytes& element : documents.elements(as_bytes(path))) out += "+" + to_hex(element);
    out += "\n";
  }
  return out;
}

// Everybody sees part of it, in its own order; after every step each reads as the naive fold of what it has.
TEST(Documents, ReadAsTheNaiveFoldAfterEveryStep) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    History history(seed, 4);
    std::vector<Naive> naive(history.writers.size());
    for (int step = 0; step < 120; ++step) {
      const std::size_t at = history.rng.below(history.writers.size());
      HistoryWriter& writer = history.writers[at];
      if (history.rng.below(3) != 0) {
        (void)history.write(writer, /*honest=*/at != 3);
      } else if (!history.all.empty()) {
        for (int i = 0; i < 8; ++i) history.take(writer, history.all[history.rng.below(history.all.size())]);
      }
      naive[at].set = writer.known;
      naive[at].expect_equal(writer.sees);
      if (HasFatalFailure()) FAIL() << "seed " << seed << ", step " << step;
    }
  }
}

TEST(Documents, EqualSetsReadAlikeInEveryOrder) {
  for (std::uint64_t seed = 100; seed < 140; ++seed) {
    History history(seed, 5);
    for (int step = 0; step < 150; ++step) {
      HistoryWriter& writer = history.writers[history.rng.below(history.writers.size())];
      (void)history.write(writer, /*honest=*/history.rng.below(5) != 0);
      for (int i = 0; i < 3 && !history.all.empty(); ++i) {
        history.take(history.writers[history.rng.below(history.writers.size())], history.all[history.rng.below(history.all.size())]);
      }
    }
    std::vector<KeptRef> order = history.all;
    std::string first;
    for (int permutation = 0; permutation < 6; ++permutation) {
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[history.rng.below(i)]);
      Documents documents;
      for (const KeptRef& kept : order) {
        EXPECT_TRUE(documents.insert(kept->entry));
        EXPECT_FALSE(documents.insert(kept->entry)) << "twice is once";
      }
      if (permutation == 0) first = shown(documents);
      ASSERT_EQ(shown(documents), first) << "seed " << seed;
    }
    for (HistoryWriter& writer : history.writers) {
      for (const KeptRef& kept : history.all) history.take(writer, kept);
      ASSERT_EQ(shown(writer.sees), first);
    }
  }
}

class TwoWriters : public testing::Test {
 protected:
  KeptRef write(int who, Kind kind, std::string_view path, std::string_view body, std::uint64_t stamp = 1) {
    HistoryWriter& w = history.writers[static_cast<std::size_t>(who)];
    const auto saw = w.sees.seen(kind, as_bytes(path), as_bytes(body), w.identity->public_key(), w.epoch).saw;
    const Content content{.space = {}, .author = w.identity->public_key(), .epoch = w.epoch, .seq = ++w.seq, .prev = w.head,
                          .stamp = stamp, .kind = kind, .path = as_bytes(path), .body = as_bytes(body), .saw = saw};
    const auto kept = std::make_shared<const Kept>(sign_entries(*w.identity, std::span(&content, 1)).value()[0]);
    w.head = kept->entry.id;
    history.all.push_back(kept);
    history.take(w, kept);
    return kept;
  }
  void count(int who, std::string_view path, std::uint64_t up) {
    HistoryWriter& w = history.writers[static_cast<std::size_t>(who)];
    Counted counted = w.sees.counted_by(as_bytes(path), w.identity->public_key(), w.epoch);
    counted.up += up;
    (void)write(who, Kind::kCount, path, as_text(count_body(counted)));
  }
  void meet() {
    for (HistoryWriter& w : history.writers) {
      for (const KeptRef& kept : history.all) history.take(w, kept);
    }
    ASSERT_EQ(shown(sees(0)), shown(sees(1)));
  }
  Documents& sees(int who) { return history.writers[static_cast<std::size_t>(who)].sees; }
  std::vector<std::string> values(std::string_view path) {
    std::vector<std::string> out;
    for (const Written& w : sees(0).read_register(as_bytes(path))) out.emplace_back(as_text(w.value));
    return out;
  }
  std::vector<std::string> items(std::string_view path) {
    std::vector<std::string> out;
    for (const Bytes& element : sees(0).elements(as_bytes(path))) out.emplace_back(as_text(element));
    return out;
  }
  History history{7, 2};
};

TEST_F(TwoWriters, WhoHasSeenAValueReplacesItWhateverItsStamp) {
  (void)write(0, Kind::kSet, "x", "held", UINT64_MAX);
  meet();
  (void)write(1, Kind::kSet, "x", "replaced", 1);
  meet();
  EXPECT_THAT(values("x"), testing::ElementsAre("replaced"));
}

TEST_F(TwoWriters, ConcurrentValuesAreAllShownTheLastWritersFirst) {
  (void)write(0, Kind::kSet, "x", "early", 5);
  (void)write(1, Kind::kSet, "x", "late", 9);
  meet();
  EXPECT_THAT(values("x"), testing::ElementsAre("late", "early"));
  (void)write(0, Kind::kSet, "x", "one truth", 2);
  meet();
  EXPECT_THAT(values("x"), testing::ElementsAre("one truth"));
}

TEST_F(TwoWriters, AnAddThatARemoveHasNotSeenStays) {
  (void)write(0, Kind::kAdd, "s", "x");
  meet();
  (void)write(1, Kind::kRemove, "s", "x");
  (void)write(0, Kind::kAdd, "s", "x");
  meet();
  EXPECT_THAT(items("s"), testing::ElementsAre("x"));
  (void)write(1, Kind::kRemove, "s", "x");
  meet();
  EXPECT_THAT(items("s"), testing::IsEmpty());
}

TEST_F(TwoWriters, CountsAddUpAcrossEpochsAndWritersOnce) {
  count(0, "c", 3);
  count(1, "c", 4);
  meet();
  ++history.writers[0].epoch;
  history.writers[0].seq = 0;
  count(0, "c", 10);
  meet();
  EXPECT_EQ(sees(0).counter(as_bytes("c")), 17);
  meet();
  EXPECT_EQ(sees(0).counter(as_bytes("c")), 17);
  (void)write(1, Kind::kClear, "c", "");
  meet();
  EXPECT_EQ(sees(0).counter(as_bytes("c")), 0);
  count(0, "c", 1);
  meet();
  EXPECT_EQ(sees(0).counter(as_bytes("c")), 1) << "counts on from what is left";
}

TEST_F(TwoWriters, NobodyTakesAnothersCountAway) {
  count(0, "c", 3);
  meet();
  const EntryId of_0 = history.all[0]->entry.id;
  HistoryWriter& liar = history.writers[1];
  const Bytes body = count_body({});
  const Content content{.space = {}, .author = liar.identity->public_key(), .epoch = 1, .seq = ++liar.seq, .prev = {}, .stamp = 1,
                        .kind = Kind::kCount, .path = as_bytes("c"), .body = body, .saw = std::span(&of_0, 1)};
  history.all.push_back(std::make_shared<const Kept>(sign_entries(*liar.identity, std::span(&content, 1)).value()[0]));
  meet();
  EXPECT_EQ(sees(0).counter(as_bytes("c")), 3);
}

TEST_F(TwoWriters, AClearTakesWhatItSawAtAndBelowItsPath) {
  (void)write(0, Kind::kSet, "m", "top");
  (void)write(0, Kind::kSet, "m/a", "1");
  (void)write(0, Kind::kAdd, "m/b", "x");
  (void)write(0, Kind::kSet, "mm", "beside");
  meet();
  (void)write(1, Kind::kClear, "m", "");
  (void)write(0, Kind::kSet, "m/a", "2");  // concurrently
  meet();
  EXPECT_THAT(sees(0).paths({}, 10), testing::ElementsAre("m/a", "mm"));
  EXPECT_THAT(values("m/a"), testing::ElementsAre("2"));
}

TEST_F(TwoWriters, CountsBeyondTheRangeAreKeptWithinIt) {
  for (const int who : {0, 1}) {
    (void)write(who, Kind::kCount, "c", as_text(count_body({.up = UINT64_MAX, .down = 0})));
    (void)write(who, Kind::kCount, "d", as_text(count_body({.up = 5, .down = UINT64_MAX})));
    (void)write(who, Kind::kCount, "e", as_text(count_body({.up = UINT64_MAX, .down = UINT64_MAX - 2})));
  }
  meet();
  EXPECT_EQ(sees(0).counter(as_bytes("c")), INT64_MAX);
  EXPECT_EQ(sees(0).counter(as_bytes("d")), -INT64_MAX);
  EXPECT_EQ(sees(0).counter(as_bytes("e")), 4);
}

TEST_F(TwoWriters, WhatIsSeenIsBoundedAndSaysSo) {
  for (std::size_t i = 0; i < kSawMax + 5; ++i) (void)write(0, Kind::kAdd, "s/" + std::to_string(i), "x");
  meet();
  const auto seen = sees(1).seen(Kind::kClear, as_bytes("s"), {}, history.writers[1].identity->public_key(), 1);
  EXPECT_TRUE(seen.more);
  EXPECT_EQ(seen.saw.size(), kSawMax);
  while (!sees(1).paths(as_bytes("s"), 1).empty()) (void)write(1, Kind::kClear, "s", "");
  EXPECT_EQ(history.all.size(), kSawMax + 5 + 2) << "two Clears take all of them";
}

}  // namespace
}  // namespace weft::state
