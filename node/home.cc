#include "node/home.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "crypto/keys.h"

namespace weft::node {
namespace {

constexpr std::string_view kIdentityMagic = "weft-identity-1";
constexpr std::size_t kIdentityBytesMax = 4096;

// Takes one line off `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? "" : text.substr(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// mkdir -p with mode 0700 for everything that is missing.
int make_directories(const std::string& directory) {
  for (std::size_t at = 1; at <= directory.size(); ++at) {
    if (at != directory.size() && directory[at] != '/') continue;
    const std::string part = directory.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR) {
      // A parent that exists but may not be written answers EACCES or EROFS here.
      struct stat info {};
      if (::stat(part.c_str(), &info) != 0) return errno;
    }
  }
  return 0;
}

std::expected<void, Failure> check_directory(const std::string& directory) {
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) {
    return refused("cannot use " + directory + " as home: " + error_text(errno));
  }
  if (!S_ISDIR(info.st_mode))
    return refused(directory + " is not a directory; choose another --home");
  if (info.st_uid != ::geteuid()) {
    return refused(directory +
                   " belongs to another user; run as its owner or choose another --home");
  }
  if ((info.st_mode & 022) != 0) {
    return refused("others may write in " + directory + "; run: chmod 700 " + directory);
  }
  return {};
}

std::string holder_of(int lock) {
  char text[32] = {};
  const ssize_t n = ::pread(lock, text, sizeof text - 1, 0);
  int pid = 0;
  if (n > 0) std::from_chars(text, text + n, pid);
  return pid > 0 ? "process " + std::to_string(pid) : "another process";
}

std::expected<Fd, Failure> take_lock(const std::string& directory) {
  const std::string path = lock_path(directory);
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return failed("cannot open " + path + ": " + error_text(errno));
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return failed("cannot lock " + path + ": " + error_text(errno));
    return failed("home " + directory + " is in use by " + holder_of(fd.get()) +
                  "; stop that node (weft leave) or choose another --home");
  }
  return fd;
}

}  // namespace

std::string identity_path(const std::string& home) { return home + "/identity"; }
std::string store_path(const std::string& home) { return home + "/weft.db"; }
std::string old_store_path(const std::string& home) { return home + "/store.db"; }
std::string control_path(const std::string& home) { return home + "/control.sock"; }
std::string lock_path(const std::string& home) { return home + "/lock"; }

NodeId id_of(const IdentitySeed& seed) {
  const SodiumProvider provider;
  return Identity(provider, seed).id();
}

std::string format_identity(const IdentitySeed& seed) {
  return std::string(kIdentityMagic) + "\nseed " + to_hex(seed) + "\nid " +
         to_string(id_of(seed)) + "\n";
}

std::expected<IdentitySeed, Failure> parse_identity(std::string_view text,
                                                    const std::string& where) {
  const auto malformed = [&where](std::string_view why) {
    return refused(where + " is not a weft identity (" + std::string(why) +
                   "); put back a good copy, or move it away to start with a new identity");
  };
  if (take_line(text) != kIdentityMagic) {
    return malformed("line 1 should be " + std::string(kIdentityMagic));
  }
  const std::string_view seed_line = take_line(text);
  if (!seed_line.starts_with("seed ")) return malformed("line 2 should start with seed");
  const auto seed = array_from_hex<32>(seed_line.substr(5));
  if (!seed) return malformed("line 2 should hold 64 hex digits");
  if (take_line(text) != "id " + to_string(id_of(*seed))) {
    return malformed("line 3 should be the id of that seed");
  }
  if (!text.empty()) return malformed("there is text after line 3");
  return *seed;
}

std::expected<IdentitySeed, Failure> read_identity(const std::string& path) {
  const auto text = read_small_file(path, kIdentityBytesMax, /*secret=*/true);
  if (!text) return std::unexpected(text.error());
  return parse_identity(*text, path);
}

std::expected<void, Failure> export_identity(const std::string& home, const std::string& to) {
  const auto seed = read_identity(identity_path(home));
  if (!seed) return std::unexpected(seed.error());
  return write_file_atomically(to, format_identity(*seed), 0600, /*keep_existing=*/true);
}

std::expected<void, Failure> import_identity(const std::string& home, const std::string& from) {
  const auto seed = read_identity(from);
  if (!seed) return std::unexpected(seed.error());
  auto opened = Home::open(home);
  if (!opened) return std::unexpected(opened.error());
  return write_file_atomically(identity_path(opened->directory()), format_identity(*seed), 0600,
                               /*keep_existing=*/true);
}

std::expected<Home, Failure> Home::open(const std::string& directory) {
  if (directory.empty()) return refused("the home directory has no name; give --home DIR");
  const std::string socket = control_path(directory);
  if (socket.size() > kSocketPathBytesMax) {
    return refused("the path " + socket + " has " + std::to_string(socket.size()) +
                   " bytes and a socket's may have " + std::to_string(kSocketPathBytesMax) +
                   "; choose a shorter --home");
  }
  if (const int error = make_directories(directory); error != 0) {
    return refused("cannot create " + directory + ": " + error_text(error));
  }
  if (auto checked = check_directory(directory); !checked) {
    return std::unexpected(checked.error());
  }
  auto lock = take_lock(directory);
  if (!lock) return std::unexpected(lock.error());
  struct stat info {};
  UnixMillis last_seen;
  // An empty lock file was made just now: there was no earlier life.
  if (::fstat(lock->get(), &info) == 0 && info.st_size > 0) {
    last_seen.value = static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1000 +
                      static_cast<std::int64_t>(info.st_mtim.tv_nsec) / 1'000'000;
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock->get(), 0) != 0 ||
      ::pwrite(lock->get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return failed("cannot write " + lock_path(directory) + ": " + error_text(errno));
  }
  return Home(directory, std::move(*lock), last_seen);
}

bool Home::is_closed() const {
  struct stat info {};
  return ::stat(directory_.c_str(), &info) == 0 && (info.st_mode & 077) == 0;
}

std::expected<IdentitySeed, Failure> Home::load_or_create_identity(const IdentitySeed& fresh) {
  const std::string path = identity_path(directory_);
  if (::access(path.c_str(), F_OK) == 0) return read_identity(path);
  if (errno != ENOENT) return failed("cannot look at " + path + ": " + error_text(errno));
  const auto written = write_file_atomically(path, format_identity(fresh), 0600,
                                             /*keep_existing=*/true);
  if (!written) return std::unexpected(written.error());
  return fresh;
}

void Home::touch(UnixMillis wall) {
  timespec at{};
  at.tv_sec = wall.value / 1000;
  at.tv_nsec = wall.value % 1000 * 1'000'000;
  const timespec times[2] = {at, at};
  // Best effort: the store notes the time with every commit as well.
  static_cast<void>(::futimens(lock_.get(), times));
}

}  // namespace weft::node
