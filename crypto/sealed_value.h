// A value for one reader: what `weft put --to` stores.
//
//   mark 16 | ephemeral X25519 key 32 | ChaCha20-Poly1305 of the value, tag 16
//
// The key is BLAKE2b-256 over a label, the shared secret of the ephemeral key and the reader's, both
// public keys, the author's id and the DHT key: bytes copied into another author's slot, or under
// another key, do not open. Each key seals once, so the nonce is zero. The author is proven by the
// value's own signature. Everyone sees who stored how much for nobody knows whom; who has the
// reader's secret opens everything that was ever sealed to it; the author itself cannot open it.
//
// Pure. Test vectors: docs/PROTOCOL-dht.md.
#pragma once

#include <optional>

#include "crypto/keys.h"
#include "crypto/rng.h"

namespace weft {

inline constexpr std::size_t kSealedMarkBytes = 16;
inline constexpr std::size_t kSealedOverhead = kSealedMarkBytes + 32 + kTagBytes;

// Does it begin like a sealed value?
bool is_sealed(ByteView value);

// `plain` of `author` under `dht_key`, for `reader`; plain.size() + kSealedOverhead bytes. nullopt if
// the reader's key is no point that a secret can be shared with.
std::optional<Bytes> seal_value(const CryptoProvider& provider, Entropy& entropy, const NodeId& author,
                                const NodeId& dht_key, const PublicKey& reader, ByteView plain);

// What `author` sealed under `dht_key` for `reader`; nullopt if it is not sealed, for somebody else,
// or was changed.
std::optional<Bytes> open_value(const CryptoProvider& provider, const Identity& reader,
                                const NodeId& author, const NodeId& dht_key, ByteView value);

}  // namespace weft
