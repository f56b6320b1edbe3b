// Where one testnet lives: the names of its files, and the note it leaves of what it started.
//
//   DIR/lock                 held with flock by the supervisor
//   DIR/supervisor.sock      its control socket (supervisor_protocol.h)
//   DIR/supervisor.log       its own messages when detached
//   DIR/testnet.json         pids and start times, for `down` after the supervisor was killed
//   DIR/n/I                  home of node I, with events.jsonl (stdout) and log (stderr)
//
// Only a directory with our testnet.json is ever cleared.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "node/failure.h"

namespace weft::testnet {

using node::Failure;

struct Layout {
  std::string dir;  // absolute
  std::string lock() const { return dir + "/lock"; }
  std::string socket() const { return dir + "/supervisor.sock"; }
  std::string log() const { return dir + "/supervisor.log"; }
  std::string manifest() const { return dir + "/testnet.json"; }
  std::string nodes() const { return dir + "/n"; }
  std::string home(std::size_t i) const { return dir + "/n/" + std::to_string(i); }
  std::string events(std::size_t i) const { return home(i) + "/events.jsonl"; }
  std::string node_log(std::size_t i) const { return home(i) + "/log"; }
  std::string control(std::size_t i) const { return home(i) + "/control.sock"; }
};

// `flag` (empty: none), else $WEFT_TESTNET, else $XDG_RUNTIME_DIR/weft-testnet, else
// /tmp/weft-testnet-UID. Made absolute. Refused if the socket paths of kNodesMax nodes would not
// fit in a socket address.
std::expected<Layout, Failure> locate(const std::string& flag);

struct ManifestEntry {
  std::int64_t pid = 0;
  std::uint64_t start_time = 0;
};
struct Manifest {
  ManifestEntry supervisor;
  std::vector<ManifestEntry> nodes;
};
// Creates DIR (0700) if missing. Refuses one that others can write.
std::expected<void, Failure> make_directory(const Layout& layout);
// Makes an empty n/, in place of that of an earlier testnet; refuses one that is not ours. The
// caller holds the lock.
std::expected<void, Failure> clear_nodes(const Layout& layout);
bool write_manifest(const Layout& layout, const Manifest& manifest);
std::expected<Manifest, Failure> read_manifest(const Layout& layout);

}  // namespace weft::testnet
