#include "cli/config_file.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <set>

#include "node/units.h"

namespace weft::cli {

namespace {

enum class Kind { kText, kList, kSwitch, kSize, kNumber };

const std::map<std::string, Kind, std::less<>>& known_keys() {
  static const std::map<std::string, Kind, std::less<>> keys{
      {"listen", Kind::kList},
      {"join", Kind::kList},
      {"advertise", Kind::kList},
      {"tag", Kind::kList},
      {"name", Kind::kText},
      {"network", Kind::kText},
      {"http", Kind::kText},
      {"durability", Kind::kText},
      {"log_level", Kind::kText},
      {"log_format", Kind::kText},
      {"faults", Kind::kSwitch},
      {"ephemeral", Kind::kSwitch},
      {"limits.memory", Kind::kSize},
      {"limits.store", Kind::kSize},
      {"limits.background", Kind::kSize},
      {"limits.sessions", Kind::kNumber},
      {"limits.new_endpoints", Kind::kNumber}};
  return keys;
}

std::optional<std::vector<std::string>> values_of(const toml::node& node, Kind kind) {
  const auto text = node.value_exact<std::string>();
  switch (kind) {
    case Kind::kText:
      if (text) return std::vector{*text};
      return std::nullopt;
    case Kind::kSwitch:
      if (const auto on = node.value_exact<bool>()) {
        return std::vector<std::string>{*on ? "true" : "false"};
      }
      return std::nullopt;
    case Kind::kSize:
      if (text && node::parse_size(*text)) return std::vector{*text};
      [[fallthrough]];
    case Kind::kNumber:
      if (const auto number = node.value_exact<std::int64_t>(); number && *number >= 0) {
        return std::vector{std::to_string(*number)};
      }
      return std::nullopt;
    case Kind::kList:
      break;
  }
  if (text) return std::vector{*text};
  const toml::array* array = node.as_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> values;
  for (const toml::node& element : *array) {
    const auto value = element.value_exact<std::string>();
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

const char* expected_of(Kind kind) {
  switch (kind) {
    case Kind::kText:
      return "a text in quotes";
    case Kind::kList:
      return "a list of texts";
    case Kind::kSwitch:
      return "true or false";
    case Kind::kSize:
      return "a size like \"64MiB\"";
    case Kind::kNumber:
      return "a whole number";
  }
  return "another type";
}

std::unexpected<Failure> wrong(const std::string& where, std::size_t line,
                               const std::string& what) {
  return fail(kExitUsage, "bad_request", where + ":" + std::to_string(line) + ": " + what);
}

Result<void> take_table(const toml::table& table, const std::string& prefix,
                        const std::string& where, ConfigValues& values) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    const std::size_t line = node.source().begin.line;
    if (prefix.empty() && name == "limits" && node.is_table()) {
      if (auto taken = take_table(*node.as_table(), "limits.", where, values); !taken) return taken;
      continue;
    }
    const auto known = known_keys().find(name);
    if (known == known_keys().end())
      return wrong(where, line, "there is no setting '" + name + "'");
    auto found = values_of(node, known->second);
    if (!found) return wrong(where, line, name + " takes " + expected_of(known->second));
    values[name] = {std::move(*found), line};
  }
  return {};
}

}  // namespace

Result<ConfigValues> parse_config(std::string_view text, const std::string& where) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return wrong(where, parsed.error().source().begin.line,
                 std::string(parsed.error().description()));
  }
  ConfigValues values;
  if (auto taken = take_table(parsed.table(), "", where, values); !taken) {
    return std::unexpected(taken.error());
  }
  return values;
}

}  // namespace weft::cli
