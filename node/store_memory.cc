#include "node/store.h"

namespace weft::node {

void MemoryStore::submit(Stamp, Ticket ticket, std::vector<Write> writes) {
  ++stats_.batches_total;
  stats_.rows_written_total += writes.size();
  done_.push_back({ticket, true});
}

void MemoryStore::take_done(std::vector<StoreDone>& done) {
  done.insert(done.end(), done_.begin(), done_.end());
  done_.clear();
}

void MemoryStore::load(dht::Load load) {
  ++stats_.loads_total;
  ++stats_.load_failures_total;
  loaded_.push_back(not_loaded(load.ticket));
}

void MemoryStore::take_loaded(std::vector<dht::Loaded>& loaded) {
  loaded.insert(loaded.end(), std::move_iterator(loaded_.begin()), std::move_iterator(loaded_.end()));
  loaded_.clear();
}

}  // namespace weft::node
