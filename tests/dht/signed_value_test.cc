#include "dht/signed_value.h"

#include <gtest/gtest.h>

#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

ByteArray<32> seed_of(std::uint8_t byte) {
  ByteArray<32> seed;
  seed.fill(byte);
  return seed;
}

TEST(SignedValue, WhatIsSignedVerifiesAndNothingElseDoes) {
  const SodiumProvider provider;
  const Identity author(provider, seed_of(1));
  const NodeId key = id_of("color");
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, kValueBytesMax}) {
    const Bytes text(size, 'x');
    const Bytes blob =
        sign_value(author, {.key = key, .seq = 7, .lifetime_s = 3600, .value = text});
    EXPECT_EQ(blob.size(), kBlobHeadBytes + size);
    const auto value = decode_value(blob);
    ASSERT_TRUE(value.has_value());
    EXPECT_EQ(value->author, author.public_key());
    EXPECT_EQ(value->seq, 7U);
    EXPECT_EQ(value->lifetime_s, 3600U);
    EXPECT_TRUE(equal(value->value, text));
    EXPECT_TRUE(verify_value(provider, key, *value));
    EXPECT_FALSE(verify_value(provider, id_of("colour"), *value));
    // Any flipped bit is noticed, in whatever field it is.
    for (std::size_t at = 0; at < blob.size(); at += size > 100 ? 13 : 1) {
      Bytes bad = blob;
      bad[at] ^= 1;
      const auto other = decode_value(bad);
      if (other) {
        EXPECT_FALSE(verify_value(provider, key, *other)) << at;
      }
    }
    for (std::size_t cut = 0; cut < std::min(blob.size(), kBlobHeadBytes); ++cut) {
      EXPECT_FALSE(decode_value(ByteView(blob).first(cut)).has_value());
    }
  }
}

TEST(SignedValue, ImpossibleNumbersAndLifetimesAreMalformed) {
  const CheapProvider provider;
  const Identity author(provider, seed_of(1));
  const Bytes blob = sign_value(author, {.key = id_of("k"), .seq = 1, .lifetime_s = 1});
  const auto with = [&blob](std::uint64_t seq, std::uint32_t lifetime) {
    Bytes out = blob;
    store_le(out.data() + 32, seq);
    store_le(out.data() + 40, lifetime);
    return decode_value(out).has_value();
  };
  EXPECT_TRUE(with(1, 1));
  EXPECT_TRUE(with(kSeqMax, kLifetimeMaxS));
  EXPECT_FALSE(with(0, 1));
  EXPECT_FALSE(with(kSeqMax + 1, 1));
  EXPECT_FALSE(with(1, 0));
  EXPECT_FALSE(with(1, kLifetimeMaxS + 1));
  EXPECT_FALSE(decode_value(Bytes(kBlobBytesMax + 1, 1)).has_value());
}

TEST(SignedValue, OfTwoValuesExactlyOneSupersedes) {
  const CheapProvider provider;
  const Identity author(provider, seed_of(1));
  const auto make = [&](std::uint64_t seq, std::string_view text) {
    return sign_value(author, {.key = id_of("k"), .seq = seq, .lifetime_s = 60,
                               .value = as_bytes(text)});
  };
  EXPECT_TRUE(supersedes(2, make(2, "a"), 1, make(1, "b")));
  EXPECT_FALSE(supersedes(1, make(1, "b"), 2, make(2, "a")));
  EXPECT_FALSE(supersedes(1, make(1, "a"), 1, make(1, "a")));
  const Bytes a = make(1, "a");
  const Bytes b = make(1, "b");
  EXPECT_NE(supersedes(1, a, 1, b), supersedes(1, b, 1, a));
  EXPECT_EQ(supersedes(1, a, 1, b), blob_hash(a) > blob_hash(b));
}

}  // namespace
}  // namespace weft::dht
