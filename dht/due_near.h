// Those next to an entry of an ordered map, on both sides, whose time has come: what is published with it.
#pragma once

#include <map>
#include <vector>

#include "crypto/check.h"
#include "crypto/time.h"

namespace weft::dht {

// `key` and the keys next to it whose `republish` is at most `until`: at most `max`, found among the 2 * max
// nearest in the map's order. `key` is in the map.
template <class Key, class Value>
std::vector<Key> due_near(const std::map<Key, Value>& map, const Key& key, Instant until,
                          std::size_t max) {
  const auto here = map.find(key);
  CHECK(here != map.end());
  std::vector<Key> out = {key};
  auto before = here, after = std::next(here);
  for (std::size_t i = 0; i < max && out.size() < max; ++i) {
    if (after != map.end()) {
      if (after->second.republish <= until) out.push_back(after->first);
      ++after;
    }
    if (before != map.begin() && out.size() < max) {
      --before;
      if (before->second.republish <= until) out.push_back(before->first);
    }
  }
  return out;
}

}  // namespace weft::dht
