// Sends exact numbers of requests to one running node, for tests/bench/allocs.py.
//
//   pinger IP:PORT NETWORK
//
// Reads commands from stdin, a line each, and answers each with one JSON line:
//   ping N         N pings without gossip
//   join           one ping that carries our own record: the node takes us for a member
//   gossip N       N pings that carry our record and name an older number: each ack then carries
//                  gossip (our record, which says better); counts the acks that do
//   admit N        tells the node of N members that do not exist, so that it has news to spread
//   news N         N pings; counts the acks that carry such news
//   rtt N          N pings, one each 5 ms or when the last is answered; tells how long the answers took
//   find N         N FindNode requests for random targets
//   get N KEY      N Get requests for a DHT key (64 hex digits)
//   idle MS        only answers what the node asks
// At most kWindow requests are under way; one that stays silent for a second is counted as lost.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include "tests/bench/peer.h"

namespace weft::bench {
namespace {

constexpr std::size_t kWindow = 8;
constexpr std::size_t kRecordsPerPing = 4;

struct Outcome {
  std::uint64_t asked = 0, answered = 0, lost = 0, with_items = 0, items = 0;
};

class Pinger {
 public:
  explicit Pinger(Peer& peer) : peer_(peer), rng_(peer.entropy().next_u64()) {
    peer_.on_reply = [this](std::uint8_t kind, std::uint32_t rpc, Reader& r) { on_reply(kind, rpc, r); };
  }

  template <class Ask>
  Outcome run(std::uint64_t count, Ask ask) {
    outcome_ = {};
    pending_.clear();
    while (outcome_.answered + outcome_.lost < count) {
      while (outcome_.asked < count && pending_.size() < kWindow) {
        pending_[ask()] = read_clocks().mono;
        ++outcome_.asked;
      }
      peer_.take(50ms);
      const Instant now = read_clocks().mono;
      const auto silent = [&](const auto& asked) { return now - asked.second > 1s; };
      outcome_.lost += static_cast<std::uint64_t>(std::erase_if(pending_, silent));
    }
    return outcome_;
  }

  std::uint32_t ping() { return peer_.ask(gossip::Ping{.number = kPeerNumber}); }

  std::uint32_t ping_with_own(std::uint64_t number) {
    gossip::Ping message{.number = number};
    message.items.push({.record = peer_.record()->wire});
    return peer_.ask(message);
  }

  std::uint32_t ping_with(std::size_t first) {
    gossip::Ping message{.number = kPeerNumber};
    for (std::size_t i = 0; i < kRecordsPerPing && !members_.empty(); ++i) {
      message.items.push({.record = members_[(first + i) % members_.size()]->wire});
    }
    return peer_.ask(message);
  }

  std::uint32_t find() {
    dht::FindNode message;
    for (auto& byte : message.target.bytes) byte = static_cast<std::uint8_t>(rng_.below(256));
    return peer_.ask(message);
  }

  // Members with addresses of TEST-NET-1, where nobody can be.
  Outcome admit(std::size_t count, const Network& network) {
    for (std::size_t i = 0; i < count; ++i) {
      ByteArray<32> seed;
      peer_.entropy().fill(seed);
      const Identity identity(peer_.provider(), seed);
      RecordFields fields{.number = 1, .instance = i + 1, .network = network.id, .name = "nobody"};
      fields.endpoints.push(Endpoint::v4(192, 0, 2, static_cast<std::uint8_t>(1 + i % 254), 9338));
      members_.push_back(make_record(identity, fields));
    }
    std::size_t next = 0;
    return run((count + kRecordsPerPing - 1) / kRecordsPerPing,
               [&] { return ping_with((next += kRecordsPerPing) - kRecordsPerPing); });
  }

  void rtt(std::uint64_t count) {
    std::vector<double> took_ms;
    std::uint64_t lost = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      const Instant began = read_clocks().mono;
      outcome_ = {};
      pending_.clear();
      pending_[ping()] = began;
      while (outcome_.answered == 0 && read_clocks().mono - began < 1s) peer_.take(50ms);
      const Duration took = read_clocks().mono - began;
      if (outcome_.answered == 0) ++lost;
      else took_ms.push_back(static_cast<double>(took.count()) / 1e3);
      while (read_clocks().mono - began < 5ms) peer_.take(1ms);
    }
    std::ranges::sort(took_ms);
    const auto at = [&](std::size_t per_mille) {
      return took_ms.empty() ? 0.0 : took_ms[(took_ms.size() - 1) * per_mille / 1000];
    };
    std::printf("{\"command\":\"rtt\",\"answered\":%zu,\"lost\":%llu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
                "\"p999_ms\":%.3f,\"max_ms\":%.3f}\n",
                took_ms.size(), static_cast<unsigned long long>(lost), at(500), at(990), at(999), at(1000));
    std::fflush(stdout);
  }

  void idle(Duration time) {
    const Instant deadline = read_clocks().mono + time;
    while (read_clocks().mono < deadline) peer_.take(20ms);
  }

 private:
  void on_reply(std::uint8_t kind, std::uint32_t rpc, Reader& reader) {
    if (pending_.erase(rpc) == 0) return;
    ++outcome_.answered;
    gossip::Ack ack;
    if (kind == gossip::kAck && !decode(reader, ack)) {
      outcome_.with_items += ack.items.empty() ? 0U : 1U;
      outcome_.items += ack.items.size();
    }
  }

  Peer& peer_;
  Rng rng_;
  Outcome outcome_;
  std::map<std::uint32_t, Instant> pending_;
  std::vector<RecordRef> members_;
};

void print(const char* command, const Outcome& o, Duration took) {
  std::printf("{\"command\":\"%s\",\"asked\":%llu,\"answered\":%llu,\"lost\":%llu,"
              "\"acks_with_items\":%llu,\"items\":%llu,\"elapsed_ms\":%lld}\n",
              command, static_cast<unsigned long long>(o.asked),
              static_cast<unsigned long long>(o.answered), static_cast<unsigned long long>(o.lost),
              static_cast<unsigned long long>(o.with_items),
              static_cast<unsigned long long>(o.items), static_cast<long long>(took.count() / 1000));
  std::fflush(stdout);
}

int serve(Peer& peer, const Network& network) {
  Pinger pinger(peer);
  std::printf("{\"met\":\"%s\"}\n", to_string(peer.node().id).c_str());
  std::fflush(stdout);
  char line[256];
  while (std::fgets(line, sizeof line, stdin)) {
    char command[16] = "", key[80] = "";
    unsigned long long count = 0;
    std::sscanf(line, "%15s %llu %79s", command, &count, key);
    const std::string_view verb = command;
    const Instant began = read_clocks().mono;
    Outcome outcome;
    if (verb == "admit") {
      outcome = pinger.admit(count, network);
    } else if (verb == "ping") {
      outcome = pinger.run(count, [&] { return pinger.ping(); });
    } else if (verb == "join") {
      outcome = pinger.run(1, [&] { return pinger.ping_with_own(kPeerNumber); });
    } else if (verb == "gossip") {
      outcome = pinger.run(count, [&] { return pinger.ping_with_own(kPeerNumber - 1); });
    } else if (verb == "news") {
      outcome = pinger.run(count, [&] { return pinger.ping(); });
    } else if (verb == "find") {
      outcome = pinger.run(count, [&] { return pinger.find(); });
    } else if (verb == "get") {
      const auto raw = array_from_hex<32>(key);
      if (!raw) return 2;
      const dht::Get message{.key = NodeId{*raw}};
      outcome = pinger.run(count, [&] { return peer.ask(message); });
    } else if (verb == "rtt") {
      pinger.rtt(count);
      continue;
    } else if (verb == "idle") {
      pinger.idle(std::chrono::milliseconds(count));
    } else {
      std::fprintf(stderr, "unknown command: %s\n", command);
      return 2;
    }
    print(command, outcome, std::chrono::duration_cast<Duration>(read_clocks().mono - began));
  }
  return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  const auto node = argc == 3 ? weft::parse_endpoint(argv[1]) : std::nullopt;
  if (!node) {
    std::fprintf(stderr, "usage: pinger IP:PORT NETWORK\n");
    return 2;
  }
  const weft::Network network = weft::open_network(argv[2]);
  weft::bench::Peer peer("127.0.0.1", network);
  using std::chrono_literals::operator""s;
  if (!peer.meet(*node, 5s)) {
    std::fprintf(stderr, "nobody answers at %s in network %s\n", argv[1], argv[2]);
    return 1;
  }
  return weft::bench::serve(peer, network);
}
