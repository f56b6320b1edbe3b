#include "gossip/state/pack.h"

#include "crypto/check.h"
#include "crypto/varint.h"

namespace weft::state {
namespace {

enum Flag : std::uint8_t {
  kSameAuthor = 1,
  kNextSeq = 2,
  kPrevBefore = 4,
  kNoPrev = 8,
  kSamePath = 16,
  kAlone = 32,
  kSameSignature = 64,
  kAllFlags = 127,
};

void put(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

template <std::size_t N>
std::optional<ByteArray<N>> take_array(ByteView& from) {
  if (from.size() < N) return std::nullopt;
  ByteArray<N> out;
  std::copy_n(from.begin(), N, out.begin());
  from = from.subspan(N);
  return out;
}
std::optional<std::uint8_t> take_byte(ByteView& from) {
  const auto byte = take_array<1>(from);
  if (!byte) return std::nullopt;
  return (*byte)[0];
}
std::optional<ByteView> take_bytes(ByteView& from, std::uint64_t size) {
  if (size > from.size()) return std::nullopt;
  const ByteView out = from.first(static_cast<std::size_t>(size));
  from = from.subspan(out.size());
  return out;
}

// Takes entries from a pack one by one; each read fails for good.
class Unpacker {
 public:
  Unpacker(const NamespaceId& space, ByteView pack) : from_(pack) { content_.space = space; }
  bool done() const { return from_.empty(); }

  std::optional<Unpacked> next() {
    const auto flags = take_byte(from_);
    if (!flags || (*flags & ~kAllFlags) != 0) return std::nullopt;
    const auto has = [&](Flag flag) { return (*flags & flag) != 0; };
    const bool needs_before = (*flags & (kSameAuthor | kSamePath | kSameSignature)) != 0;
    if ((needs_before && !any_) || (!has(kSameAuthor) && (has(kNextSeq) || has(kPrevBefore))) || (has(kPrevBefore) && has(kNoPrev))) {
      return std::nullopt;
    }
    if (!read_place(has(kSameAuthor), has(kNextSeq)) || !read_prev(has(kPrevBefore), has(kNoPrev))) return std::nullopt;
    const auto stamp = take_array<8>(from_);
    const auto kind = take_byte(from_);
    if (!stamp || !kind) return std::nullopt;
    content_.stamp = load_le<std::uint64_t>(stamp->data());
    content_.kind = static_cast<Kind>(*kind);
    if (!read_texts(has(kSamePath)) || !read_signature(has(kAlone), has(kSameSignature))) return std::nullopt;
    auto bytes = assemble_entry(content_, batch_, place_, siblings_, signature_);
    if (!bytes) return std::nullopt;
    any_ = true;
    auto entry = decode_entry(*bytes);
    if (!entry) return std::nullopt;
    id_ = entry->id;
    return Unpacked{.bytes = std::move(*bytes), .entry = std::move(*entry)};
  }

 private:
  bool read_place(bool same_author, bool next_seq) {
    if (!same_author) {
      const auto author = take_array<32>(from_);
      const auto epoch = take_array<8>(from_);
      if (!author || !epoch) return false;
      content_.author.bytes = *author;
      content_.epoch = load_le<std::uint64_t>(epoch->data());
    }
    const auto seq = next_seq ? std::optional(content_.seq + 1) : take_varint(from_);
    if (!seq) return false;
    content_.seq = *seq;
    return true;
  }
  bool read_prev(bool before, bool none) {
    content_.prev.reset();
    if (none) return true;
    if (before) {
      content_.prev = id_;
      return true;
    }
    const auto prev = take_array<16>(from_);
    if (!prev) return false;
    content_.prev.emplace().bytes = *prev;
    return true;
  }
  bool read_texts(bool same_path) {
    if (!same_path) {
      const auto size = take_byte(from_);
      const auto path = size ? take_bytes(from_, *size) : std::nullopt;
      if (!path) return false;
      content_.path = *path;
    }
    const auto size = take_varint(from_);
    const auto body = size ? take_bytes(from_, *size) : std::nullopt;
    const auto names = body ? take_byte(from_) : std::nullopt;
    if (!names || *names > kSawMax) return false;
    content_.body = *body;
    saw_.resize(*names);
    for (EntryId& id : saw_) {
      const auto bytes = take_array<16>(from_);
      if (!bytes) return false;
      id.bytes = *bytes;
    }
    content_.saw = saw_;
    return true;
  }
  bool read_signature(bool alone, bool same) {
    batch_ = 1;
    place_ = 0;
    siblings_ = {};
    if (!alone) {
      const auto batch = take_byte(from_);
      const auto place = batch ? take_byte(from_) : std::nullopt;
      const auto count = place ? take_byte(from_) : std::nullopt;
      const auto siblings = count ? take_bytes(from_, 32U * *count) : std::nullopt;
      if (!siblings) return false;
      batch_ = *batch;
      place_ = *place;
      siblings_ = *siblings;
    }
    if (same) return true;
    const auto signature = take_array<64>(from_);
    if (!signature) return false;
    signature_.bytes = *signature;
    return true;
  }

  ByteView from_;
  Content content_;
  std::vector<EntryId> saw_;
  std::uint8_t batch_ = 1, place_ = 0;
  ByteView siblings_;
  Signature signature_;
  EntryId id_;
  bool any_ = false;
};

}  // namespace

bool Packer::add(const Entry& entry) {
  if (count_ == kPackEntriesMax) return false;
  const Content& c = entry.content;
  const bool before = count_ > 0;
  const bool same_author = before && c.author == author_ && c.epoch == epoch_;
  std::uint8_t flags = 0;
  const auto flag = [&](bool set, Flag which) {
    if (set) flags = static_cast<std::uint8_t>(flags | which);
    return set;
  };
  Bytes out(1);
  if (!flag(same_author, kSameAuthor)) {
    put(out, c.author.bytes);
    ByteArray<8> epoch;
    store_le(epoch.data(), c.epoch);
    put(out, epoch);
  }
  if (!flag(same_author && c.seq == seq_ + 1, kNextSeq)) put_varint(out, c.seq);
  if (!flag(!c.prev, kNoPrev) && !flag(same_author && *c.prev == id_, kPrevBefore)) put(out, c.prev->bytes);
  ByteArray<8> stamp;
  store_le(stamp.data(), c.stamp);
  put(out, stamp);
  out.push_back(static_cast<std::uint8_t>(c.kind));
  if (!flag(before && equal(c.path, path_), kSamePath)) {
    out.push_back(static_cast<std::uint8_t>(c.path.size()));
    put(out, c.path);
  }
  put_varint(out, c.body.size());
  put(out, c.body);
  out.push_back(static_cast<std::uint8_t>(c.saw.size()));
  for (const EntryId& id : c.saw) put(out, id.bytes);
  if (!flag(entry.batch == 1, kAlone)) {
    out.push_back(entry.batch);
    out.push_back(entry.place);
    out.push_back(static_cast<std::uint8_t>(entry.siblings.size() / 32));
    put(out, entry.siblings);
  }
  if (!flag(before && entry.signature == signature_, kSameSignature)) put(out, entry.signature.bytes);
  out[0] = flags;
  if (bytes_.size() + out.size() > budget_) return false;
  put(bytes_, out);
  ++count_;
  author_ = c.author;
  epoch_ = c.epoch;
  seq_ = c.seq;
  id_ = entry.id;
  path_ = to_bytes(c.path);
  signature_ = entry.signature;
  return true;
}

std::optional<std::vector<Unpacked>> unpack(const NamespaceId& space, ByteView pack) {
  std::vector<Unpacked> out;
  Unpacker from(space, pack);
  while (!from.done()) {
    auto one = out.size() == kPackEntriesMax ? std::nullopt : from.next();
    if (!one) return std::nullopt;
    out.push_back(std::move(*one));
  }
  return out;
}

}  // namespace weft::state
