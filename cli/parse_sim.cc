// The grammar of `weft sim`.
#include "cli/parse_parts.h"
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
  app = add_sim(*sim, flags, "replay", "Run one seed twice, compare, and show how it ended",
                "weft sim replay failure-42.toml");
  add_number(*app, "--seed", flags.seed, "In place of the file's seed");
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
