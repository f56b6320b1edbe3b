#include "crypto/keys.h"

#include <sodium.h>

#include "crypto/check.h"

namespace weft {
namespace {

ByteArray<32> digest_of(std::string_view domain, ByteView message) {
  static constexpr ByteArray<1> kZero = {0};
  return blake2b_256(as_bytes(domain), kZero, message);
}

}  // namespace

Identity::Identity(const CryptoProvider& provider, const ByteArray<32>& seed)
    : provider_(provider), signing_(provider.signing_key(seed)) {
  std::ranges::copy(ByteView(signing_.bytes).subspan(32), public_key_.bytes.begin());
  id_ = node_id_of(public_key_);
  const auto pub = provider.dh_public(public_key_);
  CHECK(pub.has_value());
  dh_public_ = *pub;
  dh_secret_ = provider.dh_secret(signing_);
}

Identity::~Identity() {
  sodium_memzero(signing_.bytes.data(), signing_.bytes.size());
  sodium_memzero(dh_secret_.data(), dh_secret_.size());
}

Signature Identity::sign(std::string_view domain, ByteView message) const {
  return provider_.sign(signing_, digest_of(domain, message));
}

bool verify(const CryptoProvider& provider, const PublicKey& key, std::string_view domain,
            ByteView message, const Signature& s) {
  return provider.verify(key, digest_of(domain, message), s);
}

}  // namespace weft
