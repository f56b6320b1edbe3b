#include "node/store_sqlite.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>

#include "crypto/check.h"
#include "dht/value_store.h"
#include "node/files.h"
#include "node/sqlite_handles.h"
#include "node/store_reader.h"
#include "node/store_tables.h"

namespace weft::node {
namespace {

// The write-ahead log is started over after this many pages, and a new store gets a log of about
// this size at once. A commit that overwrites pages of a file needs one write to the disk; one that
// lengthens the file needs a second for the inode (12 processes committing at once, ext4: 2.1 ms
// each instead of 3.1).
constexpr int kLogPages = 64;
constexpr int kPageBytes = 4096;  // SQLite's default, which the file keeps

// A connection with its prepared statements. Used by the opener, then by the worker alone.
struct Connection {
  Db db;
  Statement begin, commit, rollback;
  TableWriter tables;

  bool prepare_all() {
    begin = prepare(db.get(), "BEGIN IMMEDIATE");
    commit = prepare(db.get(), "COMMIT");
    rollback = prepare(db.get(), "ROLLBACK");
    return begin && commit && rollback && tables.prepare_all(db.get());
  }
  // Statements first: a connection with open ones stays open.
  void close() {
    tables.close();
    for (Statement* statement : {&begin, &commit, &rollback}) statement->reset();
    db.reset();
  }
  void give_up() {
    tables.rolled_back();
    // A full disk may have rolled back already; then there is nothing to do.
    if (sqlite3_get_autocommit(db.get()) == 0) step_done(rollback.get());
  }
};

class SqliteStore final : public Store {
 public:
  SqliteStore(Connection connection, StoreOptions options, bool totals_mended)
      : connection_(std::move(connection)), options_(std::move(options)), reader_(options_.path, options_.wake) {
    stats_.totals_mended = totals_mended;
  }
  ~SqliteStore() override { close({}); }

  bool start_worker() {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStoreStackBytes);
    running_ = pthread_create(&worker_, &attributes, &SqliteStore::worker_main, this) == 0;
    pthread_attr_destroy(&attributes);
    return running_;
  }

  void submit(Stamp stamp, Ticket ticket, std::vector<Write> writes) override;
  void take_done(std::vector<StoreDone>& done) override;
  void load(dht::Load load) override { reader_.load(std::move(load)); }
  void take_loaded(std::vector<dht::Loaded>& loaded) override { reader_.take(loaded); }
  StoreStats stats() const override;
  std::string health() const override;
  void close(Stamp stamp) override;

 private:
  struct Batch {
    Ticket ticket{};
    std::vector<Write> writes;
    std::size_t bytes = 0;
  };
  static void* worker_main(void* self) {
    static_cast<SqliteStore*>(self)->work();
    return nullptr;
  }
  void work();
  bool commit(const std::vector<Batch>& group, Stamp stamp, std::string& why);

  Connection connection_;  // the worker's, while it runs
  const StoreOptions options_;
  StoreReader reader_;
  pthread_t worker_{};
  bool running_ = false;  // loop thread

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Batch> queue_;  // guarded, as all below
  std::vector<StoreDone> done_;
  StoreStats stats_;
  std::string trouble_;
  Stamp stamp_;  // of the last batch
  bool stopping_ = false;
};

void SqliteStore::submit(Stamp stamp, Ticket ticket, std::vector<Write> writes) {
  std::size_t bytes = sizeof(Batch);
  for (const Write& write : writes) bytes += sizeof(Write) + write.key.size() + write.value.size();
  std::unique_lock lock(mutex_);
  CHECK(!stopping_);
  ++stats_.batches_total;
  stamp_ = stamp;
  if (stats_.queued_bytes + bytes > kStoreQueueBytesMax) {
    ++stats_.failures_total;
    trouble_ = "the disk is too slow: writes are refused until it has caught up";
    done_.push_back({ticket, false});
    return;
  }
  stats_.queued_bytes += bytes;
  if (options_.relaxed) done_.push_back({ticket, true});
  queue_.push_back({ticket, std::move(writes), bytes});
  const bool first = queue_.size() == 1;
  lock.unlock();  // or the worker would wake only to wait for it
  if (first) changed_.notify_one();
}

void SqliteStore::take_done(std::vector<StoreDone>& done) {
  const std::lock_guard lock(mutex_);
  done.insert(done.end(), done_.begin(), done_.end());
  done_.clear();
}

StoreStats SqliteStore::stats() const {
  std::unique_lock lock(mutex_);
  StoreStats stats = stats_;
  lock.unlock();
  reader_.add_to(stats);
  return stats;
}

std::string SqliteStore::health() const {
  std::unique_lock lock(mutex_);
  std::string trouble = trouble_;
  lock.unlock();
  return trouble.empty() ? reader_.trouble() : trouble;
}

void SqliteStore::close(Stamp stamp) {
  reader_.close();  // before the writer's connection: the last one that closes a log must keep it
  if (running_) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_one();
    }
    pthread_join(worker_, nullptr);
    running_ = false;
  }
  if (!connection_.db) return;
  if (stamp.wall.value != 0 || stamp.node.value != 0) connection_.tables.note_life(stamp);
  connection_.close();
}

void SqliteStore::work() {
  std::vector<Batch> group;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (options_.relaxed && !stopping_) {
      changed_.wait_for(lock, kRelaxedDelay, [this] { return stopping_; });
    }
    if (queue_.empty()) return;
    group.swap(queue_);
    const Stamp stamp = stamp_;
    lock.unlock();

    std::string why;
    const auto began = std::chrono::steady_clock::now();
    const bool ok = commit(group, stamp, why);
    const auto took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began);
    std::size_t bytes = 0;
    std::size_t rows = 0;
    for (const Batch& batch : group) {
      bytes += batch.bytes;
      rows += batch.writes.size();
    }

    lock.lock();
    for (const Batch& batch : group) {
      if (!options_.relaxed) done_.push_back({batch.ticket, ok});
    }
    stats_.queued_bytes -= bytes;
    ++stats_.commits_total;
    stats_.commit.add(took);
    if (ok) stats_.rows_written_total += rows;
    if (!ok) stats_.failures_total += group.size();
    trouble_ = std::move(why);
    group.clear();
    if (options_.wake) options_.wake();
  }
}

bool SqliteStore::commit(const std::vector<Batch>& group, Stamp stamp, std::string& why) {
  const auto apply_all = [&] {
    if (!step_done(connection_.begin.get())) return false;
    for (const Batch& batch : group) {
      for (const Write& write : batch.writes) {
        if (!connection_.tables.apply(write)) return false;
      }
    }
    return connection_.tables.note_life(stamp) && step_done(connection_.commit.get());
  };
  if (apply_all()) return true;
  why = "cannot write " + options_.path + ": " + reason_of(connection_.db.get());
  connection_.give_up();
  return false;
}

std::unexpected<Failure> cannot_open(const std::string& path, sqlite3* db) {
  const std::string reason = db == nullptr ? "out of memory" : reason_of(db);
  return failed("cannot open the store " + path + ": " + reason +
                "; mend or move the file away (its values are then fetched anew)");
}

// The tables of a new file, without a sync for each step: the caller makes the whole durable.
bool create_schema(sqlite3* db) {
  if (!run(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; BEGIN") || !create_tables(db) ||
      !run(db, "COMMIT")) {
    return false;
  }
  // Fills the log and the file with pages that later commits find in place.
  const std::string fill = "CREATE TABLE room(bytes BLOB); INSERT INTO room VALUES(zeroblob(" +
                           std::to_string((kLogPages - 8) * kPageBytes) +
                           ")); DROP TABLE room; PRAGMA wal_checkpoint(RESTART);";
  return run(db, fill.c_str());
}

std::expected<std::vector<Write>, Failure> load_rows(sqlite3* db, const std::string& path, Rows which) {
  std::vector<Write> rows;
  const auto take = [&rows](Write row) {
    rows.push_back(std::move(row));
    return true;
  };
  const bool read = visit_rows(db, kStoreSchemaVersion, take, which);
  if (!read) return cannot_open(path, db);
  return rows;
}

std::expected<void, Failure> check_version(sqlite3* db, const std::string& path) {
  const auto version = read_number(db, "PRAGMA user_version");
  if (!version) return cannot_open(path, db);
  if (*version > kStoreSchemaVersion) {
    return failed("the store " + path + " was written by a newer weft (schema " +
                  std::to_string(*version) + ", this one knows " +
                  std::to_string(kStoreSchemaVersion) + "); run that version");
  }
  if (*version == kStoreSchemaVersion) return {};
  if (*version >= 1) {
    if (!upgrade_tables(db)) return cannot_open(path, db);
    return {};
  }
  return failed(path + " is a database, but not weft's; move it away");
}

std::expected<Db, Failure> open_file(const std::string& path, int flags) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Db db(raw);
  if (opened != SQLITE_OK) return cannot_open(path, raw);
  sqlite3_extended_result_codes(raw, 0);
  sqlite3_busy_timeout(raw, 2000);  // a backup or a person with the sqlite3 shell
  return db;
}

std::uint64_t memory_of(const dht::HeldTotals& held) {
  return held.bytes + held.values * std::uint64_t{dht::kHeldOverheadBytes};
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool is_there(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && info.st_size > 0;
}

bool sync_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.valid() && ::fsync(fd.get()) == 0;
}

// A new store, complete under its name or not there: a power cut while it was made in place left a
// database that no start could open. Its log comes along, for its pages.
std::expected<void, Failure> make_store(const std::string& path) {
  const std::string part = path + ".new";
  for (const char* suffix : {"", "-wal", "-shm"}) {  // of an attempt that was cut off
    ::unlink((part + suffix).c_str());
    ::unlink((path + suffix).c_str());
  }
  {
    auto db = open_file(part, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (!db) return std::unexpected(db.error());
    int keep = 1;
    sqlite3_file_control(db->get(), "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    if (!create_schema(db->get())) return cannot_open(part, db->get());
  }
  ::unlink((part + "-shm").c_str());
  if (!sync_file(part) || !sync_file(part + "-wal") ||
      ::rename((part + "-wal").c_str(), (path + "-wal").c_str()) != 0 ||
      ::rename(part.c_str(), path.c_str()) != 0 || !sync_directory(parent_of(path))) {
    return failed("cannot put " + path + " in place: " + error_text(errno));
  }
  return {};
}

// The whole database at one moment, complete under its name or not there.
std::expected<void, Failure> copy_durably(sqlite3* db, const std::string& to) {
  const std::string part = to + ".new";
  ::unlink(part.c_str());
  const Statement copy = prepare(db, "VACUUM INTO ?1");
  if (!copy || sqlite3_bind_text(copy.get(), 1, part.c_str(), -1, SQLITE_STATIC) != SQLITE_OK ||
      !step_done(copy.get())) {
    return cannot_open(part, db);
  }
  if (!sync_file(part) || ::rename(part.c_str(), to.c_str()) != 0 ||
      !sync_directory(parent_of(to))) {
    return failed("cannot put " + to + " in place: " + error_text(errno));
  }
  return {};
}

}  // namespace

void configure_sqlite() {
  sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}

std::expected<void, Failure> move_old_store(const std::string& from, const std::string& to) {
  if (!exists(from)) return {};
  auto old = open_file(from, SQLITE_OPEN_READWRITE);
  if (!old) return std::unexpected(old.error());
  sqlite3* db = old->get();
  if (!exists(to)) {
    const auto version = read_number(db, "PRAGMA user_version");
    const auto tables = read_number(db, "SELECT count(*) FROM sqlite_master");
    if (!version || !tables) return cannot_open(from, db);
    if (*tables == 0) return {};  // an older weft got no further
    if (auto checked = check_version(db, from); !checked) return checked;
    if (auto copied = copy_durably(db, to); !copied) return copied;
  }
  const auto full = read_number(db, "SELECT count(*) FROM sqlite_master WHERE name = 'held'");
  if (!full) return cannot_open(from, db);
  if (*full == 0) return {};
  // A weft of schema 2 or 3 that was cut off here left no tables of shared state.
  if (!run(db, "BEGIN; DROP TABLE held; DROP TABLE own; DROP TABLE members; DROP TABLE contacts;"
               "DROP TABLE other; DROP TABLE life; DROP TABLE IF EXISTS spaces; DROP TABLE IF EXISTS entries;"
               "CREATE TABLE moved(file TEXT NOT NULL);"
               "INSERT INTO moved VALUES('weft.db'); COMMIT; VACUUM")) {
    return cannot_open(from, db);
  }
  return {};
}

std::expected<OpenedStore, Failure> open_sqlite_store(StoreOptions options) {
  const std::string path = options.path;
  if (!is_there(path)) {
    if (auto made = make_store(path); !made) return std::unexpected(made.error());
  }
  auto file = open_file(path, SQLITE_OPEN_READWRITE);
  if (!file) return std::unexpected(file.error());
  Connection connection;
  connection.db = std::move(*file);
  sqlite3* raw = connection.db.get();
  // Of the worker. While 100,000 values came it read 5.4 pages a value and wrote 8.1; with a quarter of it 9.1 and 9.9.
  if (!run(raw, "PRAGMA cache_size = -1024; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;")) {
    return cannot_open(path, raw);
  }
  if (auto checked = check_version(raw, path); !checked) return std::unexpected(checked.error());
  const std::string settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                               "PRAGMA wal_autocheckpoint = " + std::to_string(kLogPages);
  if (!run(raw, settings.c_str())) return cannot_open(path, raw);
  int keep = 1;  // the log stays when the store is closed, checkpointed
  sqlite3_file_control(raw, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
  auto life = read_life(raw);
  if (!life) return cannot_open(path, raw);
  const bool held_in_rows = memory_of(life->held) <= options.held_in_memory_max;
  auto rows = load_rows(raw, path, held_in_rows ? Rows::kAll : Rows::kAllButHeld);
  if (!rows) return std::unexpected(rows.error());
  // As everything was read anyhow; a large table is not read to be counted.
  const auto mended = held_in_rows ? mend_totals(raw) : std::optional(false);
  if (mended.value_or(false)) life = read_life(raw);
  if (!mended || !life || !connection.prepare_all()) return cannot_open(path, raw);
  sqlite3_db_release_memory(raw);

  auto store = std::make_unique<SqliteStore>(std::move(connection), std::move(options), *mended);
  if (!store->start_worker())
    return failed("cannot start the store's thread; raise the limit of threads");
  return OpenedStore{.store = std::move(store),
                     .rows = std::move(*rows),
                     .last_seen = life->last.wall,
                     .node_time = life->last.node,
                     .held = life->held,
                     .held_in_rows = held_in_rows};
}

}  // namespace weft::node
