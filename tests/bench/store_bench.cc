// The durable store's interface against plain SQLite: same file system, pragmas, schema and rows (values of
// 256 bytes, each signed once beforehand), in one run, in turn. The store commits what gathered while the
// last commit ran; plain SQLite gets each of several batch sizes, and the best counts.
//
//   store_bench DIR [ROWS]      prints one JSON object; DIR must be on the disk that is to be measured
#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "crypto/provider.h"
#include "dht/rows.h"
#include "node/store_sqlite.h"
#include "node/store_tables.h"

namespace weft::node {
namespace {

constexpr Now kNow{.mono = Instant{}, .wall = {1'700'000'000'000}};
constexpr std::size_t kValueBytes = 256;

std::vector<Write> make_rows(std::size_t count) {
  const SodiumProvider provider;
  const Identity identity(provider, {7});
  std::vector<Write> rows;
  rows.reserve(count);
  Bytes value(kValueBytes);
  for (std::size_t i = 0; i < count; ++i) {
    store_le<std::uint64_t>(value.data(), i);
    ByteArray<8> raw;
    store_le<std::uint64_t>(raw.data(), i);
    const NodeId key{blake2b_256(raw, raw)};
    const Bytes blob = dht::sign_value(identity, {.key = key, .seq = 1, .lifetime_s = 3600, .value = value});
    rows.push_back(dht::value_row(kNow, {key, identity.id()}, blob, Instant{} + 3600s));
  }
  return rows;
}

void remove_store(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Every row a ticket of its own, as a node gets them; waits only for room in the queue.
double through_store(const std::string& path, const std::vector<Write>& rows, std::uint64_t& commits) {
  remove_store(path);
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t wakes = 0;
  auto opened = open_sqlite_store({path, false, [&] {
                                     const std::lock_guard lock(mutex);
                                     ++wakes;
                                     changed.notify_one();
                                   }});
  if (!opened) {
    std::fprintf(stderr, "%s\n", opened.error().message.c_str());
    std::exit(1);
  }
  Store& store = *opened->store;
  const auto begin = std::chrono::steady_clock::now();
  std::size_t ended = 0;
  std::vector<StoreDone> done;
  const auto collect = [&] {
    done.clear();
    store.take_done(done);
    for (const StoreDone& each : done) {
      if (!each.ok) std::exit(2);
    }
    ended += done.size();
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    while (store.stats().queued_bytes > kStoreQueueBytesMax / 2) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return wakes > 0; });
      wakes = 0;
      lock.unlock();
      collect();
    }
    store.submit({{1}, {1}}, Ticket{i}, {rows[i]});
  }
  while (ended < rows.size()) {
    collect();
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::milliseconds(1));
  }
  const double seconds = seconds_since(begin);
  commits = store.stats().commits_total;
  store.close({{1}, {1}});
  return static_cast<double>(rows.size()) / seconds;
}

double plain(const std::string& path, const std::vector<Write>& rows, std::size_t batch) {
  remove_store(path);
  sqlite3* raw = nullptr;
  sqlite3_open(path.c_str(), &raw);
  const Db db(raw);
  run(raw, "PRAGMA cache_size = -256; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
           "PRAGMA wal_autocheckpoint = 64; BEGIN");
  create_tables(raw);
  run(raw, "COMMIT");
  std::vector<dht::ValueRow> parsed;
  parsed.reserve(rows.size());
  for (const Write& row : rows) parsed.push_back(*dht::read_value_row(row.key, row.value));
  const Statement insert = prepare(raw, "INSERT OR REPLACE INTO held VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < parsed.size(); ++i) {
    if (i % batch == 0) run(raw, "BEGIN IMMEDIATE");
    const dht::ValueRow& row = parsed[i];
    sqlite3_bind_blob(insert.get(), 1, row.key.bytes.data(), 32, SQLITE_STATIC);
    sqlite3_bind_blob(insert.get(), 2, row.author.bytes.data(), 32, SQLITE_STATIC);
    sqlite3_bind_int64(insert.get(), 3, 1);
    sqlite3_bind_int64(insert.get(), 4, row.remaining_s);
    sqlite3_bind_int64(insert.get(), 5, row.wall_ms);
    sqlite3_bind_blob(insert.get(), 6, row.blob.data(), static_cast<int>(row.blob.size()), SQLITE_STATIC);
    if (!step_done(insert.get())) std::exit(3);
    if (i % batch == batch - 1 || i + 1 == parsed.size()) run(raw, "COMMIT");
  }
  return static_cast<double>(parsed.size()) / seconds_since(begin);
}

int measure(const std::string& directory, std::size_t count) {
  const std::string path = directory + "/store_bench.db";
  const std::vector<Write> rows = make_rows(count);
  std::string runs;
  for (int round = 0; round < 3; ++round) {
    std::uint64_t commits = 0;
    const double ours = through_store(path, rows, commits);
    double best = 0;
    std::size_t best_batch = 0;
    for (const std::size_t batch : {300U, 1000U, 3000U, 10'000U}) {
      const double rate = plain(path, rows, batch);
      if (rate <= best) continue;
      best = rate;
      best_batch = batch;
    }
    char line[200];
    std::snprintf(line, sizeof line,
                  "%s{\"store_per_s\":%.0f,\"commits\":%llu,\"plain_per_s\":%.0f,\"plain_batch\":%zu,\"ratio\":%.2f}",
                  round > 0 ? "," : "", ours, static_cast<unsigned long long>(commits), best, best_batch, ours / best);
    runs += line;
  }
  remove_store(path);
  std::printf("{\"rows\":%zu,\"value_bytes\":%zu,\"runs\":[%s]}\n", count, kValueBytes, runs.c_str());
  return 0;
}

}  // namespace
}  // namespace weft::node

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "store_bench DIR [ROWS]\n");
    return 2;
  }
  return weft::node::measure(argv[1], argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 50'000);
}
