// `weft sim`: scenarios in virtual time.
#include <malloc.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report_files.h"
#include "cli/scenario_file.h"
#include "crypto/endpoint.h"
#include "node/files.h"
#include "node/units.h"
#include "testnet/replay.h"
#include "testnet/sim/shrink.h"
#include "testnet/sim/teller.h"
#include "testnet/sim/world.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;
using scenario::Scenario;

constexpr std::size_t kTailLines = 30;      // of the event log, shown when a run failed
constexpr std::size_t kTailSteps = 20;      // of the node whose doing the failure is
constexpr Duration kFirstInstant{1};         // where virtual time begins
constexpr std::size_t kSeedsMax = 1'000'000;
constexpr std::size_t kShrinkRunsMax = 300;

// A thousand nodes are a gigabyte, and each event touches another one: with pages of 4 KiB a sixth
// of the time goes into finding them. Lets the heap grow in large steps and asks for huge pages.
class HugeHeap {
 public:
  HugeHeap() {
    ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
    ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
    ::mallopt(M_TOP_PAD, kStep);
    std::free(std::malloc(kStep / 2));  // the first step, before any of it is touched
    advise();
  }
  // To be called now and then, as the heap grows.
  void advise() {
    const auto end = reinterpret_cast<std::uintptr_t>(::sbrk(0));
    if (end == end_) return;
    constexpr std::uintptr_t kHuge = 2 << 20;
    const std::uintptr_t start = end_ == 0 ? end - kStep / 2 : end_;
    const std::uintptr_t from = start - start % kHuge;
    // Refused on a kernel without them, which costs speed and nothing else.
    if (end > from) (void)::madvise(reinterpret_cast<void*>(from), end - from, MADV_HUGEPAGE);
    end_ = end;
  }

 private:
  static constexpr int kStep = 512 << 20;
  std::uintptr_t end_ = 0;
};

sim::RunOptions options_of(const LoadedScenario& loaded, const SimFlags& flags) {
  sim::RunOptions options;
  options.version = WEFT_VERSION;
  options.matrix = loaded.matrix;
  options.shuffle_ties = flags.shuffle;
  return options;
}

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

// The command that repeats a run.
std::string repeat(const SimFlags& flags, std::uint64_t seed) {
  std::string line = "weft sim replay " + flags.scenario + " --seed " + std::to_string(seed);
  if (flags.nodes) line += " -n " + std::to_string(*flags.nodes);
  if (flags.shuffle) line += " --shuffle";
  return line;
}

// What failed, in words: the first violation, else the first failed check.
std::string first_failure(const sim::RunResult& result) {
  if (!result.violations.empty()) {
    const sim::Violation& v = result.violations.front();
    char at[32];
    std::snprintf(at, sizeof at, " at %.3f s: ", seconds(v.at));
    return v.checker + at + v.detail;
  }
  return failed_check(result.verdict.report);
}

// ---- run

// Once: a second signal ends the process as usual.
volatile std::sig_atomic_t asked_to_stop = 0;

void stop_when_asked() {
  struct sigaction action = {};
  action.sa_handler = [](int) { asked_to_stop = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  (void)::sigaction(SIGINT, &action, nullptr);
  (void)::sigaction(SIGTERM, &action, nullptr);
}

Result<int> run_one(const Context& context) {
  const SimFlags& flags = context.args.sim;
  auto loaded = load_scenario(flags, scenario::World::kSimulator);
  if (!loaded) return std::unexpected(loaded.error());
  sim::RunOptions options = options_of(*loaded, flags);
  std::optional<ReportFiles> files;
  if (!flags.report.empty()) {
    auto opened = ReportFiles::open(flags.report, flags.compare);
    if (!opened) return std::unexpected(opened.error());
    files = std::move(*opened);
    options.log = [&files](const std::string& line) { files->log(line); };
  }
  std::ofstream recording;
  if (!flags.log.empty()) {
    recording.open(flags.log, std::ios::binary | std::ios::trunc);
    if (!recording) return fail(kExitFailed, "io", "cannot write " + flags.log);
    options.record = [&recording](const std::string& line) { recording << line << '\n'; };
  }
  const auto began = testnet::mono_now();
  const bool live = ::isatty(STDERR_FILENO) == 1;
  const Duration planned = loaded->scenario.duration + loaded->scenario.settle + loaded->scenario.heal;
  std::int64_t shown_ms = 0;
  HugeHeap heap;
  options.progress = [&](Duration at, std::uint64_t done) {
    heap.advise();
    const std::int64_t ms = testnet::ms_between(began, testnet::mono_now());
    if (!live || ms - shown_ms < 200) return;
    shown_ms = ms;
    const double speed = seconds(at) * 1000 / static_cast<double>(std::max<std::int64_t>(ms, 1));
    std::fprintf(stderr, "\r%.0f of about %.0f virtual s, %.1f x real time, %.2f M events/s, %.0f s left   ",
                 seconds(at), seconds(planned), speed,
                 static_cast<double>(done) / 1000 / static_cast<double>(std::max<std::int64_t>(ms, 1)),
                 std::max(0.0, seconds(planned) - seconds(at)) / speed);
  };
  options.stop = [] { return asked_to_stop != 0; };
  stop_when_asked();
  const sim::RunResult result = sim::run_scenario(loaded->scenario, options);
  if (live) std::fprintf(stderr, "\r%90s\r", "");
  const double wall_s =
      static_cast<double>(testnet::ms_between(began, testnet::mono_now())) / 1000;
  const Json& report = result.verdict.report;
  if (!flags.log.empty()) {
    recording.close();
    if (!recording) return fail(kExitFailed, "io", "cannot write " + flags.log);
  }
  if (files) {
    const RunFacts facts{.world = "simulator", .command = repeat(flags, loaded->scenario.seed), .scenario = scenario::to_toml(loaded->scenario),
                         .trace_hash = hex(result.trace_hash)};
    if (auto written = files->finish(report, facts); !written) return std::unexpected(written.error());
  }
  if (context.json) {
    Json out = report;
    out["seed"] = loaded->scenario.seed;
    out["trace_hash"] = hex(result.trace_hash);
    out["virtual_s"] = seconds(result.virtual_time);
    out["wall_s"] = wall_s;
    out["events"] = result.events;
    out["branches"] = Json::object();
    for (const auto& [name, count] : result.branches) out["branches"][std::string(name)] = count;
    print(out.dump() + "\n");
  } else {
    std::string text = report_text(report);
    for (const sim::Violation& v : result.violations) {
      char at[32];
      std::snprintf(at, sizeof at, " at %.3f s: ", seconds(v.at));
      text += "FAIL  " + v.checker + at + v.detail + "\n";
    }
    char tail[200];
    std::snprintf(tail, sizeof tail, "seed %llu, trace %s, %llu events, %.0f virtual s in %.1f s\n",
                  static_cast<unsigned long long>(loaded->scenario.seed),
                  hex(result.trace_hash).c_str(), static_cast<unsigned long long>(result.events),
                  seconds(result.virtual_time), wall_s);
    print(text + tail);
  }
  if (result.passed()) return kExitDone;
  if (result.interrupted) {
    std::fprintf(stderr, "interrupted: the report is of the first %.0f virtual s\n", seconds(result.virtual_time));
    if (result.violations.empty()) return kExitInterrupted;
  }
  std::fprintf(stderr, "failed: %s\nrepeat it: %s\n", first_failure(result).c_str(),
               repeat(flags, loaded->scenario.seed).c_str());
  return kExitFailed;
}

// ---- check

struct Seeds {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

std::optional<Seeds> parse_seeds(std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view part) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || part.empty()) return std::nullopt;
    return value;
  };
  const auto first = number(text.substr(0, dots));
  const auto last = number(text.substr(dots + 2));
  if (!first || !last || *first > *last || *last - *first >= kSeedsMax) return std::nullopt;
  return Seeds{*first, *last};
}

// One process: every jobs-th seed. Each result is one short line, so that a write to the pipe is
// atomic.
[[noreturn]] void work_off(const LoadedScenario& loaded, const SimFlags& flags, Seeds seeds, std::size_t job,
                           std::size_t jobs, int pipe) {
  for (std::uint64_t seed = seeds.first + job; seed <= seeds.last; seed += jobs) {
    Scenario scenario = loaded.scenario;
    scenario.seed = seed;
    const sim::RunResult result = sim::run_scenario(scenario, options_of(loaded, flags));
    Json line = {{"job", job}, {"seed", seed}, {"passed", result.passed()},
                 {"trace_hash", hex(result.trace_hash)}, {"events", result.events}};
    if (!result.passed()) line["failure"] = first_failure(result).substr(0, 1000);
    const std::string text = line.dump(-1, ' ', true) + "\n";
    if (::write(pipe, text.data(), text.size()) < 0) ::_exit(kExitFailed);
  }
  ::_exit(kExitDone);
}

struct Worker {
  pid_t pid = 0;
  std::uint64_t next = 0;  // the seed that it is on
};

Result<int> check_many(const Context& context) {
  const SimFlags& flags = context.args.sim;
  auto loaded = load_scenario(flags, scenario::World::kSimulator);
  if (!loaded) return std::unexpected(loaded.error());
  const auto seeds = parse_seeds(flags.seeds);
  if (!seeds) return usage("--seeds takes A..B with at most 1000000 seeds, as 1..1000");
  if (!flags.report.empty()) {
    if (auto made = make_directory(flags.report); !made) return std::unexpected(made.error());
  }
  const std::uint64_t count = seeds->last - seeds->first + 1;
  std::size_t jobs = flags.jobs != 0 ? flags.jobs : std::max(1U, std::thread::hardware_concurrency());
  jobs = std::min<std::size_t>(jobs, count);
  int ends[2];
  if (::pipe(ends) != 0) return fail(kExitFailed, "io", "cannot make a pipe");
  std::vector<Worker> workers(jobs);
  for (std::size_t job = 0; job < jobs; ++job) {
    const pid_t pid = ::fork();
    if (pid < 0) return fail(kExitFailed, "io", "cannot fork");
    if (pid == 0) {
      ::close(ends[0]);
      work_off(*loaded, flags, *seeds, job, jobs, ends[1]);
    }
    workers[job] = {pid, seeds->first + job};
  }
  ::close(ends[1]);
  std::uint64_t done = 0, failed = 0, events = 0;
  const auto began = testnet::mono_now();
  const auto tell_failure = [&](std::uint64_t seed, const std::string& what) {
    ++failed;
    std::fprintf(stderr, "seed %llu failed: %s\n  repeat it: %s\n",
                 static_cast<unsigned long long>(seed), what.c_str(), repeat(flags, seed).c_str());
    if (!flags.report.empty()) {
      Scenario scenario = loaded->scenario;
      scenario.seed = seed;
      const auto written = write_text(flags.report + "/failure-" + std::to_string(seed) + ".toml",
                                      "# " + what + "\n" + to_toml(scenario));
      if (!written) std::fprintf(stderr, "%s\n", written.error().message.c_str());
    }
    if (context.json) print(Json{{"seed", seed}, {"passed", false}, {"failure", what}}.dump() + "\n");
  };
  std::string buffer;
  char block[65536];
  for (;;) {
    const ssize_t n = ::read(ends[0], block, sizeof block);
    if (n <= 0) break;
    buffer.append(block, static_cast<std::size_t>(n));
    for (std::size_t end; (end = buffer.find('\n')) != std::string::npos;) {
      const Json line = Json::parse(buffer.substr(0, end));
      buffer.erase(0, end + 1);
      const auto seed = line.at("seed").get<std::uint64_t>();
      workers[line.at("job").get<std::size_t>()].next = seed + jobs;
      ++done;
      events += line.at("events").get<std::uint64_t>();
      if (!line.at("passed").get<bool>()) tell_failure(seed, line.at("failure").get<std::string>());
    }
    const double s = static_cast<double>(testnet::ms_between(began, testnet::mono_now())) / 1000;
    if (::isatty(STDERR_FILENO) == 1) {
      std::fprintf(stderr, "\r%llu of %llu seeds, %llu failed, %.0f s left  ",
                   static_cast<unsigned long long>(done), static_cast<unsigned long long>(count),
                   static_cast<unsigned long long>(failed),
                   s / static_cast<double>(done) * static_cast<double>(count - done));
    }
  }
  ::close(ends[0]);
  for (const Worker& worker : workers) {
    int status = 0;
    ::waitpid(worker.pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == kExitDone) continue;
    tell_failure(worker.next, WIFSIGNALED(status)
                                  ? "the run died with signal " + std::to_string(WTERMSIG(status))
                                  : "the run ended early");
  }
  const double s = static_cast<double>(testnet::ms_between(began, testnet::mono_now())) / 1000;
  if (context.json) {
    print(Json{{"seeds", count}, {"done", done}, {"failed", failed}, {"events", events},
               {"wall_s", s}}.dump() + "\n");
  } else {
    char text[160];
    std::snprintf(text, sizeof text, "%llu of %llu seeds passed in %.1f s, %llu events\n",
                  static_cast<unsigned long long>(done - std::min(done, failed)),
                  static_cast<unsigned long long>(count), s, static_cast<unsigned long long>(events));
    print(text);
  }
  return failed == 0 && done == count ? kExitDone : kExitFailed;
}

// ---- replay

// One step as a line, the time since the first start before it.
std::string step_line(const sim::Teller& teller, const sim::SimNetwork::Step& step) {
  char stamp[40];
  std::snprintf(stamp, sizeof stamp, "%12.6f n%zu ", seconds(step.now.mono.time_since_epoch()), step.node);
  return stamp + teller.words(step) + "\n";
}

// A recording, on a page.
Result<int> show_recording(const Context& context) {
  const SimFlags& flags = context.args.sim;
  const auto endpoint = parse_endpoint(flags.http);
  if (!endpoint || scope({endpoint->ip, 1}) != Scope::kLoopback) {
    return usage("--http takes a loopback address like 127.0.0.1:8080, not '" + flags.http + "'");
  }
  const auto told = [json = context.json](const testnet::ReplayPlace& place) {
    if (json) {
      print(Json{{"http", place.http}, {"page", place.page}, {"nodes", place.nodes}, {"length_s", static_cast<double>(place.length_ms) / 1000}, {"speed", place.speed}}.dump() + "\n");
    } else {
      print("watch it: " + place.page + "\n");
    }
  };
  const auto done = testnet::show_replay({.log = flags.scenario, .http = *endpoint, .speed = flags.speed.value_or(1)}, told);
  if (done) return kExitDone;
  return fail(done.error().bad_input ? kExitUsage : kExitFailed, done.error().bad_input ? "bad_request" : "failed", done.error().message);
}

Result<int> replay(const Context& context) {
  const SimFlags& flags = context.args.sim;
  if (!flags.http.empty()) return show_recording(context);
  auto loaded = load_scenario(flags, scenario::World::kSimulator);
  if (!loaded) return std::unexpected(loaded.error());
  std::deque<std::string> tail;
  sim::RunOptions options = options_of(*loaded, flags);
  options.log = [&tail](const std::string& line) {
    tail.push_back(line);
    if (tail.size() > kTailLines) tail.pop_front();
  };
  const sim::RunResult first = sim::run_scenario(loaded->scenario, options);
  options.log = {};
  // The first violation that is one node's doing: what it did last before.
  const auto told = std::ranges::find_if(first.violations, [](const auto& v) { return v.node.has_value(); });
  std::deque<std::string> steps;
  std::optional<sim::Teller> teller;
  if (told != first.violations.end()) {
    options.tap = [&](const sim::SimNetwork& network, const sim::SimNetwork::Step& step) {
      const Duration at = step.now.mono.time_since_epoch();
      if (step.node != *told->node || at > told->at + kFirstInstant) return;
      if (!teller) teller.emplace(network);
      steps.push_back(step_line(*teller, step));
      if (steps.size() > kTailSteps) steps.pop_front();
    };
  }
  const sim::RunResult second = sim::run_scenario(loaded->scenario, options);
  const bool equal = first.trace_hash == second.trace_hash && first.events == second.events;
  if (context.json) {
    Json out = {{"seed", loaded->scenario.seed}, {"passed", first.passed()},
                {"trace_hash", hex(first.trace_hash)}, {"equal", equal}, {"events", first.events}};
    if (!first.passed()) out["failure"] = first_failure(first);
    print(out.dump() + "\n");
  } else {
    std::string text;
    if (!first.passed()) {
      for (const std::string& line : tail) text += line + "\n";
      for (const std::string& line : steps) text += line;
      text += "failed: " + first_failure(first) + "\n";
    }
    text += "seed " + std::to_string(loaded->scenario.seed) + ", trace " + hex(first.trace_hash) +
            (equal ? ", twice the same\n" : ", but a second run gave " + hex(second.trace_hash) + "\n");
    print(text);
  }
  return first.passed() && equal ? kExitDone : kExitFailed;
}

// ---- shrink

Result<int> shrink(const Context& context) {
  const SimFlags& flags = context.args.sim;
  auto loaded = load_scenario(flags, scenario::World::kSimulator);
  if (!loaded) return std::unexpected(loaded.error());
  const auto shrunk = sim::shrink(loaded->scenario, options_of(*loaded, flags), kShrinkRunsMax);
  if (!shrunk) {
    return fail(kExitFailed, "passed", "this scenario passes under its seed: there is nothing to shrink");
  }
  const std::string text = "# Fails: " + shrunk->kind + "\n" + to_toml(shrunk->scenario);
  if (!flags.out.empty()) {
    if (auto written = write_text(flags.out, text); !written) return std::unexpected(written.error());
  } else {
    print(text);
  }
  std::fprintf(stderr, "%u nodes, %zu actions, %zu loads after %zu runs; it fails with: %s\n",
               shrunk->scenario.nodes, shrunk->scenario.actions.size(), shrunk->scenario.loads.size(),
               shrunk->runs, shrunk->kind.c_str());
  return kExitDone;
}

// ---- trace

Result<int> trace(const Context& context) {
  const SimFlags& flags = context.args.sim;
  auto loaded = load_scenario(flags, scenario::World::kSimulator);
  if (!loaded) return std::unexpected(loaded.error());
  sim::RunOptions options = options_of(*loaded, flags);
  options.checkers = false;
  std::optional<sim::Teller> teller;
  std::string out;
  options.tap = [&](const sim::SimNetwork& network, const sim::SimNetwork::Step& step) {
    const Duration at = step.now.mono.time_since_epoch();
    if (step.node != flags.node || (flags.from && at < *flags.from) || (flags.to && at > *flags.to)) {
      return;
    }
    if (!teller) teller.emplace(network);
    out += step_line(*teller, step);
    if (out.size() > 1 << 16) {
      print(out);
      out.clear();
    }
  };
  const sim::RunResult result = sim::run_scenario(loaded->scenario, options);
  print(out);
  static_cast<void>(result);
  return kExitDone;
}

}  // namespace

Result<int> run_sim(const Context& context) {
  const std::string& command = context.args.command;
  if (command == "sim run") return run_one(context);
  if (command == "sim check") return check_many(context);
  if (command == "sim replay") return replay(context);
  if (command == "sim shrink") return shrink(context);
  return trace(context);
}

}  // namespace weft::cli
