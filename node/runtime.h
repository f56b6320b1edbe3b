// `weft up` as a function: home directory, identity, store, sockets, control API and the loop.
//
// The shell around NodeCore. It owns every clock, file and socket; it decides nothing of the
// protocol. Blocks until the node has ended.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crypto/endpoint.h"
#include "node/limits.h"
#include "node/web_guard.h"

namespace weft::node {

struct RuntimeOptions {
  std::string home;                // absolute; created 0700 if missing
  std::vector<Endpoint> listen;    // empty: 0.0.0.0:9338 and [::]:9338; port 0: a free one
  std::vector<std::string> seeds;  // "HOST:PORT" or "ID@HOST:PORT", resolved at each try
  std::string name;                // empty: first 8 digits of the id
  std::map<std::string, std::string> tags;
  std::vector<Endpoint> advertise;
  std::string network = "weft";  // a name; with a '/' in it: a key file
  std::optional<Endpoint> http;  // TCP listener for /metrics, reads and the page
  Page page;                     // of this node, for `GET /` there
  bool faults = false;           // the control API may shape and break links
  bool ephemeral = false;        // keep nothing but the identity
  bool durable = true;           // acknowledge after the commit; false: relaxed
  std::string log_level = "info";
  std::string log_format = "text";  // or json; anything else is text
  Limits limits;  // within the bounds of limits.h
  // weft.toml and WEFT_* as resolved by the CLI: option name -> {value, origin}, for GET
  // /v1/config.
  std::map<std::string, std::pair<std::string, std::string>> effective;
  // Reads [limits], seeds and log level again on SIGHUP, into the options given; false, with the
  // reason on stderr: nothing was changed. nullptr: SIGHUP is ignored.
  std::function<bool(RuntimeOptions&)> reload;
  bool json = false;  // event lines on stdout as JSON (else as text)
  // End the node when this file descriptor reaches end-of-file (the testnet supervisor died).
  int parent_fd = -1;
  // A part of another program (embedded_node.h): signals, stdout, the watchdog, the umask and all else that a
  // process has once is left alone. As the umask is not ours the home must be closed to others.
  bool embedded = false;
  int log_fd = 2;  // where the log's lines go; -1: nowhere
};

// Runs a node until SIGINT/SIGTERM, `leave` over the control API, end-of-file on parent_fd, or a
// failure. Returns the exit status of the process (docs of `weft up`): 0 ended as asked, 1 failed,
// 2 bad input (unreadable key file, foreign home, ...). Says why on stderr in one line.
int run_node(RuntimeOptions options);

}  // namespace weft::node
