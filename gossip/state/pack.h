// Several entries of one namespace in fewer bytes than they have: what an entry has in common with the one before it, and the namespace,
// are left out. Who unpacks gets the very bytes of each entry back, as an entry has one spelling.
//
// A pack is its entries one after another, each:
//   flags      one byte: 1 author and epoch are those of the entry before; 2 seq is one more than there; 4 prev is that entry; 8 there is no
//              prev; 16 path as before; 32 signed alone (batch 1); 64 signature as before. 2 and 4 need 1; 4 and 8 exclude each other.
//   author 32, epoch 8   unless 1                     seq varint       unless 2
//   prev 16              unless 4 or 8                stamp            8 bytes little-endian
//   kind 1                                            path             length 1, bytes; unless 16
//   body                 length varint, bytes         saw              count 1, 16 bytes each
//   batch 1, place 1, count of siblings 1, 32 bytes each   unless 32  signature 64  unless 64
//
// An entry of a writer that writes on takes some 90 bytes less than its own: a third of a short one.
//
// Pure functions. Hostile bytes give nothing, never more than kPackEntriesMax entries.
#pragma once

#include "gossip/state/entry.h"

namespace weft::state {

inline constexpr std::size_t kPackEntriesMax = 16;

class Packer {
 public:
  // At most `budget` bytes.
  explicit Packer(std::size_t budget) : budget_(budget) {}
  // Appends an entry, which must be well-formed; false and unchanged if it does not fit. One alone takes less than its own bytes.
  bool add(const Entry& entry);
  const Bytes& bytes() const { return bytes_; }
  std::size_t count() const { return count_; }

 private:
  std::size_t budget_;
  Bytes bytes_;
  std::size_t count_ = 0;
  PublicKey author_;
  std::uint64_t epoch_ = 0;
  std::uint64_t seq_ = 0;
  EntryId id_;
  Bytes path_;
  Signature signature_;
};

// The entries with their own bytes, in order, not verified. nullopt: not a pack, or not of entries.
struct Unpacked {
  Bytes bytes;  // the views of the entry point into them
  Entry entry;
};
std::optional<std::vector<Unpacked>> unpack(const NamespaceId& space, ByteView pack);

}  // namespace weft::state
