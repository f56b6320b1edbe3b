// The arithmetic under sessions and signatures, behind one interface with two providers.
//
// SodiumProvider is the real one: Ed25519, X25519 (by libsodium's conversion of the same key),
// ChaCha20-Poly1305 (IETF), as Noise names them. CheapProvider has the same sizes and the same
// algebra (a shared secret is symmetric, a changed bit is noticed) without the cost, and without
// any security: it exists so that thousands of nodes fit into one simulated network, and nothing
// in `weft up` can select it. Ids, records, values and tokens are hashed with the real BLAKE2b in
// both; only what a handshake hashes and authenticates goes through the provider.
//
// Providers hold no state; one object may serve many nodes.
#pragma once

#include <compare>

#include "crypto/bytes.h"
#include "crypto/node_id.h"
#include "crypto/rng.h"

namespace weft {

struct PublicKey {  // Ed25519
  ByteArray<32> bytes{};
  auto operator<=>(const PublicKey&) const = default;
};
struct Signature {
  ByteArray<64> bytes{};
  bool operator==(const Signature&) const = default;
};
struct SigningKey {  // libsodium's 64-byte form: seed, then public key
  ByteArray<64> bytes{};
};
using DhKey = ByteArray<32>;      // X25519, public or secret
using CipherKey = ByteArray<32>;  // ChaCha20-Poly1305

inline constexpr std::size_t kTagBytes = 16;

class CryptoProvider {
 public:
  virtual ~CryptoProvider() = default;

  // The hash of handshakes and of packets' MACs over the concatenation of up to three parts: BLAKE2b
  // as `blake2b` below computes it, with its lengths of key and output.
  virtual void hash(MutableBytes out, ByteView key, ByteView a, ByteView b = {},
                    ByteView c = {}) const;
  // HMAC of RFC 2104 over a || b with the hash of 64 bytes (block length 128, as BLAKE2b's), for a
  // key of at most 128 bytes.
  virtual void hmac(ByteArray<64>& out, ByteView key, ByteView a, ByteView b = {}) const;

  // Signing key of a 32-byte seed; the public key is its last 32 bytes.
  virtual SigningKey signing_key(const ByteArray<32>& seed) const = 0;
  virtual Signature sign(const SigningKey& key, ByteView message) const = 0;
  virtual bool verify(const PublicKey& key, ByteView message, const Signature& s) const = 0;

  // The X25519 side of an Ed25519 key; nullopt for a point that is not on the curve's main
  // subgroup (a liar's key).
  virtual std::optional<DhKey> dh_public(const PublicKey& key) const = 0;
  virtual DhKey dh_secret(const SigningKey& key) const = 0;
  // A public key of a fresh secret.
  virtual DhKey dh_base(const DhKey& secret) const = 0;
  // Shared secret; false if the result is all zero (a low-order point).
  virtual bool dh(const DhKey& secret, const DhKey& pub, DhKey& out) const = 0;

  // Seals `plain` into `out`, which must have plain.size() + kTagBytes of room and may start at the
  // same place as `plain`. `counter` becomes the nonce as Noise prescribes: 4 zero bytes, then
  // little-endian.
  virtual void seal(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
                    MutableBytes out) const = 0;
  // Opens `sealed` into `out` (sealed.size() - kTagBytes of room, in place allowed). False if the
  // tag is wrong or `sealed` is shorter than a tag; `out` is then worthless.
  virtual bool open(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView sealed,
                    MutableBytes out) const = 0;
};

class SodiumProvider final : public CryptoProvider {
 public:
  SodiumProvider();  // initialises libsodium; aborts if that fails
  SigningKey signing_key(const ByteArray<32>& seed) const override;
  Signature sign(const SigningKey& key, ByteView message) const override;
  bool verify(const PublicKey& key, ByteView message, const Signature& s) const override;
  std::optional<DhKey> dh_public(const PublicKey& key) const override;
  DhKey dh_secret(const SigningKey& key) const override;
  DhKey dh_base(const DhKey& secret) const override;
  bool dh(const DhKey& secret, const DhKey& pub, DhKey& out) const override;
  void seal(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
            MutableBytes out) const override;
  bool open(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView sealed,
            MutableBytes out) const override;
};

class CheapProvider final : public CryptoProvider {
 public:
  void hash(MutableBytes out, ByteView key, ByteView a, ByteView b, ByteView c) const override;
  void hmac(ByteArray<64>& out, ByteView key, ByteView a, ByteView b) const override;
  SigningKey signing_key(const ByteArray<32>& seed) const override;
  Signature sign(const SigningKey& key, ByteView message) const override;
  bool verify(const PublicKey& key, ByteView message, const Signature& s) const override;
  std::optional<DhKey> dh_public(const PublicKey& key) const override;
  DhKey dh_secret(const SigningKey& key) const override;
  DhKey dh_base(const DhKey& secret) const override;
  bool dh(const DhKey& secret, const DhKey& pub, DhKey& out) const override;
  void seal(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
            MutableBytes out) const override;
  bool open(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView sealed,
            MutableBytes out) const override;
};

// Overwrites what was secret; unlike an assignment, no compiler leaves it out.
void wipe(MutableBytes bytes);
// Wipes at the end of its scope, whichever way that is left. The bytes must live as long.
class WipeAtEnd {
 public:
  explicit WipeAtEnd(MutableBytes bytes) : bytes_(bytes) {}
  ~WipeAtEnd() { wipe(bytes_); }
  WipeAtEnd(const WipeAtEnd&) = delete;
  WipeAtEnd& operator=(const WipeAtEnd&) = delete;

 private:
  MutableBytes bytes_;
};

// BLAKE2b over the concatenation of up to three parts, unkeyed or keyed (key of 0 to 64 bytes).
// `out` is 16 to 64 bytes long.
void blake2b(MutableBytes out, ByteView key, ByteView a, ByteView b = {}, ByteView c = {});
inline ByteArray<32> blake2b_256(ByteView a, ByteView b = {}, ByteView c = {}) {
  ByteArray<32> out;
  blake2b(out, {}, a, b, c);
  return out;
}

// BLAKE2b-256("weft-node-id-1" || key): see node_id.h.
NodeId node_id_of(const PublicKey& key);

}  // namespace weft
