// The grammar of `weft testnet`.
#include "cli/parse_parts.h"
#include "node/units.h"
#include "testnet/selection.h"

namespace weft::cli {

namespace {

CLI::Range node_count() { return {1, static_cast<int>(testnet::kNodesMax)}; }

void add_which(CLI::App& testnet, TestnetFlags& flags, const char* name, const char* description,
               const char* example) {
  add_command(testnet, name, description, example)
      ->add_option("WHICH", flags.which, "An index 7, a range 10-19, a list 3,7,9, a share 25%")
      ->required();
}

void add_up_command(CLI::App& testnet, TestnetFlags& flags) {
  CLI::App* app = add_command(testnet, "up", "Start N nodes and wait until all see all",
                              "weft testnet up -n 20 --link latency=20ms,loss=1% --detach");
  app->add_option("-n,--nodes", flags.nodes, "How many")->required()->check(node_count());
  add_number(*app, "--seed", flags.seed, "Seed of every random choice of the testnet");
  app->add_option("--link", flags.link,
                  "SPEC: latency=20ms or latency=matrix:FILE.csv, jitter=10%, loss=2%, dup=1%, "
                  "reorder=1%, rate=2MiB, joined with commas");
  app->add_option("--base-port", flags.base_port,
                  "Node I listens on port P+I; free ports unless given");
  app->add_flag("--spread", flags.spread, "Node I on a 127.x.y.z of its own");
  app->add_option("--http", flags.http, "ADDR:PORT for /metrics of all nodes over HTTP (loopback)");
  app->add_flag("-d,--detach", flags.detach, "Return when all see all, leave a supervisor");
}

void add_look_commands(CLI::App& testnet, TestnetFlags& flags) {
  CLI::App* app = add_command(testnet, "status", "How it is going", "weft testnet status --watch");
  app->add_flag("--watch", flags.watch, "Go on, once a second");
  add_command(testnet, "nodes", "The nodes with ids, pids, homes and addresses",
              "weft testnet nodes --json");
  app = add_command(testnet, "logs", "What node I wrote", "weft testnet logs 3 --follow");
  app->add_option("I", flags.index, "Index of the node")->required()->check(whole_number());
  app->add_flag("-f,--follow", flags.follow, "Go on with new lines");
  app->add_flag("--events", flags.events, "The event lines in place of the log");
  app = add_command(testnet, "exec", "Run `weft ARGS` against node I",
                    "weft testnet exec 3 -- put color blue");
  app->add_option("I", flags.index, "Index of the node")->required()->check(whole_number());
}

void add_fault_commands(CLI::App& testnet, TestnetFlags& flags) {
  add_which(testnet, flags, "kill", "SIGKILL nodes", "weft testnet kill 20%");
  add_which(testnet, flags, "stop", "Let nodes leave gracefully", "weft testnet stop 3,7,9");
  add_which(testnet, flags, "pause", "Freeze nodes (SIGSTOP)", "weft testnet pause 10-19");
  add_which(testnet, flags, "resume", "Let frozen nodes go on", "weft testnet resume 100%");
  add_which(testnet, flags, "restart", "Start nodes again with their homes and ports",
            "weft testnet restart 0-4");
  CLI::App* app = add_command(testnet, "add", "Start N further nodes", "weft testnet add 5");
  app->add_option("N", flags.nodes, "How many")->required()->check(node_count());
  app = add_command(testnet, "churn", "Kill and restart nodes all the time",
                    "weft testnet churn --median-session 60s --model weibull --for 5m");
  app->add_option_function<std::string>(
         "--median-session",
         [&flags](const std::string& text) {
           const auto median = node::parse_duration(text);
           if (!median || *median < 1s) {
             throw CLI::ValidationError("--median-session",
                                        "'" + text + "' is no duration of at least 1s");
           }
           flags.median_session = *median;
         },
         "Half of the sessions are shorter")
      ->required()
      ->type_name("DURATION");
  app->add_option("--model", flags.model, "exponential (the default), weibull or pareto");
  add_duration(*app, "--for", flags.duration, "Until then; until Ctrl-C unless given");
  app = add_command(testnet, "partition", "Cut nodes off from the rest",
                    "weft testnet partition 50% --heal-after 60s");
  app->add_option("SHARE", flags.which, "A share 50%, or nodes: 7, 10-19, 3,7,9")->required();
  app->add_flag("--one-way", flags.one_way, "Only what the cut-off nodes send is lost");
  add_duration(*app, "--heal-after", flags.heal_after, "Heal by itself after this time");
  add_command(testnet, "heal", "End the partition", "weft testnet heal");
  app = add_command(testnet, "link", "Shape all links; an empty SPEC ends it",
                    "weft testnet link latency=matrix:rtt.csv,loss=1%");
  app->add_option("SPEC", flags.link, "As for `up --link`")->required();
  add_command(testnet, "down", "Stop every process it started, and only those",
              "weft testnet down");
}

void add_run_command(CLI::App& testnet, TestnetFlags& flags, SimFlags& run) {
  CLI::App* app = add_command(testnet, "run", "Run a scenario on real processes and print its report",
                              "weft testnet run testnet/scenarios/mass-failure.toml --report out");
  app->add_option("SCENARIO", run.scenario, "A scenario file (docs/SIMULATOR.md)")->required();
  app->add_option("-n,--nodes", run.nodes, "In place of the file's number of nodes")->check(node_count());
  add_number(*app, "--seed", run.seed, "In place of the file's seed");
  CLI::Option* report = app->add_option("--report", run.report, "Write report.html, report.json and events.jsonl to this DIR");
  app->add_option("--compare", run.compare, "Show the runs of these report DIRs beside it")
      ->needs(report)
      ->allow_extra_args(false)
      ->expected(1, kComparedMax);
  app->add_option("--base-port", flags.base_port, "Node I listens on port P+I; free ports unless given");
  app->add_flag("--spread", flags.spread, "Node I on a 127.x.y.z of its own");
}

void take_dir(CLI::App& app, TestnetFlags& flags) {
  app.add_option("--dir", flags.dir,
                 "Where the testnet lives: $WEFT_TESTNET, else weft-testnet in the runtime "
                 "directory");
}

}  // namespace

void add_testnet_commands(CLI::App& root, TestnetFlags& flags, SimFlags& run) {
  CLI::App* testnet = add_command(root, "testnet", "Many real nodes on this machine",
                                  "weft testnet up -n 20 --detach\n"
                                  "  weft testnet exec 7 -- members\n"
                                  "  weft testnet kill 25%\n"
                                  "  weft testnet down");
  testnet->group("Many nodes")->require_subcommand(1, 1);
  take_dir(*testnet, flags);
  add_up_command(*testnet, flags);
  add_look_commands(*testnet, flags);
  add_fault_commands(*testnet, flags);
  add_run_command(*testnet, flags, run);
}

}  // namespace weft::cli
