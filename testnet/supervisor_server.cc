#include "testnet/supervisor_server.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace weft::testnet {

void Reply::error(const std::string& code, const std::string& message) {
  const nlohmann::ordered_json value{{"error", {{"code", code}, {"message", message}}}};
  finish(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

SupervisorServer::~SupervisorServer() {
  for (const auto& connection : connections_) ::close(connection->fd);
  close_listener();
}

std::string SupervisorServer::listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return path + " is too long for a socket";
  std::memcpy(address.sun_path, path.data(), path.size());
  ::unlink(path.c_str());
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener_ < 0 ||
      ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, static_cast<int>(kConnectionsMax)) != 0) {
    return "cannot listen on " + path + ": " + strerror(errno);
  }
  path_ = path;
  return {};
}

void SupervisorServer::close_listener() {
  if (listener_ < 0) return;
  ::unlink(path_.c_str());
  ::close(listener_);
  listener_ = -1;
}

void SupervisorServer::add_fds(std::vector<pollfd>& fds) const {
  if (listener_ >= 0 && connections_.size() < kConnectionsMax)
    fds.push_back({listener_, POLLIN, 0});
  for (const auto& connection : connections_) {
    const bool writes = !connection->reply.out_.empty();
    fds.push_back({connection->fd, static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0});
  }
}

bool SupervisorServer::busy() const {
  return std::ranges::any_of(connections_, [](const auto& c) { return c->job != nullptr; });
}

bool SupervisorServer::has_output() const {
  return std::ranges::any_of(connections_, [](const auto& c) { return !c->reply.out_.empty(); });
}

void SupervisorServer::accept_some() {
  while (listener_ >= 0 && connections_.size() < kConnectionsMax) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    auto connection = std::make_unique<Connection>();
    connection->fd = fd;
    connections_.push_back(std::move(connection));
  }
}

void SupervisorServer::read_from(Connection& connection) {
  char buffer[8192];
  while (!connection.gone) {
    const ssize_t n = ::recv(connection.fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      connection.gone = true;  // whoever hangs up wants no answer, and its job ends
      return;
    }
    if (connection.asked) continue;
    connection.in.append(buffer, static_cast<std::size_t>(n));
    const std::size_t end = connection.in.find('\n');
    if (end != std::string::npos) {
      connection.asked = true;
      connection.in.resize(end);
      connection.job = handler_(connection.in, connection.reply);
      connection.in.clear();
    } else if (connection.in.size() > kRequestBytesMax) {
      connection.asked = true;
      connection.reply.error("too_large", "the request is too long");
    }
  }
}

void SupervisorServer::write_to(Connection& connection) {
  std::string& out = connection.reply.out_;
  while (!out.empty() && !connection.gone) {
    const ssize_t n = ::send(connection.fd, out.data(), out.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      connection.gone = true;
      return;
    }
    out.erase(0, static_cast<std::size_t>(n));
  }
  if (connection.reply.finished()) connection.gone = true;
}

void SupervisorServer::advance(MonoTime now) {
  accept_some();
  for (auto& connection : connections_) {
    read_from(*connection);
    if (connection->job && !connection->gone) {
      connection->job->step(now, connection->reply);
      if (connection->reply.finished()) connection->job.reset();
    }
    write_to(*connection);
  }
  for (auto& connection : connections_) {
    if (connection->gone) ::close(connection->fd);
  }
  std::erase_if(connections_, [](const auto& connection) { return connection->gone; });
}

}  // namespace weft::testnet
