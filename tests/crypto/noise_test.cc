// The handshakes against the published vectors of cacophony, and what a changed byte does to them.
#include "crypto/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <new>
#include <nlohmann/json.hpp>

namespace weft::noise {
namespace {

Bytes hex_of(const nlohmann::json& json) { return *from_hex(json.get<std::string>()); }

DhKey key_of(const nlohmann::json& json) { return *array_from_hex<32>(json.get<std::string>()); }

void check_vector(const nlohmann::json& v) {
  const SodiumProvider provider;
  const bool with_psk = v["protocol_name"] == "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b";
  ASSERT_TRUE(with_psk || v["protocol_name"] == "Noise_IK_25519_ChaChaPoly_BLAKE2b");
  const Pattern pattern = with_psk ? Pattern::kIkPsk2 : Pattern::kIk;
  const Psk psk = with_psk ? key_of(v["init_psks"][0]) : Psk{};
  const DhKey init_static = key_of(v["init_static"]);
  const DhKey resp_static = key_of(v["resp_static"]);
  const DhKey resp_public = provider.dh_base(resp_static);
  ASSERT_EQ(resp_public, key_of(v["init_remote_static"]));
  const DhKey init_public = provider.dh_base(init_static);
  DhKey shared;
  ASSERT_TRUE(provider.dh(init_static, resp_public, shared));

  Initiator initiator(provider, pattern, hex_of(v["init_prologue"]), resp_public);
  Responder responder(provider, pattern, hex_of(v["resp_prologue"]), resp_public);
  const auto& messages = v["messages"];
  const Bytes payload1 = hex_of(messages[0]["payload"]);
  Bytes wire(payload1.size() + kFirstOverhead);
  ASSERT_TRUE(initiator.write_first(provider,
                                    {.remote_static = resp_public,
                                     .static_public = init_public,
                                     .static_shared = shared,
                                     .ephemeral_secret = key_of(v["init_ephemeral"])},
                                    payload1, wire));
  EXPECT_EQ(wire, hex_of(messages[0]["ciphertext"]));
  Bytes opened(payload1.size());
  const auto sender = responder.read_first(provider, resp_static, wire, opened);
  ASSERT_TRUE(sender);
  EXPECT_EQ(opened, payload1);
  EXPECT_EQ(*sender, init_public);

  const Bytes payload2 = hex_of(messages[1]["payload"]);
  wire.resize(payload2.size() + kSecondOverhead);
  const auto responder_keys =
      responder.write_second(provider, key_of(v["resp_ephemeral"]), psk, payload2, wire);
  ASSERT_TRUE(responder_keys);
  EXPECT_EQ(wire, hex_of(messages[1]["ciphertext"]));
  opened.resize(payload2.size());
  const auto initiator_keys = initiator.read_second(provider, init_static, psk, wire, opened);
  ASSERT_TRUE(initiator_keys);
  EXPECT_EQ(opened, payload2);
  EXPECT_EQ(to_hex(initiator.hash()), v["handshake_hash"].get<std::string>());
  EXPECT_EQ(to_hex(responder.hash()), v["handshake_hash"].get<std::string>());

  for (std::size_t i = 2; i < messages.size(); ++i) {
    const Bytes payload = hex_of(messages[i]["payload"]);
    const bool by_initiator = i % 2 == 0;
    const CipherKey& send = by_initiator ? initiator_keys->send : responder_keys->send;
    const CipherKey& receive = by_initiator ? responder_keys->receive : initiator_keys->receive;
    EXPECT_EQ(send, receive);
    wire.resize(payload.size() + kTagBytes);
    provider.seal(send, (i - 2) / 2, {}, payload, wire);
    EXPECT_EQ(wire, hex_of(messages[i]["ciphertext"])) << i;
  }
}

TEST(Noise, PassesTheVectorsOfCacophony) {
  std::ifstream file(std::string(WEFT_TEST_DATA) + "/noise-ik-vectors.json");
  const auto json = nlohmann::json::parse(file);
  std::size_t checked = 0;
  for (const auto& v : json["vectors"]) {
    SCOPED_TRACE(v["protocol_name"]);
    check_vector(v);
    ++checked;
  }
  EXPECT_EQ(checked, 2U);
}

// RFC 4231 has no BLAKE2b; these are from an independent HMAC (Python's hmac over hashlib.blake2b).
TEST(Noise, HmacIsThatOfRfc2104) {
  const auto hmac = [](ByteView key, ByteView a, ByteView b = {}) {
    ByteArray<64> out;
    SodiumProvider().hmac(out, key, a, b);
    return out;
  };
  EXPECT_EQ(to_hex(hmac(as_bytes("key"), as_bytes("The quick brown fox jumps over the lazy dog"))),
            "92294f92c0dfb9b00ec9ae8bd94d7e7d8a036b885a499f149dfe2fd2199394aa"
            "af6b8894a1730cccb2cd050f9bcf5062a38b51b0dab33207f8ef35ae2c9df51b");
  EXPECT_EQ(to_hex(hmac({}, {})),
            "198cd2006f66ff83fbbd913f78aca2251caf4f19fe9475aade8cf2091b99a684"
            "66775177424f58286886cbae8229644cec747237d4b721735485e17372fdf59c");
  EXPECT_EQ(hmac(as_bytes("k"), as_bytes("ab"), as_bytes("cd")),
            hmac(as_bytes("k"), as_bytes("abcd")));
}

class NoiseMessages : public ::testing::TestWithParam<Pattern> {
 protected:
  void SetUp() override {
    init_secret_.fill(1);
    resp_secret_.fill(2);
    init_public_ = provider_.dh_base(init_secret_);
    resp_public_ = provider_.dh_base(resp_secret_);
    EXPECT_TRUE(provider_.dh(init_secret_, resp_public_, shared_));
    psk_.fill(9);
  }
  Bytes first(Initiator& initiator, std::size_t payload = 40) {
    Bytes wire(payload + kFirstOverhead);
    DhKey e;
    e.fill(3);
    EXPECT_TRUE(initiator.write_first(provider_,
                                      {.remote_static = resp_public_,
                                       .static_public = init_public_,
                                       .static_shared = shared_,
                                       .ephemeral_secret = e},
                                      Bytes(payload, 'p'), wire));
    return wire;
  }

  SodiumProvider provider_;
  DhKey init_secret_{}, resp_secret_{}, init_public_{}, resp_public_{}, shared_{};
  Psk psk_{};
  ByteArray<2000> room_{};
};
INSTANTIATE_TEST_SUITE_P(Patterns, NoiseMessages,
                         ::testing::Values(Pattern::kIk, Pattern::kIkPsk2));

TEST_P(NoiseMessages, AnyChangedByteOfTheFirstIsNoticed) {
  Initiator initiator(provider_, GetParam(), as_bytes("p"), resp_public_);
  const Bytes wire = first(initiator);
  for (std::size_t i = 0; i < wire.size(); ++i) {
    Bytes changed = wire;
    changed[i] ^= 4;
    Responder responder(provider_, GetParam(), as_bytes("p"), resp_public_);
    EXPECT_FALSE(responder.read_first(provider_, resp_secret_, changed, room_)) << i;
  }
  Bytes changed = wire;
  changed[31] ^= 0x80;  // X25519 ignores this bit of a key, but the transcript does not
  Responder responder(provider_, GetParam(), as_bytes("p"), resp_public_);
  EXPECT_FALSE(responder.read_first(provider_, resp_secret_, changed, room_));
  for (std::size_t size = 0; size < wire.size(); ++size) {
    Responder r(provider_, GetParam(), as_bytes("p"), resp_public_);
    EXPECT_FALSE(r.read_first(provider_, resp_secret_, ByteView(wire).first(size), room_));
  }
}

TEST_P(NoiseMessages, AnotherPrologueOrReceiverRefuses) {
  Initiator initiator(provider_, GetParam(), as_bytes("one network"), resp_public_);
  const Bytes wire = first(initiator);
  Responder other(provider_, GetParam(), as_bytes("another"), resp_public_);
  EXPECT_FALSE(other.read_first(provider_, resp_secret_, wire, room_));
  Responder wrong(provider_, GetParam(), as_bytes("one network"), init_public_);
  EXPECT_FALSE(wrong.read_first(provider_, init_secret_, wire, room_));
}

TEST_P(NoiseMessages, AnyChangedByteOfTheSecondIsNoticedAndTheCopySurvives) {
  Initiator initiator(provider_, GetParam(), as_bytes("p"), resp_public_);
  const Bytes wire1 = first(initiator);
  Responder responder(provider_, GetParam(), as_bytes("p"), resp_public_);
  ASSERT_TRUE(responder.read_first(provider_, resp_secret_, wire1, room_));
  DhKey e;
  e.fill(4);
  Bytes wire2(20 + kSecondOverhead);
  ASSERT_TRUE(responder.write_second(provider_, e, psk_, Bytes(20, 'q'), wire2));
  for (std::size_t i = 0; i < wire2.size(); ++i) {
    Bytes changed = wire2;
    changed[i] ^= 0x80;
    Initiator attempt = initiator;
    EXPECT_FALSE(attempt.read_second(provider_, init_secret_, psk_, changed, room_)) << i;
  }
  Initiator attempt = initiator;
  EXPECT_FALSE(
      attempt.read_second(provider_, init_secret_, psk_, ByteView(wire2).first(47), room_));
  EXPECT_TRUE(initiator.read_second(provider_, init_secret_, psk_, wire2, room_));
}

TEST_P(NoiseMessages, LowOrderPointsAreRefused) {
  // The all-zero key and the key 1 have order 1 and 4: their DH is zero.
  for (const std::uint8_t low : ByteArray<2>{0, 1}) {
    Bytes wire(40 + kFirstOverhead, 0);
    wire[0] = low;
    Responder responder(provider_, GetParam(), as_bytes("p"), resp_public_);
    EXPECT_FALSE(responder.read_first(provider_, resp_secret_, wire, room_));
    Initiator initiator(provider_, GetParam(), as_bytes("p"), resp_public_);
    (void)first(initiator);
    Bytes second(kSecondOverhead, 0);
    second[0] = low;
    EXPECT_FALSE(initiator.read_second(provider_, init_secret_, psk_, second, room_));
  }
}

TEST(Noise, AWrongPskFails) {
  const SodiumProvider provider;
  DhKey a{}, b{}, e{};
  a.fill(1);
  b.fill(2);
  e.fill(3);
  const DhKey b_public = provider.dh_base(b);
  DhKey shared;
  ASSERT_TRUE(provider.dh(a, b_public, shared));
  Initiator initiator(provider, Pattern::kIkPsk2, {}, b_public);
  Responder responder(provider, Pattern::kIkPsk2, {}, b_public);
  ByteArray<kFirstOverhead> wire1{};
  ASSERT_TRUE(
      initiator.write_first(provider, {b_public, provider.dh_base(a), shared, e}, {}, wire1));
  ASSERT_TRUE(responder.read_first(provider, b, wire1, {}));
  ByteArray<kSecondOverhead> wire2{};
  ASSERT_TRUE(responder.write_second(provider, e, Psk{1}, {}, wire2));
  EXPECT_FALSE(initiator.read_second(provider, a, Psk{2}, wire2, {}));
}

// An object in storage that outlives it, so that what it leaves behind can be looked at.
template <class T>
class Remains {
 public:
  template <class... Args>
  explicit Remains(Args&&... args) : object(new (storage_.data()) T(std::forward<Args>(args)...)) {}
  // Destroys the object; how many bytes of it that were not zero are zero now.
  std::size_t destroy() {
    const auto before = storage_;
    object->~T();
    std::size_t wiped = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) wiped += before[i] != 0 && storage_[i] == 0 ? 1U : 0U;
    return wiped;
  }
  bool contain(ByteView bytes) const {
    return !std::ranges::search(storage_, bytes).empty();
  }

 private:
  alignas(T) std::array<std::uint8_t, sizeof(T)> storage_{};

 public:
  T* object;
};

TEST(Noise, NoSecretOutlivesAHandshake) {
  const SodiumProvider provider;
  const DhKey a_secret{1};
  const DhKey b_secret{2};
  const DhKey a_public = provider.dh_base(a_secret);
  const DhKey b_public = provider.dh_base(b_secret);
  DhKey ephemeral{};
  ephemeral.fill(0xe1);
  DhKey shared;
  ASSERT_TRUE(provider.dh(a_secret, b_public, shared));

  Remains<Initiator> initiator(provider, Pattern::kIkPsk2, ByteView{}, b_public);
  Remains<Responder> responder(provider, Pattern::kIkPsk2, ByteView{}, b_public);
  Bytes first(kFirstOverhead);
  ASSERT_TRUE(initiator.object->write_first(provider,
                                            {.remote_static = b_public,
                                             .static_public = a_public,
                                             .static_shared = shared,
                                             .ephemeral_secret = ephemeral},
                                            {}, first));
  ASSERT_TRUE(initiator.contain(ephemeral));
  ASSERT_TRUE(responder.object->read_first(provider, b_secret, first, MutableBytes{}));
  Bytes second(kSecondOverhead);
  DhKey other{};
  other.fill(0xe2);
  Remains<TransportKeys> theirs(
      *responder.object->write_second(provider, other, Psk{}, {}, second));
  Remains<TransportKeys> ours(
      *initiator.object->read_second(provider, a_secret, Psk{}, second, MutableBytes{}));
  EXPECT_EQ(ours.object->send, theirs.object->receive);

  // All but a few bytes of 64 of the chaining key and 32 of each other key; some are zero anyway.
  const CipherKey key = ours.object->send;
  EXPECT_GE(initiator.destroy(), 64 + 32 + 32 - 8U);
  EXPECT_FALSE(initiator.contain(ephemeral));
  EXPECT_GE(responder.destroy(), 64 + 32 - 8U);
  EXPECT_FALSE(responder.contain(shared));
  EXPECT_GE(ours.destroy(), 64 - 8U);
  EXPECT_FALSE(ours.contain(key));
  (void)theirs.destroy();
}

}  // namespace
}  // namespace weft::noise
