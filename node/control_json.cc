#include "node/control_json.h"

#include <sodium.h>

#include <map>
#include <nlohmann/json.hpp>

#include "crypto/sealed_value.h"

namespace weft::node {
namespace {

using json = nlohmann::ordered_json;  // fields in the order of the documentation

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

json rtt_json(const std::optional<Duration>& rtt) {
  return rtt ? json(as_ms(*rtt)) : json(nullptr);
}

json name_or_null(const NodeId& id) { return id == NodeId{} ? json(nullptr) : json(to_string(id)); }

json endpoint_list(const std::vector<Endpoint>& endpoints) {
  json list = json::array();
  for (const Endpoint& endpoint : endpoints) list.push_back(to_string(endpoint));
  return list;
}

// "[" element "," element "]" without a tree of all elements.
class ListText {
 public:
  void add(const json& element) {
    text_ += text_.size() > 1 ? ",\n" : "";
    text_ += dump(element);
  }
  std::string take() && {
    text_ += "]";
    return std::move(text_);
  }

 private:
  std::string text_ = "[";
};

json drops_json(const Status& status) {
  json drops = json::object();
  for (std::size_t i = 0; i < status.drops.size(); ++i) {
    if (status.drops[i] != 0) drops[std::string(to_string(static_cast<Drop>(i)))] = status.drops[i];
  }
  const auto& session_drops = status.session_stats.drops;
  for (std::size_t i = 0; i < session_drops.size(); ++i) {
    if (session_drops[i] == 0) continue;
    drops["session_" + std::string(to_string(static_cast<SessionDrop>(i)))] = session_drops[i];
  }
  return drops;
}

std::string_view text_of(dht::Role role) {
  switch (role) {
    case dht::Role::kPing: return "ping";
    case dht::Role::kWalk: return "lookup";
    case dht::Role::kPage: return "page";
    case dht::Role::kContacts: return "contacts";
    case dht::Role::kToken: return "token";
    case dht::Role::kStore: return "store";
    case dht::Role::kFetch: return "fetch";
    case dht::Role::kCompare: return "compare";
  }
  return "?";
}

// Of the requests that may be traced.
std::string_view request_text(std::uint8_t kind) {
  switch (kind) {
    case dht::kFindNode: return "find_node";
    case dht::kGet: return "get";
    case dht::kStore: return "store";
    default: return "?";
  }
}

json status_or_null(const std::optional<dht::StoreStatus>& status) {
  if (!status) return nullptr;
  switch (*status) {
    case dht::StoreStatus::kStored: return "stored";
    case dht::StoreStatus::kStale: return "stale";
    case dht::StoreStatus::kBadToken: return "bad token";
    case dht::StoreStatus::kInvalid: return "invalid";
    case dht::StoreStatus::kQuota: return "quota";
    case dht::StoreStatus::kFailed: return "failed";
  }
  return nullptr;
}

json steps_json(const std::vector<dht::Step>& steps) {
  json list = json::array();
  for (const dht::Step& step : steps) {
    list.push_back({{"what", text_of(step.role)},
                    {"id", to_string(step.peer.id)},
                    {"address", to_string(step.peer.endpoint)},
                    {"named_by", name_or_null(step.named_by)},
                    {"hop", step.hop},
                    {"at_ms", rtt_json(step.at)},
                    {"rtt_ms", rtt_json(step.rtt)},
                    {"contacts", step.contacts},
                    {"values", step.values},
                    {"status", status_or_null(step.status)},
                    {"span_id", to_hex(step.span)}});
  }
  return list;
}

void add_trace(json& value, const dht::Trace& trace) {
  value["trace_id"] = to_hex(trace.id);
  value["steps"] = steps_json(trace.steps);
}

json state_json(const NodeCore& core) {
  const state::Stats s = core.shared_state().stats();
  json skewed = json::array();
  for (const auto& [author, ahead_ms] : core.shared_state().skewed()) {
    skewed.push_back({{"id", to_string(author)}, {"ahead_ms", ahead_ms}});
  }
  return {{"namespaces", s.namespaces},
               {"entries", s.entries},
               {"bytes", s.bytes},
               {"held_back", s.held_back},
               {"parked", s.parked},
               {"delayed", s.delayed},
               {"refused", s.refused_total},
               {"forbidden", s.forbidden_total},
               {"cut_off", s.cut_off_total},
               {"over_quota", s.crowded_out_total},
               {"forked_authors", s.forked},
               {"skewed", std::move(skewed)}};
}

}  // namespace

std::string dump(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string base64(ByteView bytes) {
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.resize(text.size() - 1);  // the terminating zero
  return text;
}

double as_ms(Duration duration) { return static_cast<double>(duration.count()) / 1000.0; }

std::string hex_key(const NodeId& key) { return "hex:" + to_string(key); }

// How many of the own values had how many copies when they were last published, fewest first.
json own_copies(const NodeCore& core) {
  json list = json::array();
  for (const auto& [copies, values] : core.own_by_copies()) list.push_back({{"copies", copies}, {"values", values}});
  return list;
}

std::string status_json(const NodeCore& core, const ShellFacts& facts, Now now) {
  const Status s = core.status();
  const RecordRef& record = core.record();
  const json value = {{"health", health_of(facts, s, now)},
                      {"id", to_string(core.identity().id())},
                      {"name", record ? json(record->name) : json(nullptr)},
                      {"version", WEFT_VERSION},
                      {"network", facts.network},
                      {"private", facts.network_private},
                      {"ready", s.ready},
                      {"leaving", s.leaving},
                      {"listen", endpoint_list(facts.listen)},
                      {"uptime_s", whole_seconds(now.mono - s.started)},
                      {"members",
                       {{"alive", s.members.alive},
                        {"suspect", s.members.suspect},
                        {"failed", s.members.failed},
                        {"left", s.members.left}}},
                      {"routing", {{"contacts", s.dht.contacts}, {"buckets", s.dht.buckets}}},
                      {"store",
                       {{"values", s.dht.values},
                        {"bytes", s.dht.values_bytes},
                        {"bytes_max", facts.limits.store_bytes},
                        {"own", s.dht.own},
                        {"own_copies_min", s.dht.own_copies_min},
                        {"own_copies", own_copies(core)},
                        {"queued_bytes", facts.store.queued_bytes},
                        {"failures", facts.store.failures_total}}},
                      {"state", state_json(core)},
                      {"sessions", s.sessions},
                      {"network_size_estimate", s.network_size_estimate},
                      {"traffic",
                       {{"sent_bytes", s.sent_bytes},
                        {"sent_packets", s.sent_packets},
                        {"received_bytes", s.received_bytes},
                        {"received_packets", s.received_packets}}},
                      {"drops", drops_json(s)}};
  return dump(value);
}

std::string members_json(const NodeCore& core) {
  ListText list;
  core.for_each_member([&list](const gossip::MemberView& member) {
    json tags = json::object();
    for (const auto& [key, value] : member.record->tags) tags[key] = value;
    list.add({{"id", to_string(member.record->id)},
              {"name", member.record->name},
              {"address", to_string(member.address)},
              {"state", gossip::to_string(member.state)},
              {"incarnation", member.record->number},
              {"rtt_ms", rtt_json(member.rtt)},
              {"tags", std::move(tags)}});
  });
  return std::move(list).take();
}

std::string peers_json(const NodeCore& core, Now now) {
  ListText list;
  core.for_each_contact([&list, now](const dht::TableEntry& entry) {
    list.add({{"id", to_string(entry.contact.id)},
              {"address", to_string(entry.contact.endpoint)},
              {"bucket", entry.bucket},
              {"rtt_ms", rtt_json(entry.rtt)},
              {"last_seen_s", whole_seconds(now.mono - entry.last_seen)},
              {"verified", true}});  // only proven contacts enter the table
  });
  return std::move(list).take();
}

std::string own_json(const NodeCore& core, Now now, const std::optional<NodeId>& after, std::size_t max) {
  ListText list;
  core.for_each_own(after, max, [&list, now](const dht::OwnValue& own) {
    list.add({{"key", hex_key(own.key)},
              {"seq", own.seq},
              {"bytes", own.bytes},
              {"copies", own.copies},
              {"expires_s", std::max<std::int64_t>(0, whole_seconds(own.expires - now.mono))},
              {"next_republish_s",
               std::max<std::int64_t>(0, whole_seconds(own.next_republish - now.mono))},
              {"withdrawn", own.withdrawn}});
  });
  return std::move(list).take();
}

std::string id_json(const NodeCore& core) {
  const RecordRef& record = core.record();
  return dump({{"id", to_string(core.identity().id())},
               {"public_key", to_hex(core.identity().public_key().bytes)},
               {"record", record ? json(to_hex(record->wire)) : json(nullptr)}});
}

std::string config_json(const ShellFacts& facts) {
  ListText list;
  for (const auto& [option, value] : facts.effective) {
    list.add({{"option", option}, {"value", value.first}, {"origin", value.second}});
  }
  return std::move(list).take();
}

std::string doctor_json(const std::vector<DoctorCheck>& checks) {
  ListText list;
  for (const DoctorCheck& check : checks) {
    list.add({{"check", check.check}, {"ok", check.ok}, {"detail", check.detail}});
  }
  return std::move(list).take();
}

std::string log_line_json(const LogLine& line) {
  return dump({{"t_ms", line.at.value}, {"level", to_string(line.level)}, {"message", line.text}});
}

std::string level_json(LogLevel level) { return dump({{"level", to_string(level)}}); }

std::string faults_json(std::string_view link, std::size_t blocked) {
  return dump({{"link", link}, {"blocked", blocked}});
}

std::string ping_json(Duration rtt) { return dump({{"rtt_ms", as_ms(rtt)}}); }

std::string join_json(std::size_t joined, std::size_t alive, Duration elapsed) {
  return dump({{"joined", joined}, {"alive", alive}, {"elapsed_ms", as_ms(elapsed)}});
}

std::string wait_json(std::size_t alive, Duration elapsed) {
  return dump({{"alive", alive}, {"elapsed_ms", as_ms(elapsed)}});
}

std::string put_json(std::string_view key, const NodeId& author, const dht::PutOk& put, bool traced,
                     Duration elapsed) {
  json value = {{"key", key},
                {"author", to_string(author)},
                {"seq", put.seq},
                {"replicas", put.replicas},
                {"wanted", put.wanted},
                {"elapsed_ms", as_ms(elapsed)}};
  if (traced) add_trace(value, put.trace);
  return dump(value);
}

std::string rm_json(std::string_view key, const dht::PutOk& put) {
  return dump({{"key", key}, {"seq", put.seq}, {"replicas", put.replicas}});
}

std::string get_json(std::string_view key, const NodeId& dht_key, const dht::GetOk& get, const NodeCore& core,
                     bool traced, Duration elapsed) {
  const NodeId& self = core.identity().id();
  json values = json::array();
  for (const dht::FoundValue& found : get.values) {
    const auto opened = core.open_value(found.author_id, dht_key, found.value);
    values.push_back({{"author", to_string(found.author_id)},
                      {"seq", found.seq},
                      {"value_base64", base64(opened ? *opened : found.value)},
                      {"expires_s", found.remaining_s},
                      {"copies", found.copies},
                      {"own", found.author_id == self},
                      {"encrypted", opened             ? json("for us")
                                    : is_sealed(found.value) ? json("for another")
                                                             : json(nullptr)}});
  }
  json value = {{"key", key},
                {"values", std::move(values)},
                {"hops", get.hops},
                {"queries", get.queries},
                {"elapsed_ms", as_ms(elapsed)}};
  if (traced) add_trace(value, get.trace);
  return dump(value);
}

std::optional<std::string> providers_json(const NodeCore& core, const dht::GetOk& get) {
  std::map<NodeId, json> found;
  for (const dht::FoundValue& value : get.values) {
    // The value's signature is its author's and was checked; the record must speak of the author.
    Signature signature;
    const auto record = decode_record(value.value, signature);
    if (!record || record->status != RecordStatus::kUp || node_id_of(record->key) != value.author_id) continue;
    json address;
    if (!record->endpoints.empty()) address = to_string(record->endpoints[0]);
    found[value.author_id] = {{"id", to_string(value.author_id)}, {"address", address}, {"expires_s", value.remaining_s}};
  }
  if (found.empty()) return std::nullopt;
  core.for_each_member([&](const gossip::MemberView& member) {
    const auto listed = found.find(member.record->id);
    if (listed != found.end()) listed->second["address"] = to_string(member.address);
  });
  ListText list;
  for (const auto& [id, entry] : found) list.add(entry);
  return std::move(list).take();
}

std::string lookup_json(std::string_view target, const dht::LookupOk& lookup, Duration elapsed) {
  json closest = json::array();
  for (const Contact& contact : lookup.closest) {
    closest.push_back({{"id", to_string(contact.id)}, {"address", to_string(contact.endpoint)}});
  }
  json value = {{"target", target}, {"closest", std::move(closest)}};
  add_trace(value, lookup.trace);
  value["hops"] = lookup.hops;
  value["queries"] = lookup.queries;
  value["elapsed_ms"] = as_ms(elapsed);
  return dump(value);
}

std::string served_json(const NodeCore& core, const std::optional<ByteArray<16>>& trace) {
  ListText list;
  for (const Served& served : core.served().all()) {
    if (trace && served.asked.trace != *trace) continue;
    list.add({{"trace_id", to_hex(served.asked.trace)},
              {"parent_id", to_hex(served.asked.span)},
              {"span_id", to_hex(served.span)},
              {"from", to_string(served.from)},
              {"what", request_text(served.kind)},
              {"at_ms", served.at.value},
              {"took_ms", rtt_json(served.took)},
              {"contacts", served.answer.contacts},
              {"values", served.answer.values},
              {"status", status_or_null(served.answer.status)}});
  }
  return std::move(list).take();
}

std::string flow_json(const NodeCore& core, std::optional<std::uint64_t> after) {
  const std::deque<Said>& said = core.flow().said();
  const std::uint64_t last = core.flow().last();
  const std::uint64_t from = after && *after <= last ? *after : last;
  const std::uint64_t wanted = std::min<std::uint64_t>(last - from, said.size());
  ListText list;
  for (auto it = said.end() - static_cast<std::ptrdiff_t>(wanted); it != said.end(); ++it) {
    list.add({{"at_ms", it->at.value}, {"to", to_string(it->to)}, {"topic", to_string(it->topic)}, {"bytes", it->bytes}});
  }
  return R"({"cursor":)" + std::to_string(last) + R"(,"left_out":)" + std::to_string(last - from - wanted) + R"(,"messages":)" +
         std::move(list).take() + "}";
}

}  // namespace weft::node
