#include "cli/node_client.h"

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "node/home.h"
#include "node/log.h"
#include "testnet/control_client.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;
using testnet::CallResult;
using testnet::CallStatus;

Failure no_node(const Context& context) {
  return {
      kExitNoNode,
      "no_node",
      "no node is running in " + context.home + "; start one with: weft up --home " + context.home,
      {}};
}

// {"error":{"code","message",...}} of an answer that is not 200.
Failure failure_of(const testnet::HttpResponse& response) {
  const Json answer = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object() || !answer.contains("error") || !answer["error"].is_object()) {
    return {kExitFailed,
            "internal",
            "the node answered " + std::to_string(response.status) + " without a reason",
            {}};
  }
  const Json& error = answer["error"];
  Failure failure{kExitFailed, text_at(error, "code"), text_at(error, "message"), {}};
  failure.exit_status = exit_status_of(failure.code);
  if (error.contains("current_seq")) {
    failure.message += "; the current number is " + error["current_seq"].dump();
  }
  if (error.contains("replicas")) {
    failure.message += "; copies reached: " + error["replicas"].dump();
  }
  for (const auto& [key, value] : error.items()) {
    if (key == "code" || key == "message") continue;
    failure.fields += (failure.fields.empty() ? "" : ",") + Json(key).dump() + ":" + value.dump();
  }
  return failure;
}

Result<std::string> to_result(const Context& context, CallResult result) {
  switch (result.status) {
    case CallStatus::kNoNode:
      return std::unexpected(no_node(context));
    case CallStatus::kTimedOut:
      return fail(kExitTimedOut, "timed_out",
                  "the node did not answer in time; is it paused or overloaded?");
    case CallStatus::kBroken:
      return fail(kExitFailed, "internal", result.trouble + "; see weft doctor");
    case CallStatus::kAnswered:
      break;
  }
  if (result.response.server.starts_with("weft/")) {
    warn_of_version(result.response.server.substr(std::string_view("weft/").size()));
  }
  if (result.response.status != 200) return std::unexpected(failure_of(result.response));
  return std::move(result.response.body);
}

}  // namespace

void warn_of_version(const std::string& running) {
  static bool warned = false;
  if (warned || running.empty() || running == WEFT_VERSION) return;
  warned = true;
  std::fprintf(stderr,
               "weft: warning: the running node has version %s, this program " WEFT_VERSION
               "; restart the node\n",
               node::escaped(running).c_str());
}

std::string NodeClient::socket_path() const { return node::control_path(context_.home); }

CallResult NodeClient::call(testnet::HttpRequest request,
                            std::optional<testnet::Milliseconds> timeout,
                            const std::function<bool(std::string_view)>& on_body) const {
  if (context_.args.verbose == 0) {
    return testnet::call_node(socket_path(), std::move(request), timeout, on_body);
  }
  const std::string what = request.method + " " + request.target;
  std::fprintf(stderr, "weft: %s, %zu bytes, to %s%s\n", node::escaped(what).c_str(),
               request.body.size(), node::escaped(socket_path()).c_str(),
               timeout ? (", for " + std::to_string(timeout->count()) + " ms at most").c_str() : "");
  const auto begun = testnet::mono_now();
  CallResult result = testnet::call_node(socket_path(), std::move(request), timeout, on_body);
  const double took_ms =
      std::chrono::duration<double, std::milli>(testnet::mono_now() - begun).count();
  if (result.status == CallStatus::kAnswered) {
    std::fprintf(stderr, "weft: %s answered %d, %zu bytes, after %s\n",
                 node::escaped(result.response.server.empty() ? "the node" : result.response.server)
                     .c_str(),
                 result.response.status, result.response.body.size(), format_ms(took_ms).c_str());
  } else {
    std::fprintf(stderr, "weft: no answer (%s) after %s\n", node::escaped(result.trouble).c_str(),
                 format_ms(took_ms).c_str());
  }
  return result;
}

Result<std::string> NodeClient::get(const std::string& target,
                                    testnet::Milliseconds timeout) const {
  return to_result(context_, call({"GET", target, {}}, context_.timeout_or(timeout)));
}

Result<std::string> NodeClient::post(const std::string& path, nlohmann::json body,
                                     testnet::Milliseconds timeout) const {
  const testnet::Milliseconds limit = context_.timeout_or(timeout);
  body["timeout_ms"] = std::max<std::int64_t>(1, limit.count());
  std::string text = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return to_result(context_, call({"POST", path, std::move(text)}, limit + kAnswerGrace));
}

Result<void> NodeClient::stream(const std::string& target,
                                const std::function<bool(std::string_view)>& on_body) const {
  auto result = to_result(context_, call({"GET", target, {}}, std::nullopt, on_body));
  if (!result) return std::unexpected(result.error());
  return {};
}

Result<void> NodeClient::stream_lines(const std::string& target,
                                      const std::function<bool(std::string_view)>& on_line) const {
  std::string pending;
  return stream(target, [&](std::string_view piece) {
    pending.append(piece);
    std::size_t begin = 0;
    for (std::size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (!on_line(std::string_view(pending).substr(begin, end - begin))) return false;
    }
    pending.erase(0, begin);
    return pending.size() <= testnet::kBodyBytesMax;
  });
}

Result<Json> parse_answer(const std::string& body) {
  Json answer = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (answer.is_discarded()) {
    return fail(kExitFailed, "internal", "the node's answer is no JSON; is it another version?");
  }
  return answer;
}

const Json& at(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string text_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

double number_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_number() ? value.get<double>() : 0;
}

std::uint64_t count_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

bool true_at(const Json& object, const char* key) { return at(object, key) == true; }

std::string shown_at(const Json& object, const char* key) {
  return node::escaped(text_at(object, key));
}

std::string ms_at(const Json& object, const char* key) {
  return at(object, key).is_number() ? format_ms(number_at(object, key)) : "-";
}

}  // namespace weft::cli
