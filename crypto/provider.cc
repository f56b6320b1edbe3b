#include "crypto/provider.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "crypto/check.h"
#include "crypto/fold_hash.h"

namespace weft {
namespace {

using Nonce = ByteArray<crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

Nonce noise_nonce(std::uint64_t counter) {
  Nonce nonce{};
  store_le(nonce.data() + 4, counter);
  return nonce;
}

constexpr std::uint64_t kMask = 0xa5c35a3c96690ff0ULL;

DhKey masked(ByteView from) {
  DhKey out;
  for (std::size_t i = 0; i < 32; i += 8) {
    store_le(out.data() + i, load_le<std::uint64_t>(from.data() + i) ^ kMask);
  }
  return out;
}

void cheap_tag(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
               std::uint8_t* out) {
  std::uint64_t h = fold_hash(counter, key);
  h = fold_hash(h, ad);
  h = fold_hash(h, plain);
  store_le(out, h);
  store_le(out + 8, h * 0x9e3779b97f4a7c15ULL);
}

}  // namespace

void blake2b(MutableBytes out, ByteView key, ByteView a, ByteView b, ByteView c) {
  crypto_generichash_state state;
  CHECK(crypto_generichash_init(&state, key.data(), key.size(), out.size()) == 0);
  for (const ByteView part : {a, b, c}) {
    if (!part.empty()) crypto_generichash_update(&state, part.data(), part.size());
  }
  crypto_generichash_final(&state, out.data(), out.size());
}

void CryptoProvider::hash(MutableBytes out, ByteView key, ByteView a, ByteView b, ByteView c) const {
  blake2b(out, key, a, b, c);
}

void CryptoProvider::hmac(ByteArray<64>& out, ByteView key, ByteView a, ByteView b) const {
  ByteArray<128> pad{};
  CHECK(key.size() <= pad.size());
  const WipeAtEnd pad_guard(pad);
  std::ranges::copy(key, pad.begin());
  for (auto& byte : pad) byte ^= 0x36;
  ByteArray<64> inner;
  const WipeAtEnd inner_guard(inner);
  hash(inner, {}, pad, a, b);
  for (auto& byte : pad) byte ^= 0x36 ^ 0x5c;
  hash(out, {}, pad, inner);
}

void CheapProvider::hmac(ByteArray<64>& out, ByteView key, ByteView a, ByteView b) const {
  CheapProvider::hash(out, key, a, b, {});
}

void CheapProvider::hash(MutableBytes out, ByteView key, ByteView a, ByteView b, ByteView c) const {
  std::uint64_t state = fold_hash(fold_hash(fold_hash(fold_hash(out.size(), key), a), b), c);
  for (std::size_t i = 0; i < out.size(); i += 8) {
    state = (state ^ state >> 31) * 0x9e3779b97f4a7c15ULL + i;
    if (i + 8 <= out.size()) {
      store_le(out.data() + i, state);
      continue;
    }
    for (std::size_t k = i; k < out.size(); ++k) out[k] = static_cast<std::uint8_t>(state >> (k - i) * 8);
  }
}

void wipe(MutableBytes bytes) { sodium_memzero(bytes.data(), bytes.size()); }

NodeId node_id_of(const PublicKey& key) {
  return {blake2b_256(as_bytes("weft-node-id-1"), key.bytes)};
}

SodiumProvider::SodiumProvider() { CHECK(sodium_init() >= 0); }

SigningKey SodiumProvider::signing_key(const ByteArray<32>& seed) const {
  SigningKey key;
  PublicKey pub;
  crypto_sign_seed_keypair(pub.bytes.data(), key.bytes.data(), seed.data());
  return key;
}

Signature SodiumProvider::sign(const SigningKey& key, ByteView message) const {
  Signature s;
  crypto_sign_detached(s.bytes.data(), nullptr, message.data(), message.size(), key.bytes.data());
  return s;
}

bool SodiumProvider::verify(const PublicKey& key, ByteView message, const Signature& s) const {
  return crypto_sign_verify_detached(s.bytes.data(), message.data(), message.size(),
                                     key.bytes.data()) == 0;
}

std::optional<DhKey> SodiumProvider::dh_public(const PublicKey& key) const {
  DhKey out;
  if (crypto_sign_ed25519_pk_to_curve25519(out.data(), key.bytes.data()) != 0) return std::nullopt;
  return out;
}

DhKey SodiumProvider::dh_secret(const SigningKey& key) const {
  DhKey out;
  crypto_sign_ed25519_sk_to_curve25519(out.data(), key.bytes.data());
  return out;
}

DhKey SodiumProvider::dh_base(const DhKey& secret) const {
  DhKey out;
  crypto_scalarmult_base(out.data(), secret.data());
  return out;
}

bool SodiumProvider::dh(const DhKey& secret, const DhKey& pub, DhKey& out) const {
  return crypto_scalarmult(out.data(), secret.data(), pub.data()) == 0;
}

void SodiumProvider::seal(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
                          MutableBytes out) const {
  CHECK(out.size() >= plain.size() + kTagBytes);
  const Nonce nonce = noise_nonce(counter);
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plain.data(), plain.size(),
                                            ad.data(), ad.size(), nullptr, nonce.data(),
                                            key.data());
}

bool SodiumProvider::open(const CipherKey& key, std::uint64_t counter, ByteView ad,
                          ByteView sealed, MutableBytes out) const {
  if (sealed.size() < kTagBytes) return false;
  CHECK(out.size() >= sealed.size() - kTagBytes);
  const Nonce nonce = noise_nonce(counter);
  return crypto_aead_chacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, sealed.data(),
                                                   sealed.size(), ad.data(), ad.size(),
                                                   nonce.data(), key.data()) == 0;
}

SigningKey CheapProvider::signing_key(const ByteArray<32>& seed) const {
  SigningKey key;
  std::ranges::copy(seed, key.bytes.begin());
  std::ranges::copy(masked(seed), key.bytes.begin() + 32);
  return key;
}

Signature CheapProvider::sign(const SigningKey& key, ByteView message) const {
  const std::uint64_t h = fold_hash(fold_hash(1, ByteView(key.bytes).subspan(32)), message);
  Signature s;
  store_le(s.bytes.data(), h);
  return s;
}

bool CheapProvider::verify(const PublicKey& key, ByteView message, const Signature& s) const {
  return load_le<std::uint64_t>(s.bytes.data()) == fold_hash(fold_hash(1, key.bytes), message);
}

std::optional<DhKey> CheapProvider::dh_public(const PublicKey& key) const { return key.bytes; }

DhKey CheapProvider::dh_secret(const SigningKey& key) const {
  DhKey out;
  std::ranges::copy(ByteView(key.bytes).first(32), out.begin());
  return out;
}

DhKey CheapProvider::dh_base(const DhKey& secret) const { return masked(secret); }

bool CheapProvider::dh(const DhKey& secret, const DhKey& pub, DhKey& out) const {
  // Public = secret XOR mask, so the XOR of both secrets is known to either side.
  const DhKey other = masked(pub);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(secret[i] ^ other[i]);
  }
  return true;
}

void CheapProvider::seal(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
                         MutableBytes out) const {
  CHECK(out.size() >= plain.size() + kTagBytes);
  ByteArray<kTagBytes> tag;
  cheap_tag(key, counter, ad, plain, tag.data());
  if (!plain.empty()) std::memmove(out.data(), plain.data(), plain.size());
  std::ranges::copy(tag, out.begin() + static_cast<std::ptrdiff_t>(plain.size()));
}

bool CheapProvider::open(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView sealed,
                         MutableBytes out) const {
  if (sealed.size() < kTagBytes) return false;
  const ByteView plain = sealed.first(sealed.size() - kTagBytes);
  CHECK(out.size() >= plain.size());
  ByteArray<kTagBytes> tag;
  cheap_tag(key, counter, ad, plain, tag.data());
  if (!equal(tag, sealed.subspan(plain.size()))) return false;
  if (!plain.empty()) std::memmove(out.data(), plain.data(), plain.size());
  return true;
}

}  // namespace weft
