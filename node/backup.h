// A home as one file, and a home from such a file.
//
// The file is a SQLite database (application_id kBackupApplicationId): the tables of the store, and
//   home(name, mode, bytes)   the small files of the home: the identity, weft.toml, key files
//   digest(blake2b)           of all their rows, so that a flipped bit is noticed
// so `sqlite3 FILE` shows what is in it. It holds the secret key and is 0600.
//
// Promises:
// - A backup of a running node is one moment of its store: it reads under one snapshot, and the node
//   goes on committing. Either the whole file stands under its name, durable, or nothing does; it
//   replaces no file.
// - A restore takes rows and files only: the tables are made anew, so a schema that somebody put
//   into the file (triggers, views) does nothing. Names with a path in them are refused. Nothing of
//   a home is replaced; the identity is written last, so what a crash leaves is no node yet.
// - A backup is behind its node: what the node signed since may be known to the mesh. The restored
//   node's own number goes on kRestoreNumberStep higher, far beyond what a life uses, and so do the
//   numbers of its values (the own number tells how often it was restored): none is used twice, even if
//   the mesh cannot be asked for the newest one.
// - It cannot know whether the node that was backed up still runs. Two with one key notice each
//   other (kTwin) and say so.
//
// Shell only; blocks on the disk, so it is called by the command line, not by a node's loop.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "crypto/node_id.h"
#include "node/failure.h"

namespace weft::node {

inline constexpr std::int32_t kBackupApplicationId = 0x77656674;  // "weft"
inline constexpr std::size_t kBackupFilesMax = 64;
inline constexpr std::size_t kBackupFileBytesMax = 1 << 20;
// Of one row of either database; a longer one in a stranger's file is an error before it is read.
inline constexpr int kBackupRowBytesMax = 2 << 20;

struct BackupDone {
  NodeId id;
  std::uint64_t bytes = 0;  // of the backup file
};

// Writes the home to `file`. Fails if there is no identity in the home, a file of it is larger than
// kBackupFileBytesMax or there are more than kBackupFilesMax, or `file` exists. Subdirectories are not
// weft's and stay out.
std::expected<BackupDone, Failure> backup_home(const std::string& home, const std::string& file);

// Makes `home` from `file`. Fails if a node runs there, it has an identity or a store, or another file
// of that name with other content; if `file` is damaged, not a backup, or a newer weft's.
std::expected<BackupDone, Failure> restore_home(const std::string& home, const std::string& file);

}  // namespace weft::node
