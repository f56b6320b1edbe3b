#include "tests/bench/peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace weft::bench {
namespace {

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in to_sockaddr(const Endpoint& endpoint) {
  CHECK(endpoint.is_v4());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  std::memcpy(&address.sin_addr, endpoint.ip.data() + 12, 4);
  return address;
}

Endpoint to_endpoint(const sockaddr_in& address) {
  const auto* ip = reinterpret_cast<const std::uint8_t*>(&address.sin_addr);
  return Endpoint::v4(ip[0], ip[1], ip[2], ip[3], ntohs(address.sin_port));
}

std::int64_t nanoseconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

ByteArray<32> fresh_seed() {
  ByteArray<32> seed;
  SystemEntropy().fill(seed);
  return seed;
}

}  // namespace

Now read_clocks() {
  return {Instant(std::chrono::duration_cast<Duration>(
              std::chrono::nanoseconds(nanoseconds(CLOCK_BOOTTIME)))),
          UnixMillis{nanoseconds(CLOCK_REALTIME) / 1'000'000}};
}

Peer::Peer(const std::string& local_ip, const Network& network)
    : network_(network),
      identity_(provider_, fresh_seed()),
      records_(provider_, 16),
      sessions_(identity_, network_, provider_, records_, entropy_, Rng(entropy_.next_u64()), {}) {
  socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) give_up("socket");
  const int room = 1 << 20;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  const auto wanted = parse_ip(local_ip, 0);
  CHECK(wanted.has_value());
  sockaddr_in address = to_sockaddr(*wanted);
  if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) give_up("bind");
  socklen_t length = sizeof address;
  if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    give_up("getsockname");
  }
  local_ = to_endpoint(address);
  RecordFields fields{.number = kPeerNumber, .instance = entropy_.next_u64() >> 11,
                      .network = network_.id, .name = "bench"};
  fields.endpoints.push(local_);
  record_ = make_record(identity_, fields);
  sessions_.set_record(record_);
}

Peer::~Peer() { ::close(socket_); }

bool Peer::meet(const Endpoint& node, Duration within) {
  const Instant deadline = read_clocks().mono + within;
  node_.endpoint = node;
  node_.id = {};
  while (read_clocks().mono < deadline && node_.id == NodeId{}) {
    (void)sessions_.hello(read_clocks(), node, out_);
    flush();
    while (node_.id == NodeId{} && take(200ms)) {
    }
  }
  return node_.id != NodeId{};
}

void Peer::send_payload(ByteView payload) {
  sessions_.send(read_clocks(), {node_.key, node_.id}, node_.endpoint, payload, /*early_ok=*/false, out_);
  flush();
}

void Peer::flush() {
  for (const Outbox::Datagram& d : out_.datagrams()) {
    const ByteView bytes = out_.bytes(d);
    const sockaddr_in to = to_sockaddr(d.to);
    if (::sendto(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                 sizeof to) >= 0) {
      ++traffic_.sent_packets;
      traffic_.sent_bytes += bytes.size();
    }
    if (on_datagram) on_datagram(/*sent=*/true, bytes);
  }
  out_.clear();
}

bool Peer::take(Duration within) {
  const auto due = sessions_.next_deadline();
  if (due && *due <= read_clocks().mono) {
    sessions_.on_deadline(read_clocks(), out_);
    flush();
  }
  pollfd ready{socket_, POLLIN, 0};
  const auto wait_ms = std::chrono::duration_cast<std::chrono::milliseconds>(within).count();
  if (::poll(&ready, 1, static_cast<int>(wait_ms)) <= 0) return false;
  sockaddr_in address{};
  socklen_t length = sizeof address;
  const ssize_t size = ::recvfrom(socket_, datagram_.data(), datagram_.size(), 0,
                                  reinterpret_cast<sockaddr*>(&address), &length);
  if (size < 0) return false;
  const auto bytes = ByteView(datagram_).first(static_cast<std::size_t>(size));
  ++traffic_.received_packets;
  traffic_.received_bytes += bytes.size();
  if (on_datagram) on_datagram(/*sent=*/false, bytes);

  const Sessions::Result result =
      sessions_.on_datagram(read_clocks(), to_endpoint(address), bytes, out_);
  if (result.record && node_.id == NodeId{}) node_ = {result.record->key, result.record->id, node_.endpoint};
  if (result.received) {
    if (result.received->early) sessions_.respond(read_clocks(), {}, out_);
    Reader reader(result.received->payload);
    const node::Head head = node::read_head(reader);
    if (!reader.failed() && node::is_reply(head.kind)) {
      if (on_reply) on_reply(head.kind, head.rpc, reader);
    } else if (!reader.failed() && !result.received->early) {
      answer(head.kind, head.rpc);
    }
  }
  flush();
  return true;
}

void Peer::answer(std::uint8_t kind, std::uint32_t rpc) {
  ByteArray<512> room;
  Writer writer(room);
  switch (kind) {
    case gossip::kPing:
      encode(writer, rpc, gossip::Ack{.number = kPeerNumber, .instance = record_->instance,
                                      .observed = node_.endpoint});
      break;
    case gossip::kPingReq: encode(writer, rpc, gossip::PingReqReply{}); break;
    case gossip::kSync: {
      gossip::SyncPage page;
      while (page.buckets.try_push(0)) {
      }
      encode(writer, rpc, page);
      break;
    }
    case dht::kFindNode: encode(writer, rpc, dht::Nodes{.token = dht::Token{}}); break;
    case dht::kGet: encode(writer, rpc, dht::Values{.token = dht::Token{}}); break;
    case dht::kStore: encode(writer, rpc, dht::Stored{}); break;
    default: return;
  }
  CHECK(writer.ok());
  send_payload(writer.view());
}

}  // namespace weft::bench
