// A proof that an author forked: two headers of one namespace, author, epoch and seq, both signed by the author, of different entries.
//
// It is the body of an entry of kind Fork by whoever saw both, and proves itself: who reads it checks the accused's two signatures and
// believes the witness nothing. That entry has no place in its author's history: epoch 0, seq 1, no predecessor, stamp 0. So a witness can make
// one entry of a body and no more (or it could go on making lower ids), and no clock holds it back; and such entries are no forks of their witness. An honest author signs a place once (a number is never used again, and each life has an epoch of
// its own, also that of a copied home or a restored backup), so there is no proof against one but by a forged signature.
//
// What a fork costs its author: it is marked as one that forks, for good. Both entries stay in the set and in their documents, as what
// others have seen and named must not go away; a register shows both as written concurrently.
//
// Of several proofs against one author in a namespace the one whose entry has the lowest id stays, the others are dropped: so all
// nodes come to the same one, whoever told first. A forker can make proofs against itself of ever lower ids, with new keys or new places: a node takes one that
// replaces another only every kProofPause (state.h); until then walks bring it again.
//
// How many there are: in an owned namespace one against each who was granted something, and the owner. In an open one anybody makes keys and forks with
// each, so there a proof stays only while the accused has another entry in the set: one for each author, who has come in by the quotas and the room
// that hold for all. Whoever has had an entry keeps one (the highest checkpoint discards itself by none), so nobody gets rid of a proof by discarding what it
// forked; asking for both sides would allow that. A fixed number of proofs, the lowest ids, would be worse than none: ids cost a signature
// each, so a liar would crowd the others' out. Nor can proofs take all of the room that is kept for checkpoints (room_for).
//
// Not proven: a fork of which one side was discarded by the author's own checkpoint before anybody had both. It counts for
// nothing any more.
//
// Body, canonical msgpack, at the path kForkPath:
//   [author key bin 32, epoch, seq, first side, second side], the side of the lower id first
//   side [prev bin 16 or empty, stamp, kind, rest bin 32, batch, place, siblings bin 32 * n, signature bin 64]   (entry.h)
//
// Pure functions.
#pragma once

#include <array>
#include <optional>

#include "gossip/state/entry.h"

namespace weft::state {

inline constexpr std::string_view kForkPath = "fork";

struct ForkSide {
  Header header;
  EntryId id;  // that follows from the header
  std::uint8_t batch = 1;
  std::uint8_t place = 0;
  Bytes siblings;
  Signature signature;
  bool operator==(const ForkSide&) const = default;
};
struct Fork {
  std::array<ForkSide, 2> sides;
  const PublicKey& author() const { return sides[0].header.author; }
};

// The body of a proof, of two entries at one place; nullopt if they are not.
std::optional<Bytes> fork_body(const Entry& a, const Entry& b);
// Takes a body apart; its signatures are not looked at. nullopt if it is not in that form.
std::optional<Fork> read_fork(const NamespaceId& space, ByteView body);
// True if the accused signed both.
bool verify_fork(const CryptoProvider& provider, const NamespaceId& space, const Fork& fork);

}  // namespace weft::state
