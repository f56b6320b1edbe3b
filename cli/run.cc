// From argv to the command: parsing, the common options, Ctrl-C, and how failures are shown.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <string_view>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/parse.h"

namespace weft::cli {

namespace {

using Command = Result<int> (*)(const Context&);

// The function of a command's first word.
Command find_command(std::string_view first) {
  static const std::map<std::string_view, Command> commands{
      {"up", run_up},           {"status", run_status},
      {"members", run_members}, {"peers", run_peers},
      {"ping", run_ping},       {"wait", run_wait},
      {"join", run_join},       {"leave", run_leave},
      {"put", run_put},         {"get", run_get},
      {"rm", run_rm},           {"own", run_own},
      {"watch", run_watch},
      {"provide", run_provide}, {"providers", run_providers},
      {"lookup", run_lookup},   {"state", run_state},
      {"trace", run_trace},
      {"network", run_network},
      {"id", run_id},           {"doctor", run_doctor},
      {"backup", run_backup},   {"restore", run_backup},
      {"config", run_config},   {"log", run_log},
      {"metrics", run_metrics}, {"completions", run_completions},
      {"testnet", run_testnet}, {"sim", run_sim}};
  const auto found = commands.find(first);
  return found == commands.end() ? nullptr : found->second;
}

// `up` takes its own care of signals, and `testnet up` does as soon as there is a node to end.
void exit_130_on_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { ::_exit(kExitInterrupted); };
  ::sigaction(SIGINT, &action, nullptr);
}

Result<Context> make_context(Args args) {
  Context context;
  context.env = read_environment();
  const auto timeout = resolve_timeout(args.timeout, context.env);
  if (!timeout) return std::unexpected(timeout.error());
  if (*timeout) {
    context.timeout = std::chrono::duration_cast<testnet::Milliseconds>(**timeout);
    if (context.timeout->count() == 0) context.timeout = testnet::Milliseconds(1);
  }
  if (!args.command.starts_with("testnet") && !args.command.starts_with("sim") &&
      args.command != "completions") {
    std::error_code error;
    const auto directory = std::filesystem::current_path(error).string();
    auto home = resolve_home(args.home, context.env, directory);
    if (!home) return std::unexpected(home.error());
    context.home = std::move(*home);
  }
  context.json = args.json;
  context.args = std::move(args);
  return context;
}

}  // namespace

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  Parsed parsed = parse_args(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  if (!parsed.out.empty()) return print(parsed.out) ? kExitDone : kExitFailed;
  if (!parsed.args) {
    return print_failure({parsed.exit_status, "usage", parsed.error, {}}, parsed.json);
  }
  const std::string command = parsed.args->command;
  const bool json = parsed.json;
  const Command function = find_command(command.substr(0, command.find(' ')));
  if (function == nullptr) {
    return print_failure({kExitUsage, "usage", "there is no command '" + command + "'", {}}, json);
  }
  auto context = make_context(std::move(*parsed.args));
  if (!context) return print_failure(context.error(), json);
  if (command != "up") exit_130_on_interrupt();
  const auto begun = testnet::mono_now();
  const Result<int> result = function(*context);
  const int status = result ? *result : print_failure(result.error(), json);
  if (context->args.verbose > 0 && command != "up") {
    std::fprintf(stderr, "weft: %s: exit status %d after %lld ms\n", command.c_str(), status,
                 static_cast<long long>(testnet::ms_between(begun, testnet::mono_now())));
  }
  return status;
}

}  // namespace weft::cli
