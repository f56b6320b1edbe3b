// What happens to requests of the control API after they have started.
#include <algorithm>

#include "crypto/check.h"
#include "node/control_api.h"
#include "node/control_json.h"

namespace weft::node {
namespace {

std::string message_of(OpError error) {
  switch (error) {
    case OpError::kNotFound:
      return "no such value or node";
    case OpError::kTimedOut:
      return "no result within the time allowed";
    case OpError::kNoPeers:
      return "no peer answers; see weft doctor";
    case OpError::kTooLarge:
      return "the value is too large";
    case OpError::kConflict:
      return "the current number is another than the one given";
    case OpError::kQuorum:
      return "fewer copies were stored than asked for";
    case OpError::kOverloaded:
      return "too many operations are under way; try again";
    case OpError::kStore:
      return "the node's store cannot write; see weft doctor";
    case OpError::kNoRoom:
      return "the nodes nearest to the key have no room for it; raise limits.store there, or use "
             "another key";
    case OpError::kShutdown:
      return "the node is leaving";
    case OpError::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

ApiError to_error(const dht::OpFailure& failure) {
  ApiError error{std::string(to_string(failure.error)), message_of(failure.error)};
  if (failure.error == OpError::kConflict) {
    error.extra.emplace_back("current_seq", std::to_string(failure.current_seq));
  }
  if (failure.error == OpError::kQuorum) {
    error.extra.emplace_back("replicas", std::to_string(failure.replicas));
  }
  return error;
}
ApiError to_error(OpError error) { return to_error(dht::OpFailure{error}); }

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + escaped(name);
  return text;
}

ApiError no_reader(const NodeId& reader) {
  return {"not_found", "no node " + to_string(reader) + " answers; its key is needed to encrypt for it"};
}

ApiError several_authors(const dht::GetOk& get) {
  std::string list = "[";
  for (const dht::FoundValue& value : get.values) {
    list += (list.size() > 1 ? ",\"" : "\"") + to_string(value.author_id) + "\"";
  }
  return {"several_authors",
          std::to_string(get.values.size()) + " authors have a value there; choose one, or all",
          {{"authors", list + "]"}}};
}

}  // namespace

Later ControlApi::keep(Now now, RequestId id, What what, std::optional<OpId> op,
                       std::optional<Duration> timeout) {
  Pending pending{std::move(what), op, now.mono, std::nullopt};
  if (timeout) pending.deadline = now.mono + *timeout;
  const bool fresh = pending_.emplace(id, std::move(pending)).second;
  CHECK(fresh);
  return {};
}

std::optional<RequestId> ControlApi::find(OpId op) const {
  for (const auto& [id, pending] : pending_) {
    if (pending.op == op) return id;
  }
  return std::nullopt;
}

void ControlApi::answer(RequestId id, ControlReply reply) {
  const std::size_t erased = pending_.erase(id);
  CHECK(erased == 1);
  answers_.push_back({id, std::move(reply)});
}

void ControlApi::on_event(Now now, const Event& event, Output& out) {
  if (const auto* change = std::get_if<gossip::MemberChanged>(&event)) on_member_changed(now, *change);
  if (pending_.empty() && to_publish_.empty() && publishing_.empty()) return;
  std::visit(
      [&](const auto& e) {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, dht::LookupDone> || std::is_same_v<E, dht::GetDone> || std::is_same_v<E, state::StateDone>) {
          on_done(now, e, out);
        } else if constexpr (requires { e.op; }) {
          on_done(now, e);
        } else if constexpr (std::is_same_v<E, state::StateArrived>) {
          on_arrived(e);
        } else if constexpr (std::is_same_v<E, gossip::MemberChanged> || std::is_same_v<E, Ready>) {
          check_waits(now);
        }
      },
      event);
}

void ControlApi::on_done(Now now, const dht::PutDone& done) {
  if (published(done)) return;
  const auto id = find(done.op);
  if (!id) return;
  const Pending& pending = pending_.at(*id);
  const auto& put = std::get<PutOp>(pending.what);
  if (!done.result) return answer(*id, to_error(done.result.error()));
  const Duration elapsed = now.mono - pending.started;
  answer(*id,
         {200, put.withdraw ? rm_json(put.key, *done.result)
                            : put_json(put.key, core_.identity().id(), *done.result, put.traced,
                                       elapsed)});
}

void ControlApi::on_done(Now now, const dht::GetDone& done, Output& out) {
  const auto id = find(done.op);
  if (!id) return;
  const Pending& pending = pending_.at(*id);
  if (std::holds_alternative<FindSpaceOp>(pending.what)) {
    // Nobody has published it: as if nothing that was found fitted.
    const bool none = !done.result && done.result.error().error == OpError::kNotFound;
    if (none) return on_geneses(now, *id, {}, out);
    if (!done.result) return answer(*id, to_error(done.result.error()));
    return on_geneses(now, *id, *done.result, out);
  }
  const auto& get = std::get<GetOp>(pending.what);
  if (!done.result) return answer(*id, to_error(done.result.error()));
  const NodeId& self = core_.identity().id();
  dht::GetOk found = *done.result;
  if (get.providers) {
    auto list = providers_json(core_, found);
    if (!list) return answer(*id, to_error(OpError::kNotFound));
    return answer(*id, {200, std::move(*list)});
  }
  if (found.values.empty()) return answer(*id, to_error(OpError::kNotFound));
  if (!get.all && found.values.size() > 1) {
    const auto own = std::ranges::find(found.values, self, &dht::FoundValue::author_id);
    if (own == found.values.end()) return answer(*id, several_authors(found));
    found.values = {dht::FoundValue(*own)};
  }
  answer(*id, {200, get_json(get.key, get.dht_key, found, core_, get.traced, now.mono - pending.started)});
}

// The key is known: the put itself begins.
void ControlApi::put_sealed(Now now, RequestId id, const PublicKey& reader, Output& out) {
  Pending& pending = pending_.at(id);
  const auto seal = std::move(std::get<SealOp>(pending.what));
  auto sealed = core_.seal_value(reader, seal.dht_key, seal.plain);
  if (!sealed) return answer(id, bad_request("nothing can be encrypted for that node's key"));
  pending.what = seal.put;
  pending.op = core_.put(now, seal.dht_key, std::move(*sealed), seal.options, out);
}

void ControlApi::on_done(Now now, const dht::LookupDone& done, Output& out) {
  const auto id = find(done.op);
  if (!id) return;
  const Pending& pending = pending_.at(*id);
  if (!done.result) return answer(*id, to_error(done.result.error()));
  if (const auto* seal = std::get_if<SealOp>(&pending.what)) {
    const auto reader = std::ranges::find(done.result->closest, seal->reader, &Contact::id);
    if (reader == done.result->closest.end()) return answer(*id, no_reader(seal->reader));
    return put_sealed(now, *id, reader->key, out);
  }
  const auto& lookup = std::get<LookupOp>(pending.what);
  answer(*id, {200, lookup_json(lookup.target, *done.result, now.mono - pending.started)});
}

void ControlApi::on_done(Now, const PingDone& done) {
  const auto id = find(done.op);
  if (!id) return;
  if (!done.rtt) return answer(*id, to_error(done.rtt.error()));
  answer(*id, {200, ping_json(*done.rtt)});
}

void ControlApi::on_done(Now now, const JoinDone& done) {
  const auto id = find(done.op);
  if (!id) return;
  if (!done.result) {
    const auto& join = std::get<JoinOp>(pending_.at(*id).what);
    return answer(*id, done.result.error() == OpError::kTimedOut ? no_seed_answers(join)
                                                                 : to_error(done.result.error()));
  }
  const Duration elapsed = now.mono - pending_.at(*id).started;
  answer(*id, {200, join_json(done.joined, done.alive, elapsed)});
}

void ControlApi::on_done(Now, const LeaveDone& done) {
  // Several clients may have asked to leave; one departure answers all.
  while (const auto id = find(done.op)) answer(*id, {200, "{\"left\":true}"});
}

void ControlApi::on_resolved(Now now, RequestId id, const std::vector<Seed>& seeds,
                             const std::vector<std::string>& unresolved, Output& out) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;  // timed out or hung up meanwhile
  if (seeds.empty()) {
    return answer(id, ApiError{"no_peers", "cannot resolve " + listed(unresolved) +
                                               "; check the spelling and the name server"});
  }
  std::get<JoinOp>(found->second.what).unresolved = unresolved;
  found->second.op = core_.join(now, seeds, out);
}

ApiError ControlApi::no_seed_answers(const JoinOp& join) {
  std::vector<std::string> silent;
  for (const std::string& seed : join.seeds) {
    const bool resolved = std::ranges::none_of(
        join.unresolved, [&seed](const std::string& name) { return seed.find(name) != seed.npos; });
    if (resolved) silent.push_back(seed);
  }
  ApiError error{"timed_out", "no answer from " + listed(silent)};
  if (!join.unresolved.empty()) error.message += "; cannot resolve " + listed(join.unresolved);
  error.message += "; check that they run, in network " + escaped(host_.facts().network) +
                   ", and that UDP is let through, then join again; see weft doctor";
  return error;
}

void ControlApi::check_waits(Now now) {
  const Status status = core_.status();
  if (!status.ready) return;
  for (auto next = pending_.begin(); next != pending_.end();) {
    const auto current = next++;  // answer() erases it
    const auto* wait = std::get_if<WaitOp>(&current->second.what);
    if (wait == nullptr || status.members.alive < wait->members) continue;
    answer(current->first,
           {200, wait_json(status.members.alive, now.mono - current->second.started)});
  }
}

void ControlApi::on_deadline(Now now, Output& out) {
  for (auto next = pending_.begin(); next != pending_.end();) {
    const auto current = next++;
    if (!current->second.deadline || *current->second.deadline > now.mono) continue;
    if (std::holds_alternative<ChangesOp>(current->second.what)) {
      tell_changes(current->first, /*at_end=*/true);
      continue;
    }
    if (const auto* ask = std::get_if<MemberChangesOp>(&current->second.what)) {
      answer(current->first, *told_members(now, *ask, /*at_end=*/true));
      continue;
    }
    const Pending pending = current->second;
    const auto* join = std::get_if<JoinOp>(&pending.what);
    answer(current->first, join != nullptr ? no_seed_answers(*join) : to_error(OpError::kTimedOut));
    give_up(now, pending, out);
  }
}

// Its Done event will find nobody. A departure is not called off, and what is being written cannot be.
void ControlApi::give_up(Now now, const Pending& pending, Output& out) {
  const bool goes_on = std::holds_alternative<LeaveOp>(pending.what) || std::holds_alternative<StateOp>(pending.what);
  if (pending.op && !goes_on) core_.cancel(now, *pending.op, out);
}

std::optional<Instant> ControlApi::next_deadline() const {
  std::optional<Instant> next;
  for (const auto& [id, pending] : pending_) {
    if (pending.deadline && (!next || *pending.deadline < *next)) next = pending.deadline;
  }
  return next;
}

void ControlApi::on_hang_up(Now now, RequestId id, Output& out) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const Pending pending = std::move(found->second);
  pending_.erase(found);
  give_up(now, pending, out);
}

void ControlApi::shutdown() {
  while (!pending_.empty()) answer(pending_.begin()->first, to_error(OpError::kShutdown));
}

}  // namespace weft::node
