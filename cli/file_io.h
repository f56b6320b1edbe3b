// Small values from descriptors and into files, with failures as a command reports them.
#pragma once

#include <string>

#include "cli/failure.h"

namespace weft::cli {

// What the descriptor gives until its end; at most one byte more than a value may have, so that the caller sees that it is
// too long. `where`: for the message.
Result<std::string> read_value(int fd, const std::string& where);
Result<void> write_out(const std::string& file, const std::string& bytes);

}  // namespace weft::cli
