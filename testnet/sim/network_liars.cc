// What a hostile node knows of the simulated network, and what it does there beside its protocol.
#include "testnet/sim/network.h"

#include <algorithm>

namespace weft::sim {

Endpoint ghost(std::size_t number) {
  return Endpoint::v4(10, 255, 255, static_cast<std::uint8_t>(number), 9338);
}

bool is_ghost(const Endpoint& endpoint) { return endpoint == ghost(endpoint.ip[15]); }

// What a liar knows: everything. Others of its kind are looked for when it lies.
LyingProvider::Knowledge SimNetwork::knowledge(std::size_t index) {
  const auto some = [this, index](Rng& rng, auto&& fits) -> std::optional<std::size_t> {
    const std::size_t from = rng.below(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const std::size_t at = (from + i) % nodes_.size();
      if (at != index && fits(*nodes_[at])) return at;
    }
    return std::nullopt;
  };
  const auto alive = [](const Node& n) { return n.core != nullptr; };
  return {
      .somewhere = [this, some, alive, index](Rng& rng) {
        return nodes_[some(rng, alive).value_or(index)]->endpoint;
      },
      .accomplice = [this, some, index](Rng& rng) -> std::optional<Contact> {
        const Lie role = nodes_[index]->faults.lie;
        const auto at = some(rng, [role](const Node& n) { return n.core != nullptr && n.faults.lie == role; });
        if (!at) return std::nullopt;
        return make_contact(nodes_[*at]->identity->public_key(), nodes_[*at]->endpoint);
      },
      .accomplices_near = [this, index](const NodeId& target, std::size_t most) {
        const Lie role = nodes_[index]->faults.lie;
        std::vector<const Node*> all;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
          if (i != index && nodes_[i]->core != nullptr && nodes_[i]->faults.lie == role) all.push_back(nodes_[i].get());
        }
        const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(most, all.size()));
        std::ranges::partial_sort(all, end, [&target](const Node* a, const Node* b) {
          return closer(target, a->identity->id(), b->identity->id());
        });
        std::vector<Contact> out;
        for (auto it = all.begin(); it != end; ++it) out.push_back(make_contact((*it)->identity->public_key(), (*it)->endpoint));
        return out;
      },
      .victim = [this, some, alive, index](Rng& rng) {
        return nodes_[some(rng, alive).value_or(index)]->identity->id();
      },
  };
}

std::optional<NodeId> SimNetwork::id_at(const Endpoint& endpoint) const {
  const auto at = index_of(endpoint);
  return at ? std::optional(id(*at)) : std::nullopt;
}

void SimNetwork::set_state_liar(std::size_t index, Lie lie) {
  Node& n = *nodes_[index];
  n.state_liar.reset();
  n.provider->listen({});
  if (!of_state(lie) || n.core == nullptr) return;
  n.state_liar = std::make_unique<StateLiar>(lie, n.mischief.fork("state"), *n.identity);
  StateLiar& liar = *n.state_liar;
  n.provider->listen({
      .hears = [this, &liar](ByteView payload) { return heard_from_ && liar.hears(*heard_from_, payload); },
      .withholds = [&liar](ByteView payload) { return liar.withholds(payload); },
  });
  begin_to_act(index, liar.pace());
}

void SimNetwork::set_member_liar(std::size_t index, Lie lie) {
  Node& n = *nodes_[index];
  n.member_liar.reset();
  if (!of_members(lie) || n.core == nullptr) return;
  n.member_liar = std::make_unique<MemberLiar>(lie, n.mischief.fork("members"), *n.identity);
  MemberLiar& liar = *n.member_liar;
  n.provider->listen({
      .hears = [this, &liar](ByteView payload) { return heard_from_ && liar.hears(*heard_from_, payload); },
      .withholds = [&liar](ByteView payload) { return liar.withholds(payload); },
  });
  begin_to_act(index, liar.pace());
}

void SimNetwork::begin_to_act(std::size_t index, Duration pace) {
  Node& n = *nodes_[index];
  n.lies_from = now_.mono;
  Event e;
  e.kind = Event::Kind::kLie;
  e.node = index;
  e.life = n.life;
  e.due = n.lies_from;
  push(now_.mono + pace, std::move(e));
}

std::vector<NodeId> SimNetwork::peers_of(std::size_t index) const {
  std::set<NodeId> others;  // a twin is its other half's
  for (const auto& other : nodes_) {
    if (other->core != nullptr && other->identity->id() != nodes_[index]->identity->id()) others.insert(other->identity->id());
  }
  return {others.begin(), others.end()};
}

template <class Says>
void SimNetwork::say_lies(std::size_t index, const Says& says) {
  if (says.empty()) return;
  Node& n = *nodes_[index];
  node::Output out;
  for (const auto& say : says) {
    n.provider->will_say(say.payload);
    n.core->say(local(n), say.to, say.payload, out);
  }
  carry_out(index, out);
}

void SimNetwork::lie_of_members(std::size_t index, bool acts) {
  Node& n = *nodes_[index];
  heard_from_.reset();
  if (acts) {
    std::vector<gossip::MemberView> members;
    n.core->for_each_member([&](const gossip::MemberView& m) {
      if (m.record->id != n.identity->id() && m.state != gossip::MemberState::kLeft) members.push_back(m);
    });
    n.member_liar->act(members, peers_of(index));
  } else {
    n.member_liar->answer();
  }
  say_lies(index, n.member_liar->take_says());
}

void SimNetwork::lie_of_state(std::size_t index, bool acts) {
  Node& n = *nodes_[index];
  heard_from_.reset();
  if (acts) {
    n.state_liar->act(local(n), n.core->shared_state(), peers_of(index));
  } else {
    n.state_liar->answer(n.core->shared_state());
  }
  say_lies(index, n.state_liar->take_says());
}

// What a liar does beside its protocol: replays an old datagram to its receiver, and shows a third
// node the present one under the receiver's address.
void SimNetwork::mischief(std::size_t index, const Endpoint& to, ByteView bytes) {
  Node& n = *nodes_[index];
  if (weather_ == nullptr) return;
  const auto at = index_of(to);
  if (!at || !reaches(*at, to)) return;
  const auto port_at = [this](std::size_t receiver, const Endpoint& where) {
    return nodes_[receiver]->natted ? where.port : std::uint16_t{0};
  };
  if (n.mischief.chance({n.faults.replay_ppm, 1'000'000})) {
    if (!n.kept.empty() && reaches(n.kept_for, n.kept_to)) {
      deliver(index, source_of(index, n.kept_to), n.kept_for, port_at(n.kept_for, n.kept_to), n.kept);
    }
    n.kept = to_bytes(bytes);
    n.kept_to = to;
    n.kept_for = *at;
  }
  if (n.mischief.chance({n.faults.spoof_ppm, 1'000'000})) {
    std::size_t third = n.mischief.below(nodes_.size());
    if (third == index) return;
    Endpoint claimed = to;
    if (n.mischief.below(2) == 0) {
      claimed = ghost(n.mischief.below(kGhosts));
      // Only its receiver can open it, and so be made to answer somebody else.
      if (n.mischief.below(2) == 0) third = *at;
    }
    deliver(index, claimed, third, third == *at ? port_at(third, to) : std::uint16_t{0}, bytes);
  }
}

}  // namespace weft::sim
