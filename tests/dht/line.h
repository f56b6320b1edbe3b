// Contacts with random keys at addresses of their own.
#pragma once

#include <algorithm>
#include <vector>

#include "crypto/contact.h"
#include "crypto/rng.h"

namespace weft::dht {

inline std::vector<Contact> people_of(Rng& rng, std::size_t count) {
  std::vector<Contact> people;
  for (std::size_t i = 0; i < count; ++i) {
    PublicKey key;
    for (std::size_t b = 0; b < 32; b += 8) store_le(key.bytes.data() + b, rng.next());
    people.push_back(make_contact(key, Endpoint::v4(10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                                                    static_cast<std::uint8_t>(i), 9338)));
  }
  return people;
}

// The nearest to `target` first.
inline std::vector<Contact> line_of(Rng& rng, std::size_t count, const NodeId& target) {
  std::vector<Contact> people = people_of(rng, count);
  std::ranges::sort(people, [&](const Contact& a, const Contact& b) { return closer(target, a.id, b.id); });
  return people;
}

}  // namespace weft::dht
