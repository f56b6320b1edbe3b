// put, get, watch, rm, provide, providers, own, lookup.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/file_io.h"
#include "cli/node_client.h"
#include "cli/otlp.h"
#include "cli/output.h"
#include "cli/values.h"
#include "dht/messages.h"
#include "node/files.h"
#include "node/log.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string shown_key(const std::string& key) { return node::escaped(key); }

Result<std::string> value_of(const ValueFlags& flags) {
  if (flags.value && flags.file) return usage("give VALUE or --file, not both");
  if (flags.file) {
    const node::Fd fd(::open(flags.file->c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
      return fail(kExitUsage, "bad_request",
                  "cannot open " + *flags.file + ": " + node::error_text(errno));
    }
    return read_value(fd.get(), *flags.file);
  }
  if (!flags.value) return usage("give a VALUE, - for stdin, or --file F");
  return *flags.value == "-" ? read_value(STDIN_FILENO, "stdin") : *flags.value;
}

Result<std::string> checked_value(const ValueFlags& flags) {
  auto value = value_of(flags);
  if (!value) return value;
  if (value->size() > dht::kValueBytesMax) {
    return fail(kExitUsage, "too_large",
                "a value has at most " + std::to_string(dht::kValueBytesMax) +
                    " bytes; larger data is for `weft add`, which comes later");
  }
  if (value->empty()) return usage("an empty value is a withdrawal; use weft rm");
  return value;
}

Result<void> check_key(const std::string& key) {
  const auto trouble = key_trouble(key);
  if (trouble.empty()) return {};
  return usage(trouble);
}

void set_if(nlohmann::json& body, const char* name, const auto& value) {
  if (value) body[name] = *value;
}

Result<void> set_ttl(nlohmann::json& body, const ValueFlags& flags) {
  if (!flags.ttl) return {};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*flags.ttl).count();
  if (seconds < 1) return usage("--ttl is at least 1s");
  body["ttl_s"] = seconds;
  return {};
}

// The one value that `get` without --all means: the only one, else our own.
const Json* chosen_value(const Json& values) {
  if (!values.is_array() || values.empty()) return nullptr;
  if (values.size() == 1) return &values[0];
  for (const Json& value : values) {
    if (true_at(value, "own")) return &value;
  }
  return nullptr;
}

Failure several_authors(const Json& values) {
  Failure failure{kExitFailed,
                  "several_authors",
                  std::to_string(values.size()) +
                      " authors have a value there; choose with --author, or see --all:",
                  {}};
  Json authors = Json::array();
  for (const Json& value : values) {
    failure.message += " " + text_at(value, "author");
    authors.push_back(text_at(value, "author"));
  }
  failure.fields = "\"authors\":" + authors.dump();
  return failure;
}

// The node's own refusal names the authors in its fields only.
Failure with_authors(Failure failure) {
  if (failure.code != "several_authors") return failure;
  const Json fields = Json::parse("{" + failure.fields + "}", nullptr, false);
  const Json& authors = at(fields, "authors");
  failure.message = "several authors have a value there; choose with --author, or see --all:";
  if (!authors.is_array()) return failure;
  for (const Json& author : authors) {
    if (author.is_string()) failure.message += " " + author.get<std::string>();
  }
  return failure;
}

std::string all_text(const Json& values) {
  Table table({"AUTHOR", "SEQ", "EXPIRES", "VALUE"});
  for (const Json& value : values) {
    const auto bytes = decode_base64(text_at(value, "value_base64"));
    table.add({shown_at(value, "author"), std::to_string(count_at(value, "seq")),
               format_age(static_cast<std::int64_t>(number_at(value, "expires_s"))),
               bytes ? node::escaped(*bytes) : std::string("?")});
  }
  return table.text();
}

Result<int> show_values(const Context& context, Json answer) {
  const ValueFlags& flags = context.args.value;
  const Json& values = at(answer, "values");
  if (!values.is_array() || values.empty()) {
    return fail(kExitNotFound, "not_found", "no value under " + flags.key);
  }
  const Json* chosen = chosen_value(values);
  if (!flags.all && chosen == nullptr) return std::unexpected(several_authors(values));
  if (!flags.all && !flags.out && !context.json && text_at(*chosen, "encrypted") == "for another") {
    return fail(kExitFailed, "encrypted",
                "the value is encrypted for another node; --out F or --json gives the bytes as they are");
  }
  if (flags.out) {
    const auto bytes = decode_base64(text_at(*chosen, "value_base64")).value_or("");
    if (auto written = write_out(*flags.out, bytes); !written) {
      return std::unexpected(written.error());
    }
  }
  if (context.json) {
    Json printed = Json::array();
    for (const Json& value : values) {
      if (flags.all || &value == chosen) printed.push_back(printed_value(value));
    }
    answer["values"] = std::move(printed);
    return print(dump_line(answer)) ? kExitDone : kExitFailed;
  }
  if (flags.out) return kExitDone;
  const std::string text =
      flags.all ? all_text(values) : decode_base64(text_at(*chosen, "value_base64")).value_or("");
  return print(text) ? kExitDone : kExitFailed;
}

constexpr Duration kWatchEvery = std::chrono::seconds(1);
constexpr Duration kWatchEveryMin = std::chrono::milliseconds(100);
constexpr testnet::Milliseconds kWatchLook{10'000};
// Authors whose last value is remembered; beyond, those not in the last answer are forgotten.
constexpr std::size_t kWatchedAuthorsMax = 4096;

// What a watch has found: of each author the highest number.
class Watched {
 public:
  // The values of an answer that are newer than what was found before.
  std::vector<Json> news(const Json& values) {
    std::vector<Json> out;
    if (!values.is_array()) return out;
    std::map<std::string, std::uint64_t> here;
    for (const Json& value : values) {
      const std::string author = text_at(value, "author");
      const std::uint64_t seq = count_at(value, "seq");
      here[author] = seq;
      std::uint64_t& last = last_[author];
      if (seq <= last) continue;
      last = seq;
      out.push_back(value);
    }
    if (last_.size() > kWatchedAuthorsMax) last_ = std::move(here);
    return out;
  }

 private:
  std::map<std::string, std::uint64_t> last_;
};

std::string watched_line(const Json& value) {
  const auto bytes = decode_base64(text_at(value, "value_base64"));
  return shown_at(value, "author").substr(0, 16) + " #" + std::to_string(count_at(value, "seq")) + " " +
         (bytes ? node::escaped(*bytes) : std::string("?")) + "\n";
}

std::string own_text(const Json& list) {
  Table table({"KEY", "SEQ", "BYTES", "COPIES", "EXPIRES", "REPUBLISH"});
  if (!list.is_array()) return {};
  for (const Json& own : list) {
    const bool withdrawn = true_at(own, "withdrawn");
    table.add({shown_at(own, "key"), std::to_string(count_at(own, "seq")),
               withdrawn ? "withdrawn" : std::to_string(count_at(own, "bytes")),
               std::to_string(count_at(own, "copies")),
               format_age(static_cast<std::int64_t>(number_at(own, "expires_s"))),
               own.contains("next_republish_s") ? "in " + format_age(static_cast<std::int64_t>(
                                                              number_at(own, "next_republish_s")))
                                                : "-"});
  }
  return table.text();
}

constexpr double kBarCells = 24;

// When it was asked and when it answered, of `all_ms`: "  ====      "; who has not answered has dots up to the end.
std::string bar_of(const Json& step, double all_ms) {
  const double scale = all_ms > 0 ? kBarCells / all_ms : 0;
  const auto cell = [&](double ms) { return static_cast<std::size_t>(std::clamp(ms * scale, 0.0, kBarCells - 1)); };
  const double began = number_at(step, "at_ms");
  const bool silent = !at(step, "rtt_ms").is_number();
  const std::size_t first = cell(began);
  const std::size_t last = silent ? static_cast<std::size_t>(kBarCells) - 1 : cell(began + number_at(step, "rtt_ms"));
  return std::string(first, ' ') + std::string(last - first + 1, silent ? '.' : '=');
}

std::string answer_of(const Json& step) {
  if (!at(step, "rtt_ms").is_number()) return "-";
  if (const std::string status = shown_at(step, "status"); !status.empty()) return status;
  const std::uint64_t values = count_at(step, "values");
  return std::to_string(count_at(step, "contacts")) + " contacts" + (values == 0 ? "" : ", " + std::to_string(values) + " values");
}

// A waterfall: who was asked for what and when, who had named it, and what it answered.
std::string steps_text(const Json& answer) {
  Table steps({"WHAT", "HOP", "NODE", "ADDRESS", "AT", "RTT", "ANSWER", "NAMED BY", "WHEN"});
  const Json& list = at(answer, "steps");
  if (!list.is_array()) return steps.text();
  double all_ms = 0;
  for (const Json& step : list) all_ms = std::max(all_ms, number_at(step, "at_ms") + number_at(step, "rtt_ms"));
  for (const Json& step : list) {
    const std::string named_by = shown_at(step, "named_by").substr(0, 16);
    steps.add({shown_at(step, "what"), std::to_string(count_at(step, "hop")), shown_at(step, "id").substr(0, 16), shown_at(step, "address"), ms_at(step, "at_ms"),
               ms_at(step, "rtt_ms"), answer_of(step), named_by.empty() ? "-" : named_by, bar_of(step, all_ms)});
  }
  return steps.text();
}

// The steps of a traced put or get; its own output stays what it is.
void show_steps(const Context& context, const Json& answer) {
  if (!context.args.value.trace || context.json) return;
  std::fputs((steps_text(answer) + "trace " + shown_at(answer, "trace_id") + "\n").c_str(), stderr);
}

// Where --otlp says, if there is an answer.
Result<void> write_trace(const Context& context, const Result<std::string>& answered, const std::string& name, const std::string& key) {
  if (!context.args.value.otlp || !answered) return {};
  const auto answer = parse_answer(*answered);
  if (!answer) return std::unexpected(answer.error());
  SystemEntropy entropy;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return write_out(*context.args.value.otlp, otlp_trace(*answer, name, key, {std::chrono::duration_cast<std::chrono::milliseconds>(now).count()}, entropy));
}

std::string lookup_text(const Json& answer) {
  const std::string steps = steps_text(answer);
  Table closest({"CLOSEST", "ADDRESS"});
  if (at(answer, "closest").is_array()) {
    for (const Json& contact : answer["closest"]) {
      closest.add({shown_at(contact, "id"), shown_at(contact, "address")});
    }
  }
  return steps + (steps.empty() ? "" : "\n") + closest.text() +
         std::to_string(count_at(answer, "queries")) + " queries, " +
         std::to_string(count_at(answer, "hops")) + " hops, " + ms_at(answer, "elapsed_ms") + ", trace " + shown_at(answer, "trace_id") + "\n";
}

constexpr std::size_t kOwnPage = 1024;  // own values asked for at once

}  // namespace

Result<int> run_put(const Context& context) {
  const ValueFlags& flags = context.args.value;
  if (auto checked = check_key(flags.key); !checked) return std::unexpected(checked.error());
  const auto value = checked_value(flags);
  if (!value) return std::unexpected(value.error());
  nlohmann::json body{{"key", flags.key}, {"value_base64", encode_base64(*value)}};
  if (auto set = set_ttl(body, flags); !set) return std::unexpected(set.error());
  set_if(body, "cas", flags.cas);
  set_if(body, "replicas", flags.replicas);
  set_if(body, "quorum", flags.quorum);
  set_if(body, "paths", flags.paths);
  if (flags.to && !array_from_hex<32>(*flags.to)) return usage("--to takes a full id of 64 hex digits");
  set_if(body, "to", flags.to);
  if (flags.trace || flags.otlp) body["trace"] = true;
  const auto answered = NodeClient(context).post("/v1/put", std::move(body));
  if (auto written = write_trace(context, answered, "weft.put", flags.key); !written) return std::unexpected(written.error());
  return show(context, answered,
              [&context](const Json& answer) {
                show_steps(context, answer);
                return "stored " + shown_key(text_at(answer, "key")) + " #" +
                       std::to_string(count_at(answer, "seq")) + " on " +
                       std::to_string(count_at(answer, "replicas")) + " nodes in " +
                       ms_at(answer, "elapsed_ms") + "\n";
              });
}

Result<int> run_get(const Context& context) {
  const ValueFlags& flags = context.args.value;
  if (auto checked = check_key(flags.key); !checked) return std::unexpected(checked.error());
  if (flags.all && flags.author) return usage("--author and --all exclude each other");
  if (flags.all && flags.out) return usage("--out takes one value; choose with --author");
  nlohmann::json body{{"key", flags.key}};
  set_if(body, "author", flags.author);
  set_if(body, "quorum", flags.quorum);
  set_if(body, "paths", flags.paths);
  if (flags.all) body["all"] = true;
  if (flags.trace || flags.otlp) body["trace"] = true;
  const auto answered = NodeClient(context).post("/v1/get", std::move(body));
  if (!answered) return std::unexpected(with_authors(answered.error()));
  auto answer = parse_answer(*answered);
  if (!answer) return std::unexpected(answer.error());
  show_steps(context, *answer);
  if (auto written = write_trace(context, answered, "weft.get", flags.key); !written) return std::unexpected(written.error());
  return show_values(context, std::move(*answer));
}

Result<int> run_watch(const Context& context) {
  const ValueFlags& flags = context.args.value;
  if (auto checked = check_key(flags.key); !checked) return std::unexpected(checked.error());
  const Duration every = flags.every.value_or(kWatchEvery);
  if (every < kWatchEveryMin) return usage("--every is at least 100ms");
  if (flags.count == 0) return usage("--count is at least 1");
  Context look = context;  // --timeout is for the whole watch
  look.timeout.reset();
  const NodeClient client(look);
  nlohmann::json body{{"key", flags.key}};
  set_if(body, "author", flags.author);
  if (!flags.author) body["all"] = true;
  const auto deadline = deadline_in(context.timeout);
  Watched watched;
  std::uint64_t shown = 0;
  for (bool well = true;;) {
    const auto answered = client.post("/v1/get", body, kWatchLook);
    if (answered) {
      const auto answer = parse_answer(*answered);
      if (!answer) return std::unexpected(answer.error());
      for (const Json& value : watched.news(at(*answer, "values"))) {
        if (!print(context.json ? dump_line(printed_value(value)) : watched_line(value))) return kExitFailed;
        if (++shown == flags.count) return kExitDone;
      }
    } else if (answered.error().exit_status == kExitUsage || answered.error().exit_status == kExitNoNode) {
      return std::unexpected(answered.error());
    } else if (answered.error().exit_status != kExitNotFound && well) {
      std::fprintf(stderr, "weft: %s; looking on\n", answered.error().message.c_str());
    }
    well = answered || answered.error().exit_status == kExitNotFound;
    const auto now = std::chrono::steady_clock::now();
    if (deadline && now + every >= *deadline) {
      std::this_thread::sleep_until(*deadline);
      if (shown > 0) return kExitDone;
      return fail(kExitTimedOut, "timed_out", "no value was stored under " + flags.key + " meanwhile");
    }
    std::this_thread::sleep_for(every);
  }
}

Result<int> run_rm(const Context& context) {
  const std::string& key = context.args.value.key;
  if (auto checked = check_key(key); !checked) return std::unexpected(checked.error());
  return show(context, NodeClient(context).post("/v1/rm", {{"key", key}}), [](const Json& answer) {
    return "withdrew " + shown_key(text_at(answer, "key")) + " with #" +
           std::to_string(count_at(answer, "seq")) + " on " +
           std::to_string(count_at(answer, "replicas")) + " nodes\n";
  });
}

Result<int> run_provide(const Context& context) {
  const ValueFlags& flags = context.args.value;
  if (auto checked = check_key(flags.key); !checked) return std::unexpected(checked.error());
  nlohmann::json body{{"key", flags.key}};
  if (auto set = set_ttl(body, flags); !set) return std::unexpected(set.error());
  return show(context, NodeClient(context).post("/v1/provide", std::move(body)), [](const Json& answer) {
    return "offers " + shown_key(text_at(answer, "key")) + ", told " +
           std::to_string(count_at(answer, "replicas")) + " nodes in " + ms_at(answer, "elapsed_ms") + "\n";
  });
}

Result<int> run_providers(const Context& context) {
  const std::string& key = context.args.value.key;
  if (auto checked = check_key(key); !checked) return std::unexpected(checked.error());
  return show(context, NodeClient(context).post("/v1/providers", {{"key", key}}), [](const Json& answer) {
    Table table({"ID", "ADDRESS", "EXPIRES"});
    if (!answer.is_array()) return std::string();
    for (const Json& provider : answer) {
      const std::string address = shown_at(provider, "address");
      table.add({shown_at(provider, "id"), address.empty() ? "-" : address,
                 format_age(static_cast<std::int64_t>(number_at(provider, "expires_s")))});
    }
    return table.text();
  });
}

Result<int> run_own(const Context& context) {
  // In pages, as a node with many does nothing else while it makes a list.
  const NodeClient client(context);
  std::string all;
  const std::string first = "/v1/own?limit=" + std::to_string(kOwnPage);
  for (std::string target = first;;) {
    const Result<std::string> body = client.get(target);
    if (!body) return std::unexpected(body.error());
    const auto page = parse_answer(*body);
    if (!page) return std::unexpected(page.error());
    if (all.empty()) all = *body;
    else if (page->is_array() && !page->empty()) all = all.substr(0, all.size() - 1) + "," + body->substr(1);
    if (!page->is_array() || page->size() < kOwnPage) break;
    target = first + "&after=" + text_at(page->back(), "key");
  }
  return show(context, Result<std::string>(std::move(all)), own_text);
}

Result<int> run_lookup(const Context& context) {
  const std::string& target = context.args.text;
  if (auto checked = check_key(target); !checked) return std::unexpected(checked.error());
  nlohmann::json body{{"target", target}};
  set_if(body, "paths", context.args.value.paths);
  const auto answered = NodeClient(context).post("/v1/lookup", std::move(body));
  if (auto written = write_trace(context, answered, "weft.lookup", target); !written) return std::unexpected(written.error());
  return show(context, answered, lookup_text);
}

}  // namespace weft::cli
