// A vector with a named capacity inside the object: bounded by type, no allocation.
//
// try_push returns false when full and changes nothing; everything else is as in std::vector, but
// elements must be default-constructible and cheap to copy.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>

#include "crypto/check.h"

namespace weft {

template <class T, std::size_t N>
class InlineVec {
 public:
  static constexpr std::size_t capacity() { return N; }

  InlineVec() = default;
  InlineVec(std::initializer_list<T> items) {
    for (const T& item : items) push(item);
  }

  // Appends if there is room.
  bool try_push(const T& item) {
    if (size_ == N) return false;
    items_[size_++] = item;
    return true;
  }
  // Appends; running out of room is the caller's bug.
  void push(const T& item) { CHECK(try_push(item)); }
  void clear() { size_ = 0; }
  void truncate(std::size_t size) {
    if (size < size_) size_ = size;
  }
  // Removes by position, keeping the order of the rest.
  void erase_at(std::size_t index) {
    CHECK(index < size_);
    for (std::size_t i = index + 1; i < size_; ++i) items_[i - 1] = items_[i];
    --size_;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == N; }
  T& operator[](std::size_t i) {
    CHECK(i < size_);
    return items_[i];
  }
  const T& operator[](std::size_t i) const {
    CHECK(i < size_);
    return items_[i];
  }
  T* begin() { return items_.data(); }
  T* end() { return items_.data() + size_; }
  const T* begin() const { return items_.data(); }
  const T* end() const { return items_.data() + size_; }
  const T* data() const { return items_.data(); }
  bool operator==(const InlineVec& other) const {
    if (size_ != other.size_) return false;
    for (std::size_t i = 0; i < size_; ++i) {
      if (!(items_[i] == other.items_[i])) return false;
    }
    return true;
  }

 private:
  std::array<T, N> items_{};
  std::size_t size_ = 0;
};

}  // namespace weft
