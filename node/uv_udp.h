// The node's UDP sockets: batches in, batches out, nothing allocated per datagram.
//
// The sockets are the system's own and libuv watches them: uv_udp_t's recvmmsg mode wants 64 KiB of
// buffer a datagram and cannot be read dry before deadlines are judged, which a node that was
// stopped for a while must do. One socket a listen address; IPv6 sockets take IPv6 only. A socket on
// all addresses learns from each datagram to which one it came, and answers leave from that one.
// Loop thread only.
#pragma once

#include <sys/socket.h>

#include <array>
#include <expected>
#include <functional>
#include <memory>
#include <vector>

#include "crypto/endpoint.h"
#include "crypto/outbox.h"
#include "node/failure.h"
#include "node/files.h"
#include "node/source_table.h"

struct uv_loop_s;

namespace weft::node {

// Datagrams that wait for room in the sockets' buffers; the kernel's own buffer comes before them.
inline constexpr std::size_t kSendQueueMax = 256;

class UvPoll;

class UdpSockets {
 public:
  using OnDatagram = std::function<void(const Endpoint& from, ByteView bytes)>;

  explicit UdpSockets(uv_loop_s* loop);
  ~UdpSockets();

  // Binds all or nothing. Port 0 takes one free port for all addresses that asked for it.
  std::expected<void, Failure> open(const std::vector<Endpoint>& listen);
  // `on_readable` is called when a socket has something to read.
  void start(std::function<void()> on_readable);
  void close();

  // Reads at most `max` datagrams; false if there is more to read.
  bool receive(std::size_t max, const OnDatagram& on_datagram);
  void send(const Outbox& out);
  void send(const Endpoint& to, ByteView bytes);

  std::vector<Endpoint> bound() const;
  // From which address a datagram to `to` leaves, as bound; nullopt if no socket fits.
  std::optional<Endpoint> source_for(const Endpoint& to) const;
  std::uint64_t failed_total() const { return failed_total_; }
  std::uint64_t dropped_total() const { return dropped_total_; }

  static constexpr std::size_t kBatch = 16;  // datagrams of one system call

 private:
  // Longer than any datagram of ours, so that a longer one is seen to be too long.
  static constexpr std::size_t kBufferBytes = kDatagramBytesMax + 80;
  struct Socket {
    Endpoint bound;
    Fd fd;
    std::unique_ptr<UvPoll> poll;
  };
  struct Slots;

  const Socket* socket_for(const Endpoint& to) const;
  // Sends datagrams [from, end) of the box; returns how many the sockets took or refused for good.
  std::size_t send_run(const Outbox& box, std::size_t from);
  void queue(const Outbox& out, std::size_t from);
  void on_writable();
  void watch(bool writable);

  uv_loop_s* loop_;
  std::vector<Socket> sockets_;
  std::unique_ptr<Slots> slots_;
  SourceTable sources_;
  Outbox waiting_;
  std::size_t waiting_from_ = 0;
  bool watching_ = false;
  bool watching_writable_ = false;
  std::function<void()> on_readable_;
  std::uint64_t failed_total_ = 0;
  std::uint64_t dropped_total_ = 0;
};

}  // namespace weft::node
