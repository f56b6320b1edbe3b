// The rows in which the DHT survives a restart, and their msgpack form.
//
//   'v' | key 32 | author id 32  ->  [blob, remaining_s, wall]          a value held for the mesh
//   'o' | key 32                 ->  [blob, remaining_s, wall, renew]   an own value
//   'c'                          ->  [contact...]                       peers to start from
//
// `wall` is the wall clock in ms at the time of writing, so that a restart can tell how much of the
// lifetime has passed. Rows come from the own disk: they are checked for form, not for signatures.
#pragma once

#include "crypto/effects.h"
#include "crypto/time.h"
#include "dht/own_values.h"
#include "dht/value_store.h"

namespace weft::dht {

inline constexpr std::uint8_t kValueTable = 'v';
inline constexpr std::uint8_t kOwnTable = 'o';
inline constexpr std::uint8_t kContactsTable = 'c';
inline constexpr std::size_t kSavedContactsMax = 64;

// Whole seconds from now to `expires`, rounded down; 0 if none are left.
std::uint32_t seconds_left(Now now, Instant expires);

Write value_row(Now now, const Slot& slot, ByteView blob, Instant expires);
Write value_erased(const Slot& slot);
Write own_row(Now now, const NodeId& key, const Own& own);
Write own_erased(const NodeId& key);
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
// nullopt if malformed.
std::optional<ValueRow> read_value_row(ByteView key, ByteView value);
std::optional<ValueRow> read_own_row(ByteView key, ByteView value);
std::vector<Contact> read_contacts_row(ByteView value);

}  // namespace weft::dht
