// Rows as the core writes them, one of each kind, for tests of the store.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "crypto/provider.h"
#include "dht/rows.h"
#include "gossip/state/state.h"
#include "node/store_rows.h"

namespace weft::node {

inline constexpr Now kThen{.mono = Instant{}, .wall = {1'700'000'000'123}};

inline NodeId id(std::uint8_t fill) {
  NodeId out;
  out.bytes.fill(fill);
  return out;
}

inline const Identity& identity() {
  static const SodiumProvider provider;
  static const Identity alice(provider, {3});
  return alice;
}

inline Write space_row(const state::Genesis& space) {
  Write row{.key = {state::kRowSpace}, .value = space.wire, .erase = false};
  row.key.insert(row.key.end(), space.id.bytes.begin(), space.id.bytes.end());
  return row;
}

// The namespace of that name of identity().
inline state::Genesis space_of(std::string_view name) {
  return state::make_genesis(identity(), name, state::Access::kOpen);
}

// A change of `beds/1` that identity() signs; the wire bytes of the entry.
inline Bytes entry_of(const state::NamespaceId& space, std::uint64_t seq, state::Kind kind = state::Kind::kSet) {
  const Bytes count = state::count_body({.up = 3, .down = 1});
  const state::EntryId seen{};
  state::Content content;
  content.space = space;
  content.author = identity().public_key();
  content.epoch = 0x0edc'ba98'7654'3210;
  content.seq = seq;
  content.stamp = std::uint64_t{1'700'000'000'123} << 16 | seq;
  content.kind = kind;
  content.path = as_bytes("beds/1");
  if (kind != state::Kind::kClear) content.body = kind == state::Kind::kCount ? ByteView(count) : as_bytes("beans");
  if (kind == state::Kind::kRemove || kind == state::Kind::kClear) content.saw = {&seen, 1};
  return state::sign_entries(identity(), {&content, 1}).value()[0];
}

inline Write entry_row(const Bytes& entry, std::uint64_t arrival) {
  const auto decoded = state::decode_entry(entry);
  Write row{.key = {state::kRowEntry}, .value = Bytes(8), .erase = false};
  const state::NamespaceId& space = decoded->content.space;
  row.key.insert(row.key.end(), space.bytes.begin(), space.bytes.end());
  row.key.insert(row.key.end(), decoded->id.bytes.begin(), decoded->id.bytes.end());
  store_le(row.value.data(), arrival);
  row.value.insert(row.value.end(), entry.begin(), entry.end());
  return row;
}

// One row of each kind, and what a row that no table fits looks like.
inline std::vector<Write> all_kinds() {
  const Identity& self = identity();
  const Bytes blob = dht::sign_value(
      self, {.key = id(1), .seq = 7, .lifetime_s = 600, .value = as_bytes("hello")});
  dht::Own own;
  own.blob = blob;
  own.expires = Instant{} + 600s;
  own.renew = true;
  const std::vector<Contact> contacts = {
      make_contact(self.public_key(), *parse_endpoint("1.2.3.4:5")),
      make_contact(self.public_key(), *parse_endpoint("[2001:db8::1]:6"))};
  RecordFields fields;
  fields.number = 9;
  fields.name = "alice";
  const RecordRef record = make_record(self, fields);
  Bytes member_key(33, kRowMember);
  std::ranges::copy(record->id.bytes, member_key.begin() + 1);
  return {{{kRowNumber}, {42, 1, 0, 0, 0, 0, 0, 0}, false},
          {member_key, record->wire, false},
          dht::contacts_row(contacts),
          dht::own_row(kThen, id(1), own),
          dht::value_row(kThen, {id(1), self.id()}, blob, Instant{} + 300s),
          {{'x', 1}, {2}, false},
          space_row(space_of("garden")),
          entry_row(entry_of(space_of("garden").id, 1), 1)};
}

inline std::map<Bytes, Bytes> by_key(const std::vector<Write>& rows) {
  std::map<Bytes, Bytes> out;
  for (const Write& row : rows) EXPECT_TRUE(out.emplace(row.key, row.value).second) << "twice";
  return out;
}

// A value held under `key`, written at kThen.
inline Write held_row_of(const NodeId& key, ByteView value, std::uint32_t remaining_s,
                         const Identity& author = identity()) {
  const Bytes blob = dht::sign_value(author, {.key = key, .seq = 1, .lifetime_s = 86400, .value = value});
  return dht::value_row(kThen, {key, author.id()}, blob, Instant{} + std::chrono::seconds(remaining_s));
}

// The same of an author without a secret key, written at `node_ms`: of the form, but with no good signature. Rows of the
// own disk are not held against one.
inline Write held_row_by(const PublicKey& author, const NodeId& key, ByteView value, std::uint32_t remaining_s,
                         std::int64_t node_ms) {
  static const Bytes like =
      dht::sign_value(identity(), {.key = {}, .seq = 1, .lifetime_s = dht::kLifetimeMaxS, .value = {}});
  Bytes blob = like;
  std::ranges::copy(author.bytes, blob.begin());
  blob.insert(blob.end(), value.begin(), value.end());
  const Now then{.mono = Instant{}, .wall = {node_ms}};
  return dht::value_row(then, {key, node_id_of(author)}, blob, Instant{} + std::chrono::seconds(remaining_s));
}

}  // namespace weft::node
