#include "crypto/node_record.h"

#include "crypto/check.h"

namespace weft {
namespace {

constexpr std::uint64_t kFormat = 1;

// Body of a record, canonical. Returns an empty view if it does not fit.
ByteView encode_body(const PublicKey& key, const RecordFields& fields, MutableBytes room) {
  Writer w(room);
  w.array(11).uint(kFormat).bin(key.bytes).uint(fields.number).uint(fields.instance);
  w.uint(static_cast<std::uint64_t>(fields.status)).array(fields.endpoints.size());
  for (const Endpoint& endpoint : fields.endpoints) {
    ByteArray<kEndpointWireMax> raw;
    w.bin(ByteView(raw).first(encode_endpoint(endpoint, raw)));
  }
  w.uint(fields.features).uint(fields.minor).bin(fields.network).str(fields.name);
  w.array(fields.tags.size() * 2);
  for (const auto& [tag, value] : fields.tags) w.str(tag).str(value);
  return w.ok() ? w.view() : ByteView{};
}

bool within_limits(const RecordFields& fields) {
  if (fields.number == 0 || fields.number > kNumberMax) return false;
  if (fields.name.size() > kNameBytesMax || fields.tags.size() > kTagsMax) return false;
  return std::ranges::all_of(fields.tags, [](const auto& tag) {
    return !tag.first.empty() && tag.first.size() <= kTagKeyBytesMax &&
           tag.second.size() <= kTagValueBytesMax;
  });
}

void read_body(Reader& r, NodeRecord& record) {
  r.array_of(11);
  if (r.uint() != kFormat) r.fail(DecodeError::kBadValue);
  record.key.bytes = r.bin_exact<32>();
  record.number = r.uint(kNumberMax);
  record.instance = r.uint();
  record.status = static_cast<RecordStatus>(r.uint(1));
  const std::size_t endpoints = r.array(kRecordEndpointsMax);
  for (std::size_t i = 0; i < endpoints; ++i) {
    const auto endpoint = decode_endpoint(r.bin(kEndpointWireMax));
    if (!endpoint) return r.fail(DecodeError::kBadValue);
    record.endpoints.push(*endpoint);
  }
  record.features = static_cast<std::uint32_t>(r.uint(UINT32_MAX));
  record.minor = static_cast<std::uint32_t>(r.uint(UINT32_MAX));
  record.network = r.bin_exact<16>();
  record.name = std::string(r.str(kNameBytesMax));
  const std::size_t words = r.array(2 * kTagsMax);
  for (std::size_t i = 0; i + 1 < words; i += 2) {
    std::string tag(r.str(kTagKeyBytesMax));
    record.tags[std::move(tag)] = std::string(r.str(kTagValueBytesMax));
  }
}

RecordRef finish(NodeRecord record, ByteView wire) {
  record.id = node_id_of(record.key);
  record.wire = to_bytes(wire);
  blake2b(record.hash, {}, wire);
  return std::make_shared<const NodeRecord>(std::move(record));
}

}  // namespace

std::string_view to_string(RecordError error) {
  switch (error) {
    case RecordError::kMalformed: return "malformed";
    case RecordError::kNotCanonical: return "not_canonical";
    case RecordError::kBadSignature: return "bad_signature";
    case RecordError::kOtherNetwork: return "other_network";
  }
  return "unknown";
}

RecordRef make_record(const Identity& identity, const RecordFields& fields) {
  if (!within_limits(fields)) return nullptr;
  ByteArray<kRecordBytesMax> body_room;
  const ByteView body = encode_body(identity.public_key(), fields, body_room);
  if (body.empty()) return nullptr;
  const Signature signature = identity.sign(kRecordDomain, body);
  ByteArray<kRecordBytesMax> room;
  Writer w(room);
  w.array(2).bin(body).bin(signature.bytes);
  if (!w.ok()) return nullptr;
  NodeRecord record;
  static_cast<RecordFields&>(record) = fields;
  record.key = identity.public_key();
  return finish(std::move(record), w.view());
}

std::expected<NodeRecord, RecordError> decode_record(ByteView wire, Signature& signature) {
  if (wire.size() > kRecordBytesMax) return std::unexpected(RecordError::kMalformed);
  Reader outer(wire);
  outer.array_of(2);
  const ByteView body = outer.bin(kRecordBytesMax);
  signature.bytes = outer.bin_exact<64>();
  if (outer.finish()) return std::unexpected(RecordError::kMalformed);

  NodeRecord record;
  Reader inner(body);
  read_body(inner, record);
  if (inner.finish() || !within_limits(record)) return std::unexpected(RecordError::kMalformed);

  // One record, one spelling: what we would have written must be what we read.
  ByteArray<kRecordBytesMax> body_room;
  const ByteView again = encode_body(record.key, record, body_room);
  ByteArray<kRecordBytesMax> room;
  Writer w(room);
  w.array(2).bin(again).bin(signature.bytes);
  if (!w.ok() || !equal(w.view(), wire)) return std::unexpected(RecordError::kNotCanonical);
  return record;
}

std::expected<RecordRef, RecordError> open_record(const CryptoProvider& provider, ByteView wire) {
  Signature signature;
  auto record = decode_record(wire, signature);
  if (!record) return std::unexpected(record.error());
  Reader outer(wire);
  outer.array_of(2);
  const ByteView body = outer.bin(kRecordBytesMax);
  if (!verify(provider, record->key, kRecordDomain, body, signature)) {
    return std::unexpected(RecordError::kBadSignature);
  }
  return finish(std::move(*record), wire);
}

std::optional<RecordPeek> peek_record(ByteView wire) {
  // Canonical records start with array(2), bin header, array(11), 1, bin(32), key, number. Reading
  // just that prefix keeps "is this news?" far below the price of a decode.
  if (wire.size() < 48 || wire[0] != 0x92) return std::nullopt;
  std::size_t at = 1;
  if (wire[at] == 0xc4) at += 2;
  else if (wire[at] == 0xc5) at += 3;
  else return std::nullopt;
  static constexpr ByteArray<4> kHead = {0x9b, kFormat, 0xc4, 32};
  if (!equal(wire.subspan(at, 4), kHead)) return std::nullopt;
  at += 4;
  RecordPeek peek;
  std::ranges::copy(wire.subspan(at, 32), peek.key.bytes.begin());
  at += 32;
  const std::uint8_t lead = wire[at++];
  std::size_t width = 0;
  if (lead < 0x80) peek.number = lead;
  else if (lead >= 0xcc && lead <= 0xcf) width = std::size_t{1} << (lead - 0xcc);
  else return std::nullopt;
  if (wire.size() < at + width) return std::nullopt;
  for (std::size_t i = 0; i < width; ++i) peek.number = peek.number << 8 | wire[at + i];
  return peek;
}

RecordCache::RecordCache(const CryptoProvider& provider, std::size_t capacity)
    : provider_(provider), capacity_(capacity) {
  CHECK(capacity > 0);
}

std::expected<RecordRef, RecordError> RecordCache::admit(ByteView wire,
                                                         const ByteArray<16>& network) {
  ByteArray<16> hash;
  blake2b(hash, {}, wire);
  if (const auto it = by_hash_.find(hash); it != by_hash_.end()) {
    if (it->second.first->network != network) return std::unexpected(RecordError::kOtherNetwork);
    return it->second.first;
  }
  // The cheap test before the signature: a stranger's record is not worth 73 us.
  Signature signature;
  const auto decoded = decode_record(wire, signature);
  if (!decoded) return std::unexpected(decoded.error());
  if (decoded->network != network) return std::unexpected(RecordError::kOtherNetwork);
  auto opened = open_record(provider_, wire);
  if (!opened) return opened;
  ++verified_total_;
  if (by_hash_.size() == capacity_) {
    by_hash_.erase(by_age_.begin()->second);
    by_age_.erase(by_age_.begin());
  }
  by_age_[clock_] = hash;
  by_hash_[hash] = {*opened, clock_++};
  return opened;
}

}  // namespace weft
