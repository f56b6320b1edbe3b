// "HOST:PORT" or "ID@HOST:PORT" as a person writes a seed.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "node/node_core.h"

namespace weft::node {

inline constexpr std::size_t kHostBytesMax = 253;  // of a DNS name

struct SeedText {
  std::optional<NodeId> id;
  std::string host;  // a name, or an IP address without brackets
  std::uint16_t port = 0;

  // The endpoint, if the host is an IP address.
  std::optional<Endpoint> literal() const { return parse_ip(host, port); }
};

// The error says what is wrong with the text.
std::expected<SeedText, std::string> parse_seed(std::string_view text);

}  // namespace weft::node
