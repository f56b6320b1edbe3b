// A value as its author signed it, and the rule that decides between two of them.
//
// The blob is a fixed layout, integers little-endian:
//   author key 32 | number 8 | lifetime in seconds 4 | signature 64 | value 0 to kValueBytesMax
// The signature is the author's in domain kValueDomain over the canonical msgpack array
//   [key, author key, number, lifetime, value]
// so a value cannot be moved to another key. An empty value is a withdrawal. Blobs are stored and
// passed on byte for byte; there is one spelling of each.
#pragma once

#include "crypto/keys.h"
#include "dht/messages.h"

namespace weft::dht {

// A blob taken apart; `value` points into it.
struct SignedValue {
  PublicKey author;
  std::uint64_t seq = 0;         // 1 to kSeqMax
  std::uint32_t lifetime_s = 0;  // 1 to kLifetimeMaxS
  Signature signature;
  ByteView value;
};

// Takes a blob apart and checks its limits, not its signature. nullopt if malformed.
std::optional<SignedValue> decode_value(ByteView blob);
// True if the author signed exactly this under `key`.
bool verify_value(const CryptoProvider& provider, const NodeId& key, const SignedValue& value);
// Signs. The caller has checked the limits.
struct ValueFields {
  NodeId key;
  std::uint64_t seq = 1;
  std::uint32_t lifetime_s = 1;
  ByteView value = {};
};
Bytes sign_value(const Identity& identity, const ValueFields& fields);

// BLAKE2b-256 of a blob.
ByteArray<32> blob_hash(ByteView blob);
// Three bytes of a key, big-endian: what follows its first `shared` bits, filled up with zeros.
std::uint32_t compare_hint(int shared, const NodeId& key);
// What stands for a value in a Compare between keys that share `shared` leading bits: its key's hint, by which a holder
// finds what it may be without looking through all that it has, and 40 bits of a sum. Whoever has not the blob
// cannot know them, and as the salt is new in each, nobody can make two blobs of one sum.
std::uint64_t compare_item(std::uint64_t salt, int shared, const NodeId& key, ByteView blob);
inline constexpr int kCompareSumBits = 40;
// Whether blob a (of number a_seq) replaces blob b: the higher number does; of different blobs with
// equal numbers, both validly signed, the one with the larger hash, so that all holders agree.
bool supersedes(std::uint64_t a_seq, ByteView a, std::uint64_t b_seq, ByteView b);

}  // namespace weft::dht
