// What two nodes see of their sessions: handshakes, early data, crossings, restarts, rekeys.
#include "crypto/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/crypto/session_world.h"

namespace weft {
namespace {

using session::PacketType;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Node;
using testing::Packet;
using testing::World;

class SessionsTest : public ::testing::TestWithParam<bool> {
 protected:
  const CryptoProvider& provider() const {
    return GetParam() ? testing::real_provider() : testing::cheap_provider();
  }
  // Two nodes; `small` has the smaller public key.
  struct Pair {
    Node* small;
    Node* large;
  };
  static Pair ordered(Node& a, Node& b) { return a.key() < b.key() ? Pair{&a, &b} : Pair{&b, &a}; }
  static std::string up(const Node& peer, bool by_us) {
    return "up " + peer.name + (by_us ? " us " : " them ") + to_string(peer.at);
  }
};
INSTANTIATE_TEST_SUITE_P(Providers, SessionsTest, ::testing::Values(true, false),
                         [](const auto& p) { return p.param ? "Sodium" : "Cheap"; });

TEST_P(SessionsTest, FirstAnswerFromAKnownKeyTakesOneRoundTrip) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "who?", /*early_ok=*/true);
  w.run(2 * w.latency + 1us);
  EXPECT_THAT(b.events, ElementsAre("early a who?"));
  EXPECT_THAT(a.events, ElementsAre(up(b, true), "data b re:who?"));
  w.settle();
  // The answered payload is not sent again; an empty packet confirms.
  EXPECT_THAT(b.events, ElementsAre("early a who?", up(a, false)));
  EXPECT_EQ(w.sent.size(), 3U);
  EXPECT_EQ(w.sent[0].bytes.size(), kFirstPacketBytes);
  EXPECT_EQ(w.sent[2].bytes.size(), kDataOverhead);
  EXPECT_EQ(b.round_trip, 2 * w.latency) << "from RESP to its confirmation";
  EXPECT_EQ(a.round_trip, std::nullopt) << "the answer tells";
  EXPECT_EQ(a.sessions->session_endpoint(b.id()), b.at);
  EXPECT_EQ(b.sessions->session_endpoint(a.id()), a.at);
  EXPECT_EQ(a.drops() + b.drops(), 0U);
}

TEST_P(SessionsTest, FirstAnswerFromABareSeedTakesTwoRoundTrips) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.give_record(b);
  w.hello(a, b.at);
  w.run(2 * w.latency + 1us);
  EXPECT_THAT(a.events, ElementsAre("record " + to_string(b.at)));
  w.send(a, b, "who?", /*early_ok=*/true);
  w.run(2 * w.latency + 1us);
  EXPECT_THAT(a.events, ElementsAre("record " + to_string(b.at), up(b, true), "data b re:who?"));
  EXPECT_EQ(a.drops() + b.drops(), 0U);
}

TEST_P(SessionsTest, UnansweredEarlyDataComesAgainInTheSession) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  b.answer = [](const auto&) { return Bytes{}; };
  w.send(a, b, "write", /*early_ok=*/true);
  w.settle();
  EXPECT_THAT(b.events, ElementsAre("early a write", up(a, false), "data a write"));
  EXPECT_THAT(a.events, ElementsAre(up(b, true)));
}

TEST_P(SessionsTest, AllQueuedPayloadsLeaveOnceAndInOrder) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  for (const auto* text : {"1", "2", "3"}) w.send(a, b, text);
  w.send(a, b, "2");  // a request that was repeated while the handshake went on
  EXPECT_EQ(w.sent.size(), 1U);
  w.settle();
  EXPECT_THAT(b.events, ElementsAre(up(a, false), "data a 1", "data a 2", "data a 3"));
  w.send(b, a, "back");
  w.settle();
  EXPECT_THAT(a.events, ElementsAre(up(b, true), "data b back"));
}

TEST_P(SessionsTest, TheOldestQueuedPayloadGivesWay) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  for (const auto* text : {"1", "2", "3", "4", "5"}) w.send(a, b, text, /*early_ok=*/true);
  EXPECT_EQ(a.drops(SessionDrop::kQueueFull), 1U);
  w.settle();
  // "1" travelled as early data and was answered; nothing of the queue counts as answered by that.
  EXPECT_THAT(b.events, ElementsAre("early a 1", up(a, false), "data a 2", "data a 3", "data a 4",
                                    "data a 5"));
  EXPECT_THAT(a.events, ElementsAre(up(b, true), "data b re:1"));
}

TEST_P(SessionsTest, PayloadsOfEveryLengthArrive) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "x");
  w.settle();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64},
                                 std::size_t{1000}, kPayloadBytesMax}) {
    b.events.clear();
    const std::string text(size, 'p');
    w.send(a, b, text);
    EXPECT_EQ(w.sent.back().bytes.size(), size + kDataOverhead);
    w.settle();
    if (size == 0) {
      EXPECT_THAT(b.events, IsEmpty());
    } else {
      EXPECT_THAT(b.events, ElementsAre("data a " + text));
    }
  }
}

TEST_P(SessionsTest, EarlyDataUpToItsLimitAndNoFurther) {
  for (const std::size_t size : {std::size_t{88}, std::size_t{89}, kEarlyBytesMax}) {
    World w(provider());
    Node& a = w.add("a", 1);
    Node& b = w.add("b", 2);
    b.answer = [](const Sessions::Received& r) { return Bytes(r.reply_max, 'r'); };
    const std::string text(size, 'e');
    w.send(a, b, text, /*early_ok=*/true);
    const std::size_t init = w.sent.back().bytes.size();
    EXPECT_EQ(init, std::max(kFirstPacketBytes, size + 168));
    w.settle();
    EXPECT_THAT(b.events, ElementsAre("early a " + text, up(a, false)));
    EXPECT_EQ(w.sent[1].bytes.size(), std::min(kAmplification * init, kDatagramBytesMax));
  }
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  const std::string text(kEarlyBytesMax + 1, 'e');
  w.send(a, b, text, /*early_ok=*/true);
  EXPECT_EQ(w.sent.back().bytes.size(), kFirstPacketBytes);
  w.settle();
  EXPECT_THAT(b.events, ElementsAre(up(a, false), "data a " + text));
}

TEST_P(SessionsTest, ALostInitIsRepeatedByteForByteWithGrowingPauses) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  std::vector<Instant> at;
  w.fate = [&](const Packet&) {
    at.push_back(w.now.mono);
    return std::vector<Duration>{};
  };
  w.send(a, b, "x");
  w.run(10s);
  ASSERT_EQ(w.sent.size(), 4U);
  for (const Packet& p : w.sent) EXPECT_EQ(p.bytes, w.sent[0].bytes);
  for (std::size_t i = 1; i < at.size(); ++i) {
    const Duration nominal = 250ms * (1 << (i - 1));
    EXPECT_GE(at[i] - at[i - 1], nominal * 4 / 5);
    EXPECT_LE(at[i] - at[i - 1], nominal * 6 / 5);
  }
  EXPECT_EQ(a.drops(SessionDrop::kQueueFull), 1U);
  EXPECT_EQ(a.sessions->next_deadline(), std::nullopt) << "nothing of it is left";
}

TEST_P(SessionsTest, AHandshakeIsTriedAsHardAsTheMostPatientOfItsPayloads) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  std::vector<Instant> at;
  w.fate = [&](const Packet&) {
    at.push_back(w.now.mono);
    return std::vector<Duration>{};
  };
  const auto send = [&](std::string_view text, Effort effort) {
    a.sessions->send(w.now, b.peer(), b.at, as_bytes(text), /*early_ok=*/false, w.out, effort);
    w.collect(a);
  };
  send("x", {.retry = 600ms, .tries = 2});
  w.run(10s);
  ASSERT_EQ(at.size(), 2U);
  EXPECT_GE(at[1] - at[0], 600ms * 4 / 5);
  EXPECT_LE(at[1] - at[0], 600ms * 6 / 5);
  EXPECT_EQ(a.drops(SessionDrop::kQueueFull), 1U);
  // Sooner and more often than is configured, it is not.
  at.clear();
  send("y", {.retry = 1ms, .tries = 100});
  w.run(10s);
  ASSERT_EQ(at.size(), 4U);
  EXPECT_GE(at[1] - at[0], 250ms * 4 / 5);
  // Another payload may make it more patient, and does not make it less so.
  at.clear();
  send("1", {.retry = 250ms, .tries = 2});
  send("2", {.retry = 250ms, .tries = 3});
  send("3", {.retry = 250ms, .tries = 1});
  w.run(10s);
  EXPECT_EQ(at.size(), 3U);
  // Who waits for less does not wait for the pause that was begun.
  at.clear();
  send("1", {.retry = 3s, .tries = 4});
  send("2", {});
  w.run(20s);
  ASSERT_EQ(at.size(), 4U);
  EXPECT_LE(at[1] - at[0], 250ms * 6 / 5);
  EXPECT_LE(at[3] - at[2], 1s * 6 / 5);
  EXPECT_EQ(a.sessions->next_deadline(), std::nullopt);
}

TEST_P(SessionsTest, ALostResponseIsSentAgainWithoutASecondEarlyDelivery) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  int lost = 0;
  w.fate = [&](const Packet& p) {
    if (p.type() == PacketType::kResp && lost++ < 2) return std::vector<Duration>{};
    return std::vector<Duration>{w.latency};
  };
  w.send(a, b, "who?", /*early_ok=*/true);
  w.run(5s);
  EXPECT_THAT(b.events, ElementsAre("early a who?", up(a, false)));
  EXPECT_THAT(a.events, ElementsAre(up(b, true), "data b re:who?"));
  EXPECT_EQ(b.sessions->stats().handshakes_answered_total, 1U);
  EXPECT_EQ(b.round_trip, std::nullopt) << "which RESP was confirmed?";
}

TEST_P(SessionsTest, ALateResponseStillMatchesAfterARetransmission) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.latency = 400ms;
  w.send(a, b, "x");
  w.run(3s);
  EXPECT_THAT(a.events, ElementsAre(up(b, true)));
  EXPECT_THAT(b.events, ElementsAre(up(a, false), "data a x"));
}

TEST_P(SessionsTest, ALostConfirmationIsMadeUpByTheNextData) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  int data = 0;
  w.fate = [&](const Packet& p) {
    if (p.type() == PacketType::kData && data++ == 0) return std::vector<Duration>{};
    return std::vector<Duration>{w.latency};
  };
  w.send(a, b, "who?", /*early_ok=*/true);
  w.run(60s);
  EXPECT_EQ(b.sessions->sessions(), 0U);
  w.send(a, b, "more");
  w.settle();
  EXPECT_THAT(b.events, ElementsAre("early a who?", up(a, false), "data a more"));
  EXPECT_EQ(b.round_trip, std::nullopt) << "a minute is no round trip";
}

TEST_P(SessionsTest, CrossedHandshakesEndInTheOneOfTheSmallerKey) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  const auto [small, large] = ordered(a, b);
  w.send(*small, *large, "from small", true);
  w.send(*large, *small, "from large", true);
  w.run(5s);
  EXPECT_THAT(small->events, ElementsAre(up(*large, true), "data " + large->name + " re:from small",
                                         "data " + large->name + " from large"));
  EXPECT_THAT(large->events,
              ElementsAre("early " + small->name + " from small", up(*small, false)));
  EXPECT_EQ(small->drops(SessionDrop::kCrossed), 1U);
  EXPECT_EQ(small->sessions->sessions() + large->sessions->sessions(), 2U);
  // Only the two INITs, one RESP, the confirmation and the queued payload.
  EXPECT_EQ(w.sent.size(), 5U);
}

TEST_P(SessionsTest, AReplayedInitCannotStopAHandshakeOfTheLargerKey) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  const auto [small, large] = ordered(a, b);
  w.send(*small, *large, "x");
  const Bytes old_init = w.sent[0].bytes;
  w.settle();
  w.start(*large);  // it forgot its session, and now asks itself
  large->events.clear();
  small->events.clear();
  w.send(*large, *small, "y");
  w.deliver(*large, small->at, old_init);
  w.run(5s);
  EXPECT_THAT(small->events, ElementsAre(up(*large, false), "data " + large->name + " y"));
  EXPECT_THAT(large->events, ElementsAre(up(*small, true)));
}

TEST_P(SessionsTest, IfBothCrossedHandshakesCompleteBothSidesUseOne) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  const auto [small, large] = ordered(a, b);
  // small answers large's INIT before it starts its own, and both complete in opposite orders.
  w.send(*large, *small, "L");
  w.deliver(*small, large->at, w.sent[0].bytes);
  w.flying.clear();
  const Bytes resp_to_large = w.sent[1].bytes;
  w.send(*small, *large, "S");
  w.deliver(*large, small->at, w.sent[2].bytes);
  const Bytes resp_to_small = w.sent[3].bytes;
  w.flying.clear();
  w.deliver(*large, small->at, resp_to_large);  // large: its own session first
  w.deliver(*small, large->at, resp_to_small);  // small: its own session first
  w.settle();                                   // then each confirms the other's
  EXPECT_EQ(small->count("data " + large->name + " L"), 1U);
  EXPECT_EQ(large->count("data " + small->name + " S"), 1U);
  w.run(5min);  // far beyond the time for which replaced keys are kept
  const std::uint64_t drops = small->drops() + large->drops();
  for (int i = 0; i < 3; ++i) {
    w.send(*small, *large, "s" + std::to_string(i));
    w.send(*large, *small, "l" + std::to_string(i));
    w.settle();
    EXPECT_EQ(large->count("data " + small->name + " s" + std::to_string(i)), 1U);
    EXPECT_EQ(small->count("data " + large->name + " l" + std::to_string(i)), 1U);
  }
  EXPECT_EQ(small->drops() + large->drops(), drops);
  // Both now address the index that one handshake gave them.
  w.send(*small, *large, "last");
  const Bytes by_small = w.sent.back().bytes;
  w.send(*large, *small, "last");
  const Bytes by_large = w.sent.back().bytes;
  const bool own_of_small =
      equal(ByteView(by_large).subspan(2, 4), ByteView(w.sent[2].bytes).subspan(2, 4));
  const auto& resp = own_of_small ? resp_to_small : resp_to_large;
  const std::size_t index_for_large = own_of_small ? 2U : 6U;
  EXPECT_TRUE(equal(ByteView(by_small).subspan(2, 4), ByteView(resp).subspan(index_for_large, 4)));
}

TEST_P(SessionsTest, ASmallerKeyAnswersAnInitFromElsewhereThanItsOwnGoesTo) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  const auto [small, large] = ordered(a, b);
  const Endpoint stale = Endpoint::v4(10, 9, 9, 9, 1);
  small->sessions->send(w.now, large->peer(), stale, as_bytes("x"), false, w.out);
  w.collect(*small);
  w.send(*large, *small, "y");
  w.run(100ms);
  EXPECT_THAT(small->events, ElementsAre(up(*large, false), "data " + large->name + " y"));
  EXPECT_THAT(large->events, ElementsAre(up(*small, true), "data " + small->name + " x"));
}

TEST_P(SessionsTest, ARestartedPeerIsFoundAgainByAFreshHandshake) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "1");
  w.settle();
  w.start(b);
  w.send(a, b, "lost");
  w.settle();
  EXPECT_EQ(b.drops(SessionDrop::kUnknownIndex), 1U);
  EXPECT_EQ(a.sessions->session_endpoint(b.id()), b.at) << "the old session stays";
  w.rehandshake(a, b, "2", /*early_ok=*/true);
  w.send(a, b, "over the old one meanwhile");
  w.settle();
  EXPECT_EQ(a.count("data b re:2"), 1U);
  w.send(a, b, "3");
  w.settle();
  EXPECT_EQ(b.count("data a 3"), 1U);
  EXPECT_EQ(a.sessions->sessions(), 1U);
}

TEST_P(SessionsTest, ARestartedPeerThatAsksFirstReplacesTheSession) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "1");
  w.settle();
  w.start(b);
  w.send(b, a, "again");
  w.settle();
  w.send(a, b, "2");
  w.settle();
  EXPECT_EQ(a.count("data b again"), 1U);
  EXPECT_EQ(b.count("data a 2"), 1U);
}

TEST_P(SessionsTest, AMovedPeerIsReachedAtItsNewAddressAfterItsHandshake) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "1");
  w.settle();
  const Endpoint old = a.at;
  a.at = Endpoint::v4(172, 16, 0, 1, 9);
  w.send(a, b, "2");  // opens, but b neither believes nor answers the new address
  w.settle();
  EXPECT_EQ(b.count("data a 2"), 1U);
  EXPECT_EQ(b.sessions->session_endpoint(a.id()), old);
  w.rehandshake(a, b, "3");
  w.settle();
  EXPECT_EQ(b.sessions->session_endpoint(a.id()), a.at);
  EXPECT_EQ(b.count("up a them " + to_string(a.at)), 1U);
  w.send(b, a, "4");
  w.settle();
  EXPECT_EQ(a.count("data b 4"), 1U);
}

TEST_P(SessionsTest, TheOldKeysOpenWhatWasInFlightAndThenGo) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "1");
  w.settle();
  w.send(a, b, "slow 1");
  w.send(a, b, "slow 2");
  const Bytes slow1 = w.sent[w.sent.size() - 2].bytes;
  const Bytes slow2 = w.sent.back().bytes;
  w.flying.clear();
  w.rehandshake(a, b, "2");
  w.settle();
  w.run(20s);
  w.deliver(b, a.at, slow1);
  EXPECT_EQ(b.count("data a slow 1"), 1U);
  w.run(kPreviousKept);
  w.deliver(b, a.at, slow2);
  EXPECT_EQ(b.count("data a slow 2"), 0U);
  EXPECT_EQ(b.drops(SessionDrop::kUnknownIndex), 1U);
}

TEST_P(SessionsTest, RekeysAfterItsTimeAndAfterItsPackets) {
  World w(provider());
  SessionConfig config{.rekey_packets = 100};
  Node& a = w.add("a", 1, config);
  Node& b = w.add("b", 2, config);
  w.send(a, b, "0");
  w.settle();
  EXPECT_EQ(w.count(PacketType::kInit), 1U);
  // By time: whoever initiated starts at the next send.
  for (int i = 1; i <= 3; ++i) {
    w.run(25min);
    w.send(a, b, "t" + std::to_string(i));
    w.settle();
    EXPECT_EQ(b.count("data a t" + std::to_string(i)), 1U);
  }
  EXPECT_EQ(w.count(PacketType::kInit), 2U);
  EXPECT_EQ(b.count(up(a, false)), 2U);
  // By packets.
  for (int i = 0; i < 100; ++i) {
    w.send(a, b, "p" + std::to_string(i));
    w.settle();
  }
  EXPECT_EQ(w.count(PacketType::kInit), 3U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(b.count("data a p" + std::to_string(i)), 1U);
  EXPECT_EQ(a.drops() + b.drops(), 0U);
}

TEST_P(SessionsTest, TheResponderRekeysIfTheInitiatorOnlyListens) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "0");
  w.settle();
  for (int i = 0; i < 4; ++i) {
    w.run(20min);
    w.send(b, a, std::to_string(i));
    w.settle();
  }
  EXPECT_EQ(w.count(PacketType::kInit), 2U);
  EXPECT_EQ(b.count(up(a, true)), 1U);
}

TEST_P(SessionsTest, IdleSessionsEnd) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "1");
  w.settle();
  w.run(29min);
  EXPECT_EQ(a.sessions->sessions(), 1U);
  EXPECT_EQ(b.sessions->sessions(), 1U);
  // Its last minutes are not used any more: the other side may have forgotten it already.
  w.send(a, b, "2");
  EXPECT_EQ(w.sent.back().type(), PacketType::kInit);
  w.send(a, b, "3");
  EXPECT_EQ(w.sent.back().type(), PacketType::kInit);
  w.settle();
  EXPECT_EQ(b.count("data a 2"), 1U);
  EXPECT_EQ(b.count("data a 3"), 1U);
  w.run(31min);
  EXPECT_EQ(a.sessions->sessions() + b.sessions->sessions(), 0U);
  EXPECT_EQ(a.sessions->next_deadline(), std::nullopt);
  EXPECT_EQ(b.sessions->next_deadline(), std::nullopt);
}

TEST_P(SessionsTest, TheLeastRecentlyUsedSessionGivesWay) {
  World w(provider());
  Node& a = w.add("a", 1, {.sessions_max = 3});
  std::vector<Node*> peers;
  for (std::uint8_t i = 0; i < 4; ++i) peers.push_back(&w.add("p" + std::to_string(i), 10 + i));
  for (int i = 0; i < 3; ++i) w.send(a, *peers[static_cast<std::size_t>(i)], "x");
  w.settle();
  w.send(a, *peers[0], "x");
  w.send(*peers[3], a, "x");
  w.settle();
  EXPECT_EQ(a.sessions->sessions(), 3U);
  EXPECT_TRUE(a.sessions->session_endpoint(peers[0]->id()));
  EXPECT_FALSE(a.sessions->session_endpoint(peers[1]->id()));
  EXPECT_TRUE(a.sessions->session_endpoint(peers[3]->id()));
}

TEST_P(SessionsTest, ForgetEndsASessionAtOnce) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "1");
  w.settle();
  b.sessions->forget(a.id());
  b.sessions->forget(a.id());
  EXPECT_EQ(b.sessions->sessions(), 0U);
  w.send(a, b, "2");
  w.settle();
  EXPECT_EQ(b.drops(SessionDrop::kUnknownIndex), 1U);
}

TEST_P(SessionsTest, ARestartedHandshakeTakesItsQueueToTheNewAddress) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  const Endpoint stale = Endpoint::v4(10, 9, 9, 9, 1);
  a.sessions->send(w.now, b.peer(), stale, as_bytes("1"), false, w.out);
  w.collect(a);
  w.send(a, b, "2");  // send() leaves the handshake where it goes
  EXPECT_EQ(w.sent.size(), 1U);
  w.rehandshake(a, b, "3", /*early_ok=*/true);
  EXPECT_EQ(w.sent.size(), 2U);
  w.rehandshake(a, b, "4");
  EXPECT_EQ(w.sent.size(), 2U) << "it goes there already";
  w.settle();
  EXPECT_THAT(b.events, ElementsAre("early a 3", up(a, false), "data a 1", "data a 2", "data a 4"));
  w.run(10s);
  EXPECT_EQ(w.count(PacketType::kInit), 2U);
}

TEST_P(SessionsTest, ATwinIsFoundButGetsNoSession) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& twin = w.add("twin", 1);
  w.rehandshake(a, twin, "are you me?", /*early_ok=*/true);
  w.rehandshake(twin, a, "", false);  // both at once: nobody gives way
  w.run(1s);
  EXPECT_THAT(a.events, ElementsAre(up(twin, true).replace(3, 4, "a"), "data a re:are you me?"));
  EXPECT_THAT(twin.events, ElementsAre("early a are you me?", "up a us " + to_string(a.at)));
  EXPECT_EQ(a.sessions->sessions() + twin.sessions->sessions(), 0U);
  EXPECT_EQ(a.drops() + twin.drops(), 0U);
  EXPECT_EQ(a.sessions->next_deadline(), std::nullopt);
}

// Otherwise an address of a former life would make a node believe in a twin by sending its own
// packets back.
TEST_P(SessionsTest, ANodeNeverMeetsItself) {
  World w(provider());
  Node& a = w.add("a", 1);
  w.send(a, a, "echo", /*early_ok=*/true);
  w.run(5s);
  EXPECT_THAT(a.events, ElementsAre());
  EXPECT_EQ(a.sessions->sessions(), 0U);
  EXPECT_EQ(a.drops(SessionDrop::kReflected), 4U);
  // The same by way of another address.
  Node& mirror = w.add("mirror", 2);
  a.sessions->rehandshake(w.now, a.peer(), mirror.at, {}, false, w.out);
  const Bytes ours = to_bytes(w.out.bytes(w.out.datagrams().back()));
  w.out.clear();
  w.deliver(a, mirror.at, ours);
  EXPECT_THAT(a.events, ElementsAre());
  EXPECT_EQ(a.drops(SessionDrop::kReflected), 5U);
}

TEST_P(SessionsTest, AStrangerToTheNetworkGetsSilence) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.give_record(b);
  w.start(a, {}, open_network("other"));
  w.hello(a, b.at);
  w.send(a, b, "x", true);
  w.run(10s);
  for (const Packet& p : w.sent) EXPECT_EQ(p.from, a.at);
  EXPECT_EQ(b.drops(SessionDrop::kMac), 5U);
  EXPECT_EQ(b.drops(), 5U);
}

}  // namespace
}  // namespace weft
