#include "testnet/recording.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "crypto/histogram.h"
namespace weft::testnet {
namespace {

using Json = nlohmann::json;
using What = LogEvent::What;

constexpr std::array<std::pair<std::string_view, What>, 22> kNames{{
    {"recording", What::kRecording}, {"phase", What::kPhase}, {"start", What::kStart}, {"boot", What::kBoot}, {"ready", What::kReady},
    {"kill", What::kEnd}, {"stop", What::kEnd}, {"lost", What::kLost}, {"pause", What::kPause}, {"resume", What::kResume},
    {"restart", What::kRestart}, {"cut_off", What::kCutOff}, {"partition", What::kPartition}, {"heal", What::kHeal}, {"link", What::kLink},
    {"churn", What::kChurn}, {"churn_over", What::kChurnOver}, {"saw", What::kSaw}, {"sample", What::kSample}, {"op", What::kOperation},
    {"false_failure", What::kFalseFailure}, {"done", What::kDone},
}};

std::unexpected<std::string> wrong(std::string what) { return std::unexpected(std::move(what)); }

bool is_id(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::optional<std::uint64_t> whole_at(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

std::optional<std::string> text_at(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_string() || found->get_ref<const std::string&>().size() > kLogWordMax) return std::nullopt;
  return found->get<std::string>();
}

std::string too_many(std::uint64_t node) {
  return "names node " + std::to_string(node) + ", and at most " + std::to_string(kReplayNodesMax) + " can be shown";
}

std::optional<Sight> sight_of(char letter) {
  switch (letter) {
    case 'a': return Sight::kAlive;
    case 's': return Sight::kSuspect;
    case 'f': return Sight::kFailed;
    case 'l': return Sight::kLeft;
    default: return std::nullopt;
  }
}

// "3a4 3f5": node 3 sees 4 alive, and 5 as failed.
std::expected<std::vector<LogSight>, std::string> sights_of(std::string_view text) {
  std::vector<LogSight> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    LogSight sight;
    const auto [behind, first] = std::from_chars(at, end, sight.observer);
    const auto state = first == std::errc{} && behind < end ? sight_of(*behind) : std::nullopt;
    if (!state) return wrong("has `pairs` that are none, such as \"3a4 3f5\"");
    sight.state = *state;
    const auto [next, second] = std::from_chars(behind + 1, end, sight.subject);
    if (second != std::errc{} || (next < end && (*next != ' ' || next + 1 == end))) return wrong("has `pairs` that are none, such as \"3a4 3f5\"");
    const std::uint32_t most = std::max(sight.observer, sight.subject);
    if (most >= kReplayNodesMax) return wrong(too_many(most));
    out.push_back(sight);
    at = next < end ? next + 1 : end;
  }
  return out;
}

std::expected<void, std::string> take_node(const Json& json, LogEvent& event) {
  const auto node = whole_at(json, "node");
  if (!node) return wrong("lacks `node`, a number");
  if (*node >= kReplayNodesMax) return wrong(too_many(*node));
  event.node = *node;
  return {};
}

std::expected<void, std::string> take_text(const Json& json, const char* name, LogEvent& event) {
  auto text = text_at(json, name);
  if (!text) return wrong("lacks `" + std::string(name) + "`, a text");
  event.text = std::move(*text);
  return {};
}

std::expected<void, std::string> take_operation(const Json& json, LogEvent& event) {
  constexpr std::array<std::string_view, 4> kWhich{"put", "get", "lookup", "write"};
  const auto which = text_at(json, "op");
  const auto found = which ? std::ranges::find(kWhich, *which) : kWhich.end();
  if (found == kWhich.end()) return wrong("lacks `op`: put, get, lookup or write");
  event.operation = static_cast<LogEvent::Operation>(found - kWhich.begin());
  if (const auto us = whole_at(json, "us"); us && *us <= static_cast<std::uint64_t>(kLogTimeMaxMs) * 1000) event.took_us = static_cast<std::int64_t>(*us);
  return {};
}

std::expected<void, std::string> take_sample(const Json& json, LogEvent& event) {
  const std::array<std::pair<const char*, std::uint64_t*>, 6> fields{{{"up", &event.up},
                                                                       {"members_min", &event.members_min},
                                                                       {"members_median", &event.members_median},
                                                                       {"members_max", &event.members_max},
                                                                       {"bytes", &event.bytes},
                                                                       {"packets", &event.packets}}};
  for (const auto& [name, to] : fields) {
    const auto value = whole_at(json, name);
    if (!value) return wrong("lacks `" + std::string(name) + "`, a number");
    *to = *value;
  }
  event.values = whole_at(json, "values");
  event.own_values = whole_at(json, "own_values");
  const auto arrivals = json.find("arrivals");
  if (arrivals == json.end()) return {};
  if (!arrivals->is_array() || arrivals->size() > Histogram::kEnds.size() + 1) return wrong("has `arrivals` that are no list of numbers, or too many");
  for (const Json& one : *arrivals) {
    if (!one.is_number_unsigned()) return wrong("has `arrivals` that are no numbers");
    event.arrivals.push_back(one.get<std::uint64_t>());
  }
  return {};
}

std::expected<void, std::string> take_cut_off(const Json& json, LogEvent& event) {
  const auto nodes = json.find("nodes");
  if (nodes == json.end() || !nodes->is_array()) return wrong("lacks `nodes`, a list");
  for (const Json& node : *nodes) {
    if (!node.is_number_unsigned()) return wrong("has `nodes` that are no numbers");
    if (node.get<std::uint64_t>() >= kReplayNodesMax) return wrong(too_many(node.get<std::uint64_t>()));
    event.nodes.push_back(node.get<std::uint32_t>());
  }
  return {};
}

std::expected<void, std::string> take(const Json& json, LogEvent& event) {
  switch (event.what) {
    case What::kRecording: return take_text(json, "scenario", event);
    case What::kPhase: return take_text(json, "name", event);
    case What::kLink: return take_text(json, "spec", event);
    case What::kBoot:
      if (auto taken = take_text(json, "id", event); !taken) return taken;
      if (!is_id(event.text)) return wrong("has an `id` that is none");
      return take_node(json, event);
    case What::kStart:
    case What::kReady:
    case What::kEnd:
    case What::kLost:
    case What::kPause:
    case What::kResume:
    case What::kRestart:
    case What::kFalseFailure: return take_node(json, event);
    case What::kCutOff: return take_cut_off(json, event);
    case What::kPartition: {
      const auto one_way = json.find("one_way");
      event.one_way = one_way != json.end() && one_way->is_boolean() && one_way->get<bool>();
      return {};
    }
    case What::kSaw: {
      const auto pairs = json.find("pairs");
      if (pairs == json.end() || !pairs->is_string()) return wrong("lacks `pairs`, a text");
      auto sights = sights_of(pairs->get_ref<const std::string&>());
      if (!sights) return wrong(std::move(sights.error()));
      event.sights = std::move(*sights);
      return {};
    }
    case What::kSample: return take_sample(json, event);
    case What::kOperation: return take_operation(json, event);
    case What::kHeal:
    case What::kChurn:
    case What::kChurnOver:
    case What::kDone:
    case What::kOther: return {};
  }
  return {};
}

}  // namespace

std::expected<LogEvent, std::string> parse_log_line(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return wrong("is no JSON object");
  const auto name = text_at(json, "event");
  if (!name) return wrong("lacks `event`, a text");
  const auto t = json.find("t");
  if (t == json.end() || !t->is_number()) return wrong("lacks `t`, the time in seconds");
  const double ms = t->get<double>() * 1000;
  // Written so that what is no number fails, too.
  if (!(ms >= 0 && ms <= static_cast<double>(kLogTimeMaxMs))) return wrong("has a time `t` out of bounds");
  LogEvent event;
  event.t_ms = static_cast<std::int64_t>(std::llround(ms));
  const auto known = std::ranges::find(kNames, *name, &std::pair<std::string_view, What>::first);
  if (known != kNames.end()) event.what = known->second;
  if (auto taken = take(json, event); !taken) return wrong("(" + *name + ") " + taken.error());
  return event;
}

LogReader::Got LogReader::read_line() {
  line_.clear();
  while (true) {
    const int c = in_.rdbuf() == nullptr ? std::istream::traits_type::eof() : in_.rdbuf()->sbumpc();
    if (c == std::istream::traits_type::eof()) return line_.empty() ? Got::kEnd : Got::kLine;
    if (c == '\n') return Got::kLine;
    if (line_.size() == kLogLineMax) return Got::kTooLong;
    line_.push_back(static_cast<char>(c));
  }
}

std::expected<std::optional<LogEvent>, std::string> LogReader::next() {
  const Got got = read_line();
  if (got == Got::kEnd) return std::optional<LogEvent>();
  const std::string where = "line " + std::to_string(++number_) + " ";
  if (got == Got::kTooLong) return wrong(where + "is longer than " + std::to_string(kLogLineMax) + " bytes");
  auto event = parse_log_line(line_);
  if (!event) return wrong(where + event.error());
  if (event->t_ms < t_ms_) return wrong(where + "goes back in time");
  t_ms_ = event->t_ms;
  return std::optional(std::move(*event));
}

std::expected<LogFacts, std::string> survey_log(std::istream& in) {
  LogReader reader(in);
  LogFacts facts;
  const auto know = [&facts](std::size_t node) {
    facts.nodes = std::max(facts.nodes, node + 1);
    if (facts.ids.size() < facts.nodes) facts.ids.resize(facts.nodes);
  };
  while (true) {
    auto next = reader.next();
    if (!next) return wrong(std::move(next.error()));
    if (!*next) break;
    const LogEvent& event = **next;
    facts.length_ms = event.t_ms;
    switch (event.what) {
      case What::kRecording: facts.scenario = event.text; break;
      case What::kBoot:
        know(event.node);
        facts.ids[event.node] = event.text;
        break;
      case What::kReady: facts.told_ready = true; know(event.node); break;
      case What::kSaw:
        facts.told_sights = true;
        for (const LogSight& sight : event.sights) know(std::max(sight.observer, sight.subject));
        break;
      case What::kStart:
      case What::kRestart: know(event.node); break;
      default: break;  // others name nodes that have been started
    }
  }
  if (facts.nodes == 0) return wrong("no node is started in it");
  return facts;
}

}  // namespace weft::testnet
