#include "cli/parse.h"

#include <algorithm>
#include <charconv>

#include "cli/parse_parts.h"
#include "node/units.h"

namespace weft::cli {

namespace {

constexpr const char* kNodeGroup = "A node";
constexpr const char* kValuesGroup = "Values in the DHT";
constexpr const char* kToolsGroup = "Setting up and looking inside";

void add_up(CLI::App& root, UpFlags& up) {
  CLI::App* app =
      add_command(root, "up", "Run a node in the foreground until Ctrl-C or `weft leave`",
                  "weft up --listen 0.0.0.0:9338 --join seed.example.org:9338 --name alice");
  app->group(kNodeGroup);
  add_list(*app, "--listen", up.listen, "ADDR:PORT to listen on (UDP); 9338 on all unless given");
  add_list(*app, "--join", up.join, "SEED to join through: HOST:PORT or ID@HOST:PORT");
  add_text(*app, "--name", up.name,
           "Name that others see; the first digits of the id unless given");
  add_list(*app, "--tag", up.tag, "K=V that others see");
  add_list(*app, "--advertise", up.advertise, "ADDR:PORT that others shall use");
  add_text(*app, "--network", up.network,
           "Network to be in: a name, or a key file (with a / in it)");
  add_text(*app, "--http", up.http, "ADDR:PORT for a page of this node, /metrics and reads over HTTP (loopback)");
  app->add_flag("--faults", up.faults, "Let the control API shape and break links");
  app->add_flag("--ephemeral", up.ephemeral, "Keep nothing but the identity");
  add_text(*app, "--durability", up.durability, "commit (the default) or relaxed");
  add_text(*app, "--config", up.config, "FILE in place of DIR/weft.toml");
  add_text(*app, "--log-level", up.log_level, "trace, debug, info, warn or error");
  add_text(*app, "--log-format", up.log_format, "text or json, of the lines on stderr");
  app->add_option("--parent-fd", up.parent_fd, "End when this descriptor ends")
      ->group(kHiddenGroup);
}

void add_node_commands(CLI::App& root, Args& args) {
  CLI::App* app = add_command(root, "status", "Health first, then figures", "weft status --json");
  app->group(kNodeGroup);

  app = add_command(root, "members", "Everyone this node knows of, itself included",
                    "weft members --state alive --tag role=db");
  app->group(kNodeGroup);
  add_text(*app, "--state", args.members.state, "Only alive, suspect, failed or left");
  add_text(*app, "--name", args.members.name, "Only names that match the regular expression");
  add_list(*app, "--tag", args.members.tags, "K=RE: only where tag K matches RE");
  app->add_flag("--watch", args.members.watch, "Go on printing what changes");

  add_command(root, "peers", "The routing table", "weft peers --json")->group(kNodeGroup);

  app = add_command(root, "ping", "Round trips to one node", "weft ping alice -c 3");
  app->group(kNodeGroup);
  app->add_option("NODE", args.text, "Id, unambiguous prefix of 8 digits or more, or name")
      ->required();
  app->add_option("-c,--count", args.count, "How many (4)")->check(CLI::Range(1, 10'000));

  app = add_command(root, "wait", "Return when the node is ready and enough members are alive",
                    "weft wait --members 20 --timeout 30s");
  app->group(kNodeGroup);
  app->add_option("--members", args.count, "How many alive members to wait for (1)")
      ->check(CLI::Range(1, 1'000'000));

  app = add_command(root, "join", "Let the running node join through seeds",
                    "weft join 192.0.2.7:9338");
  app->group(kNodeGroup);
  app->add_option("SEED", args.words, "HOST:PORT or ID@HOST:PORT")->required();

  add_command(root, "leave", "Leave gracefully and stop the node", "weft leave")->group(kNodeGroup);
}

void add_paths(CLI::App& app, ValueFlags& value) {
  add_number(app, "--paths", value.paths, "Search along 1 to 8 disjoint paths: more of them stand more hostile nodes, and cost more");
}

void add_value_commands(CLI::App& root, ValueFlags& value, Args& args) {
  CLI::App* app = add_command(root, "put", "Store an own value under KEY",
                              "weft put color blue --ttl 1h\n  date | weft put now -");
  app->group(kValuesGroup);
  app->add_option("KEY", value.key, "Text up to 255 bytes, or hex:<64 digits>")->required();
  add_text(*app, "VALUE", value.value, "The value, up to 1000 bytes; - reads stdin");
  add_text(*app, "--file", value.file, "Read the value from F");
  add_duration(*app, "--ttl", value.ttl, "How long it is kept");
  add_number(*app, "--cas", value.cas, "Only if the current number is SEQ (0: none yet)");
  add_number(*app, "--replicas", value.replicas, "How many copies to store");
  add_number(*app, "--quorum", value.quorum, "How many copies make it a success");
  add_paths(*app, value);
  add_text(*app, "--to", value.to, "Encrypt for the node with this id, who alone can read it (up to 936 bytes)");
  app->add_flag("--trace", value.trace, "Show who was asked for what on stderr, or with --json among the fields");
  add_text(*app, "--otlp", value.otlp, "Write the trace to F as OpenTelemetry's OTLP/JSON");

  app = add_command(root, "get", "Print the value under KEY as it is",
                    "weft get color\n  weft get color --all --json");
  app->group(kValuesGroup);
  app->add_option("KEY", value.key, "Text up to 255 bytes, or hex:<64 digits>")->required();
  add_text(*app, "--author", value.author, "The value of this author");
  app->add_flag("--all", value.all, "The values of all authors");
  add_number(*app, "--quorum", value.quorum, "How many replicas must answer");
  add_paths(*app, value);
  add_text(*app, "--out", value.out, "Write the value to F");
  app->add_flag("--trace", value.trace, "Show who was asked for what on stderr, or with --json among the fields");
  add_text(*app, "--otlp", value.otlp, "Write the trace to F as OpenTelemetry's OTLP/JSON");

  app = add_command(root, "watch", "Print what is under KEY, then each new value as it is stored",
                    "weft watch color\n  weft watch color --count 1 --timeout 30s --json");
  app->group(kValuesGroup);
  app->add_option("KEY", value.key, "Text up to 255 bytes, or hex:<64 digits>")->required();
  add_text(*app, "--author", value.author, "The values of this author");
  add_duration(*app, "--every", value.every, "How often to look (1s; 100ms or more)");
  add_number(*app, "--count", value.count, "End after so many values");

  app = add_command(root, "rm", "Withdraw the own value under KEY", "weft rm color");
  app->group(kValuesGroup);
  app->add_option("KEY", value.key, "Text up to 255 bytes, or hex:<64 digits>")->required();

  app = add_command(root, "provide", "Say that this node offers KEY; renewed while it runs, weft providers finds it",
                    "weft provide printer --ttl 1h");
  app->group(kValuesGroup);
  app->add_option("KEY", value.key, "Text up to 255 bytes, or hex:<64 digits>")->required();
  add_duration(*app, "--ttl", value.ttl, "How long it is kept");

  app = add_command(root, "providers", "Who offers KEY", "weft providers printer");
  app->group(kValuesGroup);
  app->add_option("KEY", value.key, "Text up to 255 bytes, or hex:<64 digits>")->required();

  add_command(root, "own", "Own values with their copies and expiry", "weft own")
      ->group(kValuesGroup);

  app = add_command(root, "lookup", "The iterative lookup, hop by hop", "weft lookup color");
  app->group(kValuesGroup);
  app->add_option("TARGET", args.text, "A key, or an id of 64 digits")->required();
  add_paths(*app, value);
  add_text(*app, "--otlp", value.otlp, "Write the trace to F as OpenTelemetry's OTLP/JSON");

  app = add_command(root, "trace", "What this node, or all of a testnet, did for operations that were traced",
                    "weft trace 4bf92f3577b34da6a3ce929d0e0e4736 --testnet /tmp/mesh");
  app->group(kValuesGroup);
  app->add_option("TRACE_ID", args.text, "Of one operation: 32 hex digits that put, get and lookup tell");
  app->add_option("--testnet", args.testnet.dir, "Ask all nodes of the testnet in DIR");
  add_text(*app, "--otlp", value.otlp, "Write what was done to F as OpenTelemetry's OTLP/JSON");
}

CLI::App* add_file_command(CLI::App& parent, const char* name, const char* description,
                           const char* example, std::string& file) {
  CLI::App* app = add_command(parent, name, description, example);
  app->add_option("FILE", file, "The file")->required();
  return app;
}

void add_tool_commands(CLI::App& root, Args& args) {
  CLI::App* app = add_command(root, "network", "Key files of private networks",
                              "weft network new ./office.key && weft up --network ./office.key");
  app->group(kToolsGroup)->require_subcommand(1, 1);
  add_file_command(*app, "new", "Make a key file", "weft network new ./office.key", args.text);
  add_file_command(*app, "rotate", "Add a key that is sent first; all in the file are accepted",
                   "weft network rotate ./office.key", args.text);

  app = add_command(root, "id", "Own id, public key and signed record",
                    "weft id --json\n  weft id export ./identity.backup");
  app->group(kToolsGroup)->require_subcommand(0, 1);
  add_file_command(*app, "export", "Write the identity to FILE", "weft id export ./identity.backup",
                   args.text);
  add_file_command(*app, "import", "Take the identity from FILE into an empty home",
                   "weft id import ./identity.backup --home ./new-home", args.text);

  add_file_command(root, "backup", "Write the whole home to FILE, also of a running node",
                   "weft backup ./node.backup", args.text)
      ->group(kToolsGroup);
  add_file_command(root, "restore", "Make an empty home from FILE",
                   "weft restore ./node.backup --home ./new-home", args.text)
      ->group(kToolsGroup);

  add_command(root, "doctor", "Find what is wrong and how to mend it", "weft doctor")
      ->group(kToolsGroup);

  app = add_command(root, "config", "The settings in force", "weft config show --origin");
  app->group(kToolsGroup)->require_subcommand(1, 1);
  app = add_command(*app, "show", "Each setting of the running node, or of the next `weft up`",
                    "weft config show --origin");
  app->add_flag("--origin", args.origin, "Say which of flag, environment, file or default won");
  add_text(*app, "--config", args.up.config, "FILE in place of DIR/weft.toml");

  app = add_command(root, "log", "The last lines of the node's log",
                    "weft log --level warn --follow");
  app->group(kToolsGroup);
  add_text(*app, "--level", args.log.level, "Only this level and above");
  app->add_flag("-f,--follow", args.log.follow, "Go on with new lines");
  add_text(*app, "--set-level", args.log.set_level, "Change the level of the running node");

  add_command(root, "metrics", "Figures in Prometheus' text format", "weft metrics")
      ->group(kToolsGroup);

  app = add_command(root, "completions", "Completion script for a shell",
                    "weft completions bash > /etc/bash_completion.d/weft");
  app->group(kToolsGroup);
  app->add_option("SHELL", args.text, "bash, zsh or fish")->required();
}

// The first word that is a command, past the common options.
std::string first_command(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--home" || words[i] == "--timeout") {
      ++i;
    } else if (!words[i].starts_with('-')) {
      return words[i];
    }
  }
  return {};
}

struct Grammar {
  Args args;
  CLI::App root{"weft: a node of a peer-to-peer mesh", "weft"};

  // `only_up`: the other commands are not needed. A node lives long, and hundreds of them start at
  // once: the whole tree costs each a quarter of a megabyte that is never used again.
  explicit Grammar(bool only_up) {
    root.require_subcommand(1, 1)->fallthrough();
    root.set_help_flag("-h,--help", "Show help, with an example");
    root.set_version_flag("--version", "weft " WEFT_VERSION, "Show the version");
    root.footer(
        "Durations: 250ms 5s 2m 1h; sizes: 512 64KiB 2MiB; shares: 25%.\n"
        "Exit status: 0 done, 1 failed, 2 wrong usage, 3 no node is running here, 4 not found,\n"
        "5 timed out, 6 conflict or too few copies, 130 interrupted.\n"
        "Example: weft testnet up -n 20 --detach && weft testnet exec 7 -- put color blue");
    add_text(root, "--home", args.home,
             "Home DIR of the node: $WEFT_HOME, else $XDG_STATE_HOME/weft, else "
             "~/.local/state/weft");
    root.add_flag("--json", args.json, "Print JSON");
    add_duration(root, "--timeout", args.timeout, "Give up after this DURATION");
    root.add_flag("-v,--verbose", args.verbose,
                  "Say on stderr whom is talked to, and how long it takes (up: log level debug)");

    add_up(root, args.up);
    if (only_up) return;
    add_node_commands(root, args);
    add_value_commands(root, args.value, args);
    add_state_commands(root, args.state);
    add_tool_commands(root, args);
    add_testnet_commands(root, args.testnet, args.sim);
    add_sim_commands(root, args.sim);
    for (const char* name : {"add", "cat"}) add_unavailable(root, name);
  }
};

// The path of commands that was chosen, and whether this version has it.
std::string chosen_path(const CLI::App& root, bool& available) {
  std::string path;
  available = true;
  for (const CLI::App* app = &root; !app->get_subcommands().empty();) {
    app = app->get_subcommands().front();
    path += (path.empty() ? "" : " ") + app->get_name();
    // Only commands that wait for their version take whatever follows.
    if (app->get_group() == kHiddenGroup && app->get_prefix_command()) available = false;
  }
  return path;
}

// CLI11 words its complaints in several lines now and then.
std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return text;
}

CommandNode node_of(const CLI::App& app) {
  CommandNode node{app.get_name(), app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options({})) {
    if (!option->nonpositional() || option->get_group() == kHiddenGroup) continue;
    OptionNode entry{{}, option->get_description(), option->get_items_expected_max() > 0};
    for (const auto& name : option->get_lnames()) entry.names.push_back("--" + name);
    for (const auto& name : option->get_snames()) entry.names.push_back("-" + name);
    node.options.push_back(std::move(entry));
  }
  for (const CLI::App* child : app.get_subcommands({})) {
    if (child->get_group() != kHiddenGroup) node.commands.push_back(node_of(*child));
  }
  return node;
}

// `testnet exec I -- WORDS`: the words belong to another command line.
std::vector<std::string> cut_exec_words(std::vector<std::string>& words) {
  const auto dashes = std::ranges::find(words, "--");
  const auto exec = std::find(words.begin(), dashes, "exec");
  if (exec == dashes || dashes == words.end()) return {};
  if (std::find(words.begin(), exec, "testnet") == exec) return {};
  std::vector<std::string> rest(dashes + 1, words.end());
  words.erase(dashes, words.end());
  return rest;
}

}  // namespace

CLI::App* add_command(CLI::App& parent, const char* name, const char* description,
                      const char* example) {
  CLI::App* app = parent.add_subcommand(name, description);
  app->fallthrough();
  app->footer(std::string("Also --home, --json, --timeout, -v: see weft --help.\nExample:\n  ") +
              example);
  return app;
}

void add_unavailable(CLI::App& parent, const char* name) {
  parent.add_subcommand(name, "not available yet")
      ->group(kHiddenGroup)
      ->fallthrough(false)
      ->prefix_command()
      ->allow_extras();
}

CLI::Option* add_duration(CLI::App& app, const char* names, std::optional<Duration>& to,
                          const char* description) {
  const std::string name = names;
  return app
      .add_option_function<std::string>(
          names,
          [&to, name](const std::string& text) {
            to = node::parse_duration(text);
            if (!to) {
              throw CLI::ValidationError(
                  name, "'" + text + "' is no duration; write 250ms, 5s, 2m or 1h");
            }
          },
          description)
      ->type_name("DURATION");
}

CLI::Option* add_text(CLI::App& app, const char* names, std::optional<std::string>& to,
                      const char* description) {
  return app
      .add_option_function<std::string>(
          names, [&to](const std::string& text) { to = text; }, description)
      ->type_name("TEXT");
}

CLI::Validator whole_number() {
  return CLI::Validator(
      [](const std::string& text) {
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        return error == std::errc{} && end == text.data() + text.size() ? std::string() : "\"" + text + "\" is no whole number";
      },
      "");
}

CLI::Option* add_number(CLI::App& app, const char* names, std::optional<std::uint64_t>& to,
                        const char* description) {
  return app
      .add_option_function<std::uint64_t>(
          names, [&to](const std::uint64_t& number) { to = number; }, description)
      ->check(whole_number());
}

CLI::Option* add_list(CLI::App& app, const char* names, std::vector<std::string>& to,
                      const char* description) {
  return app.add_option(names, to, description)->type_name("TEXT")->allow_extra_args(false);
}

Parsed parse_args(std::vector<std::string> words) {
  Parsed parsed;
  std::vector<std::string> exec_words = cut_exec_words(words);
  parsed.json = std::ranges::find(words, "--json") != words.end();
  Grammar grammar(/*only_up=*/first_command(words) == "up");
  try {
    std::ranges::reverse(words);  // as CLI11 wants them
    grammar.root.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    parsed.out = grammar.root.help();
    return parsed;
  } catch (const CLI::CallForVersion&) {
    parsed.out = parsed.json ? "{\"version\":\"" WEFT_VERSION "\"}\n" : "weft " WEFT_VERSION "\n";
    return parsed;
  } catch (const CLI::Error& error) {
    bool available = true;
    const std::string path = chosen_path(grammar.root, available);
    parsed.exit_status = kExitUsage;
    parsed.error =
        one_line(error.what()) + "; see weft " + path + (path.empty() ? "" : " ") + "--help";
    return parsed;
  }
  bool available = true;
  grammar.args.command = chosen_path(grammar.root, available);
  if (!available) {
    parsed.exit_status = kExitUsage;
    parsed.error = "`weft " + grammar.args.command + (available ? " --to" : "") +
                   "` is not available yet in version " WEFT_VERSION;
    return parsed;
  }
  grammar.args.testnet.words = std::move(exec_words);
  parsed.args = std::move(grammar.args);
  return parsed;
}

CommandNode command_tree() {
  const Grammar grammar(/*only_up=*/false);
  return node_of(grammar.root);
}

}  // namespace weft::cli
