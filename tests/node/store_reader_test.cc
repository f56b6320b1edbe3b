// The store's second thread: snapshots while the writer commits, its limits, its end, and a disk that fails.
#include "node/store_reader.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "node/store_sqlite.h"
#include "tests/node/faulty_vfs.h"
#include "tests/node/rows_of_all_kinds.h"
#include "tests/node/scratch_dir.h"

namespace weft::node {
namespace {

using testing::HasSubstr;

constexpr Stamp kStamp{.wall = {1}, .node = {1}};

// A store whose wake-ups can be waited for.
struct Bench {
  explicit Bench(const std::string& path) {
    auto result = open_sqlite_store({.path = path, .relaxed = false, .wake = [this] { woken(); }});
    if (result) store = std::move(result->store);
  }
  ~Bench() { let_go(); }
  void woken() {
    std::unique_lock lock(mutex);
    ++wakes;
    changed.notify_all();
    if (!pthread_equal(pthread_self(), loop)) changed.wait(lock, [this] { return !held_up; });
  }
  // From here on the store's threads stop in their wake-up.
  void hold_up() {
    const std::lock_guard lock(mutex);
    held_up = true;
  }
  void let_go() {
    const std::lock_guard lock(mutex);
    held_up = false;
    changed.notify_all();
  }
  template <class Take>
  void wait_until(Take take) {
    std::unique_lock lock(mutex);
    for (;;) {
      lock.unlock();
      if (take()) return;
      lock.lock();
      changed.wait(lock, [this] { return wakes > 0; });
      wakes = 0;
    }
  }
  bool commit(std::vector<Write> writes) {
    store->submit(kStamp, Ticket{1}, std::move(writes));
    std::vector<StoreDone> done;
    wait_until([&] {
      store->take_done(done);
      return !done.empty();
    });
    return done[0].ok;
  }
  std::vector<dht::Loaded> wait_loaded(std::size_t count) {
    std::vector<dht::Loaded> loaded;
    wait_until([&] {
      store->take_loaded(loaded);
      return loaded.size() >= count;
    });
    EXPECT_EQ(loaded.size(), count);
    return loaded;
  }
  dht::Loaded load_all(std::size_t rows_max = 1000) {
    store->load({Ticket{77}, all_keys(rows_max)});
    return std::move(wait_loaded(1)[0]);
  }
  static dht::LoadKeys all_keys(std::size_t rows_max) {
    return {.first = {}, .last = id(0xff), .rows_max = rows_max, .author = identity().id(), .author_max = 1000};
  }

  std::unique_ptr<Store> store;
  const pthread_t loop = pthread_self();
  std::mutex mutex;
  std::condition_variable changed;
  int wakes = 0;
  bool held_up = false;
};

TEST(StoreReader, AnswersWithWhatWasCommitted) {
  const ScratchDir dir;
  Bench bench(dir.path("s.db"));
  EXPECT_TRUE(bench.load_all().rows.empty());
  const Write one = held_row_of(id(1), as_bytes("one"), 60);
  ASSERT_TRUE(bench.commit({one}));
  const dht::Loaded loaded = bench.load_all();
  EXPECT_TRUE(loaded.ok);
  EXPECT_EQ(loaded.ticket, Ticket{77});
  ASSERT_EQ(loaded.rows.size(), 1U);
  EXPECT_EQ(loaded.rows[0].key, one.key);
  EXPECT_EQ(loaded.rows[0].value, one.value);
  EXPECT_EQ(loaded.of_author, 1U);
  bench.store->load({Ticket{3}, dht::LoadEnded{.until_ms = 0, .rows_max = 1}});
  EXPECT_EQ(bench.wait_loaded(1)[0].next_end_ms, kThen.wall.value + 60'000);
  bench.store->load({Ticket{4}, dht::LoadFarthest{.from = {}, .rows_max = 1}});
  EXPECT_EQ(bench.wait_loaded(1)[0].rows.size(), 1U);
  const StoreStats stats = bench.store->stats();
  EXPECT_EQ(stats.loads_total, 4U);
  EXPECT_EQ(stats.load_failures_total, 0U);
  EXPECT_EQ(stats.rows_loaded_total, 2U);
  EXPECT_EQ(bench.store->health(), "");
}

// Each batch writes the same version under eight keys, and every third one erases half of them: no answer mixes two batches,
// or is older than what was acknowledged when it was asked for.
TEST(StoreReader, AnAnswerIsOneSnapshot) {
  const ScratchDir dir;
  Bench bench(dir.path("s.db"));
  std::vector<dht::Loaded> loaded;
  std::vector<StoreDone> done;
  std::vector<std::size_t> acknowledged;  // batches, at each load
  std::set<std::size_t> sizes;
  std::size_t seen = 0;
  std::uint64_t asked = 0;
  for (std::uint64_t version = 0; version < 600; ++version) {
    std::vector<Write> batch;
    Bytes value(8 + 600);
    store_le(value.data(), version);
    for (std::uint8_t i = 0; i < 8; ++i) {
      batch.push_back(held_row_of(id(static_cast<std::uint8_t>(i * 31)), value, 60));
      batch.back().erase = version % 3 == 0 && i % 2 == 0;
    }
    bench.store->submit(kStamp, Ticket{version}, std::move(batch));
    for (int i = 0; i < 4; ++i) bench.store->load({Ticket{++asked}, Bench::all_keys(100)});
    acknowledged.resize(asked, done.size());
    const bool wait = version % 8 == 7;  // now and then, as a disk may be slower than the loop
    bench.wait_until([&] {
      bench.store->take_loaded(loaded);
      bench.store->take_done(done);
      return !wait || (loaded.size() == asked && done.size() == version + 1);
    });
  }
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    ASSERT_TRUE(loaded[i].ok);
    ASSERT_EQ(loaded[i].ticket, Ticket{i + 1}) << "in their order, each once";
    ASSERT_EQ(loaded[i].of_author, loaded[i].rows.size());
    sizes.insert(loaded[i].rows.size());
    std::set<std::uint64_t> versions;
    for (const Write& row : loaded[i].rows) {
      versions.insert(load_le<std::uint64_t>(dht::read_value_row(row.key, row.value)->value.value.data()));
    }
    ASSERT_LE(versions.size(), 1U);
    if (versions.empty()) {
      ASSERT_EQ(acknowledged[i], 0U);
      continue;
    }
    ASSERT_GE(*versions.begin() + 1, acknowledged[i]);
    ASSERT_GE(*versions.begin(), last) << "and never an older state";
    seen += *versions.begin() > last ? 1U : 0U;
    last = *versions.begin();
  }
  EXPECT_EQ(loaded.size(), asked);
  EXPECT_GT(seen, 70U);
  EXPECT_THAT(sizes, testing::IsSubsetOf({0U, 4U, 8U}));
  EXPECT_THAT(sizes, testing::Contains(8U));
}

TEST(StoreReader, AFullQueueRefuses) {
  const ScratchDir dir;
  Bench bench(dir.path("s.db"));
  bench.hold_up();
  bench.store->load({Ticket{0}, Bench::all_keys(1)});
  bench.wait_loaded(1);  // its thread stands in the wake-up now
  for (std::uint64_t i = 1; i <= kStoreLoadsMax + 3; ++i) bench.store->load({Ticket{i}, Bench::all_keys(1)});
  const auto refused = bench.wait_loaded(3);
  for (const dht::Loaded& each : refused) {
    EXPECT_FALSE(each.ok);
    EXPECT_GT(each.ticket, Ticket{kStoreLoadsMax});
  }
  EXPECT_THAT(bench.store->health(), HasSubstr("too slow"));
  bench.let_go();
  for (const dht::Loaded& each : bench.wait_loaded(kStoreLoadsMax)) EXPECT_TRUE(each.ok);
  EXPECT_EQ(bench.store->health(), "");
  EXPECT_EQ(bench.store->stats().load_failures_total, 3U);
}

TEST(StoreReader, CloseAnswersEverything) {
  const ScratchDir dir;
  Bench bench(dir.path("s.db"));
  ASSERT_TRUE(bench.commit({held_row_of(id(1), as_bytes("one"), 60)}));
  constexpr std::uint64_t kLoads = 2000;
  for (std::uint64_t i = 0; i < kLoads; ++i) bench.store->load({Ticket{i}, Bench::all_keys(1)});
  bench.store->close(kStamp);
  bench.store->load({Ticket{kLoads}, Bench::all_keys(1)});  // too late
  std::vector<dht::Loaded> loaded;
  bench.store->take_loaded(loaded);
  ASSERT_EQ(loaded.size(), kLoads + 1);
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    EXPECT_EQ(loaded[i].ticket, Ticket{i});
    EXPECT_EQ(loaded[i].rows.size(), loaded[i].ok ? 1U : 0U);
    EXPECT_TRUE(i == 0 || loaded[i - 1].ok || !loaded[i].ok) << "those that began came first";
  }
  EXPECT_FALSE(loaded.back().ok);
  EXPECT_EQ(bench.store->health(), "");
  // The log stays with the file, as it does without a reader.
  EXPECT_TRUE(std::filesystem::exists(dir.path("s.db-wal")));
}

TEST(StoreReader, AReadErrorIsToldAndPasses) {
  const ScratchDir dir;
  FaultyVfs disk;
  Bench bench(dir.path("s.db"));
  const Write row = held_row_of(id(1), Bytes(900), 60);
  ASSERT_TRUE(bench.commit({row}));
  for (int round = 0; round < 3; ++round) {  // at the opening, then in an open file
    disk.fail_reads(true);
    const dht::Loaded failed = bench.load_all();
    disk.fail_reads(false);
    EXPECT_FALSE(failed.ok) << round;
    EXPECT_TRUE(failed.rows.empty());
    EXPECT_EQ(failed.of_author, 0U);
    EXPECT_THAT(bench.store->health(), HasSubstr("cannot read " + dir.path("s.db") + ": disk I/O error"));
    EXPECT_EQ(bench.load_all().rows.size(), 1U);
    EXPECT_EQ(bench.store->health(), "");
    ASSERT_TRUE(bench.commit({row}));  // what the reader had read is read anew
  }
  EXPECT_EQ(bench.store->stats().load_failures_total, 3U);
  bench.store->close(kStamp);
}

// The power goes at each operation of the writer's while loads come in: each load is answered, by what was
// committed or not at all, and what was acknowledged is in every later answer.
TEST(StoreReader, APowerCutAnywhereEndsNoLoadInAHang) {
  std::size_t failed = 0;
  std::size_t answered = 0;
  bool cut = true;
  for (std::uint64_t at = 240; cut; at += 3) {
    const ScratchDir dir("/dev/shm");
    FaultyVfs disk;
    disk.cut_power_at(at);
    Bench bench(dir.path("s.db"));
    std::size_t acknowledged = 0;
    for (std::uint8_t i = 1; bench.store && i <= 20; ++i) {
      bench.store->load({Ticket{i}, Bench::all_keys(1000)});  // at the same time
      acknowledged = bench.commit({held_row_of(id(i), Bytes(500), 60)}) ? i : acknowledged;
      bench.wait_loaded(1);
      const dht::Loaded loaded = bench.load_all();
      (loaded.ok ? answered : failed) += 1;
      if (loaded.ok) {
        ASSERT_GE(loaded.rows.size(), acknowledged) << at;
      }
    }
    if (bench.store) bench.store->close({});
    cut = disk.is_off();
  }
  EXPECT_GT(failed, 100U);
  EXPECT_GT(answered, 100U);
}

TEST(MemoryStore, HasNothingToLoad) {
  MemoryStore store;
  store.load({Ticket{5}, dht::LoadEnded{}});
  std::vector<dht::Loaded> loaded;
  store.take_loaded(loaded);
  store.take_loaded(loaded);
  ASSERT_EQ(loaded.size(), 1U);
  EXPECT_EQ(loaded[0].ticket, Ticket{5});
  EXPECT_FALSE(loaded[0].ok);
}

}  // namespace
}  // namespace weft::node
