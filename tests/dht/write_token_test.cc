#include "dht/write_token.h"

#include <gtest/gtest.h>

namespace weft::dht {
namespace {

Now at(Duration time) { return {Instant(time), {}}; }

Contact asker(std::uint8_t byte, std::uint16_t port) {
  PublicKey key;
  key.bytes.fill(byte);
  return make_contact(key, Endpoint::v4(10, 0, 0, byte, port));
}

TEST(WriteTokens, AcceptsWhatItMade) {
  SeededEntropy entropy(1);
  WriteTokens tokens(entropy, at(0s));
  const NodeId key = {blake2b_256(as_bytes("key"))};
  const Token token = tokens.make(at(1s), asker(1, 9000), key);
  EXPECT_TRUE(tokens.check(at(2s), asker(1, 9000), key, token));
}

TEST(WriteTokens, BindsKeyEndpointAndAsker) {
  SeededEntropy entropy(2);
  WriteTokens tokens(entropy, at(0s));
  const NodeId key = {blake2b_256(as_bytes("key"))};
  const NodeId other = {blake2b_256(as_bytes("other"))};
  const Contact who = asker(1, 9000);
  const Token token = tokens.make(at(0s), who, key);
  EXPECT_FALSE(tokens.check(at(0s), who, other, token));
  EXPECT_FALSE(tokens.check(at(0s), asker(1, 9001), key, token));
  Contact elsewhere = who;
  elsewhere.endpoint = Endpoint::v4(10, 0, 0, 9, 9000);
  EXPECT_FALSE(tokens.check(at(0s), elsewhere, key, token));
  Contact twin = asker(2, 9000);
  twin.endpoint = who.endpoint;
  EXPECT_FALSE(tokens.check(at(0s), twin, key, token));
  for (std::size_t i = 0; i < token.size(); ++i) {
    Token bad = token;
    bad[i] ^= 1;
    EXPECT_FALSE(tokens.check(at(0s), who, key, bad));
  }
}

TEST(WriteTokens, LivesBetweenOneAndTwoRotations) {
  SeededEntropy entropy(3);
  WriteTokens tokens(entropy, at(0s));
  const NodeId key = {blake2b_256(as_bytes("key"))};
  const Contact who = asker(1, 9000);
  const Token token = tokens.make(at(4min), who, key);
  EXPECT_TRUE(tokens.check(at(5min), who, key, token));
  EXPECT_TRUE(tokens.check(at(9min + 59s), who, key, token));
  EXPECT_FALSE(tokens.check(at(10min), who, key, token));
}

TEST(WriteTokens, ALongSilenceInvalidatesBothSecrets) {
  SeededEntropy entropy(4);
  WriteTokens tokens(entropy, at(0s));
  const NodeId key = {blake2b_256(as_bytes("key"))};
  const Contact who = asker(1, 9000);
  const Token token = tokens.make(at(1s), who, key);
  EXPECT_FALSE(tokens.check(at(11min), who, key, token));
}

}  // namespace
}  // namespace weft::dht
