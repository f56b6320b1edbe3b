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

}  // namespace weft::node
