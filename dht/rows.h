// The rows in which the DHT survives a restart, and their msgpack form.
//
//   'v' | key 32 | author id 32  ->  [blob, remaining_s, wall]          a value held for the mesh
//   'o' | key 32                 ->  [blob, remaining_s, wall, renew]   an own value
//   'c'                          ->  [contact...]                       peers to start from
//   'r'                          ->  key 32                             where a round of publishing is
//
// `wall` is the node time (loads.h) in ms at the time of writing, so that whoever reads it can tell how much of
// the lifetime has passed: where rows are made and read, the wall clock of a Now is node time (Core::stamp).
// Rows come from the own disk: they are checked for form, not for signatures.
#pragma once

#include "crypto/effects.h"
#include "crypto/time.h"
#include "dht/own_values.h"
#include "dht/value_store.h"

namespace weft::dht {

inline constexpr std::uint8_t kValueTable = 'v';
inline constexpr std::uint8_t kOwnTable = 'o';
inline constexpr std::uint8_t kContactsTable = 'c';
inline constexpr std::uint8_t kRoundTable = 'r';
inline constexpr std::size_t kSavedContactsMax = 64;

// Whole seconds from now to `expires`, rounded down; 0 if none are left.
std::uint32_t seconds_left(Now now, Instant expires);

// Of a 'v' row's key; nullopt for any other.
std::optional<Slot> slot_of_row(ByteView key);

// The key that follows in the order of keys; nullopt after the last.
std::optional<NodeId> next_key(const NodeId& key);
NodeId last_key();

Write value_row(Now now, const Slot& slot, ByteView blob, Instant expires);
Write value_erased(const Slot& slot);
Write own_row(Now now, const NodeId& key, const Own& own);
Write own_erased(const NodeId& key);
Write round_row(const NodeId& from);
Write contacts_row(std::span<const Contact> contacts);  // at most kSavedContactsMax

// What a 'v' or 'o' row holds.
struct ValueRow {
  NodeId key;
  NodeId author;  // of a 'v' row's key
  Bytes blob;
  SignedValue value;  // of `blob`
  std::uint32_t remaining_s = 0;
  std::int64_t wall_ms = 0;
  bool renew = false;
};
// When a row's value ends. At least `down` has passed since it was written.
Instant end_of(Now now, const ValueRow& row, Duration down = {});
// nullopt if malformed.
std::optional<ValueRow> read_value_row(ByteView key, ByteView value);
std::optional<ValueRow> read_own_row(ByteView key, ByteView value);
std::vector<Contact> read_contacts_row(ByteView value);

}  // namespace weft::dht
