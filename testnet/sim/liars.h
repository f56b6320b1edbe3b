// Liars that speak the protocol: a real node whose provider changes what it is about to seal.
//
// The node behind it is honest and knows nothing; every message of its own that it seals is decoded,
// changed and encoded anew, so the lie travels in a proven session under the liar's own key. A lie
// keeps its message's length (the frame around it is laid out already): what would not fit is left
// true. What each role changes:
//
//   lie-contacts  contacts in answers: made-up keys, half of them at addresses where others live
//   accomplices   contacts in answers: liars of this role, and nobody else
//   forge         a bit of each record and value; suspicions accuse others, with numbers that nobody
//                 signed half of the time
//   deny          a bit of each value; contacts as accomplices do (what ground ids are good for)
//
// Simulations only: it needs CheapProvider's plain sealing. One thread.
#pragma once

#include <functional>

#include "crypto/contact.h"
#include "crypto/provider.h"
#include "crypto/rng.h"

namespace weft::sim {

enum class Lie : std::uint8_t { kNone, kContacts, kAccomplices, kForge, kDeny };

class LyingProvider final : public CryptoProvider {
 public:
  // What a liar knows of the mesh.
  struct Knowledge {
    std::function<Endpoint(Rng&)> somewhere;               // an address where some node lives
    std::function<std::optional<Contact>(Rng&)> accomplice;  // another liar of its role
    std::function<NodeId(Rng&)> victim;                    // some member
  };

  // `honest` must outlive it.
  explicit LyingProvider(const CryptoProvider& honest) : honest_(honest) {}
  // From now on; kNone: tells the truth again.
  void lie(Lie lie, Rng rng, Knowledge knowledge) {
    lie_ = lie;
    rng_ = rng;
    knowledge_ = std::move(knowledge);
  }
  Lie lying() const { return lie_; }
  std::uint64_t lies_total() const { return lies_; }

  SigningKey signing_key(const ByteArray<32>& seed) const override { return honest_.signing_key(seed); }
  Signature sign(const SigningKey& key, ByteView message) const override {
    return honest_.sign(key, message);
  }
  bool verify(const PublicKey& key, ByteView message, const Signature& s) const override {
    return honest_.verify(key, message, s);
  }
  std::optional<DhKey> dh_public(const PublicKey& key) const override { return honest_.dh_public(key); }
  DhKey dh_secret(const SigningKey& key) const override { return honest_.dh_secret(key); }
  void hash(MutableBytes out, ByteView key, ByteView a, ByteView b, ByteView c) const override {
    honest_.hash(out, key, a, b, c);
  }
  void hmac(ByteArray<64>& out, ByteView key, ByteView a, ByteView b) const override {
    honest_.hmac(out, key, a, b);
  }
  DhKey dh_base(const DhKey& secret) const override { return honest_.dh_base(secret); }
  bool dh(const DhKey& secret, const DhKey& pub, DhKey& out) const override {
    return honest_.dh(secret, pub, out);
  }
  void seal(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
            MutableBytes out) const override;
  bool open(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView sealed,
            MutableBytes out) const override {
    return honest_.open(key, counter, ad, sealed, out);
  }

 private:
  // The changed message, or nothing if there is nothing to lie about in it.
  std::optional<Bytes> changed(ByteView plain) const;

  const CryptoProvider& honest_;
  Lie lie_ = Lie::kNone;
  mutable Rng rng_{0};
  Knowledge knowledge_;
  mutable std::uint64_t lies_ = 0;
};

}  // namespace weft::sim
