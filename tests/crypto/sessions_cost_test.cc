// What Sessions costs: allocations, memory, DH operations.
#include <gtest/gtest.h>

#include "crypto/session_state.h"
#include "tests/allocations.h"
#include "tests/crypto/session_world.h"

namespace weft {
namespace {

using testing::Node;
using testing::World;

// Two nodes with a session, and nothing in between that allocates.
struct Warm {
  explicit Warm(const CryptoProvider& provider) : w(provider) {
    a = &w.add("a", 1);
    b = &w.add("b", 2);
    w.send(*a, *b, "x");
    w.settle();
    w.sent.clear();
    for (int i = 0; i < 3; ++i) exchange();
  }
  // One DATA each way, as the shell would do it.
  std::size_t exchange() {
    std::size_t received = 0;
    a->sessions->send(w.now, b->peer(), b->at, payload, true, out);
    for (const auto& d : out.datagrams()) {
      const auto r = b->sessions->on_datagram(w.now, a->at, out.bytes(d), reply);
      if (!r.received) continue;
      ++received;
      b->sessions->send(w.now, a->peer(), r.received->from, r.received->payload, false, reply);
    }
    for (const auto& d : reply.datagrams()) {
      if (a->sessions->on_datagram(w.now, b->at, reply.bytes(d), out2).received) ++received;
    }
    out.clear();
    reply.clear();
    out2.clear();
    w.now.mono += 1ms;
    (void)a->sessions->next_deadline();
    a->sessions->on_deadline(w.now, out);
    return received;
  }

  World w;
  Node* a = nullptr;
  Node* b = nullptr;
  Outbox out;
  Outbox reply;
  Outbox out2;
  ByteArray<300> payload{};
};

TEST(SessionsCost, DataIsSealedAndOpenedWithoutAllocation) {
  for (const auto* provider : {&testing::cheap_provider(), &testing::real_provider()}) {
    Warm warm(*provider);
    const std::size_t before = testing::allocations();
    std::size_t received = 0;
    for (int i = 0; i < 2000; ++i) received += warm.exchange();
    EXPECT_EQ(testing::allocations() - before, 0U);
    EXPECT_EQ(received, 4000U);
  }
}

TEST(SessionsCost, GarbageIsDroppedWithoutAllocation) {
  Warm warm(testing::real_provider());
  Rng rng(7);
  ByteArray<kDatagramBytesMax> garbage{};
  const auto shoot = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (auto& byte : garbage) byte = static_cast<std::uint8_t>(rng.next());
      garbage[0] = kWireVersion;
      garbage[1] = static_cast<std::uint8_t>(rng.below(8));
      const ByteView packet = ByteView(garbage).first(rng.below(garbage.size()));
      const Endpoint from = Endpoint::v4(static_cast<std::uint8_t>(rng.next()), 1, 1, 1, 1);
      (void)warm.b->sessions->on_datagram(warm.w.now, from, packet, warm.out);
    }
  };
  shoot(5000);  // so many prefixes that the table has reached its bound
  const std::size_t before = testing::allocations();
  shoot(5000);
  EXPECT_EQ(testing::allocations() - before, 0U);
  EXPECT_TRUE(warm.out.empty());
}

TEST(SessionsCost, TablesGrowWithUse) {
  EXPECT_LE(sizeof(session::Transport) + sizeof(session::Peer), 250U);
  EXPECT_LE(sizeof(session::Handshake), 500U);
}

// Counts the expensive operations of a provider.
class CountingProvider final : public CryptoProvider {
 public:
  mutable int dhs = 0;
  SigningKey signing_key(const ByteArray<32>& seed) const override { return p.signing_key(seed); }
  Signature sign(const SigningKey& key, ByteView m) const override { return p.sign(key, m); }
  bool verify(const PublicKey& key, ByteView m, const Signature& s) const override {
    return p.verify(key, m, s);
  }
  std::optional<DhKey> dh_public(const PublicKey& key) const override { return p.dh_public(key); }
  DhKey dh_secret(const SigningKey& key) const override { return p.dh_secret(key); }
  DhKey dh_base(const DhKey& secret) const override {
    ++dhs;
    return p.dh_base(secret);
  }
  bool dh(const DhKey& secret, const DhKey& pub, DhKey& out) const override {
    ++dhs;
    return p.dh(secret, pub, out);
  }
  void seal(const CipherKey& key, std::uint64_t n, ByteView ad, ByteView plain,
            MutableBytes out) const override {
    p.seal(key, n, ad, plain, out);
  }
  bool open(const CipherKey& key, std::uint64_t n, ByteView ad, ByteView sealed,
            MutableBytes out) const override {
    return p.open(key, n, ad, sealed, out);
  }

 private:
  CheapProvider p;
};

TEST(SessionsCost, DhOperationsPerHandshake) {
  CountingProvider provider;
  World w(provider);
  Node& a = w.add("a", 1);
  Node& b = w.add("b", 2);
  w.send(a, b, "x", true);
  EXPECT_EQ(provider.dhs, 3) << "ss, e, es";
  provider.dhs = 0;
  const Bytes init = w.sent[0].bytes;
  w.deliver(b, a.at, init);
  EXPECT_EQ(provider.dhs, 5) << "es, ss, e, ee, se";
  provider.dhs = 0;
  for (int i = 0; i < 10; ++i) w.deliver(b, a.at, init);
  EXPECT_EQ(provider.dhs, 0) << "a repeated INIT costs a lookup";
  w.settle();
  provider.dhs = 0;
  w.rehandshake(a, b, "y");
  EXPECT_EQ(provider.dhs, 3) << "ss is not kept: 64 bytes a peer cost more than a DH in hours";
}

}  // namespace
}  // namespace weft
