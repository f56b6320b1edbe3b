#include "crypto/replay_window.h"

#include "crypto/check.h"

namespace weft {

bool ReplayWindow::fresh(std::uint64_t counter) const {
  // The last counter is given away so that next_ cannot wrap.
  if (counter == UINT64_MAX) return false;
  if (counter >= next_) return true;
  if (next_ - counter > kBits) return false;
  return (bits_[counter % kBits / 64] >> (counter % 64) & 1) == 0;
}

void ReplayWindow::mark(std::uint64_t counter) {
  CHECK(fresh(counter));
  if (counter >= next_) {
    if (counter - next_ >= kBits) {
      bits_.fill(0);
    } else {
      // Forget what the ring said of the counters that are now passed, a word at a time if
      // possible.
      for (std::uint64_t c = next_; c <= counter;) {
        if (c % 64 == 0 && counter - c >= 63) {
          bits_[c % kBits / 64] = 0;
          c += 64;
        } else {
          bits_[c % kBits / 64] &= ~(1ULL << (c % 64));
          ++c;
        }
      }
    }
    next_ = counter + 1;
  }
  bits_[counter % kBits / 64] |= 1ULL << (counter % 64);
}

}  // namespace weft
