#include "gossip/state/fork.h"

#include <tuple>

#include "crypto/check.h"

namespace weft::state {
namespace {

constexpr std::size_t kSiblingsMax = 4;  // of the most leaves that one signature covers
constexpr std::size_t kBodyBytesMax = 700;
static_assert(kBatchMax == 1 << kSiblingsMax);

ForkSide side_of(const Entry& entry) {
  return {.header = header_of(entry), .id = entry.id, .batch = entry.batch, .place = entry.place,
          .siblings = to_bytes(entry.siblings), .signature = entry.signature};
}

void put(Writer& w, const ForkSide& side) {
  const Header& h = side.header;
  w.array(8).bin(h.prev ? ByteView(h.prev->bytes) : ByteView{}).uint(h.stamp).uint(static_cast<std::uint64_t>(h.kind)).bin(h.rest);
  w.uint(side.batch).uint(side.place).bin(side.siblings).bin(side.signature.bytes);
}

Bytes encode(const ForkSide& first, const ForkSide& second) {
  ByteArray<kBodyBytesMax> room;
  Writer w(room);
  const Header& h = first.header;
  w.array(5).bin(h.author.bytes).uint(h.epoch).uint(h.seq);
  put(w, first);
  put(w, second);
  CHECK(w.ok());
  return to_bytes(w.view());
}

// All but what both sides have in common.
void read_side(Reader& r, ForkSide& side) {
  r.array_of(8);
  const ByteView prev = r.bin(sizeof(EntryId));
  if (!prev.empty() && prev.size() != sizeof(EntryId)) r.fail(DecodeError::kBadValue);
  if (!r.failed() && !prev.empty()) std::ranges::copy(prev, side.header.prev.emplace().bytes.begin());
  side.header.stamp = r.uint();
  side.header.kind = static_cast<Kind>(r.uint(UINT8_MAX));
  side.header.rest = r.bin_exact<32>();
  side.batch = static_cast<std::uint8_t>(r.uint(kBatchMax));
  side.place = static_cast<std::uint8_t>(r.uint(kBatchMax));
  side.siblings = to_bytes(r.bin(32 * kSiblingsMax));
  side.signature.bytes = r.bin_exact<64>();
}

}  // namespace

std::optional<Bytes> fork_body(const Entry& a, const Entry& b) {
  const auto place = [](const Entry& entry) { return std::tie(entry.content.author, entry.content.epoch, entry.content.seq); };
  if (a.content.space != b.content.space || place(a) != place(b) || a.id == b.id) return std::nullopt;
  if (a.content.kind == Kind::kFork || b.content.kind == Kind::kFork) return std::nullopt;
  return a.id < b.id ? encode(side_of(a), side_of(b)) : encode(side_of(b), side_of(a));
}

std::optional<Fork> read_fork(const NamespaceId& space, ByteView body) {
  if (body.size() > kBodyBytesMax) return std::nullopt;
  Reader r(body);
  Fork out;
  Header& h = out.sides[0].header;
  r.array_of(5);
  h.author.bytes = r.bin_exact<32>();
  h.epoch = r.uint();
  h.seq = r.uint(kSeqMax);
  Header& other = out.sides[1].header;
  other.author = h.author;
  other.epoch = h.epoch;
  other.seq = h.seq;
  read_side(r, out.sides[0]);
  read_side(r, out.sides[1]);
  if (r.finish() || h.seq == 0) return std::nullopt;
  for (ForkSide& side : out.sides) {
    if (side.header.kind == Kind::kFork) return std::nullopt;
    if (!root_of_header(space, side.header, side.batch, side.place, side.siblings)) return std::nullopt;
    side.id = id_of_header(space, side.header);
  }
  if (!(out.sides[0].id < out.sides[1].id) || !equal(encode(out.sides[0], out.sides[1]), body)) return std::nullopt;
  return out;
}

bool verify_fork(const CryptoProvider& provider, const NamespaceId& space, const Fork& fork) {
  for (const ForkSide& side : fork.sides) {
    const auto root = root_of_header(space, side.header, side.batch, side.place, side.siblings);
    if (!root || !verify_root(provider, side.header.author, *root, side.batch, side.signature)) return false;
  }
  return true;
}

}  // namespace weft::state
