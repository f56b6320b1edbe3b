// `weft testnet run`: a scenario on real processes.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report_files.h"
#include "cli/scenario_file.h"
#include "node/interfaces.h"
#include "testnet/launcher.h"
#include "testnet/process.h"
#include "testnet/process_world.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

// A directory of this run alone, removed with it unless it is to be looked at.
class Place {
 public:
  static Result<Place> make(const std::string& wanted) {
    Place place;
    std::string dir = wanted;
    if (dir.empty()) {
      char name[] = "/tmp/weft-run-XXXXXX";
      if (::mkdtemp(name) == nullptr) return fail(kExitFailed, "io", "cannot make a directory in /tmp");
      dir = place.made_ = name;
    }
    auto layout = testnet::locate(dir);
    if (!layout) return fail(layout.error());
    place.layout = std::move(*layout);
    const auto lock = testnet::claim(place.layout);
    if (!lock) return fail(lock.error().exit_status, lock.error().code, lock.error().message);
    place.lock_ = *lock;
    return place;
  }
  Place(Place&& other) noexcept
      : layout(std::move(other.layout)), made_(std::exchange(other.made_, {})), lock_(std::exchange(other.lock_, -1)) {}
  Place& operator=(Place&&) = delete;
  ~Place() {
    if (lock_ >= 0) ::close(lock_);
    std::error_code ignored;
    if (!made_.empty()) std::filesystem::remove_all(made_, ignored);
  }
  void keep() { made_.clear(); }

  testnet::Layout layout;

 private:
  Place() = default;
  std::string made_;  // empty: the user's own
  int lock_ = -1;
};

// One line that is rewritten on a terminal; elsewhere a line for each phase.
class Progress {
 public:
  explicit Progress(const scenario::Scenario& plan) : planned_(plan.settle + plan.duration + plan.heal) {}
  ~Progress() {
    if (live_) std::fprintf(stderr, "\r\033[K");
  }
  void operator()(const testnet::ProcessProgress& p) {
    for (const std::string& text : p.told) {
      std::fprintf(stderr, "%s%7.1f s  %s\n", live_ ? "\r\033[K" : "", seconds(p.at), text.c_str());
    }
    if (live_) {
      std::fprintf(stderr, "\r\033[K%s: %.0f s of about %.0f, %zu of %zu nodes up, %zu operations open",
                   p.phase.c_str(), seconds(p.at), seconds(planned_), p.up, p.nodes, p.open_ops);
    } else if (p.phase != phase_) {
      std::fprintf(stderr, "%7.1f s  %-14s %zu of %zu nodes up\n", seconds(p.at), p.phase.c_str(), p.up, p.nodes);
    }
    phase_ = p.phase;
  }

 private:
  Duration planned_;
  bool live_ = ::isatty(STDERR_FILENO) == 1;
  std::string phase_;
};

}  // namespace

Result<int> run_testnet_scenario(const Context& context) {
  const SimFlags& flags = context.args.sim;
  auto loaded = load_scenario(flags, scenario::World::kProcesses);
  if (!loaded) return std::unexpected(loaded.error());
  const TestnetFlags& where = context.args.testnet;
  if (where.base_port != 0 && where.base_port + loaded->scenario.nodes - 1 > 65535) {
    return usage("--base-port leaves no ports for so many nodes");
  }
  std::optional<ReportFiles> files;
  testnet::ProcessOptions options;
  if (!flags.report.empty()) {
    auto opened = ReportFiles::open(flags.report, flags.compare);
    if (!opened) return std::unexpected(opened.error());
    files = std::move(*opened);
    options.log = [&files](const std::string& line) { files->log(line); };
  }
  auto place = Place::make(where.dir);
  if (!place) return std::unexpected(place.error());
  SystemEntropy entropy;
  options.layout = place->layout;
  options.fleet = {.program = testnet::own_program(),
                   .network = testnet::random_network(entropy),
                   .base_port = where.base_port,
                   .spread = where.spread};
  options.version = WEFT_VERSION;
  options.matrix_csv = loaded->matrix_csv;
  testnet::ProcessResult result;
  {
    Progress progress(loaded->scenario);
    options.progress = [&progress](const testnet::ProcessProgress& p) { progress(p); };
    result = testnet::run_on_processes(loaded->scenario, options);
  }
  if (result.interrupted) return fail(kExitInterrupted, "interrupted", "interrupted; every node is stopped");
  if (!result.ended) {
    place->keep();
    return fail(kExitFailed, "failed", result.trouble + "; homes and logs are in " + place->layout.dir);
  }
  const Json& report = result.verdict.report;
  if (files) {
    const RunFacts facts{.world = "processes", .command = "weft testnet run " + flags.scenario + (flags.nodes ? " -n " + std::to_string(*flags.nodes) : ""),
                         .scenario = scenario::to_toml(loaded->scenario), .trace_hash = {}};
    if (auto written = files->finish(report, facts); !written) return std::unexpected(written.error());
  }
  print(context.json ? report.dump() + "\n" : report_text(report));
  if (result.verdict.passed) return kExitDone;
  place->keep();
  std::fprintf(stderr, "failed: %s\nhomes and logs are in %s\n", failed_check(report).c_str(),
               place->layout.dir.c_str());
  return kExitFailed;
}

}  // namespace weft::cli
