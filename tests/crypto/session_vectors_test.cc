// The blocks of docs/PROTOCOL-sessions.md are what this code sends and accepts. Inputs stand in the
// blocks, results are compared; UPDATE_GOLDEN=1 writes them instead.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "crypto/network.h"
#include "tests/crypto/session_world.h"

namespace weft {
namespace {

const std::string kPath = std::string(WEFT_SOURCE_DIR) + "/docs/PROTOCOL-sessions.md";

using Block = std::map<std::string, std::string>;

Block read_block(const std::string& name) {
  std::ifstream file(kPath);
  Block fields;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "```vectors " + name) {
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      fields[line.substr(0, line.find(' '))] = line.substr(line.find(' ') + 1);
    }
  }
  return fields;
}

// Compares results with the block, or writes them there.
void settle_block(const std::string& name, const Block& results) {
  if (std::getenv("UPDATE_GOLDEN") == nullptr) {
    Block block = read_block(name);
    for (const auto& [key, value] : results) EXPECT_EQ(block[key], value) << name << " " << key;
    return;
  }
  std::ifstream file(kPath);
  std::ostringstream out;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "```vectors " + name)
      inside = true;
    else if (line == "```")
      inside = false;
    const auto result = results.find(line.substr(0, line.find(' ')));
    if (inside && result != results.end()) line = result->first + " " + result->second;
    out << line << "\n";
  }
  file.close();
  std::ofstream(kPath) << out.str();
}

// Hands out what it was told to; then zeros.
class ScriptedEntropy final : public Entropy {
 public:
  void fill(MutableBytes out) override {
    for (auto& byte : out) {
      byte = script.empty() ? std::uint8_t{0} : script.front();
      if (!script.empty()) script.erase(script.begin());
    }
  }
  Bytes script;
};

struct Side {
  Side(const CryptoProvider& provider, const Network& network, const std::string& seed,
       SessionConfig config = {})
      : identity(provider, *array_from_hex<32>(seed)),
        records(provider, 8),
        sessions(identity, network, provider, records, entropy, Rng(1), config) {}
  Identity identity;
  RecordCache records;
  ScriptedEntropy entropy;
  Sessions sessions;
  Outbox out;

  Bytes only() {
    EXPECT_EQ(out.datagrams().size(), 1U);
    const Bytes bytes = to_bytes(out.bytes(out.datagrams().at(0)));
    out.clear();
    return bytes;
  }
  // The next transport gets this half of an index, the next handshake this secret.
  void script(std::uint16_t generation, const std::string& ephemeral) {
    entropy.script.resize(2);
    store_le(entropy.script.data(), generation);
    const Bytes secret = *from_hex(ephemeral);
    entropy.script.insert(entropy.script.end(), secret.begin(), secret.end());
  }
};

const Endpoint kA = Endpoint::v4(192, 0, 2, 1, 7001);
const Endpoint kB = Endpoint::v4(192, 0, 2, 2, 7002);
const Now kNow{Instant{} + 1h, {}};

Network network_of(const Block& v) {
  if (v.contains("psk")) return private_network("v", {}, {*array_from_hex<32>(v.at("psk"))});
  return open_network(v.at("network"));
}

std::string slice(ByteView bytes, std::size_t at, std::size_t size) {
  return to_hex(bytes.subspan(at, size));
}

void check_session(const std::string& name) {
  const Block v = read_block(name);
  ASSERT_TRUE(v.contains("initiator-seed"));
  const SodiumProvider provider;
  const Network network = network_of(v);
  Side a(provider, network, v.at("initiator-seed"));
  Side b(provider, network, v.at("responder-seed"));
  a.script(0xa1a2, v.at("initiator-ephemeral"));
  b.script(0xb1b2, v.at("responder-ephemeral"));

  a.sessions.send(kNow, {b.identity.public_key(), b.identity.id()}, kB, as_bytes(v.at("early")), true, a.out);
  a.sessions.send(kNow, {b.identity.public_key(), b.identity.id()}, kB, as_bytes(v.at("data-payload")), false, a.out);
  const Bytes init = a.only();
  auto r = b.sessions.on_datagram(kNow, kA, init, b.out);
  ASSERT_TRUE(r.received);
  EXPECT_EQ(as_text(r.received->payload), v.at("early"));
  b.sessions.respond(kNow, as_bytes(v.at("answer")), b.out);
  const Bytes resp = b.only();
  r = a.sessions.on_datagram(kNow, kB, resp, a.out);
  ASSERT_TRUE(r.received);
  EXPECT_EQ(as_text(r.received->payload), v.at("answer"));
  const Bytes data1 = a.only();
  r = b.sessions.on_datagram(kNow, kA, data1, b.out);
  ASSERT_TRUE(r.received);
  EXPECT_EQ(as_text(r.received->payload), v.at("data-payload"));
  b.sessions.send(kNow, {a.identity.public_key(), a.identity.id()}, kA, {}, false, b.out);
  const Bytes data2 = b.only();

  // The same bytes from the pieces that the page names, without Sessions.
  const auto pattern = network.is_private ? noise::Pattern::kIkPsk2 : noise::Pattern::kIk;
  Bytes prologue = {'w', 'e', 'f', 't', 1};
  prologue.insert(prologue.end(), network.id.begin(), network.id.end());
  noise::Responder responder(provider, pattern, prologue, b.identity.dh_public());
  ByteArray<1200> plain;
  const ByteView message = ByteView(init).subspan(6, init.size() - 38);
  ASSERT_TRUE(responder.read_first(provider, b.identity.dh_secret(), message, plain));
  Bytes message2(v.at("answer").size() + noise::kSecondOverhead);
  const auto keys =
      responder.write_second(provider, *array_from_hex<32>(v.at("responder-ephemeral")),
                             network.keys[0], as_bytes(v.at("answer")), message2);
  ASSERT_TRUE(keys);
  EXPECT_TRUE(equal(message2, ByteView(resp).subspan(10, message2.size())));
  Bytes sealed(v.at("data-payload").size() + 16);
  provider.seal(keys->receive, 0, {}, as_bytes(v.at("data-payload")), sealed);
  EXPECT_TRUE(equal(sealed, ByteView(data1).subspan(14)));

  settle_block(name, {{"initiator-public", to_hex(a.identity.public_key().bytes)},
                      {"responder-public", to_hex(b.identity.public_key().bytes)},
                      {"initiator-x25519", to_hex(a.identity.dh_public())},
                      {"responder-x25519", to_hex(b.identity.dh_public())},
                      {"network-id", to_hex(network.id)},
                      {"network-key", to_hex(network.keys[0])},
                      {"initiator-index", slice(init, 2, 4)},
                      {"responder-index", slice(resp, 2, 4)},
                      {"init", to_hex(init)},
                      {"resp", to_hex(resp)},
                      {"init-key", to_hex(keys->receive)},
                      {"resp-key", to_hex(keys->send)},
                      {"data-1", to_hex(data1)},
                      {"data-2", to_hex(data2)}});
}

TEST(SessionVectors, OpenNetwork) { check_session("session-open"); }
TEST(SessionVectors, PrivateNetwork) { check_session("session-private"); }

TEST(SessionVectors, Cookie) {
  const Block v = read_block("session-cookie");
  const Block open = read_block("session-open");
  const SodiumProvider provider;
  const Network network = network_of(open);
  Side a(provider, network, open.at("initiator-seed"));
  a.script(0xa1a2, open.at("initiator-ephemeral"));
  const Identity b(provider, *array_from_hex<32>(open.at("responder-seed")));
  a.sessions.send(kNow, {b.public_key(), b.id()}, kB, as_bytes(open.at("early")), true, a.out);
  const Bytes init = a.only();
  EXPECT_EQ(to_hex(init), open.at("init"));

  // By the words of the page.
  const Bytes cookie = *from_hex(v.at("cookie"));
  const Bytes nonce = *from_hex(v.at("nonce"));
  ByteArray<32> cookie_key;
  blake2b(cookie_key, network.keys[0], as_bytes("weft-cookie"), b.public_key().bytes);
  CipherKey sealing;
  blake2b(sealing, cookie_key, nonce);
  Bytes packet = {1, 4};
  packet.insert(packet.end(), init.begin() + 2, init.begin() + 6);
  packet.insert(packet.end(), nonce.begin(), nonce.end());
  packet.resize(62);
  provider.seal(sealing, 0, ByteView(init).subspan(init.size() - 32, 16), cookie,
                MutableBytes(packet).subspan(30));

  (void)a.sessions.on_datagram(kNow, kB, packet, a.out);
  const Bytes again = a.only();
  Bytes expected = init;
  blake2b(MutableBytes(expected).last(16), cookie, ByteView(init).first(init.size() - 16));
  EXPECT_EQ(again, expected);
  settle_block("session-cookie", {{"cookie-key", to_hex(cookie_key)},
                                  {"packet", to_hex(packet)},
                                  {"init-with-mac2", to_hex(again)}});
}

TEST(SessionVectors, Hello) {
  const Block v = read_block("session-hello");
  const Block open = read_block("session-open");
  const SodiumProvider provider;
  const Network network = network_of(open);
  Side a(provider, network, open.at("initiator-seed"));
  Side b(provider, network, open.at("responder-seed"));
  a.entropy.script = *from_hex(v.at("nonce"));
  RecordFields fields;
  fields.endpoints = {kB};
  fields.network = network.id;
  fields.name = "seed";
  const RecordRef record = make_record(b.identity, fields);
  b.sessions.set_record(record);
  const auto id = a.sessions.hello(kNow, kB, a.out);
  const Bytes hello = a.only();
  (void)b.sessions.on_datagram(kNow, kA, hello, b.out);
  const Bytes answer = b.only();
  const auto r = a.sessions.on_datagram(kNow, kB, answer, a.out);
  ASSERT_NE(r.record, nullptr);
  EXPECT_EQ(r.record->wire, record->wire);
  EXPECT_EQ(r.hello_id, id);

  ByteArray<32> key;
  blake2b(key, network.keys[0], as_bytes("weft-hello"));
  ByteArray<16> mac;
  blake2b(mac, key, ByteView(hello).first(240));
  EXPECT_TRUE(equal(mac, ByteView(hello).last(16)));
  blake2b(mac, key, ByteView(answer).first(answer.size() - 16));
  EXPECT_TRUE(equal(mac, ByteView(answer).last(16)));
  settle_block(
      "session-hello",
      {{"record", to_hex(record->wire)}, {"hello", to_hex(hello)}, {"answer", to_hex(answer)}});
}

}  // namespace
}  // namespace weft
