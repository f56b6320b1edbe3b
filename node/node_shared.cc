// Shared state at NodeCore: the operations, and who takes part.
#include <algorithm>

#include "node/node_state.h"

namespace weft::node {
namespace {

// Members that are asked at once when a namespace is new here.
constexpr std::size_t kGreeted = 3;
// The first protocol minor whose nodes know of shared state.
constexpr std::uint32_t kStateMinor = 3;

}  // namespace

bool NodeCore::State::speaks_state(const NodeId& peer) const {
  const auto member = membership->find(peer);
  return member && member->record->minor >= kStateMinor;
}

template <class Begin>
OpId NodeCore::State::state_op(Now now, Output& out, Begin begin) {
  const OpId op = next_op();
  if (membership == nullptr || leaving) {
    out.events.push_back(state::StateDone{op, std::unexpected(state::Error::kShutdown)});
    return op;
  }
  const std::size_t before = out.send.datagrams().size();
  begin(op);
  drain(now, out);
  count_sent(out, before);
  return op;
}

// Some members that take part, at random, so that a new namespace need not wait for the next probe.
void NodeCore::State::greet_some(Now now) {
  std::vector<Contact> all;
  membership->for_each([&](const gossip::MemberView& member) {
    const bool other = member.record->id != deps.identity.id();
    if (other && member.state == gossip::MemberState::kAlive && member.record->minor >= kStateMinor) {
      all.push_back(make_contact(member.record->key, member.address));
    }
  });
  rng.shuffle(std::span(all));
  for (std::size_t i = 0; i < std::min(kGreeted, all.size()); ++i) shared.greet(now, all[i], state_out);
}

OpId NodeCore::state_create(Now now, std::string_view name, state::Access access, Output& out) {
  State& s = *state_;
  return s.state_op(now, out, [&](OpId op) {
    s.shared.create(now, op, name, access, s.state_out);
    s.greet_some(now);
  });
}

OpId NodeCore::state_join(Now now, const state::Genesis& genesis, Output& out) {
  State& s = *state_;
  return s.state_op(now, out, [&](OpId op) {
    s.shared.join(now, op, genesis, s.state_out);
    s.greet_some(now);
  });
}

OpId NodeCore::state_leave(Now now, const state::NamespaceId& space, Output& out) {
  State& s = *state_;
  return s.state_op(now, out, [&](OpId op) { s.shared.leave(now, op, space, s.state_out); });
}

OpId NodeCore::state_write(Now now, const state::NamespaceId& space, std::span<const state::Change> changes, Output& out) {
  State& s = *state_;
  return s.state_op(now, out, [&](OpId op) { s.shared.write(now, op, space, changes, s.state_out); });
}

OpId NodeCore::state_import(Now now, const state::NamespaceId& space, std::span<const ByteView> entries, Output& out) {
  State& s = *state_;
  return s.state_op(now, out, [&](OpId op) { s.shared.import(now, op, space, entries, s.state_out); });
}

OpId NodeCore::state_grant(Now now, const state::NamespaceId& space, const state::Grant& grant, Output& out) {
  State& s = *state_;
  return s.state_op(now, out, [&](OpId op) { s.shared.grant(now, op, space, grant, s.state_out); });
}

OpId NodeCore::state_revoke(Now now, const state::NamespaceId& space, const NodeId& of, Output& out) {
  State& s = *state_;
  return s.state_op(now, out, [&](OpId op) { s.shared.revoke(now, op, space, of, s.state_out); });
}

const state::State& NodeCore::shared_state() const { return state_->shared; }
const ServedLog& NodeCore::served() const { return state_->served; }

void NodeCore::watch_flow(Now now) { state_->flow.watch(now); }
const Flow& NodeCore::flow() const { return state_->flow; }

std::expected<state::Genesis, state::EntryError> NodeCore::read_genesis(ByteView wire) const {
  return state::read_genesis(state_->deps.provider, wire);
}

}  // namespace weft::node
