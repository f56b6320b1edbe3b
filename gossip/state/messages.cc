#include "gossip/state/messages.h"

#include <bit>

#include "crypto/check.h"
#include "crypto/outbox.h"
#include "crypto/siphash.h"

namespace weft::state {
namespace {

constexpr std::size_t kPrefixWireMax = 1 + sizeof(EntryKey);
constexpr std::size_t kPartBytes = 1 + 4;
constexpr std::size_t kNodeWireMax = kPrefixWireMax + 1 + 2 + 16 * kPartBytes;

void head(Writer& w, std::size_t fields, Kinds kind, std::uint32_t rpc) { w.array(fields + 2).uint(kind).uint(rpc); }

std::uint64_t salted(const Salt& salt, const TreeHash& hash) {
  ByteArray<16> key{};
  std::ranges::copy(salt, key.begin());
  return siphash(key, hash);
}

// [nibbles, as many bytes as they take]
std::size_t put_prefix(const Prefix& prefix, MutableBytes to) {
  const std::size_t bytes = (prefix.nibbles + 1u) / 2;
  to[0] = prefix.nibbles;
  std::copy_n(prefix.bytes.begin(), bytes, to.begin() + 1);
  return 1 + bytes;
}

// Takes one from the front of `raw`; nullopt if it is none, or has something behind its last nibble.
std::optional<Prefix> take_prefix(ByteView& raw) {
  if (raw.empty() || raw[0] > kNibbles) return std::nullopt;
  Prefix out;
  out.nibbles = raw[0];
  const std::size_t bytes = (out.nibbles + 1u) / 2;
  if (raw.size() < 1 + bytes) return std::nullopt;
  std::copy_n(raw.begin() + 1, bytes, out.bytes.begin());
  if (out.nibbles % 2 != 0 && (out.bytes[out.nibbles / 2] & 15) != 0) return std::nullopt;
  raw = raw.subspan(1 + bytes);
  return out;
}

void write_prefix(Writer& w, const Prefix& prefix) {
  ByteArray<kPrefixWireMax> raw;
  w.bin(ByteView(raw).first(put_prefix(prefix, raw)));
}

Prefix read_prefix(Reader& r) {
  ByteView raw = r.bin(kPrefixWireMax);
  const auto prefix = take_prefix(raw);
  if (prefix && raw.empty()) return *prefix;
  r.fail(DecodeError::kBadValue);
  return {};
}

void write_node(Writer& w, const BranchNode& node) {
  ByteArray<kNodeWireMax> raw;
  std::size_t used = put_prefix(node.at, raw);
  std::uint16_t places = 0;
  for (const BranchPart& part : node.parts) places = static_cast<std::uint16_t>(places | 1u << part.nibble);
  raw[used] = node.count;
  store_le(raw.data() + used + 1, places);
  used += 3;
  for (const BranchPart& part : node.parts) {
    raw[used] = part.count;
    store_le(raw.data() + used + 1, part.hash);
    used += kPartBytes;
  }
  w.bin(ByteView(raw).first(used));
}

std::optional<BranchNode> parse_node(ByteView raw) {
  const auto at = take_prefix(raw);
  if (!at || raw.size() < 3) return std::nullopt;
  BranchNode out{.at = *at, .count = raw[0], .parts = {}};
  const auto places = load_le<std::uint16_t>(raw.data() + 1);
  const auto parts = static_cast<std::size_t>(std::popcount(places));
  raw = raw.subspan(3);
  if (raw.size() != kPartBytes * parts || parts == 1 || (parts > 0) != (out.count > 1)) return std::nullopt;
  if (parts > 0 && out.at.nibbles == kNibbles) return std::nullopt;
  for (std::uint8_t nibble = 0; nibble < 16; ++nibble) {
    if ((places & 1u << nibble) == 0) continue;
    if (raw[0] == 0) return std::nullopt;
    out.parts.push({.nibble = nibble, .count = raw[0], .hash = load_le<std::uint32_t>(raw.data() + 1)});
    raw = raw.subspan(kPartBytes);
  }
  return out;
}

void write_roots(Writer& w, const InlineVec<Root, kRootsMax>& roots) {
  w.array(2 * roots.size());
  for (const Root& root : roots) w.bin(root.space).uint(root.hash);
}

void read_roots(Reader& r, InlineVec<Root, kRootsMax>& roots) {
  roots.clear();
  const std::size_t count = r.array(2 * kRootsMax);
  if (count % 2 != 0) r.fail(DecodeError::kBadValue);
  for (std::size_t i = 0; i < count / 2 && !r.failed(); ++i) {
    const SpaceHandle space = r.bin_exact<sizeof(SpaceHandle)>();
    roots.push({.space = space, .hash = r.uint()});
  }
}

constexpr std::size_t kPackBytesMax = kDatagramBytesMax;
constexpr std::size_t kAnnouncementBytes = sizeof(EntryId) + 1;

}  // namespace

SpaceHandle handle_of(const NamespaceId& id) {
  SpaceHandle out;
  std::copy_n(id.bytes.begin(), out.size(), out.begin());
  return out;
}

std::uint32_t short_hash(const Salt& salt, const TreeHash& hash) { return static_cast<std::uint32_t>(salted(salt, hash)); }
std::uint64_t long_hash(const Salt& salt, const TreeHash& hash) { return salted(salt, hash); }

void encode(Writer& w, std::uint32_t rpc, const Roots& m) {
  head(w, 2, kRoots, rpc);
  w.bin(m.salt);
  write_roots(w, m.roots);
}

void encode(Writer& w, std::uint32_t rpc, const RootsReply& m) {
  head(w, 1, kRootsReply, rpc);
  write_roots(w, m.roots);
}

void encode(Writer& w, std::uint32_t rpc, const Branch& m) {
  head(w, 3, kBranch, rpc);
  w.bin(m.space).bin(m.salt).array(m.nodes.size());
  for (const Prefix& node : m.nodes) write_prefix(w, node);
}

void encode(Writer& w, std::uint32_t rpc, const BranchReply& m) {
  head(w, 1, kBranchReply, rpc);
  w.array(m.nodes.size());
  for (const BranchNode& node : m.nodes) write_node(w, node);
}

void encode(Writer& w, std::uint32_t rpc, const Fetch& m) {
  head(w, 5, kFetch, rpc);
  w.bin(m.space).bin(m.salt);
  write_prefix(w, m.prefix);
  w.bin(m.after ? ByteView(m.after->bytes) : ByteView{});
  ByteArray<4 * kFetchHaveMax> have;
  for (std::size_t i = 0; i < m.have.size(); ++i) store_le(have.data() + 4 * i, m.have[i]);
  w.bin(ByteView(have).first(4 * m.have.size()));
}

void encode(Writer& w, std::uint32_t rpc, const FetchReply& m) {
  head(w, 2, kFetchReply, rpc);
  w.boolean(m.more).bin(m.pack);
}

void encode(Writer& w, std::uint32_t rpc, const Push& m) {
  head(w, 3, kPush, rpc);
  w.bin(m.space).bin(ByteView(m.hops.data(), m.hops.size())).bin(m.pack);
}

void encode(Writer& w, std::uint32_t rpc, const IHave& m) {
  head(w, 2, kIHave, rpc);
  ByteArray<kAnnouncementBytes * broadcast::kAnnouncementsMax> raw;
  std::size_t used = 0;
  for (const broadcast::Announcement& one : m.ids) {
    std::ranges::copy(one.id, raw.begin() + static_cast<std::ptrdiff_t>(used));
    raw[used + sizeof(EntryId)] = static_cast<std::uint8_t>(std::min(one.hops, broadcast::kHopsMax));
    used += kAnnouncementBytes;
  }
  w.bin(m.space).bin(ByteView(raw).first(used));
}

void encode(Writer& w, std::uint32_t rpc, const Graft& m) {
  head(w, 3, kGraft, rpc);
  ByteArray<sizeof(EntryId) * broadcast::kGraftIdsMax> raw;
  for (std::size_t i = 0; i < m.ids.size(); ++i) {
    std::ranges::copy(m.ids[i].bytes, raw.begin() + static_cast<std::ptrdiff_t>(sizeof(EntryId) * i));
  }
  w.bin(m.space).boolean(m.eager).bin(ByteView(raw).first(sizeof(EntryId) * m.ids.size()));
}

void encode(Writer& w, std::uint32_t rpc, const Prune& m) {
  head(w, 1, kPrune, rpc);
  w.bin(m.space);
}

void encode(Writer& w, std::uint32_t rpc, const Link& m) {
  head(w, 3, kLink, rpc);
  w.bin(m.space).uint(static_cast<std::uint64_t>(m.step)).array(m.others.size());
  for (const NodeId& other : m.others) w.bin(other.bytes);
}

std::optional<DecodeError> decode(Reader& r, Roots& m) {
  m.salt = r.bin_exact<sizeof(Salt)>();
  read_roots(r, m.roots);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, RootsReply& m) {
  read_roots(r, m.roots);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Branch& m) {
  m.space = r.bin_exact<sizeof(SpaceHandle)>();
  m.salt = r.bin_exact<sizeof(Salt)>();
  m.nodes.clear();
  const std::size_t count = r.array(kBranchNodesMax);
  for (std::size_t i = 0; i < count && !r.failed(); ++i) m.nodes.push(read_prefix(r));
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, BranchReply& m) {
  m.nodes.clear();
  const std::size_t count = r.array(kBranchNodesMax);
  for (std::size_t i = 0; i < count && !r.failed(); ++i) {
    const auto node = parse_node(r.bin(kNodeWireMax));
    if (!node) {
      r.fail(DecodeError::kBadValue);
      break;
    }
    m.nodes.push(*node);
  }
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Fetch& m) {
  m.space = r.bin_exact<sizeof(SpaceHandle)>();
  m.salt = r.bin_exact<sizeof(Salt)>();
  m.prefix = read_prefix(r);
  const ByteView after = r.bin(sizeof(EntryKey));
  m.after.reset();
  if (!after.empty()) {
    if (after.size() != sizeof(EntryKey)) r.fail(DecodeError::kBadValue);
    else std::ranges::copy(after, m.after.emplace().bytes.begin());
  }
  const ByteView have = r.bin(4 * kFetchHaveMax);
  m.have.clear();
  if (have.size() % 4 != 0) r.fail(DecodeError::kBadValue);
  for (std::size_t i = 0; i + 4 <= have.size(); i += 4) m.have.push(load_le<std::uint32_t>(have.data() + i));
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, FetchReply& m) {
  m.more = r.boolean();
  m.pack = to_bytes(r.bin(kPackBytesMax));
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Push& m) {
  m.space = r.bin_exact<sizeof(SpaceHandle)>();
  m.hops.clear();
  for (const std::uint8_t hops : r.bin(kPackEntriesMax)) m.hops.push(hops);
  m.pack = to_bytes(r.bin(kPackBytesMax));
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, IHave& m) {
  m.space = r.bin_exact<sizeof(SpaceHandle)>();
  m.ids.clear();
  ByteView raw = r.bin(kAnnouncementBytes * broadcast::kAnnouncementsMax);
  if (raw.size() % kAnnouncementBytes != 0) r.fail(DecodeError::kBadValue);
  for (; raw.size() >= kAnnouncementBytes; raw = raw.subspan(kAnnouncementBytes)) {
    broadcast::Announcement one;
    std::copy_n(raw.begin(), one.id.size(), one.id.begin());
    one.hops = raw[one.id.size()];
    m.ids.push(one);
  }
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Graft& m) {
  m.space = r.bin_exact<sizeof(SpaceHandle)>();
  m.eager = r.boolean();
  m.ids.clear();
  ByteView raw = r.bin(sizeof(EntryId) * broadcast::kGraftIdsMax);
  if (raw.size() % sizeof(EntryId) != 0) r.fail(DecodeError::kBadValue);
  for (; raw.size() >= sizeof(EntryId); raw = raw.subspan(sizeof(EntryId))) {
    EntryId id;
    std::copy_n(raw.begin(), id.bytes.size(), id.bytes.begin());
    m.ids.push(id);
  }
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Prune& m) {
  m.space = r.bin_exact<sizeof(SpaceHandle)>();
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Link& m) {
  m.space = r.bin_exact<sizeof(SpaceHandle)>();
  const std::uint64_t step = r.uint(static_cast<std::uint64_t>(broadcast::LinkStep::kSpare));
  if (step == 0) r.fail(DecodeError::kBadValue);
  m.step = static_cast<broadcast::LinkStep>(step);
  m.others.clear();
  const std::size_t count = r.array(broadcast::kOthersMax);
  for (std::size_t i = 0; i < count && !r.failed(); ++i) m.others.push(NodeId{r.bin_exact<32>()});
  return r.finish();
}

}  // namespace weft::state
