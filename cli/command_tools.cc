// network, id, doctor, config, log, metrics, completions.
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/node_client.h"
#include "cli/output.h"
#include "cli/parse.h"
#include "crypto/keys.h"
#include "node/backup.h"
#include "node/home.h"
#include "node/log.h"
#include "node/network_file.h"
#include "testnet/http_exchange.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string dump_line(const Json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<int> show(const Context& context, const Json& value, const std::string& text) {
  return print(context.json ? dump_line(value) : text) ? kExitDone : kExitFailed;
}

// ---- doctor without a node: what can be seen from outside

Json check(const char* name, bool ok, std::string detail) {
  return {{"check", name}, {"ok", ok}, {"detail", std::move(detail)}};
}

Json local_checks(const Context& context) {
  Json checks = Json::array();
  const std::string& home = context.home;
  checks.push_back(check(
      "node", false, "no node is running in " + home + "; start one with: weft up --home " + home));
  struct stat info {};
  if (::stat(home.c_str(), &info) != 0) {
    checks.push_back(check("home", true, home + " does not exist yet; weft up makes it"));
    return checks;
  }
  const bool safe = info.st_uid == ::geteuid() && (info.st_mode & 022) == 0;
  checks.push_back(
      check("home", safe,
            safe ? home + " is ours" : "others may write in " + home + "; run: chmod 700 " + home));
  const std::string identity = node::identity_path(home);
  if (::stat(identity.c_str(), &info) == 0) {
    const auto read = node::read_identity(identity);
    checks.push_back(
        check("identity", read.has_value(), read ? identity + " is sound" : read.error().message));
  }
  const auto config = load_config(context.args.up.config, home);
  checks.push_back(check("configuration", config.has_value(),
                         config ? config->path + " is sound or absent" : config.error().message));
  return checks;
}

std::string checks_text(const Json& checks, bool& all_ok) {
  Table table({"", "", ""});
  for (const Json& entry : checks) {
    const bool ok = true_at(entry, "ok");
    if (!ok) all_ok = false;
    table.add({ok ? "ok" : "!!", shown_at(entry, "check"), shown_at(entry, "detail")});
  }
  return table.text(/*with_header=*/false);
}

// ---- config

Json effective_json(const node::RuntimeOptions& options) {
  Json list = Json::array();
  for (const auto& [option, value] : options.effective) {
    list.push_back({{"option", option}, {"value", value.first}, {"origin", value.second}});
  }
  return list;
}

Result<Json> settings_of(const Context& context) {
  if (!context.args.up.config) {
    const auto body = NodeClient(context).get("/v1/config");
    if (body) return parse_answer(*body);
    if (body.error().exit_status != kExitNoNode) return std::unexpected(body.error());
    if (!context.json) {
      std::fprintf(stderr, "weft: no node is running; this is what `weft up` would take\n");
    }
  }
  const auto file = load_config(context.args.up.config, context.home);
  if (!file) return std::unexpected(file.error());
  const auto options =
      resolve_up({context.args.up, context.env, file->values, file->path}, context.home);
  if (!options) return std::unexpected(options.error());
  return effective_json(*options);
}

// ---- log

std::string log_text(const Json& line) {
  const auto ms = static_cast<std::int64_t>(number_at(line, "t_ms"));
  const std::time_t seconds = ms / 1000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char stamp[32];
  const std::size_t length = std::strftime(stamp, sizeof stamp, "%H:%M:%S", &local);
  char out[48];
  std::snprintf(out, sizeof out, "%.*s.%03d", static_cast<int>(length), stamp,
                static_cast<int>(ms % 1000));
  std::string level = shown_at(line, "level");
  level.resize(std::max<std::size_t>(level.size(), 5), ' ');
  return std::string(out) + " " + level + " " + shown_at(line, "message") + "\n";
}

}  // namespace

Result<int> run_network(const Context& context) {
  SystemEntropy entropy;
  const std::string& file = context.args.text;
  const auto network = context.args.command == "network new"
                           ? node::create_network_file(file, entropy)
                           : node::rotate_network_file(file, entropy);
  if (!network) return fail(network.error());
  return show(context, {{"network", network->name}, {"keys", network->keys.size()}},
              "network " + node::escaped(network->name) + " with " +
                  std::to_string(network->keys.size()) + " keys in " + file + "\n");
}

Result<int> run_id(const Context& context) {
  const std::string& file = context.args.text;
  if (context.args.command == "id") {
    const auto body = NodeClient(context).get("/v1/id");
    if (!body) return std::unexpected(body.error());
    const auto answer = parse_answer(*body);
    if (!answer) return std::unexpected(answer.error());
    return show(context, *answer,
                "id          " + shown_at(*answer, "id") + "\npublic key  " +
                    shown_at(*answer, "public_key") + "\nrecord      " +
                    shown_at(*answer, "record") + "\n");
  }
  const bool exports = context.args.command == "id export";
  const auto done = exports ? node::export_identity(context.home, file)
                            : node::import_identity(context.home, file);
  if (!done) return fail(done.error());
  const auto seed = node::read_identity(node::identity_path(context.home));
  if (!seed) return fail(seed.error());
  const SodiumProvider provider;
  const Identity identity(provider, *seed);
  const std::string id = to_string(identity.id());
  return show(
      context,
      {{"id", id}, {"public_key", to_hex(identity.public_key().bytes)}, {"record", nullptr}},
      (exports ? "wrote the identity " + id + " to " + file + "; keep it secret"
               : "took the identity " + id + " into " + context.home) +
          "\n");
}

Result<int> run_backup(const Context& context) {
  const std::string& file = context.args.text;
  const auto begin = std::chrono::steady_clock::now();
  const bool makes = context.args.command == "backup";
  const auto done = makes ? node::backup_home(context.home, file) : node::restore_home(context.home, file);
  if (!done) return fail(done.error());
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - begin;
  const std::string id = to_string(done->id);
  return show(context, {{"id", id}, {"bytes", done->bytes}, {"elapsed_ms", elapsed.count()}},
              (makes ? "wrote the home of " + id + " to " + file + ", " + std::to_string(done->bytes) +
                           " bytes; it holds the secret key: keep it safe"
                     : "made " + context.home + " the home of " + id +
                           "; start it with weft up, and never beside the node it was taken from") +
                  "\n");
}

Result<int> run_doctor(const Context& context) {
  const auto body = NodeClient(context).get("/v1/doctor");
  const bool none = !body && body.error().exit_status == kExitNoNode;
  if (!body && !none) return std::unexpected(body.error());
  const auto checks = none ? Result<Json>(local_checks(context)) : parse_answer(*body);
  if (!checks) return std::unexpected(checks.error());
  bool all_ok = true;
  const std::string text = checks_text(*checks, all_ok);
  if (const auto shown = show(context, *checks, text); !shown || *shown != kExitDone) return shown;
  return none ? kExitNoNode : all_ok ? kExitDone : kExitFailed;
}

Result<int> run_config(const Context& context) {
  const auto settings = settings_of(context);
  if (!settings) return std::unexpected(settings.error());
  Table table(context.args.origin ? std::vector<std::string>{"OPTION", "VALUE", "ORIGIN"}
                                  : std::vector<std::string>{"OPTION", "VALUE"});
  if (settings->is_array()) {
    for (const Json& setting : *settings) {
      std::vector<std::string> row{shown_at(setting, "option"), shown_at(setting, "value")};
      if (context.args.origin) row.push_back(shown_at(setting, "origin"));
      table.add(std::move(row));
    }
  }
  return show(context, *settings, table.text());
}

Result<int> run_log(const Context& context) {
  const LogFlags& flags = context.args.log;
  const NodeClient client(context);
  if (flags.set_level) {
    const auto body = client.post("/v1/log", {{"level", *flags.set_level}});
    if (!body) return std::unexpected(body.error());
    const auto answer = parse_answer(*body);
    if (!answer) return std::unexpected(answer.error());
    return show(context, *answer, "the log level is " + shown_at(*answer, "level") + "\n");
  }
  std::string target = "/v1/log";
  char separator = '?';
  if (flags.level) {
    target += separator + ("level=" + testnet::encode_query(*flags.level));
    separator = '&';
  }
  if (flags.follow) target += separator + std::string("follow=1");
  const auto ended = client.stream_lines(target, [&context](std::string_view line) {
    if (context.json) return print(std::string(line) + "\n");
    const Json entry = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    return print(entry.is_object() ? log_text(entry) : node::escaped(line) + "\n");
  });
  if (!ended) return std::unexpected(ended.error());
  return kExitDone;
}

Result<int> run_metrics(const Context& context) {
  const auto body = NodeClient(context).get("/metrics");
  if (!body) return std::unexpected(body.error());
  return print(*body) ? kExitDone : kExitFailed;
}

Result<int> run_completions(const Context& context) {
  const auto script = completion_script(command_tree(), context.args.text);
  if (!script)
    return usage("there are completions for bash, zsh and fish, not '" + context.args.text + "'");
  return print(*script) ? kExitDone : kExitFailed;
}

}  // namespace weft::cli
