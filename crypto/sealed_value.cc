#include "crypto/sealed_value.h"

#include <algorithm>

namespace weft {
namespace {

constexpr std::string_view kLabel = "weft-sealed-value-1";
constexpr std::size_t kEphemeralAt = kSealedMarkBytes;
constexpr std::size_t kCipherAt = kEphemeralAt + 32;

ByteArray<kSealedMarkBytes> mark() {
  ByteArray<kSealedMarkBytes> mark{};
  blake2b(mark, {}, as_bytes(kLabel));
  return mark;
}

// False if no secret can be shared with that key.
bool derive(const CryptoProvider& provider, const DhKey& secret, const DhKey& theirs,
            const DhKey& ephemeral, const DhKey& reader, const NodeId& author, const NodeId& dht_key,
            CipherKey& key) {
  DhKey shared{};
  const WipeAtEnd guard(shared);
  if (!provider.dh(secret, theirs, shared)) return false;
  ByteArray<5 * 32> all{};
  const WipeAtEnd all_guard(all);
  auto at = all.begin();
  for (const ByteView part : {ByteView(shared), ByteView(ephemeral), ByteView(reader),
                              ByteView(author.bytes), ByteView(dht_key.bytes)}) {
    at = std::ranges::copy(part, at).out;
  }
  key = blake2b_256(as_bytes(kLabel), all);
  return true;
}

}  // namespace

bool is_sealed(ByteView value) {
  return value.size() >= kSealedOverhead && std::ranges::equal(value.first(kSealedMarkBytes), mark());
}

std::optional<Bytes> seal_value(const CryptoProvider& provider, Entropy& entropy, const NodeId& author,
                                const NodeId& dht_key, const PublicKey& reader, ByteView plain) {
  const auto to = provider.dh_public(reader);
  if (!to) return std::nullopt;
  DhKey secret{};
  const WipeAtEnd secret_guard(secret);
  entropy.fill(secret);
  const DhKey ephemeral = provider.dh_base(secret);
  CipherKey key{};
  const WipeAtEnd key_guard(key);
  if (!derive(provider, secret, *to, ephemeral, *to, author, dht_key, key)) return std::nullopt;
  Bytes value(plain.size() + kSealedOverhead);
  std::ranges::copy(mark(), value.begin());
  std::ranges::copy(ephemeral, value.begin() + kEphemeralAt);
  provider.seal(key, 0, {}, plain, MutableBytes(value).subspan(kCipherAt));
  return value;
}

std::optional<Bytes> open_value(const CryptoProvider& provider, const Identity& reader,
                                const NodeId& author, const NodeId& dht_key, ByteView value) {
  if (!is_sealed(value)) return std::nullopt;
  DhKey ephemeral{};
  std::ranges::copy(value.subspan(kEphemeralAt, ephemeral.size()), ephemeral.begin());
  CipherKey key{};
  const WipeAtEnd key_guard(key);
  if (!derive(provider, reader.dh_secret(), ephemeral, ephemeral, reader.dh_public(), author, dht_key, key)) {
    return std::nullopt;
  }
  Bytes plain(value.size() - kSealedOverhead);
  if (!provider.open(key, 0, {}, value.subspan(kCipherAt), plain)) return std::nullopt;
  return plain;
}

}  // namespace weft
