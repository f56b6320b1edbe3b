// Which value of a setting counts: the flag, then WEFT_*, then the file, then the default.
//
// Pure: flags, environment and file come in as values.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "cli/args.h"
#include "cli/config_file.h"
#include "node/runtime.h"

namespace weft::cli {

using Environment = std::map<std::string, std::string>;  // WEFT_* and what the home depends on

Environment read_environment();

// The home directory: --home, else WEFT_HOME, else XDG_STATE_HOME/weft, else ~/.local/state/weft.
// Relative ones count from `directory`.
Result<std::string> resolve_home(const std::optional<std::string>& flag, const Environment& env,
                                 const std::string& directory);
// --timeout, else WEFT_TIMEOUT.
Result<std::optional<Duration>> resolve_timeout(const std::optional<Duration>& flag,
                                                const Environment& env);

struct SettingSources {
  const UpFlags& flags;
  const Environment& env;
  const ConfigValues& file;
  std::string file_name;  // for messages and origins
};
// What `weft up` runs with; every value is checked, and `effective` names its origin: "flag",
// "WEFT_NAME", "FILE:LINE" or "default".
Result<node::RuntimeOptions> resolve_up(const SettingSources& sources, std::string home);

// The configuration file of a home: `chosen` or home/weft.toml, which may be missing.
struct ConfigFile {
  std::string path;
  ConfigValues values;
};
Result<ConfigFile> load_config(const std::optional<std::string>& chosen, const std::string& home);

}  // namespace weft::cli
