// The codec: round trips, truncation at every byte, limits, and the vectors of the protocol text.
#include "gossip/membership/messages.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "crypto/sessions.h"
#include "gossip/membership/accusation.h"
#include "tests/gossip/mesh.h"

namespace weft::gossip::test {
namespace {

constexpr std::uint32_t kRpc = 0x01020304;

NodeId id_of(std::uint8_t fill) {
  NodeId id;
  id.bytes.fill(fill);
  return id;
}

const Identity& fixed_identity() {
  static const SodiumProvider provider;
  static const Identity identity = [] {
    ByteArray<32> seed;
    seed.fill(7);
    return Identity(provider, seed);
  }();
  return identity;
}

RecordRef fixed_record() {
  RecordFields fields;
  fields.number = 3;
  fields.instance = 9;
  fields.endpoints = {Endpoint::v4(127, 0, 0, 1, 4000)};
  fields.name = "n";
  return make_record(fixed_identity(), fields);
}

template <class M>
Bytes pack(const M& m, std::uint32_t rpc = kRpc) {
  Bytes room(kPayloadBytesMax);
  Writer w(room);
  encode(w, rpc, m);
  EXPECT_TRUE(w.ok());
  room.resize(w.size());
  return room;
}

template <class M>
std::optional<DecodeError> unpack(ByteView bytes, M& m) {
  Reader r(bytes);
  r.array(16);
  (void)r.uint();
  (void)r.uint();
  return decode(r, m);
}

// What was read is written again: the same bytes.
template <class M>
void round_trip(const M& m) {
  const Bytes bytes = pack(m);
  M back;
  ASSERT_EQ(unpack(bytes, back), std::nullopt);
  EXPECT_EQ(to_hex(pack(back)), to_hex(bytes));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    M cut;
    EXPECT_NE(unpack(ByteView(bytes).first(n), cut), std::nullopt) << n;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  M extra;
  EXPECT_NE(unpack(longer, extra), std::nullopt);
}

GossipItems mixed_items(const RecordRef& r) {
  return {{.record = r->wire, .suspicion = {}},
          {.record = {}, .suspicion = sign_suspicion(fixed_identity(), {}, id_of(1), 77)}};
}

Ping some_ping(const RecordRef& r) {
  return {.number = 5, .digest = 0x1122334455667788, .items = mixed_items(r)};
}
Ack some_ack(const RecordRef& r) {
  return {.number = 6,
          .instance = 0xffffffffffffffff,
          .digest = 2,
          .observed = Endpoint::v4(192, 0, 2, 1, 4000),
          .items = mixed_items(r)};
}
Sync some_sync(const RecordRef& r) {
  Sync m{.digest = 1, .buckets = {}, .after = id_of(0xab), .items = {}};
  for (std::size_t i = 0; i < kSyncBuckets; ++i) m.buckets.push(i * 1000);
  m.items.push({.record = r->wire, .suspicion = {}});
  return m;
}
SyncPage some_page(const RecordRef& r) {
  SyncPage m{.buckets = {}, .more = true, .last = id_of(0xcd), .items = mixed_items(r)};
  for (std::size_t i = 0; i < kSyncBuckets; ++i) m.buckets.push(i);
  return m;
}

TEST(Messages, RoundTripsAndTruncation) {
  const RecordRef r = fixed_record();
  round_trip(some_ping(r));
  round_trip(Ping{});
  round_trip(some_ack(r));
  round_trip(PingReq{id_of(3)});
  round_trip(PingReqReply{true});
  round_trip(PingReqReply{false});
  round_trip(Gossip{mixed_items(r)});
  round_trip(Gossip{});
  round_trip(some_sync(r));
  Sync first = some_sync(r);
  first.after.reset();
  round_trip(first);
  round_trip(some_page(r));
}

TEST(Messages, LimitsAreChecked) {
  ByteArray<1200> room;
  {  // seventeen items
    Writer w(room);
    w.array(3).uint(kGossip).uint(0).array(17);
    for (int i = 0; i < 17; ++i) w.bin(ByteView(room).first(1));
    Gossip m;
    EXPECT_EQ(unpack(w.view(), m), DecodeError::kTooLarge);
  }
  {  // an empty record
    Writer w(room);
    w.array(3).uint(kGossip).uint(0).array(1).bin({});
    Gossip m;
    EXPECT_EQ(unpack(w.view(), m), DecodeError::kBadValue);
  }
  {  // a record that is too long
    const Bytes longer(kRecordBytesMax + 1);
    Writer w(room);
    w.array(3).uint(kGossip).uint(0).array(1).bin(longer);
    Gossip m;
    EXPECT_EQ(unpack(w.view(), m), DecodeError::kTooLarge);
  }
  {  // a number that no record can have
    Writer w(room);
    w.array(3).uint(kGossip).uint(0).array(1).array(4).bin(id_of(1).bytes);
    w.uint(kNumberMax + 1).bin(id_of(2).bytes).bin(Signature{}.bytes);
    Gossip m;
    EXPECT_EQ(unpack(w.view(), m), DecodeError::kBadValue);
  }
  {  // a suspicion of two fields
    Writer w(room);
    w.array(3).uint(kGossip).uint(0).array(1).array(2).bin(id_of(1).bytes).uint(1);
    Gossip m;
    EXPECT_EQ(unpack(w.view(), m), DecodeError::kBadValue);
  }
  {  // one of five
    Writer w(room);
    w.array(3).uint(kGossip).uint(0).array(1).array(5).bin(id_of(1).bytes).uint(1).bin(id_of(2).bytes).bin(Signature{}.bytes).uint(0);
    Gossip m;
    EXPECT_EQ(unpack(w.view(), m), DecodeError::kTooLarge);
  }
  {  // fifteen buckets
    Writer w(room);
    w.array(6).uint(kSync).uint(0).uint(0).array(15);
    for (int i = 0; i < 15; ++i) w.uint(0);
    w.nil().array(0);
    Sync m;
    EXPECT_NE(unpack(w.view(), m), std::nullopt);
  }
  {  // an address of five bytes
    Writer w(room);
    w.array(7).uint(kAck).uint(0).uint(1).uint(1).uint(1).bin(ByteView(room).first(5)).array(0);
    Ack m;
    EXPECT_EQ(unpack(w.view(), m), DecodeError::kBadValue);
  }
}

// A node before kSuspicionMinor writes them unsigned: what is beside them is heard.
TEST(Messages, AnUnsignedSuspicionIsPassedOver) {
  ByteArray<1200> room;
  const RecordRef r = fixed_record();
  Writer w(room);
  w.array(3).uint(kGossip).uint(0).array(2).array(3).bin(id_of(1).bytes).uint(1).bin(id_of(2).bytes).bin(r->wire);
  Gossip m;
  ASSERT_EQ(unpack(w.view(), m), std::nullopt);
  ASSERT_EQ(m.items.size(), 1U);
  EXPECT_TRUE(equal(m.items[0].record, r->wire));
}

// The budget that items are cut by covers the longest head of each message.
TEST(Messages, HeadsAndItemsFitTheirBudgets) {
  const auto longest = [](auto m) { return pack(m, UINT32_MAX).size(); };
  Endpoint six;
  six.ip.fill(0x20);
  six.port = 65535;
  EXPECT_LE(longest(Ping{kNumberMax, UINT64_MAX, {}}), kPingHeadBytes);
  EXPECT_LE(longest(Ack{kNumberMax, UINT64_MAX, UINT64_MAX, six, {}}), kAckHeadBytes);
  EXPECT_LE(longest(Gossip{}), kGossipHeadBytes);
  Sync sync{.digest = UINT64_MAX, .buckets = {}, .after = id_of(1), .items = {}};
  SyncPage page{.buckets = {}, .more = true, .last = id_of(1), .items = {}};
  for (std::size_t i = 0; i < kSyncBuckets; ++i) {
    sync.buckets.push(UINT64_MAX);
    page.buckets.push(UINT64_MAX);
  }
  EXPECT_LE(longest(sync), kSyncHeadBytes);
  EXPECT_LE(longest(page), kSyncPageHeadBytes);
  const GossipItem suspicion{.record = {}, .suspicion = {id_of(1), kNumberMax, id_of(2), {}}};
  EXPECT_LE(pack(Gossip{{suspicion}}).size() - pack(Gossip{}).size(), wire_size(suspicion));
  const RecordRef r = fixed_record();
  const GossipItem record{.record = r->wire, .suspicion = {}};
  EXPECT_EQ(pack(Gossip{{record}}).size() - pack(Gossip{}).size(), wire_size(record));
  // Sixteen suspicions in a Sync stay below the token limit of the reader.
  for (std::size_t i = 0; i < kGossipItemsMax; ++i) (void)page.items.try_push(suspicion);
  page.items.truncate(6);  // as many as fit into a datagram
  round_trip(page);
}

// docs/PROTOCOL-membership.md holds blocks "```hex name\n...\n```"; each must be what we write.
TEST(Messages, TheVectorsOfTheProtocolTextHold) {
  const RecordRef r = fixed_record();
  const std::map<std::string, Bytes> expected = {
      {"record", r->wire},
      {"ping", pack(some_ping(r))},
      {"ping-at-rest", pack(Ping{.number = 3, .digest = 0x0123456789abcdef, .items = {}})},
      {"ack", pack(some_ack(r))},
      {"ping-req", pack(PingReq{id_of(3)})},
      {"ping-req-reply", pack(PingReqReply{false})},
      {"gossip", pack(Gossip{mixed_items(r)}, 0)},
      {"sync", pack(some_sync(r))},
      {"sync-page", pack(some_page(r))},
  };
  const std::string path = std::string(WEFT_SOURCE_DIR) + "/docs/PROTOCOL-membership.md";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::map<std::string, std::string> found;
  std::string rewritten;
  std::string line;
  std::string name;
  while (std::getline(file, line)) {
    if (line.starts_with("```hex ")) {
      name = line.substr(7);
      found[name] = "";
      rewritten += line + "\n";
      const auto it = expected.find(name);
      const std::string hex = it == expected.end() ? "" : to_hex(it->second);
      for (std::size_t at = 0; at < hex.size(); at += 96) rewritten += hex.substr(at, 96) + "\n";
      continue;
    }
    if (line.starts_with("```")) name.clear();
    if (name.empty())
      rewritten += line + "\n";
    else
      found[name] += line;
  }
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << rewritten;
    GTEST_SKIP() << "rewrote " << path;
  }
  for (const auto& [key, bytes] : expected) {
    EXPECT_EQ(found[key], to_hex(bytes)) << key;
  }
  EXPECT_EQ(found.size(), expected.size());
}

}  // namespace
}  // namespace weft::gossip::test
