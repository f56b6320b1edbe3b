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

// In pages, as a node with many does nothing else while it makes a list. The last row of one leads to the next.
std::string after(const Json& rows, const char* id) { return rows.empty() ? "" : text_at(rows.back(), id); }

Result<Json> all_rights(const NodeClient& client, const std::string& name) {
  const std::string first = "/v1/state/rights?space=" + encode_query(name);
  auto all = ask(client, first);
  if (!all || !at(*all, "grants").is_array()) return all;
  Json& grants = (*all)["grants"];
  bool more = true_at(*all, "more");
  for (std::string last = after(grants, "grant"); more && !last.empty(); last = after(grants, "grant")) {
    const auto page = ask(client, first + "&after=" + last);
    if (!page) return page;
    const Json& next = at(*page, "grants");
    if (!next.is_array() || next.empty()) break;
    grants.insert(grants.end(), next.begin(), next.end());
    more = true_at(*page, "more");
  }
  all->erase("more");
  return all;
}

Result<Json> all_forks(const NodeClient& client, const std::string& name) {
  const std::string first = "/v1/state/forks?limit=" + std::to_string(node::kForksPageMax) + (name.empty() ? "" : "&space=" + encode_query(name));
  Json all = Json::array();
  for (std::string target = first;;) {
    const auto page = ask(client, target);
    if (!page) return page;
    if (!page->is_array()) return all;
    all.insert(all.end(), page->begin(), page->end());
    const std::string last = after(*page, "proof");
    if (page->size() < node::kForksPageMax || last.empty()) return all;
    target = first + "&after=" + last;
  }
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
  const auto all = all_rights(NodeClient(context), name);
  if (!all) return std::unexpected(all.error());
  return print(context.json ? dump_line(*all) : grants_text(*all)) ? kExitDone : kExitFailed;
}

Result<int> run_state_forks(const Context& context) {
  const std::string& name = context.args.state.name;
  if (!name.empty()) {
    if (const auto space = checked_space(name); !space) return std::unexpected(space.error());
  }
  const auto all = all_forks(NodeClient(context), name);
  if (!all) return std::unexpected(all.error());
  return print(context.json ? dump_line(*all) : forks_text(*all)) ? kExitDone : kExitFailed;
}

}  // namespace weft::cli
