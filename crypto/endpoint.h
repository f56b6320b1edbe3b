// An IP address and a UDP port as a value, with the questions that the protocol asks of it.
//
// IPv4 is kept v4-mapped (::ffff:a.b.c.d), so one type orders and hashes both families. On the wire
// an endpoint is 6 bytes (IPv4) or 18 bytes (IPv6): the address, then the port, big-endian.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/bytes.h"

namespace weft {

// How far an address can be seen. A contact is named only to askers who could reach it.
enum class Scope : std::uint8_t {
  kUnusable,   // unspecified, multicast, broadcast, documentation of nothing, port 0
  kLoopback,   // 127/8, ::1
  kLinkLocal,  // 169.254/16, fe80::/10
  kPrivate,    // 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7
  kGlobal,
};

struct Endpoint {
  ByteArray<16> ip{};
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
  auto operator<=>(const Endpoint& other) const {
    const auto by_ip = compare_bytes(ip, other.ip);
    return by_ip != 0 ? by_ip : port <=> other.port;
  }

  static Endpoint v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d,
                     std::uint16_t port);
  static Endpoint v6(const ByteArray<16>& ip, std::uint16_t port);
  bool is_v4() const;
  bool is_unspecified() const;  // 0.0.0.0 or ::
};

inline constexpr std::size_t kEndpointWireMax = 18;

Scope scope(const Endpoint& endpoint);
// True if a node whose address is `asker` may be told of `contact`: global addresses to all,
// private ones to private and loopback askers, loopback ones to loopback askers, link-local never.
bool may_be_named_to(const Endpoint& contact, const Endpoint& asker);
// The /24 of an IPv4 or the /48 of an IPv6 address, with a bit that tells the families apart:
// limits per prefix count by it.
std::uint64_t prefix(const Endpoint& endpoint);

// "1.2.3.4:5" or "[::1]:5".
std::string to_string(const Endpoint& endpoint);
// The address alone: "1.2.3.4" or "::1".
std::string ip_string(const Endpoint& endpoint);
// Parses the form that to_string prints; names and missing ports are refused.
std::optional<Endpoint> parse_endpoint(std::string_view text);
// Parses an IP literal, with or without brackets, and gives it the port.
std::optional<Endpoint> parse_ip(std::string_view ip, std::uint16_t port);

// 6 or 18 bytes into `out` (kEndpointWireMax of room); returns how many.
std::size_t encode_endpoint(const Endpoint& endpoint, MutableBytes out);
// Reads 6 or 18 bytes; nullopt for another length or an IPv4 address in IPv6 clothes.
std::optional<Endpoint> decode_endpoint(ByteView wire);

}  // namespace weft
