// Shared state as the control API speaks of it: how namespaces and documents are named, what is under way, and the JSON of
// docs/CONTROL.md. Names and JSON are pure.
//
// A namespace is NAME or NAME@CREATOR (the creator's node id, or 8 of its digits or more); a document is a namespace, a slash
// and a path. Answers repeat the name that was asked with, so that what they list can be asked with again.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/control_types.h"
#include "node/node_core.h"

namespace weft::node {

inline constexpr std::size_t kSpaceTextMax = state::kNameMax + 1 + 64;  // a name, @ and an id
inline constexpr std::size_t kWatchersMax = 32;         // requests that wait for changes
inline constexpr std::size_t kChangesPageMax = 256;     // changes in one answer
inline constexpr std::size_t kChangesScanMax = 4096;    // entries looked through for them
inline constexpr std::size_t kChangesWaitMsMax = 60'000;
inline constexpr std::size_t kBatchChangesMax = 64;      // in one request
inline constexpr std::size_t kDocumentsPageMax = 256;
inline constexpr std::size_t kItemsPageMax = 1024;
inline constexpr std::size_t kConflictsShownMax = 64;
inline constexpr std::size_t kExportPageMax = 256;
inline constexpr std::size_t kGrantsPageMax = 256;
inline constexpr std::size_t kForksPageMax = 256;
inline constexpr std::size_t kPublicationsMax = 256;    // that wait for the disk
// A joiner publishes the genesis, too, where fewer have: the creator may go.
inline constexpr std::size_t kPublishersEnough = 4;

struct SpaceName {
  std::string text;     // as it was given
  std::string name;
  std::string creator;  // hex digits in lower case; empty: not given
  bool fits(const state::Genesis& genesis) const;
};
struct DocName {
  SpaceName space;
  std::string path;
  std::string text() const { return space.text + "/" + path; }
};

std::expected<SpaceName, ApiError> parse_space(std::string_view text);
std::expected<DocName, ApiError> parse_doc(std::string_view text);
// The one namespace here that is named so; `not_found` or `ambiguous` if it is not one.
std::expected<const state::Space*, ApiError> find_space(const state::State& state, const SpaceName& name);
// `ambiguous`, with the creators of those that are meant.
ApiError several_spaces(const SpaceName& name, std::vector<NodeId> creators);
ApiError no_such_space(const SpaceName& name);
ApiError no_such_document(const DocName& doc);
// `what`: the namespace or document that was asked for.
ApiError to_error(state::Error error, std::string_view what);

// ---- what is under way
struct StateOp {
  enum class What : std::uint8_t { kCreate, kJoin, kLeave, kWrite, kBatch, kImport, kGrant, kRevoke } what = What::kCreate;
  SpaceName space;
  state::NamespaceId id;
  std::string path = {};                                   // of a write
  state::Change::What change = state::Change::What::kSet;  // of a write
  std::size_t given = 0;                                   // entries of an import, changes of a batch
  std::optional<state::Genesis> left = std::nullopt;       // of a leave
  NodeId node = {};                                        // of a grant, a revoke
};
struct FindSpaceOp {  // a join that looks for the genesis in the DHT
  SpaceName space;
};
struct ChangesOp {
  SpaceName space;
  state::NamespaceId id;
  std::string path;  // empty: all of the namespace
  std::uint64_t after = 0;
  std::size_t limit = kChangesPageMax;
};

// What follows when an operation has ended well, whether or not its client still waits.
struct Publication {
  state::Genesis genesis;
  bool withdraw = false;
};

// ---- JSON
std::string space_json(const state::Space& space, const NodeId& self, Now now);
std::string spaces_json(const NodeCore& core, Now now);
std::string left_json(const state::Genesis& genesis);
// Documents of a namespace after the path `after`, with what they are.
std::string documents_json(const state::Space& space, const SpaceName& name, const std::optional<std::string>& after,
                           std::size_t max);
// A register with its concurrent values; all null if nothing is there.
std::string register_json(const state::Space& space, const DocName& doc);
std::string counter_json(const state::Space& space, const DocName& doc);
// What `get` shows: the register, else the counter of that name. An error if there is neither.
std::expected<std::string, ApiError> document_json(const state::Space& space, const DocName& doc);
// A set's elements, ascending, after `after`.
std::string items_json(const state::Space& space, const DocName& doc, const std::optional<std::string>& after,
                       std::size_t max);
// What a write has made of its document.
std::string written_json(const state::Space& space, const DocName& doc, state::Change::What change);
std::string digest_json(const state::Space& space);
// This node's place in the tree along which a namespace's entries spread, and its links.
std::string tree_json(const state::State& state, const state::Space& space);
std::string digests_json(const state::State& state);
std::string batch_json(const state::Genesis& genesis, std::size_t changes, std::size_t entries);
std::string import_json(const state::Genesis& genesis, std::size_t imported, std::size_t given);
std::string export_json(const state::Space& space, std::uint64_t after, std::size_t max);

// ---- rights and forks (control_rights.cc)
// Grants by receiver, with who owns the namespace; those after `after`. nullopt: no such grant is here.
std::optional<std::string> rights_json(const state::Space& space, const std::optional<state::EntryId>& after, std::size_t max);
// What was granted last to a node; null if nothing is there.
std::string granted_json(const state::Space& space, const NodeId& to);
std::string revoked_json(const state::Space& space, const NodeId& of, std::size_t entries);
// Who is proven to have forked, each with both headers; of one namespace, or of all, by the proof's id, after `after`.
std::string forks_json(const state::State& state, const state::Space* space, const std::optional<state::EntryId>& after, std::size_t max);
// As RFC 3339 with milliseconds.
std::string stamp_text(std::uint64_t stamp);

// What has arrived after `ask.after` at and below ask.path.
struct Changes {
  std::string json;
  std::uint64_t cursor = 0;  // what was looked at
  bool some = false;         // there is something to tell, or more to look at
};
Changes changes_json(const state::Space& space, const ChangesOp& ask);

}  // namespace weft::node
