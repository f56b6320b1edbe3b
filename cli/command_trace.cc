// trace: what nodes did for operations that somebody traced, put together from all that can be asked.
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/file_io.h"
#include "cli/node_client.h"
#include "cli/otlp.h"
#include "cli/output.h"
#include "crypto/bytes.h"
#include "testnet/directory.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

// Appends what one node tells, each entry with its id as "node".
Result<void> add_served(const Context& context, const std::string& target, Json& all) {
  const NodeClient client(context);
  const auto self = client.get("/v1/id");
  if (!self) return std::unexpected(self.error());
  const auto told = client.get(target);
  if (!told) return std::unexpected(told.error());
  const auto id = parse_answer(*self);
  const auto list = parse_answer(*told);
  if (!id) return std::unexpected(id.error());
  if (!list) return std::unexpected(list.error());
  for (const Json& entry : *list) {
    Json served = {{"node", text_at(*id, "id")}};
    served.update(entry);
    all.push_back(std::move(served));
  }
  return {};
}

// The nodes of a testnet that answer; one that is dead or stopped did nothing that could be asked.
Result<void> add_testnet(const Context& context, const std::string& target, Json& all) {
  const auto layout = testnet::locate(context.args.testnet.dir);
  if (!layout) return fail(kExitUsage, "bad_request", layout.error().message);
  const auto manifest = testnet::read_manifest(*layout);
  if (!manifest) return fail(kExitNoNode, "no_node", manifest.error().message);
  for (std::size_t i = 0; i < manifest->nodes.size(); ++i) {
    Context one = context;
    one.home = layout->home(i);
    one.timeout = context.timeout_or(testnet::Milliseconds(2000));
    const auto added = add_served(one, target, all);
    if (!added && added.error().exit_status != kExitNoNode && added.error().exit_status != kExitTimedOut) return added;
  }
  return {};
}

std::string answer_text(const Json& served) {
  const std::string status = text_at(served, "status");
  if (!status.empty()) return status;
  if (!at(served, "took_ms").is_number()) return "no answer";
  std::string text = std::to_string(count_at(served, "contacts")) + " contacts";
  if (text_at(served, "what") == "get") text += ", " + std::to_string(count_at(served, "values")) + " values";
  return text;
}

std::string served_text(const Json& all) {
  Table table({"AT", "NODE", "WHAT", "FROM", "TOOK", "ANSWER"});
  const double first = all.empty() ? 0 : number_at(all.front(), "at_ms");
  for (const Json& served : all) {
    table.add({"+" + format_ms(number_at(served, "at_ms") - first), text_at(served, "node").substr(0, 16), text_at(served, "what"),
               text_at(served, "from").substr(0, 16), ms_at(served, "took_ms"), answer_text(served)});
  }
  return table.text();
}

}  // namespace

Result<int> run_trace(const Context& context) {
  const std::string& id = context.args.text;
  if (!id.empty() && !array_from_hex<16>(id)) return usage("a trace id has 32 hex digits");
  const std::string target = id.empty() ? "/v1/served" : "/v1/served?trace=" + id;
  Json all = Json::array();
  const auto added = context.args.testnet.dir.empty() ? add_served(context, target, all) : add_testnet(context, target, all);
  if (!added) return std::unexpected(added.error());
  std::sort(all.begin(), all.end(), [](const Json& a, const Json& b) { return count_at(a, "at_ms") < count_at(b, "at_ms"); });
  if (context.args.value.otlp) {
    if (auto written = write_out(*context.args.value.otlp, otlp_served(all)); !written) return std::unexpected(written.error());
  }
  if (context.json) print(all.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  else if (!all.empty()) print(served_text(all));
  if (!all.empty()) return kExitDone;
  return fail(kExitNotFound, "not_found",
              id.empty() ? "nothing was done for a traced operation; weft put --trace and weft get --trace trace one"
                         : "nothing is known of this trace here; a node keeps the last 256 requests that it served, until it ends");
}

}  // namespace weft::cli
