// What the control API answers, as the types of weft.h. Pure.
//
// The answers are made in this process: what does not have the documented form is our fault, not the network's, and
// becomes kInternal rather than an end of the program that embeds us.
#pragma once

#include <vector>

#include "node/control_types.h"
#include "node/weft.h"

namespace weft::node {

// A node's own place: what open() keeps.
struct Place {
  std::string id;
  std::vector<std::string> listen;
};

Result<Place> read_place(const ControlReply& reply);
Result<std::size_t> read_alive(const ControlReply& reply);
Result<Joined> read_joined(const ControlReply& reply);
Result<std::vector<Member>> read_members(const ControlReply& reply);
Result<MemberChanges> read_member_changes(const ControlReply& reply);
Result<PutReceipt> read_put(const ControlReply& reply);
Result<Found> read_found(const ControlReply& reply);
Result<std::vector<Provider>> read_providers(const ControlReply& reply);
Result<void> read_done(const ControlReply& reply);
Result<Namespace> read_space(const ControlReply& reply);
Result<std::vector<Namespace>> read_spaces(const ControlReply& reply);
Result<DocumentNames> read_docs(const ControlReply& reply);
Result<Digest> read_digest(const ControlReply& reply);
Result<Document> read_document(const ControlReply& reply);
Result<std::int64_t> read_counter(const ControlReply& reply);
Result<Items> read_items(const ControlReply& reply);
Result<Changes> read_changes(const ControlReply& reply);

}  // namespace weft::node
