// The own number is never used twice, and addresses need more than one voice.
#include "node/own_record.h"

#include <gtest/gtest.h>

namespace weft::node {
namespace {

struct Fixture {
  SodiumProvider provider;
  Identity identity{provider, ByteArray<32>{7}};
  OwnRecord own{identity, [] {
                  RecordFields f;
                  f.number = 0;
                  f.name = "n";
                  return f;
                }()};
  static NodeId peer(std::uint8_t n) {
    NodeId id;
    id.bytes[0] = n;
    return id;
  }
};

TEST(OwnRecord, ANumberIsShownOnlyWhenItIsDurable) {
  Fixture f;
  EXPECT_EQ(f.own.current(), nullptr);
  EXPECT_EQ(f.own.take_wanted(), 1U);
  EXPECT_EQ(f.own.take_wanted(), std::nullopt) << "one at a time";
  EXPECT_EQ(f.own.current(), nullptr);
  EXPECT_EQ(f.own.durable()->number, 1U);
  EXPECT_EQ(f.own.take_wanted(), std::nullopt) << "nothing new is due";
}

TEST(OwnRecord, AFailedCommitIsTriedAgainWithTheSameNumber) {
  Fixture f;
  f.own.want_above(9);
  EXPECT_EQ(f.own.take_wanted(), 10U);
  f.own.failed();
  EXPECT_EQ(f.own.take_wanted(), 10U);
}

TEST(OwnRecord, WhatIsAskedDuringACommitComesAfterIt) {
  Fixture f;
  (void)f.own.take_wanted();
  f.own.want_above(41);
  EXPECT_EQ(f.own.durable()->number, 1U);
  EXPECT_EQ(f.own.take_wanted(), 42U);
}

TEST(OwnRecord, ThreePeersMustAgreeOnAnAddress) {
  Fixture f;
  (void)f.own.take_wanted();
  (void)f.own.durable();
  const Endpoint seen = Endpoint::v4(198, 51, 100, 7, 4000);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(f.own.observed(Fixture::peer(1), seen)) << "one voice";
  EXPECT_FALSE(f.own.observed(Fixture::peer(2), seen));
  EXPECT_TRUE(f.own.observed(Fixture::peer(3), seen));
  EXPECT_EQ(f.own.fields().endpoints.size(), 1U);
  EXPECT_EQ(f.own.take_wanted(), 2U);
  EXPECT_FALSE(f.own.observed(Fixture::peer(4), Endpoint::v4(224, 0, 0, 1, 1))) << "multicast";
}

TEST(OwnRecord, ALongNameCostsAddressesNotTheRecord) {
  SodiumProvider provider;
  Identity identity(provider, ByteArray<32>{8});
  RecordFields fields;
  fields.number = 0;
  fields.name = std::string(kNameBytesMax, 'x');
  fields.tags = {{"a", std::string(kTagValueBytesMax, 'y')}, {"b", std::string(20, 'y')}};
  OwnRecord own(identity, fields);
  ByteArray<16> ip{0x20, 1};
  std::vector<Endpoint> endpoints;
  for (std::uint8_t i = 1; i <= 4; ++i) {
    ip[15] = i;
    endpoints.push_back(Endpoint::v6(ip, 9338));
  }
  (void)own.set_endpoints(endpoints);
  (void)own.take_wanted();
  const RecordRef record = own.durable();
  ASSERT_NE(record, nullptr);
  EXPECT_LE(record->wire.size(), kRecordBytesMax);
  EXPECT_GE(record->endpoints.size(), 1U);
}

}  // namespace
}  // namespace weft::node
