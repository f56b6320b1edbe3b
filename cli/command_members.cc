// `weft members`: the list, filtered, once or as it changes.
#include <poll.h>
#include <regex.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/node_client.h"
#include "cli/output.h"
#include "node/log.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kWatchEveryMs = 1000;
constexpr std::size_t kPatternBytesMax = 256;

// A POSIX extended regular expression; it matches anywhere in the text unless anchored.
class Pattern {
 public:
  static Result<Pattern> compile(const std::string& text) {
    if (text.size() > kPatternBytesMax) {
      return usage("a regular expression has at most " + std::to_string(kPatternBytesMax) +
                   " bytes");
    }
    Pattern pattern;
    regex_t raw{};
    const int error = ::regcomp(&raw, text.c_str(), REG_EXTENDED | REG_NOSUB);
    if (error != 0) {
      char why[128];
      ::regerror(error, &raw, why, sizeof why);
      return usage("'" + text + "' is no regular expression: " + why);
    }
    pattern.compiled_ = std::shared_ptr<regex_t>(new regex_t(raw), [](regex_t* owned) {
      ::regfree(owned);
      delete owned;
    });
    return pattern;
  }
  bool matches(const std::string& text) const {
    return ::regexec(compiled_.get(), text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  std::shared_ptr<regex_t> compiled_;
};

struct Filter {
  std::optional<std::string> state;
  std::optional<Pattern> name;
  std::vector<std::pair<std::string, Pattern>> tags;

  bool passes(const Json& member) const {
    if (state && text_at(member, "state") != *state) return false;
    if (name && !name->matches(text_at(member, "name"))) return false;
    for (const auto& [key, pattern] : tags) {
      const Json& value = at(at(member, "tags"), key.c_str());
      if (!value.is_string() || !pattern.matches(value.get<std::string>())) return false;
    }
    return true;
  }
};

Result<Filter> make_filter(const MembersFlags& flags) {
  Filter filter;
  if (flags.state) {
    const std::string& state = *flags.state;
    if (state != "alive" && state != "suspect" && state != "failed" && state != "left") {
      return usage("--state is alive, suspect, failed or left, not '" + state + "'");
    }
    filter.state = state;
  }
  if (flags.name) {
    auto pattern = Pattern::compile(*flags.name);
    if (!pattern) return std::unexpected(pattern.error());
    filter.name = std::move(*pattern);
  }
  for (const std::string& tag : flags.tags) {
    const std::size_t equals = tag.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return usage("--tag takes K=RE, not '" + tag + "'");
    }
    auto pattern = Pattern::compile(tag.substr(equals + 1));
    if (!pattern) return std::unexpected(pattern.error());
    filter.tags.emplace_back(tag.substr(0, equals), std::move(*pattern));
  }
  return filter;
}

Result<Json> fetch(const Context& context, const Filter& filter) {
  const auto body = NodeClient(context).get("/v1/members");
  if (!body) return std::unexpected(body.error());
  auto members = parse_answer(*body);
  if (!members) return members;
  Json kept = Json::array();
  if (members->is_array()) {
    for (Json& member : *members) {
      if (filter.passes(member)) kept.push_back(std::move(member));
    }
  }
  return kept;
}

std::string tags_text(const Json& tags) {
  std::string text;
  if (!tags.is_object()) return text;
  for (const auto& [key, value] : tags.items()) {
    text += (text.empty() ? "" : " ") + node::escaped(key) + "=" +
            (value.is_string() ? node::escaped(value.get<std::string>()) : std::string());
  }
  return text;
}

std::string table_of(const Json& members) {
  Table table({"NAME", "ID", "ADDRESS", "STATE", "RTT", "TAGS"});
  for (const Json& member : members) {
    table.add({shown_at(member, "name"), shown_at(member, "id").substr(0, 16),
               shown_at(member, "address"), shown_at(member, "state"), ms_at(member, "rtt_ms"),
               tags_text(at(member, "tags"))});
  }
  return table.text();
}

std::string dump_line(const Json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// What makes a line worth printing again: everything but the round trip.
std::string fingerprint(Json member) {
  member.erase("rtt_ms");
  return dump_line(member);
}

Result<int> watch(const Context& context, const Filter& filter) {
  std::map<std::string, std::string> known;  // id -> fingerprint
  const bool redraw = !context.json && ::isatty(STDOUT_FILENO) == 1;
  while (true) {
    const auto members = fetch(context, filter);
    if (!members) return std::unexpected(members.error());
    if (redraw) {
      if (!print("\033[H\033[2J" + table_of(*members))) return kExitFailed;
    } else {
      Json changed = Json::array();
      for (const Json& member : *members) {
        std::string now = fingerprint(member);
        std::string& before = known[text_at(member, "id")];
        if (before == now) continue;
        before = std::move(now);
        changed.push_back(member);
      }
      std::string text = context.json ? "" : table_of(changed);
      for (std::size_t i = 0; context.json && i < changed.size(); ++i) {
        text += dump_line(changed[i]);
      }
      if (!text.empty() && !print(text)) return kExitFailed;
    }
    ::poll(nullptr, 0, kWatchEveryMs);
  }
}

}  // namespace

Result<int> run_members(const Context& context) {
  const auto filter = make_filter(context.args.members);
  if (!filter) return std::unexpected(filter.error());
  if (context.args.members.watch) return watch(context, *filter);
  const auto members = fetch(context, *filter);
  if (!members) return std::unexpected(members.error());
  return print(context.json ? dump_line(*members) : table_of(*members)) ? kExitDone : kExitFailed;
}

}  // namespace weft::cli
