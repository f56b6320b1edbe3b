// Stores of more than fits into memory: each answer and each row is the same as with a store that fits.
#include <gtest/gtest.h>

#include "dht/core.h"
#include "dht/recency.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

constexpr std::size_t kLittle = 4096;  // a few values

// One node, the writes that it has made durable, and a hand on when loads are read and answered.
class Paged {
 public:
  explicit Paged(std::size_t memory, std::size_t bytes_max = 16 << 20, std::size_t per_author = 2048)
      : config_(config(memory, bytes_max, per_author)),
        dht(std::make_unique<Dht>(self, provider, entropy, Rng(7), config_, now)) {}

  static Config config(std::size_t memory, std::size_t bytes_max, std::size_t per_author) {
    Config c;
    c.values_memory_max = memory;
    c.values_bytes_max = bytes_max;
    c.values_per_author_max = per_author;
    return c;
  }
  static ByteArray<32> seed(std::uint8_t byte) {
    ByteArray<32> out;
    out.fill(byte);
    return out;
  }
  Asker asker(const Identity& who) const {
    return {.contact = make_contact(who.public_key(), Endpoint::v4(127, 0, 0, 1, 5000)), .rpc = 9,
            .early = false, .reply_max = 1170};
  }
  Bytes blob(const Identity& author, const NodeId& key, std::uint64_t seq, std::size_t bytes = 100,
             std::uint32_t lifetime_s = 3600) const {
    return sign_value(author, {.key = key, .seq = seq, .lifetime_s = lifetime_s,
                               .value = Bytes(bytes, static_cast<std::uint8_t>(seq))});
  }
  // Carries out what a call has asked for, and what follows from it.
  void settle(Output& out) {
    while (!out.persist.empty() || !out.loads.empty()) {
      std::vector<Persist> persist;
      std::vector<Load> loads;
      persist.swap(out.persist);
      loads.swap(out.loads);
      for (const Persist& p : persist) {
        commit(p);
        dht->on_persisted(now, p.ticket, true, out);
      }
      for (const Load& load : loads) {
        Loaded loaded = sim::answer(rows, load);
        if (disk_fails) loaded = {.ticket = load.ticket, .ok = false, .rows = {}, .more = false,
                                  .of_author = 0, .next_end_ms = {}};
        ++loaded_total;
        const auto* keys = std::get_if<LoadKeys>(&load.what);
        if (keys != nullptr && keys->author) ++counted_total;
        dht->on_loaded(now, loaded, out);
        keep(out);
        dht->on_loaded(now, loaded, out);  // twice is once
        keep(out);
      }
      keep(out);
    }
    keep(out);
  }
  void commit(const Persist& p) {
    for (const Write& w : p.writes) {
      if (w.erase) rows.erase(w.key);
      else rows[w.key] = w.value;
    }
  }
  void keep(Output& out) {
    for (const Reply& r : out.replies) stored.push_back(r.message);
    for (const ReplyMany& r : out.replies_many) stored_many.push_back(r.message);
    for (const LateValues& r : out.late_values) take(r.message);
    out.replies.clear();
    out.replies_many.clear();
    out.late_values.clear();
    out.requests.clear();
  }
  void take(const Values& m) {
    shown.clear();
    for (const HeldValue& value : m.values) shown.push_back(to_bytes(value.blob));
    more = m.more;
  }
  Store message(const Identity& author, const NodeId& key, ByteView blob, std::uint32_t remaining_s) {
    Nodes nodes;
    dht->on_find_node(now, asker(author), {.target = key, .want_token = true}, nodes);
    return {.key = key, .token = nodes.token.value_or(Token{}), .remaining_s = remaining_s, .blob = blob};
  }
  Stored store(const Identity& author, const NodeId& key, ByteView blob, std::uint32_t remaining_s = 3600) {
    Output out;
    stored.clear();
    now.mono += Duration(1);  // many of one instant wait for a deadline
    dht->on_store(now, asker(author), message(author, key, blob, remaining_s), out);
    settle(out);
    EXPECT_EQ(stored.size(), 1U) << "one answer to one question";
    return stored.empty() ? Stored{} : stored[0];
  }
  const std::vector<Bytes>& get(const NodeId& key, std::optional<NodeId> author = {}) {
    Output out;
    Values reply;
    shown.clear();
    more = false;
    if (dht->on_get(now, asker(reader), {.key = key, .author = author}, reply, out)) take(reply);
    settle(out);
    return shown;
  }
  void pass(Duration span) {
    const Instant end = now.mono + span;
    for (;;) {
      const auto next = dht->next_deadline();
      if (!next || *next > end) break;
      now.mono = std::max(now.mono, *next);
      Output out;
      dht->on_deadline(now, out);
      settle(out);
    }
    now.mono = end;
  }
  void restart() {
    dht = std::make_unique<Dht>(self, provider, entropy, Rng(8), config_, now, dht->node_time(now));
    const HeldTotals held = sim::held_totals(rows);
    dht->values_on_disk(held);
  }
  std::size_t values() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(rows, [](const auto& row) { return row.first[0] == kValueTable; }));
  }
  void expect_totals() {
    const HeldTotals held = sim::held_totals(rows);
    EXPECT_EQ(dht->stats().values, held.values);
    EXPECT_EQ(dht->stats().values_bytes, held.bytes + held.values * kHeldOverheadBytes);
  }

  CheapProvider provider;
  SeededEntropy entropy{5};
  Identity self{provider, seed(1)};
  Identity reader{provider, seed(99)};
  Now now{Instant(1h), UnixMillis{1'700'000'000'000}};
  Config config_;
  std::unique_ptr<Dht> dht;
  std::map<Bytes, Bytes> rows;
  std::vector<Stored> stored;
  std::vector<StoredMany> stored_many;
  std::vector<Bytes> shown;
  bool more = false;
  bool disk_fails = false;
  std::size_t loaded_total = 0;
  std::size_t counted_total = 0;  // times that an author's values were counted
};

NodeId numbered(std::uint64_t n) { return key_of_text("key " + std::to_string(n)); }

// It outgrows memory with hundreds of keys, so the change takes several calls: what comes, is replaced and ends meanwhile is
// neither lost nor counted twice, before the place that the change has come to or behind it.
TEST(Paged, ChangesOverInPiecesWhileValuesComeAndGo) {
  constexpr std::uint64_t kFirst = 6 * kPagedPerCall;
  Paged node(kFirst * (kHeldOverheadBytes + kBlobHeadBytes + 6));
  const Identity author(node.provider, Paged::seed(2));
  std::map<std::uint64_t, std::uint64_t> seqs;
  const auto store = [&](std::uint64_t i, std::uint32_t remaining_s = 3600) {
    const std::uint64_t seq = ++seqs[i];
    ASSERT_EQ(node.store(author, numbered(i), node.blob(author, numbered(i), seq), remaining_s).status, StoreStatus::kStored);
  };
  std::uint64_t next = 0;
  std::size_t calls_between = 0;
  const auto memory = [&] { return node.dht->stats().values_memory_bytes; };
  Rng rng(4);
  while (!node.dht->stats().values_paged && next < 3 * kFirst) {
    if (rng.below(3) == 0 && next > 0) store(rng.below(next));
    else store(next++, rng.below(8) == 0 ? 60 : 3600);
    if (memory() > kFirst * (kHeldOverheadBytes + kBlobHeadBytes + 6)) ++calls_between;
  }
  EXPECT_TRUE(node.dht->stats().values_paged);
  EXPECT_GE(calls_between, 4U) << "in pieces";
  for (int i = 0; i < 300; ++i) store(rng.below(next));
  node.expect_totals();
  for (std::uint64_t i = 0; i < next; ++i) {
    ASSERT_EQ(node.get(numbered(i)).size(), 1U) << i;
    EXPECT_EQ(node.shown[0], node.blob(author, numbered(i), seqs.at(i))) << i;
  }
  node.expect_totals();
}

TEST(Paged, KeepsALittleInMemoryAndEverythingOnDisk) {
  Paged node(kLittle);
  const Identity author(node.provider, Paged::seed(2));
  for (std::uint64_t i = 0; i < 500; ++i) {
    ASSERT_EQ(node.store(author, numbered(i), node.blob(author, numbered(i), 1)).status, StoreStatus::kStored);
    EXPECT_LE(node.dht->stats().values_memory_bytes, kLittle + 4 * (kHeldOverheadBytes + kKnownBytes + 300));
  }
  EXPECT_TRUE(node.dht->stats().values_paged);
  EXPECT_EQ(node.values(), 500U);
  node.expect_totals();
  for (std::uint64_t i = 0; i < 500; ++i) {
    ASSERT_EQ(node.get(numbered(i)).size(), 1U) << i;
    EXPECT_EQ(node.shown[0], node.blob(author, numbered(i), 1));
  }
  EXPECT_TRUE(node.get(numbered(501)).empty());
  EXPECT_FALSE(node.more) << "it is known that there is nothing";
  const std::size_t loads = node.loaded_total;
  EXPECT_TRUE(node.get(numbered(501)).empty());
  EXPECT_EQ(node.loaded_total, loads) << "and remembered";

  node.restart();
  node.expect_totals();
  for (std::uint64_t i = 0; i < 500; i += 7) ASSERT_EQ(node.get(numbered(i)).size(), 1U) << i;
  // What is on disk decides, not what is in memory.
  EXPECT_EQ(node.store(author, numbered(8), node.blob(author, numbered(8), 2)).status, StoreStatus::kStored);
  EXPECT_EQ(node.store(author, numbered(8), node.blob(author, numbered(8), 1)).status, StoreStatus::kStale);
  node.restart();
  EXPECT_EQ(node.store(author, numbered(8), node.blob(author, numbered(8), 1)).status, StoreStatus::kStale);
  node.expect_totals();
}

// Several values in one message, of which the disk knows one: one answer when all has been looked up and written.
TEST(Paged, SeveralValuesAtOnceWaitForTheDiskTogether) {
  Paged node(kLittle);
  const Identity first(node.provider, Paged::seed(2)), second(node.provider, Paged::seed(3));
  const NodeId key = numbered(0);
  ASSERT_EQ(node.store(first, key, node.blob(first, key, 5)).status, StoreStatus::kStored);
  for (std::uint64_t i = 1; i < 300; ++i) {
    ASSERT_EQ(node.store(first, numbered(i), node.blob(first, numbered(i), 1)).status, StoreStatus::kStored);
  }
  node.restart();
  const Bytes older = node.blob(first, key, 4), other = node.blob(second, key, 1);
  StoreMany m{.token = node.message(first, key, older, 3600).token};
  m.items.push({key, 3600, older});
  m.items.push({key, 3600, other});
  Output out;
  node.dht->on_store_many(node.now, node.asker(first), m, out);
  EXPECT_FALSE(out.loads.empty());
  EXPECT_TRUE(out.replies_many.empty());
  node.settle(out);
  ASSERT_EQ(node.stored_many.size(), 1U);
  const auto& answers = node.stored_many[0].answers;
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].status, StoreStatus::kStale);
  EXPECT_EQ(answers[0].seq, 5U);
  EXPECT_EQ(answers[1].status, StoreStatus::kStored);
  EXPECT_EQ(node.get(key).size(), 2U);

  node.restart();
  node.disk_fails = true;
  node.stored_many.clear();
  m.token = node.message(first, key, older, 3600).token;
  node.dht->on_store_many(node.now, node.asker(first), m, out);
  node.settle(out);
  ASSERT_EQ(node.stored_many.size(), 1U);
  for (const Stored& answer : node.stored_many[0].answers) EXPECT_EQ(answer.status, StoreStatus::kFailed);
}

// The same stores to a store that fits and to one that does not: same answers, same rows.
TEST(Paged, AnswersLikeAStoreThatFits) {
  for (std::uint64_t seed = test_seed(1); seed < 6; ++seed) {
    Rng rng(seed);
    const std::size_t room = 40 * (kHeldOverheadBytes + 220);
    Paged fits(0, room, 12), small(kLittle, room, 12);
    std::vector<std::unique_ptr<Identity>> authors;
    for (std::uint8_t i = 0; i < 8; ++i) {
      authors.push_back(std::make_unique<Identity>(fits.provider, Paged::seed(static_cast<std::uint8_t>(10 + i))));
    }
    for (int step = 0; step < 600; ++step) {
      const Identity& author = *authors[rng.below(authors.size())];
      const NodeId key = numbered(rng.below(60));
      const std::uint64_t seq = 1 + rng.below(4);
      const std::uint32_t lifetime_s = 600 + static_cast<std::uint32_t>(rng.below(3000));
      const Bytes blob = fits.blob(author, key, seq, 20 + rng.below(200), lifetime_s);
      const Stored a = fits.store(author, key, blob, lifetime_s);
      const Stored b = small.store(author, key, blob, lifetime_s);
      ASSERT_EQ(a.status, b.status) << "seed " << seed << " step " << step;
      ASSERT_EQ(a.seq, b.seq) << "seed " << seed << " step " << step;
      if (step % 5 == 0) {
        const NodeId asked = numbered(rng.below(60));
        ASSERT_EQ(fits.get(asked), small.get(asked)) << "seed " << seed << " step " << step;
      }
      if (step % 50 == 49) {
        const Duration span = std::chrono::seconds(rng.below(400));
        fits.pass(span);
        small.pass(span);
      }
    }
    fits.pass(1s);
    small.pass(1s);
    small.expect_totals();
    EXPECT_TRUE(small.dht->stats().values_paged);
    for (const auto& [key, value] : fits.rows) {
      if (key[0] != kValueTable) continue;
      EXPECT_TRUE(small.rows.contains(key)) << "seed " << seed;
    }
    EXPECT_EQ(fits.values(), small.values()) << "seed " << seed;
  }
}

TEST(Paged, WhatHasEndedGoesFromTheDisk) {
  Paged node(kLittle);
  const Identity author(node.provider, Paged::seed(2));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint32_t lifetime_s = i % 2 == 0 ? 600 : 7200;
    (void)node.store(author, numbered(i), node.blob(author, numbered(i), 1, 100, lifetime_s), lifetime_s);
  }
  // Renewed in time: the author stores it again.
  node.now.mono += 100s;
  for (std::uint64_t i = 0; i < 100; i += 2) {
    node.now.mono += 1s;
    (void)node.store(author, numbered(i), node.blob(author, numbered(i), 1, 100, 600), 600);
  }
  node.pass(480s);
  EXPECT_EQ(node.values(), 550U);
  node.expect_totals();
  node.pass(130s);
  EXPECT_EQ(node.values(), 500U);
  node.expect_totals();
  node.restart();
  node.pass(7200s);
  EXPECT_EQ(node.values(), 0U);
  node.expect_totals();
}

// Who is asked for in its last second, or when it has ended and is not erased yet, is erased all the same.
TEST(Paged, WhatIsReadAtItsEndGoesFromTheDisk) {
  Paged node(kLittle);
  const Identity author(node.provider, Paged::seed(2));
  for (std::uint64_t i = 0; i < 100; ++i) {
    (void)node.store(author, numbered(i), node.blob(author, numbered(i), 1, 100, 600), 600);
  }
  node.restart();
  node.now.mono += 599s + 500ms;
  EXPECT_TRUE(node.get(numbered(3)).empty());
  node.now.mono += 1s;
  EXPECT_TRUE(node.get(numbered(4)).empty());
  node.pass(10s);
  EXPECT_EQ(node.values(), 0U);
  node.expect_totals();
}

// An author's values are counted once, and what has ended on the disk alone is taken off the count.
TEST(Paged, AnAuthorIsCountedOnceAndFreedOfWhatHasEnded) {
  constexpr std::uint64_t kQuota = 60;
  Paged node(kLittle, 16 << 20, kQuota);
  const Identity author(node.provider, Paged::seed(2));
  const auto put = [&](std::uint64_t i) {
    return node.store(author, numbered(i), node.blob(author, numbered(i), 1, 100, 600), 600).status;
  };
  for (std::uint64_t i = 0; i < kQuota - 10; ++i) ASSERT_EQ(put(i), StoreStatus::kStored);
  node.restart();
  for (std::uint64_t i = kQuota - 10; i < kQuota; ++i) ASSERT_EQ(put(i), StoreStatus::kStored);
  EXPECT_EQ(put(kQuota), StoreStatus::kQuota);
  EXPECT_EQ(node.counted_total, 1U);
  node.pass(700s);
  ASSERT_EQ(node.values(), 0U);
  for (std::uint64_t i = 100; i < 100 + kQuota; ++i) EXPECT_EQ(put(i), StoreStatus::kStored) << i;
  EXPECT_EQ(put(99), StoreStatus::kQuota);
  EXPECT_EQ(node.counted_total, 1U);
}

TEST(Paged, AnOldAnswerBringsNothingBack) {
  Paged node(kLittle);
  const Identity author(node.provider, Paged::seed(2));
  for (std::uint64_t i = 0; i < 100; ++i) (void)node.store(author, numbered(i), node.blob(author, numbered(i), 1));
  node.restart();  // so the author's values are to be counted, which is a load of its own
  // Somebody asks for key 3; it is read from the disk, but the answer takes a while.
  Output slow;
  Values reply;
  ASSERT_FALSE(node.dht->on_get(node.now, node.asker(node.reader), {.key = numbered(3)}, reply, slow));
  ASSERT_EQ(slow.loads.size(), 1U);
  const Loaded old = sim::answer(node.rows, slow.loads[0]);
  // Meanwhile the author stores a newer one, which waits for the same load and then for its commit.
  Output out;
  const Bytes newer = node.blob(author, numbered(3), 2);
  node.dht->on_store(node.now, node.asker(author), node.message(author, numbered(3), newer, 3600), out);
  Output answered;
  node.settle(out);
  ASSERT_EQ(node.stored.back().seq, 2U);
  // A lot comes and goes, so that memory would be needed elsewhere.
  for (std::uint64_t i = 50; i < 100; ++i) (void)node.get(numbered(i));
  node.dht->on_loaded(node.now, old, answered);
  ASSERT_EQ(answered.late_values.size(), 1U);
  ASSERT_EQ(answered.late_values[0].message.values.size(), 1U);
  EXPECT_TRUE(equal(answered.late_values[0].message.values[0].blob, newer));
  node.keep(answered);
  EXPECT_EQ(node.get(numbered(3)).at(0), newer);
  node.expect_totals();
}

TEST(Paged, AStoreThatCannotReadSaysSo) {
  Paged node(kLittle);
  const Identity author(node.provider, Paged::seed(2));
  for (std::uint64_t i = 0; i < 100; ++i) (void)node.store(author, numbered(i), node.blob(author, numbered(i), 1));
  node.disk_fails = true;
  EXPECT_TRUE(node.get(numbered(3)).empty());
  EXPECT_TRUE(node.more) << "there may be something";
  EXPECT_EQ(node.store(author, numbered(3), node.blob(author, numbered(3), 2)).status, StoreStatus::kFailed);
  node.pass(1min);
  node.disk_fails = false;
  EXPECT_EQ(node.get(numbered(3)).size(), 1U);
  node.expect_totals();
}

TEST(Paged, ManyQuestionsAtOnceAreBounded) {
  Paged node(kLittle);
  const Identity author(node.provider, Paged::seed(2));
  for (std::uint64_t i = 0; i < 100; ++i) (void)node.store(author, numbered(i), node.blob(author, numbered(i), 1));
  Output out;
  std::size_t at_once = 0;
  for (std::uint64_t i = 0; i < 6000; ++i) {
    Values reply;
    if (node.dht->on_get(node.now, node.asker(node.reader), {.key = numbered(10'000 + i % 3000)}, reply, out)) {
      EXPECT_TRUE(reply.more);
      ++at_once;
    }
  }
  EXPECT_LE(out.loads.size(), kLoadsMax);
  EXPECT_GT(at_once, 0U);
  std::size_t late = 0;
  for (const Load& load : std::vector<Load>(std::move(out.loads))) {
    Output more;
    node.dht->on_loaded(node.now, sim::answer(node.rows, load), more);
    late += more.late_values.size();
  }
  EXPECT_EQ(at_once + late, 6000U) << "each is answered once";
  // Early data gets no place to wait, and its answer is here when it asks again.
  Asker early = node.asker(node.reader);
  early.early = true;
  Values reply;
  Output o;
  EXPECT_TRUE(node.dht->on_get(node.now, early, {.key = numbered(7)}, reply, o));
  EXPECT_TRUE(reply.more);
  node.settle(o);
  const std::size_t loads = node.loaded_total;
  EXPECT_EQ(node.get(numbered(7)).size(), 1U);
  EXPECT_EQ(node.loaded_total, loads);
}

TEST(Paged, AMeshKeepsItsValuesWithNextToNothingInMemory) {
  Mesh mesh({.seed = test_seed(3), .config = {.replicas = 6, .republish_every = 30min, .values_memory_max = kLittle}});
  mesh.grow(30);
  for (int i = 0; i < 300; ++i) {
    const std::string name = "v" + std::to_string(i);
    const auto done = mesh.put_done(static_cast<std::size_t>(i % 30), mesh.put(static_cast<std::size_t>(i % 30), name, name));
    ASSERT_TRUE(done.result.has_value()) << i;
  }
  mesh.run_for(10s);
  for (const auto& node : mesh.nodes) {
    EXPECT_TRUE(node->dht->stats().values_paged);
    EXPECT_LE(node->dht->stats().values_memory_bytes, 64 * kLittle);
  }
  for (std::size_t dead = 20; dead < 25; ++dead) mesh.kill(dead);
  mesh.restart(3, 10s);
  mesh.restart(4, 10s);
  mesh.run_for(2h);
  const auto copies = [&mesh](int i) {
    return mesh.holders(id_of("v" + std::to_string(i)), mesh.nodes[static_cast<std::size_t>(i % 30)]->contact.id, 1);
  };
  int whole = 0;
  for (int i = 0; i < 300; ++i) {
    const auto found = mesh.get_done(10, mesh.get(10, "v" + std::to_string(i)));
    EXPECT_TRUE(found.result.has_value()) << i;
    if (copies(i) >= 6) ++whole;
  }
  EXPECT_GE(whole, 297) << "copies are made again where nodes were lost";
}

TEST(Recency, TellsWhenWithinAPart) {
  Recency recency(ByteArray<16>{1}, 16min);
  const Slot a{id_of("a"), id_of("x")}, b{id_of("b"), id_of("x")};
  EXPECT_FALSE(recency.due(a, Instant(5h)).has_value());
  for (int hour = 0; hour < 200; ++hour) {
    const Instant now = Instant{} + std::chrono::hours(hour);
    recency.note(a, now + 16min);
    const auto due = recency.due(a, now + 3min);
    ASSERT_TRUE(due.has_value());
    EXPECT_LE(*due, now + 16min);
    EXPECT_GT(*due, now + 15min - 1us);
    const auto past = recency.due(a, now + 60min);
    ASSERT_TRUE(past.has_value());
    EXPECT_LT(*past, now + 60min);
  }
  EXPECT_FALSE(recency.due(b, Instant(5h)).has_value());
}

}  // namespace
}  // namespace weft::dht
