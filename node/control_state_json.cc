// The names and the JSON of shared state: control_state.h.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "crypto/check.h"
#include "node/control_fields.h"
#include "node/control_json.h"
#include "node/control_state.h"

namespace weft::node {
namespace {

using json = nlohmann::ordered_json;  // fields in the order of the documentation

constexpr std::size_t kCreatorDigitsMin = 8;
constexpr std::size_t kCreatorDigitsMax = 64;

std::string shown(std::string_view text) { return "\"" + escaped(text.substr(0, 400)) + "\""; }

std::string_view name_of(state::Access access) {
  switch (access) {
    case state::Access::kOpen: return "open";
    case state::Access::kOwned: return "owned";
  }
  return "unknown";
}

std::string_view name_of(state::Kind kind) {
  switch (kind) {
    case state::Kind::kSet: return "set";
    case state::Kind::kCount: return "inc";
    case state::Kind::kAdd: return "add";
    case state::Kind::kRemove: return "del";
    case state::Kind::kClear: return "rm";
    case state::Kind::kCheckpoint: return "checkpoint";
    case state::Kind::kGrant: return "grant";
    case state::Kind::kRevoke: return "revoke";
    case state::Kind::kFork: return "fork";
  }
  return "unknown";
}

// Whether something of this node's would be taken in now, somewhere.
bool may_write(const state::Space& space, const NodeId& self, Now now) {
  if (space.rights().open() || node_id_of(space.genesis().creator) == self) return true;
  const auto given = space.rights().given();
  return std::ranges::any_of(given, [&](const state::Rights::Given& one) {
    const bool over = one.grant.expires_ms != 0 && now.wall.value >= static_cast<std::int64_t>(one.grant.expires_ms);
    return one.grant.to == self && !one.revoked && !over;
  });
}

json space_object(const state::Space& space, const NodeId& self, Now now) {
  const state::Genesis& genesis = space.genesis();
  const NodeId creator = node_id_of(genesis.creator);
  return {{"namespace", genesis.name},
          {"id", to_hex(genesis.id.bytes)},
          {"creator", to_string(creator)},
          {"own", creator == self},
          {"access", name_of(genesis.access)},
          {"entries", space.tree().size()},
          {"bytes", space.bytes()},
          {"authors", space.authors()},
          {"may_write", may_write(space, self, now)},
          {"forks", space.proofs().size()},
          {"cursor", space.last_arrival()}};
}

json digest_object(const state::Space& space) {
  return {{"namespace", space.genesis().name},
          {"digest", to_hex(space.tree().root())},
          {"entries", space.tree().size()},
          {"creator", to_string(node_id_of(space.genesis().creator))}};
}

json value_object(const state::Space& space, const state::Written& written) {
  json out = {{"value_base64", base64(written.value)},
          {"author", to_string(node_id_of(written.author))},
          {"at", stamp_text(written.stamp)}};
  if (space.proofs().contains(written.author)) out["forked"] = true;
  return out;
}

bool at_or_below(std::string_view path, std::string_view top) {
  return top.empty() || (path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/'));
}

// A Clear further up concerns what is watched as well.
bool concerns(const state::Content& content, std::string_view watched) {
  // A revocation may take something away anywhere.
  if (content.kind == state::Kind::kRevoke) return true;
  if (content.kind == state::Kind::kCheckpoint || state::comes_first(content.kind)) return false;
  const std::string_view path = as_text(content.path);
  return at_or_below(path, watched) || (content.kind == state::Kind::kClear && at_or_below(watched, path));
}

json change_object(const state::Space& space, const SpaceName& name, std::uint64_t arrival, const state::Entry& entry) {
  const state::Content& content = entry.content;
  json change = {{"cursor", arrival},
                 {"doc", content.kind == state::Kind::kRevoke ? name.text : name.text + "/" + std::string(as_text(content.path))},
                 {"kind", name_of(content.kind)},
                 {"author", to_string(node_id_of(content.author))},
                 {"at", stamp_text(content.stamp)},
                 {"id", to_hex(entry.id.bytes)}};
  switch (content.kind) {
    case state::Kind::kSet:
    case state::Kind::kAdd:
    case state::Kind::kRemove: change["value_base64"] = base64(content.body); break;
    // The entry holds all that its author has counted; what a reader wants is what the counter stands at.
    case state::Kind::kCount: change["value"] = space.documents().counter(content.path); break;
    case state::Kind::kRevoke: change["revoked"] = to_string(state::read_revocation(content.body).value().of); break;
    default: break;
  }
  return change;
}

}  // namespace

// What the author's clock said, as RFC 3339 with milliseconds. An author may stamp what it likes: beyond the year 9999,
// which the format does not know, its last instant is shown.
std::string stamp_text(std::uint64_t stamp) {
  using std::chrono::days;
  using std::chrono::milliseconds;
  constexpr std::int64_t kLastMs = 253'402'300'799'999;
  const milliseconds since(std::min(static_cast<std::int64_t>(stamp >> 16), kLastMs));
  const auto day = std::chrono::floor<days>(since);
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const std::chrono::hh_mm_ss time(since - day);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                static_cast<int>(time.subseconds().count()));
  return text;
}

bool SpaceName::fits(const state::Genesis& genesis) const {
  return genesis.name == name && to_string(node_id_of(genesis.creator)).starts_with(creator);
}

std::expected<SpaceName, ApiError> parse_space(std::string_view text) {
  SpaceName out{.text = std::string(text), .name = std::string(text), .creator = {}};
  if (const std::size_t mark = text.find('@'); mark != std::string_view::npos) {
    const std::string_view creator = text.substr(mark + 1);
    if (creator.size() < kCreatorDigitsMin || creator.size() > kCreatorDigitsMax || !is_hex(creator)) {
      return std::unexpected(bad_request("after @ stands the creator's node id, or 8 of its digits or more, not " + shown(creator)));
    }
    out.name = text.substr(0, mark);
    out.creator = lower(creator);
  }
  if (!state::valid_name(out.name)) {
    return std::unexpected(bad_request("a namespace's name has 1 to " + std::to_string(state::kNameMax) +
                                       " bytes without spaces, / and @, not " + shown(out.name)));
  }
  return out;
}

std::expected<DocName, ApiError> parse_doc(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return std::unexpected(bad_request("a document is NAMESPACE/PATH, as in room/topic, not " + shown(text)));
  }
  auto space = parse_space(text.substr(0, slash));
  if (!space) return std::unexpected(space.error());
  const std::string_view path = text.substr(slash + 1);
  if (!state::valid_path(as_bytes(path))) {
    return std::unexpected(bad_request("a path has 1 to " + std::to_string(state::kPathBytesMax) +
                                       " bytes: parts without spaces between single slashes, not " + shown(path)));
  }
  return DocName{std::move(*space), std::string(path)};
}

ApiError several_spaces(const SpaceName& name, std::vector<NodeId> creators) {
  std::ranges::sort(creators);
  const auto same = std::ranges::unique(creators);
  creators.erase(same.begin(), same.end());
  json list = json::array();
  std::string message = std::to_string(creators.size()) + " namespaces are named " + shown(name.text) + "; choose one of:";
  for (const NodeId& creator : creators) {
    list.push_back(to_string(creator));
    message += " " + name.name + "@" + to_string(creator);
  }
  return {"ambiguous", std::move(message), {{"creators", dump(list)}}};
}

ApiError no_such_space(const SpaceName& name) {
  return {"not_found", "the namespace " + shown(name.text) + " is not here; say weft state join " + escaped(name.text) +
                           " first, or create it"};
}

ApiError no_such_document(const DocName& doc) { return {"not_found", "nothing is at " + shown(doc.text())}; }

std::expected<const state::Space*, ApiError> find_space(const state::State& state, const SpaceName& name) {
  std::vector<const state::Space*> found;
  state.for_each([&](const state::Space& space) {
    if (name.fits(space.genesis())) found.push_back(&space);
  });
  if (found.empty()) return std::unexpected(no_such_space(name));
  if (found.size() == 1) return found[0];
  std::vector<NodeId> creators;
  for (const state::Space* space : found) creators.push_back(node_id_of(space->genesis().creator));
  return std::unexpected(several_spaces(name, std::move(creators)));
}

ApiError to_error(state::Error error, std::string_view what) {
  const std::string named = shown(what);
  const auto denied = [&](std::string_view why) { return ApiError{"denied", named + " is not this node's to write: " + std::string(why)}; };
  switch (error) {
    case state::Error::kUnknownNamespace:
      return {"not_found", "the namespace of " + named + " is not here; say weft state join first"};
    case state::Error::kBadName: return bad_request(named + " is no name of a namespace");
    case state::Error::kBadPath: return bad_request(named + " has no valid path");
    case state::Error::kTooLarge:
      return {"too_large", "what is to be written to " + named + " does not fit into one entry of " +
                               std::to_string(state::kEntryBytesMax) + " bytes with its path and signature"};
    case state::Error::kNothingThere: return {"not_found", "there is nothing to take away at " + named};
    case state::Error::kTooMany:
      return {"overloaded", "a limit is reached: namespaces (" + std::to_string(state::kSpacesMax) +
                                "), entries, bytes, or writes at once; see weft status"};
    case state::Error::kStore: return {"store", "the node's store cannot write; see weft doctor"};
    case state::Error::kBadEntry:
      return bad_request("an entry is damaged, of another namespace than " + named + ", or not signed by its author; none was taken");
    case state::Error::kNoGrant: return denied("nobody granted it: the owner says weft state grant");
    case state::Error::kOutsidePath: return denied("what was granted does not cover that path");
    case state::Error::kExpired: return denied("what was granted has expired");
    case state::Error::kRevoked: return denied("what was granted has been revoked");
    case state::Error::kNoOverwrite: return denied("others wrote what is there, and the right to overwrite was not granted");
    case state::Error::kOverQuota: return denied("as many entries of this node are there as it may have, but for an eighth that is kept for what takes the place of its own");
    case state::Error::kNotOwner: return denied("only the creator of the namespace grants and revokes");
    case state::Error::kOpen: return bad_request(named + " is an open namespace: every member may write; see weft state create --owned");
    case state::Error::kShutdown: return {"shutdown", "the node is leaving"};
  }
  return {"internal", "unknown"};
}

std::string space_json(const state::Space& space, const NodeId& self, Now now) { return dump(space_object(space, self, now)); }

std::string spaces_json(const NodeCore& core, Now now) {
  json list = json::array();
  core.shared_state().for_each([&](const state::Space& space) { list.push_back(space_object(space, core.identity().id(), now)); });
  return dump(list);
}

std::string left_json(const state::Genesis& genesis) {
  return dump({{"namespace", genesis.name},
               {"id", to_hex(genesis.id.bytes)},
               {"creator", to_string(node_id_of(genesis.creator))},
               {"left", true}});
}

std::string documents_json(const state::Space& space, const SpaceName& name, const std::optional<std::string>& after,
                           std::size_t max) {
  auto paths = space.documents().paths({}, max + 1, after);
  const bool more = paths.size() > max;
  if (more) paths.pop_back();
  json list = json::array();
  for (const std::string& path : paths) {
    const state::Documents::Kinds kinds = space.documents().kinds(as_bytes(path));
    json names = json::array();
    if (kinds.has_register) names.push_back("register");
    if (kinds.has_counter) names.push_back("counter");
    if (kinds.has_set) names.push_back("set");
    list.push_back({{"doc", name.text + "/" + path}, {"kinds", std::move(names)}});
  }
  // The last path as it is: what is shown of one that is not UTF-8 would not lead on.
  return dump({{"docs", std::move(list)},
               {"more", more},
               {"after_base64", paths.empty() ? json(nullptr) : json(base64(as_bytes(paths.back())))}});
}

std::string register_json(const state::Space& space, const DocName& doc) {
  const auto values = space.documents().read_register(as_bytes(doc.path));
  json out = {{"doc", doc.text()}, {"value_base64", nullptr}, {"conflicts", json::array()}, {"author", nullptr}, {"at", nullptr}};
  if (values.empty()) return dump(out);
  const json first = value_object(space, values[0]);
  for (const auto& [key, member] : first.items()) out[key] = member;
  const std::size_t shown_count = std::min(values.size(), 1 + kConflictsShownMax);
  for (std::size_t i = 1; i < shown_count; ++i) out["conflicts"].push_back(value_object(space, values[i]));
  if (shown_count < values.size()) out["conflicts_left_out"] = values.size() - shown_count;
  return dump(out);
}

std::string counter_json(const state::Space& space, const DocName& doc) {
  return dump({{"doc", doc.text()}, {"value", space.documents().counter(as_bytes(doc.path))}});
}

std::expected<std::string, ApiError> document_json(const state::Space& space, const DocName& doc) {
  const state::Documents::Kinds kinds = space.documents().kinds(as_bytes(doc.path));
  if (kinds.has_register) return register_json(space, doc);
  if (kinds.has_counter) {
    return dump({{"doc", doc.text()},
                 {"value", space.documents().counter(as_bytes(doc.path))},
                 {"conflicts", json::array()},
                 {"author", nullptr},
                 {"at", nullptr}});
  }
  if (!kinds.has_set) return std::unexpected(no_such_document(doc));
  return std::unexpected(ApiError{"not_found", shown(doc.text()) + " is a set; see weft state items"});
}

std::string items_json(const state::Space& space, const DocName& doc, const std::optional<std::string>& after,
                       std::size_t max) {
  std::optional<Bytes> from;
  if (after) from = to_bytes(as_bytes(*after));
  auto items = space.documents().elements(as_bytes(doc.path), max + 1, from);
  const bool more = items.size() > max;
  if (more) items.pop_back();
  json list = json::array();
  for (const Bytes& item : items) list.push_back(base64(item));
  return dump({{"doc", doc.text()}, {"items_base64", std::move(list)}, {"more", more}});
}

std::string written_json(const state::Space& space, const DocName& doc, state::Change::What change) {
  switch (change) {
    case state::Change::What::kSet:
    case state::Change::What::kRemove: return register_json(space, doc);
    case state::Change::What::kCount: return counter_json(space, doc);
    case state::Change::What::kAdd:
    case state::Change::What::kDelete: return items_json(space, doc, std::nullopt, kItemsPageMax);
  }
  return {};
}

std::string digest_json(const state::Space& space) { return dump(digest_object(space)); }

std::string tree_json(const state::State& state, const state::Space& space) {
  const state::NamespaceId& id = space.genesis().id;
  const auto parent = state.tree_parent(id);
  json links = json::array();
  for (const state::TreeLink& link : state.tree_links(id)) {
    links.push_back({{"id", to_string(link.peer)}, {"eager", link.eager}, {"home", link.home}, {"rtt_ms", link.round_trip ? json(as_ms(*link.round_trip)) : json()}});
  }
  return dump({{"namespace", space.genesis().name}, {"id", to_hex(id.bytes)}, {"parent", parent ? json(to_string(*parent)) : json()}, {"links", std::move(links)}});
}

std::string digests_json(const state::State& state) {
  json list = json::array();
  state.for_each([&](const state::Space& space) { list.push_back(digest_object(space)); });
  return dump(list);
}

std::string batch_json(const state::Genesis& genesis, std::size_t changes, std::size_t entries) {
  return dump({{"namespace", genesis.name}, {"changes", changes}, {"entries", entries}});
}

std::string import_json(const state::Genesis& genesis, std::size_t imported, std::size_t given) {
  return dump({{"namespace", genesis.name}, {"imported", imported}, {"known", given - imported}});
}

std::string export_json(const state::Space& space, std::uint64_t after, std::size_t max) {
  json entries = json::array();
  // As in changes_json: of another life.
  const bool gap = !space.knows_arrival(after);
  if (gap) {
    after = 0;
    max = 0;
  }
  std::uint64_t cursor = after;
  bool more = false;
  space.visit_arrivals(after, [&](std::uint64_t arrival, const state::EntryId&, ByteView wire) {
    more = entries.size() == max;
    if (more) return false;
    entries.push_back(base64(wire));
    cursor = arrival;
    return true;
  });
  json out{{"namespace", space.genesis().name},
           {"creator", to_string(node_id_of(space.genesis().creator))},
           {"genesis_base64", base64(space.genesis().wire)},
           {"entries_base64", std::move(entries)},
           {"cursor", cursor},
           {"last", space.last_arrival()},
           {"more", more},
           {"unsettled", space.documents().size() - space.tree().size()}};
  if (gap) out["gap"] = true;
  return dump(out);
}

Changes changes_json(const state::Space& space, const ChangesOp& ask) {
  Changes out{.json = {}, .cursor = ask.after, .some = false};
  json list = json::array();
  std::size_t scanned = 0;
  if (!space.knows_arrival(ask.after)) {
    // Of a life of this namespace that is gone (it was left and joined again, or the store was lost): what is here came after.
    out.cursor = 0;
    out.some = true;
    out.json = dump({{"changes", list}, {"cursor", 0}, {"gap", true}});
    return out;
  }
  space.visit_arrivals(ask.after, [&](std::uint64_t arrival, const state::EntryId&, ByteView wire) {
    if (list.size() == ask.limit || scanned == kChangesScanMax) {
      out.some = true;
      return false;
    }
    ++scanned;
    const auto entry = state::decode_entry(wire);
    CHECK(entry.has_value());  // it was, when it came
    if (concerns(entry->content, ask.path)) list.push_back(change_object(space, ask.space, arrival, *entry));
    out.cursor = arrival;
    return true;
  });
  out.some = out.some || !list.empty();
  out.json = dump({{"changes", std::move(list)}, {"cursor", out.cursor}});
  return out;
}

}  // namespace weft::node
