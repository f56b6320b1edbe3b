#include "dht/lookup_op.h"

namespace weft::dht {
namespace {

// Who wants few of the closest is content with few contacts an answer; fewer than these would be easy to lie with.
constexpr std::size_t kContactsWantedMin = 8;

FindNode question(const NodeId& target, std::size_t want) {
  return {.target = target,
          .contacts_max = static_cast<std::uint8_t>(std::clamp(want, kContactsWantedMin, kContactsPerReply))};
}

}  // namespace

LookupOp::LookupOp(std::optional<OpId> user, const Options& options)
    : Operation(user), options_(options) {}

void LookupOp::start(Now now, Core& core, Output& out) {
  if (options_.trace) core.tracing.begin(key(), now.mono);
  walk_.emplace(now, core, key(),
                Walk::Options{.target = options_.target,
                              .message = question(options_.target, options_.want),
                              .want = options_.want,
                              .paths = options_.paths,
                              .background = background()});
  advance(now, core, out);
}

void LookupOp::on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                        Output& out) {
  walk_->on_nodes(asked, rtt, m);
  advance(now, core, out);
}

void LookupOp::on_slow(Now now, Core& core, const Asked& asked, Output& out) {
  walk_->on_slow(asked);
  advance(now, core, out);
}

void LookupOp::on_timeout(Now now, Core& core, const Asked& asked, Output& out) {
  walk_->on_timeout(asked);
  advance(now, core, out);
}

void LookupOp::advance(Now now, Core& core, Output& out) {
  walk_->pump(now, core, out);
  if (!walk_->ended(core, out)) return;
  const Lookup& lookup = walk_->lookup();
  const std::vector<Target> nearest = lookup.closest(options_.want);
  if (nearest.empty()) {
    return fail(lookup.queries() == 0 ? OpError::kNoPeers : OpError::kTimedOut, out);
  }
  core.note_nearest(options_.target, nearest);
  finish();
  if (!user()) return;
  LookupOk ok{.target = options_.target, .closest = {}, .hops = lookup.hops(),
              .queries = lookup.queries(), .trace = core.tracing.trace(key(), lookup)};
  for (const Target& to : nearest) {
    const RoutingTable::Entry* known = core.table.find(to.id);
    ok.closest.push_back({to.key, to.id, known ? known->contact.endpoint : to.endpoints[0]});
  }
  out.events.push_back(LookupDone{*user(), std::move(ok)});
}

void LookupOp::fail(OpError why, Output& out) {
  finish();
  if (user()) out.events.push_back(LookupDone{*user(), std::unexpected(OpFailure{.error = why})});
}

void LookupOp::end(Now, Core&, OpError why, Output& out) { fail(why, out); }

}  // namespace weft::dht
