// The identity of a node: one Ed25519 key pair, its X25519 side, and the id that follows from it.
//
// Signatures are separated by domain: what is signed is BLAKE2b-256(domain || 0x00 || message), so
// a signature under one purpose can never be shown for another. The secret is wiped on destruction.
#pragma once

#include "crypto/provider.h"

namespace weft {

class Identity {
 public:
  // The identity of a 32-byte seed. `provider` must outlive it.
  Identity(const CryptoProvider& provider, const ByteArray<32>& seed);
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  const PublicKey& public_key() const { return public_key_; }
  const NodeId& id() const { return id_; }
  const DhKey& dh_public() const { return dh_public_; }
  const DhKey& dh_secret() const { return dh_secret_; }
  Signature sign(std::string_view domain, ByteView message) const;

 private:
  const CryptoProvider& provider_;
  SigningKey signing_;
  PublicKey public_key_;
  NodeId id_;
  DhKey dh_public_{};
  DhKey dh_secret_{};
};

// True if `s` is the key's signature over `message` in `domain`.
bool verify(const CryptoProvider& provider, const PublicKey& key, std::string_view domain,
            ByteView message, const Signature& s);

inline constexpr std::string_view kRecordDomain = "weft-record-1";
inline constexpr std::string_view kValueDomain = "weft-value-1";

}  // namespace weft
