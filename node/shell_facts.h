// What the shell knows and the core does not: for status, health, doctor and metrics. A snapshot.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "node/node_core.h"
#include "node/store.h"

namespace weft::node {

struct ShellFacts {
  std::vector<Endpoint> listen;      // as bound
  std::vector<Endpoint> advertised;  // what the own record is to name
  std::string control;               // path of the socket
  std::string http;                  // "ADDR:PORT", or empty
  std::string network;
  bool network_private = false;
  bool ephemeral = false;
  bool relaxed = false;
  bool faults = false;  // --faults is on
  std::string link;     // SPEC in force
  std::vector<std::string> seeds;
  std::vector<std::string> seeds_unresolved;  // at the last try
  StoreStats store;
  std::string store_health;  // empty: well
  UnixMillis last_seen;      // end of the former life; 0: none
  UnixMillis started_wall;
  std::uint64_t send_failed_total = 0;   // datagrams the system refused
  std::uint64_t send_dropped_total = 0;  // datagrams beyond the queue for a full socket
  std::uint64_t link_dropped_total = 0;  // lost or blocked on purpose
  std::uint64_t late_total = 0;          // the loop came back late
  std::uint64_t log_left_out_total = 0;  // lines beyond the log's limit
  Limits limits;                         // in force
  // Option name -> {value, origin}.
  std::map<std::string, std::pair<std::string, std::string>> effective;
};

// What is wrong now, the worst first; empty if all is well.
std::vector<std::string> health_of(const ShellFacts& facts, const Status& status, Now now);

}  // namespace weft::node
