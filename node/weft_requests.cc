#include "node/weft_requests.h"

#include <nlohmann/json.hpp>

#include "crypto/bytes.h"
#include "node/control_json.h"

namespace weft::node {
namespace {

using json = nlohmann::ordered_json;
using What = StateChange::What;

static_assert(kPutBytesMax == dht::kValueBytesMax);

std::unexpected<weft::Failure> refuse(std::string message) {
  return std::unexpected(weft::Failure{Code::kBadRequest, std::move(message)});
}

std::string base64_of(std::string_view bytes) { return base64(as_bytes(bytes)); }

// What the request would say instead of text that is no UTF-8 is another text.
bool says_itself(const json& value) { return json::parse(dump(value), nullptr, /*allow_exceptions=*/false) == value; }

AskedOr checked(ControlRequest request, Milliseconds deadline) {
  if (deadline < Milliseconds(1) || deadline > kDeadlineMax) {
    return refuse("a deadline is from 1 ms to " + std::to_string(kDeadlineMax.count()) + " ms");
  }
  return Asked{std::move(request), deadline};
}

AskedOr post(std::string_view path, json body, Milliseconds deadline) {
  body["timeout_ms"] = deadline.count();
  if (!says_itself(body)) return refuse("keys, names, paths and addresses are UTF-8 text");
  return checked({.method = "POST", .path = std::string(path), .query = {}, .body = dump(body), .host = {}}, deadline);
}

using Query = std::map<std::string, std::string>;
AskedOr get(std::string_view path, Query query, Milliseconds deadline) {
  return checked({.method = "GET", .path = std::string(path), .query = std::move(query), .body = {}, .host = {}}, deadline);
}

AskedOr get_changes(std::string_view path, Query query, const ChangesOptions& options) {
  if (options.wait < Milliseconds(0) || options.wait > kWaitMax) {
    return refuse("a wait for changes is up to " + std::to_string(kWaitMax.count()) + " ms");
  }
  if (options.after) query["after"] = std::to_string(*options.after);
  query["limit"] = std::to_string(options.limit);
  query["wait_ms"] = std::to_string(options.wait.count());
  return get(path, std::move(query), options.wait + kDeadline);
}

AskedOr get_page(std::string_view path, Query query, const PageOptions& options) {
  if (options.after) query["after_base64"] = base64_of(*options.after);
  query["limit"] = std::to_string(options.limit);
  return get(path, std::move(query), options.deadline);
}

// What was not given is not said.
void say(json& body, const char* field, std::size_t value) {
  if (value != 0) body[field] = value;
}
void say(json& body, const char* field, const std::string& text) {
  if (!text.empty()) body[field] = text;
}
void say_lifetime(json& body, Seconds lifetime) {
  if (lifetime != Seconds(0)) body["ttl_s"] = lifetime.count();  // below 0: the control API says what is possible
}

std::string_view word_of(What what) {
  switch (what) {
    case What::kSet: return "set";
    case What::kRemove: return "rm";
    case What::kIncrement: return "inc";
    case What::kAdd: return "add";
    case What::kDelete: return "del";
  }
  return "";
}

// What is not of the kind of change is left out, so that one that was given by mistake is not refused.
json object_of(const StateChange& change) {
  json out = {{"what", word_of(change.what)}};
  if (change.what == What::kIncrement) {
    out["amount"] = change.amount;
  } else if (change.what != What::kRemove) {
    out["value_base64"] = base64_of(change.value);
  }
  return out;
}

}  // namespace

AskedOr ask_wait_members(std::size_t count, const CallOptions& options) {
  return get("/v1/wait", {{"members", std::to_string(count)}, {"timeout_ms", std::to_string(options.deadline.count())}},
             options.deadline);
}

AskedOr ask_join(const std::vector<std::string>& seeds, const CallOptions& options) {
  return post("/v1/join", {{"seeds", seeds}}, options.deadline);
}

AskedOr ask_member_changes(const ChangesOptions& options) {
  if (!options.path.empty()) return refuse("a path is for changes of state, members have none");
  return get_changes("/v1/members/changes", {}, options);
}

AskedOr ask_put(std::string_view key, std::string_view value, const PutOptions& options) {
  if (value.empty()) return refuse("an empty value is a withdrawal: use remove");
  json body = {{"key", key}, {"value_base64", base64_of(value)}};
  say_lifetime(body, options.lifetime);
  if (options.expected) body["cas"] = *options.expected;
  say(body, "replicas", options.copies);
  say(body, "quorum", options.quorum);
  say(body, "to", options.reader);
  return post("/v1/put", std::move(body), options.deadline);
}

AskedOr ask_get(std::string_view key, const GetOptions& options) {
  json body = {{"key", key}};
  say(body, "author", options.author);
  if (options.all) body["all"] = true;
  say(body, "quorum", options.quorum);
  return post("/v1/get", std::move(body), options.deadline);
}

AskedOr ask_remove(std::string_view key, const CallOptions& options) { return post("/v1/rm", {{"key", key}}, options.deadline); }

AskedOr ask_provide(std::string_view key, const PutOptions& options) {
  json body = {{"key", key}};
  say_lifetime(body, options.lifetime);
  return post("/v1/provide", std::move(body), options.deadline);
}

AskedOr ask_providers(std::string_view key, const CallOptions& options) {
  return post("/v1/providers", {{"key", key}}, options.deadline);
}

AskedOr ask_read(std::string_view path, const CallOptions& options) { return get(path, {}, options.deadline); }

AskedOr ask_of_space(std::string_view path, std::string_view space, const CallOptions& options) {
  return get(path, {{"space", std::string(space)}}, options.deadline);
}

AskedOr ask_to_space(std::string_view path, std::string_view space, const CallOptions& options) {
  return post(path, {{"space", space}}, options.deadline);
}

AskedOr ask_state_create(std::string_view space, const CreateOptions& options) {
  return post("/v1/state/create", {{"space", space}, {"access", options.owned ? "owned" : "open"}}, options.deadline);
}

AskedOr ask_state_grant(std::string_view space, std::string_view node, const GrantOptions& options) {
  json body = {{"space", space}, {"id", node}};
  if (!options.path.empty()) body["path"] = options.path;
  if (!options.overwrite) body["rights"] = json::array({"add"});
  if (options.entries != 0) body["entries"] = options.entries;
  if (options.lasts.count() != 0) body["expires_ms"] = options.lasts.count();
  return post("/v1/state/grant", std::move(body), options.deadline);
}

AskedOr ask_state_revoke(std::string_view space, std::string_view node, const CallOptions& options) {
  return post("/v1/state/revoke", {{"space", space}, {"id", node}}, options.deadline);
}

AskedOr ask_state_docs(std::string_view space, const PageOptions& options) {
  return get_page("/v1/state/docs", {{"space", std::string(space)}}, options);
}

AskedOr ask_state_get(std::string_view doc, const CallOptions& options) {
  return get("/v1/state/get", {{"doc", std::string(doc)}}, options.deadline);
}

AskedOr ask_state_items(std::string_view doc, const PageOptions& options) {
  return get_page("/v1/state/items", {{"doc", std::string(doc)}}, options);
}

AskedOr ask_state_change(std::string_view doc, const StateChange& change, const CallOptions& options) {
  json body = object_of(change);
  body["doc"] = doc;
  return post("/v1/state/write", std::move(body), options.deadline);
}

AskedOr ask_state_write(std::string_view space, const std::vector<StateChange>& changes, const CallOptions& options) {
  if (changes.size() > kBatchMax) return refuse("one call writes at most " + std::to_string(kBatchMax) + " changes");
  json list = json::array();
  for (const StateChange& change : changes) {
    json one = object_of(change);
    one["path"] = change.path;
    list.push_back(std::move(one));
  }
  return post("/v1/state/batch", {{"space", space}, {"changes", std::move(list)}}, options.deadline);
}

AskedOr ask_state_changes(std::string_view space, const ChangesOptions& options) {
  Query query = {{"space", std::string(space)}};
  if (!options.path.empty()) query["path"] = options.path;
  return get_changes("/v1/state/changes", std::move(query), options);
}

}  // namespace weft::node
