#include "crypto/admission.h"

#include <gtest/gtest.h>

#include "crypto/provider.h"

namespace weft {
namespace {

const Instant kStart = Instant{} + 5min;
using Charge = PrefixAdmission::Charge;

TEST(TokenBucket, GivesItsBurstAndThenItsRate) {
  const TokenRate rate{.per_second = 10, .burst = 5};
  TokenBucket bucket(kStart, rate);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(bucket.take(kStart, rate));
  EXPECT_FALSE(bucket.take(kStart, rate));
  EXPECT_FALSE(bucket.take(kStart + 99'999us, rate));
  EXPECT_TRUE(bucket.take(kStart + 100ms, rate));
  EXPECT_FALSE(bucket.take(kStart + 100ms, rate));
  int taken = 0;
  for (Instant at = kStart + 100ms; at < kStart + 10s; at += 7ms) taken += bucket.take(at, rate);
  EXPECT_EQ(taken, 98);
}

TEST(TokenBucket, SavesNoMoreThanItsBurstHoweverLongItRests) {
  const TokenRate rate{.per_second = UINT32_MAX, .burst = 3};
  TokenBucket bucket(Instant{}, rate);
  const Instant late = Instant{} + 1000h * 24 * 365 * 100;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(late, rate));
  EXPECT_FALSE(bucket.take(late, rate));
  const TokenRate dry{.per_second = 0, .burst = 1};
  TokenBucket never(kStart, dry);
  EXPECT_TRUE(never.take(kStart, dry));
  EXPECT_FALSE(never.take(late, dry));
}

TEST(PrefixAdmission, CountsByPrefixAndByAddressOnLoopback) {
  PrefixAdmission admission({.per_second = 1, .burst = 1}, 7);
  const auto take = [&](const Endpoint& e) {
    return admission.take(kStart, e, Charge::kFirstPacket);
  };
  EXPECT_TRUE(take(Endpoint::v4(8, 8, 8, 1, 1)));
  EXPECT_FALSE(take(Endpoint::v4(8, 8, 8, 200, 9)));
  EXPECT_TRUE(take(Endpoint::v4(8, 8, 9, 1, 1)));
  EXPECT_TRUE(take(Endpoint::v4(127, 0, 0, 1, 1)));
  EXPECT_FALSE(take(Endpoint::v4(127, 0, 0, 1, 2)));
  EXPECT_TRUE(take(Endpoint::v4(127, 0, 0, 2, 1)));
  EXPECT_TRUE(take(*parse_endpoint("[::1]:1")));
  EXPECT_FALSE(take(*parse_endpoint("[::1]:2")));
  EXPECT_TRUE(take(*parse_endpoint("[2001:db8:1::1]:1")));
  EXPECT_FALSE(take(*parse_endpoint("[2001:db8:1:ffff::2]:1")));
  EXPECT_TRUE(take(*parse_endpoint("[2001:db8:2::1]:1")));
  EXPECT_FALSE(take(*parse_endpoint("[::1]:0"))) << "the port says nothing";
}

TEST(PrefixAdmission, GarbageDoesNotUseUpHandshakes) {
  PrefixAdmission admission({.per_second = 1, .burst = 2}, 7);
  const Endpoint e = Endpoint::v4(8, 8, 8, 1, 1);
  for (int i = 0; i < 9; ++i) (void)admission.take(kStart, e, Charge::kUnknownIndex);
  EXPECT_FALSE(admission.take(kStart, e, Charge::kUnknownIndex));
  EXPECT_TRUE(admission.take(kStart, e, Charge::kFirstPacket));
}

TEST(PrefixAdmission, GrowingForgetsNobody) {
  PrefixAdmission admission({.per_second = 1, .burst = 1}, 7);
  const auto at = [](int i) { return Endpoint::v4(20, 1, static_cast<std::uint8_t>(i), 1, 1); };
  // A table at its bound has room for this many in most of its sets; none of them is full.
  for (int i = 0; i < 60; ++i) {
    EXPECT_TRUE(admission.take(kStart, at(i), Charge::kFirstPacket)) << i;
    for (int j = 0; j <= i; ++j) {
      EXPECT_FALSE(admission.take(kStart, at(j), Charge::kFirstPacket)) << i << " forgot " << j;
    }
  }
}

TEST(PrefixAdmission, AManyPrefixFloodForgetsTheLongestUntouchedFirst) {
  PrefixAdmission admission({.per_second = 1, .burst = 1}, 7);
  const Endpoint busy = Endpoint::v4(9, 9, 9, 9, 1);
  (void)admission.take(kStart, busy, Charge::kFirstPacket);
  Instant now = kStart;
  int admitted = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto e =
        Endpoint::v4(20, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1, 1);
    (void)admission.take(now, e, Charge::kFirstPacket);
    now += 10us;
    if (i % 20 == 0) admitted += admission.take(now, busy, Charge::kFirstPacket);
  }
  EXPECT_LE(admitted, 1) << "0.2 s have passed";
}

TEST(AdmissionKey, IsNeverZeroAndTellsFamiliesApart) {
  EXPECT_NE(admission_key(Endpoint{}), 0U);
  EXPECT_NE(admission_key(Endpoint::v4(0, 0, 0, 0, 0)), 0U);
  EXPECT_NE(admission_key(*parse_endpoint("[::1]:1")), admission_key(Endpoint::v4(0, 0, 0, 1, 1)));
}

TEST(CookieJar, ACookieIsOfOneEndpointAndLivesTwoPeriods) {
  SeededEntropy entropy(1);
  CookieJar jar;
  const Endpoint e = Endpoint::v4(1, 2, 3, 4, 5);
  const Bytes message = to_bytes(as_bytes("init"));
  EXPECT_FALSE(jar.accepts(kStart, e, message, ByteArray<16>{})) << "no secret yet";
  const auto mac_under = [&](const CookieJar::Cookie& cookie) {
    ByteArray<16> mac;
    blake2b(mac, cookie, message);
    return mac;
  };
  const auto first = mac_under(jar.cookie(kStart, entropy, e));
  EXPECT_TRUE(jar.accepts(kStart, e, message, first));
  EXPECT_FALSE(jar.accepts(kStart, Endpoint::v4(1, 2, 3, 4, 6), message, first));
  EXPECT_FALSE(jar.accepts(kStart, Endpoint::v4(1, 2, 3, 5, 5), message, first));
  EXPECT_FALSE(jar.accepts(kStart, e, as_bytes("other"), first));
  EXPECT_EQ(mac_under(jar.cookie(kStart + 119s, entropy, e)), first);
  const auto second = mac_under(jar.cookie(kStart + 120s, entropy, e));
  EXPECT_NE(second, first);
  EXPECT_TRUE(jar.accepts(kStart + 239s, e, message, first));
  EXPECT_TRUE(jar.accepts(kStart + 239s, e, message, second));
  EXPECT_FALSE(jar.accepts(kStart + 240s, e, message, first));
  (void)jar.cookie(kStart + 240s, entropy, e);
  (void)jar.cookie(kStart + 360s, entropy, e);
  EXPECT_FALSE(jar.accepts(kStart + 360s, e, message, second));
}

}  // namespace
}  // namespace weft
