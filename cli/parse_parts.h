// Shared by the parse*.cc: small helpers around CLI11. Include nowhere else.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <optional>
#include <string>

#include "cli/args.h"

namespace weft::cli {

// A command with its description and a worked example.
CLI::App* add_command(CLI::App& parent, const char* name, const char* description,
                      const char* example);
// A command that cli.md names and this version does not have.
void add_unavailable(CLI::App& parent, const char* name);

CLI::Option* add_duration(CLI::App& app, const char* names, std::optional<Duration>& to,
                          const char* description);
CLI::Option* add_text(CLI::App& app, const char* names, std::optional<std::string>& to,
                      const char* description);
// CLI11's own check of a number tells what the largest double is.
CLI::Validator whole_number();
CLI::Option* add_number(CLI::App& app, const char* names, std::optional<std::uint64_t>& to,
                        const char* description);
CLI::Option* add_list(CLI::App& app, const char* names, std::vector<std::string>& to,
                      const char* description);

void add_testnet_commands(CLI::App& root, TestnetFlags& flags, SimFlags& run);
void add_sim_commands(CLI::App& root, SimFlags& flags);
void add_state_commands(CLI::App& root, StateFlags& flags);

inline constexpr const char* kHiddenGroup = "";

}  // namespace weft::cli
