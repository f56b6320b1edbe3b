#include "tests/node/faulty_vfs.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "crypto/check.h"
#include "crypto/rng.h"

namespace weft::node {
namespace {

constexpr std::int64_t kSector = 512;

FaultyVfs* g_faults = nullptr;
sqlite3_vfs* g_real = nullptr;

struct ShimFile {
  sqlite3_file base;
  std::string* path;  // of a file whose content counts; else nullptr
};
ShimFile* shim(sqlite3_file* file) { return reinterpret_cast<ShimFile*>(file); }
sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(shim(file) + 1);
}
const sqlite3_io_methods* methods(sqlite3_file* file) { return real(file)->pMethods; }

int shim_close(sqlite3_file* file) {
  delete shim(file)->path;
  return methods(file)->xClose(real(file));
}
int shim_read(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  if (const int code = g_faults->read(); code != SQLITE_OK) return code;
  return methods(file)->xRead(real(file), to, size, at);
}
// What lies at [at, at + size), as far as the file goes.
Bytes content(sqlite3_file* file, std::int64_t at, std::int64_t size) {
  sqlite3_int64 end = 0;
  methods(file)->xFileSize(real(file), &end);
  Bytes bytes(static_cast<std::size_t>(std::clamp<std::int64_t>(end - at, 0, size)));
  if (!bytes.empty()) {
    methods(file)->xRead(real(file), bytes.data(), static_cast<int>(bytes.size()), at);
  }
  return bytes;
}
void note_change(sqlite3_file* file, std::int64_t at, Bytes before, Bytes after) {
  sqlite3_int64 end = 0;
  methods(file)->xFileSize(real(file), &end);
  g_faults->note(*shim(file)->path, {.offset = at, .before = std::move(before), .after = std::move(after), .size_before = end});
}
int shim_write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  if (const int code = g_faults->next(); code != SQLITE_OK) return code;
  if (shim(file)->path != nullptr) {
    const auto* bytes = static_cast<const std::uint8_t*>(from);
    note_change(file, at, content(file, at, size), Bytes(bytes, bytes + size));
  }
  return methods(file)->xWrite(real(file), from, size, at);
}
int shim_truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (const int code = g_faults->next(); code != SQLITE_OK) return code;
  if (shim(file)->path != nullptr) note_change(file, size, content(file, size, INT32_MAX), {});
  return methods(file)->xTruncate(real(file), size);
}
int shim_sync(sqlite3_file* file, int flags) {
  static_cast<void>(flags);
  if (const int code = g_faults->next(); code != SQLITE_OK) return code;
  if (shim(file)->path != nullptr) g_faults->synced(*shim(file)->path);
  return SQLITE_OK;
}
int shim_size(sqlite3_file* file, sqlite3_int64* size) { return methods(file)->xFileSize(real(file), size); }
int shim_lock(sqlite3_file* file, int level) { return methods(file)->xLock(real(file), level); }
int shim_unlock(sqlite3_file* file, int level) { return methods(file)->xUnlock(real(file), level); }
int shim_reserved(sqlite3_file* file, int* out) { return methods(file)->xCheckReservedLock(real(file), out); }
int shim_control(sqlite3_file* file, int op, void* argument) {
  return methods(file)->xFileControl(real(file), op, argument);
}
int shim_sector(sqlite3_file* file) { return methods(file)->xSectorSize(real(file)); }
int shim_traits(sqlite3_file* file) { return methods(file)->xDeviceCharacteristics(real(file)); }
int shim_shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  return methods(file)->xShmMap(real(file), page, size, extend, out);
}
int shim_shm_lock(sqlite3_file* file, int offset, int n, int flags) {
  return methods(file)->xShmLock(real(file), offset, n, flags);
}
void shim_shm_barrier(sqlite3_file* file) { methods(file)->xShmBarrier(real(file)); }
int shim_shm_unmap(sqlite3_file* file, int remove) { return methods(file)->xShmUnmap(real(file), remove); }

// Version 2: with shared memory, which the log's index needs, without memory-mapped reads.
constexpr sqlite3_io_methods kMethods = {
    2,           shim_close,       shim_read,        shim_write,  shim_truncate, shim_sync,
    shim_size,   shim_lock,        shim_unlock,      shim_reserved, shim_control, shim_sector,
    shim_traits, shim_shm_map,     shim_shm_lock,    shim_shm_barrier, shim_shm_unmap, nullptr, nullptr};

int shim_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  std::memset(file, 0, sizeof(ShimFile));
  if (const int code = g_faults->now(); code != SQLITE_OK) return code;
  const int code = g_real->xOpen(g_real, name, real(file), flags, out_flags);
  if (code != SQLITE_OK) return code;
  file->pMethods = &kMethods;
  constexpr int kCounts = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
  if (name != nullptr && (flags & kCounts) != 0) shim(file)->path = new std::string(name);
  return SQLITE_OK;
}
int shim_delete(sqlite3_vfs*, const char* name, int sync_directory) {
  if (const int code = g_faults->next(); code != SQLITE_OK) return code;
  return g_real->xDelete(g_real, name, sync_directory);
}
int shim_access(sqlite3_vfs*, const char* name, int flags, int* out) {
  if (const int code = g_faults->now(); code != SQLITE_OK) return code;
  return g_real->xAccess(g_real, name, flags, out);
}

sqlite3_vfs g_shim;

Bytes file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void overwrite(Bytes& file, std::int64_t at, ByteView bytes) {
  const auto end = static_cast<std::size_t>(at) + bytes.size();
  if (file.size() < end) file.resize(end);
  std::ranges::copy(bytes, file.begin() + at);
}

}  // namespace

FaultyVfs::FaultyVfs() {
  CHECK(g_faults == nullptr);
  sqlite3_initialize();
  g_faults = this;
  g_real = sqlite3_vfs_find(nullptr);
  g_shim = *g_real;
  g_shim.zName = "faulty";
  g_shim.szOsFile = static_cast<int>(sizeof(ShimFile)) + g_real->szOsFile;
  g_shim.xOpen = shim_open;
  g_shim.xDelete = shim_delete;
  g_shim.xAccess = shim_access;
  sqlite3_vfs_register(&g_shim, 1);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&g_shim);
  sqlite3_vfs_register(g_real, 1);
  g_faults = nullptr;
}

void FaultyVfs::cut_power_at(std::uint64_t at) {
  const std::lock_guard lock(mutex_);
  cut_at_ = at;
}

void FaultyVfs::fail_at(std::uint64_t at, std::uint64_t count, int code) {
  const std::lock_guard lock(mutex_);
  fail_from_ = at;
  fail_until_ = at + count;
  fail_code_ = code;
}

std::uint64_t FaultyVfs::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

bool FaultyVfs::is_off() const {
  const std::lock_guard lock(mutex_);
  return off_;
}

int FaultyVfs::next() {
  const std::lock_guard lock(mutex_);
  const std::uint64_t at = operations_++;
  if (at == cut_at_) off_ = true;
  if (off_) return SQLITE_IOERR;
  return at >= fail_from_ && at < fail_until_ ? fail_code_ : SQLITE_OK;
}

int FaultyVfs::now() {
  const std::lock_guard lock(mutex_);
  return off_ ? SQLITE_IOERR : SQLITE_OK;
}

void FaultyVfs::fail_reads(bool fail) {
  const std::lock_guard lock(mutex_);
  reads_fail_ = fail;
}

int FaultyVfs::read() {
  const std::lock_guard lock(mutex_);
  if (off_) return SQLITE_IOERR;
  return reads_fail_ ? SQLITE_IOERR_READ : SQLITE_OK;
}

void FaultyVfs::note(const std::string& path, Change change) {
  const std::lock_guard lock(mutex_);
  unsynced_[path].push_back(std::move(change));
}

void FaultyVfs::synced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  unsynced_.erase(path);
}

void FaultyVfs::lose_unsynced(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  Rng rng(seed);
  for (const auto& [path, changes] : unsynced_) {
    if (!std::filesystem::exists(path)) continue;
    Bytes file = file_bytes(path);
    for (auto it = changes.rbegin(); it != changes.rend(); ++it) {  // back to the last sync
      overwrite(file, it->offset, it->before);
      file.resize(static_cast<std::size_t>(it->size_before));
    }
    for (const Change& change : changes) {
      const std::uint64_t fate = rng.below(4);
      if (fate == 0) continue;
      if (change.after.empty()) {
        file.resize(std::min(file.size(), static_cast<std::size_t>(change.offset)));
        continue;
      }
      ByteView bytes = change.after;
      if (fate == 1) {  // torn: up to a sector's end
        const std::int64_t whole = kSector - change.offset % kSector;
        const auto sectors = static_cast<std::int64_t>(rng.below(1 + bytes.size() / kSector));
        bytes = bytes.first(std::min<std::size_t>(bytes.size(), static_cast<std::size_t>(whole + sectors * kSector)));
      }
      overwrite(file, change.offset, bytes);
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  }
  unsynced_.clear();
}

}  // namespace weft::node
