// What the control API and the HTTP server say to each other. Plain values, no sockets.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "node/log.h"

namespace weft::node {

inline constexpr std::size_t kBodyBytesMax = 64 * 1024;

// One request, from its arrival until its answer has left or its client has gone.
enum class RequestId : std::uint64_t {};

struct ControlRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> query;
  std::string body;
  bool over_tcp = false;  // reads only
  std::string host;       // Host header, checked over TCP
  // Further headers, empty without them: Origin, Content-Type, X-Weft-Token, Sec-Fetch-Site.
  std::string origin = {}, content_type = {}, token = {}, fetch_site = {};
  std::string at = {};  // over TCP: where we listen, as IP:PORT
};

struct ControlReply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string content_policy = {};  // Content-Security-Policy of a page; empty: none
  // In place of `body` if it is not empty: lives as long as the process, and is sent from where it is.
  std::string_view constant = {};
};
// The answer comes later, through ControlApi::take_answers().
struct Later {};
// JSON lines until the client goes away; of a page, server-sent events.
struct StreamStart {
  enum class Kind : std::uint8_t { kEvents, kLog, kPage } kind = Kind::kEvents;
  std::string first;                  // lines to begin with
  LogLevel level = LogLevel::kTrace;  // of a log
  bool follow = true;                 // false: ends after `first`
};
using ControlOutcome = std::variant<ControlReply, Later, StreamStart>;

// Codes of docs/CONTROL.md.
struct ApiError {
  std::string code;
  std::string message;
  // Further fields: name and JSON value.
  std::vector<std::pair<std::string, std::string>> extra = {};
};
inline ApiError bad_request(std::string message) { return {"bad_request", std::move(message)}; }

// {"error":{"code","message",...}} with the HTTP status of its code.
ControlReply to_reply(const ApiError& error);

}  // namespace weft::node
