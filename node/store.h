// Where a node's rows become durable, and where held values are read again: the interface, and a store in memory
// for --ephemeral.
//
// Loop thread only. submit() and load() never block on a disk. Every ticket comes out of take_done() exactly
// once, in any order with respect to other tickets' success, and as soon as it is true. A failure
// (disk full, I/O error, queue full) is ok = false and a health message, never a crash. The same holds for
// tickets of loads and take_loaded(); they are no tickets of batches.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crypto/effects.h"
#include "crypto/histogram.h"
#include "dht/loads.h"

namespace weft::node {

// When something is written: by the wall clock, and in node time (dht/loads.h). 0 leaves what is noted.
struct Stamp {
  UnixMillis wall;
  UnixMillis node;
};

struct StoreDone {
  Ticket ticket{};
  bool ok = false;
};

// The answer to a load that cannot be answered.
inline dht::Loaded not_loaded(Ticket ticket) {
  dht::Loaded loaded;
  loaded.ticket = ticket;
  return loaded;
}

struct StoreStats {
  std::uint64_t commits_total = 0;
  Histogram commit;  // each, failed ones too
  std::uint64_t rows_written_total = 0;
  std::uint64_t batches_total = 0;
  std::uint64_t failures_total = 0;  // batches that could not be made durable
  std::size_t queued_bytes = 0;
  std::uint64_t loads_total = 0;
  std::uint64_t load_failures_total = 0;
  std::uint64_t rows_loaded_total = 0;
  std::uint64_t rotten_rows_total = 0;  // left out of answers, each time that one was met
  // What the store told of the held values was not what it holds; set right as it was opened.
  bool totals_mended = false;
};

class Store {
 public:
  virtual ~Store() = default;

  // Takes a batch. `stamp` is noted as the last sign of life of this process.
  virtual void submit(Stamp stamp, Ticket ticket, std::vector<Write> writes) = 0;
  // Appends what has ended since the last call.
  virtual void take_done(std::vector<StoreDone>& done) = 0;
  // Asks for held values, as they were committed at some moment before the answer.
  virtual void load(dht::Load load) = 0;
  // Appends the answers since the last call, each once.
  virtual void take_loaded(std::vector<dht::Loaded>& loaded) = 0;
  virtual StoreStats stats() const = 0;
  // Empty: well. Else what is wrong now and what to do.
  virtual std::string health() const = 0;
  // Waits until all that was submitted has ended and lets go of the files; loads that did not begin are answered
  // ok = false. Nothing may be submitted afterwards; take_done() and take_loaded() still answer.
  virtual void close(Stamp stamp) = 0;
};

// Acknowledges at once and keeps nothing, so it has nothing to load.
class MemoryStore final : public Store {
 public:
  void submit(Stamp stamp, Ticket ticket, std::vector<Write> writes) override;
  void take_done(std::vector<StoreDone>& done) override;
  void load(dht::Load load) override;
  void take_loaded(std::vector<dht::Loaded>& loaded) override;
  StoreStats stats() const override { return stats_; }
  std::string health() const override { return {}; }
  void close(Stamp) override {}

 private:
  std::vector<StoreDone> done_;
  std::vector<dht::Loaded> loaded_;
  StoreStats stats_;
};

}  // namespace weft::node
