// The durable store on a disk that fails at every operation in turn: nothing that was acknowledged is
// lost, a batch is there as a whole or not at all, and the store opens again.
#include <gmock/gmock.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "node/store_rows.h"
#include "node/store_sqlite.h"
#include "tests/node/faulty_vfs.h"
#include "tests/node/scratch_dir.h"

namespace weft::node {
namespace {

using testing::HasSubstr;
using Rows = std::map<std::string, Bytes>;  // by key

constexpr std::uint64_t kBatches = 40;
const std::string kMemory = "/dev/shm";  // no disk that takes its time: thousands of stores are made
constexpr std::uint64_t kMaking = 240;  // operations of a new store before it has its name

// Batch i: the own number i, a row of its own, and one that all batches overwrite.
std::vector<Write> batch(std::uint64_t i) {
  Bytes number(8);
  store_le(number.data(), i);
  return {{{kRowNumber}, number, false},
          {{'x', static_cast<std::uint8_t>(i)}, Bytes(700, static_cast<std::uint8_t>(i)), false},
          {{'y'}, number, false}};
}

std::string row_of(std::uint64_t i) { return {'x', static_cast<char>(i)}; }

struct Outcome {
  std::string failure;  // of the opening
  std::vector<bool> ok;  // of each batch that was submitted, from 1 on
  std::string health;
};

// Opens the store, submits batches one after the other, and ends as a process would that lost its disk.
Outcome work(const std::string& path, bool relaxed, const FaultyVfs& disk) {
  Outcome outcome;
  std::mutex mutex;
  std::condition_variable changed;
  int wakes = 0;
  auto opened = open_sqlite_store({path, relaxed, [&] {
                                     const std::lock_guard lock(mutex);
                                     ++wakes;
                                     changed.notify_one();
                                   }});
  if (!opened) {
    outcome.failure = opened.error().message;
    return outcome;
  }
  for (std::uint64_t i = 1; i <= kBatches && !disk.is_off(); ++i) {
    opened->store->submit({{static_cast<std::int64_t>(i)}, {1}}, Ticket{i}, batch(i));
    std::vector<StoreDone> done;
    while (done.empty()) {
      opened->store->take_done(done);
      if (!done.empty()) break;
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return wakes > 0; });
      wakes = 0;
    }
    outcome.ok.push_back(done[0].ok);
    outcome.health = opened->store->health();
  }
  opened->store->close({});
  return outcome;
}

// Holds what is there after the restart against what was acknowledged. Returns acknowledged batches that
// are missing.
std::size_t judge(const std::string& path, const Outcome& outcome, const std::string& where) {
  const FaultyVfs well;  // spares the syncs
  auto opened = open_sqlite_store({path, false, {}});
  EXPECT_TRUE(opened) << where << ": " << opened.error().message;
  if (!opened) return 0;
  Rows rows;
  for (Write& row : opened->rows) rows[std::string(as_text(row.key))] = std::move(row.value);
  std::size_t lost = 0;
  std::uint64_t last = 0;  // batch whose overwriting rows are there
  if (const auto it = rows.find("y"); it != rows.end()) last = load_le<std::uint64_t>(it->second.data());
  for (std::uint64_t i = 1; i <= outcome.ok.size(); ++i) {
    const bool there = rows.contains(row_of(i));
    if (outcome.ok[i - 1] && (!there || last < i)) ++lost;
    if (there) {
      EXPECT_EQ(rows.at(row_of(i)), batch(i)[1].value) << where;
    }
  }
  // Whole batches: the number and the row of the last one belong together.
  EXPECT_EQ(rows.contains("n"), last > 0) << where;
  if (last > 0) {
    EXPECT_EQ(rows.at("n"), batch(last)[0].value) << where;
    EXPECT_TRUE(rows.contains(row_of(last))) << where;
  }
  // And it works.
  opened->store->submit({{1}, {1}}, Ticket{1}, batch(kBatches + 1));
  opened->store->close({});
  std::vector<StoreDone> done;
  opened->store->take_done(done);
  EXPECT_TRUE(done.size() == 1 && done[0].ok) << where;
  return lost;
}

// How many operations opening and all batches take on a disk that is well.
std::uint64_t operations_of_all(bool relaxed) {
  const ScratchDir dir(kMemory);
  const FaultyVfs disk;
  const Outcome outcome = work(dir.path("weft.db"), relaxed, disk);
  EXPECT_EQ(outcome.ok, std::vector<bool>(kBatches, true));
  return disk.operations();
}
TEST(StoreFaults, APowerCutAtEveryOperationLosesNothingAcknowledged) {
  const std::uint64_t all = operations_of_all(/*relaxed=*/false);
  EXPECT_GT(all, 400U);
  std::size_t acknowledged = 0;
  for (std::uint64_t at = 0; at < all; at += at < kMaking ? 7 : 1) {
    const ScratchDir dir(kMemory);
    const std::string path = dir.path("weft.db");
    Outcome outcome;
    {
      FaultyVfs disk;
      disk.cut_power_at(at);
      outcome = work(path, /*relaxed=*/false, disk);
      disk.lose_unsynced(at);
      std::filesystem::remove(path + "-shm");
    }
    acknowledged += static_cast<std::size_t>(std::ranges::count(outcome.ok, true));
    EXPECT_EQ(judge(path, outcome, "cut at " + std::to_string(at)), 0U) << "cut at " << at;
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(acknowledged, all);
}

// The same judge sees what --durability relaxed gives away.
TEST(StoreFaults, ARelaxedStoreDoesLoseWhatItAcknowledged) {
  const std::uint64_t all = operations_of_all(/*relaxed=*/true);
  std::size_t lost = 0;
  for (std::uint64_t at = kMaking; at < all; at += 10) {
    const ScratchDir dir(kMemory);
    Outcome outcome;
    {
      FaultyVfs disk;
      disk.cut_power_at(at);
      outcome = work(dir.path("weft.db"), /*relaxed=*/true, disk);
      disk.lose_unsynced(at);
      std::filesystem::remove(dir.path("weft.db-shm"));
    }
    lost += judge(dir.path("weft.db"), outcome, "relaxed, cut at " + std::to_string(at));
  }
  EXPECT_GT(lost, 0U);
}

// One error, or a disk that is full for a while: the batches that it hits are refused, the others are
// kept, in this life and in the next.
TEST(StoreFaults, AnErrorRefusesABatchAndNoMore) {
  const std::uint64_t all = operations_of_all(/*relaxed=*/false) - 200;  // the last batches find it well
  std::size_t refused = 0;
  for (const auto& [code, count] : {std::pair{SQLITE_IOERR_WRITE, 1U}, std::pair{SQLITE_FULL, 20U}}) {
    for (std::uint64_t at = 0; at < all; at += 7) {
      const ScratchDir dir(kMemory);
      const std::string path = dir.path("weft.db");
      Outcome outcome;
      {
        FaultyVfs disk;
        disk.fail_at(at, count, code);
        outcome = work(path, /*relaxed=*/false, disk);
      }
      const std::string where = std::to_string(code) + " at " + std::to_string(at);
      if (!outcome.failure.empty()) {
        EXPECT_THAT(outcome.failure, HasSubstr("cannot open the store " + path)) << where;
      } else {
        EXPECT_TRUE(outcome.ok.back()) << where << ": it goes on when the disk is well";
        EXPECT_EQ(outcome.health, "") << where;
      }
      refused += static_cast<std::size_t>(std::ranges::count(outcome.ok, false));
      EXPECT_EQ(judge(path, outcome, where), 0U) << where;
      if (::testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(refused, 20U);
}

}  // namespace
}  // namespace weft::node
