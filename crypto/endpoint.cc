#include "crypto/endpoint.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace weft {
namespace {

constexpr ByteArray<12> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Scope scope_v4(const std::uint8_t* ip) {
  if (ip[0] == 0 || ip[0] >= 224) return Scope::kUnusable;
  if (ip[0] == 127) return Scope::kLoopback;
  if (ip[0] == 169 && ip[1] == 254) return Scope::kLinkLocal;
  if (ip[0] == 10) return Scope::kPrivate;
  if (ip[0] == 172 && (ip[1] & 0xf0) == 16) return Scope::kPrivate;
  if (ip[0] == 192 && ip[1] == 168) return Scope::kPrivate;
  if (ip[0] == 100 && (ip[1] & 0xc0) == 64) return Scope::kPrivate;
  return Scope::kGlobal;
}

}  // namespace

Endpoint Endpoint::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d,
                      std::uint16_t port) {
  Endpoint e;
  std::ranges::copy(kV4Prefix, e.ip.begin());
  e.ip[12] = a;
  e.ip[13] = b;
  e.ip[14] = c;
  e.ip[15] = d;
  e.port = port;
  return e;
}

Endpoint Endpoint::v6(const ByteArray<16>& ip, std::uint16_t port) { return {ip, port}; }

bool Endpoint::is_v4() const { return equal(ByteView(ip).first(12), kV4Prefix); }

bool Endpoint::is_unspecified() const {
  const ByteView address = is_v4() ? ByteView(ip).subspan(12) : ByteView(ip);
  return std::ranges::all_of(address, [](std::uint8_t b) { return b == 0; });
}

Scope scope(const Endpoint& endpoint) {
  if (endpoint.port == 0) return Scope::kUnusable;
  if (endpoint.is_v4()) return scope_v4(endpoint.ip.data() + 12);
  const auto& ip = endpoint.ip;
  if (ip[0] == 0xff || endpoint.is_unspecified()) return Scope::kUnusable;
  static constexpr ByteArray<16> kLoopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (ip == kLoopback) return Scope::kLoopback;
  if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) return Scope::kLinkLocal;
  if ((ip[0] & 0xfe) == 0xfc) return Scope::kPrivate;
  return Scope::kGlobal;
}

bool may_be_named_to(const Endpoint& contact, const Endpoint& asker) {
  const Scope from = scope(asker);
  switch (scope(contact)) {
    case Scope::kUnusable:
    case Scope::kLinkLocal:
      return false;
    case Scope::kLoopback:
      return from == Scope::kLoopback;
    case Scope::kPrivate:
      return from == Scope::kPrivate || from == Scope::kLoopback;
    case Scope::kGlobal:
      return true;
  }
  return false;
}

std::uint64_t prefix(const Endpoint& endpoint) {
  const auto& ip = endpoint.ip;
  std::uint64_t value = 0;
  if (endpoint.is_v4()) {
    for (std::size_t i = 12; i < 15; ++i) value = value << 8 | ip[i];
    return value | 1ULL << 56;
  }
  for (std::size_t i = 0; i < 6; ++i) value = value << 8 | ip[i];
  return value;
}

std::string ip_string(const Endpoint& endpoint) {
  char text[INET6_ADDRSTRLEN] = {};
  if (endpoint.is_v4()) {
    inet_ntop(AF_INET, endpoint.ip.data() + 12, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, endpoint.ip.data(), text, sizeof text);
  }
  return text;
}

std::string to_string(const Endpoint& endpoint) {
  const std::string port = std::to_string(endpoint.port);
  if (endpoint.is_v4()) return ip_string(endpoint) + ":" + port;
  return "[" + ip_string(endpoint) + "]:" + port;
}

std::optional<Endpoint> parse_ip(std::string_view ip, std::uint16_t port) {
  if (ip.size() >= 2 && ip.front() == '[' && ip.back() == ']') ip = ip.substr(1, ip.size() - 2);
  const std::string text(ip);
  if (text.size() != std::strlen(text.c_str())) return std::nullopt;
  ByteArray<16> raw{};
  if (inet_pton(AF_INET, text.c_str(), raw.data()) == 1) {
    return Endpoint::v4(raw[0], raw[1], raw[2], raw[3], port);
  }
  if (inet_pton(AF_INET6, text.c_str(), raw.data()) == 1) return Endpoint::v6(raw, port);
  return std::nullopt;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (!bracketed && host.find(':') != std::string_view::npos) return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) {
    return std::nullopt;
  }
  return parse_ip(host, port);
}

std::size_t encode_endpoint(const Endpoint& endpoint, MutableBytes out) {
  const ByteView ip = endpoint.is_v4() ? ByteView(endpoint.ip).subspan(12) : ByteView(endpoint.ip);
  std::ranges::copy(ip, out.begin());
  out[ip.size()] = static_cast<std::uint8_t>(endpoint.port >> 8);
  out[ip.size() + 1] = static_cast<std::uint8_t>(endpoint.port);
  return ip.size() + 2;
}

std::optional<Endpoint> decode_endpoint(ByteView wire) {
  if (wire.size() != 6 && wire.size() != 18) return std::nullopt;
  const auto port = static_cast<std::uint16_t>(wire[wire.size() - 2] << 8 | wire[wire.size() - 1]);
  if (wire.size() == 6) return Endpoint::v4(wire[0], wire[1], wire[2], wire[3], port);
  ByteArray<16> ip;
  std::ranges::copy(wire.first(16), ip.begin());
  const Endpoint endpoint = Endpoint::v6(ip, port);
  if (endpoint.is_v4()) return std::nullopt;  // one address, one spelling
  return endpoint;
}

}  // namespace weft
