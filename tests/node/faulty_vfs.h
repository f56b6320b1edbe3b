// A disk that fails at a chosen operation: SQLite's own file system with a shim before it.
//
// Every write, truncation, deletion and sync is counted. At the operation that was chosen the power
// goes (from there on nothing works), or one operation fails with a code. After a power cut
// lose_unsynced() leaves in the files what a disk might: each write that no sync had covered is there
// or not, or torn at a sector. Real syncs are left out, so a test of hundreds of cuts takes seconds.
//
// One at a time, and only one store open in the process; it is SQLite's default while it lives.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace weft::node {

class FaultyVfs {
 public:
  FaultyVfs();
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  // The power goes when operation `at` (from 0) is about to happen.
  void cut_power_at(std::uint64_t at);
  // Operations `at` to `at` + `count` - 1 fail with `code` (SQLITE_IOERR_WRITE, SQLITE_FULL).
  void fail_at(std::uint64_t at, std::uint64_t count, int code);
  // Reads, which are no operations, fail until told otherwise.
  void fail_reads(bool fail);
  std::uint64_t operations() const;
  bool is_off() const;
  // With nobody using the files: takes back a part of what was not synced, chosen by `seed`.
  void lose_unsynced(std::uint64_t seed);

  // ---- for the shim
  struct Change {  // a write, or with `after` empty a truncation to `offset`
    std::int64_t offset = 0;
    Bytes before;  // what lay there, or behind the new end
    Bytes after;
    std::int64_t size_before = 0;
  };
  // SQLITE_OK, or what the operation that comes now shall return.
  int next();
  int now();  // of what changes nothing
  int read();
  void note(const std::string& path, Change change);
  void synced(const std::string& path);

 private:
  mutable std::mutex mutex_;
  std::uint64_t operations_ = 0;
  std::optional<std::uint64_t> cut_at_;
  std::uint64_t fail_from_ = 0;
  std::uint64_t fail_until_ = 0;
  int fail_code_ = SQLITE_OK;
  bool reads_fail_ = false;
  bool off_ = false;
  std::map<std::string, std::vector<Change>> unsynced_;
};

}  // namespace weft::node
