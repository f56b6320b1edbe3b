// Why a command failed: the exit status, one line for a person, and the same as JSON.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "cli/args.h"
#include "node/failure.h"

namespace weft::cli {

struct Failure {
  int exit_status = kExitFailed;
  std::string code;     // as in docs/CONTROL.md, or "usage", "no_node", "no_testnet"
  std::string message;  // what happened and what to do, in one line
  std::string fields;   // further members of the JSON error, as text: "\"replicas\":3"
};

template <class T>
using Result = std::expected<T, Failure>;

std::unexpected<Failure> fail(int exit_status, std::string code, std::string message);
inline std::unexpected<Failure> usage(std::string message) {
  return fail(kExitUsage, "usage", std::move(message));
}
std::unexpected<Failure> fail(const node::Failure& failure);

// The exit status of an error code of the control API.
int exit_status_of(std::string_view code);

// {"error":{"code","message",...}}
std::string to_json(const Failure& failure);
// One line on stderr, and with `json` the object on stdout. Returns the exit status.
int print_failure(const Failure& failure, bool json);

}  // namespace weft::cli
