// The keys of which a paged store has everything in memory, in the order in which they were last asked about.
//
// Every store, get and comparison looks its key up here, and trim() walks through it from the front; so it is a hash
// index over a table, keyed with a salt of its own in each life, and the order is a list through the table's slots.
// Bounded by its user: each key counts for memory (value_store.h). One thread.
#pragma once

#include "crypto/hash_index.h"
#include "crypto/slab.h"

namespace weft::dht {

class KnownKeys {
 public:
  struct Entry {
    NodeId key;
    std::uint64_t changed = 0;     // by this ticket, at last
    std::uint64_t settled_at = 0;  // that write had ended when tickets were so far; 0: not seen yet
    bool kept = false;             // one of the farthest

   private:
    friend class KnownKeys;
    std::uint32_t before = kNoSlot;
    std::uint32_t after = kNoSlot;
  };

  explicit KnownKeys(std::uint64_t salt) : index_(salt) {}

  // The entry of a key, or nullptr; valid until it is removed.
  Entry* find(const NodeId& key);
  // The same, and it is the last asked about now.
  Entry* touch(const NodeId& key);
  // Not there yet; it is the last asked about. May allocate.
  Entry& add(const NodeId& key);
  // The one that was not asked about for the longest; nullptr if there is none.
  Entry* oldest() { return front_ == kNoSlot ? nullptr : &entries_[front_]; }
  // Makes oldest() the last asked about, or takes it out; there is one.
  void spare_oldest();
  void remove_oldest();

  std::size_t size() const { return entries_.used(); }

 private:
  static constexpr std::size_t kChunk = 64;
  std::uint32_t slot_of(const NodeId& key) const;
  void link_last(std::uint32_t slot);
  void unlink(std::uint32_t slot);

  Slab<Entry, kChunk> entries_;
  HashIndex<NodeId> index_;
  std::uint32_t front_ = kNoSlot;
  std::uint32_t back_ = kNoSlot;
};

}  // namespace weft::dht
