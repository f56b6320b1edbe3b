// What Sessions and records rely on, asked of both providers; and RFC vectors for the real one.
#include "crypto/provider.h"

#include <gtest/gtest.h>

#include "crypto/keys.h"
#include "tests/crypto/session_world.h"

namespace weft {
namespace {

class ProviderTest : public ::testing::TestWithParam<bool> {
 protected:
  const CryptoProvider& p() const {
    return GetParam() ? testing::real_provider() : testing::cheap_provider();
  }
  static ByteArray<32> filled(std::uint8_t value) {
    ByteArray<32> out{};
    out.fill(value);
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Providers, ProviderTest, ::testing::Values(true, false),
                         [](const auto& p) { return p.param ? "Sodium" : "Cheap"; });

TEST_P(ProviderTest, SignaturesBindKeyMessageAndDomain) {
  const Identity a(p(), filled(1));
  const Identity b(p(), filled(2));
  const Signature s = a.sign("domain", as_bytes("message"));
  EXPECT_TRUE(verify(p(), a.public_key(), "domain", as_bytes("message"), s));
  EXPECT_FALSE(verify(p(), b.public_key(), "domain", as_bytes("message"), s));
  EXPECT_FALSE(verify(p(), a.public_key(), "domain", as_bytes("messagf"), s));
  EXPECT_FALSE(verify(p(), a.public_key(), "domaim", as_bytes("message"), s));
  Signature changed = s;
  changed.bytes[0] ^= 1;
  EXPECT_FALSE(verify(p(), a.public_key(), "domain", as_bytes("message"), changed));
  EXPECT_EQ(s, a.sign("domain", as_bytes("message")));
}

TEST_P(ProviderTest, BothSidesOfAKeyMatch) {
  const Identity a(p(), filled(1));
  const Identity b(p(), filled(2));
  EXPECT_EQ(p().dh_base(a.dh_secret()), a.dh_public());
  EXPECT_EQ(p().dh_public(a.public_key()), a.dh_public());
  DhKey ab;
  DhKey ba;
  ASSERT_TRUE(p().dh(a.dh_secret(), b.dh_public(), ab));
  ASSERT_TRUE(p().dh(b.dh_secret(), a.dh_public(), ba));
  EXPECT_EQ(ab, ba);
  const DhKey e = filled(9);
  ASSERT_TRUE(p().dh(e, b.dh_public(), ab));
  ASSERT_TRUE(p().dh(b.dh_secret(), p().dh_base(e), ba));
  EXPECT_EQ(ab, ba);
  EXPECT_EQ(a.id(), node_id_of(a.public_key()));
  EXPECT_NE(a.id(), b.id());
}

TEST_P(ProviderTest, WhatIsSealedOpensOnceUnchanged) {
  const CipherKey key = filled(3);
  for (const std::size_t size : {0U, 1U, 7U, 8U, 9U, 64U, 1170U}) {
    Bytes plain(size, 0x5a);
    Bytes sealed(size + kTagBytes);
    p().seal(key, 42, as_bytes("ad"), plain, sealed);
    Bytes opened(size);
    EXPECT_TRUE(p().open(key, 42, as_bytes("ad"), sealed, opened));
    EXPECT_EQ(opened, plain);
    EXPECT_FALSE(p().open(key, 43, as_bytes("ad"), sealed, opened));
    EXPECT_FALSE(p().open(filled(4), 42, as_bytes("ad"), sealed, opened));
    EXPECT_FALSE(p().open(key, 42, as_bytes("ae"), sealed, opened));
    EXPECT_FALSE(p().open(key, 42, {}, sealed, opened));
    for (std::size_t i = 0; i < sealed.size(); i += 1 + sealed.size() / 50) {
      Bytes changed = sealed;
      changed[i] ^= 0x10;
      EXPECT_FALSE(p().open(key, 42, as_bytes("ad"), changed, opened)) << size << " " << i;
    }
    EXPECT_FALSE(p().open(key, 42, as_bytes("ad"), ByteView(sealed).first(kTagBytes - 1), opened));
    // In place, both ways.
    Bytes place(size + kTagBytes, 0x5a);
    p().seal(key, 42, as_bytes("ad"), ByteView(place).first(size), place);
    EXPECT_EQ(place, sealed);
    EXPECT_TRUE(p().open(key, 42, as_bytes("ad"), place, MutableBytes(place).first(size)));
    EXPECT_TRUE(equal(ByteView(place).first(size), plain));
  }
}

TEST(SodiumProvider, Rfc8032AndRfc7748Vectors) {
  const auto& p = testing::real_provider();
  // RFC 8032, section 7.1, TEST 1.
  const SigningKey key = p.signing_key(
      *array_from_hex<32>("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  EXPECT_EQ(to_hex(ByteView(key.bytes).subspan(32)),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(
      to_hex(p.sign(key, {}).bytes),
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
      "f9b46bd25bf5f0595bbe24655141438e7a100b");
  // RFC 7748, section 6.1.
  const DhKey bob_public =
      *array_from_hex<32>("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const DhKey bob =
      *array_from_hex<32>("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  EXPECT_EQ(p.dh_base(bob), bob_public);
  DhKey shared;
  const DhKey alice_public =
      *array_from_hex<32>("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  ASSERT_TRUE(p.dh(bob, alice_public, shared));
  EXPECT_EQ(to_hex(shared), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

TEST(SodiumProvider, RefusesPointsThatAreNone) {
  const auto& p = testing::real_provider();
  PublicKey key;
  EXPECT_EQ(p.dh_public(key), std::nullopt) << "order 4";
  key.bytes[0] = 1;
  EXPECT_EQ(p.dh_public(key), std::nullopt) << "the neutral element";
  key.bytes.fill(0xff);
  EXPECT_EQ(p.dh_public(key), std::nullopt) << "not on the curve";
  DhKey out;
  EXPECT_FALSE(p.dh(DhKey{1}, DhKey{}, out));
}

TEST(Blake2b, IsTheRealOneAndConcatenates) {
  ByteArray<64> full;
  blake2b(full, {}, as_bytes("abc"));
  EXPECT_EQ(to_hex(full),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
  ByteArray<64> parts;
  blake2b(parts, {}, as_bytes("a"), {}, as_bytes("bc"));
  EXPECT_EQ(parts, full);
  blake2b(parts, as_bytes("0123456789abcdef"), as_bytes("abc"));
  EXPECT_NE(parts, full);
}

}  // namespace
}  // namespace weft
