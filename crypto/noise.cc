#include "crypto/noise.h"

#include "crypto/check.h"

namespace weft::noise {
namespace {

std::string_view protocol_name(Pattern pattern) {
  switch (pattern) {
    case Pattern::kIk:
      return "Noise_IK_25519_ChaChaPoly_BLAKE2b";
    case Pattern::kIkPsk2:
      return "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b";
  }
  return {};
}

// Writes to where the result stays: a returned value may leave a copy behind.
void take_key(const Hash& hash, CipherKey& key) {
  std::copy_n(hash.begin(), key.size(), key.begin());
}

DhKey key_at(ByteView message, std::size_t offset) {
  DhKey key;
  std::ranges::copy(message.subspan(offset, kDhBytes), key.begin());
  return key;
}

// Token "e" for a public key that is in clear on the wire (section 9.2 adds MixKey under a psk).
void mix_ephemeral(SymmetricState& state, const CryptoProvider& provider, Pattern pattern,
                   const DhKey& key) {
  state.mix_hash(provider, key);
  if (pattern == Pattern::kIkPsk2) state.mix_key(provider, key);
}

// A DH token; false for a low-order point.
bool mix_dh(SymmetricState& state, const CryptoProvider& provider, const DhKey& secret,
            const DhKey& pub) {
  DhKey shared;
  const WipeAtEnd guard(shared);
  if (!provider.dh(secret, pub, shared)) return false;
  state.mix_key(provider, shared);
  return true;
}

void first_two(const CryptoProvider& provider, const Hash& temp, Derived& out) {
  static constexpr ByteArray<1> kOne = {1};
  static constexpr ByteArray<1> kTwo = {2};
  provider.hmac(out.first, temp, kOne);
  provider.hmac(out.second, temp, out.first, kTwo);
}

}  // namespace

Derived hkdf2(const CryptoProvider& provider, const Hash& chaining_key, ByteView input) {
  Hash temp;
  const WipeAtEnd guard(temp);
  provider.hmac(temp, chaining_key, input);
  Derived out;
  first_two(provider, temp, out);
  return out;
}

Derived hkdf3(const CryptoProvider& provider, const Hash& chaining_key, ByteView input) {
  static constexpr ByteArray<1> kThree = {3};
  Hash temp;
  const WipeAtEnd guard(temp);
  provider.hmac(temp, chaining_key, input);
  Derived out;
  first_two(provider, temp, out);
  provider.hmac(out.third, temp, out.second, kThree);
  return out;
}

SymmetricState::SymmetricState(Pattern pattern) {
  const std::string_view name = protocol_name(pattern);
  CHECK(name.size() <= kHashBytes);
  std::ranges::copy(as_bytes(name), hash_.begin());
  chaining_key_ = hash_;
}

void SymmetricState::mix_hash(const CryptoProvider& provider, ByteView data) {
  Hash next;
  provider.hash(next, {}, hash_, data);
  hash_ = next;
}

void SymmetricState::mix_key(const CryptoProvider& provider, ByteView input) {
  const Derived d = hkdf2(provider, chaining_key_, input);
  chaining_key_ = d.first;
  take_key(d.second, key_);
  nonce_ = 0;
}

void SymmetricState::mix_key_and_hash(const CryptoProvider& provider, ByteView input) {
  const Derived d = hkdf3(provider, chaining_key_, input);
  chaining_key_ = d.first;
  mix_hash(provider, d.second);
  take_key(d.third, key_);
  nonce_ = 0;
}

void SymmetricState::encrypt_and_hash(const CryptoProvider& provider, ByteView plain,
                                      MutableBytes out) {
  const std::size_t sealed = plain.size() + kTagBytes;
  provider.seal(key_, nonce_++, hash_, plain, out);
  mix_hash(provider, out.first(sealed));
}

bool SymmetricState::decrypt_and_hash(const CryptoProvider& provider, ByteView sealed,
                                      MutableBytes out) {
  if (!provider.open(key_, nonce_++, hash_, sealed, out)) return false;
  mix_hash(provider, sealed);
  return true;
}

TransportKeys SymmetricState::split(const CryptoProvider& provider) const {
  const Derived d = hkdf2(provider, chaining_key_, {});
  TransportKeys keys;
  take_key(d.first, keys.send);
  take_key(d.second, keys.receive);
  return keys;
}

Initiator::Initiator(const CryptoProvider& provider, Pattern pattern, ByteView prologue,
                     const DhKey& remote_static)
    : state_(pattern), pattern_(pattern) {
  state_.mix_hash(provider, prologue);
  state_.mix_hash(provider, remote_static);
}

bool Initiator::write_first(const CryptoProvider& provider, const First& keys, ByteView payload,
                            MutableBytes out) {
  CHECK(out.size() >= payload.size() + kFirstOverhead);
  ephemeral_secret_ = keys.ephemeral_secret;
  const DhKey e = provider.dh_base(ephemeral_secret_);
  std::ranges::copy(e, out.begin());
  mix_ephemeral(state_, provider, pattern_, e);
  if (!mix_dh(state_, provider, ephemeral_secret_, keys.remote_static)) return false;  // es
  state_.encrypt_and_hash(provider, keys.static_public, out.subspan(kDhBytes));        // s
  state_.mix_key(provider, keys.static_shared);                                                  // ss
  state_.encrypt_and_hash(provider, payload, out.subspan(2 * kDhBytes + kTagBytes));
  return true;
}

std::optional<TransportKeys> Initiator::read_second(const CryptoProvider& provider,
                                                    const DhKey& static_secret, const Psk& psk,
                                                    ByteView message, MutableBytes out) {
  if (message.size() < kSecondOverhead) return std::nullopt;
  const DhKey re = key_at(message, 0);
  mix_ephemeral(state_, provider, pattern_, re);
  if (!mix_dh(state_, provider, ephemeral_secret_, re)) return std::nullopt;  // ee
  if (!mix_dh(state_, provider, static_secret, re)) return std::nullopt;      // se
  if (pattern_ == Pattern::kIkPsk2) state_.mix_key_and_hash(provider, psk);
  if (!state_.decrypt_and_hash(provider, message.subspan(kDhBytes), out)) return std::nullopt;
  return state_.split(provider);
}

Responder::Responder(const CryptoProvider& provider, Pattern pattern, ByteView prologue,
                     const DhKey& static_public)
    : state_(pattern), pattern_(pattern) {
  state_.mix_hash(provider, prologue);
  state_.mix_hash(provider, static_public);
}

std::optional<DhKey> Responder::read_first(const CryptoProvider& provider,
                                           const DhKey& static_secret, ByteView message,
                                           MutableBytes out) {
  if (message.size() < kFirstOverhead) return std::nullopt;
  remote_ephemeral_ = key_at(message, 0);
  mix_ephemeral(state_, provider, pattern_, remote_ephemeral_);
  if (!mix_dh(state_, provider, static_secret, remote_ephemeral_)) return std::nullopt;  // es
  if (!state_.decrypt_and_hash(provider, message.subspan(kDhBytes, kDhBytes + kTagBytes),
                               remote_static_)) {
    return std::nullopt;
  }
  if (!mix_dh(state_, provider, static_secret, remote_static_)) return std::nullopt;  // ss
  if (!state_.decrypt_and_hash(provider, message.subspan(2 * kDhBytes + kTagBytes), out)) {
    return std::nullopt;
  }
  return remote_static_;
}

std::optional<TransportKeys> Responder::write_second(const CryptoProvider& provider,
                                                     const DhKey& ephemeral_secret, const Psk& psk,
                                                     ByteView payload, MutableBytes out) {
  CHECK(out.size() >= payload.size() + kSecondOverhead);
  const DhKey e = provider.dh_base(ephemeral_secret);
  std::ranges::copy(e, out.begin());
  mix_ephemeral(state_, provider, pattern_, e);
  if (!mix_dh(state_, provider, ephemeral_secret, remote_ephemeral_)) return std::nullopt;  // ee
  if (!mix_dh(state_, provider, ephemeral_secret, remote_static_)) return std::nullopt;     // se
  if (pattern_ == Pattern::kIkPsk2) state_.mix_key_and_hash(provider, psk);
  state_.encrypt_and_hash(provider, payload, out.subspan(kDhBytes));
  TransportKeys keys = state_.split(provider);
  std::swap(keys.send, keys.receive);
  return keys;
}

}  // namespace weft::noise
