#include "node/backup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "crypto/bytes.h"
#include "node/home.h"
#include "node/sqlite_handles.h"
#include "node/store_rows.h"
#include "node/store_sqlite.h"
#include "node/store_tables.h"

namespace weft::node {
namespace {

constexpr int kBusyMs = 5000;

struct HomeFile {
  std::string name;
  std::uint32_t mode = 0600;
  std::string bytes;
};

std::unexpected<Failure> cannot(const std::string& what, sqlite3* db) {
  return failed("cannot " + what + ": " + (db == nullptr ? "out of memory" : reason_of(db)));
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// Files of a home that are not kept as files: the store goes row by row, the lock and what a crash
// left behind belong to one life.
bool is_left_out(std::string_view name) {
  return name == "lock" || name.starts_with("weft.db") || name.starts_with("store.db") ||
         name.ends_with(".new");
}

bool is_plain(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         std::ranges::none_of(name, [](char c) { return c == '/' || static_cast<unsigned char>(c) < 32; });
}

std::expected<std::vector<HomeFile>, Failure> read_files(const std::string& home) {
  struct Close {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };
  const std::unique_ptr<DIR, Close> directory(::opendir(home.c_str()));
  if (!directory) return failed("cannot read " + home + ": " + error_text(errno));
  std::vector<HomeFile> files;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    const std::string path = home + "/" + name;
    struct stat info {};
    if (is_left_out(name) || ::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (!is_plain(name)) return refused(home + " has a file with a name that is no text; move it away");
    if (files.size() == kBackupFilesMax) {
      return refused(home + " has more than " + std::to_string(kBackupFilesMax) +
                     " files; move away what is not weft's");
    }
    auto bytes = read_small_file(path, kBackupFileBytesMax, /*secret=*/false);
    if (!bytes) return std::unexpected(bytes.error());
    files.push_back({name, info.st_mode & 0777U, std::move(*bytes)});
  }
  std::ranges::sort(files, {}, &HomeFile::name);
  return files;
}

std::expected<Db, Failure> open_db(const std::string& path, int flags) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Db db(raw);
  if (opened != SQLITE_OK) return cannot("open " + path, raw);
  sqlite3_busy_timeout(raw, kBusyMs);
  // The file may be a stranger's.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_limit(raw, SQLITE_LIMIT_LENGTH, kBackupRowBytesMax);
  return db;
}

std::expected<void, Failure> check_schema(sqlite3* db, const std::string& path) {
  const auto version = read_number(db, "PRAGMA user_version");
  if (!version) return cannot("read " + path, db);
  if (*version > kStoreSchemaVersion) {
    return refused(path + " was written by a newer weft (schema " + std::to_string(*version) +
                   ", this one knows " + std::to_string(kStoreSchemaVersion) + "); use that version");
  }
  return {};
}

// Tables, not views that a stranger may have put in their place.
bool has_store(sqlite3* db) {
  const auto has_tables = [db](const std::string& names, std::int64_t count) {
    const std::string sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN (" + names + ")";
    return read_number(db, sql.c_str()) == count;
  };
  if (has_tables("'kv', 'life'", 2)) return true;
  if (!has_tables("'held', 'own', 'members', 'contacts', 'life', 'other'", 6)) return false;
  return read_number(db, "PRAGMA user_version") < 4 || has_tables("'spaces', 'entries'", 2);
}

// BLAKE2b-256 over every row that a restore takes, each column with its length, in the order in which the
// tables lie: an index has copies of its own. nullopt: unreadable.
std::optional<Bytes> digest_of(sqlite3* db) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, crypto_generichash_BYTES);
  const auto add = [&](const char* sql) {
    const Statement all = prepare(db, sql);
    if (!all) return false;
    int step = 0;
    while ((step = sqlite3_step(all.get())) == SQLITE_ROW) {
      for (int column = 0; column < sqlite3_column_count(all.get()); ++column) {
        const Bytes bytes = column_bytes(all.get(), column);
        ByteArray<8> length;
        store_le<std::uint64_t>(length.data(), bytes.size());
        crypto_generichash_update(&state, length.data(), length.size());
        crypto_generichash_update(&state, bytes.data(), bytes.size());
      }
    }
    return step == SQLITE_DONE;
  };
  const auto version = read_number(db, "PRAGMA user_version");
  if (!version) return std::nullopt;
  if (has_store(db) && !std::ranges::all_of(table_selects(*version), add)) return std::nullopt;
  if (!add("SELECT name, mode, bytes FROM home ORDER BY rowid")) return std::nullopt;
  Bytes digest(crypto_generichash_BYTES);
  crypto_generichash_final(&state, digest.data(), digest.size());
  return digest;
}

// The store of `home` at one moment, into the empty file `to`. A home may have no store yet.
std::expected<void, Failure> copy_store(const std::string& home, const std::string& to) {
  // An older weft's, if no newer one has run here.
  const std::string path = exists(store_path(home)) ? store_path(home) : old_store_path(home);
  if (!exists(path)) return {};
  auto db = open_db(path, SQLITE_OPEN_READONLY);
  if (!db) return std::unexpected(db.error());
  if (auto checked = check_schema(db->get(), path); !checked) return checked;
  const Statement copy = prepare(db->get(), "VACUUM INTO ?1");
  if (!copy || sqlite3_bind_text(copy.get(), 1, to.c_str(), -1, SQLITE_STATIC) != SQLITE_OK ||
      !step_done(copy.get())) {
    return cannot("copy " + path + " to " + to, db->get());
  }
  return {};
}

std::expected<void, Failure> add_files(const std::string& to, const std::vector<HomeFile>& files) {
  auto db = open_db(to, SQLITE_OPEN_READWRITE);
  if (!db) return std::unexpected(db.error());
  if (!run(db->get(), "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL")) {
    return cannot("write " + to, db->get());
  }
  if (has_store(db->get()) && read_number(db->get(), "PRAGMA user_version") < kStoreSchemaVersion &&
      !upgrade_tables(db->get())) {
    return cannot("write " + to, db->get());
  }
  const std::string begin =
      "BEGIN;"
      "PRAGMA application_id = " + std::to_string(kBackupApplicationId) + ";"
      "PRAGMA user_version = " + std::to_string(kStoreSchemaVersion) + ";"
      "CREATE TABLE home(name TEXT PRIMARY KEY, mode INTEGER NOT NULL, bytes BLOB NOT NULL);"
      "CREATE TABLE digest(blake2b BLOB NOT NULL)";
  if (!run(db->get(), begin.c_str())) return cannot("write " + to, db->get());
  const Statement insert = prepare(db->get(), "INSERT INTO home VALUES(?1, ?2, ?3)");
  if (!insert) return cannot("write " + to, db->get());
  for (const HomeFile& file : files) {
    if (!step_with(insert, std::string_view(file.name), std::int64_t{file.mode}, as_bytes(file.bytes))) {
      return cannot("write " + to, db->get());
    }
  }
  const auto digest = digest_of(db->get());
  const Statement keep = prepare(db->get(), "INSERT INTO digest VALUES(?1)");
  if (!digest || !keep || !step_with(keep, ByteView(*digest)) || !run(db->get(), "COMMIT")) {
    return cannot("write " + to, db->get());
  }
  return {};
}

std::expected<std::uint64_t, Failure> put_in_place(const std::string& from, const std::string& to) {
  struct stat info {};
  if (::stat(from.c_str(), &info) != 0) return failed("cannot look at " + from + ": " + error_text(errno));
  // link() refuses to replace a file.
  if (::link(from.c_str(), to.c_str()) != 0) {
    if (errno == EEXIST) return refused(to + " exists; choose another name or remove it first");
    return failed("cannot put " + to + " in place: " + error_text(errno));
  }
  ::unlink(from.c_str());
  if (!sync_directory(parent_of(to))) {
    return failed("cannot sync the directory of " + to + ": " + error_text(errno));
  }
  return static_cast<std::uint64_t>(info.st_size);
}

// Takes away what is half made, unless it was put in place.
struct Part {
  explicit Part(std::string at) : path(std::move(at)) { clear(); }
  ~Part() { clear(); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  void clear() const {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((path + suffix).c_str());
  }
  const std::string path;
};

// ---- restore

std::expected<std::vector<HomeFile>, Failure> files_in(sqlite3* db, const std::string& path) {
  const Statement all = prepare(db, "SELECT name, mode, bytes FROM home ORDER BY rowid");
  if (!all) return cannot("read " + path, db);
  std::vector<HomeFile> files;
  int state = 0;
  while ((state = sqlite3_step(all.get())) == SQLITE_ROW) {
    HomeFile file;
    const auto* name = reinterpret_cast<const char*>(sqlite3_column_text(all.get(), 0));
    file.name = name == nullptr ? "" : name;
    file.mode = static_cast<std::uint32_t>(sqlite3_column_int64(all.get(), 1)) & 0755U;
    const Bytes bytes = column_bytes(all.get(), 2);
    file.bytes = as_text(bytes);
    if (!is_plain(file.name) || is_left_out(file.name) || file.bytes.size() > kBackupFileBytesMax ||
        files.size() == kBackupFilesMax) {
      return refused(path + " holds a file that no backup of weft has; nothing was restored");
    }
    files.push_back(std::move(file));
  }
  if (state != SQLITE_DONE) return cannot("read " + path, db);
  return files;
}

std::expected<void, Failure> check_backup(sqlite3* db, const std::string& path) {
  const auto application = read_number(db, "PRAGMA application_id");
  if (!application || *application != kBackupApplicationId) {
    return refused(path + " is not a backup of weft" +
                   (application ? "" : " (" + reason_of(db) + ")"));
  }
  if (auto checked = check_schema(db, path); !checked) return checked;
  const Statement kept = prepare(db, "SELECT blake2b FROM digest");
  const auto digest = digest_of(db);
  if (!kept || sqlite3_step(kept.get()) != SQLITE_ROW || !digest || column_bytes(kept.get(), 0) != *digest) {
    return refused(path + " is damaged; use another backup");
  }
  return {};
}

// The number row of the store `db`, kRestoreNumberStep higher.
bool raise_number(sqlite3* db) {
  const auto number = read_number(db, "SELECT number FROM life");
  if (!number || *number < 0 || *number > static_cast<std::int64_t>(kNumberMax - kRestoreNumberStep)) {
    return false;
  }
  const std::string raise = "UPDATE life SET number = " + std::to_string(*number + std::int64_t{kRestoreNumberStep});
  return run(db, raise.c_str());
}

// Every row of the backup, read as a row of the core and written as one.
bool copy_rows(sqlite3* from, sqlite3* to) {
  const auto version = read_number(from, "PRAGMA user_version");
  const auto last_seen = read_number(from, "SELECT max(last_seen_ms) FROM life");
  const auto node_time = version < 3 ? last_seen : read_number(from, "SELECT max(node_ms) FROM life");
  TableWriter writer;
  return version && last_seen && node_time && writer.prepare_all(to) &&
         visit_rows(from, *version, [&writer](const Write& row) { return writer.apply(row); }) &&
         writer.note_life({{*last_seen}, {*node_time}});
}

// A new store at `to` with the rows of the backup.
std::expected<void, Failure> make_store(const std::string& backup, const std::string& to) {
  {
    auto made = open_sqlite_store({.path = to, .relaxed = false, .wake = {}});
    if (!made) return std::unexpected(made.error());
    made->store->close({});
  }
  auto db = open_db(to, SQLITE_OPEN_READWRITE);
  if (!db) return std::unexpected(db.error());
  auto from = open_db(backup, SQLITE_OPEN_READONLY);
  if (!from) return std::unexpected(from.error());
  if (!run(db->get(), "PRAGMA synchronous = FULL; BEGIN")) return cannot("write " + to, db->get());
  if (has_store(from->get()) && !copy_rows(from->get(), db->get())) {
    return cannot("copy " + backup + " to " + to, db->get());
  }
  // The last connection that closes a log takes it away, so the file is whole by itself.
  if (!raise_number(db->get()) || !run(db->get(), "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")) {
    return cannot("write " + to, db->get());
  }
  return {};
}

std::expected<void, Failure> write_file(const std::string& home, const HomeFile& file) {
  const std::string path = home + "/" + file.name;
  if (exists(path)) {
    const auto there = read_small_file(path, kBackupFileBytesMax, /*secret=*/false);
    if (there && *there == file.bytes) return {};
    return refused(path + " exists and is another; move it away or choose an empty --home");
  }
  return write_file_atomically(path, file.bytes, file.mode, /*keep_existing=*/true);
}

}  // namespace

std::expected<BackupDone, Failure> backup_home(const std::string& home, const std::string& file) {
  if (!exists(identity_path(home))) return refused("there is no identity in " + home + "; give --home DIR");
  const auto seed = read_identity(identity_path(home));
  if (!seed) return std::unexpected(seed.error());
  if (exists(file)) return refused(file + " exists; choose another name or remove it first");
  const auto files = read_files(home);
  if (!files) return std::unexpected(files.error());
  const Part part(file + ".new");
  const Fd made(::open(part.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!made.valid()) return failed("cannot create " + part.path + ": " + error_text(errno));
  if (auto copied = copy_store(home, part.path); !copied) return std::unexpected(copied.error());
  if (auto added = add_files(part.path, *files); !added) return std::unexpected(added.error());
  if (::fsync(made.get()) != 0) return failed("cannot write " + part.path + ": " + error_text(errno));
  const auto bytes = put_in_place(part.path, file);
  if (!bytes) return std::unexpected(bytes.error());
  return BackupDone{id_of(*seed), *bytes};
}

std::expected<BackupDone, Failure> restore_home(const std::string& home, const std::string& file) {
  if (!exists(file)) return refused("there is no " + file + "; give a file that weft backup wrote");
  std::vector<HomeFile> files;
  {
    auto db = open_db(file, SQLITE_OPEN_READONLY);
    if (!db) return std::unexpected(db.error());
    if (auto checked = check_backup(db->get(), file); !checked) return std::unexpected(checked.error());
    auto found = files_in(db->get(), file);
    if (!found) return std::unexpected(found.error());
    files = std::move(*found);
  }
  const auto identity = std::ranges::find(files, "identity", &HomeFile::name);
  if (identity == files.end()) return refused(file + " holds no identity; nothing was restored");
  const auto seed = parse_identity(identity->bytes, "the identity in " + file);
  if (!seed) return std::unexpected(seed.error());
  identity->mode = 0600;

  auto opened = Home::open(home);
  if (!opened) return std::unexpected(opened.error());
  for (const std::string& path : {identity_path(home), store_path(home), store_path(home) + "-wal",
                                  old_store_path(home)}) {
    if (exists(path)) {
      return refused(path + " exists; restore into an empty --home, or move that one away");
    }
  }
  const Part part(store_path(home) + ".new");
  if (auto made = make_store(file, part.path); !made) return std::unexpected(made.error());
  if (exists(part.path + "-wal")) {  // a checkpoint that failed says so only by what it leaves
    return failed("cannot write " + part.path + ": its log could not be merged; is the disk full?");
  }
  for (const HomeFile& each : files) {
    if (each.name == "identity") continue;
    if (auto written = write_file(home, each); !written) return std::unexpected(written.error());
  }
  if (auto placed = put_in_place(part.path, store_path(home)); !placed) {
    return std::unexpected(placed.error());
  }
  if (auto written = write_file(home, *identity); !written) return std::unexpected(written.error());
  struct stat info {};
  const bool known = ::stat(file.c_str(), &info) == 0;
  return BackupDone{id_of(*seed), known ? static_cast<std::uint64_t>(info.st_size) : 0};
}

}  // namespace weft::node
