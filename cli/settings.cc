#include "cli/settings.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "crypto/network.h"
#include "crypto/node_record.h"
#include "node/files.h"
#include "node/log.h"
#include "node/seed_text.h"
#include "node/units.h"

namespace weft::cli {

namespace {

constexpr std::size_t kListMax = 64;  // of any list on the command line or in the file

struct Found {
  std::vector<std::string> values;
  std::string origin = "default";
};

std::string environment_name(std::string option) {
  std::ranges::transform(option, option.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c == '.' ? '_' : c;
  });
  return "WEFT_" + option;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

Found find(const SettingSources& sources, const std::string& option,
           std::vector<std::string> flag_values, bool is_list) {
  if (!flag_values.empty()) return {std::move(flag_values), "flag"};
  const std::string variable = environment_name(option);
  if (const auto env = sources.env.find(variable);
      env != sources.env.end() && !env->second.empty()) {
    return {is_list ? split_at_commas(env->second) : std::vector{env->second}, variable};
  }
  if (const auto file = sources.file.find(option); file != sources.file.end()) {
    return {file->second.values, sources.file_name + ":" + std::to_string(file->second.line)};
  }
  return {};
}

std::vector<std::string> list_of(const std::optional<std::string>& value) {
  return value ? std::vector{*value} : std::vector<std::string>{};
}

std::string joined(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ",") + value;
  return text;
}

// Reads one setting after the other; the first mistake latches.
class Resolver {
 public:
  Resolver(const SettingSources& sources, node::RuntimeOptions& options)
      : sources_(sources), options_(options) {}

  std::vector<std::string> list(const std::string& option, const std::vector<std::string>& flags,
                                const std::string& fallback = "") {
    const Found found = find(sources_, option, flags, /*is_list=*/true);
    note(option, found, found.values.empty() ? fallback : joined(found.values));
    if (found.values.size() > kListMax) {
      wrong(option, "takes at most " + std::to_string(kListMax) + " values");
    }
    return found.values;
  }

  std::string text(const std::string& option, const std::optional<std::string>& flag,
                   const std::string& fallback) {
    const Found found = find(sources_, option, list_of(flag), /*is_list=*/false);
    const std::string value = found.values.empty() ? fallback : found.values[0];
    note(option, found, value);
    return value;
  }

  bool is_on(const std::string& option, bool flag) {
    const Found found =
        find(sources_, option, flag ? std::vector<std::string>{"true"} : std::vector<std::string>{},
             /*is_list=*/false);
    const std::string value = found.values.empty() ? "false" : found.values[0];
    note(option, found, value);
    if (value == "1" || value == "true" || value == "yes" || value == "on") return true;
    if (value != "0" && value != "false" && value != "no" && value != "off") {
      wrong(option, "is true or false, not '" + value + "'");
    }
    return false;
  }

  // A size ("64MiB") or a whole number; nullopt if it is not set anywhere.
  std::optional<std::uint64_t> amount(const std::string& option, std::uint64_t min,
                                      std::uint64_t max, bool is_size,
                                      const std::string& fallback) {
    const Found found = find(sources_, option, {}, /*is_list=*/false);
    note(option, found, found.values.empty() ? fallback : found.values[0]);
    if (found.values.empty()) return std::nullopt;
    const std::string& text = found.values[0];
    const auto value = node::parse_size(text);
    const bool digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    if (!value || (!is_size && !digits)) {
      wrong(option, is_size ? "takes a size like 64MiB, not '" + text + "'"
                            : "takes a whole number, not '" + text + "'");
      return std::nullopt;
    }
    if (*value >= min && *value <= max) return value;
    const auto shown = [is_size](std::uint64_t n) {
      return is_size ? node::format_size(n) : std::to_string(n);
    };
    wrong(option, "is " + text + ", but must be " + shown(min) + " to " + shown(max));
    return std::nullopt;
  }
  // A value that follows from another setting.
  void derived(const std::string& option, std::string value, const std::string& from) {
    options_.effective[option] = {std::move(value), from};
  }

  void wrong(const std::string& option, const std::string& what) {
    if (failure_) return;
    const std::string origin = options_.effective[option].second;
    failure_ = Failure{kExitUsage,
                       "usage",
                       option + (origin == "flag" ? "" : " (" + origin + ")") + " " + what,
                       {}};
  }
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  void note(const std::string& option, const Found& found, const std::string& value) {
    options_.effective[option] = {value, found.origin};
  }

  const SettingSources& sources_;
  node::RuntimeOptions& options_;
  std::optional<Failure> failure_;
};

std::vector<Endpoint> endpoints(Resolver& resolver, const std::string& option,
                                const std::vector<std::string>& texts, bool port_zero) {
  std::vector<Endpoint> parsed;
  for (const std::string& text : texts) {
    const auto endpoint = parse_endpoint(text);
    if (endpoint && (port_zero || endpoint->port != 0)) {
      parsed.push_back(*endpoint);
    } else {
      resolver.wrong(
          option, "takes ADDR:PORT like 192.0.2.7:9338 or [2001:db8::7]:9338, not '" + text + "'");
    }
  }
  return parsed;
}

void take_tags(Resolver& resolver, const std::vector<std::string>& texts,
               node::RuntimeOptions& options) {
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const std::string key = text.substr(0, equals);
    if (equals == std::string::npos || key.empty()) {
      resolver.wrong("tag", "takes K=V, not '" + text + "'");
      return;
    }
    const std::string value = text.substr(equals + 1);
    if (key.size() > kTagKeyBytesMax || value.size() > kTagValueBytesMax) {
      resolver.wrong("tag", "takes a key of at most " + std::to_string(kTagKeyBytesMax) +
                                " bytes and a value of at most " +
                                std::to_string(kTagValueBytesMax));
    }
    options.tags[key] = value;
  }
  if (options.tags.size() > kTagsMax) {
    resolver.wrong("tag", "can be given " + std::to_string(kTagsMax) + " times at most");
  }
}

void check_texts(Resolver& resolver, const node::RuntimeOptions& options,
                 const std::string& durability) {
  if (options.name.size() > kNameBytesMax) {
    resolver.wrong("name", "is at most " + std::to_string(kNameBytesMax) + " bytes");
  }
  const bool is_file = options.network.find('/') != std::string::npos;
  if (!is_file && (options.network.empty() || options.network.size() > kNetworkNameBytesMax)) {
    resolver.wrong("network", "is a name of 1 to " + std::to_string(kNetworkNameBytesMax) +
                                  " bytes, or a key file with a / in it");
  }
  if (durability != "commit" && durability != "relaxed") {
    resolver.wrong("durability", "is commit or relaxed, not '" + durability + "'");
  }
  if (!node::parse_log_level(options.log_level)) {
    resolver.wrong("log_level",
                   "is trace, debug, info, warn or error, not '" + options.log_level + "'");
  }
  if (!node::parse_log_format(options.log_format)) {
    resolver.wrong("log_format", "is text or json, not '" + options.log_format + "'");
  }
  for (const std::string& seed : options.seeds) {
    if (const auto parsed = node::parse_seed(seed); !parsed) {
      resolver.wrong("join", "has a mistake: " + parsed.error());
    }
  }
}

void take_limits(Resolver& resolver, node::RuntimeOptions& options) {
  node::Limits& limits = options.limits;
  const auto store = resolver.amount("limits.store", node::kStoreLimitMin, node::kStoreLimitMax,
                                     /*is_size=*/true, node::format_size(limits.store_bytes));
  const auto sessions =
      resolver.amount("limits.sessions", node::kSessionsLimitMin, kSessionsLimitMax,
                      /*is_size=*/false, std::to_string(limits.sessions));
  const auto background = resolver.amount(
      "limits.background", node::kBackgroundLimitMin, node::kBackgroundLimitMax,
      /*is_size=*/true, node::format_size(limits.background_bytes_per_s));
  const auto endpoints = resolver.amount(
      "limits.new_endpoints", node::kNewEndpointsLimitMin, kNewEndpointsLimitMax,
      /*is_size=*/false, std::to_string(limits.new_endpoints_per_minute));
  const auto memory = resolver.amount("limits.memory", node::kMemoryLimitMin,
                                      node::kMemoryLimitMax, /*is_size=*/true, "");
  if (store) limits.store_bytes = static_cast<std::size_t>(*store);
  if (sessions) limits.sessions = static_cast<std::size_t>(*sessions);
  if (background) limits.background_bytes_per_s = *background;
  if (endpoints) limits.new_endpoints_per_minute = static_cast<std::uint32_t>(*endpoints);
  if (!memory) return;
  const auto fitting = node::fit_into_memory(
      limits, *memory, {.store = store.has_value(), .sessions = sessions.has_value()});
  if (!fitting) return resolver.wrong("limits.memory", fitting.error());
  if (fitting->store_bytes != limits.store_bytes) {
    resolver.derived("limits.store", node::format_size(fitting->store_bytes), "limits.memory");
  }
  if (fitting->sessions != limits.sessions) {
    resolver.derived("limits.sessions", std::to_string(fitting->sessions), "limits.memory");
  }
  limits = *fitting;
}

std::string normal(const std::string& path, const std::string& directory) {
  std::filesystem::path result = std::filesystem::path(path);
  if (result.is_relative()) result = std::filesystem::path(directory) / result;
  result = result.lexically_normal();
  if (!result.has_filename() && result.has_parent_path()) result = result.parent_path();
  return result.string();
}

}  // namespace

Environment read_environment() {
  Environment env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    if (name.starts_with("WEFT_") || name == "XDG_STATE_HOME" || name == "HOME") {
      env.emplace(name, text.substr(equals + 1));
    }
  }
  return env;
}

Result<std::string> resolve_home(const std::optional<std::string>& flag, const Environment& env,
                                 const std::string& directory) {
  const auto value_of = [&env](const char* name) {
    const auto found = env.find(name);
    return found == env.end() ? std::string() : found->second;
  };
  if (flag) {
    if (flag->empty()) return usage("--home takes a directory");
    return normal(*flag, directory);
  }
  if (const std::string home = value_of("WEFT_HOME"); !home.empty()) return normal(home, directory);
  if (const std::string state = value_of("XDG_STATE_HOME"); !state.empty()) {
    return normal(state + "/weft", directory);
  }
  const std::string user = value_of("HOME");
  if (user.empty()) return usage("no home directory: HOME is not set; give --home DIR");
  return normal(user + "/.local/state/weft", directory);
}

Result<std::optional<Duration>> resolve_timeout(const std::optional<Duration>& flag,
                                                const Environment& env) {
  if (flag) return flag;
  const auto found = env.find("WEFT_TIMEOUT");
  if (found == env.end() || found->second.empty()) return std::optional<Duration>();
  const auto timeout = node::parse_duration(found->second);
  if (!timeout) {
    return usage("WEFT_TIMEOUT is no duration: '" + found->second + "'; write 250ms, 5s, 2m or 1h");
  }
  return std::optional(*timeout);
}

Result<node::RuntimeOptions> resolve_up(const SettingSources& sources, std::string home) {
  const UpFlags& flags = sources.flags;
  node::RuntimeOptions options;
  Resolver resolver(sources, options);
  options.home = std::move(home);
  options.listen =
      endpoints(resolver, "listen", resolver.list("listen", flags.listen, "0.0.0.0:9338,[::]:9338"),
                /*port_zero=*/true);
  options.seeds = resolver.list("join", flags.join);
  options.advertise = endpoints(resolver, "advertise", resolver.list("advertise", flags.advertise),
                                /*port_zero=*/false);
  take_tags(resolver, resolver.list("tag", flags.tag), options);
  options.name = resolver.text("name", flags.name, "");
  options.network = resolver.text("network", flags.network, "weft");
  const std::string http = resolver.text("http", flags.http, "");
  options.faults = resolver.is_on("faults", flags.faults);
  options.ephemeral = resolver.is_on("ephemeral", flags.ephemeral);
  const std::string durability = resolver.text("durability", flags.durability, "commit");
  options.durable = durability != "relaxed";
  options.log_level = resolver.text("log_level", flags.log_level, "info");
  options.log_format = resolver.text("log_format", flags.log_format, "text");
  options.parent_fd = flags.parent_fd;
  if (!http.empty()) {
    const auto endpoint = endpoints(resolver, "http", {http}, /*port_zero=*/true);
    if (!endpoint.empty() && scope({endpoint[0].ip, 1}) != Scope::kLoopback) {
      resolver.wrong("http", "takes a loopback address like 127.0.0.1:8080, not '" + http + "'");
    }
    if (!endpoint.empty()) options.http = endpoint[0];
  }
  check_texts(resolver, options, durability);
  take_limits(resolver, options);
  if (resolver.failure()) return std::unexpected(*resolver.failure());
  return options;
}

Result<ConfigFile> load_config(const std::optional<std::string>& chosen, const std::string& home) {
  ConfigFile file{chosen ? *chosen : home + "/weft.toml", {}};
  std::error_code error;
  if (!chosen && !std::filesystem::exists(file.path, error)) return file;
  const auto text = node::read_small_file(file.path, kConfigBytesMax, /*secret=*/false);
  if (!text) return fail(kExitUsage, "bad_request", text.error().message);
  auto values = parse_config(*text, file.path);
  if (!values) return std::unexpected(values.error());
  file.values = std::move(*values);
  return file;
}

}  // namespace weft::cli
