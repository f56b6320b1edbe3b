#include "testnet/sim/shrink.h"

#include <algorithm>

namespace weft::sim {
namespace {

using scenario::Scenario;

class Shrinker {
 public:
  Shrinker(Shrunk start, const RunOptions& options, std::size_t runs_max)
      : best_(std::move(start)), options_(options), runs_max_(runs_max) {}

  Shrunk shrink() {
    for (bool changed = true; changed && best_.runs < runs_max_;) {
      changed = false;
      changed |= parts(&Scenario::actions);
      changed |= parts(&Scenario::loads);
      changed |= parts(&Scenario::checks);
      changed |= fewer_nodes();
      changed |= attempt([](Scenario& s) { s.churn.reset(); });
      changed |= attempt([](Scenario& s) { s.link = {}; });
      changed |= attempt(&shorter);
      for (std::size_t i = 0; i < best_.scenario.loads.size(); ++i) {
        changed |= attempt([i](Scenario& s) {
          s.loads[i].count /= 2;
          s.loads[i].per_1000s /= 2;
          if (s.loads[i].count + s.loads[i].per_1000s == 0) s.loads[i].count = 1;
        });
      }
    }
    return best_;
  }

 private:
  static void shorter(Scenario& s) {
    Duration last{};
    for (const auto& a : s.actions) last = std::max(last, a.t + a.lasts.value_or(Duration{}));
    for (auto& l : s.loads) {
      if (l.until && *l.until > last + 1s) l.until = std::max(last + 1s, l.from + 1s);
      last = std::max(last, l.until.value_or(last));
    }
    s.duration = std::min(s.duration, last + 1s);
    for (auto& l : s.loads) {
      if (l.until && *l.until > s.duration) l.until = s.duration;
    }
  }

  // Who is meant of `nodes` nodes; nobody beyond them, so that "0-59" stays everybody.
  static void clip(testnet::Selection& who, std::uint32_t nodes) {
    for (auto& range : who.ranges) {
      range.last = std::min<std::size_t>(range.last, nodes - 1);
      range.first = std::min(range.first, range.last);
    }
  }

  // Keeps the change if it still fails the same way and is one.
  template <class Change>
  bool attempt(Change change) {
    if (best_.runs >= runs_max_) return false;
    Scenario smaller = best_.scenario;
    change(smaller);
    if (smaller == best_.scenario) return false;
    ++best_.runs;
    if (failure_kind(run_scenario(smaller, options_)) != best_.kind) return false;
    best_.scenario = std::move(smaller);
    return true;
  }

  // Ever smaller pieces are left out.
  template <class T>
  bool parts(std::vector<T> Scenario::*list) {
    bool changed = false;
    for (std::size_t piece = (best_.scenario.*list).size(); piece > 0; piece /= 2) {
      for (std::size_t at = 0; at < (best_.scenario.*list).size();) {
        const std::size_t n = std::min(piece, (best_.scenario.*list).size() - at);
        const bool gone = attempt([&](Scenario& s) {
          auto& items = s.*list;
          items.erase(items.begin() + static_cast<std::ptrdiff_t>(at),
                      items.begin() + static_cast<std::ptrdiff_t>(at + n));
        });
        changed |= gone;
        if (!gone) at += n;
      }
    }
    return changed;
  }

  bool fewer_nodes() {
    bool changed = false;
    for (std::uint32_t step = best_.scenario.nodes / 2; step > 0; step /= 2) {
      while (best_.scenario.nodes >= 2 + step && attempt([step](Scenario& s) {
        s.nodes -= step;
        for (auto& action : s.actions) clip(action.who, s.nodes);
      })) {
        changed = true;
      }
    }
    return changed;
  }

  Shrunk best_;
  const RunOptions& options_;
  std::size_t runs_max_;
};

}  // namespace

std::string failure_kind(const RunResult& result) {
  if (!result.violations.empty()) return result.violations.front().checker;
  for (const auto& check : result.verdict.report.at("checks")) {
    if (!check.at("passed").get<bool>()) return "check " + check.at("field").get<std::string>();
  }
  return {};
}

std::optional<Shrunk> shrink(Scenario scenario, const RunOptions& options, std::size_t runs_max) {
  Shrunk start{.scenario = std::move(scenario), .kind = {}, .runs = 1};
  start.kind = failure_kind(run_scenario(start.scenario, options));
  if (start.kind.empty()) return std::nullopt;
  return Shrinker(std::move(start), options, runs_max).shrink();
}

}  // namespace weft::sim
