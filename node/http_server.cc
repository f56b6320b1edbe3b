#include "node/http_server.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "node/uv_handles.h"

namespace weft::node {
namespace {

constexpr std::size_t kQueryMax = 16;
constexpr int kBacklog = 128;  // a unix socket refuses a client beyond it at once
constexpr std::size_t kStreamBlockBytes = 4096;

struct FreeResponse {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};
using Response = std::unique_ptr<MHD_Response, FreeResponse>;

void add_headers(MHD_Response* response, const std::string& content_type) {
  MHD_add_response_header(response, "Content-Type", content_type.c_str());
  MHD_add_response_header(response, "Server", "weft/" WEFT_VERSION);
  MHD_add_response_header(response, "Cache-Control", "no-store");
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
}

std::string header(MHD_Connection* connection, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? "" : value;
}

MHD_Result add_query(void* query, MHD_ValueKind, const char* key, const char* value) {
  auto& map = *static_cast<std::map<std::string, std::string>*>(query);
  if (map.size() < kQueryMax) map[key] = value == nullptr ? "" : value;
  return MHD_YES;
}

bool came_over_tcp(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info == nullptr || info->client_addr == nullptr || info->client_addr->sa_family != AF_UNIX;
}

ControlReply too_large() {
  return to_reply({"too_large", "the body may have " + std::to_string(kBodyBytesMax) + " bytes"});
}

}  // namespace

// From the request's headers until its answer has left. Lives as the connection's context.
struct HttpServer::Request {
  Request(HttpServer& owner, MHD_Connection* from, RequestId number)
      : server(owner), connection(from), id(number) {}

  HttpServer& server;
  MHD_Connection* connection;
  RequestId id;
  ControlRequest request;
  bool dispatched = false;
  bool waiting = false;  // got Later and no answer yet
  bool suspended = false;
  std::optional<ControlReply> reply;
  std::unique_ptr<UvPoll> hang_up;
  // A stream's part.
  std::optional<StreamStart::Kind> stream;
  LogLevel level = LogLevel::kTrace;
  std::string buffer;
  bool ended = false;
  bool dropped = false;
};

struct HttpServer::Callbacks {
  static MHD_Result access(void* self, MHD_Connection* connection, const char* url,
                           const char* method, const char* /*version*/, const char* data,
                           std::size_t* size, void** context);
  static void completed(void* self, MHD_Connection* connection, void** context,
                        MHD_RequestTerminationCode code);
  static void connection(void* self, MHD_Connection* connection, void** /*context*/,
                         MHD_ConnectionNotificationCode code);
  static ssize_t read_stream(void* request, std::uint64_t position, char* to, std::size_t max);
};

MHD_Result HttpServer::Callbacks::access(void* self, MHD_Connection* connection, const char* url,
                                         const char* method, const char*, const char* data,
                                         std::size_t* size, void** context) {
  auto& server = *static_cast<HttpServer*>(self);
  auto* request = static_cast<Request*>(*context);
  if (request == nullptr) {  // the headers have come
    request = new Request(server, connection, RequestId{server.next_id_++});
    *context = request;
    server.requests_[request->id] = request;
    request->request.method = method;
    request->request.path = url;
    request->request.over_tcp = came_over_tcp(connection);
    if (request->request.over_tcp) request->request.at = server.tcp_at_;
    request->request.host = header(connection, "Host");
    request->request.origin = header(connection, "Origin");
    request->request.content_type = header(connection, "Content-Type");
    request->request.token = header(connection, "X-Weft-Token");
    request->request.fetch_site = header(connection, "Sec-Fetch-Site");
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_query,
                              &request->request.query);
    const char* length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    std::uint64_t announced = 0;
    if (length != nullptr) std::from_chars(length, length + std::strlen(length), announced);
    if (announced > kBodyBytesMax) {
      request->dispatched = true;
      request->reply = too_large();
      return static_cast<MHD_Result>(server.send_reply(*request));
    }
    return MHD_YES;
  }
  if (*size > 0) {  // a part of the body
    std::string& body = request->request.body;
    if (body.size() + *size > kBodyBytesMax) return MHD_NO;  // not announced: the connection ends
    body.append(data, *size);
    *size = 0;
    return MHD_YES;
  }
  if (request->reply) return static_cast<MHD_Result>(server.send_reply(*request));
  if (request->dispatched) return MHD_YES;
  return static_cast<MHD_Result>(server.dispatch(*request));
}

void HttpServer::Callbacks::completed(void* self, MHD_Connection*, void** context,
                                      MHD_RequestTerminationCode) {
  auto& server = *static_cast<HttpServer*>(self);
  const std::unique_ptr<Request> request(static_cast<Request*>(*context));
  *context = nullptr;
  if (!request) return;
  server.requests_.erase(request->id);
  if (request->waiting && server.on_gone_) server.on_gone_(request->id);
}

void HttpServer::Callbacks::connection(void* self, MHD_Connection* connection, void**,
                                       MHD_ConnectionNotificationCode code) {
  auto& server = *static_cast<HttpServer*>(self);
  const unsigned tcp = came_over_tcp(connection) ? 1 : 0;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    ++server.connections_;
    server.tcp_connections_ += tcp;
  } else {
    const bool was_full = server.connections_ == kConnectionsMax || server.tcp_is_full();
    --server.connections_;
    server.tcp_connections_ -= tcp;
    if (was_full) server.resume_accepting();
  }
}

ssize_t HttpServer::Callbacks::read_stream(void* context, std::uint64_t, char* to,
                                           std::size_t max) {
  auto& request = *static_cast<Request*>(context);
  if (request.dropped) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (request.buffer.empty()) {
    if (request.ended) return MHD_CONTENT_READER_END_OF_STREAM;
    request.server.suspend(request);
    return 0;
  }
  const std::size_t size = std::min(max, request.buffer.size());
  std::memcpy(to, request.buffer.data(), size);
  request.buffer.erase(0, size);
  return static_cast<ssize_t>(size);
}

HttpServer::HttpServer(uv_loop_s* loop, OnRequest on_request, OnGone on_gone, Bounds bounds)
    : loop_(loop), on_request_(std::move(on_request)), on_gone_(std::move(on_gone)), bounds_(bounds) {}
HttpServer::~HttpServer() { close(); }

std::expected<void, Failure> HttpServer::listen_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  CHECK(path.size() < sizeof address.sun_path);
  std::ranges::copy(path, address.sun_path);
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failed("cannot open a unix socket: " + error_text(errno));
  ::unlink(path.c_str());
  // The mode of the file must never be wider than 0600, so it is not left to a later chmod.
  const mode_t mask = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  ::umask(mask);
  if (bound != 0) return failed("cannot create " + path + ": " + error_text(error));
  unix_path_ = path;
  return add_listener(std::move(fd), /*tcp=*/false);
}

std::expected<Endpoint, Failure> HttpServer::listen_tcp(const Endpoint& endpoint) {
  Endpoint with_port = endpoint;
  with_port.port = endpoint.port == 0 ? 1 : endpoint.port;
  if (scope(with_port) != Scope::kLoopback) {
    return refused("--http listens on loopback only (127.0.0.1:PORT or [::1]:PORT), not on " +
                   to_string(endpoint));
  }
  const bool v4 = endpoint.is_v4();
  Fd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failed("cannot open a TCP socket: " + error_text(errno));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage address{};
  socklen_t size = 0;
  if (v4) {
    auto& to = reinterpret_cast<sockaddr_in&>(address);
    to.sin_family = AF_INET;
    to.sin_port = htons(endpoint.port);
    std::memcpy(&to.sin_addr, endpoint.ip.data() + 12, 4);
    size = sizeof to;
  } else {
    auto& to = reinterpret_cast<sockaddr_in6&>(address);
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(endpoint.port);
    std::memcpy(&to.sin6_addr, endpoint.ip.data(), 16);
    size = sizeof to;
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return failed("cannot listen on http://" + to_string(endpoint) + ": " + error_text(errno) +
                  "; choose another --http (port 0 takes a free one)");
  }
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  with_port.port = ntohs(v4 ? reinterpret_cast<sockaddr_in&>(address).sin_port
                            : reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  tcp_at_ = to_string(with_port);
  if (auto added = add_listener(std::move(fd), /*tcp=*/true); !added) return std::unexpected(added.error());
  return with_port;
}

std::expected<void, Failure> HttpServer::add_listener(Fd fd, bool tcp) {
  if (::listen(fd.get(), kBacklog) != 0) return failed("cannot listen: " + error_text(errno));
  const std::size_t index = listeners_.size();
  auto poll = std::make_unique<UvPoll>(loop_, fd.get(), [this, index](int) { accept_all(index); });
  if (!poll->start(UV_READABLE)) return failed("cannot watch the control socket");
  listeners_.push_back({std::move(fd), std::move(poll), tcp});
  if (!timer_) timer_ = std::make_unique<UvTimer>(loop_, [this] { run(); });
  if (!accept_timer_)
    accept_timer_ = std::make_unique<UvTimer>(loop_, [this] { resume_accepting(); });
  return {};
}

bool HttpServer::start_daemon() {
  if (daemon_ != nullptr) return true;
  daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr,
      &Callbacks::access, this, MHD_OPTION_NOTIFY_COMPLETED, &Callbacks::completed, this,
      MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::connection, this, MHD_OPTION_CONNECTION_LIMIT,
      kConnectionsMax, MHD_OPTION_CONNECTION_TIMEOUT, kClientTimeoutS,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, bounds_.connection_memory, MHD_OPTION_END);
  if (daemon_ == nullptr) return false;
  const auto* info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
  CHECK(info != nullptr);
  poll_ = std::make_unique<UvPoll>(loop_, info->epoll_fd, [this](int) { run(); });
  return poll_->start(UV_READABLE);
}

void HttpServer::accept_all(std::size_t listener) {
  for (;;) {
    if (connections_ >= kConnectionsMax) return pause_accepting(0);
    if (listeners_[listener].tcp && tcp_is_full()) {
      listeners_[listener].poll->stop();
      break;
    }
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = ::accept4(listeners_[listener].fd.get(), reinterpret_cast<sockaddr*>(&address),
                             &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (fd < 0) return pause_accepting(1000);  // out of descriptors: later
    if (!start_daemon()) {
      ::close(fd);
      return pause_accepting(1000);
    }
    // Closes the descriptor itself if it fails.
    MHD_add_connection(daemon_, fd, reinterpret_cast<const sockaddr*>(&address), size);
  }
  run();
}

void HttpServer::pause_accepting(std::uint64_t ms) {
  for (Listener& listener : listeners_) listener.poll->stop();
  if (ms != 0) accept_timer_->start(ms);
}

void HttpServer::resume_accepting() {
  if (finishing_) return;
  for (Listener& listener : listeners_) listener.poll->start(UV_READABLE);
}

void HttpServer::run() {
  if (daemon_ == nullptr) return;
  MHD_run(daemon_);
  arm();
}

void HttpServer::arm() {
  MHD_UNSIGNED_LONG_LONG ms = 0;
  if (MHD_get_timeout(daemon_, &ms) == MHD_YES) {
    timer_->start(ms);
  } else {
    timer_->stop();
  }
}

int HttpServer::dispatch(Request& request) {
  request.dispatched = true;
  request.waiting = true;
  ControlOutcome outcome = on_request_(request.id, request.request);
  if (auto* reply = std::get_if<ControlReply>(&outcome)) request.reply = std::move(*reply);
  if (auto* stream = std::get_if<StreamStart>(&outcome)) {
    return start_stream(request, std::move(*stream));
  }
  // The answer may have come while the request was being handled.
  if (request.reply) return send_reply(request);
  suspend(request);
  return MHD_YES;
}

int HttpServer::send_reply(Request& request) {
  request.waiting = false;
  const ControlReply& reply = *request.reply;
  const bool constant = !reply.constant.empty();
  const std::string_view body = constant ? reply.constant : reply.body;
  const Response response(MHD_create_response_from_buffer(body.size(), const_cast<char*>(body.data()),
                                                          constant ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY));
  if (!response) return MHD_NO;
  add_headers(response.get(), reply.content_type);
  if (!reply.content_policy.empty()) {
    MHD_add_response_header(response.get(), "Content-Security-Policy", reply.content_policy.c_str());
    MHD_add_response_header(response.get(), "Referrer-Policy", "no-referrer");
  }
  return MHD_queue_response(request.connection, static_cast<unsigned>(reply.status),
                            response.get());
}

int HttpServer::start_stream(Request& request, StreamStart stream) {
  request.waiting = false;
  if (stream.follow && request.request.over_tcp && tcp_streams() >= kTcpStreamsMax) {
    request.reply = to_reply({"overloaded", std::to_string(kTcpStreamsMax) + " streams are open"});
    return send_reply(request);
  }
  request.stream = stream.kind;
  request.level = stream.level;
  request.buffer = std::move(stream.first);
  request.ended = !stream.follow || finishing_;
  const Response response(MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, kStreamBlockBytes, &Callbacks::read_stream, &request, nullptr));
  if (!response) return MHD_NO;
  add_headers(response.get(), stream.kind == StreamStart::Kind::kPage ? "text/event-stream" : "application/x-ndjson");
  return MHD_queue_response(request.connection, MHD_HTTP_OK, response.get());
}

void HttpServer::suspend(Request& request) {
  request.suspended = true;
  MHD_suspend_connection(request.connection);
  const auto* info = MHD_get_connection_info(request.connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (info == nullptr) return;
  // A suspended connection is not read, so its end would go unnoticed.
  request.hang_up = std::make_unique<UvPoll>(loop_, info->connect_fd,
                                             [this, id = request.id](int) { on_hang_up(id); });
  request.hang_up->start(UV_DISCONNECT);
}

void HttpServer::wake(Request& request) {
  if (!request.suspended) return;
  request.suspended = false;
  request.hang_up.reset();
  MHD_resume_connection(request.connection);
  // Without threads libmicrohttpd has nobody to wake: its next run takes the connection up.
  timer_->start(0);
}

void HttpServer::on_hang_up(RequestId id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  Request& request = *found->second;
  request.ended = true;
  request.dropped = true;
  if (std::exchange(request.waiting, false)) {
    request.reply = to_reply({"cancelled", "the client has gone"});
    if (on_gone_) on_gone_(id);
  }
  wake(request);
}

void HttpServer::answer(RequestId id, ControlReply reply) {
  const auto found = requests_.find(id);
  if (found == requests_.end() || !found->second->waiting) return;
  found->second->reply = std::move(reply);
  wake(*found->second);
}

void HttpServer::publish(StreamStart::Kind kind, LogLevel level, std::string_view line) {
  for (const auto& [id, request] : requests_) {
    if (request->stream != kind || request->ended || level < request->level) continue;
    if (request->buffer.size() + line.size() + 1 > bounds_.stream_buffer) {
      request->dropped = true;  // reads too slowly
    } else {
      request->buffer += line;
      request->buffer += '\n';
    }
    wake(*request);
  }
}

std::size_t HttpServer::streams(StreamStart::Kind kind) const {
  return static_cast<std::size_t>(std::ranges::count_if(requests_, [kind](const auto& entry) {
    return entry.second->stream == kind && !entry.second->ended;
  }));
}

std::size_t HttpServer::tcp_streams() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(requests_, [](const auto& entry) { return entry.second->stream && entry.second->request.over_tcp && !entry.second->ended; }));
}

void HttpServer::finish() {
  finishing_ = true;
  if (!listeners_.empty()) pause_accepting(0);
  for (const auto& [id, request] : requests_) {
    if (!request->stream) continue;
    request->ended = true;
    wake(*request);
  }
}

void HttpServer::close() {
  on_gone_ = nullptr;
  for (Listener& listener : listeners_) listener.poll.reset();
  listeners_.clear();
  poll_.reset();
  accept_timer_.reset();
  if (daemon_ != nullptr) {
    // libmicrohttpd aborts when it is stopped with suspended connections.
    for (const auto& [id, request] : requests_) {
      request->dropped = true;
      if (!request->reply) request->reply = to_reply({"shutdown", "the node has stopped"});
      wake(*request);
    }
    MHD_stop_daemon(daemon_);
    daemon_ = nullptr;
  }
  timer_.reset();
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
  unix_path_.clear();
}

}  // namespace weft::node
