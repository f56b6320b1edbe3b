#include "dht/messages.h"

namespace weft::dht {
namespace {

constexpr std::size_t kContactV4Bytes = 32 + 6;
constexpr std::size_t kTagBytes = sizeof(std::uint16_t);  // of what the asker knows, and its salt

void write_token(Writer& w, const std::optional<Token>& token) {
  if (token) {
    w.bin(*token);
  } else {
    w.nil();
  }
}

std::optional<Token> read_token(Reader& r) {
  if (r.skip_nil()) return std::nullopt;
  return r.bin_exact<sizeof(Token)>();
}

void write_id(Writer& w, const std::optional<NodeId>& id) {
  if (id) {
    w.bin(id->bytes);
  } else {
    w.nil();
  }
}

std::optional<NodeId> read_id(Reader& r) {
  if (r.skip_nil()) return std::nullopt;
  return NodeId{r.bin_exact<32>()};
}

using Contacts = InlineVec<Contact, kContactsPerReply>;

void write_contacts(Writer& w, const Contacts& contacts) {
  w.array(contacts.size());
  for (const Contact& contact : contacts) {
    ByteArray<kContactWireMax> raw;
    std::ranges::copy(contact.key.bytes, raw.begin());
    const std::size_t size = 32 + encode_endpoint(contact.endpoint, MutableBytes(raw).subspan(32));
    w.bin(ByteView(raw).first(size));
  }
}

void read_contacts(Reader& r, Contacts& contacts) {
  contacts.clear();
  const std::size_t count = r.array(kContactsPerReply);
  for (std::size_t i = 0; i < count && !r.failed(); ++i) {
    const ByteView raw = r.bin(kContactWireMax);
    if (r.failed()) return;
    if (raw.size() < kContactV4Bytes) return r.fail(DecodeError::kBadValue);
    const auto endpoint = decode_endpoint(raw.subspan(32));
    if (!endpoint) return r.fail(DecodeError::kBadValue);
    PublicKey key;
    std::ranges::copy(raw.first(32), key.bytes.begin());
    contacts.push(make_contact(key, *endpoint));
  }
}

// The last field, which is not there if nobody is known.
void write_known(Writer& w, const Known& known) {
  if (known.tags.empty()) return;
  const MutableBytes room = w.bin_room(kTagBytes * (1 + known.tags.size()));
  if (room.empty()) return;
  store_le(room.data(), known.salt);
  for (std::size_t i = 0; i < known.tags.size(); ++i) store_le(room.data() + kTagBytes * (1 + i), known.tags[i]);
}

void read_known(Reader& r, Known& known) {
  known = {};
  if (!r.next_is_bin()) return;
  const ByteView raw = r.bin(kTagBytes * (1 + kKnownTagsMax));
  if (r.failed()) return;
  if (raw.size() <= kTagBytes || raw.size() % kTagBytes != 0) return r.fail(DecodeError::kBadValue);
  known.salt = load_le<std::uint16_t>(raw.data());
  for (std::size_t at = kTagBytes; at < raw.size(); at += kTagBytes) known.tags.push(load_le<std::uint16_t>(raw.data() + at));
}

// Elements of an array that ends with it.
std::size_t with_known(std::size_t fields, const Known& known) { return fields + (known.tags.empty() ? 0 : 1); }

Stored read_stored(Reader& r) {
  const auto status = static_cast<StoreStatus>(r.uint(static_cast<std::uint64_t>(StoreStatus::kFailed)));
  return {.status = status, .seq = r.uint(kSeqMax)};
}

// The length of a list of groups of `words` fields, of which there must be at least one.
std::size_t read_groups(Reader& r, std::size_t words, std::size_t groups_max) {
  const std::size_t count = r.array(words * groups_max);
  if (count == 0 || count % words != 0) r.fail(DecodeError::kBadValue);
  return count / words;
}

}  // namespace

std::size_t contact_bytes(const Contact& contact) {
  return 2 + 32 + (contact.endpoint.is_v4() ? std::size_t{6} : kEndpointWireMax);
}

std::size_t value_bytes(const HeldValue& value) { return 5 + 3 + value.blob.size(); }

std::size_t store_item_bytes(const StoreItem& item) { return 2 + 32 + 5 + 3 + item.blob.size(); }

void encode(Writer& w, std::uint32_t rpc, const FindNode& m) {
  w.array(with_known(5, m.known)).uint(kFindNode).uint(rpc).bin(m.target.bytes).uint(m.contacts_max);
  w.boolean(m.want_token);
  write_known(w, m.known);
}

void encode(Writer& w, std::uint32_t rpc, const Nodes& m) {
  w.array(4).uint(kNodes).uint(rpc);
  write_token(w, m.token);
  write_contacts(w, m.contacts);
}

void encode(Writer& w, std::uint32_t rpc, const Get& m) {
  w.array(with_known(7, m.known)).uint(kGet).uint(rpc).bin(m.key.bytes);
  write_id(w, m.author);
  write_id(w, m.after);
  w.boolean(m.want_token).uint(m.newer_than);
  write_known(w, m.known);
}

void encode(Writer& w, std::uint32_t rpc, const Values& m) {
  w.array(6).uint(kValues).uint(rpc);
  write_token(w, m.token);
  w.boolean(m.more).array(2 * m.values.size());
  for (const HeldValue& value : m.values) w.uint(value.remaining_s).bin(value.blob);
  write_contacts(w, m.contacts);
}

void encode(Writer& w, std::uint32_t rpc, const Store& m) {
  w.array(6).uint(kStore).uint(rpc).bin(m.key.bytes).bin(m.token).uint(m.remaining_s);
  w.bin(m.blob);
}

void encode(Writer& w, std::uint32_t rpc, const Stored& m) {
  w.array(4).uint(kStored).uint(rpc).uint(static_cast<std::uint64_t>(m.status)).uint(m.seq);
}

namespace {

// An id without the bytes at its end that are `fill`, and back.
ByteView trimmed(const NodeId& id, std::uint8_t fill) {
  std::size_t size = id.bytes.size();
  while (size > 0 && id.bytes[size - 1] == fill) --size;
  return ByteView(id.bytes).first(size);
}

NodeId filled(ByteView bytes, std::uint8_t fill) {
  NodeId id;
  id.bytes.fill(fill);
  std::ranges::copy(bytes.first(std::min(bytes.size(), id.bytes.size())), id.bytes.begin());
  return id;
}

}  // namespace

void encode(Writer& w, std::uint32_t rpc, const Compare& m) {
  ByteArray<8> salt;
  store_le(salt.data(), m.salt);
  w.array(7).uint(kCompare).uint(rpc).bin(trimmed(m.first, 0)).bin(trimmed(m.last, 0xff)).bin(salt).bin(m.sums).boolean(m.publishes);
}

void encode(Writer& w, std::uint32_t rpc, const Compared& m) {
  w.array(4).uint(kCompared).uint(rpc);
  write_token(w, m.token);
  w.bin(m.missing);
}

void encode(Writer& w, std::uint32_t rpc, const StoreMany& m) {
  w.array(4).uint(kStoreMany).uint(rpc).bin(m.token).array(3 * m.items.size());
  for (const StoreItem& item : m.items) w.bin(item.key.bytes).uint(item.remaining_s).bin(item.blob);
}

void encode(Writer& w, std::uint32_t rpc, const StoredMany& m) {
  w.array(3).uint(kStoredMany).uint(rpc).array(2 * m.answers.size());
  for (const Stored& answer : m.answers) w.uint(static_cast<std::uint64_t>(answer.status)).uint(answer.seq);
}

void encode(Writer& w, std::uint32_t rpc, const Traced& m) {
  w.array(5).uint(kTraced).uint(rpc).bin(m.context.trace).bin(m.context.span).bin(m.request);
}

std::optional<DecodeError> decode(Reader& r, FindNode& m) {
  m.target.bytes = r.bin_exact<32>();
  m.contacts_max = static_cast<std::uint8_t>(r.uint(kContactsPerReply));
  m.want_token = r.boolean();
  read_known(r, m.known);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Nodes& m) {
  m.token = read_token(r);
  read_contacts(r, m.contacts);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Get& m) {
  m.key.bytes = r.bin_exact<32>();
  m.author = read_id(r);
  m.after = read_id(r);
  m.want_token = r.boolean();
  m.newer_than = r.uint(kSeqMax);
  read_known(r, m.known);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Values& m) {
  m.token = read_token(r);
  m.more = r.boolean();
  m.values.clear();
  const std::size_t words = r.array(2 * kValuesPerReply);
  if (words % 2 != 0) r.fail(DecodeError::kBadValue);
  for (std::size_t i = 0; i + 1 < words && !r.failed(); i += 2) {
    HeldValue value;
    value.remaining_s = static_cast<std::uint32_t>(r.uint(kLifetimeMaxS));
    value.blob = r.bin(kBlobBytesMax);
    m.values.push(value);
  }
  read_contacts(r, m.contacts);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Store& m) {
  m.key.bytes = r.bin_exact<32>();
  m.token = r.bin_exact<sizeof(Token)>();
  m.remaining_s = static_cast<std::uint32_t>(r.uint(kLifetimeMaxS));
  m.blob = r.bin(kBlobBytesMax);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Stored& m) {
  m = read_stored(r);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Compare& m) {
  m.first = filled(r.bin(32), 0);
  m.last = filled(r.bin(32), 0xff);
  m.salt = load_le<std::uint64_t>(r.bin_exact<8>().data());
  m.sums = r.bin(8 * kCompareItemsMax);
  m.publishes = r.boolean();
  if (m.sums.empty() || m.sums.size() % 8 != 0 || m.last < m.first) r.fail(DecodeError::kBadValue);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Compared& m) {
  m.token = read_token(r);
  m.missing = r.bin(kCompareItemsMax / 8);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, StoreMany& m) {
  m.token = r.bin_exact<sizeof(Token)>();
  m.items.clear();
  const std::size_t count = read_groups(r, 3, kStoreItemsMax);
  for (std::size_t i = 0; i < count && !r.failed(); ++i) {
    StoreItem item;
    item.key.bytes = r.bin_exact<32>();
    item.remaining_s = static_cast<std::uint32_t>(r.uint(kLifetimeMaxS));
    item.blob = r.bin(kBlobBytesMax);
    m.items.push(item);
  }
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, StoredMany& m) {
  m.answers.clear();
  const std::size_t count = read_groups(r, 2, kStoreItemsMax);
  for (std::size_t i = 0; i < count && !r.failed(); ++i) m.answers.push(read_stored(r));
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Traced& m) {
  m.context.trace = r.bin_exact<16>();
  m.context.span = r.bin_exact<8>();
  m.request = r.bin(kTracedRequestBytesMax);
  return r.finish();
}

}  // namespace weft::dht
