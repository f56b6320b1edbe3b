// What a hostile node knows of the simulated network, and what it does there beside its protocol.
#include "testnet/sim/network.h"

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
      .victim = [this, some, alive, index](Rng& rng) {
        return nodes_[some(rng, alive).value_or(index)]->identity->id();
      },
  };
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
