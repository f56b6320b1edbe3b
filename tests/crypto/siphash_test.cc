#include "crypto/siphash.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

// The example of the paper's appendix A.
TEST(SipHash, IsThatOfThePaper) {
  ByteArray<16> key;
  for (std::uint8_t i = 0; i < 16; ++i) key[i] = i;
  ByteArray<15> bytes;
  for (std::uint8_t i = 0; i < 15; ++i) bytes[i] = i;
  EXPECT_EQ(siphash(key, bytes), 0xa129ca6149be45e5U);
}

}  // namespace
}  // namespace weft
