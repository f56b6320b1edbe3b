// `weft testnet ...`: up becomes the supervisor, the other verbs talk to it.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/node_client.h"
#include "cli/output.h"
#include "crypto/endpoint.h"
#include "node/files.h"
#include "node/link_model.h"
#include "node/log.h"
#include "testnet/launcher.h"
#include "testnet/process.h"
#include "testnet/rtt_matrix.h"
#include "testnet/selection.h"
#include "testnet/supervisor_client.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;
using testnet::Layout;
using testnet::Milliseconds;

constexpr Milliseconds kVerbTimeout{60'000};  // restarts and graceful stops take their time
constexpr int kWatchEveryMs = 1000;
constexpr int kFollowEveryMs = 200;
constexpr std::size_t kMatrixBytesMax = 32U << 10;  // fits into a request with its spec

std::string dump_line(const Json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Milliseconds to_ms(Duration duration) { return std::chrono::duration_cast<Milliseconds>(duration); }

Result<Layout> layout_of(const Context& context) {
  const auto layout = testnet::locate(context.args.testnet.dir);
  if (!layout) return fail(layout.error());
  return *layout;
}

Result<Json> ask(const Context& context, const Layout& layout, const Json& request,
                 std::optional<Milliseconds> timeout,
                 const std::function<void(const std::string&)>& on_line = nullptr) {
  static_cast<void>(context);
  const auto answer = testnet::ask_supervisor(layout, request.dump(), timeout, on_line);
  if (!answer) {
    return fail(answer.error().exit_status, answer.error().code, answer.error().message);
  }
  return parse_answer(*answer);
}

// ---- up

Result<int> run_testnet_up(const Context& context, const Layout& layout) {
  const TestnetFlags& flags = context.args.testnet;
  testnet::UpOptions options;
  if (!flags.http.empty()) {
    const auto endpoint = parse_endpoint(flags.http);
    if (!endpoint || scope({endpoint->ip, 1}) != Scope::kLoopback) {
      return usage("--http takes a loopback address like 127.0.0.1:8080, not '" + flags.http + "'");
    }
    options.http = *endpoint;
  }
  options.layout = layout;
  options.nodes = flags.nodes;
  options.seed = flags.seed;
  options.link = flags.link;
  options.base_port = flags.base_port;
  options.spread = flags.spread;
  options.detach = flags.detach;
  options.timeout = context.timeout;
  options.json = context.json;
  const auto status = testnet::run_up(options);
  if (status) return *status;
  return fail(status.error().exit_status, status.error().code, status.error().message);
}

// ---- looking

std::string status_line(const Json& status) {
  const Json& nodes = at(status, "nodes");
  std::string text = std::to_string(count_at(nodes, "running")) + " running, " +
                     std::to_string(count_at(nodes, "paused")) + " paused, " +
                     std::to_string(count_at(nodes, "dead")) + " dead; each counts " +
                     std::to_string(count_at(status, "members_min"));
  if (count_at(status, "members_min") != count_at(status, "members_max")) {
    text += " to " + std::to_string(count_at(status, "members_max"));
  }
  text += " members";
  text += true_at(status, "converged") ? ", all see all" : ", not all see all";
  if (count_at(status, "cut_off") > 0) {
    text += "; " + std::to_string(count_at(status, "cut_off")) + " cut off";
  }
  if (!text_at(status, "link").empty()) text += "; link " + shown_at(status, "link");
  if (count_at(status, "false_failures") > 0) {
    text += "; " + std::to_string(count_at(status, "false_failures")) + " false failures";
  }
  return text + "\n";
}

Result<int> run_testnet_status(const Context& context, const Layout& layout) {
  while (true) {
    const auto status = ask(context, layout, {{"do", "status"}}, context.timeout_or(kVerbTimeout));
    if (!status) return std::unexpected(status.error());
    if (!print(context.json ? dump_line(*status) : status_line(*status))) return kExitFailed;
    if (!context.args.testnet.watch) return kExitDone;
    ::poll(nullptr, 0, kWatchEveryMs);
  }
}

std::string nodes_table(const Json& nodes) {
  Table table({"INDEX", "NAME", "ID", "PID", "ADDRESS", "STATE", "HOME"});
  if (!nodes.is_array()) return {};
  for (const Json& node : nodes) {
    const Json& listen = at(node, "listen");
    const bool listens = listen.is_array() && !listen.empty() && listen[0].is_string();
    const Json& pid = at(node, "pid");
    table.add({std::to_string(count_at(node, "index")), shown_at(node, "name"),
               shown_at(node, "id").substr(0, 16), pid.is_number() ? pid.dump() : "-",
               listens ? node::escaped(listen[0].get<std::string>()) : "-", shown_at(node, "state"),
               shown_at(node, "home")});
  }
  return table.text();
}

Result<int> run_nodes(const Context& context, const Layout& layout) {
  const auto nodes = ask(context, layout, {{"do", "nodes"}}, context.timeout_or(kVerbTimeout));
  if (!nodes) return std::unexpected(nodes.error());
  return print(context.json ? dump_line(*nodes) : nodes_table(*nodes)) ? kExitDone : kExitFailed;
}

// Fails if the testnet never had that node.
Result<void> check_index(const Layout& layout, std::size_t index) {
  struct stat info {};
  if (::stat(layout.home(index).c_str(), &info) == 0) return {};
  if (::stat(layout.nodes().c_str(), &info) != 0) {
    return fail(
        kExitNoNode, "no_testnet",
        "no testnet is in " + layout.dir + "; start one with: weft testnet up -n 10 --detach");
  }
  return fail(kExitNotFound, "not_found",
              "there is no node " + std::to_string(index) + "; see weft testnet nodes");
}

Result<int> run_logs(const Context& context, const Layout& layout) {
  const TestnetFlags& flags = context.args.testnet;
  if (auto known = check_index(layout, flags.index); !known) return std::unexpected(known.error());
  const std::string path = flags.events ? layout.events(flags.index) : layout.node_log(flags.index);
  const node::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return fail(kExitFailed, "failed", "cannot read " + path + ": " + node::error_text(errno));
  }
  std::string buffer(32768, '\0');
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(kExitFailed, "failed", "cannot read " + path);
    if (n > 0 && !print(std::string_view(buffer).substr(0, static_cast<std::size_t>(n)))) {
      return kExitFailed;
    }
    if (n == 0 && !flags.follow) return kExitDone;
    if (n == 0) ::poll(nullptr, 0, kFollowEveryMs);
  }
}

// Becomes `weft WORDS` with the home of node I.
Result<int> run_exec(const Context& context, const Layout& layout) {
  const TestnetFlags& flags = context.args.testnet;
  if (flags.words.empty()) {
    return usage("write -- before the command: weft testnet exec 3 -- status");
  }
  if (auto known = check_index(layout, flags.index); !known) return std::unexpected(known.error());
  std::vector<std::string> words{"weft"};
  if (context.json) words.emplace_back("--json");
  words.insert(words.end(), flags.words.begin(), flags.words.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::setenv("WEFT_HOME", layout.home(flags.index).c_str(), 1);
  ::execv(testnet::own_program().c_str(), argv.data());
  return fail(kExitFailed, "internal", "cannot run weft: " + node::error_text(errno));
}

// ---- doing

std::string hit_text(const Json& answer) {
  const Json& nodes = at(answer, "nodes");
  std::string text = text_at(answer, "do") + ":";
  if (nodes.is_array()) {
    for (const Json& node : nodes) text += " " + at(node, "index").dump();
    text += " (" + std::to_string(nodes.size()) + " nodes)";
  }
  if (count_at(answer, "skipped") > 0) {
    text += ", " + std::to_string(count_at(answer, "skipped")) + " not in a state for it";
  }
  return text + "\n";
}

std::string plan_text(const Json& answer) {
  const Json& cut_off = at(answer, "cut_off");
  std::string text = text_at(answer, "do");
  if (cut_off.is_array()) {
    text += ": " + std::to_string(cut_off.size()) + " nodes cut off";
    if (true_at(answer, "one_way")) text += " one way";
    if (at(answer, "heal_after_ms").is_number()) {
      text += ", heals after " + format_ms(number_at(answer, "heal_after_ms"));
    }
  }
  if (!text_at(answer, "link").empty()) text += ": " + shown_at(answer, "link");
  return text + "\n";
}

Result<int> do_verb(const Context& context, const Layout& layout, const Json& request,
                    std::string (*to_text)(const Json&)) {
  const auto answer = ask(context, layout, request, context.timeout_or(kVerbTimeout));
  if (!answer) return std::unexpected(answer.error());
  return print(context.json ? dump_line(*answer) : to_text(*answer)) ? kExitDone : kExitFailed;
}

Result<int> run_link(const Context& context, const Layout& layout) {
  const std::string& spec = context.args.testnet.link;
  const auto parsed = node::parse_link_spec(spec);
  if (!parsed) return usage(parsed.error());
  Json request{{"do", "link"}, {"spec", spec}};
  if (!parsed->matrix_file.empty()) {
    const auto csv = node::read_small_file(parsed->matrix_file, kMatrixBytesMax, /*secret=*/false);
    if (!csv) return fail(kExitUsage, "bad_request", csv.error().message);
    const auto matrix = testnet::parse_rtt_matrix(*csv);
    if (!matrix) {
      return fail(kExitUsage, "bad_request", parsed->matrix_file + ": " + matrix.error());
    }
    request["matrix"] = *csv;
  }
  return do_verb(context, layout, request, plan_text);
}

std::string churn_line(const Json& line) {
  char text[256];
  std::snprintf(text, sizeof text,
                "%5.0f s: %llu alive, each counts %llu to %llu; %llu false failures; lookups %llu "
                "of %llu; %llu kills, %llu restarts\n",
                number_at(line, "elapsed_ms") / 1000,
                static_cast<unsigned long long>(count_at(line, "alive")),
                static_cast<unsigned long long>(count_at(line, "members_min")),
                static_cast<unsigned long long>(count_at(line, "members_max")),
                static_cast<unsigned long long>(count_at(line, "false_failures")),
                static_cast<unsigned long long>(count_at(line, "lookups_ok")),
                static_cast<unsigned long long>(count_at(line, "lookups")),
                static_cast<unsigned long long>(count_at(line, "kills")),
                static_cast<unsigned long long>(count_at(line, "restarts")));
  return text;
}

Result<int> run_churn(const Context& context, const Layout& layout) {
  const TestnetFlags& flags = context.args.testnet;
  const Json request{{"do", "churn"},
                     {"model", flags.model},
                     {"median_ms", to_ms(flags.median_session).count()},
                     {"for_ms", flags.duration ? to_ms(*flags.duration).count() : 0}};
  const auto show = [&context](const Json& line) {
    print(context.json ? dump_line(line) : churn_line(line));
  };
  const auto answer = ask(context, layout, request, std::nullopt, [&show](const std::string& text) {
    if (const auto line = parse_answer(text)) show(*line);
  });
  if (!answer) return std::unexpected(answer.error());
  show(*answer);
  return kExitDone;
}

Result<int> run_partition(const Context& context, const Layout& layout) {
  const TestnetFlags& flags = context.args.testnet;
  return do_verb(context, layout,
                 {{"do", "partition"},
                  {"which", flags.which},
                  {"one_way", flags.one_way},
                  {"heal_after_ms", flags.heal_after ? to_ms(*flags.heal_after).count() : 0}},
                 plan_text);
}

Result<int> run_down(const Context& context, const Layout& layout) {
  const auto answer = ask(context, layout, {{"do", "down"}}, context.timeout_or(kVerbTimeout));
  std::uint64_t stopped = answer ? count_at(*answer, "stopped") : 0;
  if (!answer) {
    // Killed or stuck: what it noted is ended here.
    const auto left = testnet::end_leftovers(layout);
    if (!left || *left == 0) return std::unexpected(answer.error());
    stopped = *left;
  }
  const Json value{{"do", "down"}, {"stopped", stopped}};
  return print(context.json ? dump_line(value) : "stopped " + std::to_string(stopped) + " nodes\n")
             ? kExitDone
             : kExitFailed;
}

}  // namespace

Result<int> run_testnet(const Context& context) {
  if (context.args.command == "testnet run") return run_testnet_scenario(context);
  const auto layout = layout_of(context);
  if (!layout) return std::unexpected(layout.error());
  const TestnetFlags& flags = context.args.testnet;
  const std::string verb = context.args.command.substr(std::string_view("testnet ").size());
  if (verb == "up") return run_testnet_up(context, *layout);
  if (verb == "status") return run_testnet_status(context, *layout);
  if (verb == "nodes") return run_nodes(context, *layout);
  if (verb == "logs") return run_logs(context, *layout);
  if (verb == "exec") return run_exec(context, *layout);
  if (verb == "churn") return run_churn(context, *layout);
  if (verb == "link") return run_link(context, *layout);
  if (verb == "partition") return run_partition(context, *layout);
  if (verb == "heal") return do_verb(context, *layout, {{"do", "heal"}}, plan_text);
  if (verb == "down") return run_down(context, *layout);
  if (verb == "add") {
    return do_verb(context, *layout, {{"do", "add"}, {"count", flags.nodes}}, hit_text);
  }
  if (const auto selection = testnet::parse_selection(flags.which); !selection) {
    return usage(selection.error());
  }
  return do_verb(context, *layout, {{"do", verb}, {"which", flags.which}}, hit_text);
}

}  // namespace weft::cli
