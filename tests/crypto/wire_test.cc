#include "crypto/wire.h"

#include <gtest/gtest.h>

#include "tests/allocations.h"
#include "tests/crypto/session_world.h"

namespace weft {
namespace {

TEST(Wire, WhatIsWrittenIsRead) {
  ByteArray<200> room;
  Writer w(room);
  w.array(7).uint(0).uint(UINT64_MAX).boolean(true).nil().bin(as_bytes("raw")).str("text");
  w.array(2).uint(127).uint(128);
  ASSERT_TRUE(w.ok());
  EXPECT_EQ(w.left(), room.size() - w.size());
  Reader r(w.view());
  EXPECT_EQ(r.array(7), 7U);
  EXPECT_EQ(r.uint(), 0U);
  EXPECT_EQ(r.uint(), UINT64_MAX);
  EXPECT_TRUE(r.boolean());
  EXPECT_FALSE(r.next_is_bin());
  EXPECT_TRUE(r.skip_nil());
  EXPECT_FALSE(r.skip_nil());
  EXPECT_TRUE(r.next_is_bin());
  EXPECT_EQ(as_text(r.bin(3)), "raw");
  EXPECT_EQ(r.str(4), "text");
  r.array_of(2);
  EXPECT_EQ(r.uint(127), 127U);
  EXPECT_EQ(r.uint(), 128U);
  EXPECT_EQ(r.finish(), std::nullopt);
}

TEST(Wire, RandomMessagesRoundTrip) {
  const std::uint64_t first = testing::seed_from_env(1);
  for (std::uint64_t seed = first; seed < first + 300; ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    ByteArray<4096> room;
    const auto pass = [&](auto&& on_uint, auto&& on_bin, auto&& on_str, auto&& on_bool) {
      Rng rng(seed);
      const std::size_t count = rng.below(30);
      for (std::size_t i = 0; i < count; ++i) {
        switch (rng.below(4)) {
          case 0:
            on_uint(rng.next() >> rng.below(64));
            break;
          case 1:
            on_bin(Bytes(rng.below(300), static_cast<std::uint8_t>(rng.next())));
            break;
          case 2:
            on_str(std::string(rng.below(40), 'x'));
            break;
          default:
            on_bool(rng.chance({1, 2}));
            break;
        }
      }
      return count;
    };
    Writer w(room);
    Rng rng(seed);
    w.array(rng.below(30));
    pass([&](auto v) { w.uint(v); }, [&](const auto& v) { w.bin(v); },
         [&](const auto& v) { w.str(v); }, [&](bool v) { w.boolean(v); });
    if (!w.ok()) continue;  // larger than the room: covered below
    Reader r(w.view());
    (void)r.array(30);
    pass([&](auto v) { EXPECT_EQ(r.uint(), v); },
         [&](const auto& v) { EXPECT_EQ(to_bytes(r.bin(300)), v); },
         [&](const auto& v) { EXPECT_EQ(r.str(40), v); },
         [&](bool v) { EXPECT_EQ(r.boolean(), v); });
    EXPECT_EQ(r.finish(), std::nullopt);
    // Every truncation is noticed.
    for (std::size_t size = 0; size < w.size(); ++size) {
      Reader cut(w.view().first(size));
      EXPECT_TRUE(cut.failed());
    }
  }
}

TEST(Wire, AWriterNeverWritesBeyondItsRoom) {
  ByteArray<8> room{};
  for (std::size_t size = 0; size <= 6; ++size) {
    room.fill(0xee);
    Writer w(MutableBytes(room).first(size));
    w.bin(as_bytes("1234"));
    EXPECT_EQ(w.ok(), size >= 6) << size;
    for (std::size_t i = size; i < room.size(); ++i) EXPECT_EQ(room[i], 0xee);
  }
  Writer w(room);
  const MutableBytes hole = w.bin_room(4);
  ASSERT_EQ(hole.size(), 4U);
  std::ranges::copy(as_bytes("abcd"), hole.begin());
  EXPECT_TRUE(w.bin_room(1).empty()) << "two bytes of header leave no room for one";
  EXPECT_FALSE(w.ok());
  Reader r(ByteView(room).first(6));
  EXPECT_EQ(as_text(r.bin(4)), "abcd");
}

struct BadWire {
  const char* hex;
  DecodeError error;
};

TEST(Wire, WhatWeftNeverUsesIsRefused) {
  const std::vector<BadWire> cases = {
      {"", DecodeError::kTruncated},
      {"80", DecodeError::kBadType},                  // map
      {"81a16101", DecodeError::kBadType},            // map with content
      {"ca00000000", DecodeError::kBadType},          // float 32
      {"cb0000000000000000", DecodeError::kBadType},  // float 64
      {"ff", DecodeError::kBadType},                  // -1
      {"d0ff", DecodeError::kBadType},                // int 8
      {"d40100", DecodeError::kBadType},              // ext
      {"c1", DecodeError::kBadType},                  // never used by msgpack
      {"91", DecodeError::kTruncated},                // array of one without it
      {"c405aabb", DecodeError::kTruncated},          // bin 5 with 2
      {"0101", DecodeError::kTrailing},               // two values
      {"9190ff", DecodeError::kTrailing},
      {"ddffffffff", DecodeError::kTooLarge},          // array of 2^32-1
      {"dc0100", DecodeError::kTooLarge},              // array of 256
      {"919191919191919100", DecodeError::kTooLarge},  // too deep
      {"c6ffffffff00", DecodeError::kTruncated},       // bin of 4 GiB
  };
  for (const auto& c : cases) {
    Reader r(*from_hex(c.hex));
    EXPECT_TRUE(r.failed()) << c.hex;
    EXPECT_EQ(r.finish(), c.error) << c.hex << ": " << to_string(*r.finish());
  }
}

TEST(Wire, TheFirstErrorLatchesAndLaterReadsAreEmpty) {
  ByteArray<32> room;
  Writer w(room);
  w.array(3).uint(300).str("abc").bin(as_bytes("xyz"));
  {
    Reader r(w.view());
    EXPECT_EQ(r.array(2), 0U);
    EXPECT_EQ(r.uint(), 0U);
    EXPECT_EQ(r.str(9), "");
    EXPECT_EQ(r.finish(), DecodeError::kTooLarge);
  }
  {
    Reader r(w.view());
    r.array_of(3);
    EXPECT_EQ(r.uint(299), 0U);
    EXPECT_EQ(r.finish(), DecodeError::kBadValue);
  }
  {
    Reader r(w.view());
    r.array_of(3);
    (void)r.uint();
    EXPECT_EQ(r.str(2), "");
    EXPECT_EQ(r.finish(), DecodeError::kTooLarge);
  }
  {
    Reader r(w.view());
    r.array_of(3);
    (void)r.bin(3);
    EXPECT_EQ(r.finish(), DecodeError::kBadType);
  }
  {
    Reader r(w.view());
    r.array_of(2);
    EXPECT_EQ(r.finish(), DecodeError::kTrailing);
  }
  {
    Reader r(w.view());
    r.array_of(4);
    EXPECT_EQ(r.finish(), DecodeError::kTruncated);
  }
  {
    Reader r(w.view());
    r.array_of(3);
    (void)r.uint();
    EXPECT_EQ(r.finish(), DecodeError::kTrailing) << "values left";
  }
  {
    Reader r(w.view());
    r.array_of(3);
    (void)r.uint();
    (void)r.str(3);
    EXPECT_EQ(r.bin_exact<4>(), (ByteArray<4>{}));
    EXPECT_EQ(r.finish(), DecodeError::kBadValue);
  }
}

TEST(Wire, TokensAreBoundedAndReadersDoNotAllocate) {
  Bytes many;
  many.push_back(0xdc);
  many.push_back(0);
  many.push_back(static_cast<std::uint8_t>(Reader::kMaxTokens - 1));
  many.resize(3 + Reader::kMaxTokens - 1, 7);
  {
    Reader r(many);
    EXPECT_EQ(r.array(999), Reader::kMaxTokens - 1);
    EXPECT_FALSE(r.failed());
  }
  many[2] = static_cast<std::uint8_t>(Reader::kMaxTokens);
  many.push_back(7);
  EXPECT_TRUE(Reader(many).failed());
  const Bytes nested = *from_hex("9391919191c09191c0920102");
  (void)Reader(nested).failed();
  const std::size_t before = testing::allocations();
  for (int i = 0; i < 100; ++i) (void)Reader(nested).failed();
  EXPECT_EQ(testing::allocations(), before);
}

}  // namespace
}  // namespace weft
