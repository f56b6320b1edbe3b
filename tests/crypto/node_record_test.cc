#include "crypto/node_record.h"

#include <gtest/gtest.h>

#include "crypto/network.h"
#include "tests/crypto/session_world.h"

namespace weft {
namespace {

RecordFields full_fields() {
  RecordFields fields;
  fields.number = 7;
  fields.instance = 0xabcdef;
  fields.endpoints = {Endpoint::v4(1, 2, 3, 4, 5), *parse_endpoint("[2001:db8::1]:6")};
  fields.features = 3;
  fields.minor = 2;
  fields.network = open_network("test").id;
  fields.name = "node";
  fields.tags = {{"color", "blue"}, {"zone", ""}};
  return fields;
}

Identity identity_of(std::uint8_t seed) {
  ByteArray<32> raw{};
  raw.fill(seed);
  return Identity(testing::real_provider(), raw);
}

TEST(NodeRecord, RoundTripsByteForByte) {
  for (const auto* provider : {&testing::real_provider(), &testing::cheap_provider()}) {
    ByteArray<32> raw{};
    raw.fill(4);
    const Identity identity(*provider, raw);
    const RecordRef made = make_record(identity, full_fields());
    ASSERT_NE(made, nullptr);
    const auto opened = open_record(*provider, made->wire);
    ASSERT_TRUE(opened);
    const NodeRecord& r = **opened;
    EXPECT_EQ(r.key, identity.public_key());
    EXPECT_EQ(r.id, identity.id());
    EXPECT_EQ(r.number, 7U);
    EXPECT_EQ(r.instance, 0xabcdefU);
    EXPECT_EQ(r.endpoints, made->endpoints);
    EXPECT_EQ(r.tags, made->tags);
    EXPECT_EQ(r.name, "node");
    EXPECT_EQ(r.wire, made->wire);
    EXPECT_EQ(r.hash, made->hash);
    const auto peek = peek_record(made->wire);
    ASSERT_TRUE(peek);
    EXPECT_EQ(peek->key, r.key);
    EXPECT_EQ(peek->number, 7U);
  }
}

TEST(NodeRecord, PeekReadsNumbersOfEveryLength) {
  const Identity identity = identity_of(1);
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{127}, std::uint64_t{128},
                                     std::uint64_t{255}, std::uint64_t{256}, std::uint64_t{65535},
                                     std::uint64_t{65536}, std::uint64_t{1} << 32, kNumberMax}) {
    RecordFields fields = full_fields();
    fields.number = number;
    const RecordRef record = make_record(identity, fields);
    ASSERT_NE(record, nullptr);
    const auto peek = peek_record(record->wire);
    ASSERT_TRUE(peek) << number;
    EXPECT_EQ(peek->number, number);
    for (std::size_t size = 0; size < record->wire.size(); ++size) {
      (void)peek_record(ByteView(record->wire).first(size));  // must not read beyond
    }
  }
}

TEST(NodeRecord, AnyChangedByteIsRefused) {
  const RecordRef record = make_record(identity_of(1), full_fields());
  for (std::size_t i = 0; i < record->wire.size(); ++i) {
    Bytes changed = record->wire;
    changed[i] ^= 0x40;
    EXPECT_FALSE(open_record(testing::real_provider(), changed)) << i;
  }
  for (std::size_t size = 0; size < record->wire.size(); ++size) {
    EXPECT_FALSE(open_record(testing::real_provider(), ByteView(record->wire).first(size)));
  }
  Bytes longer = record->wire;
  longer.push_back(0);
  EXPECT_FALSE(open_record(testing::real_provider(), longer));
}

TEST(NodeRecord, AnotherSpellingOfTheSameRecordIsRefused) {
  RecordFields fields = full_fields();
  fields.features = 0;
  const RecordRef record = make_record(identity_of(1), fields);
  // The outer array(2) as array16: the same values in another spelling.
  Bytes wire = record->wire;
  ASSERT_EQ(wire[0], 0x92);
  wire.erase(wire.begin());
  wire.insert(wire.begin(), {0xdc, 0x00, 0x02});
  Signature signature;
  const auto decoded = decode_record(wire, signature);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error(), RecordError::kNotCanonical);
}

TEST(NodeRecord, LimitsAreKeptWhenSigning) {
  const Identity identity = identity_of(1);
  const auto made_with = [&](auto&& change) {
    RecordFields fields = full_fields();
    change(fields);
    return make_record(identity, fields) != nullptr;
  };
  EXPECT_FALSE(made_with([](auto& f) { f.number = 0; }));
  EXPECT_FALSE(made_with([](auto& f) { f.number = kNumberMax + 1; }));
  EXPECT_TRUE(made_with([](auto& f) { f.name = std::string(kNameBytesMax, 'n'); }));
  EXPECT_FALSE(made_with([](auto& f) { f.name = std::string(kNameBytesMax + 1, 'n'); }));
  EXPECT_FALSE(made_with([](auto& f) { f.tags[""] = "x"; }));
  EXPECT_FALSE(made_with([](auto& f) { f.tags[std::string(kTagKeyBytesMax + 1, 'k')] = "x"; }));
  EXPECT_FALSE(made_with([](auto& f) { f.tags["k"] = std::string(kTagValueBytesMax + 1, 'v'); }));
  EXPECT_FALSE(made_with([](auto& f) {
    for (std::size_t i = 0; i <= kTagsMax; ++i) f.tags[std::to_string(i)] = "";
  }));
  EXPECT_FALSE(made_with([](auto& f) {
    for (std::size_t i = 0; i < 6; ++i) f.tags[std::to_string(i)] = std::string(64, 'v');
  })) << "more than kRecordBytesMax in all";
}

TEST(RecordCache, VerifiesOnceSharesAndRefusesOtherNetworks) {
  const auto& provider = testing::real_provider();
  RecordCache cache(provider, 3);
  const auto network = open_network("test").id;
  std::vector<RecordRef> records;
  for (std::uint8_t i = 1; i <= 4; ++i)
    records.push_back(make_record(identity_of(i), full_fields()));
  const auto first = cache.admit(records[0]->wire, network);
  ASSERT_TRUE(first);
  EXPECT_EQ(cache.admit(records[0]->wire, network)->get(), first->get());
  EXPECT_EQ(cache.verified_total(), 1U);
  const auto other = open_network("other").id;
  EXPECT_EQ(cache.admit(records[0]->wire, other).error(), RecordError::kOtherNetwork);
  EXPECT_EQ(cache.admit(records[1]->wire, other).error(), RecordError::kOtherNetwork);
  EXPECT_EQ(cache.verified_total(), 1U) << "a stranger's record is not worth a verification";
  for (std::size_t i = 1; i < 4; ++i) EXPECT_TRUE(cache.admit(records[i]->wire, network));
  EXPECT_EQ(cache.verified_total(), 4U);
  EXPECT_TRUE(cache.admit(records[0]->wire, network));
  EXPECT_EQ(cache.verified_total(), 5U) << "the oldest was forgotten";
  EXPECT_EQ(cache.admit(Bytes{1}, network).error(), RecordError::kMalformed);
  Bytes bad = records[2]->wire;
  bad.back() ^= 1;
  EXPECT_EQ(cache.admit(bad, network).error(), RecordError::kBadSignature);
  for (const auto error : {RecordError::kMalformed, RecordError::kNotCanonical,
                           RecordError::kBadSignature, RecordError::kOtherNetwork}) {
    EXPECT_NE(to_string(error), "unknown");
  }
}

TEST(Network, IdsAndKeysFollowFromNames) {
  const Network a = open_network("a");
  EXPECT_EQ(a, open_network("a"));
  EXPECT_NE(a.id, open_network("b").id);
  EXPECT_NE(a.keys, open_network("b").keys);
  EXPECT_FALSE(a.is_private);
  EXPECT_TRUE(private_network("p", {}, {{}}).is_private);
  EXPECT_DEATH(private_network("p", {}, {}), "CHECK failed");
}

}  // namespace
}  // namespace weft
