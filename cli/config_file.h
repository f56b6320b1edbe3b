// weft.toml: the settings of a home as text, with the line of each (docs/CONFIGURATION.md).
//
// Top level: listen, join, advertise, tag (lists), name, network, http, durability, log_level
// (texts), faults, ephemeral (true or false). [limits] (node/limits.h): memory, store, background
// (sizes), sessions, new_endpoints (numbers). An unknown key or a wrong type is refused with file and line.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"

namespace weft::cli {

inline constexpr std::size_t kConfigBytesMax = 256U << 10;

struct ConfigValue {
  std::vector<std::string> values;  // "true"/"false" of a switch
  std::size_t line = 0;
};
// By option name; limits as "limits.memory".
using ConfigValues = std::map<std::string, ConfigValue>;

// `where` names the file in messages.
Result<ConfigValues> parse_config(std::string_view text, const std::string& where);

}  // namespace weft::cli
