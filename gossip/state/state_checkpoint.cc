// Our own checkpoints: when. What they say is checkpoint_plan.h's.
#include <algorithm>

#include "gossip/state/checkpoint_plan.h"
#include "gossip/state/state_inside.h"

namespace weft::state {
namespace {

// An author of many entries looks through them less often: once they could have changed by this part.
constexpr std::size_t kLookPart = 16;
constexpr std::size_t kQuotaParts = 8;

}  // namespace

void State::Inside::maybe_checkpoint(Now now, Local& local, Output& out) {
  if (ended || local.checkpoint_waiting || waiting.size() >= kWritesMax) return;
  local.look_at_own = false;
  local.space.forget_lost();
  const PublicKey& self = identity.public_key();
  const std::vector<Space::Own> own = local.space.own_settled(self);
  // Who may have few entries here looks through them sooner.
  const std::size_t part = std::max<std::size_t>(1, local.space.entries_max(self) / kQuotaParts);
  const std::size_t worth = std::min(kCheckpointWorth, part);
  // What is discarded already and stays because of others does not go by another checkpoint.
  const auto useless = static_cast<std::size_t>(
      std::ranges::count_if(own, [](const Space::Own& place) { return !place.counts && !place.discarded && !place.checkpoint; }));
  // What is useless already waits for fewer.
  const std::size_t lacking = useless < worth ? worth - useless : worth;
  local.look_after = std::max({lacking, worth / kLookPart, own.size() / kLookPart, std::size_t{1}});
  // Of the lives before this one, once: one that wrote ahead of its time would stay open until then.
  std::set<std::uint64_t> open;
  if (local.epoch && !std::exchange(local.epochs_closed, true)) open = local.space.open_epochs(self);
  if (local.epoch) open.erase(*local.epoch);
  if (useless < worth && open.empty()) return;
  const auto choice = choose_grant(now, local, Kind::kCheckpoint, as_bytes(kCheckpointPath));
  if (!choice) return;
  const std::vector<Checkpoints::InForce> in_force = local.space.checkpoints().in_force(self);
  const std::vector<CheckpointSections> bodies = plan_checkpoints({.own = own, .in_force = in_force, .open = std::move(open), .worth = worth});
  if (bodies.empty()) return;
  std::vector<EntryId> written;
  for (const CheckpointSections& body : bodies) {
    Draft draft{.kind = Kind::kCheckpoint, .path = to_bytes(as_bytes(kCheckpointPath)), .body = checkpoint_body(body), .saw = {}};
    if (*choice) draft.saw.push_back((*choice)->grant);
    if (sign(now, local, {&draft, 1}, written)) continue;
    local.epochs_closed = false;
    return withdraw(local, written);
  }
  totals.checkpoints_total += written.size();
  std::vector<Write> rows = rows_of(local, written);
  local.checkpoint_waiting = true;
  wait_for({.op = {}, .space = local.space.genesis().id, .written = std::move(written), .count = 0, .checkpoint = true}, std::move(rows), out);
}

}  // namespace weft::state
