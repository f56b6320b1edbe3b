// Random histories of a few nodes under loss, reordering, duplication, restarts, moves, and an
// attacker who sees every datagram and sends what he likes. SEED=<n> repeats one history.
#include <gtest/gtest.h>

#include <set>

#include "tests/crypto/session_world.h"

namespace weft {
namespace {

using session::PacketType;
using testing::Node;
using testing::Packet;
using testing::World;

class Model {
 public:
  Model(const CryptoProvider& provider, std::uint64_t seed)
      : rng_(seed),
        world_(provider, seed % 3 == 0 ? private_network("p", {}, {{1, 2, 3}, {4, 5}})
                                       : open_network("model")) {
    world_.entropy_seed = seed;
    config_.sessions_max = 3;  // of four possible peers: eviction is part of life
    config_.pending_max = 4;
    config_.handshakes_per_second = 20;
    config_.rekey_packets = 40;
    for (std::uint8_t i = 0; i < kNodes; ++i) {
      Node& n = world_.add("n" + std::to_string(i), static_cast<std::uint8_t>(i + 1), config_);
      world_.give_record(n);
      homes_.push_back({n.at});
    }
    world_.fate = [this](const Packet& p) { return fate(p); };
    world_.on_received = [this](Node& to, const Sessions::Received& r) { received(to, r); };
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      step();
      check();
    }
    heal();
  }
  ByteArray<32> digest() const {
    ByteArray<32> all{};
    for (const auto& n : world_.nodes) all = blake2b_256(all, n->sessions->digest());
    for (const Packet& p : world_.sent) all = blake2b_256(all, p.bytes);
    return all;
  }
  std::size_t delivered() const { return delivered_.size(); }

 private:
  static constexpr std::size_t kNodes = 5;

  Node& any() { return *world_.nodes[rng_.below(kNodes)]; }
  Node& other(const Node& than) {
    for (;;) {
      Node& n = any();
      if (&n != &than) return n;
    }
  }
  Duration delay() { return rng_.between(1ms, rng_.chance({1, 10}) ? 900ms : 60ms); }
  std::vector<Duration> fate(const Packet&) {
    if (healed_) return {10ms};
    if (rng_.chance({1, 5})) return {};
    if (rng_.chance({1, 10})) return {delay(), delay()};
    return {delay()};
  }
  std::string fresh_text(const Node& from, const Node& to) {
    const std::string text =
        from.name + ">" + to.name + "#" + std::to_string(++number_) +
        std::string(rng_.below(5) == 0 ? rng_.below(1000) : rng_.below(60), '.');
    promised_.insert(text);
    return text;
  }

  void received(const Node& to, const Sessions::Received& r) {
    const std::string text(as_text(r.payload));
    const std::string from = world_.name_of(r.peer);
    if (text.starts_with("re:")) {
      ASSERT_TRUE(promised_.contains(text.substr(3))) << text;
      ASSERT_TRUE(text.substr(3).starts_with(to.name + ">" + from)) << text;
      ASSERT_FALSE(r.early);
      return;
    }
    ASSERT_TRUE(promised_.contains(text)) << text;
    ASSERT_TRUE(text.starts_with(from + ">" + to.name + "#")) << text << " from " << from;
    if (r.early) return;
    ASSERT_TRUE(delivered_.insert(text).second) << "twice: " << text;
    ASSERT_TRUE(was_at(from, r.from)) << from << " at " << to_string(r.from);
  }
  bool was_at(const std::string& name, const Endpoint& at) const {
    for (std::size_t i = 0; i < kNodes; ++i) {
      if (world_.nodes[i]->name == name) return homes_[i].contains(at);
    }
    return false;
  }

  void step() {
    switch (rng_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: {
        Node& a = any();
        Node& b = other(a);
        return world_.send(a, b, fresh_text(a, b), rng_.chance({1, 2}));
      }
      case 5: {
        Node& a = any();
        Node& b = other(a);
        return world_.rehandshake(a, b, fresh_text(a, b), rng_.chance({1, 2}));
      }
      case 6: {
        // A stale address.
        Node& a = any();
        Node& b = other(a);
        a.sessions->rehandshake(world_.now, b.peer(), Endpoint::v4(10, 9, 9, 9, 9),
                                as_bytes(fresh_text(a, b)), true, world_.out);
        return world_.collect(a);
      }
      case 7: {
        Node& a = any();
        world_.hello(a, other(a).at);
        return;
      }
      case 8:
        return rng_.chance({1, 4}) ? any().sessions->forget(any().id()) : void();
      case 9:
        if (rng_.chance({1, 4})) {
          Node& n = any();
          world_.start(n, config_);
          world_.give_record(n);
        }
        return;
      case 10:
        if (rng_.chance({1, 6})) {
          const std::size_t i = rng_.below(kNodes);
          world_.nodes[i]->at.port = static_cast<std::uint16_t>(7000 + rng_.below(3));
          homes_[i].insert(world_.nodes[i]->at);
        }
        return;
      case 11:
      case 12:
        return attack();
      case 13:
        if (rng_.chance({1, 20})) return world_.run(rng_.between(1min, 40min));
        [[fallthrough]];
      default:
        return world_.run(rng_.between(1ms, 200ms));
    }
  }

  // Replays, misdirects or damages something that was seen.
  void attack() {
    if (world_.sent.empty()) return;
    const std::size_t recent = std::min<std::size_t>(world_.sent.size(), 60);
    const std::size_t age = rng_.below(rng_.chance({1, 2}) ? recent : world_.sent.size());
    Packet p = world_.sent[world_.sent.size() - 1 - age];
    if (rng_.chance({1, 3})) p.from = Endpoint::v4(203, 0, 113, 1, 1);
    if (rng_.chance({1, 3}))
      p.bytes[rng_.below(p.bytes.size())] ^= static_cast<std::uint8_t>(1U << rng_.below(8));
    if (rng_.chance({1, 8})) p.bytes.resize(rng_.below(p.bytes.size()));
    Node* target = rng_.chance({1, 4}) ? &any() : world_.find(p.to);
    if (target == nullptr) return;
    const std::size_t before = target->bytes_out[p.from];
    world_.deliver(*target, p.from, p.bytes);
    if (p.from == Endpoint::v4(203, 0, 113, 1, 1)) {
      ASSERT_LE(target->bytes_out[p.from] - before, kAmplification * p.bytes.size());
    }
  }

  void check() {
    for (const auto& n : world_.nodes) {
      ASSERT_LE(n->sessions->sessions(), config_.sessions_max);
      for (std::size_t i = 0; i < kNodes; ++i) {
        const Node& peer = *world_.nodes[i];
        const auto at = n->sessions->session_endpoint(peer.id());
        ASSERT_TRUE(!at || homes_[i].contains(*at)) << peer.name << " at " << to_string(*at);
      }
      ASSERT_EQ(n->sessions->session_endpoint(n->id()), std::nullopt);
    }
  }

  // Whatever has happened: on a whole network, a request that is silent is followed by a fresh
  // handshake, and that one is answered.
  void heal() {
    healed_ = true;
    world_.run(20s);
    for (std::size_t i = 0; i < kNodes && !::testing::Test::HasFailure(); ++i) {
      for (std::size_t j = 0; j < kNodes; ++j) {
        if (i == j) continue;
        Node& a = *world_.nodes[i];
        Node& b = *world_.nodes[j];
        // A request and its answer through the session that there is, or through a new one: the old
        // one may lead to where a node no longer is.
        bool answered = false;
        for (int attempt = 0; attempt < 2 && !answered; ++attempt) {
          const std::string text = fresh_text(a, b);
          attempt == 0 ? world_.send(a, b, text) : world_.rehandshake(a, b, text);
          world_.run(6s);
          const std::string back = fresh_text(b, a);
          world_.send(b, a, back);
          world_.run(1s);
          answered = delivered_.contains(text) && delivered_.contains(back);
        }
        ASSERT_TRUE(answered) << a.name << " and " << b.name;
      }
    }
  }

  Rng rng_;
  World world_;
  SessionConfig config_;
  std::vector<std::set<Endpoint>> homes_;  // where each node has ever been
  std::set<std::string> promised_;
  std::set<std::string> delivered_;
  std::uint64_t number_ = 0;
  bool healed_ = false;
};

void run_histories(const CryptoProvider& provider, std::uint64_t count, int steps) {
  const std::uint64_t first = testing::seed_from_env(1);
  const bool single = std::getenv("SEED") != nullptr;
  for (std::uint64_t seed = first; seed < first + (single ? 1 : count); ++seed) {
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    Model model(provider, seed);
    model.run(steps);
    EXPECT_GT(model.delivered(), 20U);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(SessionsModel, RandomHistoriesOfTheCheapProvider) {
  run_histories(testing::cheap_provider(), 150, 400);
}
TEST(SessionsModel, RandomHistoriesOfTheRealProvider) {
  run_histories(testing::real_provider(), 8, 400);
}
TEST(SessionsModel, OneSeedIsOneHistory) {
  for (const std::uint64_t seed : {3U, 4U}) {
    Model first(testing::cheap_provider(), seed);
    Model second(testing::cheap_provider(), seed);
    first.run(300);
    second.run(300);
    EXPECT_EQ(first.digest(), second.digest());
  }
}

}  // namespace
}  // namespace weft
