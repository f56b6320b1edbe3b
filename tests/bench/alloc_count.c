// Counts heap allocations of a running process, for tests/bench/allocs.py.
//
// LD_PRELOAD=liballoc_count.so WEFT_ALLOC_FILE=FILE weft up ...: the counters lie in FILE, mapped
// shared, so the driver reads them while the process runs and asks it nothing. If the driver writes
// a number into `trace`, that many of the next allocations print their stack on stderr.
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

struct counters {  // read by allocs.py as little-endian 64-bit numbers in this order
  _Atomic uint64_t mallocs, callocs, reallocs, aligned, bytes;
  _Atomic int64_t trace;
};

static struct counters before_main;
static struct counters *counters = &before_main;
static _Thread_local int tracing;

static void count(_Atomic uint64_t *counter, size_t size) {
  atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&counters->bytes, size, memory_order_relaxed);
  if (atomic_load_explicit(&counters->trace, memory_order_relaxed) <= 0 || tracing) return;
  if (atomic_fetch_sub(&counters->trace, 1) <= 0) return;
  tracing = 1;
  void *frames[24];
  const int depth = backtrace(frames, 24);
  static const char head[] = "allocation:\n";
  if (write(2, head, sizeof head - 1) > 0) backtrace_symbols_fd(frames, depth, 2);
  tracing = 0;
}

__attribute__((constructor)) static void map_counters(void) {
  void *frame;
  tracing = 1;
  backtrace(&frame, 1);  // loads what it needs now, not in the middle of an allocation
  tracing = 0;
  const char *path = getenv("WEFT_ALLOC_FILE");
  if (!path) return;
  const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, sizeof(struct counters)) != 0) return;
  void *map = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (map != MAP_FAILED) counters = map;
}

void *malloc(size_t size) {
  count(&counters->mallocs, size);
  return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
  count(&counters->callocs, n * size);
  return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size) {
  count(&counters->reallocs, size);
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  count(&counters->aligned, size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **out, size_t alignment, size_t size) {
  *out = memalign(alignment, size);
  return *out || !size ? 0 : ENOMEM;
}
