// The routes of shared state: from a request to a view of the core, or to its call.
#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "node/control_api.h"
#include "node/control_fields.h"
#include "node/control_json.h"

namespace weft::node {
namespace {

// With a slash and a path.
constexpr std::size_t kDocTextMax = kSpaceTextMax + 1 + state::kPathBytesMax;
constexpr std::int64_t kAmountMax = std::numeric_limits<std::int64_t>::max();

ControlReply ok(std::string body) { return {200, std::move(body)}; }

std::optional<std::string> query_text(const ControlRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return std::nullopt;
  return found->second;
}

std::expected<SpaceName, ApiError> query_space(const ControlRequest& request) {
  const auto text = query_text(request, "space");
  if (!text) return std::unexpected(bad_request("the query parameter space is missing"));
  return parse_space(*text);
}

std::expected<DocName, ApiError> query_doc(const ControlRequest& request) {
  const auto text = query_text(request, "doc");
  if (!text) return std::unexpected(bad_request("the query parameter doc is missing"));
  return parse_doc(*text);
}

std::expected<std::optional<std::uint64_t>, ApiError> query_cursor(const ControlRequest& request) {
  bool bad = false;
  const auto after = query_number(request, "after", std::numeric_limits<std::uint64_t>::max(), bad);
  if (bad) return std::unexpected(bad_request("after must be a cursor, as an earlier answer told it"));
  return after;
}

std::expected<std::optional<std::string>, ApiError> query_base64(const ControlRequest& request, const std::string& name) {
  const auto encoded = query_text(request, name);
  if (!encoded) return std::nullopt;
  auto bytes = decode_base64(*encoded);
  if (!bytes) return std::unexpected(bad_request(name + " must be base64 with padding"));
  return bytes;
}

SpaceName read_space(Fields& fields) {
  const std::string text = fields.required_text("space", kSpaceTextMax);
  if (fields.error()) return {};
  auto space = parse_space(text);
  if (!space) fields.fail(space.error());
  return space.value_or(SpaceName{});
}

DocName read_doc(Fields& fields) {
  const std::string text = fields.required_text("doc", kDocTextMax);
  if (fields.error()) return {};
  auto doc = parse_doc(text);
  if (!doc) fields.fail(doc.error());
  return doc.value_or(DocName{});
}

// The value of a write, as text or as base64. Its size is judged by what an entry has room for.
std::optional<std::string> read_value(Fields& fields) {
  if (fields.has("value") && fields.has("value_base64")) fields.fail("value and value_base64 exclude each other");
  if (fields.has("value_base64")) return fields.base64("value_base64", state::kEntryBytesMax);
  auto value = fields.text("value", kBodyBytesMax);
  if (value && value->size() > state::kEntryBytesMax) {
    fields.fail({"too_large", "value holds " + std::to_string(value->size()) + " bytes; an entry has room for fewer than " +
                                  std::to_string(state::kEntryBytesMax)});
  }
  return value;
}

std::int64_t read_amount(Fields& fields) {
  const auto* value = fields.raw("amount");
  if (value == nullptr) return 1;
  const auto* positive = value->get_ptr<const nlohmann::json::number_unsigned_t*>();
  if (positive != nullptr && *positive <= static_cast<std::uint64_t>(kAmountMax)) return static_cast<std::int64_t>(*positive);
  const auto* negative = value->get_ptr<const nlohmann::json::number_integer_t*>();
  if (positive == nullptr && negative != nullptr && *negative >= -kAmountMax) return *negative;
  fields.fail("amount must be a whole number from -" + std::to_string(kAmountMax) + " to " + std::to_string(kAmountMax));
  return 0;
}

std::optional<state::Change::What> what_of(std::string_view text) {
  using What = state::Change::What;
  if (text == "set") return What::kSet;
  if (text == "rm") return What::kRemove;
  if (text == "inc") return What::kCount;
  if (text == "add") return What::kAdd;
  if (text == "del") return What::kDelete;
  return std::nullopt;
}

struct WriteAsked {
  DocName doc;
  state::Change::What what = state::Change::What::kSet;
  std::string value;
  std::int64_t amount = 0;
};
// All but the document.
WriteAsked read_change(Fields& fields) {
  WriteAsked out;
  const auto what = what_of(fields.required_text("what", 8));
  if (!what) fields.fail("what must be set, rm, inc, add or del");
  const auto value = read_value(fields);
  out.what = what.value_or(out.what);
  out.value = value.value_or("");
  const bool counts = out.what == state::Change::What::kCount;
  const bool takes_value = !counts && out.what != state::Change::What::kRemove;
  if (takes_value && !value) fields.fail("the field value or value_base64 is missing");
  if (!takes_value && value) fields.fail("only set, add and del take a value");
  if (takes_value && out.what != state::Change::What::kSet && out.value.empty()) fields.fail("an element of a set is not empty");
  if (!counts && fields.has("amount")) fields.fail("only inc takes an amount");
  if (counts) out.amount = read_amount(fields);
  return out;
}
WriteAsked read_write(Fields& fields) {
  DocName doc = read_doc(fields);
  WriteAsked out = read_change(fields);
  out.doc = std::move(doc);
  return out;
}
// One of a batch: its path in place of a document.
std::expected<WriteAsked, ApiError> read_batched(const nlohmann::json& change) {
  Fields fields(change.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), {"path", "what", "value", "value_base64", "amount"});
  std::string path = fields.required_text("path", state::kPathBytesMax);
  if (!fields.error() && !state::valid_path(as_bytes(path))) fields.fail("path must be a path of the namespace");
  WriteAsked out = read_change(fields);
  if (fields.error()) return std::unexpected(*fields.error());
  out.doc.path = std::move(path);
  return out;
}

}  // namespace

// ---- reads

ControlApi::Result ControlApi::get_state(Now now, RequestId id, const ControlRequest& request) {
  const std::string& path = request.path;
  if (path == "/v1/state/changes") return state_changes(now, id, request);
  if (path == "/v1/state/rights" || path == "/v1/state/forks") return state_rights(request);
  if (path == "/v1/state/docs" || path == "/v1/state/items" || path == "/v1/state/export") return state_list(request);
  const state::State& shared = core_.shared_state();
  if (path == "/v1/state/namespaces") {
    if (const auto error = check_query(request, {})) return *error;
    return ok(spaces_json(core_, now));
  }
  if (path == "/v1/state/digest" || path == "/v1/state/tree") {
    const bool tree = path == "/v1/state/tree";
    if (const auto error = check_query(request, {"space"})) return *error;
    if (!tree && !request.query.contains("space")) return ok(digests_json(shared));
    const auto name = query_space(request);
    if (!name) return name.error();
    const auto space = find_space(shared, *name);
    if (!space) return space.error();
    return ok(tree ? tree_json(shared, **space) : digest_json(**space));
  }
  if (const auto error = check_query(request, {"doc"})) return *error;
  const auto doc = query_doc(request);
  if (!doc) return doc.error();
  const auto space = find_space(shared, doc->space);
  if (!space) return space.error();
  auto shown = document_json(**space, *doc);
  if (!shown) return shown.error();
  return ok(std::move(*shown));
}

// What comes in pages.
ControlApi::Result ControlApi::state_list(const ControlRequest& request) {
  const state::State& shared = core_.shared_state();
  if (request.path == "/v1/state/items") {
    if (const auto error = check_query(request, {"doc", "after_base64", "limit"})) return *error;
    const auto doc = query_doc(request);
    if (!doc) return doc.error();
    const auto limit = query_limit(request, kItemsPageMax);
    if (!limit) return limit.error();
    const auto after = query_base64(request, "after_base64");
    if (!after) return after.error();
    const auto space = find_space(shared, doc->space);
    if (!space) return space.error();
    return ok(items_json(**space, *doc, *after, *limit));
  }
  const bool documents = request.path == "/v1/state/docs";
  if (const auto error = check_query(request, {"space", documents ? "after_base64" : "after", "limit"})) return *error;
  const auto name = query_space(request);
  if (!name) return name.error();
  const auto limit = query_limit(request, documents ? kDocumentsPageMax : kExportPageMax);
  if (!limit) return limit.error();
  const auto space = find_space(shared, *name);
  if (!space) return space.error();
  if (documents) {
    const auto after = query_base64(request, "after_base64");
    if (!after) return after.error();
    return ok(documents_json(**space, *name, *after, *limit));
  }
  const auto after = query_cursor(request);
  if (!after) return after.error();
  return ok(export_json(**space, after->value_or(0), *limit));
}

ControlApi::Result ControlApi::state_changes(Now now, RequestId id, const ControlRequest& request) {
  if (const auto error = check_query(request, {"space", "path", "after", "limit", "wait_ms"})) return *error;
  const auto name = query_space(request);
  if (!name) return name.error();
  const auto limit = query_limit(request, kChangesPageMax);
  if (!limit) return limit.error();
  const auto after = query_cursor(request);
  if (!after) return after.error();
  bool bad = false;
  const auto wait_ms = query_number(request, "wait_ms", kChangesWaitMsMax, bad);
  if (bad) return bad_request("wait_ms must be a whole number up to " + std::to_string(kChangesWaitMsMax));
  const auto path = query_text(request, "path");
  if (path && !state::valid_path(as_bytes(*path))) return bad_request("path must be a path of the namespace");
  const auto space = find_space(core_.shared_state(), *name);
  if (!space) return space.error();
  ChangesOp ask{.space = *name, .id = (*space)->genesis().id, .path = path.value_or(""),
                .after = after->value_or((*space)->last_arrival()), .limit = *limit};
  Changes changes = changes_json(**space, ask);
  if (changes.some || wait_ms.value_or(0) == 0) return ok(std::move(changes.json));
  if (!may_watch()) return ApiError{"overloaded", "too many requests wait"};
  ask.after = changes.cursor;
  return keep(now, id, std::move(ask), std::nullopt, std::chrono::milliseconds(*wait_ms));
}

// ---- operations

ControlApi::Result ControlApi::post_state(Now now, RequestId id, const ControlRequest& request, Output& out) {
  const std::string& path = request.path;
  if (to_publish_.size() >= kPublicationsMax) return ApiError{"overloaded", "the node's store does not keep up; see weft doctor"};
  if (path == "/v1/state/create") return state_create(now, id, request, out);
  if (path == "/v1/state/join") return state_join(now, id, request, out);
  if (path == "/v1/state/leave") return state_leave(now, id, request, out);
  if (path == "/v1/state/write") return state_write(now, id, request, out);
  if (path == "/v1/state/batch") return state_batch(now, id, request, out);
  if (path == "/v1/state/grant" || path == "/v1/state/revoke") return state_give(now, id, request, out);
  return state_import(now, id, request, out);
}

ControlApi::Result ControlApi::state_create(Now now, RequestId id, const ControlRequest& request, Output& out) {
  Fields fields(request.body, {"space", "access", "timeout_ms"});
  SpaceName name = read_space(fields);
  const auto timeout = timeout_of(fields);
  if (!name.creator.empty()) fields.fail("the creator is this node: name the namespace alone");
  const auto access = fields.text("access", 16);
  if (access && *access != "open" && *access != "owned") fields.fail("access must be open or owned");
  if (fields.error()) return *fields.error();
  state::Genesis genesis = state::make_genesis(core_.identity(), name.name, access == "owned" ? state::Access::kOwned : state::Access::kOpen);
  StateOp op{.what = StateOp::What::kCreate, .space = std::move(name), .id = genesis.id};
  const OpId done = core_.state_create(now, genesis.name, genesis.access, out);
  to_publish_.emplace(done, Publication{std::move(genesis)});
  return keep(now, id, std::move(op), done, timeout);
}

ControlApi::Result ControlApi::state_join(Now now, RequestId id, const ControlRequest& request, Output& out) {
  Fields fields(request.body, {"space", "genesis_base64", "timeout_ms"});
  SpaceName name = read_space(fields);
  const auto timeout = timeout_of(fields);
  const auto wire = fields.base64("genesis_base64", state::kGenesisBytesMax);
  std::optional<state::Genesis> genesis;
  if (wire && !fields.error()) {
    auto read = core_.read_genesis(as_bytes(*wire));
    if (!read) fields.fail("genesis_base64 is no signed genesis");
    else if (!name.fits(*read)) fields.fail("the genesis is of " + escaped(read->name) + "@" + to_string(node_id_of(read->creator)));
    else genesis = std::move(*read);
  }
  if (fields.error()) return *fields.error();
  const auto here = find_space(core_.shared_state(), name);
  if (!here && here.error().code != "not_found") return here.error();
  if (here && genesis && (*here)->genesis().id != genesis->id) {
    return several_spaces(name, {node_id_of((*here)->genesis().creator), node_id_of(genesis->creator)});
  }
  if (here) return ok(space_json(**here, core_.identity().id(), now));
  if (!genesis) {
    dht::GetOptions options;
    options.all = true;
    const OpId found = core_.get(now, state::name_key(name.name), options, out);
    return keep(now, id, FindSpaceOp{std::move(name)}, found, timeout);
  }
  StateOp op{.what = StateOp::What::kJoin, .space = std::move(name), .id = genesis->id};
  const OpId done = core_.state_join(now, *genesis, out);
  // It may be the first of its mesh, as after an import.
  to_publish_.emplace(done, Publication{std::move(*genesis)});
  return keep(now, id, std::move(op), done, timeout);
}

ControlApi::Result ControlApi::state_leave(Now now, RequestId id, const ControlRequest& request, Output& out) {
  Fields fields(request.body, {"space", "timeout_ms"});
  SpaceName name = read_space(fields);
  const auto timeout = timeout_of(fields);
  if (fields.error()) return *fields.error();
  const auto space = find_space(core_.shared_state(), name);
  if (!space) return space.error();
  const state::Genesis genesis = (*space)->genesis();
  StateOp op{.what = StateOp::What::kLeave, .space = std::move(name), .id = genesis.id, .left = genesis};
  const OpId done = core_.state_leave(now, genesis.id, out);
  to_publish_.emplace(done, Publication{genesis, /*withdraw=*/true});
  return keep(now, id, std::move(op), done, timeout);
}

ControlApi::Result ControlApi::state_write(Now now, RequestId id, const ControlRequest& request, Output& out) {
  Fields fields(request.body, {"doc", "what", "value", "value_base64", "amount", "timeout_ms"});
  WriteAsked asked = read_write(fields);
  const auto timeout = timeout_of(fields);
  if (fields.error()) return *fields.error();
  const auto space = find_space(core_.shared_state(), asked.doc.space);
  if (!space) return space.error();
  // Nothing would change: no entry for that.
  if (asked.what == state::Change::What::kCount && asked.amount == 0) return ok(counter_json(**space, asked.doc));
  const state::Change change{.what = asked.what, .path = as_bytes(asked.doc.path), .value = as_bytes(asked.value),
                             .amount = asked.amount};
  const state::NamespaceId space_id = (*space)->genesis().id;
  const OpId done = core_.state_write(now, space_id, {&change, 1}, out);
  StateOp op{.what = StateOp::What::kWrite, .space = std::move(asked.doc.space), .id = space_id,
             .path = std::move(asked.doc.path), .change = asked.what};
  return keep(now, id, std::move(op), done, timeout);
}

ControlApi::Result ControlApi::state_batch(Now now, RequestId id, const ControlRequest& request, Output& out) {
  Fields fields(request.body, {"space", "changes", "timeout_ms"});
  SpaceName name = read_space(fields);
  const auto timeout = timeout_of(fields);
  const nlohmann::json* list = fields.raw("changes");
  if (list == nullptr || !list->is_array() || list->empty() || list->size() > kBatchChangesMax) {
    fields.fail("changes must be a list of 1 to " + std::to_string(kBatchChangesMax));
  }
  if (fields.error()) return *fields.error();
  std::vector<WriteAsked> asked;
  for (const nlohmann::json& change : *list) {
    auto one = read_batched(change);
    if (!one) return one.error();
    asked.push_back(std::move(*one));
  }
  const auto space = find_space(core_.shared_state(), name);
  if (!space) return space.error();
  const state::NamespaceId space_id = (*space)->genesis().id;
  std::vector<state::Change> changes;
  for (const WriteAsked& one : asked) {
    changes.push_back({.what = one.what, .path = as_bytes(one.doc.path), .value = as_bytes(one.value), .amount = one.amount});
  }
  const OpId done = core_.state_write(now, space_id, changes, out);
  StateOp op{.what = StateOp::What::kBatch, .space = std::move(name), .id = space_id, .given = changes.size()};
  return keep(now, id, std::move(op), done, timeout);
}

ControlApi::Result ControlApi::state_import(Now now, RequestId id, const ControlRequest& request, Output& out) {
  Fields fields(request.body, {"space", "entries_base64", "timeout_ms"});
  SpaceName name = read_space(fields);
  const auto timeout = timeout_of(fields);
  const auto encoded = fields.texts("entries_base64", state::kImportMax, kBodyBytesMax);
  if (!encoded) fields.fail("the field entries_base64 is missing");
  std::vector<std::string> wires;
  for (const std::string& text : encoded.value_or(std::vector<std::string>{})) {
    auto wire = decode_base64(text);
    if (!wire) fields.fail("entries_base64 must list base64 with padding");
    wires.push_back(std::move(wire).value_or(""));
  }
  if (fields.error()) return *fields.error();
  const auto space = find_space(core_.shared_state(), name);
  if (!space) return space.error();
  const state::NamespaceId space_id = (*space)->genesis().id;
  std::vector<ByteView> entries;
  for (const std::string& wire : wires) entries.push_back(as_bytes(wire));
  const OpId done = core_.state_import(now, space_id, entries, out);
  StateOp op{.what = StateOp::What::kImport, .space = std::move(name), .id = space_id, .given = entries.size()};
  return keep(now, id, std::move(op), done, timeout);
}

}  // namespace weft::node
