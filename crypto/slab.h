// Objects in numbered slots: grows by chunks as it is used, never moves an object, reuses slots.
//
// Slots are small integers, so tables refer to each other by number and not by pointer. An object
// is reset to T{} when its slot is released, which also overwrites the keys that it held. After the
// largest size has been reached nothing allocates. kChunk objects are made at once: few of what is
// large and seldom more than a handful.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "crypto/check.h"

namespace weft {

inline constexpr std::uint32_t kNoSlot = UINT32_MAX;

template <class T, std::size_t kChunk = 16>
class Slab {
 public:
  // A slot whose object equals T{}.
  std::uint32_t acquire() {
    if (free_.empty()) grow();
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  // Resets the object and makes the slot available; it must have been acquired.
  void release(std::uint32_t slot) {
    (*this)[slot] = T{};
    free_.push_back(slot);
  }
  T& operator[](std::uint32_t slot) {
    CHECK(slot < slots());
    return (*chunks_[slot / kChunk])[slot % kChunk];
  }
  const T& operator[](std::uint32_t slot) const {
    CHECK(slot < slots());
    return (*chunks_[slot / kChunk])[slot % kChunk];
  }
  // Slots ever made, and how many of them are in use.
  std::size_t slots() const { return chunks_.size() * kChunk; }
  std::size_t used() const { return slots() - free_.size(); }

 private:
  void grow() {
    const std::size_t first = slots();
    chunks_.push_back(std::make_unique<std::array<T, kChunk>>());
    free_.reserve(slots());
    for (std::size_t i = kChunk; i > 0; --i) {
      free_.push_back(static_cast<std::uint32_t>(first + i - 1));
    }
  }

  std::vector<std::unique_ptr<std::array<T, kChunk>>> chunks_;
  std::vector<std::uint32_t> free_;
};

}  // namespace weft
