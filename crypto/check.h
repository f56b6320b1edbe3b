// CHECK: what this program relies on and what must never be, tested in every build.
//
// A CHECK that fails is our own bug: it prints the expression and the place and aborts. Bytes from
// the network, a file or a user never reach one; those are decoded, bounded and counted instead.
#pragma once

namespace weft {

// Prints "file:line: CHECK failed: expression" on stderr and aborts.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace weft

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::weft::check_failed(#condition, __FILE__, __LINE__))
