#include "gossip/state/entry.h"

#include "crypto/check.h"
#include "gossip/state/checkpoint.h"
#include "gossip/state/fork.h"
#include "gossip/state/rights.h"

namespace weft::state {
namespace {

constexpr std::uint64_t kFormat = 2;
constexpr std::size_t kIdBytes = sizeof(EntryId);
constexpr std::size_t kContentBytesMax = kEntryBytesMax;

constexpr std::size_t kHeaderBytesMax = 200;

Bytes joined(std::span<const EntryId> ids) {
  Bytes out;
  out.reserve(kIdBytes * ids.size());
  for (const EntryId& id : ids) out.insert(out.end(), id.bytes.begin(), id.bytes.end());
  return out;
}

ByteArray<32> rest_of(const Content& c, ByteView saw) {
  ByteArray<kContentBytesMax + 16> room;  // no more than the content, and the heads of the parts
  Writer w(room);
  w.array(3).bin(c.path).bin(c.body).bin(saw);
  CHECK(w.ok());
  const ByteArray<1> zero{};
  return blake2b_256(as_bytes(kEntryRestDomain), zero, w.view());
}

ByteArray<32> leaf_of(const NamespaceId& space, const Header& h) {
  ByteArray<kHeaderBytesMax> room;
  Writer w(room);
  w.array(9).uint(kFormat).bin(space.bytes).bin(h.author.bytes).uint(h.epoch).uint(h.seq);
  w.bin(h.prev ? ByteView(h.prev->bytes) : ByteView{}).uint(h.stamp).uint(static_cast<std::uint64_t>(h.kind)).bin(h.rest);
  CHECK(w.ok());
  const ByteArray<1> zero{};
  return blake2b_256(as_bytes(kEntryDomain), zero, w.view());
}

Header header_of(const Content& c, const ByteArray<32>& rest) {
  return {.author = c.author, .epoch = c.epoch, .seq = c.seq, .prev = c.prev, .stamp = c.stamp, .kind = c.kind, .rest = rest};
}

// Of a content that was encoded, so that it is within its limits.
ByteArray<32> leaf_of(const Content& c) { return leaf_of(c.space, header_of(c, rest_of(c, joined(c.saw)))); }

ByteArray<32> pair_of(ByteView left, ByteView right) { return blake2b_256(as_bytes("weft-entries-node-1"), left, right); }

EntryId id_of(const ByteArray<32>& leaf) {
  EntryId id;
  std::copy_n(leaf.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

// What is signed: the root and how many leaves it has, or the same root could be read with other places.
ByteArray<33> signed_bytes(const ByteArray<32>& root, std::size_t batch) {
  ByteArray<33> out;
  std::ranges::copy(root, out.begin());
  out[32] = static_cast<std::uint8_t>(batch);
  return out;
}

// The siblings of a leaf, from below; a node without one moves up as it is.
std::size_t siblings_of(std::size_t place, std::size_t batch) {
  std::size_t count = 0;
  for (; batch > 1; place /= 2, batch = (batch + 1) / 2) count += (place ^ 1) < batch ? 1 : 0;
  return count;
}

ByteArray<32> root_of(ByteArray<32> node, std::size_t place, std::size_t batch, ByteView siblings) {
  for (; batch > 1; place /= 2, batch = (batch + 1) / 2) {
    if ((place ^ 1) >= batch) continue;
    const ByteView other = siblings.first(32);
    siblings = siblings.subspan(32);
    node = place % 2 == 0 ? pair_of(node, other) : pair_of(other, node);
  }
  return node;
}

bool within_limits(const Content& c) {
  if (c.seq == 0 || c.seq > kSeqMax || c.saw.size() > kSawMax || !valid_path(c.path)) return false;
  if (!std::ranges::is_sorted(c.saw, std::ranges::less_equal{})) return false;
  switch (c.kind) {
    case Kind::kSet: return true;
    case Kind::kCount: return read_count(c.body).has_value();
    case Kind::kAdd: return !c.body.empty();
    case Kind::kRemove: return !c.body.empty() && !c.saw.empty();
    case Kind::kClear: return c.body.empty() && !c.saw.empty();
    // In an owned namespace it names a Grant.
    case Kind::kCheckpoint: return c.saw.size() <= 1 && as_text(c.path) == kCheckpointPath && read_checkpoint(c.body).has_value();
    case Kind::kGrant: return c.saw.empty() && as_text(c.path) == kGrantPath && read_grant(c.body).has_value();
    case Kind::kRevoke: return c.saw.empty() && as_text(c.path) == kRevokePath && read_revocation(c.body).has_value();
    case Kind::kFork: {
      const bool no_place = c.epoch == 0 && c.seq == 1 && !c.prev && c.stamp == 0;
      return no_place && c.saw.empty() && as_text(c.path) == kForkPath && read_fork(c.space, c.body).has_value();
    }
  }
  return false;
}

ByteView encode_content(const Content& c, MutableBytes room) {
  const Bytes saw = joined(c.saw);
  Writer w(room);
  w.array(11).uint(kFormat).bin(c.space.bytes).bin(c.author.bytes).uint(c.epoch).uint(c.seq);
  w.bin(c.prev ? ByteView(c.prev->bytes) : ByteView{}).uint(c.stamp).uint(static_cast<std::uint64_t>(c.kind));
  w.bin(c.path).bin(c.body).bin(saw);
  return w.ok() ? w.view() : ByteView{};
}

ByteView encode_entry(ByteView content, std::size_t batch, std::size_t place, ByteView siblings, const Signature& signature,
                      MutableBytes room) {
  Writer w(room);
  w.array(5).bin(content).uint(batch).uint(place).bin(siblings).bin(signature.bytes);
  return w.ok() ? w.view() : ByteView{};
}

}  // namespace

bool valid_path(ByteView path) {
  if (path.empty() || path.size() > kPathBytesMax || path.front() == '/' || path.back() == '/') return false;
  std::uint8_t before = 0;
  for (const std::uint8_t byte : path) {
    if (byte < 0x21 || byte == 0x7f || (byte == '/' && before == '/')) return false;
    before = byte;
  }
  return true;
}

std::optional<Counted> read_count(ByteView body) {
  if (body.size() != 16) return std::nullopt;
  return Counted{load_le<std::uint64_t>(body.data()), load_le<std::uint64_t>(body.data() + 8)};
}

Bytes count_body(const Counted& counted) {
  Bytes body(16);
  store_le(body.data(), counted.up);
  store_le(body.data() + 8, counted.down);
  return body;
}

std::string_view to_string(EntryError error) {
  switch (error) {
    case EntryError::kTooLarge: return "too_large";
    case EntryError::kMalformed: return "malformed";
    case EntryError::kNotCanonical: return "not_canonical";
    case EntryError::kUnknownKind: return "unknown_kind";
    case EntryError::kBadSignature: return "bad_signature";
  }
  return "unknown";
}

std::expected<std::vector<Bytes>, EntryError> sign_entries(const Identity& identity, std::span<const Content> contents) {
  CHECK(!contents.empty() && contents.size() <= kBatchMax);
  std::vector<Bytes> encoded;
  std::vector<ByteArray<32>> level;
  for (const Content& content : contents) {
    CHECK(content.author == identity.public_key());
    if (!within_limits(content)) return std::unexpected(EntryError::kMalformed);
    ByteArray<kContentBytesMax> room;
    const ByteView bytes = encode_content(content, room);
    if (bytes.empty()) return std::unexpected(EntryError::kTooLarge);
    encoded.push_back(to_bytes(bytes));
    level.push_back(leaf_of(content));
  }
  const std::size_t batch = contents.size();
  std::vector<Bytes> siblings(batch);
  for (std::size_t height = 0; level.size() > 1; ++height) {
    for (std::size_t leaf = 0; leaf < batch; ++leaf) {
      const std::size_t other = (leaf >> height) ^ 1;
      if (other < level.size()) siblings[leaf].insert(siblings[leaf].end(), level[other].begin(), level[other].end());
    }
    std::vector<ByteArray<32>> above;
    for (std::size_t i = 0; i < level.size(); i += 2) {
      above.push_back(i + 1 < level.size() ? pair_of(level[i], level[i + 1]) : level[i]);
    }
    level = std::move(above);
  }
  const Signature signature = identity.sign(kEntriesDomain, signed_bytes(level[0], batch));
  std::vector<Bytes> out;
  for (std::size_t i = 0; i < batch; ++i) {
    ByteArray<kEntryBytesMax> room;
    const ByteView bytes = encode_entry(encoded[i], batch, i, siblings[i], signature, room);
    if (bytes.empty()) return std::unexpected(EntryError::kTooLarge);
    out.push_back(to_bytes(bytes));
  }
  return out;
}

std::expected<EntryId, EntryError> id_of_content(const Content& content) {
  if (!within_limits(content)) return std::unexpected(EntryError::kMalformed);
  ByteArray<kContentBytesMax> room;
  const ByteView bytes = encode_content(content, room);
  if (bytes.empty()) return std::unexpected(EntryError::kTooLarge);
  return id_of(leaf_of(content));
}

std::expected<Entry, EntryError> decode_entry(ByteView bytes) {
  if (bytes.size() > kEntryBytesMax) return std::unexpected(EntryError::kTooLarge);
  Reader outer(bytes);
  outer.array_of(5);
  const ByteView content = outer.bin(kContentBytesMax);
  Entry entry;
  entry.batch = static_cast<std::uint8_t>(outer.uint(kBatchMax));
  entry.place = static_cast<std::uint8_t>(outer.uint(kBatchMax - 1));
  entry.siblings = outer.bin(32 * kBatchMax);
  entry.signature.bytes = outer.bin_exact<64>();
  if (outer.finish() || entry.place >= entry.batch) return std::unexpected(EntryError::kMalformed);
  if (entry.siblings.size() != 32 * siblings_of(entry.place, entry.batch)) return std::unexpected(EntryError::kMalformed);

  Reader r(content);
  Content& c = entry.content;
  r.array_of(11);
  if (r.uint() != kFormat) r.fail(DecodeError::kBadValue);
  c.space.bytes = r.bin_exact<32>();
  c.author.bytes = r.bin_exact<32>();
  c.epoch = r.uint();
  c.seq = r.uint(kSeqMax);
  const ByteView prev = r.bin(kIdBytes);
  c.stamp = r.uint();
  const std::uint64_t kind = r.uint();
  c.path = r.bin(kPathBytesMax);
  c.body = r.bin(kContentBytesMax);
  const ByteView saw = r.bin(kIdBytes * kSawMax);
  if (r.finish() || (!prev.empty() && prev.size() != kIdBytes) || saw.size() % kIdBytes != 0) {
    return std::unexpected(EntryError::kMalformed);
  }
  if (kind == 0 || kind > static_cast<std::uint64_t>(Kind::kLast)) return std::unexpected(EntryError::kUnknownKind);
  c.kind = static_cast<Kind>(kind);
  if (!prev.empty()) std::ranges::copy(prev, c.prev.emplace().bytes.begin());
  entry.saw.resize(saw.size() / kIdBytes);
  for (std::size_t i = 0; i < entry.saw.size(); ++i) {
    std::ranges::copy(saw.subspan(kIdBytes * i, kIdBytes), entry.saw[i].bytes.begin());
  }
  c.saw = entry.saw;
  if (!within_limits(c)) return std::unexpected(EntryError::kMalformed);

  ByteArray<kContentBytesMax> content_room;
  ByteArray<kEntryBytesMax> room;
  if (!equal(encode_content(c, content_room), content) ||
      !equal(encode_entry(content, entry.batch, entry.place, entry.siblings, entry.signature, room), bytes)) {
    return std::unexpected(EntryError::kNotCanonical);
  }
  entry.rest = rest_of(c, saw);
  const ByteArray<32> leaf = leaf_of(c.space, header_of(c, entry.rest));
  entry.id = id_of(leaf);
  entry.root = root_of(leaf, entry.place, entry.batch, entry.siblings);
  return entry;
}

std::optional<Bytes> assemble_entry(const Content& content, std::uint8_t batch, std::uint8_t place, ByteView siblings,
                                    const Signature& signature) {
  ByteArray<kContentBytesMax> content_room;
  ByteArray<kEntryBytesMax> room;
  const ByteView encoded = encode_content(content, content_room);
  const ByteView bytes = encoded.empty() ? encoded : encode_entry(encoded, batch, place, siblings, signature, room);
  if (bytes.empty()) return std::nullopt;
  return to_bytes(bytes);
}

Header header_of(const Entry& entry) { return header_of(entry.content, entry.rest); }

EntryId id_of_header(const NamespaceId& space, const Header& header) { return id_of(leaf_of(space, header)); }

std::optional<ByteArray<32>> root_of_header(const NamespaceId& space, const Header& header, std::uint8_t batch, std::uint8_t place,
                                            ByteView siblings) {
  if (batch == 0 || batch > kBatchMax || place >= batch || siblings.size() != 32 * siblings_of(place, batch)) return std::nullopt;
  return root_of(leaf_of(space, header), place, batch, siblings);
}

bool verify_root(const CryptoProvider& provider, const PublicKey& author, const ByteArray<32>& root, std::uint8_t batch,
                 const Signature& signature) {
  return verify(provider, author, kEntriesDomain, signed_bytes(root, batch), signature);
}

bool verify_entry(const CryptoProvider& provider, const Entry& entry) {
  return verify_root(provider, entry.content.author, entry.root, entry.batch, entry.signature);
}

}  // namespace weft::state
