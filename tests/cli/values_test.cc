#include "cli/values.h"

#include <gtest/gtest.h>

#include "crypto/bytes.h"
#include "crypto/rng.h"

namespace weft::cli {
namespace {

TEST(Values, KeysAreTextOrHex) {
  EXPECT_EQ(key_trouble("color"), "");
  EXPECT_EQ(key_trouble("hex:" + std::string(64, 'a')), "");
  EXPECT_EQ(key_trouble(std::string(255, 'k')), "");
  EXPECT_NE(key_trouble(""), "");
  EXPECT_NE(key_trouble(std::string(256, 'k')), "");
  EXPECT_NE(key_trouble("hex:12"), "");
  EXPECT_NE(key_trouble("\xff"), "");
}

TEST(Values, Base64GoesThereAndBack) {
  EXPECT_EQ(encode_base64("weft"), "d2VmdA==");
  EXPECT_EQ(decode_base64("d2VmdA=="), "weft");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_FALSE(decode_base64("d2VmdA").has_value());
  EXPECT_FALSE(decode_base64("d2V*").has_value());
  SeededEntropy entropy(3);
  for (std::size_t size = 0; size < 200; ++size) {
    Bytes bytes(size);
    entropy.fill(bytes);
    EXPECT_EQ(decode_base64(encode_base64(as_text(bytes))), as_text(bytes));
  }
}

TEST(Values, OnlyTextIsShownAsText) {
  EXPECT_TRUE(is_plain_text("blue\n"));
  EXPECT_TRUE(is_plain_text("häß 漢字 \xf0\x9f\x98\x80"));
  EXPECT_TRUE(is_plain_text(""));
  EXPECT_FALSE(is_plain_text(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_plain_text("\xff"));
  EXPECT_FALSE(is_plain_text("\xc0\x80"));          // overlong
  EXPECT_FALSE(is_plain_text("\xed\xa0\x80"));      // surrogate
  EXPECT_FALSE(is_plain_text("\xf4\x90\x80\x80"));  // beyond Unicode
  EXPECT_FALSE(is_plain_text("\xe4\xb8"));          // cut off
}

}  // namespace
}  // namespace weft::cli
