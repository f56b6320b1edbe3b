// What an attacker gets from Sessions: nothing but counters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/crypto/session_world.h"

namespace weft {
namespace {

using session::PacketType;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Node;
using testing::Packet;
using testing::World;

const Endpoint kElsewhere = Endpoint::v4(203, 0, 113, 9, 4000);

class SessionsSecurityTest : public ::testing::TestWithParam<bool> {
 protected:
  const CryptoProvider& provider() const {
    return GetParam() ? testing::real_provider() : testing::cheap_provider();
  }
};
INSTANTIATE_TEST_SUITE_P(Providers, SessionsSecurityTest, ::testing::Values(true, false),
                         [](const auto& p) { return p.param ? "Sodium" : "Cheap"; });

// An INIT by `from` to `to` that says and does what the caller wants.
Bytes forged_init(const World& w, const Identity& from, const PublicKey& claimed, const Node& to,
                  const DhKey& ephemeral) {
  Bytes packet(kFirstPacketBytes, 0);
  session::put_head(packet, PacketType::kInit);
  const DhKey dh = *w.provider.dh_public(to.key());
  DhKey shared;
  EXPECT_TRUE(w.provider.dh(from.dh_secret(), dh, shared));
  Bytes prologue = to_bytes(as_bytes("weft"));
  prologue.push_back(kWireVersion);
  prologue.insert(prologue.end(), w.network.id.begin(), w.network.id.end());
  noise::Initiator noise(w.provider, noise::Pattern::kIk, prologue, dh);
  Bytes payload(session::kInitPayloadMin, 0);
  std::ranges::copy(claimed.bytes, payload.begin());
  EXPECT_TRUE(noise.write_first(w.provider,
                                {.remote_static = dh,
                                 .static_public = from.dh_public(),
                                 .static_shared = shared,
                                 .ephemeral_secret = ephemeral},
                                payload, MutableBytes(packet).subspan(session::kInitNoiseAt)));
  session::put_mac(w.provider, session::mac1_key(w.provider, w.network.keys[0], to.key()), packet,
                   session::init_mac1_at(packet.size()));
  return packet;
}

TEST_P(SessionsSecurityTest, EveryDropIsReachableAndChangesOnlyItsCounter) {
  std::set<SessionDrop> seen;
  // Runs `prepare`, then delivers what it returns to `victim` and sees that one counter moved.
  struct Blow {
    Node* victim;
    Endpoint from;
    Bytes packet;
  };
  const auto expect = [&](SessionDrop cause, World& w, const Blow& blow) {
    const auto drops = blow.victim->sessions->stats().drops;
    const auto digest = blow.victim->sessions->digest();
    const auto deadline = blow.victim->sessions->next_deadline();
    const auto sent = w.sent.size();
    const auto events = blow.victim->events.size();
    w.deliver(*blow.victim, blow.from, blow.packet);
    auto expected = drops;
    ++expected[static_cast<std::size_t>(cause)];
    EXPECT_EQ(blow.victim->sessions->stats().drops, expected) << to_string(cause);
    EXPECT_EQ(blow.victim->sessions->digest(), digest) << to_string(cause);
    EXPECT_EQ(blow.victim->sessions->next_deadline(), deadline) << to_string(cause);
    EXPECT_EQ(w.sent.size(), sent) << to_string(cause);
    EXPECT_EQ(blow.victim->events.size(), events) << to_string(cause);
    seen.insert(cause);
  };

  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.give_record(b);
  w.send(a, b, "x");
  w.settle();

  expect(SessionDrop::kTooShort, w, {&a, b.at, {kWireVersion}});
  expect(SessionDrop::kTooShort, w, {&a, b.at, {}});
  expect(SessionDrop::kTooLong, w, {&a, b.at, Bytes(kDatagramBytesMax + 1, 1)});
  expect(SessionDrop::kVersion, w, {&a, b.at, Bytes(kFirstPacketBytes, 9)});
  Bytes unknown_type(100, 0);
  unknown_type[0] = kWireVersion;
  unknown_type[1] = 77;
  expect(SessionDrop::kType, w, {&a, b.at, unknown_type});
  // Every type has its shortest length.
  for (std::uint8_t type = 1; type <= 6; ++type) {
    expect(SessionDrop::kTooShort, w, {&a, b.at, {kWireVersion, type, 0, 0, 0, 0}});
  }
  Bytes long_hello(kFirstPacketBytes + 1, 0);
  session::put_head(long_hello, PacketType::kHello);
  expect(SessionDrop::kTooLong, w, {&a, b.at, long_hello});

  // DATA.
  w.send(a, b, "once");
  Bytes data = w.sent.back().bytes;
  w.settle();
  expect(SessionDrop::kReplayed, w, {&b, a.at, data});
  w.send(a, b, "flipped");
  data = w.sent.back().bytes;
  w.flying.clear();
  data.back() ^= 1;
  expect(SessionDrop::kBadTag, w, {&b, a.at, data});
  data.back() ^= 1;
  w.deliver(b, a.at, data);
  EXPECT_EQ(b.count("data a flipped"), 1U) << "a forged counter must not use up the real one";
  data[4] ^= 0xff;
  expect(SessionDrop::kUnknownIndex, w, {&b, a.at, data});

  // INIT.
  DhKey e{};
  e.fill(5);
  Bytes init = forged_init(w, *a.identity, a.key(), b, e);
  init[100] ^= 1;
  expect(SessionDrop::kMac, w, {&b, a.at, init});
  session::put_mac(w.provider, session::mac1_key(w.provider, w.network.keys[0], b.key()), init,
                   session::init_mac1_at(init.size()));
  expect(SessionDrop::kHandshake, w, {&b, a.at, init});
  // A key that a proved, claimed by a for another; and a claimed key that is no point at all.
  expect(SessionDrop::kWrongKey, w, {&b, a.at, forged_init(w, *a.identity, b.key(), b, e)});

  // RESP, COOKIE and confirmation from elsewhere; RESP twice; COOKIE unasked.
  Node& c = w.add("c", 3);
  w.send(c, b, "hello");
  const Bytes c_init = w.sent.back().bytes;
  w.flying.clear();
  w.deliver(b, c.at, c_init);
  const Bytes resp = w.last(PacketType::kResp).bytes;
  w.flying.clear();
  expect(SessionDrop::kWrongAddress, w, {&c, kElsewhere, resp});
  Bytes bad = resp;
  bad.back() ^= 1;
  expect(SessionDrop::kMac, w, {&c, b.at, bad});
  bad = resp;
  bad[20] ^= 1;
  session::put_mac(w.provider, session::mac1_key(w.provider, w.network.keys[0], c.key()), bad, bad.size() - 16);
  expect(SessionDrop::kHandshake, w, {&c, b.at, bad});
  Bytes cookie(session::kCookieBytes, 0);
  session::put_head(cookie, PacketType::kCookie);
  std::ranges::copy(ByteView(c_init).subspan(2, 4), cookie.begin() + 2);
  expect(SessionDrop::kBadTag, w, {&c, b.at, cookie});
  expect(SessionDrop::kWrongAddress, w, {&c, kElsewhere, cookie});
  w.deliver(c, b.at, resp);
  expect(SessionDrop::kHandshake, w, {&c, b.at, resp});
  expect(SessionDrop::kUnasked, w, {&c, b.at, cookie});
  const Bytes confirmation = w.sent.back().bytes;
  w.flying.clear();
  expect(SessionDrop::kWrongAddress, w, {&b, kElsewhere, confirmation});
  bad = confirmation;
  bad.back() ^= 1;
  expect(SessionDrop::kBadTag, w, {&b, c.at, bad});
  EXPECT_FALSE(b.sessions->session_endpoint(c.id()));
  w.deliver(b, c.at, confirmation);
  EXPECT_TRUE(b.sessions->session_endpoint(c.id()));

  // Crossed: the smaller key drops the INIT of the larger.
  Node& d = w.add("d", 4);
  Node& small = d.key() < b.key() ? d : b;
  Node& large = d.key() < b.key() ? b : d;
  w.send(large, small, "l");
  const Bytes crossed = w.sent.back().bytes;
  w.send(small, large, "s");
  w.flying.clear();
  expect(SessionDrop::kCrossed, w, {&small, large.at, crossed});

  // Our own INIT comes back.
  w.rehandshake(a, a, "");
  const Bytes own = w.sent.back().bytes;
  w.flying.clear();
  expect(SessionDrop::kReflected, w, {&a, kElsewhere, own});

  // RECORD.
  Node& f = w.add("f", 6);
  w.hello(f, b.at);
  const Bytes hello = w.sent.back().bytes;
  w.flying.clear();
  w.deliver(b, f.at, hello);
  const Bytes record = w.sent.back().bytes;
  w.flying.clear();
  expect(SessionDrop::kUnasked, w, {&a, b.at, record});
  expect(SessionDrop::kUnasked, w, {&f, kElsewhere, record});
  expect(SessionDrop::kUnasked, w, {&a, f.at, hello});  // a has no record to give
  bad = record;
  bad.back() ^= 1;
  expect(SessionDrop::kMac, w, {&f, b.at, bad});
  bad = record;
  bad[60] ^= 1;
  session::put_mac(w.provider, session::make_key_set(w.provider, w.network.keys[0], b.key()).hello, bad, bad.size() - 16);
  expect(SessionDrop::kBadRecord, w, {&f, b.at, bad});
  w.deliver(f, b.at, record);
  expect(SessionDrop::kUnasked, w, {&f, b.at, record});

  // A bucket of two: one INIT, one HELLO, and then nothing; garbage has a bucket of its own.
  Node& g = w.add("g", 7, {.prefix_rate = 1, .prefix_burst = 2});
  w.give_record(g);
  DhKey e1{};
  e1.fill(8);
  w.deliver(g, a.at, forged_init(w, *a.identity, a.key(), g, e1));
  w.deliver(g, a.at, hello);
  w.flying.clear();
  expect(SessionDrop::kRateLimited, w, {&g, a.at, hello});
  e1.fill(9);
  expect(SessionDrop::kRateLimited, w, {&g, a.at, forged_init(w, *a.identity, a.key(), g, e1)});
  expect(SessionDrop::kUnknownIndex, w, {&g, a.at, data});
  expect(SessionDrop::kUnknownIndex, w, {&g, a.at, data});
  expect(SessionDrop::kRateLimited, w, {&g, a.at, data});

  // These two count what gives way to a newer one, so something else changes as well.
  Node& h = w.add("h", 8, {.pending_max = 1});
  e1.fill(10);
  w.deliver(h, a.at, forged_init(w, *a.identity, a.key(), h, e1));
  w.now.mono += 3s;
  w.deliver(h, b.at, forged_init(w, *b.identity, b.key(), h, e1));
  EXPECT_EQ(h.drops(SessionDrop::kPendingFull), 1U);
  seen.insert(SessionDrop::kPendingFull);
  for (int i = 0; i < 5; ++i) w.send(h, a, std::to_string(i));
  EXPECT_EQ(h.drops(SessionDrop::kQueueFull), 1U);
  seen.insert(SessionDrop::kQueueFull);

  // One new endpoint a minute: the second handshake is answered, but not confirmed.
  Node& k = w.add("k", 11, {.new_endpoints_per_minute = 1});
  w.send(a, k, "first");
  w.settle();
  EXPECT_TRUE(k.sessions->session_endpoint(a.id()));
  w.send(b, k, "second");
  w.settle();
  EXPECT_EQ(k.drops(SessionDrop::kNewEndpoints), 1U);
  w.send(b, k, "third");
  const Bytes third = w.sent.back().bytes;
  w.flying.clear();
  expect(SessionDrop::kNewEndpoints, w, {&k, b.at, third});

  std::set<std::string_view> names;
  for (std::size_t i = 0; i < static_cast<std::size_t>(SessionDrop::kCount); ++i) {
    EXPECT_TRUE(seen.contains(static_cast<SessionDrop>(i)))
        << to_string(static_cast<SessionDrop>(i));
    names.insert(to_string(static_cast<SessionDrop>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(SessionDrop::kCount));
}

TEST_P(SessionsSecurityTest, NewEndpointsAreAdmittedAtTheRateGivenAndKnownOnesAlways) {
  World w(provider());
  Node& a = w.add("a", 1, {.new_endpoints_per_minute = 2});
  std::vector<Node*> others;
  for (std::uint8_t i = 0; i < 4; ++i) {
    others.push_back(&w.add(std::string(1, static_cast<char>('b' + i)), static_cast<std::uint8_t>(2 + i)));
    w.send(*others.back(), a, "hello");
    w.settle();
  }
  EXPECT_EQ(a.sessions->sessions(), 2U) << "the burst of a minute";
  w.rehandshake(*others[0], a, "again");
  w.settle();
  EXPECT_EQ(a.count("data b again"), 1U) << "a session that is renewed costs nothing";
  w.send(a, *others[2], "ours");
  w.settle();
  EXPECT_TRUE(a.sessions->session_endpoint(others[2]->id())) << "nor one that we open";
  w.now.mono += 31s;
  w.send(*others[3], a, "late");
  w.settle();
  EXPECT_EQ(a.count("data e late"), 1U) << "half a minute, half of the rate";
  a.sessions->set_limits(16, 1000);
  w.now.mono += 1s;
  Node& f = w.add("f", 9);
  w.send(f, a, "hello");
  w.settle();
  EXPECT_EQ(a.count("data f hello"), 1U);
}

TEST_P(SessionsSecurityTest, AReplayedInitMovesNothing) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "read", /*early_ok=*/true);
  const Bytes init = w.sent[0].bytes;
  w.settle();
  w.send(a, b, "1");
  w.settle();
  b.events.clear();
  const std::size_t a_events = a.events.size();
  for (int i = 0; i < 20; ++i) {
    w.deliver(b, i % 2 == 0 ? a.at : kElsewhere, init);
    w.settle();
    w.run(10s);
  }
  for (const auto& event : b.events) EXPECT_EQ(event, "early a read");
  EXPECT_EQ(a.events.size(), a_events) << "a refuses the responses";
  EXPECT_EQ(b.sessions->session_endpoint(a.id()), a.at);
  w.send(b, a, "2");
  w.send(a, b, "3");
  w.settle();
  EXPECT_EQ(a.count("data b 2"), 1U);
  EXPECT_EQ(b.count("data a 3"), 1U);
}

TEST_P(SessionsSecurityTest, AnInitFromASpoofedAddressEstablishesNothingThere) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "x");
  const Bytes init = w.sent[0].bytes;
  w.flying.clear();
  w.deliver(b, kElsewhere, init);  // on the path, and faster than the real one
  const Bytes resp = w.sent.back().bytes;
  EXPECT_EQ(w.sent.back().to, kElsewhere);
  w.deliver(a, b.at, resp);  // the attacker even passes the answer on
  w.settle();
  EXPECT_EQ(b.drops(SessionDrop::kWrongAddress), 1U) << "a confirmed from another address";
  EXPECT_EQ(b.sessions->sessions(), 0U);
  EXPECT_THAT(b.events, IsEmpty());
}

TEST_P(SessionsSecurityTest, AnOldConfirmationThatWasHeldBackReplacesNothingNewer) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "old");
  w.fate = [&](const Packet& p) {
    return p.type() == PacketType::kData ? std::vector<Duration>{}
                                         : std::vector<Duration>{w.latency};
  };
  w.settle();
  const Bytes held = w.last(PacketType::kData).bytes;
  w.fate = nullptr;
  w.rehandshake(a, b, "new");
  w.settle();
  EXPECT_EQ(b.count("data a new"), 1U);
  w.deliver(b, a.at, held);
  EXPECT_EQ(b.drops(SessionDrop::kUnknownIndex), 1U);
  w.run(2min);
  w.send(b, a, "still");
  w.settle();
  EXPECT_EQ(a.count("data b still"), 1U);
}

TEST_P(SessionsSecurityTest, NoAnswerToAnUnprovenAddressExceedsThreeTimesWhatCame) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2, {.handshakes_per_second = 3});
  w.give_record(b);
  b.answer = [](const Sessions::Received& r) { return Bytes(r.reply_max, 'r'); };
  std::vector<Bytes> packets;
  w.fate = [](const Packet&) { return std::vector<Duration>{}; };
  for (const std::size_t size : {0U, 1U, 88U, 200U, 600U, 1032U}) {
    a.sessions->forget(b.id());
    w.send(a, b, std::string(size, 'q'), true);
    packets.push_back(w.sent.back().bytes);
  }
  w.hello(a, b.at);
  packets.push_back(w.sent.back().bytes);
  std::size_t in = 0;
  for (int round = 0; round < 3; ++round) {
    for (const Bytes& packet : packets) {
      const std::size_t before = b.bytes_out[kElsewhere];
      w.deliver(b, kElsewhere, packet);
      in += packet.size();
      EXPECT_LE(b.bytes_out[kElsewhere] - before, kAmplification * packet.size());
      EXPECT_GT(b.bytes_out[kElsewhere], before);
    }
  }
  EXPECT_LE(b.bytes_out[kElsewhere], kAmplification * in);
  EXPECT_GT(b.sessions->stats().cookies_sent_total, 0U);
}

TEST_P(SessionsSecurityTest, UnderLoadAnInitNeedsACookieAndGetsThroughWithIt) {
  World w(provider());
  Node& b = w.add("b", 99, {.handshakes_per_second = 2});
  std::vector<Node*> many;
  for (std::uint8_t i = 1; i <= 6; ++i) many.push_back(&w.add("n" + std::to_string(i), i));
  for (Node* n : many) w.send(*n, b, "who?", /*early_ok=*/true);
  w.run(100ms);  // no retransmission: the COOKIE itself draws the second INIT
  EXPECT_EQ(b.sessions->stats().cookies_sent_total, 4U);
  EXPECT_EQ(b.sessions->sessions(), 6U);
  for (Node* n : many) EXPECT_EQ(n->count("data b re:who?"), 1U);
  EXPECT_EQ(w.last(PacketType::kCookie).bytes.size(), 62U);
}

TEST_P(SessionsSecurityTest, ACookieIsGoodForItsAddressAndItsTimeOnly) {
  World w(provider());
  Node& b = w.add("b", 99, {.handshakes_per_second = 0});
  Node& a = w.add("a", 1);
  w.fate = [](const Packet&) { return std::vector<Duration>{}; };
  w.send(a, b, "x");
  w.deliver(b, a.at, w.sent.back().bytes);
  w.deliver(a, b.at, w.last(PacketType::kCookie).bytes);
  const Bytes with_mac2 = w.sent.back().bytes;
  ASSERT_EQ(w.sent.back().type(), PacketType::kInit);
  const auto answered = [&] { return b.sessions->stats().handshakes_answered_total; };
  w.deliver(b, kElsewhere, with_mac2);
  EXPECT_EQ(answered(), 0U);
  w.now.mono += 130s;
  w.deliver(b, kElsewhere, with_mac2);  // rotates the secret; the one before still counts
  w.deliver(b, a.at, with_mac2);
  EXPECT_EQ(answered(), 1U);
  w.now.mono += 120s;
  b.sessions->on_deadline(w.now, w.out);
  w.deliver(b, kElsewhere, with_mac2);
  w.now.mono += 120s;
  w.deliver(b, a.at, with_mac2);
  EXPECT_EQ(answered(), 1U);
}

TEST_P(SessionsSecurityTest, ARepeatedCookieDrawsNoFurtherInits) {
  World w(provider());
  Node& b = w.add("b", 99, {.handshakes_per_second = 0});
  Node& a = w.add("a", 1);
  w.fate = [](const Packet&) { return std::vector<Duration>{}; };
  w.send(a, b, "x");
  w.deliver(b, a.at, w.sent.back().bytes);
  const Bytes cookie = w.last(PacketType::kCookie).bytes;
  for (int i = 0; i < 50; ++i) w.deliver(a, b.at, cookie);
  EXPECT_EQ(w.count(PacketType::kInit), 2U);
  EXPECT_EQ(a.drops(SessionDrop::kUnasked), 49U);
}

TEST_P(SessionsSecurityTest, AFloodOfInitsLeavesRoomForOthers) {
  // 3,000 handshakes of fresh keys that never confirm, from one prefix.
  World w(provider());
  Node& b = w.add("b", 99);
  Node& a = w.add("a", 1);
  DhKey e{};
  const int flood = GetParam() ? 300 : 3000;
  for (int i = 0; i < flood; ++i) {
    ByteArray<32> seed{};
    store_le(seed.data(), static_cast<std::uint32_t>(i));
    seed[31] = 1;
    const Identity stranger(w.provider, seed);
    store_le(e.data(), static_cast<std::uint32_t>(i + 1));
    w.deliver(b, kElsewhere, forged_init(w, stranger, stranger.public_key(), b, e));
    w.now.mono += 1ms;
    w.flying.clear();
  }
  EXPECT_LE(b.bytes_out[kElsewhere], kAmplification * b.bytes_in[kElsewhere]);
  w.send(a, b, "still there?", true);
  w.run(300ms);
  EXPECT_EQ(a.count("data b re:still there?"), 1U);
  EXPECT_EQ(b.sessions->sessions(), 1U);
}

TEST_P(SessionsSecurityTest, OneKeyHoldsFewPendingHandshakes) {
  World w(provider());
  Node& b = w.add("b", 99);
  Node& a = w.add("a", 1);
  DhKey e{};
  for (std::uint8_t i = 1; i <= 20; ++i) {
    e.fill(i);
    w.deliver(b, a.at, forged_init(w, *a.identity, a.key(), b, e));
  }
  EXPECT_EQ(b.drops(SessionDrop::kPendingFull), 20U - kPendingPerPeer);
}

TEST_P(SessionsSecurityTest, CountersOpenOnceInAnyOrderWithinTheWindow) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "0");
  w.settle();
  std::vector<Bytes> packets;
  for (int i = 0; i < 1100; ++i) {
    w.send(a, b, "p" + std::to_string(i));
    packets.push_back(w.sent.back().bytes);
  }
  w.flying.clear();
  w.deliver(b, a.at, packets[1099]);
  for (std::size_t i = 1099; i > 0; --i) w.deliver(b, a.at, packets[i - 1]);
  std::size_t opened = 0;
  for (int i = 0; i < 1100; ++i) {
    const std::size_t n = b.count("data a p" + std::to_string(i));
    EXPECT_LE(n, 1U);
    opened += n;
  }
  EXPECT_EQ(opened, kReplayWindow);
  EXPECT_EQ(b.drops(SessionDrop::kReplayed), 1100 - kReplayWindow);
}

TEST_P(SessionsSecurityTest, AnEmptyTableOfHellosForgetsAfterItsTime) {
  World w(provider());
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.give_record(b);
  w.fate = [](const Packet&) { return std::vector<Duration>{11s}; };
  w.hello(a, b.at);
  w.run(40s);
  EXPECT_THAT(a.events, IsEmpty());
  EXPECT_EQ(a.drops(SessionDrop::kUnasked), 1U);
  EXPECT_EQ(a.sessions->next_deadline(), std::nullopt);
  w.fate = [](const Packet&) { return std::vector<Duration>{}; };
  for (std::size_t i = 0; i < 3 * kHellosMax; ++i) w.hello(a, b.at);
  w.fate = nullptr;
  w.hello(a, b.at);
  w.settle();
  EXPECT_THAT(a.events, ElementsAre("record " + to_string(b.at)));
}

TEST_P(SessionsSecurityTest, AKeyThatIsNoPointIsRefusedBeforeAnythingLeaves) {
  if (!GetParam()) GTEST_SKIP() << "every 32 bytes are a key of the cheap provider";
  World w(provider());
  Node& a = w.add("a", 1);
  PublicKey none;
  none.bytes.fill(0xff);
  PublicKey low;  // the neutral element
  low.bytes[0] = 1;
  for (const PublicKey& key : {none, low}) {
    a.sessions->send(w.now, {key, node_id_of(key)}, kElsewhere, as_bytes("x"), true, w.out);
  }
  EXPECT_TRUE(w.out.empty());
  EXPECT_EQ(a.drops(SessionDrop::kWrongKey), 2U);
  EXPECT_EQ(a.sessions->next_deadline(), std::nullopt);
}

TEST_P(SessionsSecurityTest, WaitingPayloadsAreBoundedInBytes) {
  World w(provider());
  Node& a = w.add("a", 1);
  const std::string big(kPayloadBytesMax, 'b');
  w.fate = [](const Packet&) { return std::vector<Duration>{}; };
  std::size_t queued = 0;
  for (int i = 0; i < 300; ++i) {
    ByteArray<32> seed{};
    store_le(seed.data(), static_cast<std::uint32_t>(i + 1));
    const Identity peer(w.provider, seed);
    for (int j = 0; j < 4; ++j) {
      std::string text = big;
      text[0] = static_cast<char>('0' + j);
      a.sessions->send(w.now, {peer.public_key(), peer.id()}, kElsewhere, as_bytes(text), false, w.out);
      ++queued;
    }
    w.collect(a);
  }
  EXPECT_EQ(queued - a.drops(SessionDrop::kQueueFull), kQueuedBytesMax / kPayloadBytesMax);
  w.run(10s);
  EXPECT_EQ(a.drops(SessionDrop::kQueueFull), queued) << "all given up in the end";
}

}  // namespace
}  // namespace weft
