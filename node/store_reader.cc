#include "node/store_reader.h"

#include "node/sqlite_handles.h"
#include "node/store_loads.h"

namespace weft::node {
namespace {

constexpr int kBusyMs = 2000;  // recovery of the log by another connection

}  // namespace

// Used by the reader's thread alone.
struct StoreReader::Connection {
  Db db;
  LoadReader loads;

  ~Connection() { close(); }
  bool is_open() const { return db != nullptr; }
  // False: `why` says it, and nothing is open.
  bool open(const std::string& path, std::string& why) {
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
    db.reset(raw);
    if (opened == SQLITE_OK) {
      sqlite3_busy_timeout(raw, kBusyMs);
      const std::string settings = "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -" +
                                   std::to_string(kReaderCacheKiB);
      if (run(raw, settings.c_str()) && loads.prepare_all(raw)) return true;
    }
    why = raw == nullptr ? "out of memory" : reason_of(raw);
    close();
    return false;
  }
  void close() {
    loads.close();  // statements first: a connection with open ones stays open
    db.reset();
  }
};

StoreReader::StoreReader(std::string path, std::function<void()> wake)
    : path_(std::move(path)), wake_(std::move(wake)) {}

bool StoreReader::start_thread() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStoreStackBytes);
  running_ = pthread_create(&thread_, &attributes, &StoreReader::thread_main, this) == 0;
  pthread_attr_destroy(&attributes);
  return running_;
}

void StoreReader::load(dht::Load load) {
  std::unique_lock lock(mutex_);
  ++loads_total_;
  std::string why;
  if (stopping_) {
    why = "closed";
  } else if (under_way_ >= kStoreLoadsMax) {
    why = "the disk is too slow: held values are not read until it has caught up";
  } else if (!running_ && !start_thread()) {
    why = "cannot start the store's second thread; raise the limit of threads";
  } else {
    ++under_way_;
    queue_.push_back(std::move(load));
    const bool first = queue_.size() == 1;
    lock.unlock();
    if (first) changed_.notify_one();
    return;
  }
  refuse(load.ticket, std::move(why));
  lock.unlock();
  if (wake_) wake_();
}

void StoreReader::refuse(Ticket ticket, std::string why) {
  ++failures_total_;
  if (!stopping_) trouble_ = std::move(why);
  loaded_.push_back(not_loaded(ticket));
}

void StoreReader::take(std::vector<dht::Loaded>& loaded) {
  const std::lock_guard lock(mutex_);
  loaded.insert(loaded.end(), std::move_iterator(loaded_.begin()), std::move_iterator(loaded_.end()));
  loaded_.clear();
}

std::string StoreReader::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void StoreReader::add_to(StoreStats& stats) const {
  const std::lock_guard lock(mutex_);
  stats.loads_total += loads_total_;
  stats.load_failures_total += failures_total_;
  stats.rows_loaded_total += rows_total_;
  stats.rotten_rows_total += rotten_total_;
}

void StoreReader::close() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (!running_) return;
  pthread_join(thread_, nullptr);
  running_ = false;
}

void StoreReader::work() {
  Connection connection;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) break;
    const dht::Load load = queue_.front();
    queue_.pop_front();
    const std::uint64_t rotten_before = connection.loads.rotten_total();
    lock.unlock();

    // Tried again at each load: what failed once need not be so for ever.
    std::string why;
    dht::Loaded loaded = connection.is_open() || connection.open(path_, why) ? connection.loads.answer(load, why)
                                                                             : not_loaded(load.ticket);
    if (!loaded.ok) why = "cannot read " + path_ + ": " + why;

    lock.lock();
    rotten_total_ += connection.loads.rotten_total() - rotten_before;
    --under_way_;
    rows_total_ += loaded.rows.size();
    failures_total_ += loaded.ok ? 0U : 1U;
    trouble_ = std::move(why);
    // With others untaken, their wake-up is still to be heard.
    const bool first = loaded_.empty();
    loaded_.push_back(std::move(loaded));
    if (!first || !wake_) continue;
    lock.unlock();
    wake_();
    lock.lock();
  }
  for (const dht::Load& load : queue_) refuse(load.ticket, {});
  under_way_ -= queue_.size();
  queue_.clear();
  lock.unlock();
  connection.close();
}

}  // namespace weft::node
