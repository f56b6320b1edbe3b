// The thread that reads held values for the loop (dht/loads.h): a queue in, answers out.
//
// The thread and its connection begin with the first load, so a node that keeps all in memory pays for neither.
// Loads are answered in their order; the answers wait for take(). What cannot be answered (the queue is full,
// the disk fails, the reader was closed) is answered ok = false, and trouble() says why.
//
// The connection is read-only, in WAL mode: it neither waits for the writer nor holds it up. Its page cache is emptied by
// each commit of the writer's, so a large one is worth little.
//
// All but the thread's own functions: loop thread only.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "dht/loads.h"
#include "node/store.h"

namespace weft::node {

// Loads that wait or run.
inline constexpr std::size_t kStoreLoadsMax = 4096;
// Of the reader's connection: one key of a million took 38 us with 1 MiB, 24 with 2, 23 with 8.
inline constexpr int kReaderCacheKiB = 2048;

class StoreReader {
 public:
  // `wake` is called on the reader's thread when take() has something to tell, and from load() if it refuses.
  StoreReader(std::string path, std::function<void()> wake);
  ~StoreReader() { close(); }
  StoreReader(const StoreReader&) = delete;
  StoreReader& operator=(const StoreReader&) = delete;

  void load(dht::Load load);
  // Appends the answers since the last call.
  void take(std::vector<dht::Loaded>& loaded);
  // Why the last load failed; empty: it did not.
  std::string trouble() const;
  void add_to(StoreStats& stats) const;
  // Ends with the load that runs; those that wait are answered ok = false. take() goes on to answer.
  void close();

 private:
  struct Connection;
  static void* thread_main(void* self) {
    static_cast<StoreReader*>(self)->work();
    return nullptr;
  }
  bool start_thread();
  void work();
  void refuse(Ticket ticket, std::string why);  // with mutex_ locked

  const std::string path_;
  const std::function<void()> wake_;
  pthread_t thread_{};
  bool running_ = false;  // loop thread

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<dht::Load> queue_;  // guarded, as all below
  std::size_t under_way_ = 0;
  std::vector<dht::Loaded> loaded_;
  std::string trouble_;
  std::uint64_t loads_total_ = 0;
  std::uint64_t failures_total_ = 0;
  std::uint64_t rows_total_ = 0;
  std::uint64_t rotten_total_ = 0;
  bool stopping_ = false;
};

}  // namespace weft::node
