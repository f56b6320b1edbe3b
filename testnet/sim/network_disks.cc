// Homes that exist twice, and homes of an earlier day, in the simulated network.
#include "crypto/check.h"
#include "testnet/sim/network.h"

namespace weft::sim {

std::size_t SimNetwork::add_twin(std::size_t of, std::optional<std::size_t> seed,
                                 const std::function<void(node::Config&)>& adjust) {
  const ByteArray<32> secret = nodes_[of]->secret;
  return add_with(&secret, seed, adjust);
}

std::size_t SimNetwork::add_double(std::size_t of, std::optional<std::size_t> seed,
                                   const std::function<void(node::Config&)>& adjust) {
  const ByteArray<32> secret = nodes_[of]->secret;
  return add_with(&secret, seed, adjust, of);
}

void SimNetwork::back_up(std::size_t index) {
  Node& n = *nodes_[index];
  n.backup = {.durable = n.durable, .node_time = n.node_time, .last_seen = n.last_seen};
}

void SimNetwork::restore_backup(std::size_t index) {
  Node& n = *nodes_[index];
  CHECK(n.core == nullptr);
  n.durable = n.backup.durable;
  n.node_time = n.backup.node_time;
  n.last_seen = n.backup.last_seen;
}

}  // namespace weft::sim
