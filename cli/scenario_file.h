// What the commands that run a scenario share, in whichever world: reading the file and what it names,
// and showing the report.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/context.h"
#include "testnet/rtt_matrix.h"
#include "testnet/scenario/scenario.h"

namespace weft::cli {

struct LoadedScenario {
  scenario::Scenario scenario;
  std::optional<testnet::RttMatrix> matrix;  // of its link, if it names one
  std::string matrix_csv;
};
// The scenario of `flags` with their changes. Exit status 2 with file and line if it is wrong or asks
// for what `world` cannot do.
Result<LoadedScenario> load_scenario(const SimFlags& flags, scenario::World world);

// A table of the phases, then a line for each check.
std::string report_text(const nlohmann::ordered_json& report);
// The first check that failed, in words; "nothing".
std::string failed_check(const nlohmann::ordered_json& report);

Result<void> write_text(const std::string& path, const std::string& text);
Result<void> make_directory(const std::string& path);
inline double seconds(Duration d) { return static_cast<double>(d.count()) / 1e6; }

}  // namespace weft::cli
