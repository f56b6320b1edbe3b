#include "tests/crypto/allocations.h"

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

// NOLINTBEGIN(misc-new-delete-overloads)
void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
// NOLINTEND(misc-new-delete-overloads)
