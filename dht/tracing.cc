#include "dht/tracing.h"

#include <algorithm>

#include "dht/lookup.h"

namespace weft::dht {

void Tracing::begin(OpKey op, Instant now) {
  Traced& traced = traced_[op];
  traced.began = now;
  entropy_.fill(traced.id);
}

void Tracing::end(OpKey op) {
  if (!traced_.empty()) traced_.erase(op);
}

std::optional<TraceContext> Tracing::asked(OpKey op, RequestTag tag, Role role, const Contact& peer, Instant now) {
  const auto it = traced_.find(op);
  if (it == traced_.end() || it->second.asked.size() >= kTracedStepsMax) return std::nullopt;
  Traced& traced = it->second;
  TraceContext context{.trace = traced.id, .span = {}};
  entropy_.fill(context.span);
  Step step{.role = role, .peer = peer, .named_by = {}, .hop = 0, .at = now - traced.began, .rtt = {}, .contacts = 0,
            .values = 0, .status = {}, .span = context.span};
  traced.asked.push_back({tag, step});
  return context;
}

void Tracing::answered(OpKey op, RequestTag tag, Instant now, const Answer& answer) {
  const auto it = traced_.find(op);
  if (it == traced_.end()) return;
  const auto asked = std::ranges::find(it->second.asked, tag, &Asked::tag);
  if (asked == it->second.asked.end()) return;
  Step& step = asked->step;
  step.rtt = now - it->second.began - step.at;
  step.contacts = answer.contacts;
  step.values = answer.values;
  step.status = answer.status;
}

Trace Tracing::trace(OpKey op, const Lookup& lookup) const {
  const auto it = traced_.find(op);
  if (it == traced_.end()) return {};
  const std::vector<Lookup::Visit> visits = lookup.visits();
  Trace out{.id = it->second.id, .steps = {}};
  for (const Asked& asked : it->second.asked) {
    Step step = asked.step;
    const auto visit = std::ranges::find(visits, step.peer.id, [](const Lookup::Visit& v) { return v.peer.id; });
    if (visit != visits.end()) step.hop = visit->hop;
    if (visit != visits.end() && step.role == Role::kWalk) step.named_by = visit->named_by;
    out.steps.push_back(step);
  }
  return out;
}

}  // namespace weft::dht
