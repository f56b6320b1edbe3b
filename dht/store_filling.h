// A StoreMany being filled for one holder, up to what a datagram in a session carries.
#pragma once

#include "dht/messages.h"

namespace weft::dht {

// A key, its remaining seconds and the longest blob, with their heads.
static_assert(kStoreManyHeadBytes + (2 + 32) + 5 + (3 + kBlobBytesMax) <= kStoreManyBytesMax);

class StoreFilling {
 public:
  explicit StoreFilling(const Token& token) : together_{.token = token} {}

  // False if it has no room left. One value alone always has room: a blob is at most kBlobBytesMax long. What
  // item.blob points to must live as long as message() is used.
  bool add(const StoreItem& item) {
    const std::size_t bytes = store_item_bytes(item);
    if (bytes > room_ || !together_.items.try_push(item)) return false;
    room_ -= bytes;
    return true;
  }
  const StoreMany& message() const { return together_; }

 private:
  StoreMany together_;
  std::size_t room_ = kStoreManyBytesMax - kStoreManyHeadBytes;
};

}  // namespace weft::dht
