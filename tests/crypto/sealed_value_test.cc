// Values for one reader: who opens them, and what does not open.
#include "crypto/sealed_value.h"

#include <gtest/gtest.h>


namespace weft {
namespace {

class SealedValue : public testing::Test {
 protected:
  static ByteArray<32> seed(std::uint8_t fill) {
    ByteArray<32> bytes;
    bytes.fill(fill);
    return bytes;
  }
  Bytes seal(std::string_view text) {
    auto value = seal_value(provider_, entropy_, author_.id(), key_, reader_.public_key(), as_bytes(text));
    EXPECT_TRUE(value);
    return value.value_or(Bytes{});
  }

  SodiumProvider provider_;
  SystemEntropy entropy_;
  Identity author_{provider_, seed(1)};
  Identity reader_{provider_, seed(2)};
  Identity other_{provider_, seed(3)};
  NodeId key_{seed(4)};
};

TEST_F(SealedValue, TheReaderAloneOpensIt) {
  for (const std::string& text : {std::string(), std::string("a"), std::string(936, 'x')}) {
    const Bytes value = seal(text);
    EXPECT_EQ(value.size(), text.size() + kSealedOverhead);
    EXPECT_TRUE(is_sealed(value));
    const auto opened = open_value(provider_, reader_, author_.id(), key_, value);
    ASSERT_TRUE(opened);
    EXPECT_EQ(as_text(*opened), text);
    EXPECT_FALSE(open_value(provider_, other_, author_.id(), key_, value));
    EXPECT_FALSE(open_value(provider_, author_, author_.id(), key_, value)) << "the author neither";
  }
}

TEST_F(SealedValue, IsNeverTheSameTwice) { EXPECT_NE(seal("secret"), seal("secret")); }

TEST_F(SealedValue, InAnotherSlotItDoesNotOpen) {
  const Bytes value = seal("secret");
  EXPECT_FALSE(open_value(provider_, reader_, other_.id(), key_, value));
  EXPECT_FALSE(open_value(provider_, reader_, author_.id(), NodeId{seed(5)}, value));
}

TEST_F(SealedValue, EveryBitCounts) {
  const Bytes value = seal("secret");
  for (std::size_t i = 0; i < value.size(); ++i) {
    // The top bit of an X25519 key is not one of its bits (RFC 7748, section 5), but it is hashed.
    for (const unsigned bit : {0x01U, 0x80U}) {
      Bytes bad = value;
      bad[i] = static_cast<std::uint8_t>(bad[i] ^ bit);
      EXPECT_FALSE(open_value(provider_, reader_, author_.id(), key_, bad)) << i;
    }
  }
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(open_value(provider_, reader_, author_.id(), key_, ByteView(value).first(size)));
  }
}

TEST_F(SealedValue, WhatIsNoneIsLeftAlone) {
  EXPECT_FALSE(is_sealed({}));
  EXPECT_FALSE(is_sealed(as_bytes("just a text that is long enough to be looked at as if it were sealed, it is not")));
}

TEST_F(SealedValue, KeysThatShareNoSecretAreRefused) {
  PublicKey bad;  // the neutral element: of low order
  bad.bytes[0] = 1;
  EXPECT_FALSE(seal_value(provider_, entropy_, author_.id(), key_, bad, as_bytes("x")));
  Bytes value = seal("secret");
  for (std::size_t i = 0; i < 32; ++i) value[kSealedMarkBytes + i] = 0;  // a low-order ephemeral key
  EXPECT_FALSE(open_value(provider_, reader_, author_.id(), key_, value));
}

}  // namespace
}  // namespace weft
