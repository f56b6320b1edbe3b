#include "crypto/bytes.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Bytes, HexRoundTripsAndIsLowerCase) {
  Bytes all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<std::uint8_t>(i));
  const std::string hex = to_hex(all);
  EXPECT_EQ(hex.substr(0, 8), "00010203");
  EXPECT_EQ(hex.substr(hex.size() - 4), "feff");
  EXPECT_EQ(from_hex(hex), all);
  EXPECT_EQ(from_hex("DEADbeef"), (Bytes{0xde, 0xad, 0xbe, 0xef}));
  EXPECT_EQ(to_hex({}), "");
  EXPECT_EQ(from_hex(""), Bytes{});
}

TEST(Bytes, HexRefusesEverythingElse) {
  for (const auto* text : {"0", "0g", " 0", "0x00", "00 ", "\xff\xff", "--"}) {
    EXPECT_EQ(from_hex(text), std::nullopt) << text;
  }
  EXPECT_EQ(array_from_hex<2>("0011"), (ByteArray<2>{0, 0x11}));
  EXPECT_EQ(array_from_hex<2>("001122"), std::nullopt);
  EXPECT_EQ(array_from_hex<2>("00zz"), std::nullopt);
}

TEST(Bytes, LittleEndianAtAnyAddress) {
  ByteArray<12> room{};
  for (std::size_t at = 0; at < 4; ++at) {
    store_le(room.data() + at, std::uint64_t{0x8877665544332211});
    EXPECT_EQ(room[at], 0x11);
    EXPECT_EQ(room[at + 7], 0x88);
    EXPECT_EQ(load_le<std::uint64_t>(room.data() + at), 0x8877665544332211U);
    EXPECT_EQ(load_le<std::uint16_t>(room.data() + at), 0x2211U);
    EXPECT_EQ(load_le<std::uint32_t>(room.data() + at), 0x44332211U);
  }
}

TEST(Bytes, Comparisons) {
  EXPECT_TRUE(equal(as_bytes("abc"), as_bytes("abc")));
  EXPECT_FALSE(equal(as_bytes("abc"), as_bytes("abd")));
  EXPECT_TRUE(equal_constant_time(as_bytes("abc"), as_bytes("abc")));
  EXPECT_TRUE(equal_constant_time({}, {}));
  EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("xbc")));
  EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("ab")));
  EXPECT_EQ(as_text(as_bytes("text")), "text");
}

}  // namespace
}  // namespace weft
