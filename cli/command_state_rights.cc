// state grant, revoke, rights, forks.
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/state_parts.h"
#include "cli/values.h"
#include "node/log.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;
using testnet::encode_query;

// The words of --rights. What they may be the node says.
Json right_words(std::string_view text) {
  Json out = Json::array();
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    out.push_back(std::string(text.substr(at, comma - at)));
    at = comma + 1;
  }
  return out;
}

std::string names_text(const Json& list) {
  std::string out;
  if (!list.is_array()) return out;
  for (const Json& name : list) {
    if (name.is_string()) out += (out.empty() ? "" : ", ") + node::escaped(name.get<std::string>());
  }
  return out;
}

std::string or_else(const Json& object, const char* key, const char* otherwise) {
  const Json& value = at(object, key);
  if (value.is_number()) return value.dump();
  return value.is_string() ? node::escaped(value.get<std::string>()) : otherwise;
}

std::string grants_text(const Json& answer) {
  const Json& grants = at(answer, "grants");
  std::string text;
  if (text_at(answer, "access") == "open") {
    text = "every member of the network may write\n";
  } else {
    text = "owner " + shown_at(answer, "owner") + "\n";
  }
  if (!grants.is_array() || grants.empty()) return text;
  Table table({"NODE", "PATH", "RIGHTS", "ENTRIES", "EXPIRES", "STATE"});
  for (const Json& grant : grants) {
    table.add({shown_at(grant, "id"), or_else(grant, "path", "everywhere"), names_text(at(grant, "rights")),
               or_else(grant, "entries", "-"), or_else(grant, "expires", "never"), true_at(grant, "revoked") ? "revoked" : "given"});
  }
  return text + table.text();
}

std::string forks_text(const Json& list) {
  if (!list.is_array() || list.empty()) return "no author is known to have forked\n";
  std::string text;
  for (const Json& fork : list) {
    text += shown_at(fork, "author") + " in " + shown_at(fork, "namespace") + ", epoch " + at(fork, "epoch").dump() + ", seq " +
            at(fork, "seq").dump() + ", proven by " + shown_at(fork, "witness") + "\n";
    for (const Json& side : at(fork, "sides")) {
      text += "  " + shown_at(side, "id") + "  at " + shown_at(side, "at") + "  of kind " + at(side, "kind").dump() + "  after " +
              or_else(side, "prev", "nothing") + "\n";
    }
  }
  return text;
}

}  // namespace

Result<int> run_state_grant(const Context& context) {
  const StateFlags& flags = context.args.state;
  if (const auto space = checked_space(flags.name); !space) return std::unexpected(space.error());
  if (!is_plain_text(flags.node) || !is_plain_text(flags.path.value_or(""))) return usage("ID and --path are UTF-8 text");
  nlohmann::json body = {{"space", flags.name}, {"id", flags.node}};
  if (flags.path) body["path"] = *flags.path;
  if (flags.rights) body["rights"] = right_words(*flags.rights);
  if (flags.entries) body["entries"] = *flags.entries;
  if (flags.expires) body["expires_ms"] = std::max<std::int64_t>(1, *flags.expires / std::chrono::milliseconds(1));
  return show(context, NodeClient(context).post("/v1/state/grant", std::move(body)), [&](const Json& answer) {
    return "granted " + shown_at(answer, "id") + ": " + names_text(at(answer, "rights")) + " at " + or_else(answer, "path", "every path") +
           ", until " + or_else(answer, "expires", "it is revoked") + "\n";
  });
}

Result<int> run_state_revoke(const Context& context) {
  const StateFlags& flags = context.args.state;
  if (const auto space = checked_space(flags.name); !space) return std::unexpected(space.error());
  if (!is_plain_text(flags.node)) return usage("ID is UTF-8 text");
  return show(context, NodeClient(context).post("/v1/state/revoke", {{"space", flags.name}, {"id", flags.node}}), [](const Json& answer) {
    return "revoked " + shown_at(answer, "id") + "; what of its writing was not here by now is cut off\n";
  });
}

Result<int> run_state_rights(const Context& context) {
  const std::string& name = context.args.state.name;
  if (const auto space = checked_space(name); !space) return std::unexpected(space.error());
  return show(context, NodeClient(context).get("/v1/state/rights?space=" + encode_query(name)), grants_text);
}

Result<int> run_state_forks(const Context& context) {
  const std::string& name = context.args.state.name;
  std::string target = "/v1/state/forks";
  if (!name.empty()) {
    if (const auto space = checked_space(name); !space) return std::unexpected(space.error());
    target += "?space=" + encode_query(name);
  }
  return show(context, NodeClient(context).get(target), forks_text);
}

}  // namespace weft::cli
