// The home directory of a node: its identity, its lock, and where its other files lie.
//
//   identity        the secret key, 0600; made on the first start
//   lock            held with flock while a node runs; holds its pid; its modification time is the
//                   last minute in which the node is known to have run
//   weft.db         the durable rows (store_sqlite.h)
//   control.sock    the control API (docs/CONTROL.md)
//
// Promises: two nodes never use one home; the identity is written completely or not at all and
// never changes by itself; a secret that others can read is refused, with the command that mends
// it.
#pragma once

#include <string>

#include "crypto/bytes.h"
#include "crypto/node_id.h"
#include "crypto/time.h"
#include "node/files.h"

namespace weft::node {

using IdentitySeed = ByteArray<32>;

// sizeof(sockaddr_un::sun_path) less the terminating zero.
inline constexpr std::size_t kSocketPathBytesMax = 107;

std::string identity_path(const std::string& home);
std::string store_path(const std::string& home);
// Where weft kept it up to schema version 1 (move_old_store).
std::string old_store_path(const std::string& home);
std::string control_path(const std::string& home);
std::string lock_path(const std::string& home);

// The id of the node with that secret.
NodeId id_of(const IdentitySeed& seed);

// ---- the identity file: "weft-identity-1", "seed HEX", "id HEX", a line each
std::string format_identity(const IdentitySeed& seed);
// `where` names the file in messages. The id must be the seed's: a damaged digit is noticed.
std::expected<IdentitySeed, Failure> parse_identity(std::string_view text,
                                                    const std::string& where);
std::expected<IdentitySeed, Failure> read_identity(const std::string& path);
// `weft id export FILE`: refuses to replace a file.
std::expected<void, Failure> export_identity(const std::string& home, const std::string& to);
// `weft id import FILE`: creates the home if missing; refuses to replace an identity, and a home in
// use.
std::expected<void, Failure> import_identity(const std::string& home, const std::string& from);

// An open home: exists, is ours, is locked until this object goes.
class Home {
 public:
  // Creates the directory (0700, with its parents) if it is missing, and takes the lock.
  static std::expected<Home, Failure> open(const std::string& directory);

  const std::string& directory() const { return directory_; }
  // Nobody else may look into it, whatever the modes of the files.
  bool is_closed() const;
  // Reads the identity, or makes one from `fresh` (random bytes of the caller).
  std::expected<IdentitySeed, Failure> load_or_create_identity(const IdentitySeed& fresh);
  // When an earlier life was last known to run; 0 if never.
  UnixMillis last_seen() const { return last_seen_; }
  // Notes that the node runs at `wall`: no sync, a crash of the machine may lose it.
  void touch(UnixMillis wall);

 private:
  Home(std::string directory, Fd lock, UnixMillis last_seen)
      : directory_(std::move(directory)), lock_(std::move(lock)), last_seen_(last_seen) {}

  std::string directory_;
  Fd lock_;
  UnixMillis last_seen_;
};

}  // namespace weft::node
