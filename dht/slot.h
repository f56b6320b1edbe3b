// Where a value lies: one slot for each author under each key.
#pragma once

#include "crypto/node_id.h"

namespace weft::dht {

struct Slot {
  NodeId key;
  NodeId author;
  auto operator<=>(const Slot&) const = default;
};

}  // namespace weft::dht
