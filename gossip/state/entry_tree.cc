#include "gossip/state/entry_tree.h"

#include "crypto/check.h"

namespace weft::state {
namespace {

constexpr std::size_t kIdAt = 24;

std::uint8_t nibble_of(const ByteArray<40>& bytes, std::size_t index) {
  const std::uint8_t byte = bytes[index / 2];
  return index % 2 == 0 ? byte >> 4 : byte & 15;
}

// How many nibbles, up to `most`, two keys have in common.
std::uint8_t common_nibbles(const ByteArray<40>& a, const ByteArray<40>& b, std::size_t most) {
  std::size_t i = 0;
  while (i < most && nibble_of(a, i) == nibble_of(b, i)) ++i;
  return static_cast<std::uint8_t>(i);
}

Prefix prefix_of(const EntryKey& key, std::uint8_t nibbles) {
  Prefix out{.bytes = key.bytes, .nibbles = nibbles};
  if (nibbles % 2 != 0) out.bytes[nibbles / 2] &= 0xf0;
  std::fill(out.bytes.begin() + (nibbles + 1) / 2, out.bytes.end(), std::uint8_t{0});
  return out;
}

void store_be64(std::uint8_t* to, std::uint64_t value) {
  for (int i = 7; i >= 0; --i, value >>= 8) to[i] = static_cast<std::uint8_t>(value);
}

}  // namespace

EntryId EntryKey::id() const {
  EntryId out;
  std::copy_n(bytes.begin() + kIdAt, out.bytes.size(), out.bytes.begin());
  return out;
}

EntryKey key_of(const PublicKey& author, std::uint64_t epoch, std::uint64_t seq, const EntryId& id) {
  EntryKey key;
  std::copy_n(author.bytes.begin(), 8, key.bytes.begin());
  store_be64(key.bytes.data() + 8, epoch);
  store_be64(key.bytes.data() + 16, seq);
  std::ranges::copy(id.bytes, key.bytes.begin() + kIdAt);
  return key;
}

EntryKey key_of(const Entry& entry) {
  const Content& c = entry.content;
  return key_of(comes_first(c.kind) ? PublicKey{} : c.author, c.epoch, c.seq, entry.id);
}

bool Prefix::covers(const EntryKey& key) const { return common_nibbles(bytes, key.bytes, nibbles) == nibbles; }

bool Prefix::covers(const Prefix& other) const {
  return other.nibbles >= nibbles && common_nibbles(bytes, other.bytes, nibbles) == nibbles;
}

Prefix Prefix::then(std::uint8_t nibble) const {
  CHECK(nibbles < kNibbles);
  Prefix out = *this;
  out.bytes[nibbles / 2] |= nibbles % 2 == 0 ? static_cast<std::uint8_t>(nibble << 4) : nibble;
  ++out.nibbles;
  return out;
}

EntryTree::Ref EntryTree::new_leaf(const EntryKey& key) {
  if (free_leaves_.empty()) {
    CHECK(leaves_.size() < kNone);
    leaves_.push_back(key);
    return static_cast<Ref>(leaves_.size() - 1);
  }
  const Ref ref = free_leaves_.back();
  free_leaves_.pop_back();
  leaves_[ref] = key;
  return ref;
}

EntryTree::Ref EntryTree::new_inner(std::uint8_t nibbles) {
  Ref ref;
  if (free_inners_.empty()) {
    inners_.emplace_back();
    ref = static_cast<Ref>(inners_.size() - 1) | kInner;
  } else {
    ref = free_inners_.back();
    free_inners_.pop_back();
  }
  Inner& node = inner(ref);
  std::ranges::fill(node.branch, kNone);
  node.count = 0;
  node.nibbles = nibbles;
  node.hashed = false;
  return ref;
}

const EntryKey& EntryTree::any_key(Ref ref) const {
  while (is_inner(ref)) ref = *std::ranges::find_if(inner(ref).branch, [](Ref r) { return r != kNone; });
  return leaves_[ref];
}

bool EntryTree::insert(const EntryKey& key) {
  if (contains(key)) return false;
  Ref* at = &root_;
  while (*at != kNone) {
    const std::uint8_t depth = is_inner(*at) ? inner(*at).nibbles : std::uint8_t{kNibbles};
    const EntryKey& below = any_key(*at);
    const std::uint8_t shared = common_nibbles(key.bytes, below.bytes, depth);
    if (shared < depth) {
      // A node between: what was here, and the new leaf.
      const Ref old = *at;
      const std::uint8_t old_nibble = nibble_of(below.bytes, shared);
      const std::size_t place = at == &root_ ? 0 : 1;
      // new_inner may move the inner nodes, and `at` with them: found again below.
      const Ref made = new_inner(shared);
      const Ref leaf = new_leaf(key);
      Inner& node = inner(made);
      node.branch[old_nibble] = old;
      node.branch[nibble_of(key.bytes, shared)] = leaf;
      node.count = 1 + (is_inner(old) ? inner(old).count : 1);
      if (place == 0) {
        root_ = made;
        return true;
      }
      Ref parent = root_;
      for (;;) {
        Ref& branch = inner(parent).branch[nibble_of(key.bytes, inner(parent).nibbles)];
        if (branch == old) {
          branch = made;
          return true;
        }
        parent = branch;
      }
    }
    Inner& node = inner(*at);
    ++node.count;
    node.hashed = false;
    at = &node.branch[nibble_of(key.bytes, depth)];
  }
  *at = new_leaf(key);
  return true;
}

bool EntryTree::erase(const EntryKey& key) {
  if (!contains(key)) return false;
  Ref* at = &root_;
  Ref* above = nullptr;
  while (is_inner(*at)) {
    Inner& node = inner(*at);
    --node.count;
    node.hashed = false;
    above = at;
    at = &node.branch[nibble_of(key.bytes, node.nibbles)];
  }
  free_leaves_.push_back(*at);
  *at = kNone;
  if (above == nullptr) return true;
  const Inner& node = inner(*above);
  if (std::ranges::count_if(node.branch, [](Ref r) { return r != kNone; }) > 1) return true;
  const Ref last = *std::ranges::find_if(node.branch, [](Ref r) { return r != kNone; });
  free_inners_.push_back(*above);
  *above = last;
  return true;
}

EntryTree::Ref EntryTree::find(const Prefix& prefix) const {
  Ref ref = root_;
  while (is_inner(ref) && inner(ref).nibbles < prefix.nibbles) {
    ref = inner(ref).branch[nibble_of(prefix.bytes, inner(ref).nibbles)];
  }
  return ref != kNone && prefix.covers(any_key(ref)) ? ref : kNone;
}

bool EntryTree::contains(const EntryKey& key) const { return find({.bytes = key.bytes, .nibbles = kNibbles}) != kNone; }

const TreeHash& EntryTree::hash_of(Ref ref, TreeHash& room) const {
  if (!is_inner(ref)) {
    room = leaves_[ref].id().bytes;
    return room;
  }
  const Inner& node = inner(ref);
  if (node.hashed) return node.hash;
  ByteArray<16 * (1 + sizeof(TreeHash))> input;
  std::size_t used = 0;
  for (std::uint8_t i = 0; i < 16; ++i) {
    if (node.branch[i] == kNone) continue;
    input[used++] = i;
    TreeHash below;
    std::ranges::copy(hash_of(node.branch[i], below), input.begin() + static_cast<std::ptrdiff_t>(used));
    used += sizeof(TreeHash);
  }
  const ByteArray<1> zero{};
  blake2b(node.hash, {}, as_bytes("weft-entry-tree-1"), zero, ByteView(input).first(used));
  node.hashed = true;
  return node.hash;
}

EntryTree::Part EntryTree::part_of(Ref ref) const {
  Part out;
  if (ref == kNone) return out;
  TreeHash room;
  out.hash = hash_of(ref, room);
  out.count = is_inner(ref) ? inner(ref).count : 1;
  out.at = prefix_of(any_key(ref), is_inner(ref) ? inner(ref).nibbles : std::uint8_t{kNibbles});
  return out;
}

EntryTree::Part EntryTree::part(const Prefix& prefix) const {
  const Ref ref = find(prefix);
  if (ref == kNone) return {.count = 0, .hash = {}, .at = prefix};
  return part_of(ref);
}

std::array<EntryTree::Part, 16> EntryTree::branches(const Prefix& prefix) const {
  std::array<Part, 16> out;
  const Ref ref = find(prefix);
  if (ref == kNone || !is_inner(ref)) return out;
  for (std::size_t i = 0; i < 16; ++i) out[i] = part_of(inner(ref).branch[i]);
  return out;
}

bool EntryTree::all_before(Ref ref, const EntryKey& key) const {
  const std::uint8_t nibbles = is_inner(ref) ? inner(ref).nibbles : std::uint8_t{kNibbles};
  const EntryKey& below = any_key(ref);
  const std::uint8_t shared = common_nibbles(below.bytes, key.bytes, nibbles);
  return shared < nibbles && nibble_of(below.bytes, shared) < nibble_of(key.bytes, shared);
}

}  // namespace weft::state
