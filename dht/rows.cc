#include "dht/rows.h"

namespace weft::dht {
namespace {

Bytes row_key(std::uint8_t table, const NodeId& key) {
  Bytes out;
  out.reserve(65);
  out.push_back(table);
  out.insert(out.end(), key.bytes.begin(), key.bytes.end());
  return out;
}

Bytes slot_key(const Slot& slot) {
  Bytes out = row_key(kValueTable, slot.key);
  out.insert(out.end(), slot.author.bytes.begin(), slot.author.bytes.end());
  return out;
}

std::uint64_t wall_ms(Now now) {
  return now.wall.value < 0 ? 0 : static_cast<std::uint64_t>(now.wall.value);
}

NodeId id_from(ByteView bytes) {
  NodeId id;
  std::ranges::copy(bytes.first(32), id.bytes.begin());
  return id;
}

// What both kinds of row have in common; the caller has checked the key's length.
std::optional<ValueRow> read_row(ByteView key, ByteView value, bool own) {
  ValueRow row;
  row.key = id_from(key.subspan(1));
  Reader r(value);
  r.array_of(own ? 4 : 3);
  row.blob = to_bytes(r.bin(kBlobBytesMax));
  row.remaining_s = static_cast<std::uint32_t>(r.uint(kLifetimeMaxS));
  row.wall_ms = static_cast<std::int64_t>(r.uint(INT64_MAX));
  if (own) row.renew = r.boolean();
  if (r.finish()) return std::nullopt;
  const auto decoded = decode_value(row.blob);
  if (!decoded || row.remaining_s > decoded->lifetime_s) return std::nullopt;
  row.value = *decoded;
  row.author = node_id_of(decoded->author);
  return row;
}

}  // namespace

std::uint32_t seconds_left(Now now, Instant expires) {
  if (expires <= now.mono) return 0;
  const auto left = std::chrono::floor<std::chrono::seconds>(expires - now.mono).count();
  return static_cast<std::uint32_t>(std::min<std::int64_t>(left, kLifetimeMaxS));
}

std::optional<Slot> slot_of_row(ByteView key) {
  if (key.size() != 65 || key[0] != kValueTable) return std::nullopt;
  return Slot{id_from(key.subspan(1)), id_from(key.subspan(33))};
}

NodeId last_key() {
  NodeId last;
  last.bytes.fill(0xff);
  return last;
}

std::optional<NodeId> next_key(const NodeId& key) {
  NodeId next = key;
  for (std::size_t i = next.bytes.size(); i-- > 0;) {
    if (++next.bytes[i] != 0) return next;
  }
  return std::nullopt;
}

Write value_row(Now now, const Slot& slot, ByteView blob, Instant expires) {
  ByteArray<kBlobBytesMax + 32> room;
  Writer w(room);
  w.array(3).bin(blob).uint(seconds_left(now, expires)).uint(wall_ms(now));
  CHECK(w.ok());
  return {.key = slot_key(slot), .value = to_bytes(w.view()), .erase = false};
}

Instant end_of(Now now, const ValueRow& row, Duration down) {
  // A clock that was set back cannot lengthen a life, one that was set forward may shorten it.
  const Duration since = std::chrono::milliseconds(now.wall.value - row.wall_ms);
  return now.mono + std::chrono::seconds(row.remaining_s) - std::max({down, since, Duration{}});
}

Write value_erased(const Slot& slot) { return {.key = slot_key(slot), .value = {}, .erase = true}; }

Write own_row(Now now, const NodeId& key, const Own& own) {
  ByteArray<kBlobBytesMax + 32> room;
  Writer w(room);
  w.array(4).bin(own.blob).uint(seconds_left(now, own.expires)).uint(wall_ms(now));
  w.boolean(own.renew);
  CHECK(w.ok());
  return {.key = row_key(kOwnTable, key), .value = to_bytes(w.view()), .erase = false};
}

Write own_erased(const NodeId& key) {
  return {.key = row_key(kOwnTable, key), .value = {}, .erase = true};
}

Write round_row(const NodeId& from) {
  return {.key = {kRoundTable}, .value = to_bytes(ByteView(from.bytes)), .erase = false};
}

Write contacts_row(std::span<const Contact> contacts) {
  Bytes room(8 + kSavedContactsMax * (2 + kContactWireMax));
  Writer w(room);
  const std::size_t count = std::min(contacts.size(), kSavedContactsMax);
  w.array(count);
  for (const Contact& contact : contacts.first(count)) {
    ByteArray<kContactWireMax> raw;
    std::ranges::copy(contact.key.bytes, raw.begin());
    const std::size_t size = 32 + encode_endpoint(contact.endpoint, MutableBytes(raw).subspan(32));
    w.bin(ByteView(raw).first(size));
  }
  CHECK(w.ok());
  return {.key = {kContactsTable}, .value = to_bytes(w.view()), .erase = false};
}

std::optional<ValueRow> read_value_row(ByteView key, ByteView value) {
  if (key.size() != 65 || key[0] != kValueTable) return std::nullopt;
  auto row = read_row(key, value, /*own=*/false);
  if (!row || row->author != id_from(key.subspan(33))) return std::nullopt;
  return row;
}

std::optional<ValueRow> read_own_row(ByteView key, ByteView value) {
  if (key.size() != 33 || key[0] != kOwnTable) return std::nullopt;
  return read_row(key, value, /*own=*/true);
}

std::vector<Contact> read_contacts_row(ByteView value) {
  std::vector<Contact> out;
  Reader r(value);
  const std::size_t count = r.array(kSavedContactsMax);
  for (std::size_t i = 0; i < count; ++i) {
    const ByteView raw = r.bin(kContactWireMax);
    if (r.failed() || raw.size() < 32) return {};
    const auto endpoint = decode_endpoint(raw.subspan(32));
    if (!endpoint) return {};
    PublicKey key;
    std::ranges::copy(raw.first(32), key.bytes.begin());
    out.push_back(make_contact(key, *endpoint));
  }
  if (r.finish()) return {};
  return out;
}

}  // namespace weft::dht
