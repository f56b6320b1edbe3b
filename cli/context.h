// What every command gets: where the node lives, how to print, and how long to wait.
#pragma once

#include <optional>
#include <string>

#include "cli/args.h"
#include "cli/failure.h"
#include "cli/settings.h"
#include "testnet/clock.h"

namespace weft::cli {

struct Context {
  Args args;
  Environment env;
  std::string home;  // absolute; empty for `testnet`, `sim` and `completions`, which need none
  bool json = false;
  std::optional<testnet::Milliseconds> timeout;

  testnet::Milliseconds timeout_or(testnet::Milliseconds fallback) const {
    return timeout.value_or(fallback);
  }
};

}  // namespace weft::cli
