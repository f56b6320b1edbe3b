// The grammar of `weft sim`.
#include <charconv>

#include "cli/parse_parts.h"
#include "testnet/replay.h"
#include "testnet/scenario/scenario.h"

namespace weft::cli {

namespace {

CLI::App* add_sim(CLI::App& sim, SimFlags& flags, const char* name, const char* description,
                  const char* example) {
  CLI::App* app = add_command(sim, name, description, example);
  app->add_option("SCENARIO", flags.scenario, "A scenario file (docs/SIMULATOR.md)")->required();
  app->add_option("-n,--nodes", flags.nodes, "In place of the file's number of nodes")
      ->check(CLI::Range(1, static_cast<int>(scenario::kNodesMax)));
  app->add_flag("--shuffle", flags.shuffle,
                "Events of one instant in an order drawn from the seed");
  return app;
}

// What is wrong with it; empty: nothing. CLI::Range would take "nan".
std::string speed_trouble(const std::string& text) {
  double speed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), speed);
  if (error == std::errc{} && end == text.data() + text.size() && speed >= testnet::kReplaySpeedMin && speed <= testnet::kReplaySpeedMax) return {};
  return "'" + text + "' is no speed: --speed takes 0.1 to 100";
}

}  // namespace

void add_sim_commands(CLI::App& root, SimFlags& flags) {
  CLI::App* sim = add_command(root, "sim", "The same node in virtual time",
                              "weft sim run testnet/scenarios/partition.toml\n"
                              "  weft sim check testnet/scenarios/mixed-faults.toml --seeds 1..100");
  sim->group("Many nodes")->require_subcommand(1, 1);
  CLI::App* app = add_sim(*sim, flags, "run", "Run a scenario and print its report",
                          "weft sim run testnet/scenarios/mass-failure.toml --seed 7 --report out");
  add_number(*app, "--seed", flags.seed, "In place of the file's seed");
  CLI::Option* report = app->add_option("--report", flags.report, "Write report.html, report.json and events.jsonl to this DIR");
  app->add_option("--log", flags.log, "Record all that happened in this FILE, for weft sim replay FILE --http ADDR");
  app->add_option("--compare", flags.compare, "Show the runs of these report DIRs beside it")
      ->needs(report)
      ->allow_extra_args(false)
      ->expected(1, kComparedMax);
  app = add_sim(*sim, flags, "check", "Run a scenario under many seeds, on all cores",
                "weft sim check testnet/scenarios/mixed-faults.toml --seeds 1..1000");
  app->add_option("--seeds", flags.seeds, "A..B, both included")->required();
  app->add_option("-j,--jobs", flags.jobs, "Processes; one a core unless given")
      ->check(CLI::Range(1, 256));
  app->add_option("--report", flags.report, "Write each failing scenario to this DIR");
  app = add_sim(*sim, flags, "replay", "Run one seed twice, compare, and show how it ended; or with --http show a recording on a page",
                "weft sim replay failure-42.toml\n"
                "  weft sim replay recorded.jsonl --http 127.0.0.1:9400");
  CLI::Option* seed = add_number(*app, "--seed", flags.seed, "In place of the file's seed");
  CLI::Option* http = app->add_option("--http", flags.http, "ADDR:PORT (loopback) of a page that shows the recording as it went");
  app->get_option("SCENARIO")->description("A scenario file (docs/SIMULATOR.md); with --http a FILE of sim run --log");
  http->excludes(seed)->excludes(app->get_option("--nodes"))->excludes(app->get_option("--shuffle"));
  app->add_option("--speed", flags.speed, "With --http: so many times as fast, 0.1 to 100")->needs(http)->check(speed_trouble);
  app = add_sim(*sim, flags, "shrink", "Find the smallest scenario that still fails the same way",
                "weft sim shrink failure-42.toml --out small.toml");
  add_number(*app, "--seed", flags.seed, "In place of the file's seed");
  app->add_option("--out", flags.out, "Write it to this FILE; else to stdout");
  app = add_sim(*sim, flags, "trace", "What one node took and did, line by line",
                "weft sim trace failure-42.toml --node 3 --from 10s --to 12s");
  add_number(*app, "--seed", flags.seed, "In place of the file's seed");
  app->add_option("--node", flags.node, "Index of the node")->required();
  add_duration(*app, "--from", flags.from, "From then on, since the first start");
  add_duration(*app, "--to", flags.to, "Until then");
}

}  // namespace weft::cli
