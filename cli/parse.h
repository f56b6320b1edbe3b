// From argv to Args, with CLI11 behind it. The only header that knows the grammar; the library
// itself stays in parse*.cc.
#pragma once

#include <string>
#include <vector>

#include "cli/args.h"
#include "cli/completions.h"

namespace weft::cli {

struct Parsed {
  std::optional<Args> args;  // none: print and exit
  int exit_status = 0;
  std::string out;    // for stdout: --help, --version
  std::string error;  // one line for stderr
  bool json = false;  // --json stands somewhere, even if the rest makes no sense
};

// `words`: argv without the program's name.
Parsed parse_args(std::vector<std::string> words);

// The commands and options that people see, for completion scripts.
CommandNode command_tree();

}  // namespace weft::cli
