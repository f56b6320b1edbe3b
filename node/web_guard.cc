#include "node/web_guard.h"

#include <algorithm>
#include <array>

#include "crypto/endpoint.h"
#include "node/control_fields.h"

namespace weft::node {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttpPort = ":80";

}  // namespace

bool host_is_local_name(std::string_view host) {
  if (host.empty()) return false;
  std::string_view name = host;
  const std::size_t colon = host.rfind(':');
  const bool bracketed = host.front() == '[';
  if (colon != std::string_view::npos && !(bracketed && host.back() == ']')) {
    const std::string_view port = host.substr(colon + 1);
    const bool digits = !port.empty() && port.size() <= 5 &&
                        std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) return false;
    name = host.substr(0, colon);
  }
  if (lower(name) == "localhost") return true;
  const bool ipv6 = name.find(':') != std::string_view::npos;
  if (ipv6 != (name.size() > 2 && name.front() == '[' && name.back() == ']')) return false;
  return parse_ip(name, 1).has_value();
}

bool host_is_ours(std::string_view host, std::string_view at) {
  const std::size_t colon = at.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view port = at.substr(colon);
  return std::ranges::any_of(std::array<std::string_view, 4>{"127.0.0.1", "localhost", "[::1]", at.substr(0, colon)}, [&](std::string_view name) {
    return host == std::string(name) + std::string(port) || (port == kHttpPort && host == name);
  });
}

std::optional<ApiError> foreign(const ControlRequest& request) {
  if (!(request.path == "/metrics" ? host_is_local_name(request.host) : host_is_ours(request.host, request.at))) {
    return ApiError{"forbidden", "the Host header must be this address"};
  }
  // Even what may only be read has effects: a stream is held, a testnet asks all of its nodes.
  const bool open_to_links = request.path == "/" || request.path == "/metrics";
  if (!open_to_links && (request.fetch_site == "cross-site" || request.fetch_site == "same-site")) return ApiError{"forbidden", "of another page"};
  if (!request.origin.empty() &&
      !(request.origin.starts_with(kHttp) && host_is_ours(std::string_view(request.origin).substr(kHttp.size()), request.at))) {
    return ApiError{"forbidden", "of another page"};
  }
  return std::nullopt;
}

ControlReply page_reply(const ControlRequest& request, const Page& page) {
  if (request.method != "GET") return to_reply(bad_request("/ is for GET"));
  if (page.html.empty()) return to_reply({"not_found", "weft was built without npm, so the page is missing; see docs/DASHBOARD.md"});
  ControlReply reply{200, {}, "text/html; charset=utf-8"};
  reply.constant = page.html;
  reply.content_policy = "default-src 'none'; script-src '" + std::string(page.script_hash) +
                         "'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                         "frame-ancestors 'none'";
  return reply;
}

}  // namespace weft::node
