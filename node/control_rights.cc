// Who may write where, who forked, and who is ahead of time: routes and JSON of shared state's other side.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/check.h"
#include "node/control_api.h"
#include "node/control_fields.h"
#include "node/control_json.h"

namespace weft::node {
namespace {

using json = nlohmann::ordered_json;  // fields in the order of the documentation

constexpr std::size_t kNodeTextMax = 255;
constexpr std::uint64_t kLastsMsMax = 100ULL * 365 * 24 * 3600 * 1000;
constexpr std::size_t kRightsTextMax = 16;

json right_names(std::uint8_t rights) {
  json out = json::array();
  if ((rights & state::kRightAdd) != 0) out.push_back("add");
  if ((rights & state::kRightOverwrite) != 0) out.push_back("overwrite");
  return out;
}

json grant_object(const state::Rights::Given& given) {
  const state::Grant& grant = given.grant;
  return {{"id", to_string(grant.to)},
          {"path", grant.path.empty() ? json(nullptr) : json(as_text(grant.path))},
          {"rights", right_names(grant.rights)},
          {"entries", grant.entries == 0 ? json(nullptr) : json(grant.entries)},
          {"expires", grant.expires_ms == 0 ? json(nullptr) : json(stamp_text(grant.expires_ms << state::kStampCounterBits))},
          {"revoked", given.revoked},
          {"at", stamp_text(given.stamp)},
          {"grant", to_hex(given.id.bytes)}};
}

json side_object(const state::ForkSide& side) {
  const state::Header& header = side.header;
  return {{"id", to_hex(side.id.bytes)},
          {"prev", header.prev ? json(to_hex(header.prev->bytes)) : json(nullptr)},
          {"at", stamp_text(header.stamp)},
          {"kind", static_cast<unsigned>(header.kind)},
          {"rest", to_hex(header.rest)},
          {"signature", to_hex(side.signature.bytes)}};
}

json fork_object(const state::Space& space, const state::EntryId& proof) {
  const auto entry = state::decode_entry(space.find(proof)->wire);
  CHECK(entry.has_value());
  const auto fork = state::read_fork(space.genesis().id, entry->content.body);
  CHECK(fork.has_value());
  return {{"namespace", space.genesis().name},
          {"author", to_string(node_id_of(fork->author()))},
          {"epoch", fork->sides[0].header.epoch},
          {"seq", fork->sides[0].header.seq},
          {"sides", {side_object(fork->sides[0]), side_object(fork->sides[1])}},
          {"witness", to_string(node_id_of(entry->content.author))},
          {"proof", to_hex(proof.bytes)}};
}

// The parameter after: an entry's id, as a row told it.
std::expected<std::optional<state::EntryId>, ApiError> query_entry(const ControlRequest& request) {
  const auto found = request.query.find("after");
  if (found == request.query.end()) return std::nullopt;
  const auto bytes = array_from_hex<sizeof(state::EntryId)>(found->second);
  if (!bytes) return std::unexpected(bad_request("after must be the id of a row, as an earlier answer told it"));
  return state::EntryId{*bytes};
}

}  // namespace

std::optional<std::string> rights_json(const state::Space& space, const std::optional<state::EntryId>& after, std::size_t max) {
  const std::vector<state::Rights::Given> given = space.rights().given();
  auto next = given.begin();
  if (after) {
    next = std::ranges::find(given, *after, &state::Rights::Given::id);
    if (next == given.end()) return std::nullopt;
    ++next;
  }
  json grants = json::array();
  for (; next != given.end() && grants.size() < max; ++next) grants.push_back(grant_object(*next));
  return dump({{"namespace", space.genesis().name},
               {"access", space.rights().open() ? "open" : "owned"},
               {"owner", space.rights().open() ? json(nullptr) : json(to_string(node_id_of(space.genesis().creator)))},
               {"grants", std::move(grants)},
               {"more", next != given.end()}});
}

std::string granted_json(const state::Space& space, const NodeId& to) {
  std::optional<state::Rights::Given> last;
  for (state::Rights::Given& given : space.rights().given()) {
    if (given.grant.to == to) last = std::move(given);
  }
  json out = last ? grant_object(*last) : json(nullptr);
  return dump(out);
}

std::string revoked_json(const state::Space& space, const NodeId& of, std::size_t entries) {
  return dump({{"namespace", space.genesis().name}, {"id", to_string(of)}, {"revoked", true}, {"entries", entries}});
}

std::string forks_json(const state::State& state, const state::Space* space, const std::optional<state::EntryId>& after, std::size_t max) {
  std::map<state::EntryId, const state::Space*> page;  // the lowest after `after`
  const auto look = [&](const state::Space& one) {
    for (const auto& [author, proof] : one.proofs()) {
      if (after && proof <= *after) continue;
      page.emplace(proof, &one);
      if (page.size() > max) page.erase(std::prev(page.end()));
    }
  };
  if (space != nullptr) look(*space);
  else state.for_each(look);
  json list = json::array();
  for (const auto& [proof, where] : page) list.push_back(fork_object(*where, proof));
  return dump(list);
}

ControlApi::Result ControlApi::state_rights(const ControlRequest& request) {
  if (const auto error = check_query(request, {"space", "after", "limit"})) return *error;
  const auto text = request.query.find("space");
  const state::State& shared = core_.shared_state();
  const bool forks = request.path == "/v1/state/forks";
  if (text == request.query.end() && !forks) return bad_request("the query parameter space is missing");
  const auto limit = query_limit(request, forks ? kForksPageMax : kGrantsPageMax);
  if (!limit) return limit.error();
  const auto after = query_entry(request);
  if (!after) return after.error();
  if (text == request.query.end()) return ControlReply{200, forks_json(shared, nullptr, *after, *limit)};
  const auto name = parse_space(text->second);
  if (!name) return name.error();
  const auto space = find_space(shared, *name);
  if (!space) return space.error();
  if (forks) return ControlReply{200, forks_json(shared, *space, *after, *limit)};
  auto rights = rights_json(**space, *after, *limit);
  if (!rights) return bad_request("after must be the id of a grant that is here");
  return ControlReply{200, std::move(*rights)};
}

// Grant and revoke.
ControlApi::Result ControlApi::state_give(Now now, RequestId id, const ControlRequest& request, Output& out) {
  const bool gives = request.path == "/v1/state/grant";
  Fields fields(request.body, gives ? std::initializer_list<std::string_view>{"space", "id", "path", "rights", "entries", "expires_ms", "timeout_ms"}
                                    : std::initializer_list<std::string_view>{"space", "id", "timeout_ms"});
  const std::string space_text = fields.required_text("space", kSpaceTextMax);
  const std::string node_text = fields.required_text("id", kNodeTextMax);
  const auto timeout = timeout_of(fields);
  state::Grant grant;
  if (gives) {
    const auto path = fields.text("path", state::kPathBytesMax);
    if (path && !state::valid_path(as_bytes(*path))) fields.fail("path must be a path of the namespace");
    grant.path = to_bytes(as_bytes(path.value_or("")));
    if (const auto names = fields.texts("rights", 2, kRightsTextMax)) {
      grant.rights = 0;
      for (const std::string& right : *names) {
        if (right != "add" && right != "overwrite") fields.fail("rights are add and overwrite");
        grant.rights = static_cast<std::uint8_t>(grant.rights | (right == "add" ? state::kRightAdd : state::kRightOverwrite));
      }
      if ((grant.rights & state::kRightAdd) == 0) fields.fail("overwrite comes with add");
    }
    grant.entries = fields.number("entries", 1, state::kAuthorEntriesMax).value_or(0);
    const auto expires = fields.number("expires_ms", 1, kLastsMsMax);
    if (expires) grant.expires_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.wall.value)) + *expires;
  }
  if (fields.error()) return *fields.error();
  auto name = parse_space(space_text);
  if (!name) return name.error();
  const auto space = find_space(core_.shared_state(), *name);
  if (!space) return space.error();
  const auto node = find_node(core_, node_text);
  if (!node) return node.error();
  grant.to = *node;
  const state::NamespaceId space_id = (*space)->genesis().id;
  const OpId done = gives ? core_.state_grant(now, space_id, grant, out) : core_.state_revoke(now, space_id, *node, out);
  StateOp op{.what = gives ? StateOp::What::kGrant : StateOp::What::kRevoke, .space = std::move(*name), .id = space_id, .node = *node};
  return keep(now, id, std::move(op), done, timeout);
}

}  // namespace weft::node
