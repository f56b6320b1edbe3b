// Processes that stand still: stopped altogether, or with nothing coming in or going out.
#include <utility>

#include "testnet/sim/network.h"

namespace weft::sim {

void SimNetwork::pause(std::size_t index) { nodes_[index]->paused = true; }

void SimNetwork::resume(std::size_t index) {
  Node& n = *nodes_[index];
  n.paused = false;
  if (n.core == nullptr) return;
  // As the shell does: told of the stall, then the socket is read dry, then deadlines are judged.
  node::Output out;
  if (n.wanted && *n.wanted < now_.mono) n.core->was_late(local(n), now_.mono - *n.wanted);
  n.armed.reset();
  n.wanted.reset();
  carry_out(index, out);
  if (!n.faults.blocked) take_waiting(index, out);
}

void SimNetwork::take_waiting(std::size_t index, node::Output& out) {
  Node& n = *nodes_[index];
  const auto waiting = std::exchange(n.waiting, {});
  for (const auto& [from, bytes] : waiting) {
    tell(Step::What::kDatagram, index, from, bytes);
    n.core->on_datagram(local(n), from, bytes, out);
    carry_out(index, out);
    if (n.core == nullptr) return;
  }
}

}  // namespace weft::sim
