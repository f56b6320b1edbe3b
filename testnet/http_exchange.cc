#include "testnet/http_exchange.h"

#include <http_parser.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "node/home.h"

namespace weft::testnet {

// What the parser's callbacks write to. They see only this.
struct HttpExchange::Parser {
  http_parser parser{};
  http_parser_settings settings{};
  HttpResponse* response = nullptr;
  std::function<bool(std::string_view)>* on_body = nullptr;
  std::string field;
  bool value_seen = false;
  std::size_t head_bytes = 0;
  bool head_done = false;
  bool complete = false;
  bool stopped = false;  // the receiver wants no more
  bool too_large = false;
};

namespace {

bool is_server_field(std::string_view field) {
  return field.size() == 6 && strncasecmp(field.data(), "server", 6) == 0;
}

}  // namespace

HttpExchange::HttpExchange(std::string socket_path, HttpRequest request,
                           std::function<bool(std::string_view)> on_body)
    : path_(std::move(socket_path)),
      on_body_(std::move(on_body)),
      parser_(std::make_unique<Parser>()) {
  out_ = request.method + " " + request.target + " HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n";
  if (request.method == "POST") {
    out_ +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(request.body.size()) +
        "\r\n";
  }
  out_ += "\r\n";
  if (request.method == "POST") out_ += request.body;

  Parser& p = *parser_;
  http_parser_init(&p.parser, HTTP_RESPONSE);
  http_parser_settings_init(&p.settings);
  p.parser.data = &p;
  p.response = &response_;
  if (on_body_) p.on_body = &on_body_;
  p.settings.on_header_field = [](http_parser* raw, const char* at, std::size_t n) {
    auto& self = *static_cast<Parser*>(raw->data);
    if (self.value_seen) self.field.clear();
    self.value_seen = false;
    if (self.field.size() < 64) self.field.append(at, n);
    return 0;
  };
  p.settings.on_header_value = [](http_parser* raw, const char* at, std::size_t n) {
    auto& self = *static_cast<Parser*>(raw->data);
    self.value_seen = true;
    if (is_server_field(self.field) && self.response->server.size() + n <= 128) {
      self.response->server.append(at, n);
    }
    return 0;
  };
  p.settings.on_headers_complete = [](http_parser* raw) {
    auto& self = *static_cast<Parser*>(raw->data);
    self.head_done = true;
    self.response->status = static_cast<int>(raw->status_code);
    return 0;
  };
  p.settings.on_body = [](http_parser* raw, const char* at, std::size_t n) {
    auto& self = *static_cast<Parser*>(raw->data);
    if (self.on_body != nullptr && self.response->status == 200) {
      self.stopped = !(*self.on_body)({at, n});
      return self.stopped ? 1 : 0;
    }
    if (self.response->body.size() + n > kBodyBytesMax) {
      self.too_large = true;
      return 1;
    }
    self.response->body.append(at, n);
    return 0;
  };
  p.settings.on_message_complete = [](http_parser* raw) {
    static_cast<Parser*>(raw->data)->complete = true;
    return 0;
  };
}

HttpExchange::~HttpExchange() { close(); }

void HttpExchange::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

ExchangeState HttpExchange::fail(ExchangeState state, std::string trouble) {
  close();
  trouble_ = std::move(trouble);
  return state_ = state;
}

ExchangeState HttpExchange::start() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() > node::kSocketPathBytesMax) {
    return fail(ExchangeState::kBroken, "the socket path " + path_ + " is longer than " +
                                            std::to_string(node::kSocketPathBytesMax) + " bytes");
  }
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (fd_ < 0) fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return fail(ExchangeState::kBroken, std::string("no socket: ") + strerror(errno));
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    state_ = ExchangeState::kWaiting;
    return send_some();
  }
  // A unix socket connects at once or, with a full queue, not yet.
  if (errno == EAGAIN || errno == EINTR) return state_ = ExchangeState::kBusy;
  if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
    return fail(ExchangeState::kNoNode, strerror(errno));
  }
  return fail(ExchangeState::kBroken, "cannot connect to " + path_ + ": " + strerror(errno));
}

short HttpExchange::events() const {
  return static_cast<short>(sent_ < out_.size() ? POLLIN | POLLOUT : POLLIN);
}

ExchangeState HttpExchange::on_ready() {
  if (state_ != ExchangeState::kWaiting) return state_;
  if (sent_ < out_.size() && send_some() != ExchangeState::kWaiting) return state_;
  return receive_some();
}

ExchangeState HttpExchange::send_some() {
  while (sent_ < out_.size()) {
    const ssize_t n = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    // A server may answer and hang up before it has read everything: look at the answer first.
    if (n < 0) {
      sent_ = out_.size();
      break;
    }
    sent_ += static_cast<std::size_t>(n);
  }
  return state_;
}

ExchangeState HttpExchange::receive_some() {
  Parser& p = *parser_;
  char buffer[16384];
  while (true) {
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return state_;
    if (n < 0) return fail(ExchangeState::kBroken, "the node hung up");
    const auto length = static_cast<std::size_t>(n);
    if (!p.head_done && (p.head_bytes += length) > kHeadBytesMax + sizeof buffer) {
      return fail(ExchangeState::kBroken, "the head of the answer is too long");
    }
    // Zero bytes tell the parser that the connection ended.
    const std::size_t used = http_parser_execute(&p.parser, &p.settings, buffer, length);
    if (p.complete || p.stopped) {
      close();
      return state_ = ExchangeState::kDone;
    }
    if (p.too_large) {
      return fail(ExchangeState::kBroken,
                  "the answer is larger than " + std::to_string(kBodyBytesMax >> 20) + " MiB");
    }
    if (n == 0) return fail(ExchangeState::kBroken, "the node hung up before it had answered");
    if (used != length || HTTP_PARSER_ERRNO(&p.parser) != HPE_OK) {
      return fail(ExchangeState::kBroken, "the answer is no HTTP");
    }
  }
}

std::string encode_query(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '_' || byte == '.' ||
                       byte == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace weft::testnet
