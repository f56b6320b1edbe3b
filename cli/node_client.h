// Asking the running node of a home over its control socket (docs/CONTROL.md).
//
// Every failure comes back with its exit status and a line that says what to do: 3 if no node runs
// there, 5 after the timeout, else what the node's error code means.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/context.h"
#include "testnet/control_client.h"

namespace weft::cli {

inline constexpr testnet::Milliseconds kReadTimeout{10'000};       // of GET
inline constexpr testnet::Milliseconds kOperationTimeout{60'000};  // of POST
inline constexpr testnet::Milliseconds kAnswerGrace{2000};  // for the node to say "timed out"

class NodeClient {
 public:
  explicit NodeClient(const Context& context) : context_(context) {}

  // The body of the answer, as it came.
  Result<std::string> get(const std::string& target,
                          testnet::Milliseconds timeout = kReadTimeout) const;
  // Adds timeout_ms to `body` (a JSON object).
  Result<std::string> post(const std::string& path, nlohmann::json body,
                           testnet::Milliseconds timeout = kOperationTimeout) const;
  // Hands over the body piece by piece until it ends, or `on_body` returns false. No timeout.
  Result<void> stream(const std::string& target,
                      const std::function<bool(std::string_view)>& on_body) const;
  // The same line by line.
  Result<void> stream_lines(const std::string& target,
                            const std::function<bool(std::string_view)>& on_line) const;
  std::string socket_path() const;

 private:
  // One exchange with the node; with -v both ends of it are told on stderr.
  testnet::CallResult call(testnet::HttpRequest request,
                           std::optional<testnet::Milliseconds> timeout,
                           const std::function<bool(std::string_view)>& on_body = nullptr) const;
  const Context& context_;
};

// Says on stderr that the running node is of another version; nothing if it is of this one.
void warn_of_version(const std::string& running);

// The JSON of an answer; a failure if it is none.
Result<nlohmann::ordered_json> parse_answer(const std::string& body);

// Members of a JSON object, whatever it really holds.
std::string text_at(const nlohmann::ordered_json& object, const char* key);
double number_at(const nlohmann::ordered_json& object, const char* key);
std::uint64_t count_at(const nlohmann::ordered_json& object, const char* key);
bool true_at(const nlohmann::ordered_json& object, const char* key);
// The member, or null.
const nlohmann::ordered_json& at(const nlohmann::ordered_json& object, const char* key);
// Text from peers, escaped.
std::string shown_at(const nlohmann::ordered_json& object, const char* key);
// "0.31 ms", or "-" for null.
std::string ms_at(const nlohmann::ordered_json& object, const char* key);

}  // namespace weft::cli
