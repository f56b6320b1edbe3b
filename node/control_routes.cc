// The routes of the control API: from a request to the core's call.
#include <algorithm>

#include "crypto/sealed_value.h"
#include "dht/lookup.h"
#include "node/control_api.h"
#include "node/control_fields.h"
#include "node/control_json.h"

namespace weft::node {
namespace {

constexpr std::size_t kKeyTextMax = 255;
constexpr std::size_t kNodeTextMax = 128;
constexpr std::size_t kCopiesMax = dht::kContactsPerReply;

constexpr std::string_view kGetPaths[] = {"/v1/status", "/v1/members", "/v1/members/changes", "/v1/peers",  "/v1/id",
                                          "/v1/own",    "/v1/config",  "/v1/doctor", "/v1/wait",
                                          "/v1/events", "/v1/log",     "/v1/served", "/v1/flow",  "/metrics"};
constexpr std::string_view kPostPaths[] = {"/v1/put",    "/v1/get",    "/v1/rm",
                                           "/v1/lookup", "/v1/ping",   "/v1/join",
                                           "/v1/leave",  "/v1/faults", "/v1/log",
                                           "/v1/provide", "/v1/providers"};
constexpr std::string_view kStatePath = "/v1/state/";
constexpr std::string_view kStateGetPaths[] = {"/v1/state/namespaces", "/v1/state/docs",   "/v1/state/get",
                                               "/v1/state/items",      "/v1/state/digest", "/v1/state/changes",
                                               "/v1/state/export",     "/v1/state/rights", "/v1/state/forks",
                                               "/v1/state/tree"};
constexpr std::string_view kStatePostPaths[] = {"/v1/state/create", "/v1/state/join", "/v1/state/leave",
                                                "/v1/state/write", "/v1/state/batch", "/v1/state/import",
                                                "/v1/state/grant", "/v1/state/revoke"};

bool contains(std::span<const std::string_view> paths, std::string_view path) {
  return std::ranges::find(paths, path) != paths.end();
}

ControlReply ok(std::string body) { return {200, std::move(body)}; }

// Operations and their deadlines that every POST of the DHT shares.
struct KeyAndTimeout {
  std::string text;
  NodeId key;
  std::optional<Duration> timeout;
};
KeyAndTimeout read_key(Fields& fields, std::string_view field = "key") {
  KeyAndTimeout out;
  out.text = fields.required_text(field, kKeyTextMax);
  out.timeout = timeout_of(fields);
  if (fields.error()) return out;
  const auto key = parse_key(out.text);
  if (!key) {
    fields.fail(key.error());
  } else {
    out.key = *key;
  }
  return out;
}

}  // namespace

ControlOutcome ControlApi::handle(Now now, RequestId id, const ControlRequest& request,
                                  Output& out) {
  const auto decide = [&]() -> Result {
    if (request.over_tcp) {
      if (auto refused = foreign(request)) return std::move(*refused);
      if (request.path == "/") return page_reply(request, host_.page());
    }
    const bool get_path = contains(kGetPaths, request.path) || contains(kStateGetPaths, request.path);
    const bool post_path = contains(kPostPaths, request.path) || contains(kStatePostPaths, request.path);
    if (!get_path && !post_path) {
      return ApiError{"not_found", "there is no " + escaped(request.path.substr(0, 100)) +
                                       "; see docs/CONTROL.md"};
    }
    if (request.method == "GET" && get_path) return get(now, id, request);
    if (request.method != "POST" || !post_path) {
      return bad_request(request.path + " is for " +
                         (get_path && post_path ? "GET and POST"
                          : get_path            ? "GET"
                                                : "POST"));
    }
    if (request.over_tcp) return ApiError{"forbidden", "writes need the unix socket"};
    if (!request.query.empty()) return bad_request("a POST takes its arguments in the body");
    return post(now, id, request, out);
  };
  Result result = decide();
  if (auto* error = std::get_if<ApiError>(&result)) return to_reply(*error);
  if (auto* reply = std::get_if<ControlReply>(&result)) return std::move(*reply);
  if (auto* stream = std::get_if<StreamStart>(&result)) return std::move(*stream);
  return Later{};
}

ControlApi::Result ControlApi::get(Now now, RequestId id, const ControlRequest& request) {
  const std::string& path = request.path;
  if (path.starts_with(kStatePath)) return get_state(now, id, request);
  if (path == "/v1/wait") return wait(now, id, request);
  if (path == "/v1/members/changes") return member_changes(now, id, request);
  if (path == "/v1/log") return log_lines(request);
  if (path == "/v1/own") return own(now, request);
  if (path == "/v1/served") return served(request);
  if (path == "/v1/flow") return flow(now, request);
  if (const auto error = check_query(request, {})) return *error;
  if (path == "/v1/status") return ok(status_json(core_, host_.facts(), now));
  if (path == "/v1/members") return ok(members_json(core_));
  if (path == "/v1/peers") return ok(peers_json(core_, now));
  if (path == "/v1/id") return ok(id_json(core_));
  if (path == "/v1/config") return ok(config_json(host_.facts()));
  if (path == "/v1/doctor") return ok(doctor_json(examine(host_.facts(), core_, now)));
  if (path == "/v1/events") return StreamStart{};
  return ControlReply{200, host_.metrics(now), "text/plain; version=0.0.4"};
}

ControlApi::Result ControlApi::wait(Now now, RequestId id, const ControlRequest& request) {
  if (const auto error = check_query(request, {"members", "timeout_ms"})) return *error;
  bool bad = false;
  const auto members = query_number(request, "members", 1'000'000, bad);
  const auto timeout_ms = query_number(request, "timeout_ms", kTimeoutMsMax, bad);
  if (bad) return bad_request("members and timeout_ms must be whole numbers");
  std::optional<Duration> timeout;
  if (timeout_ms) timeout = std::chrono::milliseconds(*timeout_ms);
  if (pending_.size() >= kPendingRequestsMax)
    return ApiError{"overloaded", "too many requests wait"};
  keep(now, id, WaitOp{static_cast<std::size_t>(members.value_or(1))}, std::nullopt, timeout);
  check_waits(now);
  return Later{};
}

ControlApi::Result ControlApi::own(Now now, const ControlRequest& request) {
  if (const auto error = check_query(request, {"after", "limit"})) return *error;
  bool bad = false;
  const auto limit = query_number(request, "limit", kOwnPageMax, bad);
  if (bad || limit == std::uint64_t{0}) return bad_request("limit must be a number from 1 to " + std::to_string(kOwnPageMax));
  std::optional<NodeId> after;
  if (const auto found = request.query.find("after"); found != request.query.end()) {
    const auto key = parse_key(found->second);
    if (!key) return key.error();
    after = *key;
  }
  return ok(own_json(core_, now, after, limit.value_or(kOwnPageMax)));
}

ControlApi::Result ControlApi::served(const ControlRequest& request) {
  if (const auto error = check_query(request, {"trace"})) return *error;
  const auto found = request.query.find("trace");
  if (found == request.query.end()) return ok(served_json(core_, std::nullopt));
  const auto trace = array_from_hex<16>(found->second);
  if (!trace) return bad_request("trace must be 32 hex digits");
  return ok(served_json(core_, *trace));
}

ControlApi::Result ControlApi::flow(Now now, const ControlRequest& request) {
  if (const auto error = check_query(request, {"after"})) return *error;
  bool bad = false;
  const auto after = query_number(request, "after", UINT64_MAX, bad);
  if (bad) return bad_request("after must be a cursor");
  core_.watch_flow(now);
  return ok(flow_json(core_, after));
}

ControlApi::Result ControlApi::log_lines(const ControlRequest& request) {
  if (const auto error = check_query(request, {"level", "follow"})) return *error;
  StreamStart stream{StreamStart::Kind::kLog, {}, LogLevel::kTrace, false};
  if (const auto found = request.query.find("level"); found != request.query.end()) {
    const auto level = parse_log_level(found->second);
    if (!level) return bad_request("level must be trace, debug, info, warn or error");
    stream.level = *level;
  }
  if (const auto found = request.query.find("follow"); found != request.query.end()) {
    if (found->second != "0" && found->second != "1") return bad_request("follow must be 0 or 1");
    stream.follow = found->second == "1";
  }
  for (const LogLine& line : host_.log().lines()) {
    if (line.level >= stream.level) stream.first += log_line_json(line) + "\n";
  }
  return stream;
}

ControlApi::Result ControlApi::post(Now now, RequestId id, const ControlRequest& request,
                                    Output& out) {
  const std::string& path = request.path;
  if (path == "/v1/faults") return post_faults(now, request);
  if (path == "/v1/log") return post_log(request);
  if (pending_.size() >= kPendingRequestsMax)
    return ApiError{"overloaded", "too many requests wait"};
  if (path.starts_with(kStatePath)) return post_state(now, id, request, out);
  if (path == "/v1/put") return post_put(now, id, request, out);
  if (path == "/v1/get") return post_get(now, id, request, out);
  if (path == "/v1/rm") return post_rm(now, id, request, out);
  if (path == "/v1/provide") return post_provide(now, id, request, out);
  if (path == "/v1/providers") return post_providers(now, id, request, out);
  if (path == "/v1/lookup") return post_lookup(now, id, request, out);
  if (path == "/v1/ping") return post_ping(now, id, request, out);
  if (path == "/v1/join") return post_join(now, id, request);
  return post_leave(now, id, request, out);
}

ControlApi::Result ControlApi::post_put(Now now, RequestId id, const ControlRequest& request,
                                        Output& out) {
  Fields fields(request.body, {"key", "value_base64", "ttl_s", "cas", "replicas", "quorum", "trace",
                               "paths", "to", "timeout_ms"});
  const KeyAndTimeout target = read_key(fields);
  if (!fields.has("value_base64")) fields.fail("the field value_base64 is missing");
  const std::string value = fields.base64("value_base64", dht::kValueBytesMax).value_or("");
  if (value.empty()) fields.fail("an empty value is a withdrawal: use rm");
  dht::PutOptions options;
  options.ttl_s =
      static_cast<std::uint32_t>(fields.number("ttl_s", 1, dht::kLifetimeMaxS).value_or(0));
  options.cas = fields.number("cas", 0, dht::kSeqMax);
  options.replicas = static_cast<std::size_t>(fields.number("replicas", 1, kCopiesMax).value_or(0));
  options.quorum = static_cast<std::size_t>(fields.number("quorum", 1, kCopiesMax).value_or(0));
  if (options.replicas != 0 && options.quorum > options.replicas) {
    fields.fail("quorum must not be above replicas");
  }
  options.trace = fields.boolean("trace").value_or(false);
  options.paths = static_cast<std::size_t>(fields.number("paths", 1, dht::kPathsMax).value_or(0));
  const auto to = fields.text("to", kNodeTextMax);
  const auto reader = array_from_hex<32>(to.value_or(""));
  if (to && !reader) fields.fail("to must be the reader's id of 64 hex digits");
  if (to && value.size() + kSealedOverhead > dht::kValueBytesMax) {
    return ApiError{"too_large", "an encrypted value has at most " +
                                     std::to_string(dht::kValueBytesMax - kSealedOverhead) + " bytes"};
  }
  if (fields.error()) return *fields.error();
  if (reader) {
    SealOp seal{.put = {target.text, false, options.trace}, .reader = {*reader}, .dht_key = target.key,
                .plain = to_bytes(as_bytes(value)), .options = options};
    return post_sealed(now, id, std::move(seal), target.timeout, out);
  }
  const OpId op = core_.put(now, target.key, to_bytes(as_bytes(value)), options, out);
  return keep(now, id, PutOp{target.text, false, options.trace}, op, target.timeout);
}

// The reader's key comes from the members, from our own identity, or from a lookup of its id.
ControlApi::Result ControlApi::post_sealed(Now now, RequestId id, SealOp seal, std::optional<Duration> timeout,
                                           Output& out) {
  std::optional<PublicKey> key;
  if (seal.reader == core_.identity().id()) key = core_.identity().public_key();
  core_.for_each_member([&](const gossip::MemberView& member) {
    if (member.record->id == seal.reader) key = member.record->key;
  });
  if (!key) {
    const OpId op = core_.lookup(now, seal.reader, {.paths = seal.options.paths}, out);
    return keep(now, id, std::move(seal), op, timeout);
  }
  keep(now, id, std::move(seal), std::nullopt, timeout);
  put_sealed(now, id, *key, out);
  return Later{};
}

ControlApi::Result ControlApi::post_get(Now now, RequestId id, const ControlRequest& request,
                                        Output& out) {
  Fields fields(request.body, {"key", "author", "all", "quorum", "trace", "paths", "timeout_ms"});
  const KeyAndTimeout target = read_key(fields);
  GetOp what{target.text, target.key, fields.boolean("all").value_or(false), fields.has("author"),
             fields.boolean("trace").value_or(false)};
  dht::GetOptions options;
  options.all = what.all;
  options.trace = what.traced;
  options.paths = static_cast<std::size_t>(fields.number("paths", 1, dht::kPathsMax).value_or(0));
  options.quorum = static_cast<std::size_t>(fields.number("quorum", 1, kCopiesMax).value_or(0));
  const auto author = fields.text("author", kNodeTextMax);
  if (author && what.all) fields.fail("author and all exclude each other");
  if (fields.error()) return *fields.error();
  if (author) {
    const auto found = find_node(core_, *author);
    if (!found) return found.error();
    options.author = *found;
  }
  const OpId op = core_.get(now, target.key, options, out);
  return keep(now, id, std::move(what), op, target.timeout);
}

ControlApi::Result ControlApi::post_rm(Now now, RequestId id, const ControlRequest& request,
                                       Output& out) {
  Fields fields(request.body, {"key", "timeout_ms"});
  const KeyAndTimeout target = read_key(fields);
  if (fields.error()) return *fields.error();
  dht::PutOptions options;
  options.withdraw = true;
  const OpId op = core_.put(now, target.key, {}, options, out);
  return keep(now, id, PutOp{target.text, true, false}, op, target.timeout);
}

ControlApi::Result ControlApi::post_provide(Now now, RequestId id, const ControlRequest& request,
                                            Output& out) {
  Fields fields(request.body, {"key", "ttl_s", "timeout_ms"});
  const KeyAndTimeout target = read_key(fields);
  dht::PutOptions options;
  options.ttl_s =
      static_cast<std::uint32_t>(fields.number("ttl_s", 1, dht::kLifetimeMaxS).value_or(0));
  if (fields.error()) return *fields.error();
  const RecordRef& own = core_.record();
  if (own == nullptr) return ApiError{"overloaded", "the node is not ready yet; try again"};
  static_assert(kRecordBytesMax <= dht::kValueBytesMax);
  const OpId op = core_.put(now, dht::providers_key(target.key), own->wire, options, out);
  return keep(now, id, PutOp{target.text, false, false}, op, target.timeout);
}

ControlApi::Result ControlApi::post_providers(Now now, RequestId id, const ControlRequest& request,
                                              Output& out) {
  Fields fields(request.body, {"key", "timeout_ms"});
  const KeyAndTimeout target = read_key(fields);
  if (fields.error()) return *fields.error();
  dht::GetOptions options;
  options.all = true;
  GetOp what{.key = target.text, .dht_key = target.key, .all = true, .providers = true};
  const OpId op = core_.get(now, dht::providers_key(target.key), options, out);
  return keep(now, id, std::move(what), op, target.timeout);
}

ControlApi::Result ControlApi::post_lookup(Now now, RequestId id, const ControlRequest& request,
                                           Output& out) {
  Fields fields(request.body, {"target", "paths", "timeout_ms"});
  KeyAndTimeout target;
  target.text = fields.required_text("target", kKeyTextMax);
  target.timeout = timeout_of(fields);
  const auto paths = static_cast<std::size_t>(fields.number("paths", 1, dht::kPathsMax).value_or(0));
  if (fields.error()) return *fields.error();
  // A bare id of 64 digits is an id; every other text is a key.
  const auto raw = array_from_hex<32>(target.text);
  const auto key = raw ? NodeId{*raw} : parse_key(target.text);
  if (!key) return key.error();
  const OpId op = core_.lookup(now, *key, {.trace = true, .paths = paths}, out);
  return keep(now, id, LookupOp{target.text}, op, target.timeout);
}

ControlApi::Result ControlApi::post_ping(Now now, RequestId id, const ControlRequest& request,
                                         Output& out) {
  Fields fields(request.body, {"node", "timeout_ms"});
  const std::string node = fields.required_text("node", kNodeTextMax);
  const auto timeout = timeout_of(fields);
  if (fields.error()) return *fields.error();
  const auto found = find_node(core_, node);
  if (!found) return found.error();
  const OpId op = core_.ping(now, *found, out);
  return keep(now, id, PingOp{}, op, timeout);
}

ControlApi::Result ControlApi::post_join(Now now, RequestId id, const ControlRequest& request) {
  Fields fields(request.body, {"seeds", "timeout_ms"});
  const auto texts = fields.texts("seeds", kSeedsPerJoinMax, 400);
  const auto timeout = timeout_of(fields);
  if (!texts || texts->empty()) fields.fail("seeds must be a list of 1 to 64 texts");
  std::vector<SeedText> seeds;
  for (const std::string& text : texts.value_or(std::vector<std::string>{})) {
    auto seed = parse_seed(text);
    if (!seed) {
      fields.fail(seed.error());
      break;
    }
    seeds.push_back(std::move(*seed));
  }
  if (fields.error()) return *fields.error();
  keep(now, id, JoinOp{*texts, {}}, std::nullopt, timeout);
  host_.resolve(id, std::move(seeds));
  return Later{};
}

ControlApi::Result ControlApi::post_leave(Now now, RequestId id, const ControlRequest& request,
                                          Output& out) {
  Fields fields(request.body, {"timeout_ms"});
  const auto timeout = timeout_of(fields);
  if (fields.error()) return *fields.error();
  return keep(now, id, LeaveOp{}, host_.leave(now, out), timeout);
}

ControlApi::Result ControlApi::post_faults(Now now, const ControlRequest& request) {
  if (!host_.facts().faults) {
    return ApiError{"forbidden", "faults are off; start the node with --faults"};
  }
  auto change = parse_faults(request.body);
  if (!change) return change.error();
  const FaultsNow state = host_.set_faults(now, std::move(*change));
  return ok(faults_json(state.link, state.blocked));
}

ControlApi::Result ControlApi::post_log(const ControlRequest& request) {
  Fields fields(request.body, {"level", "timeout_ms"});
  const std::string text = fields.required_text("level", 16);
  const auto level = parse_log_level(text);
  if (!fields.error() && !level) fields.fail("level must be trace, debug, info, warn or error");
  if (fields.error()) return *fields.error();
  host_.log().set_level(*level);
  return ok(level_json(*level));
}

}  // namespace weft::node
