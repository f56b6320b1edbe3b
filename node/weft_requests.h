// What the calls of weft.h ask the control API. Pure: arguments to a request, or why they make none.
//
// The control API judges what it is asked and says so in its words; here is refused only what a request could not
// even say (text that is no UTF-8, a deadline out of bounds).
#pragma once

#include <expected>
#include <string_view>
#include <vector>

#include "node/control_types.h"
#include "node/weft.h"

namespace weft::node {

// A request, and how long its answer is waited for.
struct Asked {
  ControlRequest request;
  Milliseconds deadline = kDeadline;
};
using AskedOr = Result<Asked>;

AskedOr ask_wait_members(std::size_t count, const CallOptions& options);
AskedOr ask_join(const std::vector<std::string>& seeds, const CallOptions& options);
AskedOr ask_member_changes(const ChangesOptions& options);
AskedOr ask_put(std::string_view key, std::string_view value, const PutOptions& options);
AskedOr ask_get(std::string_view key, const GetOptions& options);
AskedOr ask_remove(std::string_view key, const CallOptions& options);
AskedOr ask_provide(std::string_view key, const PutOptions& options);
AskedOr ask_providers(std::string_view key, const CallOptions& options);
// What is read without arguments: the path, as "/v1/members".
AskedOr ask_read(std::string_view path, const CallOptions& options);
// What is read of or done to a namespace: the path and the space.
AskedOr ask_of_space(std::string_view path, std::string_view space, const CallOptions& options);
AskedOr ask_to_space(std::string_view path, std::string_view space, const CallOptions& options);
AskedOr ask_state_create(std::string_view space, const CreateOptions& options);
AskedOr ask_state_grant(std::string_view space, std::string_view node, const GrantOptions& options);
AskedOr ask_state_revoke(std::string_view space, std::string_view node, const CallOptions& options);
AskedOr ask_state_docs(std::string_view space, const PageOptions& options);
AskedOr ask_state_get(std::string_view doc, const CallOptions& options);
AskedOr ask_state_items(std::string_view doc, const PageOptions& options);
// One change of the document; its path counts for nothing.
AskedOr ask_state_change(std::string_view doc, const StateChange& change, const CallOptions& options);
AskedOr ask_state_write(std::string_view space, const std::vector<StateChange>& changes, const CallOptions& options);
AskedOr ask_state_changes(std::string_view space, const ChangesOptions& options);

}  // namespace weft::node
