// The earlier of two deadlines, of which either may be none.
#pragma once

#include <optional>

#include "crypto/time.h"

namespace weft::dht {

inline void earlier(std::optional<Instant>& at, std::optional<Instant> other) {
  if (other && (!at || *other < *at)) at = other;
}

}  // namespace weft::dht
