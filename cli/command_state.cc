// state create, join, leave, ls, digest, set, get, rm, inc, add, del, items; watch, export and import have their own files.
#include <unistd.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/file_io.h"
#include "cli/state_parts.h"
#include "cli/values.h"
#include "node/log.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;
using testnet::encode_query;

std::string entries_text(const Json& space) {
  const auto entries = count_at(space, "entries");
  return std::to_string(entries) + (entries == 1 ? " entry" : " entries");
}

Result<int> run_create(const Context& context) {
  const StateFlags& flags = context.args.state;
  const auto space = checked_space(flags.name);
  if (!space) return std::unexpected(space.error());
  if (!space->creator.empty()) return usage("the creator is this node: name the namespace alone");
  return show(context, NodeClient(context).post("/v1/state/create", {{"space", flags.name}, {"access", flags.owned ? "owned" : "open"}}),
              [](const Json& answer) {
                const std::string name = shown_at(answer, "namespace");
                return "created " + name + ", " + entries_text(answer) + "; on other nodes: weft state join " + name + "\n";
              });
}

Result<int> run_state_join(const Context& context) {
  const std::string& name = context.args.state.name;
  if (const auto space = checked_space(name); !space) return std::unexpected(space.error());
  return show(context, NodeClient(context).post("/v1/state/join", {{"space", name}}), [](const Json& answer) {
    return "joined " + shown_at(answer, "namespace") + " of " + shown_at(answer, "creator") + ", " + entries_text(answer) +
           " here by now\n";
  });
}

Result<int> run_state_leave(const Context& context) {
  const std::string& name = context.args.state.name;
  if (const auto space = checked_space(name); !space) return std::unexpected(space.error());
  return show(context, NodeClient(context).post("/v1/state/leave", {{"space", name}}),
              [](const Json& answer) { return "left " + shown_at(answer, "namespace") + "\n"; });
}

std::string spaces_text(const Json& list) {
  Table table({"NAMESPACE", "CREATOR", "ACCESS", "ENTRIES", "SIZE"});
  if (!list.is_array()) return {};
  for (const Json& space : list) {
    table.add({shown_at(space, "namespace"), shown_at(space, "creator"), shown_at(space, "access"),
               std::to_string(count_at(space, "entries")), format_bytes(count_at(space, "bytes"))});
  }
  return table.text();
}

std::string documents_text(const Json& list) {
  Table table({"DOCUMENT", "KIND"});
  for (const Json& document : list) {
    std::string kinds;
    for (const Json& kind : at(document, "kinds")) {
      if (kind.is_string()) kinds += (kinds.empty() ? "" : ", ") + node::escaped(kind.get<std::string>());
    }
    table.add({shown_at(document, "doc"), kinds});
  }
  return table.text();
}

// In pages, as a node with many does nothing else while it makes a list.
Result<Json> all_documents(const NodeClient& client, const SpaceName& space) {
  Json all = Json::array();
  const std::string first = "/v1/state/docs?space=" + encode_query(space.text);
  for (std::string target = first;;) {
    const auto page = ask(client, target);
    if (!page) return page;
    const Json& documents = at(*page, "docs");
    if (documents.is_array()) all.insert(all.end(), documents.begin(), documents.end());
    const std::string last = text_at(*page, "after_base64");
    if (!true_at(*page, "more") || last.empty()) return all;
    target = first + "&after_base64=" + encode_query(last);
  }
}

Result<int> run_ls(const Context& context) {
  const NodeClient client(context);
  const std::string& name = context.args.state.name;
  if (name.empty()) return show(context, client.get("/v1/state/namespaces"), spaces_text);
  const auto space = checked_space(name);
  if (!space) return std::unexpected(space.error());
  const auto all = all_documents(client, *space);
  if (!all) return std::unexpected(all.error());
  return print(context.json ? dump_line(*all) : documents_text(*all)) ? kExitDone : kExitFailed;
}

Result<int> run_digest(const Context& context) {
  const std::string& name = context.args.state.name;
  std::string target = "/v1/state/digest";
  if (!name.empty()) {
    if (const auto space = checked_space(name); !space) return std::unexpected(space.error());
    target += "?space=" + encode_query(name);
  }
  return show(context, NodeClient(context).get(target), [](const Json& answer) {
    Table table({"NAMESPACE", "DIGEST", "ENTRIES"});
    for (const Json& space : answer.is_array() ? answer : Json::array({answer})) {
      table.add({shown_at(space, "namespace"), shown_at(space, "digest"), std::to_string(count_at(space, "entries"))});
    }
    return table.text();
  });
}

// ---- documents

// An object of a register as --json prints it, its conflicts as well.
Json printed_register(Json answer) {
  Json conflicts = Json::array();
  if (at(answer, "conflicts").is_array()) {
    for (Json& conflict : answer["conflicts"]) conflicts.push_back(printed_value(std::move(conflict)));
  }
  answer["conflicts"] = std::move(conflicts);
  return printed_value(std::move(answer));
}

void tell_conflicts(const Json& answer) {
  const Json& conflicts = at(answer, "conflicts");
  if (!conflicts.is_array() || conflicts.empty()) return;
  const std::size_t count = conflicts.size() + count_at(answer, "conflicts_left_out");
  std::fprintf(stderr, "weft: %zu other value%s written at the same time; --json shows them, the next set replaces them\n", count,
               count == 1 ? " was" : "s were");
}

// The value of the command line, or what stdin holds.
Result<std::string> given_value(const StateFlags& flags) {
  return flags.value == "-" ? read_value(STDIN_FILENO, "stdin") : flags.value;
}

Result<Json> write(const Context& context, nlohmann::json body, bool takes_value) {
  const StateFlags& flags = context.args.state;
  if (const auto doc = checked_doc(flags.name); !doc) return std::unexpected(doc.error());
  body["doc"] = flags.name;
  if (takes_value) {
    const auto value = given_value(flags);
    if (!value) return std::unexpected(value.error());
    body["value_base64"] = encode_base64(*value);
  }
  const auto answered = NodeClient(context).post("/v1/state/write", std::move(body));
  if (!answered) return std::unexpected(answered.error());
  return parse_answer(*answered);
}

Result<int> run_set(const Context& context) {
  const auto answer = write(context, {{"what", "set"}}, /*takes_value=*/true);
  if (!answer) return std::unexpected(answer.error());
  if (context.json) return print(dump_line(printed_register(*answer))) ? kExitDone : kExitFailed;
  tell_conflicts(*answer);
  return print("set " + shown_at(*answer, "doc") + "\n") ? kExitDone : kExitFailed;
}

Result<int> run_state_rm(const Context& context) {
  const auto answer = write(context, {{"what", "rm"}}, /*takes_value=*/false);
  if (!answer) return std::unexpected(answer.error());
  if (context.json) return print(dump_line(printed_register(*answer))) ? kExitDone : kExitFailed;
  return print("removed " + shown_at(*answer, "doc") + "\n") ? kExitDone : kExitFailed;
}

Result<int> run_state_get(const Context& context) {
  const std::string& name = context.args.state.name;
  if (const auto doc = checked_doc(name); !doc) return std::unexpected(doc.error());
  const auto answer = ask(NodeClient(context), "/v1/state/get?doc=" + encode_query(name));
  if (!answer) return std::unexpected(answer.error());
  if (context.json) return print(dump_line(printed_register(*answer))) ? kExitDone : kExitFailed;
  tell_conflicts(*answer);
  // A counter has a number, a register bytes.
  const Json& number = at(*answer, "value");
  const std::string text = number.is_number() ? number.dump() + "\n" : decode_base64(text_at(*answer, "value_base64")).value_or("");
  return print(text) ? kExitDone : kExitFailed;
}

Result<int> run_inc(const Context& context) {
  const auto answer = write(context, {{"what", "inc"}, {"amount", context.args.state.amount}}, /*takes_value=*/false);
  if (!answer) return std::unexpected(answer.error());
  return print(context.json ? dump_line(*answer) : at(*answer, "value").dump() + "\n") ? kExitDone : kExitFailed;
}

// The items of an answer, and of the pages that follow it.
Result<std::vector<std::string>> all_items(const NodeClient& client, const std::string& doc, Json page) {
  std::vector<std::string> all;
  for (;;) {
    std::string last;
    if (!at(page, "items_base64").is_array()) return all;
    for (const Json& item : at(page, "items_base64")) {
      if (!item.is_string()) continue;
      last = item.get<std::string>();
      all.push_back(decode_base64(last).value_or(""));
    }
    if (!true_at(page, "more") || last.empty()) return all;
    auto next = ask(client, "/v1/state/items?doc=" + encode_query(doc) + "&after_base64=" + encode_query(last));
    if (!next) return std::unexpected(next.error());
    page = std::move(*next);
  }
}

// Text as text; other elements as an object that says so.
std::string items_line(const std::string& doc, const std::vector<std::string>& items) {
  Json list = Json::array();
  for (const std::string& item : items) {
    list.push_back(is_plain_text(item) ? Json(item) : Json{{"value_base64", encode_base64(item)}});
  }
  return dump_line({{"doc", doc}, {"items", std::move(list)}});
}

Result<int> change_set(const Context& context, const char* what, const char* done) {
  const auto answer = write(context, {{"what", what}}, /*takes_value=*/true);
  if (!answer) return std::unexpected(answer.error());
  const std::string& doc = context.args.state.name;
  if (!context.json) return print(std::string(done) + node::escaped(doc) + "\n") ? kExitDone : kExitFailed;
  const auto items = all_items(NodeClient(context), doc, *answer);
  if (!items) return std::unexpected(items.error());
  return print(items_line(doc, *items)) ? kExitDone : kExitFailed;
}
Result<int> run_add(const Context& context) { return change_set(context, "add", "added to "); }
Result<int> run_del(const Context& context) { return change_set(context, "del", "taken out of "); }

Result<int> run_items(const Context& context) {
  const std::string& doc = context.args.state.name;
  if (const auto checked = checked_doc(doc); !checked) return std::unexpected(checked.error());
  const NodeClient client(context);
  auto first = ask(client, "/v1/state/items?doc=" + encode_query(doc));
  if (!first) return std::unexpected(first.error());
  const auto items = all_items(client, doc, std::move(*first));
  if (!items) return std::unexpected(items.error());
  if (context.json) return print(items_line(doc, *items)) ? kExitDone : kExitFailed;
  // One a line, whatever they hold.
  std::string text;
  for (const std::string& item : *items) text += node::escaped(item) + "\n";
  return print(text) ? kExitDone : kExitFailed;
}

}  // namespace

Result<node::SpaceName> checked_space(const std::string& text) {
  if (!is_plain_text(text)) return usage("a namespace is named by UTF-8 text");
  auto space = node::parse_space(text);
  if (!space) return fail(exit_status_of(space.error().code), space.error().code, space.error().message);
  return *space;
}

Result<node::DocName> checked_doc(const std::string& text) {
  if (!is_plain_text(text)) return usage("a document is named by UTF-8 text");
  auto doc = node::parse_doc(text);
  if (!doc) return fail(exit_status_of(doc.error().code), doc.error().code, doc.error().message);
  return *doc;
}

Result<Json> ask(const NodeClient& client, const std::string& target) {
  const auto body = client.get(target);
  if (!body) return std::unexpected(body.error());
  return parse_answer(*body);
}

Result<int> run_state(const Context& context) {
  using Command = Result<int> (*)(const Context&);
  static const std::map<std::string_view, Command> commands{
      {"create", run_create}, {"join", run_state_join},    {"leave", run_state_leave},   {"ls", run_ls},
      {"digest", run_digest}, {"set", run_set},            {"get", run_state_get},       {"rm", run_state_rm},
      {"inc", run_inc},       {"add", run_add},            {"del", run_del},             {"items", run_items},
      {"watch", run_state_watch}, {"export", run_state_export}, {"import", run_state_import},
      {"apply", run_state_apply}, {"grant", run_state_grant}, {"revoke", run_state_revoke},
      {"rights", run_state_rights}, {"forks", run_state_forks}};
  const std::string_view words = context.args.command;
  const auto found = commands.find(words.substr(words.find(' ') + 1));
  if (found == commands.end()) return usage("there is no command '" + context.args.command + "'");
  return found->second(context);
}

}  // namespace weft::cli
