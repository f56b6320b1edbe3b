// What was said on the command line, as plain values. parse.h makes it; commands.h acts on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/time.h"

namespace weft::cli {

// Exit status of the process (README).
enum Exit : int {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitNoNode = 3,
  kExitNotFound = 4,
  kExitTimedOut = 5,
  kExitConflict = 6,
  kExitInterrupted = 130,
};

struct UpFlags {
  std::vector<std::string> listen{}, join{}, tag{}, advertise{};
  std::optional<std::string> name{}, network{}, http{}, durability{}, config{}, log_level{}, log_format{};
  bool faults = false;
  bool ephemeral = false;
  int parent_fd = -1;  // of the testnet's supervisor
};

struct ValueFlags {
  std::string key;
  std::optional<std::string> value, file, author, to, out, otlp;
  std::optional<Duration> ttl;
  std::optional<Duration> every;                           // watch
  std::optional<std::uint64_t> cas, replicas, quorum, count, paths;
  bool all = false;
  bool trace = false;
};

struct StateFlags {
  std::string name;  // NAMESPACE, NAMESPACE@CREATOR, or a document below one; empty: not given
  std::string value;  // VALUE, ELEMENT
  std::string file;   // import, apply
  std::string node;   // grant, revoke: ID
  std::optional<std::string> path, rights;    // grant
  std::optional<std::uint64_t> entries;       // grant
  std::optional<Duration> expires;            // grant
  std::int64_t amount = 1;
  bool open = false;
  bool owned = false;
  std::optional<std::string> out;             // export
  std::optional<std::uint64_t> from, count;   // watch
};

struct MembersFlags {
  std::optional<std::string> state, name;
  std::vector<std::string> tags;  // K=RE
  bool watch = false;
};

struct LogFlags {
  std::optional<std::string> level, set_level;
  bool follow = false;
};

struct TestnetFlags {
  std::string dir;
  std::size_t nodes = 0;  // up -n, add
  std::size_t index = 0;  // logs, exec
  std::optional<std::uint64_t> seed;
  std::string link;  // SPEC
  std::uint16_t base_port = 0;
  bool spread = false;
  std::string http;
  bool detach = false;
  bool watch = false;
  bool follow = false;
  bool events = false;
  std::string which;
  std::string model = "exponential";
  Duration median_session{};
  std::optional<Duration> duration, heal_after;
  bool one_way = false;
  std::vector<std::string> words;  // exec: everything after --
};

inline constexpr int kComparedMax = 5;

struct SimFlags {
  std::string scenario;               // FILE
  std::optional<std::uint64_t> seed;
  std::optional<std::size_t> nodes;
  std::string report;                 // DIR; empty: none
  std::vector<std::string> compare;   // DIRs of earlier reports, for the page of this one
  std::string log;                    // run: FILE that takes a recording; empty: none
  std::string http;                   // replay: ADDR:PORT that shows a recording; empty: a scenario is run again
  std::optional<double> speed;        // replay of a recording
  std::string seeds;                  // check: A..B
  std::size_t jobs = 0;               // check: processes; 0: one a core
  std::string out;                    // shrink: FILE
  std::size_t node = 0;               // trace
  std::optional<Duration> from, to;   // trace
  bool shuffle = false;
};

struct Args {
  std::string command;  // as written, with its parents: "put", "id export", "testnet kill"
  // Common to all.
  std::optional<std::string> home;
  bool json = false;
  std::optional<Duration> timeout;
  int verbose = 0;

  UpFlags up;
  ValueFlags value;
  StateFlags state;
  MembersFlags members;
  LogFlags log;
  TestnetFlags testnet;
  SimFlags sim;
  std::vector<std::string> words;  // SEEDs of join
  std::string text;                // NODE, FILE, TARGET, SHELL: the one word of a command
  std::size_t count = 0;           // wait --members, ping -c
  bool origin = false;             // config show --origin
};

}  // namespace weft::cli
