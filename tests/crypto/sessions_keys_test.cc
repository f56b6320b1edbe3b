// Networks with several keys: which key a first packet is made with, and what happens to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/crypto/session_world.h"

namespace weft {
namespace {

using session::PacketType;
using ::testing::IsEmpty;
using ::weft::testing::Node;
using ::weft::testing::Packet;
using ::weft::testing::World;

class SessionKeysTest : public ::testing::TestWithParam<bool> {
 protected:
  static const CryptoProvider& provider() {
    return GetParam() ? testing::real_provider() : testing::cheap_provider();
  }
};
INSTANTIATE_TEST_SUITE_P(Providers, SessionKeysTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Sodium" : "Cheap"; });

TEST_P(SessionKeysTest, PrivateNetworksAcceptEveryKeyAndSendWithTheFirst) {
  ByteArray<16> id{};
  id.fill(7);
  ByteArray<32> old_key{};
  old_key.fill(1);
  ByteArray<32> new_key{};
  new_key.fill(2);
  const Network old_first = private_network("n", id, {old_key, new_key});
  const Network new_first = private_network("n", id, {new_key, old_key});
  World w(provider(), old_first);
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.start(b, {}, new_first);
  w.give_record(b);
  w.hello(a, b.at);
  w.send(a, b, "1", /*early_ok=*/true);
  w.settle();
  EXPECT_EQ(a.count("data b re:1"), 1U);
  EXPECT_EQ(a.count("record " + to_string(b.at)), 1U);
  a.sessions->forget(b.id());
  b.sessions->forget(a.id());
  w.send(b, a, "2", /*early_ok=*/true);
  w.settle();
  EXPECT_EQ(b.count("data a re:2"), 1U);
  EXPECT_EQ(a.drops() + b.drops(), 0U);
}

// A key is being replaced: who knows both reaches who knows either, whatever comes first.
TEST_P(SessionKeysTest, EveryKeyOfTheNetworkGetsItsTurn) {
  std::vector<ByteArray<32>> keys(kNetworkKeysMax);
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i].fill(static_cast<std::uint8_t>(i + 1));
  for (const std::size_t known : {2UZ, 4UZ, kNetworkKeysMax}) {
    const Network all = private_network("n", {}, {keys.begin(), std::next(keys.begin(), static_cast<std::ptrdiff_t>(known))});
    const Network last = private_network("n", {}, {keys[known - 1]});
    World w(provider(), all);
    Node& a = w.add("a", 1);
    Node& b = w.add("b", 2);
    w.start(b, {}, last);
    w.give_record(b);
    for (std::size_t i = 0; i < known; ++i) {
      EXPECT_EQ(a.count("record " + to_string(b.at)), 0U);
      w.hello(a, b.at);
      w.settle();
    }
    EXPECT_EQ(a.count("record " + to_string(b.at)), 1U);
    w.start(a);  // what it remembers of b is gone
    w.send(a, b, "1", /*early_ok=*/true);
    w.run(20s);
    EXPECT_EQ(a.count("data b re:1"), 1U) << known;
    EXPECT_EQ(w.count(PacketType::kInit), known);
    EXPECT_EQ(b.drops(SessionDrop::kMac), 2 * known - 2);
    EXPECT_EQ(b.drops(), 2 * known - 2);
    // The key that worked is tried first from now on, also after the session has ended...
    a.sessions->forget(b.id());
    b.sessions->forget(a.id());
    w.send(a, b, "2", /*early_ok=*/true);
    w.settle();
    EXPECT_EQ(a.count("data b re:2"), 1U);
    // ... and until b knows the others, who begin again with the first.
    w.start(b, {}, private_network("n", {}, {keys[0]}));
    w.rehandshake(a, b, "3", /*early_ok=*/true);
    w.run(1s);
    EXPECT_EQ(a.count("data b re:3"), 1U);
    // The other way round nothing is lost either: b sends with the one key that it has.
    a.sessions->forget(b.id());
    w.start(b, {}, last);
    w.send(b, a, "4", /*early_ok=*/true);
    w.settle();
    EXPECT_EQ(b.count("data a re:4"), 1U);
  }
}

TEST_P(SessionKeysTest, TwoWithoutACommonKeyNeverMeet) {
  const Network one = private_network("n", {}, {ByteArray<32>{1}, ByteArray<32>{2}});
  World w(provider(), one);
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.start(b, {}, private_network("n", {}, {ByteArray<32>{3}}));
  w.give_record(b);
  w.hello(a, b.at);
  w.hello(a, b.at);
  w.send(a, b, "x", true);
  w.run(30s);
  for (const Packet& p : w.sent) EXPECT_EQ(p.from, a.at);
  EXPECT_EQ(b.drops(SessionDrop::kMac), 6U);
  EXPECT_EQ(a.sessions->next_deadline(), std::nullopt);
}

TEST_P(SessionKeysTest, ACookieUnderTheSecondKeyIsUsed) {
  const ByteArray<32> fresh{1};
  const ByteArray<32> old{2};
  World w(provider(), private_network("n", {}, {fresh, old}));
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.start(b, {.handshakes_per_second = 0}, private_network("n", {}, {old}));
  w.send(a, b, "x", true);
  w.run(2s);
  EXPECT_EQ(a.count("data b re:x"), 1U);
  EXPECT_EQ(b.sessions->stats().cookies_sent_total, 1U);
  EXPECT_EQ(w.count(PacketType::kInit), 3U);
}

// The answer to the first INIT comes when the second, with another key, is on its way already.
TEST_P(SessionKeysTest, ALateAnswerToAnEarlierKeyCounts) {
  const ByteArray<32> fresh{1};
  const ByteArray<32> old{2};
  World w(provider(), private_network("n", {}, {fresh, old}));
  w.latency = 200ms;
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "x", true);
  w.run(5s);
  EXPECT_EQ(w.count(PacketType::kInit), 2U);
  EXPECT_EQ(w.count(PacketType::kResp), 2U);
  EXPECT_EQ(a.count("data b re:x"), 1U);
  EXPECT_EQ(a.sessions->sessions(), 1U);
  EXPECT_EQ(b.sessions->sessions(), 1U);
  w.send(a, b, "y");
  w.send(b, a, "z");
  w.settle();
  EXPECT_EQ(b.count("data a y"), 1U);
  EXPECT_EQ(a.count("data b z"), 1U);
}

TEST_P(SessionKeysTest, ARightMacWithAWrongPskEndsInTheHandshake) {
  // The macs of a private network are keyed with its key, so only a broken peer gets this far: same
  // key, open pattern.
  ByteArray<32> key{};
  key.fill(3);
  const Network secret = private_network("n", {}, {key});
  Network broken = secret;
  broken.is_private = false;
  World w(provider(), secret);
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.start(a, {}, broken);
  w.send(a, b, "x", true);
  w.settle();
  EXPECT_EQ(b.drops(SessionDrop::kHandshake), 1U);
  EXPECT_THAT(b.events, IsEmpty());
}

}  // namespace
}  // namespace weft
