// Requests and answers between two processes, as fast as they go: a running node against a bare libuv UDP server, which answers with as many bytes
// and does nothing else. For tests/bench/w4.py.
//
//   w4 echo                                      the bare server; prints its port, ends with stdin
//   w4 bare PORT SECONDS WINDOW REQUEST ANSWER   asks it: REQUEST bytes, answered with ANSWER bytes
//   w4 weft IP:PORT NETWORK SECONDS WINDOW ping|find   asks a node, in a sealed session
//
// At most WINDOW requests are under way; after kSilence without an answer all of them are lost. Prints a line of JSON.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

#include "node/network_file.h"
#include "tests/bench/peer.h"

namespace weft::bench {
namespace {

constexpr Duration kSilence = 200ms;

struct Count {
  std::uint64_t answers = 0, lost = 0;
  Duration took{};
  void print(const Traffic& traffic) const {
    const auto mean = [](std::uint64_t bytes, std::uint64_t packets) { return packets == 0 ? 0.0 : static_cast<double>(bytes) / static_cast<double>(packets); };
    std::printf("{\"answers\":%llu,\"lost\":%llu,\"seconds\":%.6f,\"request_bytes\":%.1f,\"answer_bytes\":%.1f}\n", static_cast<unsigned long long>(answers),
                static_cast<unsigned long long>(lost), static_cast<double>(took.count()) / 1e6, mean(traffic.sent_bytes, traffic.sent_packets),
                mean(traffic.received_bytes, traffic.received_packets));
  }
};

// ---- the bare server

uv_udp_t server;

void on_datagram(uv_udp_t*, ssize_t size, const uv_buf_t* bytes, const sockaddr* from, unsigned) {
  if (size < 2 || from == nullptr) return;
  static char answer[1500];
  std::uint16_t wanted = 0;
  std::memcpy(&wanted, bytes->base, 2);
  uv_buf_t out = uv_buf_init(answer, std::min<unsigned>(wanted, sizeof answer));
  uv_udp_try_send(&server, &out, 1, from);
}

int echo() {
  uv_loop_t* loop = uv_default_loop();
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", 0, &address);
  CHECK(uv_udp_init(loop, &server) == 0 && uv_udp_bind(&server, reinterpret_cast<const sockaddr*>(&address), 0) == 0);
  int length = sizeof address;
  CHECK(uv_udp_getsockname(&server, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  static char room[65536];
  uv_udp_recv_start(&server, [](uv_handle_t*, size_t, uv_buf_t* to) { *to = uv_buf_init(room, sizeof room); }, on_datagram);
  uv_pipe_t in;
  uv_pipe_init(loop, &in, 0);
  uv_pipe_open(&in, 0);
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&in), [](uv_handle_t*, size_t, uv_buf_t* to) { *to = uv_buf_init(room, sizeof room); },
      [](uv_stream_t*, ssize_t size, const uv_buf_t*) {
        if (size < 0) uv_stop(uv_default_loop());
      });
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT) < 0 ? 1 : 0;
}

int ask_bare(int port, Duration span, std::size_t window, std::size_t request, std::size_t answer) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Bytes out(request), in(1500);
  const auto wanted = static_cast<std::uint16_t>(answer);
  std::memcpy(out.data(), &wanted, 2);
  Count count;
  Traffic traffic;
  std::size_t open = 0;
  const Instant began = read_clocks().mono;
  Instant now = began;
  while (now - began < span) {
    for (; open < window; ++open) {
      if (::sendto(socket, out.data(), out.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) break;
      ++traffic.sent_packets;
      traffic.sent_bytes += out.size();
    }
    pollfd ready{socket, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(kSilence / 1ms)) <= 0) {
      count.lost += std::exchange(open, 0);
    } else if (const ssize_t size = ::recvfrom(socket, in.data(), in.size(), 0, nullptr, nullptr); size >= 0) {
      ++count.answers;
      if (open > 0) --open;
      ++traffic.received_packets;
      traffic.received_bytes += static_cast<std::uint64_t>(size);
    }
    now = read_clocks().mono;
  }
  count.took = now - began;
  count.print(traffic);
  return 0;
}

int ask_node(const Endpoint& node, const Network& network, Duration span, std::size_t window, bool find) {
  Peer peer("127.0.0.1", network);
  if (!peer.meet(node, 10s)) return 1;
  Count count;
  std::set<std::uint32_t> open;
  peer.on_reply = [&](std::uint8_t, std::uint32_t rpc, Reader&) {
    if (open.erase(rpc) > 0) ++count.answers;
  };
  const auto ask = [&] { return find ? peer.ask(dht::FindNode{.target = peer.node().id}) : peer.ask(gossip::Ping{.number = kPeerNumber}); };
  // The session is there before the time counts.
  open.insert(ask());
  while (count.answers == 0) {
    if (!peer.take(5s)) return 1;
  }
  count.answers = 0;
  const Traffic before = peer.traffic();
  const Instant began = read_clocks().mono;
  Instant now = began;
  while (now - began < span) {
    while (open.size() < window) open.insert(ask());
    if (!peer.take(kSilence)) {
      count.lost += open.size();
      open.clear();
    }
    now = read_clocks().mono;
  }
  count.took = now - began;
  const Traffic& all = peer.traffic();
  count.print({.sent_packets = all.sent_packets - before.sent_packets,
               .sent_bytes = all.sent_bytes - before.sent_bytes,
               .received_packets = all.received_packets - before.received_packets,
               .received_bytes = all.received_bytes - before.received_bytes});
  return 0;
}

int run(int argc, char** argv) {
  const std::string_view role = argc > 1 ? argv[1] : "";
  const auto number = [&](int i) { return std::strtoul(argv[i], nullptr, 10); };
  const auto seconds = [&](int i) { return Duration(std::chrono::seconds(number(i))); };
  if (role == "echo" && argc == 2) return echo();
  if (role == "bare" && argc == 7) return ask_bare(static_cast<int>(number(2)), seconds(3), number(4), number(5), number(6));
  const auto endpoint = role == "weft" && argc == 7 ? parse_endpoint(argv[2]) : std::nullopt;
  if (!endpoint) {
    std::fprintf(stderr, "usage: w4 echo | bare PORT SECONDS WINDOW REQUEST ANSWER | weft IP:PORT NETWORK SECONDS WINDOW ping|find\n");
    return 2;
  }
  return ask_node(*endpoint, open_network(argv[3]), seconds(4), number(5), std::string_view(argv[6]) == "find");
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) { return weft::bench::run(argc, argv); }
