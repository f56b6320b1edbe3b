#include "node/seed_text.h"

#include <algorithm>
#include <charconv>

namespace weft::node {
namespace {

bool host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

}  // namespace

std::expected<SeedText, std::string> parse_seed(std::string_view text) {
  // Only the first part is repeated to the user: an argument may be anything.
  const auto bad = [whole = text](std::string_view why) {
    return std::unexpected("\"" + std::string(whole.substr(0, 100)) + "\" is not a seed: " +
                           std::string(why) + " (HOST:PORT or ID@HOST:PORT)");
  };
  SeedText seed;
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    const auto id = array_from_hex<32>(text.substr(0, at));
    if (!id) return bad("before the @ goes a node id of 64 hex digits");
    seed.id = NodeId{*id};
    text = text.substr(at + 1);
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad("the port is missing");
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), seed.port);
  if (error != std::errc() || end != digits.data() + digits.size() || seed.port == 0) {
    return bad("the port must be a number from 1 to 65535");
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed ? !parse_ip(host, 1) : !std::ranges::all_of(host, host_character)) {
    return bad("the host is neither a name nor an address (IPv6 in brackets)");
  }
  if (host.empty() || host.size() > kHostBytesMax) return bad("the host is missing or too long");
  seed.host = std::string(host);
  return seed;
}

}  // namespace weft::node
