// Stateless write tokens: proof that whoever stores has just asked for that key, from that address.
//
// A token is keyed BLAKE2b over (asker's key, its endpoint, the DHT key), cut to 8 bytes. The
// secret is rotated every kTokenRotation; the previous one is still accepted, so a token lives 5 to
// 10 minutes. Nothing is kept per asker. A Compare brings one for the region that it asked about.
#pragma once

#include "crypto/rng.h"
#include "crypto/time.h"
#include "dht/messages.h"

namespace weft::dht {

inline constexpr Duration kTokenRotation = 5min;
inline constexpr int kRegionBitsMax = 255;

class WriteTokens {
 public:
  // `entropy` must outlive the object.
  WriteTokens(Entropy& entropy, Now now);

  // The token with which `asker` may store under `key`, from its present endpoint.
  Token make(Now now, const Contact& asker, const NodeId& key);
  // A token for every key that shares its leading `bits` (at most kRegionBitsMax) with `key`. Its first
  // byte is `bits`, the others prove it.
  Token make_region(Now now, const Contact& asker, const NodeId& key, int bits);
  // True if the token was made for the same asker and endpoint, and for this key or a region in which it
  // is, under the present or the previous secret.
  bool check(Now now, const Contact& asker, const NodeId& key, const Token& token);

 private:
  void rotate(Now now);

  Entropy& entropy_;
  Instant rotated_;
  ByteArray<32> current_{};
  ByteArray<32> previous_{};
};

}  // namespace weft::dht
