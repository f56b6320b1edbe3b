// What has changed in the list of members since a cursor: GET /v1/members/changes.
#include <algorithm>
#include <limits>

#include "node/control_api.h"
#include "node/control_fields.h"
#include "node/event_lines.h"

namespace weft::node {

ControlApi::Result ControlApi::member_changes(Now now, RequestId id, const ControlRequest& request) {
  if (const auto error = check_query(request, {"after", "limit", "wait_ms"})) return *error;
  bool bad = false;
  const auto after = query_number(request, "after", std::numeric_limits<std::uint64_t>::max(), bad);
  const auto limit = query_number(request, "limit", kChangesPageMax, bad);
  const auto wait_ms = query_number(request, "wait_ms", kChangesWaitMsMax, bad);
  if (bad || limit == std::uint64_t{0}) {
    return bad_request("after must be a cursor, limit a number from 1 to " + std::to_string(kChangesPageMax) +
                       " and wait_ms one up to " + std::to_string(kChangesWaitMsMax));
  }
  const MemberChangesOp ask{after.value_or(member_log_.last(now)),
                            static_cast<std::size_t>(limit.value_or(kChangesPageMax))};
  if (auto told = told_members(now, ask, /*at_end=*/wait_ms.value_or(0) == 0)) return std::move(*told);
  if (!may_watch()) return ApiError{"overloaded", "too many requests wait"};
  return keep(now, id, ask, std::nullopt, std::chrono::milliseconds(*wait_ms));
}

std::optional<ControlReply> ControlApi::told_members(Now now, const MemberChangesOp& ask, bool at_end) {
  const auto reply = [](const std::string& changes, std::uint64_t cursor, std::string_view more) {
    return ControlReply{200, "{\"changes\":" + changes + ",\"cursor\":" + std::to_string(cursor) + std::string(more) + "}"};
  };
  if (!member_log_.knows(now, ask.after)) return reply("[]", member_log_.last(now), ",\"gap\":true");
  const MemberLog::Page page = member_log_.page(ask.after, ask.limit);
  if (!page.some && !at_end) return std::nullopt;
  return reply(page.changes, page.cursor, "");
}

void ControlApi::on_member_changed(Now now, const gossip::MemberChanged& change) {
  member_log_.add(now, member_event(change, now).json);
  for (auto next = pending_.begin(); next != pending_.end();) {
    const auto current = next++;  // an answer erases it
    const auto* ask = std::get_if<MemberChangesOp>(&current->second.what);
    if (ask == nullptr) continue;
    if (auto told = told_members(now, *ask, /*at_end=*/false)) answer(current->first, std::move(*told));
  }
}

bool ControlApi::may_watch() const {
  const auto watchers = std::ranges::count_if(pending_, [](const auto& entry) {
    return std::holds_alternative<ChangesOp>(entry.second.what) || std::holds_alternative<MemberChangesOp>(entry.second.what);
  });
  return static_cast<std::size_t>(watchers) < kWatchersMax && pending_.size() < kPendingRequestsMax;
}

}  // namespace weft::node
