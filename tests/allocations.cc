#include "tests/allocations.h"

#include <cstdlib>
#include <new>

namespace {
std::size_t count = 0;

void* counted(std::size_t size) {
  ++count;
  void* p = std::malloc(size == 0 ? 1 : size);
  if (p == nullptr) std::abort();
  return p;
}
}  // namespace

std::size_t weft::testing::allocations() { return count; }

// Each form that the library calls is replaced, so that what one allocates the other may free; GCC takes
// the pairing of malloc and delete for a mistake once it inlines these.
// NOLINTBEGIN(misc-new-delete-overloads)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
#pragma GCC diagnostic pop
// NOLINTEND(misc-new-delete-overloads)
