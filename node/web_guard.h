// Who may ask over TCP, and how a page is served there: rules that a node (`weft up --http`) and a testnet share.
//
// Whoever serves a browser on loopback serves every page that is open in it. So a request that came over TCP is refused
// - if its Host is not the address that we listen on, or 127.0.0.1, localhost or [::1] with our port: no name that somebody else resolves
//   to this machine reads anything. /metrics takes any address, as Prometheus may come through a tunnel;
// - if its Origin is not such an address, or the browser says that another site makes it (Sec-Fetch-Site). A link to / or /metrics is
//   followed.
// No CORS header is ever sent, and the page may load and run nothing but itself. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "node/control_types.h"

namespace weft::node {

// Exactly an IP address or `localhost`, with or without a port: what a browser that was led here
// by a foreign name does not send.
bool host_is_local_name(std::string_view host);
// `at`: where we listen, as IP:PORT. Port 80 may be left out of `host`.
bool host_is_ours(std::string_view host, std::string_view at);
// Why a request that came over TCP is not answered; nothing of its method, path or token is judged.
std::optional<ApiError> foreign(const ControlRequest& request);

// A bundled page, in memory that lives as long as the process; empty: weft was built without it.
struct Page {
  std::string_view html;
  std::string_view script_hash;  // of its one script, as a Content-Security-Policy names it
};
// The answer to a request for it.
ControlReply page_reply(const ControlRequest& request, const Page& page);

}  // namespace weft::node
