// What commands make of the node's answers: one way of printing them, as JSON or for people.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/context.h"
#include "cli/node_client.h"
#include "cli/output.h"

namespace weft::cli {

// One line of JSON; text that is not UTF-8 is replaced, never thrown at.
std::string dump_line(const nlohmann::ordered_json& value);

// An object of the API as --json prints it: its "value_base64" becomes "value" where that is text, everything
// else stays base64. null stays null.
nlohmann::ordered_json printed_value(nlohmann::ordered_json value);

// When a command that goes on by itself has to end.
std::optional<std::chrono::steady_clock::time_point> deadline_in(
    const std::optional<testnet::Milliseconds>& timeout);

// Prints the answer as JSON, or as `to_text` makes it.
template <class ToText>
Result<int> show(const Context& context, const Result<std::string>& body, ToText to_text) {
  if (!body) return std::unexpected(body.error());
  if (context.json) return print(*body + "\n") ? kExitDone : kExitFailed;
  const auto answer = parse_answer(*body);
  if (!answer) return std::unexpected(answer.error());
  return print(to_text(*answer)) ? kExitDone : kExitFailed;
}

}  // namespace weft::cli
