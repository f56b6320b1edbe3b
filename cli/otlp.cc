#include "cli/otlp.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>

#include "cli/node_client.h"
#include "crypto/bytes.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

template <std::size_t N>
std::string random_id(Entropy& entropy) {
  ByteArray<N> id;
  entropy.fill(id);
  return to_hex(id);
}

std::string text_of(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

Json attribute(const char* key, const std::string& value) { return {{"key", key}, {"value", {{"stringValue", value}}}}; }
// OTLP/JSON writes 64-bit numbers as text.
Json attribute(const char* key, std::uint64_t value) { return {{"key", key}, {"value", {{"intValue", std::to_string(value)}}}}; }

// The id that the object has under `key`, or a new one.
template <std::size_t N>
std::string id_at(const Json& object, const char* key, Entropy& entropy) {
  const std::string id = text_of(object, key);
  return array_from_hex<N>(id) ? id : random_id<N>(entropy);
}

constexpr int kInternal = 1, kServer = 2, kClient = 3, kError = 2;

Json resource_spans(const std::string& node, Json spans) {
  Json attributes = Json::array({attribute("service.name", std::string("weft"))});
  if (!node.empty()) attributes.push_back(attribute("service.instance.id", node));
  const Json scope{{"name", "weft"}, {"version", WEFT_VERSION}};
  return {{"resource", {{"attributes", std::move(attributes)}}},
          {"scopeSpans", Json::array({Json{{"scope", scope}, {"spans", std::move(spans)}}})}};
}

std::string request_of(Json resources) {
  return Json{{"resourceSpans", std::move(resources)}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::int64_t ns_of(double ms) { return static_cast<std::int64_t>(ms * 1e6); }

}  // namespace

std::string otlp_served(const Json& served) {
  std::map<std::string, Json> spans_of;  // by node
  for (const Json& one : served) {
    const std::int64_t from = static_cast<std::int64_t>(count_at(one, "at_ms")) * 1'000'000;
    Json span{{"traceId", text_of(one, "trace_id")}, {"spanId", text_of(one, "span_id")}, {"parentSpanId", text_of(one, "parent_id")},
              {"name", text_of(one, "what")}, {"kind", kServer}, {"startTimeUnixNano", std::to_string(from)},
              {"endTimeUnixNano", std::to_string(from + ns_of(number_at(one, "took_ms")))}};
    span["attributes"] = Json::array({attribute("weft.from", text_of(one, "from")), attribute("weft.contacts", count_at(one, "contacts")),
                                      attribute("weft.values", count_at(one, "values"))});
    const std::string status = text_of(one, "status");
    if (!status.empty()) span["attributes"].push_back(attribute("weft.status", status));
    if (!at(one, "took_ms").is_number()) span["status"] = {{"code", kError}, {"message", "not answered"}};
    Json& spans = spans_of[text_of(one, "node")];
    if (spans.is_null()) spans = Json::array();
    spans.push_back(std::move(span));
  }
  Json resources = Json::array();
  for (auto& [node, spans] : spans_of) resources.push_back(resource_spans(node, std::move(spans)));
  return request_of(std::move(resources));
}

std::string otlp_trace(const Json& answer, const std::string& name, const std::string& key, UnixMillis ended, Entropy& entropy) {
  const std::string trace = id_at<16>(answer, "trace_id", entropy);
  const std::string root = random_id<8>(entropy);
  const double took_ms = number_at(answer, "elapsed_ms");
  const std::int64_t end_ns = ended.value * 1'000'000;
  const std::int64_t begin_ns = end_ns - static_cast<std::int64_t>(took_ms * 1e6);
  const auto span = [&](const std::string& id, const std::string& parent, const std::string& title, int kind, std::int64_t from, std::int64_t to) {
    Json out{{"traceId", trace}, {"spanId", id}};
    if (!parent.empty()) out["parentSpanId"] = parent;
    out["name"] = title;
    out["kind"] = kind;
    out["startTimeUnixNano"] = std::to_string(from);
    out["endTimeUnixNano"] = std::to_string(std::max(from, to));
    return out;
  };

  Json spans = Json::array();
  spans.push_back(span(root, "", name, kInternal, begin_ns, end_ns));
  spans.back()["attributes"] = Json::array({attribute("weft.key", key)});
  const Json& steps = at(answer, "steps");
  std::map<std::string, std::string> span_of;  // by node
  for (const Json& step : steps.is_array() ? steps : Json::array()) {
    const std::string node = text_of(step, "id");
    const auto named_by = span_of.find(text_of(step, "named_by"));
    const std::string what = text_of(step, "what");
    const bool lookup = what.empty() || what == "lookup";
    const std::string id = id_at<8>(step, "span_id", entropy);
    if (lookup) span_of[node] = id;
    const bool silent = !at(step, "rtt_ms").is_number();
    const std::int64_t from = begin_ns + static_cast<std::int64_t>(number_at(step, "at_ms") * 1e6);
    const std::int64_t to = silent ? end_ns : from + static_cast<std::int64_t>(number_at(step, "rtt_ms") * 1e6);
    spans.push_back(span(id, named_by == span_of.end() ? root : named_by->second, what.empty() ? "ask" : what, kClient, from, to));
    spans.back()["attributes"] = Json::array({attribute("weft.node", node), attribute("server.address", text_of(step, "address")),
                                              attribute("weft.hop", count_at(step, "hop")), attribute("weft.contacts", count_at(step, "contacts"))});
    if (const std::string status = text_of(step, "status"); !status.empty()) spans.back()["attributes"].push_back(attribute("weft.status", status));
    if (silent) spans.back()["status"] = {{"code", kError}, {"message", "no answer"}};
  }
  return request_of(Json::array({resource_spans("", std::move(spans))}));
}

}  // namespace weft::cli
