// Why something in the shell did not work, as a person will read it.
//
// The message says what happened and what to do next, in one line; the status is what the process
// exits with: 1 it failed, 2 the input was wrong (docs of the command line).
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace weft::node {

struct Failure {
  int exit_status = 1;
  std::string message;
};

inline std::unexpected<Failure> failed(std::string message) {
  return std::unexpected(Failure{1, std::move(message)});
}
inline std::unexpected<Failure> refused(std::string message) {
  return std::unexpected(Failure{2, std::move(message)});
}

}  // namespace weft::node
