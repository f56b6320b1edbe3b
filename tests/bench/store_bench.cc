// The durable store's interface against plain SQLite: same file system, pragmas, schema and rows (values of
// 256 bytes, each signed once beforehand), in one run, in turn. The store commits what gathered while the
// last commit ran; plain SQLite gets each of several batch sizes, and the best counts.
//
//   store_bench DIR [ROWS]        prints one JSON object; DIR must be on the disk that is to be measured
//   store_bench DIR loads [ROWS]  what it takes to open a store with so many held values (a million) and to read
//                                 them again, one load after the other. The store stays in DIR for the next time
//                                 (weft-loads.db); as it was just made or read, it lies in the system's cache
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <utility>

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
  const Statement life = prepare(raw, "UPDATE life SET last_seen_ms = 1, node_ms = 1, held_rows = held_rows + ?1,"
                                      " held_bytes = held_bytes + ?2");
  std::int64_t bytes = 0;
  std::int64_t count = 0;
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
    bytes += static_cast<std::int64_t>(row.blob.size());
    ++count;
    if (i % batch != batch - 1 && i + 1 != parsed.size()) continue;
    sqlite3_bind_int64(life.get(), 1, std::exchange(count, 0));
    sqlite3_bind_int64(life.get(), 2, std::exchange(bytes, 0));
    if (!step_done(life.get()) || !run(raw, "COMMIT")) std::exit(3);
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

// ---- loads

constexpr std::size_t kLoads = 20'000;

NodeId nth_key(std::uint64_t n) {
  ByteArray<8> raw;
  store_le<std::uint64_t>(raw.data(), n);
  return NodeId{blake2b_256(raw, raw)};
}

PublicKey nth_author(std::uint64_t n) { return {nth_key((std::uint64_t{1} << 40) + n % 1000).bytes}; }
// Values of a thousand authors that end within a week; of the form, without signatures.
Write nth_row(std::uint64_t n) {
  static const Bytes like = dht::sign_value(
      Identity(SodiumProvider(), {7}), {.key = {}, .seq = 1, .lifetime_s = dht::kLifetimeMaxS, .value = Bytes(kValueBytes)});
  Bytes blob = like;
  const PublicKey author = nth_author(n);
  std::ranges::copy(author.bytes, blob.begin());
  const auto left = std::chrono::seconds(nth_key(n).bytes[0] * 2000 + 60);
  return dht::value_row(kNow, {nth_key(n), node_id_of(author)}, blob, Instant{} + left);
}

bool make_held(const std::string& path, std::size_t count) {
  auto made = open_sqlite_store({.path = path});
  if (!made) return false;
  made->store->close({});
  sqlite3* raw = nullptr;
  sqlite3_open(path.c_str(), &raw);
  const Db db(raw);
  run(raw, "PRAGMA cache_size = -262144; PRAGMA synchronous = OFF");
  TableWriter writer;
  if (!writer.prepare_all(raw)) return false;
  bool ok = true;
  for (std::size_t i = 0; i < count && ok; ++i) {
    if (i % 10'000 == 0) ok = run(raw, "BEGIN");
    ok = ok && writer.apply(nth_row(i));
    if (ok && (i % 10'000 == 9999 || i + 1 == count)) ok = writer.note_life({kNow.wall, kNow.wall}) && run(raw, "COMMIT");
  }
  writer.close();
  return ok;
}

std::size_t memory_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::strtoul(line.c_str() + 6, nullptr, 10);
  }
  return 0;
}

// Waits for one answer after the other.
struct Asking {
  OpenedStore opened;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<dht::Loaded> loaded;

  double ask_us(std::variant<dht::LoadKeys, dht::LoadEnded, dht::LoadFarthest> what) {
    loaded.clear();
    const auto begin = std::chrono::steady_clock::now();
    opened.store->load({Ticket{1}, std::move(what)});
    for (std::unique_lock lock(mutex); loaded.empty();) {
      opened.store->take_loaded(loaded);
      if (loaded.empty()) changed.wait(lock);
    }
    if (!loaded[0].ok) std::exit(4);
    return seconds_since(begin) * 1e6;
  }
  // What `make` asks, as a piece of JSON.
  template <class Make>
  std::string ask_many(const char* name, std::size_t count, Make make) {
    std::vector<double> us;
    std::size_t rows = 0;
    for (std::size_t i = 0; i < count; ++i) {
      us.push_back(ask_us(make(i)));
      rows += loaded[0].rows.size();
    }
    std::ranges::sort(us);
    char line[200];
    std::snprintf(line, sizeof line, ",\"%s\":{\"p50_us\":%.0f,\"p99_us\":%.0f,\"rows\":%.1f}", name, us[count / 2],
                  us[count * 99 / 100], static_cast<double>(rows) / static_cast<double>(count));
    return line;
  }
};

int measure_loads(const std::string& directory, std::size_t count) {
  const std::string path = directory + "/weft-loads.db";
  if (::access(path.c_str(), F_OK) != 0 && !make_held(path, count)) return 1;
  Asking asking;
  const std::size_t before = memory_kib();
  const auto begin = std::chrono::steady_clock::now();
  auto opened = open_sqlite_store({.path = path,
                                   .wake =
                                       [&asking] {
                                         const std::lock_guard lock(asking.mutex);
                                         asking.changed.notify_one();
                                       },
                                   .held_in_memory_max = 16 << 20});
  if (!opened) return 1;
  const double open_ms = seconds_since(begin) * 1e3;
  asking.opened = std::move(*opened);
  const std::size_t held = asking.opened.held.values;
  const auto key = [&](std::size_t i) { return nth_key(i * 7919 % held); };
  const auto one = [](const NodeId& of) { return dht::LoadKeys{.first = of, .last = of, .rows_max = 8, .author = {}}; };
  std::string all;
  all += asking.ask_many("present", kLoads, [&](std::size_t i) { return one(key(i)); });
  all += asking.ask_many("absent", kLoads, [&](std::size_t i) { return one(nth_key((std::uint64_t{1} << 50) + i)); });
  all += asking.ask_many("with_author", kLoads / 10, [&](std::size_t i) {
    auto what = one(key(i));
    what.author = node_id_of(nth_author(i));
    what.author_max = 2048;
    return what;
  });
  NodeId last;
  last.bytes.fill(0xff);
  all += asking.ask_many("range_128", kLoads / 10, [&](std::size_t i) {
    return dht::LoadKeys{.first = key(i), .last = last, .rows_max = 128, .author = {}};
  });
  all += asking.ask_many("farthest_64", kLoads / 10, [&](std::size_t i) {
    return dht::LoadFarthest{.from = key(i), .rows_max = 64};
  });
  all += asking.ask_many("ended_64", kLoads / 10, [&](std::size_t i) {
    return dht::LoadEnded{.until_ms = kNow.wall.value + 100'000 + static_cast<std::int64_t>(i), .rows_max = 64};
  });
  // Ten rows of anywhere are written again and again meanwhile, as fast as the disk takes them.
  std::vector<StoreDone> done(1);
  all += asking.ask_many("present_while_writing", kLoads, [&](std::size_t i) {
    asking.opened.store->take_done(done);
    if (!done.empty()) {
      std::vector<Write> rows;
      for (std::size_t row = 0; row < 10; ++row) rows.push_back(nth_row((i * 10 + row) * 104'729 % held));
      asking.opened.store->submit({kNow.wall, kNow.wall}, Ticket{i}, std::move(rows));
      done.clear();
    }
    return one(key(i));
  });
  const StoreStats stats = asking.opened.store->stats();
  all += ",\"commits\":" + std::to_string(stats.commits_total) +
         ",\"log_kib\":" + std::to_string(std::filesystem::file_size(path + "-wal") >> 10);
  std::printf("{\"rows\":%zu,\"file_mib\":%.0f,\"open_ms\":%.1f,\"rss_before_kib\":%zu,\"rss_kib\":%zu%s}\n", held,
              static_cast<double>(std::filesystem::file_size(path)) / (1 << 20), open_ms, before, memory_kib(), all.c_str());
  asking.opened.store->close({});
  return 0;
}

}  // namespace
}  // namespace weft::node

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "store_bench DIR [loads] [ROWS]\n");
    return 2;
  }
  if (argc > 2 && std::string_view(argv[2]) == "loads") {
    return weft::node::measure_loads(argv[1], argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1'000'000);
  }
  return weft::node::measure(argv[1], argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 50'000);
}
