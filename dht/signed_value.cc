#include "dht/signed_value.h"

#include "crypto/check.h"
#include "crypto/planted.h"
#include "crypto/siphash.h"

namespace weft::dht {
namespace {

constexpr std::size_t kSeqAt = 32;
constexpr std::size_t kLifetimeAt = kSeqAt + 8;
constexpr std::size_t kSignatureAt = kLifetimeAt + 4;
static_assert(kSignatureAt + 64 == kBlobHeadBytes);

// What is signed: 1 + 34 + 34 + 9 + 5 + 3 bytes around the value.
using SignedBytes = ByteArray<kValueBytesMax + 86>;

ByteView signed_bytes(const NodeId& key, const PublicKey& author, std::uint64_t seq,
                      std::uint32_t lifetime_s, ByteView value, SignedBytes& room) {
  Writer w(room);
  w.array(5).bin(key.bytes).bin(author.bytes).uint(seq).uint(lifetime_s).bin(value);
  CHECK(w.ok());
  return w.view();
}

}  // namespace

std::optional<SignedValue> decode_value(ByteView blob) {
  if (blob.size() < kBlobHeadBytes || blob.size() > kBlobBytesMax) return std::nullopt;
  SignedValue out;
  std::ranges::copy(blob.first(32), out.author.bytes.begin());
  out.seq = load_le<std::uint64_t>(blob.data() + kSeqAt);
  out.lifetime_s = load_le<std::uint32_t>(blob.data() + kLifetimeAt);
  std::ranges::copy(blob.subspan(kSignatureAt, 64), out.signature.bytes.begin());
  out.value = blob.subspan(kBlobHeadBytes);
  if (out.seq == 0 || out.seq > kSeqMax) return std::nullopt;
  if (out.lifetime_s == 0 || out.lifetime_s > kLifetimeMaxS) return std::nullopt;
  return out;
}

bool verify_value(const CryptoProvider& provider, const NodeId& key, const SignedValue& value) {
  if (planted(Plant::kSignatureIgnored)) return true;
  SignedBytes room;
  const ByteView message =
      signed_bytes(key, value.author, value.seq, value.lifetime_s, value.value, room);
  return verify(provider, value.author, kValueDomain, message, value.signature);
}

Bytes sign_value(const Identity& identity, const ValueFields& fields) {
  CHECK(fields.value.size() <= kValueBytesMax);
  CHECK(fields.seq >= 1 && fields.seq <= kSeqMax);
  CHECK(fields.lifetime_s >= 1 && fields.lifetime_s <= kLifetimeMaxS);
  SignedBytes room;
  const ByteView message = signed_bytes(fields.key, identity.public_key(), fields.seq,
                                        fields.lifetime_s, fields.value, room);
  const Signature signature = identity.sign(kValueDomain, message);
  Bytes blob(kBlobHeadBytes + fields.value.size());
  std::ranges::copy(identity.public_key().bytes, blob.begin());
  store_le(blob.data() + kSeqAt, fields.seq);
  store_le(blob.data() + kLifetimeAt, fields.lifetime_s);
  std::ranges::copy(signature.bytes, blob.begin() + kSignatureAt);
  std::ranges::copy(fields.value, blob.begin() + kBlobHeadBytes);
  return blob;
}

ByteArray<32> blob_hash(ByteView blob) { return blake2b_256(blob); }

std::uint32_t compare_hint(int shared, const NodeId& key) {
  std::uint32_t hint = 0;
  for (int bit = shared; bit < shared + 24; ++bit) {
    const auto at = static_cast<std::size_t>(bit);
    const unsigned set = bit < 256 ? key.bytes[at / 8] >> (7 - at % 8) & 1U : 0U;
    hint = hint << 1 | set;
  }
  return hint;
}

std::uint64_t compare_item(std::uint64_t salt, int shared, const NodeId& key, ByteView blob) {
  ByteArray<16> salted;
  store_le(salted.data(), salt);
  std::ranges::copy(as_bytes("weft-cmp"), salted.begin() + 8);
  // The head names author, number and lifetime, and its signature the value.
  ByteArray<32 + kBlobHeadBytes> summed;
  std::ranges::copy(key.bytes, summed.begin());
  std::ranges::copy(blob.first(kBlobHeadBytes), summed.begin() + 32);
  return std::uint64_t{compare_hint(shared, key)} << kCompareSumBits |
         (siphash(salted, summed) & ((std::uint64_t{1} << kCompareSumBits) - 1));
}

bool supersedes(std::uint64_t a_seq, ByteView a, std::uint64_t b_seq, ByteView b) {
  if (a_seq != b_seq) return a_seq > b_seq;
  if (equal(a, b)) return false;
  return blob_hash(a) > blob_hash(b);
}

}  // namespace weft::dht
