// Sends a node all kinds of bad datagrams at a fixed rate, for tests/bench/flood.py.
//
//   flood IP:PORT NETWORK RATE SECONDS [SOURCES]
//
// A real handshake first gathers honest packets; then, in turn: random bytes, truncated, oversized,
// replayed, bit-flipped, wrong version, wrong network, reflected (the node's own packets). SOURCES
// sockets (default 4) on addresses 127.0.1.x. Prints one JSON line of what went out and came back.
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/bench/peer.h"

namespace weft::bench {
namespace {

constexpr std::size_t kBatch = 32;
constexpr std::size_t kSamplesMax = 256;
constexpr std::size_t kOversizedMax = 4000;
constexpr std::array kKinds = {"random",       "truncated",     "oversized",     "replayed",
                               "bit_flipped",  "wrong_version", "wrong_network", "reflected"};

struct Samples {
  std::vector<Bytes> honest, reflected, foreign;
};

void keep(std::vector<Bytes>& list, ByteView bytes) {
  if (list.size() < kSamplesMax) list.push_back(to_bytes(bytes));
}

// Honest packets of both directions, and first packets of another network.
bool gather(const Endpoint& node, const Network& network, Samples& samples) {
  Peer peer("127.0.0.1", network);
  peer.on_datagram = [&](bool sent, ByteView bytes) {
    keep(sent ? samples.honest : samples.reflected, bytes);
  };
  if (!peer.meet(node, 5s)) return false;
  for (int i = 0; i < 50; ++i) {
    peer.ask(gossip::Ping{.number = kPeerNumber});
    while (peer.take(10ms)) {
    }
  }
  Peer stranger("127.0.0.1", open_network("another-network"));
  stranger.on_datagram = [&](bool sent, ByteView bytes) {
    if (sent) keep(samples.foreign, bytes);
  };
  (void)stranger.meet(node, 300ms);
  return samples.honest.size() > 2 && samples.reflected.size() > 2 && !samples.foreign.empty();
}

class Flood {
 public:
  Flood(const Samples& samples, const Endpoint& node, int sources)
      : samples_(samples), rng_(SystemEntropy().next_u64()) {
    to_.sin_family = AF_INET;
    to_.sin_port = htons(node.port);
    std::memcpy(&to_.sin_addr, node.ip.data() + 12, 4);
    for (int i = 0; i < sources; ++i) {
      const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      sockaddr_in from{};
      from.sin_family = AF_INET;
      from.sin_addr.s_addr = htonl(0x7f000100U + static_cast<std::uint32_t>(i) + 1);
      if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0) {
        std::perror("flood: socket");
        std::exit(1);
      }
      sockets_.push_back(fd);
    }
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts_[i] = {.iov_base = rooms_[i].data(), .iov_len = 0};
      heads_[i].msg_hdr = {.msg_name = &to_, .msg_namelen = sizeof to_, .msg_iov = &parts_[i],
                           .msg_iovlen = 1, .msg_control = nullptr, .msg_controllen = 0,
                           .msg_flags = 0};
    }
  }
  ~Flood() {
    for (const int fd : sockets_) ::close(fd);
  }

  void send_batch() {
    const int fd = sockets_[batches_++ % sockets_.size()];
    for (std::size_t i = 0; i < kBatch; ++i) parts_[i].iov_len = fill(rooms_[i]);
    const int sent = ::sendmmsg(fd, heads_.data(), kBatch, 0);
    for (int i = 0; i < sent; ++i) {
      ++traffic.sent_packets;
      traffic.sent_bytes += parts_[static_cast<std::size_t>(i)].iov_len;
    }
    if (sent < static_cast<int>(kBatch)) ++short_sends;
    drain(fd);
  }
  void drain_all() {
    for (const int fd : sockets_) drain(fd);
  }

  Traffic traffic;
  std::uint64_t short_sends = 0;
  std::array<std::uint64_t, kKinds.size()> by_kind{};

 private:
  using Room = ByteArray<kOversizedMax>;

  const Bytes& any(const std::vector<Bytes>& list) { return list[rng_.below(list.size())]; }

  std::size_t copy(const Bytes& from, Room& room) {
    std::ranges::copy(from, room.begin());
    return from.size();
  }
  std::size_t random_bytes(Room& room, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; i += 8) store_le(room.data() + std::min(i, room.size() - 8), rng_.next());
    return to;
  }

  std::size_t fill(Room& room) {
    const std::size_t kind = turn_++ % kKinds.size();
    ++by_kind[kind];
    switch (kind) {
      case 0: return random_bytes(room, 0, rng_.below(1201));
      case 1: return rng_.below(copy(any(samples_.honest), room));
      case 2: return random_bytes(room, copy(any(samples_.honest), room), 1201 + rng_.below(2700));
      case 3: return copy(any(samples_.honest), room);
      case 4: {
        const std::size_t size = copy(any(samples_.honest), room);
        room[rng_.below(size)] ^= static_cast<std::uint8_t>(1U << rng_.below(8));
        return size;
      }
      case 5: {
        const std::size_t size = copy(any(samples_.honest), room);
        room[0] = static_cast<std::uint8_t>(room[0] + 1 + rng_.below(255));
        return size;
      }
      case 6: return copy(any(samples_.foreign), room);
      default: return copy(any(samples_.reflected), room);
    }
  }

  void drain(int fd) {
    ByteArray<2048> room;
    for (int i = 0; i < 1024; ++i) {
      const ssize_t size = ::recv(fd, room.data(), room.size(), MSG_DONTWAIT);
      if (size < 0) return;
      ++traffic.received_packets;
      traffic.received_bytes += static_cast<std::uint64_t>(size);
    }
  }

  const Samples& samples_;
  Rng rng_;
  sockaddr_in to_{};
  std::vector<int> sockets_;
  std::vector<Room> rooms_{kBatch};
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> heads_{};
  std::uint64_t turn_ = 0, batches_ = 0;
};

void sleep_until(Instant at) {
  const auto left = at - read_clocks().mono;
  if (left <= 0us) return;
  const timespec t{.tv_sec = left / 1s, .tv_nsec = (left % 1s).count() * 1000};
  nanosleep(&t, nullptr);
}

int run(const Endpoint& node, const Network& network, std::uint64_t rate, std::uint64_t seconds,
        int sources) {
  Samples samples;
  if (!gather(node, network, samples)) {
    std::fprintf(stderr, "flood: no honest packets could be gathered\n");
    return 1;
  }
  Flood flood(samples, node, sources);
  const Instant began = read_clocks().mono;
  const std::uint64_t wanted = rate * seconds;
  for (std::uint64_t sent = 0; sent < wanted; sent += kBatch) {
    sleep_until(began + Duration(sent * 1'000'000 / rate));
    flood.send_batch();
    if (read_clocks().mono - began > std::chrono::seconds(2 * seconds)) break;
  }
  const auto took = read_clocks().mono - began;
  sleep_until(read_clocks().mono + 500ms);
  flood.drain_all();

  std::printf("{\"sent_packets\":%llu,\"sent_bytes\":%llu,\"answered_packets\":%llu,"
              "\"answered_bytes\":%llu,\"short_sends\":%llu,\"elapsed_ms\":%lld,\"kinds\":{",
              static_cast<unsigned long long>(flood.traffic.sent_packets),
              static_cast<unsigned long long>(flood.traffic.sent_bytes),
              static_cast<unsigned long long>(flood.traffic.received_packets),
              static_cast<unsigned long long>(flood.traffic.received_bytes),
              static_cast<unsigned long long>(flood.short_sends),
              static_cast<long long>(took / 1ms));
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    std::printf("%s\"%s\":%llu", i == 0 ? "" : ",", kKinds[i],
                static_cast<unsigned long long>(flood.by_kind[i]));
  }
  std::printf("}}\n");
  return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  const auto node = argc >= 5 ? weft::parse_endpoint(argv[1]) : std::nullopt;
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  if (!node || number(3) == 0 || number(4) == 0 || number(4) > 600 ||
      node->ip[12] != 127) {  // this tool is for the loopback network alone
    std::fprintf(stderr, "usage: flood 127.x.y.z:PORT NETWORK RATE SECONDS [SOURCES]\n");
    return 2;
  }
  const int sources = argc > 5 ? static_cast<int>(number(5)) : 4;
  if (sources < 1 || sources > 200) return 2;
  return weft::bench::run(*node, weft::open_network(argv[2]), number(3), number(4), sources);
}
