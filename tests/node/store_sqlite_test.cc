#include "node/store_sqlite.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <map>
#include <mutex>

#include "node/store_tables.h"
#include "tests/node/rows_of_all_kinds.h"
#include "tests/node/scratch_dir.h"

namespace weft::node {
namespace {

using testing::HasSubstr;

Write put(std::string_view key, std::string_view value) {
  return {to_bytes(as_bytes(key)), to_bytes(as_bytes(value)), false};
}
Write erase(std::string_view key) { return {to_bytes(as_bytes(key)), {}, true}; }

// A store with the wake-up of its worker turned into a wait.
struct Bench {
  explicit Bench(std::string path, bool relaxed = false) {
    auto result = open_sqlite_store({std::move(path), relaxed, [this] {
                                       const std::lock_guard lock(mutex);
                                       ++wakes;
                                       changed.notify_one();
                                     }});
    if (!result) {
      failure = result.error().message;
      return;
    }
    opened = std::move(*result);
  }
  Store& store() { return *opened.store; }
  std::map<std::string, std::string> rows() const {
    std::map<std::string, std::string> map;
    for (const Write& row : opened.rows) map[std::string(as_text(row.key))] = as_text(row.value);
    return map;
  }
  // Waits until `count` tickets have ended.
  std::vector<StoreDone> wait(std::size_t count) {
    std::vector<StoreDone> done;
    std::unique_lock lock(mutex);
    for (;;) {
      lock.unlock();
      store().take_done(done);
      lock.lock();
      if (done.size() >= count) return done;
      changed.wait(lock, [this] { return wakes > 0; });
      wakes = 0;
    }
  }

  OpenedStore opened;
  std::string failure;
  std::mutex mutex;
  std::condition_variable changed;
  int wakes = 0;
};

TEST(SqliteStore, KeepsRowsOverARestart) {
  ScratchDir dir;
  {
    Bench bench(dir.path("s.db"));
    ASSERT_EQ(bench.failure, "");
    EXPECT_TRUE(bench.opened.rows.empty());
    bench.store().submit({{1}, {1}}, Ticket{1}, {put("a", "1"), put("b", "2"), put("empty", "")});
    bench.store().submit({{2}, {2}}, Ticket{2}, {put("a", "3"), erase("b"), erase("never")});
    const auto done = bench.wait(2);
    ASSERT_EQ(done.size(), 2u);
    EXPECT_TRUE(done[0].ok && done[1].ok);
  }
  Bench again(dir.path("s.db"));
  EXPECT_EQ(again.rows(), (std::map<std::string, std::string>{{"a", "3"}, {"empty", ""}}));
  EXPECT_EQ(again.opened.last_seen.value, 2);
}

TEST(SqliteStore, NotesTheEndOfItsLife) {
  ScratchDir dir;
  {
    Bench bench(dir.path("s.db"));
    EXPECT_EQ(bench.opened.last_seen.value, 0);
    bench.store().close({{77}, {77}});
  }
  EXPECT_EQ(Bench(dir.path("s.db")).opened.last_seen.value, 77);
}

// What `life` tells is what `held` holds, after a kill at any moment, too; values that would take too much memory
// stay where they are.
TEST(SqliteStore, TellsItsTotalsAfterAKill) {
  ScratchDir dir;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(60);
    Bench bench(dir.path("s.db"));
    for (std::uint64_t i = 1;; ++i) {
      const auto key = static_cast<std::uint8_t>(i % 50);
      Write row = held_row_of(id(key), Bytes(i % 700), /*remaining_s=*/60);
      row.erase = i % 3 == 0;
      bench.store().submit({{1}, {static_cast<std::int64_t>(i)}}, Ticket{i}, {row});
      if (i == 400) dir.write("well on", "");
      if (!bench.wait(1)[0].ok) ::_exit(1);
    }
  }
  while (!std::filesystem::exists(dir.path("well on"))) ::usleep(1000);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  dht::HeldTotals held;
  {
    Bench again(dir.path("s.db"));
    ASSERT_EQ(again.failure, "");
    held = again.opened.held;
    EXPECT_FALSE(again.store().stats().totals_mended);
    EXPECT_TRUE(again.opened.held_in_rows);
    EXPECT_EQ(again.opened.rows.size(), held.values);
    EXPECT_GE(again.opened.node_time.value, 399);
    EXPECT_GT(held.bytes, held.values * 100);
    again.store().submit({{1}, {1}}, Ticket{1}, {put("n", "other")});
  }
  const std::size_t memory = held.bytes + held.values * dht::kHeldOverheadBytes;
  for (const std::size_t room : {memory, memory - 1}) {
    auto opened = open_sqlite_store({.path = dir.path("s.db"), .held_in_memory_max = room});
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->held_in_rows, room == memory);
    EXPECT_EQ(opened->rows.size(), (room == memory ? held.values : 0U) + 1);
    EXPECT_EQ(opened->held.values, held.values);
    EXPECT_EQ(opened->held.bytes, held.bytes);
  }
}

TEST(SqliteStore, WhatWasAcknowledgedSurvivesAKill) {
  ScratchDir dir;
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Bench bench(dir.path("s.db"));
    for (std::uint64_t i = 1;; ++i) {
      bench.store().submit({{1}, {1}}, Ticket{i}, {put(std::to_string(i), "v")});
      if (!bench.wait(1)[0].ok) ::_exit(1);
      if (::write(pipe[1], &i, sizeof i) != sizeof i) ::_exit(1);
    }
  }
  ::close(pipe[1]);
  std::uint64_t acknowledged = 0;
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(::read(pipe[0], &acknowledged, sizeof acknowledged), ssize_t{sizeof acknowledged});
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  while (::read(pipe[0], &acknowledged, sizeof acknowledged) > 0) {
  }
  ::close(pipe[0]);
  Bench again(dir.path("s.db"));
  ASSERT_EQ(again.failure, "");
  const auto rows = again.rows();
  for (std::uint64_t i = 1; i <= acknowledged; ++i) EXPECT_TRUE(rows.contains(std::to_string(i)));
}

TEST(SqliteStore, GathersWhatComesWhileItCommits) {
  ScratchDir dir;
  Bench bench(dir.path("s.db"));
  for (std::uint64_t i = 0; i < 500; ++i) {
    bench.store().submit({{1}, {1}}, Ticket{i}, {put(std::to_string(i), "value")});
  }
  const auto done = bench.wait(500);
  EXPECT_EQ(done.size(), 500u);
  for (std::size_t i = 0; i < done.size(); ++i) {
    EXPECT_TRUE(done[i].ok);
    EXPECT_EQ(done[i].ticket, Ticket{i});
  }
  EXPECT_LT(bench.store().stats().commits_total, 250u);
  EXPECT_EQ(bench.store().stats().queued_bytes, 0u);
}

TEST(SqliteStore, CloseWritesWhatWasSubmitted) {
  ScratchDir dir;
  {
    Bench bench(dir.path("s.db"));
    for (std::uint64_t i = 0; i < 100; ++i) {
      bench.store().submit({{1}, {1}}, Ticket{i}, {put(std::to_string(i), "v")});
    }
    bench.store().close({{5}, {5}});
    EXPECT_EQ(bench.wait(100).size(), 100u);
  }
  EXPECT_EQ(Bench(dir.path("s.db")).opened.rows.size(), 100u);
}

TEST(SqliteStore, RelaxedAcknowledgesAtOnceAndWritesSoon) {
  ScratchDir dir;
  {
    Bench bench(dir.path("s.db"), /*relaxed=*/true);
    bench.store().submit({{1}, {1}}, Ticket{1}, {put("a", "1")});
    std::vector<StoreDone> done;
    bench.store().take_done(done);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_TRUE(done[0].ok);
    bench.store().close({{2}, {2}});
    bench.store().take_done(done);
    EXPECT_EQ(done.size(), 1u);  // once
  }
  EXPECT_EQ(Bench(dir.path("s.db")).rows().at("a"), "1");
}

TEST(SqliteStore, AFullQueueRefuses) {
  ScratchDir dir;
  Bench bench(dir.path("s.db"));
  const std::string large(kStoreQueueBytesMax, 'x');
  bench.store().submit({{1}, {1}}, Ticket{1}, {put("a", large)});
  std::vector<StoreDone> done;
  bench.store().take_done(done);
  ASSERT_EQ(done.size(), 1u);
  EXPECT_FALSE(done[0].ok);
  EXPECT_THAT(bench.store().health(), HasSubstr("too slow"));
  bench.store().submit({{1}, {1}}, Ticket{2}, {put("a", "small")});
  EXPECT_TRUE(bench.wait(1)[0].ok);
  EXPECT_EQ(bench.store().health(), "");
}

TEST(SqliteStore, AFullDiskIsAFailureNotACrash) {
  ScratchDir dir;
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  {
    Bench bench(dir.path("s.db"));
    bench.store().submit({{1}, {1}}, Ticket{1}, {put("before", "1")});
    ASSERT_TRUE(bench.wait(1)[0].ok);
    rlimit small = before;
    small.rlim_cur = 256 * 1024;  // what may be written to a file from here on
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    bench.store().submit({{1}, {1}}, Ticket{2}, {put("big", std::string(1 << 20, 'x'))});
    const bool ok = bench.wait(1)[0].ok;
    const std::string health = bench.store().health();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_FALSE(ok);
    EXPECT_THAT(health, HasSubstr("cannot write " + dir.path("s.db")));
    EXPECT_EQ(bench.store().stats().failures_total, 1u);
    // There is room again: writing goes on, and the complaint ends.
    bench.store().submit({{1}, {1}}, Ticket{3}, {put("after", "1")});
    EXPECT_TRUE(bench.wait(1)[0].ok);
    EXPECT_EQ(bench.store().health(), "");
  }
  EXPECT_EQ(Bench(dir.path("s.db")).rows(),
            (std::map<std::string, std::string>{{"before", "1"}, {"after", "1"}}));
}

TEST(SqliteStore, RefusesANewerSchema) {
  ScratchDir dir;
  { Bench bench(dir.path("s.db")); }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(dir.path("s.db").c_str(), &db), SQLITE_OK);
  const std::string newer = "PRAGMA user_version = " + std::to_string(kStoreSchemaVersion + 1);
  ASSERT_EQ(sqlite3_exec(db, newer.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  EXPECT_THAT(Bench(dir.path("s.db")).failure, HasSubstr("written by a newer weft"));
}

TEST(SqliteStore, RefusesWhatIsNotItsOwn) {
  ScratchDir dir;
  dir.write("text.db", std::string(5000, 'x'));
  EXPECT_THAT(Bench(dir.path("text.db")).failure, HasSubstr("cannot open the store"));
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(dir.path("other.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "CREATE TABLE t(x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  EXPECT_THAT(Bench(dir.path("other.db")).failure, HasSubstr("not weft's"));
  EXPECT_THAT(Bench(dir.path("none/s.db")).failure, HasSubstr("cannot open the store"));
}

TEST(MemoryStore, AcknowledgesAtOnce) {
  MemoryStore store;
  store.submit({{1}, {1}}, Ticket{4}, {put("a", "1")});
  std::vector<StoreDone> done;
  store.take_done(done);
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].ticket, Ticket{4});
  EXPECT_TRUE(done[0].ok);
  store.take_done(done);
  EXPECT_EQ(done.size(), 1u);
}

}  // namespace
}  // namespace weft::node
