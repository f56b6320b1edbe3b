#include "testnet/sim/shared_space.h"

#include <algorithm>

namespace weft::sim {
namespace {

constexpr std::string_view kName = "scenario";

std::string told(std::size_t node) { return "node " + std::to_string(node); }

}  // namespace

SharedSpace::SharedSpace(SimNetwork& network) : network_(network) {
  // Nobody's key: whoever makes a namespace need not be in it.
  ByteArray<32> secret{};
  std::ranges::copy(as_bytes(kName), secret.begin());
  genesis_ = state::make_genesis(Identity(provider_, secret), kName, state::Access::kOpen);
}

void SharedSpace::take_in(std::size_t node) {
  if (!network_.alive(node)) return;
  members_.insert(node);
  network_.operate(node, [this](node::NodeCore& core, Now now, node::Output& out) { return core.state_join(now, genesis_, out); });
}

const state::Space* SharedSpace::space(std::size_t node) const {
  return network_.alive(node) ? network_.core(node).shared_state().find(genesis_.id) : nullptr;
}

std::vector<Duration> SharedSpace::on_arrived(std::size_t node) {
  const state::Space* here = space(node);
  if (here == nullptr) return {};
  const PublicKey& self = network_.core(node).identity().public_key();
  std::uint64_t& looked = looked_[node];
  here->visit_arrivals(looked, [&](std::uint64_t arrival, const state::EntryId& id, ByteView wire) {
    looked = arrival;
    if (const auto open = open_.find(id); open != open_.end()) {
      open->second.missing.erase(node);
      return true;
    }
    const auto entry = state::decode_entry(wire);
    if (entry->content.author != self || !acknowledged_.insert(id).second) return true;
    Bytes row{state::kRowEntry};
    row.insert(row.end(), genesis_.id.bytes.begin(), genesis_.id.bytes.end());
    row.insert(row.end(), id.bytes.begin(), id.bytes.end());
    if (!network_.durable(node).contains(row)) problems_.push_back(told(node) + " acknowledged an entry that is not on its disk");
    if (open_.size() == kEntriesWatched) return true;
    Open& open = open_[id];
    open.born = network_.now().mono;
    for (const std::size_t other : members_) {
      if (other != node && space(other) != nullptr) open.missing.insert(other);
    }
    return true;
  });
  return take_complete();
}

std::vector<Duration> SharedSpace::take_complete() {
  std::vector<Duration> ages;
  std::erase_if(open_, [&](const auto& entry) {
    if (!entry.second.missing.empty()) return false;
    ages.push_back(network_.now().mono - entry.second.born);
    return true;
  });
  return ages;
}

std::vector<Duration> SharedSpace::on_down(std::size_t node) {
  if (network_.alive(node)) {
    const Sums sums = sums_of(network_.core(node).shared_state().stats());
    ended_.sent += sums.sent;
    ended_.received += sums.received;
  }
  looked_.erase(node);
  for (auto& [id, open] : open_) open.missing.erase(node);
  return take_complete();
}

bool SharedSpace::equal() const {
  const state::Space* first = nullptr;
  for (const std::size_t node : members_) {
    const state::Space* here = space(node);
    if (here == nullptr) continue;
    if (first == nullptr) first = here;
    if (here->tree().root() != first->tree().root()) return false;
  }
  return true;
}

SharedSpace::Sums SharedSpace::sums_of(const state::Stats& stats) {
  return {.sent = stats.pushed_total + stats.fetched_total, .received = stats.received_total};
}

SharedSpace::Sums SharedSpace::sums() const {
  Sums out = ended_;
  for (const std::size_t node : members_) {
    if (!network_.alive(node)) continue;
    const Sums here = sums_of(network_.core(node).shared_state().stats());
    out.sent += here.sent;
    out.received += here.received;
  }
  return out;
}

void SharedSpace::check_fold(std::size_t node) {
  const state::Space& here = *space(node);
  state::Documents anew;
  here.visit_arrivals(0, [&](std::uint64_t, const state::EntryId&, ByteView wire) {
    anew.insert(*state::decode_entry(wire));
    return true;
  });
  const auto paths = anew.paths({}, SIZE_MAX);
  bool same = paths == here.documents().paths({}, SIZE_MAX);
  for (const std::string& path : paths) {
    const ByteView at = as_bytes(path);
    same = same && anew.read_register(at) == here.documents().read_register(at) && anew.counter(at) == here.documents().counter(at) &&
           anew.elements(at) == here.documents().elements(at);
  }
  if (!same) problems_.push_back(told(node) + " shows documents that are not the fold of its entries");
}

void SharedSpace::final_checks() {
  if (!equal()) problems_.push_back("after the heal phase the members differ");
  for (const std::size_t node : members_) {
    const state::Space* here = space(node);
    if (here == nullptr) continue;
    std::size_t lacking = 0;
    for (const state::EntryId& id : acknowledged_) lacking += here->holds(id) ? 0U : 1U;
    if (lacking > 0) problems_.push_back(told(node) + " lacks " + std::to_string(lacking) + " acknowledged entries");
    check_fold(node);
  }
}

}  // namespace weft::sim
