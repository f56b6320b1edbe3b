#include "crypto/replay_window.h"

#include "crypto/check.h"

namespace weft {

bool ReplayWindow::fresh(std::uint64_t counter) const {
  // The last counter is given away so that next_ cannot wrap.
  if (counter == UINT64_MAX) return false;
  if (counter >= next_) return true;
  if (next_ - counter > kBits) return false;
  if (ring_ != nullptr) return ((*ring_)[counter % kBits / 64] >> (counter % 64) & 1) == 0;
  const std::uint64_t back = next_ - 1 - counter;
  return back < 64 && (recent_ >> back & 1) == 0;
}

bool ReplayWindow::mark_in_word(std::uint64_t counter) {
  if (counter < next_) {
    recent_ |= 1ULL << (next_ - 1 - counter);
    return true;
  }
  const std::uint64_t shift = counter - next_ + 1;
  if (shift > 64) return false;
  const std::uint64_t leaving = shift == 64 ? recent_ : recent_ | (UINT64_MAX >> shift);
  if (leaving != UINT64_MAX) return false;
  recent_ = (shift == 64 ? 0 : recent_ << shift) | 1;
  next_ = counter + 1;
  return true;
}

void ReplayWindow::make_ring() {
  ring_ = std::make_unique<Ring>();
  ring_->fill(UINT64_MAX);
  for (std::uint64_t back = 0; back < 64 && back < next_; ++back) {
    const std::uint64_t c = next_ - 1 - back;
    if ((recent_ >> back & 1) == 0) (*ring_)[c % kBits / 64] &= ~(1ULL << (c % 64));
  }
}

void ReplayWindow::mark(std::uint64_t counter) {
  CHECK(fresh(counter));
  if (ring_ == nullptr) {
    if (mark_in_word(counter)) return;
    make_ring();
  }
  Ring& bits = *ring_;
  if (counter >= next_) {
    if (counter - next_ >= kBits) {
      bits.fill(0);
    } else {
      // Forget what the ring said of the counters that are now passed, a word at a time if
      // possible.
      for (std::uint64_t c = next_; c <= counter;) {
        if (c % 64 == 0 && counter - c >= 63) {
          bits[c % kBits / 64] = 0;
          c += 64;
        } else {
          bits[c % kBits / 64] &= ~(1ULL << (c % 64));
          ++c;
        }
      }
    }
    next_ = counter + 1;
  }
  bits[counter % kBits / 64] |= 1ULL << (counter % 64);
}

}  // namespace weft
