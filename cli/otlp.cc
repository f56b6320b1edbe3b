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

}  // namespace

std::string otlp_trace(const Json& answer, const std::string& name, const std::string& key, UnixMillis ended, Entropy& entropy) {
  constexpr int kInternal = 1, kClient = 3, kError = 2;
  const std::string trace = random_id<16>(entropy);
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
    const std::string id = span_of[node] = random_id<8>(entropy);
    const bool silent = !at(step, "rtt_ms").is_number();
    const std::int64_t from = begin_ns + static_cast<std::int64_t>(number_at(step, "at_ms") * 1e6);
    const std::int64_t to = silent ? end_ns : from + static_cast<std::int64_t>(number_at(step, "rtt_ms") * 1e6);
    spans.push_back(span(id, named_by == span_of.end() ? root : named_by->second, "ask", kClient, from, to));
    spans.back()["attributes"] = Json::array({attribute("weft.node", node), attribute("server.address", text_of(step, "address")),
                                              attribute("weft.hop", count_at(step, "hop")), attribute("weft.contacts", count_at(step, "contacts"))});
    if (silent) spans.back()["status"] = {{"code", kError}, {"message", "no answer"}};
  }
  const Json resource{{"attributes", Json::array({attribute("service.name", std::string("weft"))})}};
  const Json scope{{"name", "weft"}, {"version", WEFT_VERSION}};
  const Json scope_spans{{"scope", scope}, {"spans", std::move(spans)}};
  return Json{{"resourceSpans", Json::array({Json{{"resource", resource}, {"scopeSpans", Json::array({scope_spans})}}})}}.dump(
             -1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace weft::cli
