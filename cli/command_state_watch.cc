// state watch: changes as they arrive, each with the cursor to go on from.
#include <chrono>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/state_parts.h"
#include "cli/values.h"
#include "node/log.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;
using testnet::encode_query;
using testnet::Milliseconds;

constexpr Milliseconds kWaitForChange{20'000};  // in one question to the node
constexpr Milliseconds kAnswerTime{10'000};     // for it to answer when that is over
constexpr Milliseconds kAskAgain{500};

struct Watched {
  std::string space;  // as it was named
  std::string path;   // empty: all of it
};

Result<Watched> watched(const std::string& name) {
  if (name.find('/') == std::string::npos) {
    const auto space = checked_space(name);
    if (!space) return std::unexpected(space.error());
    return Watched{space->text, {}};
  }
  const auto doc = checked_doc(name);
  if (!doc) return std::unexpected(doc.error());
  return Watched{doc->space.text, doc->path};
}

std::string target_of(const Watched& what, const std::optional<std::uint64_t>& after, std::uint64_t limit, Milliseconds wait) {
  return "/v1/state/changes?space=" + encode_query(what.space) + (what.path.empty() ? "" : "&path=" + encode_query(what.path)) +
         (after ? "&after=" + std::to_string(*after) : "") + "&limit=" + std::to_string(limit) +
         "&wait_ms=" + std::to_string(wait.count());
}

std::string change_text(const Json& change) {
  const Json& number = at(change, "value");
  const auto bytes = decode_base64(text_at(change, "value_base64"));
  const bool has_bytes = at(change, "value_base64").is_string() && bytes;
  return std::to_string(count_at(change, "cursor")) + " " + shown_at(change, "author").substr(0, 16) + " " +
         shown_at(change, "kind") + " " + shown_at(change, "doc") + (number.is_number() ? " " + number.dump() : "") +
         (has_bytes ? " " + node::escaped(*bytes) : "") + "\n";
}

// That the node does not know the cursor, so that all that is here follows.
bool print_gap(const Context& context, const std::string& name) {
  std::fprintf(stderr, "weft: the node has no such cursor (the namespace was left, or its store is new): from the beginning\n");
  return !context.json || print(dump_line({{"gap", true}, {"cursor", 0}, {"watched", name}}));
}

}  // namespace

Result<int> run_state_watch(const Context& context) {
  const StateFlags& flags = context.args.state;
  const auto what = watched(flags.name);
  if (!what) return std::unexpected(what.error());
  if (flags.count == 0) return usage("--count is at least 1");
  Context look = context;  // --timeout is for the whole watch
  look.timeout.reset();
  const NodeClient client(look);
  const auto deadline = deadline_in(context.timeout);
  const std::uint64_t wanted = flags.count.value_or(std::numeric_limits<std::uint64_t>::max());
  std::optional<std::uint64_t> cursor = flags.from;
  bool failed_before = false;
  for (std::uint64_t shown = 0;;) {
    Milliseconds wait = kWaitForChange;
    if (deadline) {
      const auto left = std::chrono::ceil<Milliseconds>(*deadline - std::chrono::steady_clock::now());
      if (left <= Milliseconds(0) && shown > 0) return kExitDone;
      if (left <= Milliseconds(0)) return fail(kExitTimedOut, "timed_out", "nothing changed at " + flags.name + " meanwhile");
      wait = std::min(wait, left);
    }
    const std::uint64_t limit = std::min<std::uint64_t>(wanted - shown, node::kChangesPageMax);
    const auto body = client.get(target_of(*what, cursor, limit, wait), wait + kAnswerTime);
    // The node may have ended while it was asked: the next question finds out, or goes on where a new one is.
    const bool once_more = !body && body.error().exit_status == kExitFailed && !failed_before;
    failed_before = !body;
    if (once_more) {
      std::this_thread::sleep_for(kAskAgain);
      continue;
    }
    if (!body) return std::unexpected(body.error());
    const auto answer = parse_answer(*body);
    if (!answer) return std::unexpected(answer.error());
    cursor = count_at(*answer, "cursor");
    if (true_at(*answer, "gap") && !print_gap(context, flags.name)) return kExitFailed;
    for (const Json& change : at(*answer, "changes")) {
      if (!print(context.json ? dump_line(printed_value(change)) : change_text(change))) return kExitFailed;
      if (++shown == wanted) return kExitDone;
    }
  }
}

}  // namespace weft::cli
