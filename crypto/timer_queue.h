// Deadlines of one core: the outside knows only the earliest of them.
//
// Invariants: deadlines come out in (instant, insertion) order; a cancelled or popped handle is
// dead and cancelling it again is a no-op; after the queue has reached its largest size it
// allocates no more. Loop thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "crypto/time.h"

namespace weft {

class TimerQueue {
 public:
  struct Handle {
    std::uint32_t slot = UINT32_MAX;
    std::uint32_t generation = 0;
    bool operator==(const Handle&) const = default;
  };
  using Tag = std::uint64_t;

  // Arms a deadline that will come out with `tag`.
  Handle arm(Instant at, Tag tag);
  // Forgets a deadline; a handle that is dead already is ignored.
  void cancel(Handle handle);
  // The earliest deadline, if any. Drops cancelled entries on the way, hence not const.
  std::optional<Instant> next();
  // Takes one deadline that is due at `now`, or nothing.
  std::optional<Tag> pop_due(Instant now);
  // How many deadlines are armed.
  std::size_t size() const { return live_; }

 private:
  struct Entry {
    Instant at;
    std::uint64_t order = 0;
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    Tag tag = 0;
  };
  static bool later(const Entry& a, const Entry& b);
  bool alive(const Entry& entry) const;
  void drop_dead();
  void release(std::uint32_t slot);

  std::vector<Entry> heap_;
  std::vector<std::uint32_t> generations_;  // by slot
  std::vector<std::uint32_t> free_;
  std::uint64_t order_ = 0;
  std::size_t live_ = 0;
};

}  // namespace weft
