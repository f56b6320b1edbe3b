#include "crypto/endpoint.h"

#include <gtest/gtest.h>

#include "crypto/contact.h"

namespace weft {
namespace {

Endpoint e(std::string_view text) {
  const auto parsed = parse_endpoint(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Endpoint{});
}

TEST(Endpoint, TextRoundTrips) {
  for (const auto* text : {"1.2.3.4:5", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:7000",
                           "[2001:db8::5]:1", "[fe80::1]:9", "[::]:0"}) {
    EXPECT_EQ(to_string(e(text)), text);
  }
  EXPECT_EQ(ip_string(e("[2001:db8::5]:1")), "2001:db8::5");
  EXPECT_EQ(ip_string(e("9.8.7.6:5")), "9.8.7.6");
  EXPECT_EQ(e("[1.2.3.4]:5"), Endpoint::v4(1, 2, 3, 4, 5));
  EXPECT_EQ(e("[::ffff:1.2.3.4]:5"), Endpoint::v4(1, 2, 3, 4, 5));
}

TEST(Endpoint, OtherTextIsRefused) {
  for (const auto* text : {"", "1.2.3.4", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "1.2.3.4:-1",
                           "1.2.3.4: 5", "1.2.3:5", "::1:5", "[::1]", "[::1:5", "host:5", ":5",
                           "[]:5", "1.2.3.4:5 ", "01.2.3.4:5:6"}) {
    EXPECT_EQ(parse_endpoint(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_endpoint(std::string_view("1.2.3.4\0x:5", 11)), std::nullopt);
}

TEST(Endpoint, WireFormIsCanonical) {
  for (const auto* text : {"1.2.3.4:258", "[2001:db8::5]:65535"}) {
    ByteArray<kEndpointWireMax> raw;
    const std::size_t size = encode_endpoint(e(text), raw);
    EXPECT_EQ(size, e(text).is_v4() ? 6U : 18U);
    EXPECT_EQ(decode_endpoint(ByteView(raw).first(size)), e(text));
  }
  EXPECT_EQ(decode_endpoint(Bytes{1, 2, 3, 4, 1, 2}), Endpoint::v4(1, 2, 3, 4, 258));
  for (std::size_t size = 0; size < 30; ++size) {
    EXPECT_EQ(decode_endpoint(Bytes(size, 1)).has_value(), size == 6 || size == 18);
  }
  Bytes mapped(18, 0);
  mapped[10] = mapped[11] = 0xff;
  EXPECT_EQ(decode_endpoint(mapped), std::nullopt) << "one address, one spelling";
}

TEST(Endpoint, Scopes) {
  const auto expect = [](Scope expected, std::initializer_list<const char*> texts) {
    for (const auto* text : texts) EXPECT_EQ(scope(e(text)), expected) << text;
  };
  expect(Scope::kUnusable, {"0.0.0.0:1", "0.1.2.3:1", "224.0.0.1:1", "255.255.255.255:1",
                            "8.8.8.8:0", "[::]:1", "[ff02::1]:1", "[2001::1]:0"});
  expect(Scope::kLoopback, {"127.0.0.1:1", "127.255.0.1:1", "[::1]:1"});
  expect(Scope::kLinkLocal, {"169.254.0.1:1", "[fe80::1]:1", "[febf::1]:1"});
  expect(Scope::kPrivate, {"10.0.0.1:1", "172.16.0.1:1", "172.31.255.255:1", "192.168.9.9:1",
                           "100.64.0.1:1", "100.127.0.1:1", "[fc00::1]:1", "[fdff::1]:1"});
  expect(Scope::kGlobal, {"8.8.8.8:1", "172.15.0.1:1", "172.32.0.1:1", "192.169.0.1:1",
                          "100.128.0.1:1", "100.63.0.1:1", "[2001:4860::8]:1", "[fec0::1]:1"});
}

TEST(Endpoint, WhoMayBeNamedToWhom) {
  const Endpoint global = e("8.8.8.8:1"), home = e("192.168.0.1:1"), loop = e("127.0.0.1:1"),
                 link = e("169.254.0.1:1");
  for (const auto& asker : {global, home, loop, link}) {
    EXPECT_TRUE(may_be_named_to(global, asker));
    EXPECT_FALSE(may_be_named_to(link, asker));
    EXPECT_FALSE(may_be_named_to(Endpoint{}, asker));
  }
  EXPECT_FALSE(may_be_named_to(home, global));
  EXPECT_TRUE(may_be_named_to(home, home));
  EXPECT_TRUE(may_be_named_to(home, loop));
  EXPECT_FALSE(may_be_named_to(loop, global));
  EXPECT_FALSE(may_be_named_to(loop, home));
  EXPECT_TRUE(may_be_named_to(loop, loop));
}

TEST(Endpoint, PrefixesGroupByNetworkAndFamily) {
  EXPECT_EQ(prefix(e("1.2.3.4:5")), prefix(e("1.2.3.200:6")));
  EXPECT_NE(prefix(e("1.2.3.4:5")), prefix(e("1.2.4.4:5")));
  EXPECT_EQ(prefix(e("[2001:db8:1::1]:1")), prefix(e("[2001:db8:1:ffff::2]:9")));
  EXPECT_NE(prefix(e("[2001:db8:1::1]:1")), prefix(e("[2001:db8:2::1]:1")));
  EXPECT_NE(prefix(e("0.0.1.1:1")), prefix(e("[::1]:1")));
}

TEST(Contact, ItsIdFollowsFromItsKey) {
  PublicKey key;
  key.bytes[3] = 9;
  const Contact contact = make_contact(key, e("1.2.3.4:5"));
  EXPECT_EQ(contact.id, node_id_of(key));
}

TEST(NodeId, DistanceIsXorComparedAsBigEndianNumber) {
  NodeId zero, one, high;
  one.bytes[31] = 1;
  high.bytes[0] = 0x80;
  EXPECT_LT(distance(zero, one), distance(zero, high));
  EXPECT_EQ(distance(one, high), distance(high, one));
  EXPECT_TRUE(closer(zero, one, high));
  EXPECT_FALSE(closer(zero, high, one));
  EXPECT_FALSE(closer(zero, one, one));
  EXPECT_EQ(common_prefix_bits(zero, zero), 256);
  EXPECT_EQ(common_prefix_bits(zero, one), 255);
  EXPECT_EQ(common_prefix_bits(zero, high), 0);
  EXPECT_EQ(short_string(high), "80000000");
  EXPECT_EQ(to_string(one).size(), 64U);
}

}  // namespace
}  // namespace weft
