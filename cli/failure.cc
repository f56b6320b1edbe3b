#include "cli/failure.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "node/log.h"

namespace weft::cli {

std::unexpected<Failure> fail(int exit_status, std::string code, std::string message) {
  return std::unexpected(Failure{exit_status, std::move(code), std::move(message), {}});
}

std::unexpected<Failure> fail(const node::Failure& failure) {
  return fail(failure.exit_status, failure.exit_status == kExitUsage ? "bad_request" : "failed",
              failure.message);
}

int exit_status_of(std::string_view code) {
  if (code == "bad_request" || code == "too_large" || code == "forbidden") return kExitUsage;
  if (code == "not_found") return kExitNotFound;
  if (code == "timed_out") return kExitTimedOut;
  if (code == "conflict" || code == "quorum") return kExitConflict;
  return kExitFailed;
}

std::string to_json(const Failure& failure) {
  const nlohmann::ordered_json error{{"code", failure.code}, {"message", failure.message}};
  std::string text = error.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (!failure.fields.empty()) {
    text.pop_back();
    text += "," + failure.fields + "}";
  }
  return "{\"error\":" + text + "}";
}

int print_failure(const Failure& failure, bool json) {
  if (json) std::printf("%s\n", to_json(failure).c_str());
  std::fflush(stdout);
  std::fprintf(stderr, "weft: %s\n", node::escaped(failure.message).c_str());
  return failure.exit_status;
}

}  // namespace weft::cli
