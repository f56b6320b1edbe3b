// What happens to requests about shared state after they have started, and how namespaces are published.
#include <algorithm>
#include <set>

#include "crypto/check.h"
#include "node/control_api.h"

namespace weft::node {
namespace {

// What a person reads about the operation: the namespace, or the document.
std::string subject(const StateOp& op) {
  return op.what == StateOp::What::kWrite ? DocName{op.space, op.path}.text() : op.space.text;
}

// The id before this one in the order of ids; none before the first.
std::optional<NodeId> id_before(NodeId id) {
  for (auto byte = id.bytes.rbegin(); byte != id.bytes.rend(); ++byte) {
    if ((*byte)-- != 0) return id;
  }
  return std::nullopt;
}

bool has_own_value(const NodeCore& core, const NodeId& key) {
  bool found = false;
  core.for_each_own(id_before(key), 1, [&](const dht::OwnValue& own) { found = own.key == key && !own.withdrawn; });
  return found;
}

}  // namespace

void ControlApi::on_done(Now now, const state::StateDone& done, Output& out) {
  const auto id = find(done.op);
  const auto* op = id ? &std::get<StateOp>(pending_.at(*id).what) : nullptr;
  if (const auto after = to_publish_.extract(done.op); after && done.entries) {
    const auto& [genesis, withdraw] = after.mapped();
    withdraw ? unpublish(now, genesis, out) : publish(now, genesis, out);
  }
  if (op == nullptr) return;
  if (!done.entries) return answer(*id, to_error(done.entries.error(), subject(*op)));
  answer(*id, state_reply(now, *op, *done.entries));
}

ControlReply ControlApi::state_reply(Now now, const StateOp& op, std::size_t entries) const {
  if (op.left) return {200, left_json(*op.left)};
  const state::Space* space = core_.shared_state().find(op.id);
  if (space == nullptr) return to_reply(no_such_space(op.space));  // left by another client meanwhile
  switch (op.what) {
    case StateOp::What::kLeave:
    case StateOp::What::kCreate:
    case StateOp::What::kJoin: return {200, space_json(*space, core_.identity().id(), now)};
    case StateOp::What::kWrite: return {200, written_json(*space, {op.space, op.path}, op.change)};
    case StateOp::What::kBatch: return {200, batch_json(space->genesis(), op.given, entries)};
    case StateOp::What::kGrant: return {200, granted_json(*space, op.node)};
    case StateOp::What::kRevoke: return {200, revoked_json(*space, op.node, entries)};
    case StateOp::What::kImport: return {200, import_json(space->genesis(), entries, op.given)};
  }
  return to_reply({"internal", "unknown"});
}

// The values under a name are anybody's: what is no genesis, or of another name or creator, is passed over.
void ControlApi::on_geneses(Now now, RequestId id, const dht::GetOk& found, Output& out) {
  Pending& pending = pending_.at(id);
  const SpaceName name = std::get<FindSpaceOp>(pending.what).space;
  std::vector<state::Genesis> geneses;
  std::set<NodeId> publishers;
  for (const dht::FoundValue& value : found.values) {
    auto genesis = core_.read_genesis(value.value);
    if (!genesis || !name.fits(*genesis)) continue;
    publishers.insert(value.author_id);
    const bool known = std::ranges::find(geneses, genesis->id, &state::Genesis::id) != geneses.end();
    if (!known) geneses.push_back(std::move(*genesis));
  }
  if (geneses.empty()) {
    return answer(id, ApiError{"not_found", "nobody has published a namespace \"" + escaped(name.text) +
                                                "\"; check the name, and that a node that has it runs; or create it"});
  }
  if (geneses.size() > 1) {
    std::vector<NodeId> creators;
    for (const state::Genesis& genesis : geneses) creators.push_back(node_id_of(genesis.creator));
    return answer(id, several_spaces(name, std::move(creators)));
  }
  state::Genesis& genesis = geneses.front();
  pending.what = StateOp{.what = StateOp::What::kJoin, .space = name, .id = genesis.id};
  const OpId op = core_.state_join(now, genesis, out);
  pending.op = op;
  if (publishers.size() < kPublishersEnough) to_publish_.emplace(op, Publication{std::move(genesis)});
}

// ---- publication

void ControlApi::publish(Now now, const state::Genesis& genesis, Output& out) {
  const OpId op = core_.put(now, state::name_key(genesis.name), genesis.wire, {}, out);
  publishing_.emplace(op, genesis.name);
}

// An own value there may be the genesis that was left; another namespace of that name here takes its place.
void ControlApi::unpublish(Now now, const state::Genesis& left, Output& out) {
  const NodeId key = state::name_key(left.name);
  if (!has_own_value(core_, key)) return;
  std::optional<state::Genesis> other;
  core_.shared_state().for_each([&](const state::Space& space) {
    if (space.genesis().name == left.name) other = space.genesis();
  });
  if (other) return publish(now, *other, out);
  dht::PutOptions options;
  options.withdraw = true;
  publishing_.emplace(core_.put(now, key, {}, options, out), left.name);
}

bool ControlApi::published(const dht::PutDone& done) {
  const auto publication = publishing_.extract(done.op);
  if (!publication) return false;
  const std::string name = escaped(publication.mapped());
  if (done.result) {
    host_.log().debug("the namespace " + name + " is published on " + std::to_string(done.result->replicas) + " nodes");
  } else if (done.result.error().error != OpError::kShutdown) {
    host_.log().warn("the namespace " + name + " could not be published (" + std::string(to_string(done.result.error().error)) +
                     "): others may not find it by its name; if this node created it, say weft state create again");
  }
  return true;
}

// ---- watchers

void ControlApi::on_arrived(const state::StateArrived& arrived) {
  for (auto next = pending_.begin(); next != pending_.end();) {
    const auto current = next++;  // an answer erases it
    const auto* ask = std::get_if<ChangesOp>(&current->second.what);
    if (ask != nullptr && ask->id == arrived.space) tell_changes(current->first, /*at_end=*/false);
  }
}

void ControlApi::tell_changes(RequestId id, bool at_end) {
  auto& ask = std::get<ChangesOp>(pending_.at(id).what);
  const state::Space* space = core_.shared_state().find(ask.id);
  if (space == nullptr) return answer(id, no_such_space(ask.space));
  Changes changes = changes_json(*space, ask);
  if (changes.some || at_end) return answer(id, {200, std::move(changes.json)});
  ask.after = changes.cursor;
}

}  // namespace weft::node
