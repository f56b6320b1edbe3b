// A machine that misbehaves, for the processes of integration tests (LD_PRELOAD):
//
//   WEFT_TEST_CLOCK=FILE  CLOCK_REALTIME is off by the seconds that FILE holds, read at each call
//   WEFT_TEST_HANG=FILE   fsync and fdatasync do not return while FILE exists
//
// Everything else is the system's own.
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace {

long shift_s() {
  const char* path = std::getenv("WEFT_TEST_CLOCK");
  if (path == nullptr) return 0;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[32] = {};
  const ssize_t n = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  return n > 0 ? std::strtol(text, nullptr, 10) : 0;
}

void hang() {
  const char* path = std::getenv("WEFT_TEST_HANG");
  const timespec pause{0, 20'000'000};
  while (path != nullptr && ::access(path, F_OK) == 0) ::nanosleep(&pause, nullptr);
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const long result = ::syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += shift_s();
  return static_cast<int>(result);
}

int fsync(int fd) {
  hang();
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
  hang();
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
}
