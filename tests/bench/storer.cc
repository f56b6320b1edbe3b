// Sends a running node signed values as fast as it acknowledges them, for tests/bench/store_rate.py.
//
//   storer IP:PORT NETWORK COUNT VALUE_BYTES WINDOW
//
// Signs COUNT values of a few authors, then measures how many of their signatures one core checks in a second (as a
// node does, whole values), alone and with all others at it, then sends them, at most WINDOW unanswered at a time. One JSON line at the end. One that stays silent
// for two seconds is counted as lost and not sent again. A write token for all keys comes from a Compare.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <thread>

#include "dht/signed_value.h"
#include "tests/bench/peer.h"

namespace weft::bench {
namespace {

constexpr std::uint32_t kLifetimeS = 3600;
constexpr std::size_t kAuthors = 16;
constexpr std::size_t kChecked = 20'000;
constexpr Duration kSilent = 2s;

struct Value {
  NodeId key;
  Bytes blob;
};

double seconds(Duration time) { return static_cast<double>(time.count()) / 1e6; }

std::vector<Value> sign(Peer& peer, std::size_t count, std::size_t value_bytes) {
  std::deque<Identity> authors;
  for (std::size_t i = 0; i < kAuthors; ++i) {
    ByteArray<32> seed;
    peer.entropy().fill(seed);
    authors.emplace_back(peer.provider(), seed);
  }
  std::vector<Value> values(count);
  Bytes content(value_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    peer.entropy().fill(values[i].key.bytes);
    peer.entropy().fill(content);
    values[i].blob = dht::sign_value(authors[i % kAuthors], {.key = values[i].key, .seq = 1, .lifetime_s = kLifetimeS, .value = content});
  }
  return values;
}

double checks_per_s(const Peer& peer, const std::vector<Value>& values) {
  const std::size_t count = std::min(kChecked, values.size());
  const Instant began = read_clocks().mono;
  std::size_t good = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = dht::decode_value(values[i].blob);
    if (value && dht::verify_value(peer.provider(), values[i].key, *value)) ++good;
  }
  CHECK(good == count);
  return static_cast<double>(count) / seconds(read_clocks().mono - began);
}

std::optional<dht::Token> token_for_all(Peer& peer) {
  std::optional<dht::Token> token;
  peer.on_reply = [&](std::uint8_t kind, std::uint32_t, Reader& reader) {
    dht::Compared reply;
    if (kind == dht::kCompared && !decode(reader, reply)) token = reply.token;
  };
  dht::Compare all;
  all.last.bytes.fill(0xff);
  const ByteArray<8> nothing{};
  all.sums = nothing;
  const Instant deadline = read_clocks().mono + 5s;
  while (!token && read_clocks().mono < deadline) {
    (void)peer.ask(all);
    peer.take(200ms);
  }
  return token;
}

int run(Peer& peer, std::size_t count, std::size_t value_bytes, std::size_t window) {
  const std::vector<Value> values = sign(peer, count, value_bytes);
  const double checked = checks_per_s(peer, values);
  // While values are sent all cores are busy, and two of a machine's may be one.
  std::atomic<bool> over = false;
  std::vector<std::thread> others;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) {
    others.emplace_back([&] {
      while (!over) (void)checks_per_s(peer, {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(500, values.size()))});
    });
  }
  const double checked_busy = checks_per_s(peer, values);
  over = true;
  for (std::thread& other : others) other.join();
  const auto token = token_for_all(peer);
  if (!token) {
    std::fprintf(stderr, "no write token\n");
    return 1;
  }
  std::map<std::uint32_t, Instant> open;
  std::map<unsigned, std::uint64_t> answers;  // by status
  std::vector<std::int64_t> took_us;
  peer.on_reply = [&](std::uint8_t kind, std::uint32_t rpc, Reader& reader) {
    const auto it = open.find(rpc);
    dht::Stored reply;
    if (it == open.end() || kind != dht::kStored || decode(reader, reply)) return;
    took_us.push_back((read_clocks().mono - it->second).count());
    open.erase(it);
    ++answers[static_cast<unsigned>(reply.status)];
  };
  const Instant began = read_clocks().mono;
  std::size_t next = 0;
  std::uint64_t lost = 0;
  while (next < values.size() || !open.empty()) {
    while (next < values.size() && open.size() < window) {
      const Value& value = values[next++];
      open[peer.ask(dht::Store{.key = value.key, .token = *token, .remaining_s = kLifetimeS, .blob = value.blob})] =
          read_clocks().mono;
    }
    if (!peer.take(20ms)) {
      const Instant now = read_clocks().mono;
      lost += static_cast<std::uint64_t>(std::erase_if(open, [&](const auto& o) { return now - o.second > kSilent; }));
    }
  }
  const double elapsed = seconds(read_clocks().mono - began);
  std::ranges::sort(took_us);
  const auto at = [&](std::size_t percent) {
    return took_us.empty() ? 0.0 : static_cast<double>(took_us[(took_us.size() - 1) * percent / 100]) / 1e3;
  };
  std::printf("{\"stored\":%llu,\"stores_per_s\":%.0f,\"checks_per_s\":%.0f,\"checks_per_s_all_busy\":%.0f,\"elapsed_s\":%.2f,\"lost\":%llu,"
              "\"answer_ms_p50\":%.2f,\"answer_ms_p99\":%.2f,\"refused\":{",
              static_cast<unsigned long long>(answers[0]), static_cast<double>(answers[0]) / elapsed, checked, checked_busy, elapsed,
              static_cast<unsigned long long>(lost), at(50), at(99));
  bool first = true;
  for (const auto& [status, number] : answers) {
    if (status == 0) continue;
    std::printf("%s\"%u\":%llu", first ? "" : ",", status, static_cast<unsigned long long>(number));
    first = false;
  }
  std::printf("}}\n");
  return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  const auto node = argc == 6 ? weft::parse_endpoint(argv[1]) : std::nullopt;
  if (!node) {
    std::fprintf(stderr, "usage: storer IP:PORT NETWORK COUNT VALUE_BYTES WINDOW\n");
    return 2;
  }
  weft::bench::Peer peer("127.0.0.1", weft::open_network(argv[2]));
  using std::chrono_literals::operator""s;
  if (!peer.meet(*node, 5s)) {
    std::fprintf(stderr, "nobody answers at %s in network %s\n", argv[1], argv[2]);
    return 1;
  }
  return weft::bench::run(peer, std::strtoull(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10),
                          std::strtoull(argv[5], nullptr, 10));
}
