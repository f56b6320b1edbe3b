// status, peers, ping, wait, join, leave.
#include <poll.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/node_client.h"
#include "cli/output.h"
#include "node/log.h"
#include "testnet/control_client.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;
using testnet::Milliseconds;
using testnet::mono_now;
using testnet::ms_between;

constexpr std::size_t kPingsUnlessGiven = 4;
constexpr Milliseconds kPingTimeout{5000};
constexpr int kPingPauseMs = 200;
constexpr Milliseconds kStartGrace{5000};  // `wait` right after `up`: the socket comes soon
constexpr Milliseconds kLeaveWait{10'000};

void pause_ms(int ms) { ::poll(nullptr, 0, ms); }

std::string list_text(const Json& list) {
  std::string text;
  if (!list.is_array()) return text;
  for (const Json& element : list) {
    if (!element.is_string()) continue;
    text += (text.empty() ? "" : ", ") + node::escaped(element.get<std::string>());
  }
  return text;
}

// ": 10 with 12 copies, 2 with 9"
std::string copies_text(const Json& list) {
  std::string text;
  if (!list.is_array()) return text;
  for (auto it = list.rbegin(); it != list.rend(); ++it) {
    text += (text.empty() ? ": " : ", ") + std::to_string(count_at(*it, "values")) + " with " +
            std::to_string(count_at(*it, "copies")) + (text.empty() ? " copies" : "");
  }
  return text;
}

// What of shared state is not as it should be; empty if all is.
std::string state_trouble(const Json& state) {
  std::string text;
  const auto add = [&](const char* key, const std::string& words) {
    if (const auto count = count_at(state, key); count > 0) text += ", " + std::to_string(count) + words;
  };
  add("held_back", " from the future");
  add("parked", " without their grant");
  add("delayed", " writes delayed");
  add("refused", " refused");
  add("forbidden", " without a right");
  add("cut_off", " cut off");
  add("over_quota", " over quota");
  add("forked_authors", " forked (weft state forks)");
  const Json& skewed = at(state, "skewed");
  if (skewed.is_array() && !skewed.empty()) text += ", " + std::to_string(skewed.size()) + " ahead of time";
  return text;
}

std::string members_text(const Json& members) {
  std::string text = std::to_string(count_at(members, "alive")) + " alive";
  for (const char* state : {"suspect", "failed", "left"}) {
    if (const auto count = count_at(members, state); count > 0) {
      text += ", " + std::to_string(count) + " " + state;
    }
  }
  return text;
}

std::string status_text(const Json& s) {
  std::string out;
  const Json& health = at(s, "health");
  if (health.is_array() && health.empty()) out += "healthy\n";
  if (health.is_array()) {
    for (const Json& problem : health) {
      if (problem.is_string()) out += "! " + node::escaped(problem.get<std::string>()) + "\n";
    }
  }
  Table table({"", ""});
  table.add({"node", shown_at(s, "name") + " (" + shown_at(s, "id") + ")"});
  if (s.contains("network")) {
    table.add({"network", shown_at(s, "network") + (true_at(s, "private") ? " (private)" : "")});
  }
  table.add({"version", shown_at(s, "version")});
  table.add({"listening", list_text(at(s, "listen"))});
  table.add({"running for", format_age(static_cast<std::int64_t>(number_at(s, "uptime_s")))});
  table.add({"members", members_text(at(s, "members"))});
  const Json& routing = at(s, "routing");
  table.add({"routing table", std::to_string(count_at(routing, "contacts")) + " contacts in " +
                                  std::to_string(count_at(routing, "buckets")) + " buckets"});
  const Json& store = at(s, "store");
  table.add({"store", std::to_string(count_at(store, "values")) + " values, " +
                          format_bytes(count_at(store, "bytes"))});
  if (count_at(store, "own") > 0) {
    table.add({"own values", std::to_string(count_at(store, "own")) + copies_text(at(store, "own_copies"))});
  }
  const Json& state = at(s, "state");
  if (const auto namespaces = count_at(state, "namespaces"); namespaces > 0) {
    table.add({"shared state", std::to_string(namespaces) + (namespaces == 1 ? " namespace, " : " namespaces, ") +
                                   std::to_string(count_at(state, "entries")) + " entries, " + format_bytes(count_at(state, "bytes")) +
                                   state_trouble(state)});
  }
  table.add({"sessions", std::to_string(count_at(s, "sessions"))});
  const Json& traffic = at(s, "traffic");
  for (const char* way : {"sent", "received"}) {
    const std::string prefix = way;
    table.add({prefix, format_bytes(count_at(traffic, (prefix + "_bytes").c_str())) + " in " +
                           std::to_string(count_at(traffic, (prefix + "_packets").c_str())) +
                           " packets"});
  }
  const Json& drops = at(s, "drops");
  if (drops.is_object() && !drops.empty()) {
    std::string text;
    for (const auto& [cause, count] : drops.items()) {
      text += (text.empty() ? "" : ", ") + node::escaped(cause) + " " + count.dump();
    }
    table.add({"dropped", text});
  }
  return out + table.text(/*with_header=*/false);
}

std::string peers_text(const Json& peers) {
  Table table({"ID", "ADDRESS", "BUCKET", "RTT", "SEEN"});
  if (!peers.is_array()) return {};
  for (const Json& peer : peers) {
    table.add({shown_at(peer, "id").substr(0, 16), shown_at(peer, "address"),
               std::to_string(count_at(peer, "bucket")), ms_at(peer, "rtt_ms"),
               format_age(static_cast<std::int64_t>(number_at(peer, "last_seen_s"))) + " ago"});
  }
  return table.text();
}

}  // namespace

Result<int> run_status(const Context& context) {
  const auto body = NodeClient(context).get("/v1/status");
  if (const auto status = body ? parse_answer(*body) : std::unexpected(body.error()); status) {
    warn_of_version(text_at(*status, "version"));
  }
  return show(context, body, status_text);
}

Result<int> run_peers(const Context& context) {
  return show(context, NodeClient(context).get("/v1/peers"), peers_text);
}

Result<int> run_ping(const Context& context) {
  const NodeClient client(context);
  const std::size_t count = context.args.count == 0 ? kPingsUnlessGiven : context.args.count;
  Json results = Json::array();
  std::size_t answered = 0;
  for (std::size_t seq = 1; seq <= count; ++seq) {
    if (seq > 1) pause_ms(kPingPauseMs);
    const auto body = client.post("/v1/ping", {{"node", context.args.text}}, kPingTimeout);
    if (!body && body.error().exit_status != kExitTimedOut) return std::unexpected(body.error());
    const auto answer = body ? parse_answer(*body) : Json();
    if (!answer) return std::unexpected(answer.error());
    const Json& rtt = at(*answer, "rtt_ms");
    if (rtt.is_number()) ++answered;
    results.push_back({{"seq", seq}, {"rtt_ms", rtt}});
    if (!context.json) print(std::to_string(seq) + "  " + ms_at(*answer, "rtt_ms") + "\n");
  }
  if (answered == 0) {
    return fail(kExitTimedOut, "timed_out",
                "no answer from " + context.args.text + "; see weft members");
  }
  if (context.json) print(results.dump() + "\n");
  return kExitDone;
}

Result<int> run_wait(const Context& context) {
  const NodeClient client(context);
  const std::size_t members = context.args.count == 0 ? 1 : context.args.count;
  const Milliseconds limit = context.timeout_or(kOperationTimeout);
  const auto begun = mono_now();
  while (true) {
    const Milliseconds left = limit - Milliseconds(ms_between(begun, mono_now()));
    const auto left_ms = std::max<std::int64_t>(1, left.count());
    Context patient = context;
    patient.timeout = Milliseconds(left_ms) + kAnswerGrace;
    const auto body = NodeClient(patient).get("/v1/wait?members=" + std::to_string(members) +
                                              "&timeout_ms=" + std::to_string(left_ms));
    const bool starting = !body && body.error().exit_status == kExitNoNode &&
                          mono_now() - begun < std::min(limit, kStartGrace);
    if (starting) {
      pause_ms(20);
      continue;
    }
    return show(context, body, [](const Json& answer) {
      return std::to_string(count_at(answer, "alive")) + " members alive\n";
    });
  }
}

Result<int> run_join(const Context& context) {
  const auto body = NodeClient(context).post("/v1/join", {{"seeds", context.args.words}});
  return show(context, body, [](const Json& answer) {
    return "joined through " + std::to_string(count_at(answer, "joined")) + " seeds; " +
           std::to_string(count_at(answer, "alive")) + " members alive after " +
           ms_at(answer, "elapsed_ms") + "\n";
  });
}

Result<int> run_leave(const Context& context) {
  const NodeClient client(context);
  const auto body = client.post("/v1/leave", nlohmann::json::object());
  if (!body) return std::unexpected(body.error());
  // The node has said goodbye; it has ended when nobody listens any more.
  const auto begun = mono_now();
  while (mono_now() - begun < context.timeout_or(kLeaveWait)) {
    const auto probe =
        testnet::call_node(client.socket_path(), {"GET", "/v1/id", {}}, Milliseconds(500));
    if (probe.status == testnet::CallStatus::kNoNode) break;
    pause_ms(10);
  }
  return show(context, body, [](const Json&) { return std::string("left\n"); });
}

}  // namespace weft::cli
