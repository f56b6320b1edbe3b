// Makes a scenario that fails as small as it gets while it still fails in the same way.
//
// Delta debugging (Zeller, Hildebrandt 2002) over actions, loads and checks, then fewer nodes, no
// churn, a clean link, a shorter run, less load; again until nothing more can go. Which fate a
// packet has depends on its own coordinates alone, so what stays behaves much as before.
#pragma once

#include <optional>
#include <string>

#include "testnet/sim/world.h"

namespace weft::sim {

// What a run failed of: the checker of its first violation, else "check FIELD" of the first check
// that does not hold; empty if it passed.
std::string failure_kind(const RunResult& result);

struct Shrunk {
  scenario::Scenario scenario;
  std::string kind;       // failure_kind of both
  std::size_t runs = 0;
};

// At most `runs_max` runs. nullopt: the scenario passes under its seed.
std::optional<Shrunk> shrink(scenario::Scenario scenario, const RunOptions& options,
                             std::size_t runs_max);

}  // namespace weft::sim
