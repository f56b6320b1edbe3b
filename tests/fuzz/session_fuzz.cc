// Raw, damaged and misdirected datagrams for two Sessions objects that talk to each other.
//
// Promises under test: nothing aborts, a session only ever leads to the peer's true address, no
// answer to a stranger's address exceeds kAmplification times what came from there. The attacker sees and sends all between
// the two, from any address, but receives nothing at the stranger's: who does, and hands both sides' packets on, is a
// relay, whom nobody can tell from the peer behind him.
#include "tests/crypto/session_world.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using weft::operator""s;
using weft::Bytes;
using weft::Endpoint;
using weft::testing::FuzzInput;
using weft::testing::Node;
using weft::testing::World;
namespace session = weft::session;

const Endpoint kStranger = Endpoint::v4(203, 0, 113, 1, 1);

// Gives a packet the macs that get it past the first check.
void fix_macs(const World& w, const Node& to, Bytes& packet) {
  if (packet.size() < 64) return;
  const auto keys = session::make_key_set(w.provider, w.network.keys[0], to.key());
  switch (packet[1]) {
    case 1:
      session::put_mac(w.provider, keys.mac1, packet, session::init_mac1_at(packet.size()));
      break;
    case 2:
      session::put_mac(w.provider, keys.mac1, packet, packet.size() - 16);
      break;
    case 5:
    case 6:
      session::put_mac(w.provider, keys.hello, packet, packet.size() - 16);
      break;
    default:
      break;
  }
}

void deliver(World& w, Node& to, const Endpoint& from, const Bytes& packet) {
  const std::size_t before = to.bytes_out[kStranger];
  w.deliver(to, from, packet);
  if (from == kStranger) {
    CHECK(to.bytes_out[kStranger] - before <= weft::kAmplification * packet.size());
  }
}

void step(World& w, FuzzInput& in) {
  const std::uint8_t op = in.byte();
  Node& a = *w.nodes[op >> 7];
  Node& b = *w.nodes[1 - (op >> 7)];
  const Endpoint from = (op & 0x40) != 0 ? kStranger : b.at;
  switch (op & 0x0f) {
    case 0:
    case 1: {  // raw
      Bytes packet = weft::to_bytes(in.take(in.below(1300)));
      if (packet.size() >= 2 && (op & 0x20) != 0) {
        packet[0] = weft::kWireVersion;
        packet[1] = static_cast<std::uint8_t>(1 + packet[1] % 6);
        if (packet[1] == 1 || packet[1] == 5) packet.resize(weft::kFirstPacketBytes);
        fix_macs(w, a, packet);
      }
      return deliver(w, a, from, packet);
    }
    case 2:
    case 3:
    case 4: {  // something genuine, damaged
      if (w.sent.empty()) return;
      const auto& genuine = w.sent[w.sent.size() - 1 - in.below(std::min<std::size_t>(w.sent.size(), 40))];
      Bytes packet = genuine.bytes;
      if (packet.empty() || genuine.to == kStranger) return;
      for (std::size_t n = in.byte() % 4; n > 0; --n) {
        packet[in.below(packet.size())] ^= in.byte();
      }
      if ((op & 0x10) != 0) packet.resize(in.below(packet.size() + 8));
      if ((op & 0x20) != 0 && packet.size() >= 2) fix_macs(w, a, packet);
      return deliver(w, a, from, packet);
    }
    case 5:
    case 6:
      return w.send(a, b, std::string(in.below(weft::kPayloadBytesMax + 1), 'p'), (op & 0x20) != 0);
    case 7:
      return w.rehandshake(a, b, std::string(in.below(200), 'p'), (op & 0x20) != 0);
    case 8:
      w.hello(a, b.at);
      return;
    case 9:
      return a.sessions->forget(b.id());
    case 10:
      w.flying.clear();
      return;
    case 11:
      return w.run(1s * in.byte());
    case 12:
      return w.rehandshake(a, a, "twin?", true);
    default:
      return w.settle();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput in(data, size);
  const std::uint8_t mode = in.byte();
  World w(
      (mode & 1) != 0 ? weft::testing::real_provider() : weft::testing::cheap_provider(),
      (mode & 2) != 0 ? weft::private_network("p", {}, {{1}, {2}}) : weft::open_network("fuzz"));
  const weft::SessionConfig config{.sessions_max = 2,
                                   .pending_max = 3,
                                   .rekey_packets = 8,
                                   .handshakes_per_second = (mode & 4) != 0 ? 1U : 100U};
  for (const char* name : {"a", "b"}) {
    w.give_record(w.add(name, static_cast<std::uint8_t>(name[0]), config));
  }
  if ((mode & 8) != 0) {
    w.send(*w.nodes[0], *w.nodes[1], "x");
    w.settle();
  }
  for (int i = 0; i < 64 && !in.empty(); ++i) {
    step(w, in);
    for (std::size_t n = 0; n < 2; ++n) {
      const auto at = w.nodes[n]->sessions->session_endpoint(w.nodes[1 - n]->id());
      CHECK(!at || *at == w.nodes[1 - n]->at);
    }
  }
  return 0;
}
