// Where the entry of a key is: a hash index over a table that holds the keys itself.
//
// Every packet looks its sender up in several tables; a sorted vector or a tree costs a cold cache
// line for each halving, this one for all. Open addressing with linear probing, at most three quarters full;
// deleting moves later entries back (Knuth, TAOCP 3, 6.4 R). The hash is keyed: ids and addresses
// can be ground, and without the salt nobody can grind them into one chain. Nothing iterates over
// it. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "crypto/check.h"
#include "crypto/endpoint.h"
#include "crypto/node_id.h"

namespace weft {

// What of a key goes into its hash.
inline std::array<std::uint64_t, 2> index_words(const NodeId& id) {
  return {load_be64(id.bytes.data()), load_be64(id.bytes.data() + 8)};
}
inline std::array<std::uint64_t, 2> index_words(const Endpoint& endpoint) {
  return {load_be64(endpoint.ip.data()) ^ std::rotl(std::uint64_t{endpoint.port}, 48),
          load_be64(endpoint.ip.data() + 8)};
}

template <class Key>
class HashIndex {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  explicit HashIndex(std::uint64_t salt) : salt_(salt) {}

  // The slot of `key`, or kNone. key_of(slot) gives the key of a slot that was inserted.
  template <class KeyOf>
  std::uint32_t find(const Key& key, const KeyOf& key_of) const {
    if (places_.empty()) return kNone;
    const std::uint32_t hash = hash_of(key);
    for (std::size_t i = hash & mask();; i = (i + 1) & mask()) {
      const Place& place = places_[i];
      if (place.slot == kNone) return kNone;
      if (place.hash == hash && key_of(place.slot) == key) return place.slot;
    }
  }

  // `key` must not be there yet; `slot` is any number but kNone. May allocate.
  void insert(const Key& key, std::uint32_t slot) {
    CHECK(slot != kNone);
    if (4 * (size_ + 1) > 3 * places_.size()) {
      std::vector<Place> old(std::max(kPlacesMin, 2 * places_.size()));
      old.swap(places_);
      for (const Place& place : old) {
        if (place.slot != kNone) put(place);
      }
    }
    put({hash_of(key), slot});
    ++size_;
  }

  // The entry of `key` with this slot must be there.
  void erase(const Key& key, std::uint32_t slot) {
    CHECK(!places_.empty());
    std::size_t hole = hash_of(key) & mask();
    while (places_[hole].slot != slot) {
      CHECK(places_[hole].slot != kNone);
      hole = (hole + 1) & mask();
    }
    for (std::size_t i = (hole + 1) & mask(); places_[i].slot != kNone; i = (i + 1) & mask()) {
      // Whose home lies cyclically in (hole, i] must stay where a search from there finds it.
      if (((i - places_[i].hash) & mask()) < ((i - hole) & mask())) continue;
      places_[hole] = places_[i];
      hole = i;
    }
    places_[hole] = {};
    --size_;
  }

  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kPlacesMin = 16;
  struct Place {
    std::uint32_t hash = 0;
    std::uint32_t slot = kNone;
  };
  std::size_t mask() const { return places_.size() - 1; }
  std::uint32_t hash_of(const Key& key) const {
    std::uint64_t h = salt_;
    for (const std::uint64_t word : index_words(key)) {
      h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
      h ^= h >> 32;
    }
    return static_cast<std::uint32_t>(h);
  }
  void put(const Place& place) {
    std::size_t i = place.hash & mask();
    while (places_[i].slot != kNone) i = (i + 1) & mask();
    places_[i] = place;
  }

  std::uint64_t salt_;
  std::vector<Place> places_;  // a power of two, or none
  std::size_t size_ = 0;
};

}  // namespace weft
