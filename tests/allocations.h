// Counts the calls of operator new in this test binary.
#pragma once

#include <cstddef>

namespace weft::testing {

// How often operator new was called so far, by anyone.
std::size_t allocations();

}  // namespace weft::testing
