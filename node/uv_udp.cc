#include "node/uv_udp.h"

#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "node/uv_handles.h"

namespace weft::node {
namespace {

constexpr int kReceiveBufferBytes = 1 << 20;
constexpr int kFreePortTries = 16;

socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& out) {
  if (endpoint.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.ip.data() + 12, 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::memcpy(&v6.sin6_addr, endpoint.ip.data(), 16);
  return sizeof v6;
}

// Room for the one control message of a datagram: to which address it came, or is to leave from.
constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(in6_pktinfo));
static_assert(kControlBytes >= CMSG_SPACE(sizeof(in_pktinfo)));

// The address that a datagram came to, as the system tells it; nullopt if it does not.
std::optional<SourceTable::Ip> local_of(const msghdr& header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
       c = CMSG_NXTHDR(const_cast<msghdr*>(&header), c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::uint8_t ip[4];
      std::memcpy(ip, &info.ipi_spec_dst, 4);
      return Endpoint::v4(ip[0], ip[1], ip[2], ip[3], 0).ip;
    }
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      SourceTable::Ip ip;
      std::memcpy(ip.data(), &info.ipi6_addr, 16);
      // Such an address means something on one interface only; the system knows which.
      if (scope({ip, 1}) == Scope::kLinkLocal) return std::nullopt;
      return ip;
    }
  }
  return std::nullopt;
}

// Has a datagram leave from `local`.
void set_local(msghdr& header, void* control, const SourceTable::Ip& local, bool v4) {
  header.msg_control = control;
  header.msg_controllen = kControlBytes;
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  if (v4) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, local.data() + 12, 4);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
    header.msg_controllen = CMSG_SPACE(sizeof info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, local.data(), 16);
    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
    header.msg_controllen = CMSG_SPACE(sizeof info);
  }
}

Endpoint from_sockaddr(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    std::uint8_t ip[4];
    std::memcpy(ip, &v4.sin_addr, 4);
    return Endpoint::v4(ip[0], ip[1], ip[2], ip[3], ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  ByteArray<16> ip;
  std::memcpy(ip.data(), &v6.sin6_addr, 16);
  return Endpoint::v6(ip, ntohs(v6.sin6_port));
}

bool is_loopback(const Endpoint& endpoint) {
  Endpoint with_port = endpoint;
  with_port.port = 1;
  return scope(with_port) == Scope::kLoopback;
}

struct Bound {
  Fd fd;
  Endpoint endpoint;
  int error = 0;
};

Bound bind_socket(const Endpoint& listen) {
  const int family = listen.is_v4() ? AF_INET : AF_INET6;
  Bound result;
  result.fd = Fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!result.fd.valid()) {
    result.error = errno;
    return result;
  }
  const int on = 1;
  if (family == AF_INET6) {
    ::setsockopt(result.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  // A burst of a large mesh must survive a short pause of this process. The system may grant less.
  ::setsockopt(result.fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes,
               sizeof kReceiveBufferBytes);
  if (listen.is_unspecified()) {
    // Without it the answers still leave, from the address that the system prefers.
    const bool v4 = family == AF_INET;
    ::setsockopt(result.fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6,
                 v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof on);
  }
  sockaddr_storage address{};
  const socklen_t size = to_sockaddr(listen, address);
  if (::bind(result.fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    result.error = errno;
    return result;
  }
  socklen_t bound_size = sizeof address;
  if (::getsockname(result.fd.get(), reinterpret_cast<sockaddr*>(&address), &bound_size) != 0) {
    result.error = errno;
  }
  result.endpoint = from_sockaddr(address);
  return result;
}

std::string bind_message(const Endpoint& endpoint, int error) {
  const std::string where = "UDP " + to_string(endpoint);
  if (error == EADDRINUSE) {
    return where +
           " is in use by another process; choose another --listen (port 0 takes a free one)";
  }
  if (error == EADDRNOTAVAIL) return where + " is not an address of this machine; see ip address";
  if (error == EACCES) return where + " needs more rights; choose a port above 1023";
  return "cannot listen on " + where + ": " + error_text(error);
}

}  // namespace

// Buffers and headers of one recvmmsg or sendmmsg, set up once.
struct UdpSockets::Slots {
  std::array<ByteArray<kBufferBytes>, kBatch> bytes;
  std::array<sockaddr_storage, kBatch> addresses;
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages;
  struct Control {
    alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> bytes;
  };
  std::array<Control, kBatch> controls;

  // `tells_local`: the system adds to which address each came.
  void prepare_receive(bool tells_local) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts[i] = {bytes[i].data(), bytes[i].size()};
      messages[i] = {};
      messages[i].msg_hdr.msg_name = &addresses[i];
      messages[i].msg_hdr.msg_namelen = sizeof addresses[i];
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      if (!tells_local) continue;
      messages[i].msg_hdr.msg_control = controls[i].bytes.data();
      messages[i].msg_hdr.msg_controllen = controls[i].bytes.size();
    }
  }
  void prepare_send(std::size_t i, const Endpoint& to, ByteView datagram,
                    const std::optional<SourceTable::Ip>& local) {
    // sendmsg() does not write to the bytes; its interface is older than const.
    parts[i] = {const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
    messages[i] = {};
    messages[i].msg_hdr.msg_name = &addresses[i];
    messages[i].msg_hdr.msg_namelen = to_sockaddr(to, addresses[i]);
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    if (local) set_local(messages[i].msg_hdr, controls[i].bytes.data(), *local, to.is_v4());
  }
};

UdpSockets::UdpSockets(uv_loop_s* loop) : loop_(loop), slots_(std::make_unique<Slots>()) {}
UdpSockets::~UdpSockets() { close(); }

void UdpSockets::close() {
  for (Socket& socket : sockets_) socket.poll.reset();  // before its descriptor
  sockets_.clear();
}

std::expected<void, Failure> UdpSockets::open(const std::vector<Endpoint>& listen) {
  CHECK(sockets_.empty());
  // Two addresses with port 0 are to share one number: if the second address has it taken already,
  // another number is tried.
  for (int tries = kFreePortTries;; --tries) {
    std::uint16_t free_port = 0;
    int error = 0;
    Endpoint culprit;
    for (Endpoint wanted : listen) {
      const bool any_port = wanted.port == 0;
      if (any_port) wanted.port = free_port;
      Bound bound = bind_socket(wanted);
      // A machine without IPv6: the default listens on both families and does with one.
      if (bound.error == EAFNOSUPPORT && wanted.is_unspecified() && listen.size() > 1) continue;
      if (bound.error != 0) {
        error = bound.error;
        culprit = wanted;
        if (!any_port || free_port == 0) tries = 0;
        break;
      }
      if (any_port) free_port = bound.endpoint.port;
      sockets_.push_back({bound.endpoint, std::move(bound.fd), nullptr});
    }
    if (error == 0 && !sockets_.empty()) return {};
    sockets_.clear();
    if (error == 0) return failed("no address to listen on; give --listen ADDR:PORT");
    if (tries <= 0) return failed(bind_message(culprit, error));
  }
}

void UdpSockets::start(std::function<void()> on_readable) {
  on_readable_ = std::move(on_readable);
  for (Socket& socket : sockets_) {
    socket.poll = std::make_unique<UvPoll>(loop_, socket.fd.get(), [this](int events) {
      if ((events & UV_WRITABLE) != 0) on_writable();
      if ((events & UV_READABLE) != 0) on_readable_();
    });
  }
  watch(/*writable=*/false);
}

void UdpSockets::watch(bool writable) {
  if (watching_ && watching_writable_ == writable) return;
  watching_ = true;
  watching_writable_ = writable;
  for (Socket& socket : sockets_) {
    socket.poll->start(writable ? UV_READABLE | UV_WRITABLE : UV_READABLE);
  }
}

bool UdpSockets::receive(std::size_t max, const OnDatagram& on_datagram) {
  bool dry = true;
  for (Socket& socket : sockets_) {
    std::size_t left = max;
    for (;;) {
      if (left == 0) {
        dry = false;
        break;
      }
      const std::size_t want = std::min(left, kBatch);
      const bool wildcard = socket.bound.is_unspecified();
      slots_->prepare_receive(wildcard);
      const int got = ::recvmmsg(socket.fd.get(), slots_->messages.data(),
                                 static_cast<unsigned>(want), MSG_DONTWAIT, nullptr);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      // A callback may send, which uses the same slots' headers, so lengths and addresses are taken
      // out before; the bytes are the receiver's alone.
      std::array<std::size_t, kBatch> sizes;
      std::array<Endpoint, kBatch> from;
      for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
        sizes[i] = slots_->messages[i].msg_len;
        from[i] = from_sockaddr(slots_->addresses[i]);
        if (!wildcard) continue;
        if (const auto local = local_of(slots_->messages[i].msg_hdr)) sources_.note(from[i], *local);
      }
      for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
        on_datagram(from[i], ByteView(slots_->bytes[i]).first(sizes[i]));
      }
      left -= static_cast<std::size_t>(got);
      if (static_cast<std::size_t>(got) < want) break;
    }
  }
  return dry;
}

const UdpSockets::Socket* UdpSockets::socket_for(const Endpoint& to) const {
  // The first socket of the family whose reach fits: one bound to a loopback address cannot send
  // elsewhere, and the other way round.
  const Socket* fallback = nullptr;
  const bool local = is_loopback(to);
  for (const Socket& socket : sockets_) {
    if (socket.bound.is_v4() != to.is_v4()) continue;
    if (socket.bound.is_unspecified() || is_loopback(socket.bound) == local) return &socket;
    if (fallback == nullptr) fallback = &socket;
  }
  return fallback;
}

std::optional<Endpoint> UdpSockets::source_for(const Endpoint& to) const {
  const Socket* socket = socket_for(to);
  if (socket == nullptr) return std::nullopt;
  return socket->bound;
}

std::size_t UdpSockets::send_run(const Outbox& box, std::size_t from) {
  const auto& datagrams = box.datagrams();
  const Socket* socket = socket_for(datagrams[from].to);
  if (socket == nullptr) {
    ++failed_total_;
    return 1;
  }
  const bool wildcard = socket->bound.is_unspecified();
  std::size_t count = 0;
  while (count < kBatch && from + count < datagrams.size()) {
    const auto& datagram = datagrams[from + count];
    if (count > 0 && socket_for(datagram.to) != socket) break;
    std::optional<SourceTable::Ip> local;
    if (wildcard) local = sources_.find(datagram.to);
    slots_->prepare_send(count, datagram.to, box.bytes(datagram), local);
    ++count;
  }
  for (;;) {
    const int sent = ::sendmmsg(socket->fd.get(), slots_->messages.data(),
                                static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) return static_cast<std::size_t>(sent);
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return 0;
    if (std::exchange(slots_->messages[0].msg_hdr.msg_control, nullptr) != nullptr) {
      // The address may have gone with its interface: the system chooses another.
      slots_->messages[0].msg_hdr.msg_controllen = 0;
      sources_.forget(datagrams[from].to);
      continue;
    }
    ++failed_total_;  // unreachable, forbidden, too long: this one is lost as any datagram may be
    return 1;
  }
}

void UdpSockets::send(const Outbox& out) {
  if (sockets_.empty()) return;
  std::size_t next = 0;
  // What waits goes first, or datagrams would overtake each other needlessly.
  if (!waiting_.empty()) return queue(out, 0);
  while (next < out.datagrams().size()) {
    const std::size_t sent = send_run(out, next);
    if (sent == 0) return queue(out, next);
    next += sent;
  }
}

void UdpSockets::send(const Endpoint& to, ByteView bytes) {
  if (sockets_.empty()) return;
  if (waiting_.datagrams().size() >= kSendQueueMax) {
    ++dropped_total_;
    return;
  }
  const bool first = waiting_.empty();
  waiting_.send(to, bytes);
  if (first) on_writable();
}

void UdpSockets::queue(const Outbox& out, std::size_t from) {
  const bool first = waiting_.empty();
  for (std::size_t i = from; i < out.datagrams().size(); ++i) {
    if (waiting_.datagrams().size() >= kSendQueueMax) {
      dropped_total_ += out.datagrams().size() - i;
      break;
    }
    waiting_.send(out.datagrams()[i].to, out.bytes(out.datagrams()[i]));
  }
  if (first) watch(/*writable=*/true);
}

void UdpSockets::on_writable() {
  while (waiting_from_ < waiting_.datagrams().size()) {
    const std::size_t sent = send_run(waiting_, waiting_from_);
    if (sent == 0) {
      watch(/*writable=*/true);
      return;
    }
    waiting_from_ += sent;
  }
  waiting_.clear();
  waiting_from_ = 0;
  watch(/*writable=*/false);
}

std::vector<Endpoint> UdpSockets::bound() const {
  std::vector<Endpoint> list;
  for (const Socket& socket : sockets_) list.push_back(socket.bound);
  return list;
}

}  // namespace weft::node
