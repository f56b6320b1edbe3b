#include "testnet/scenario/ledger.h"

#include <algorithm>

#include "crypto/check.h"

namespace weft::scenario {

Ledger::Node& Ledger::at_index(NodeIndex node) {
  CHECK(node < kNodesMax);
  if (node >= nodes_.size()) nodes_.resize(node + 1);
  return nodes_[node];
}

Seen Ledger::view(const Node& observer, NodeIndex subject) const {
  return subject < observer.views.size() ? observer.views[subject] : Seen::kUnknown;
}

bool Ledger::pair_wrong(NodeIndex observer, NodeIndex subject) const {
  if (observer == subject) return false;
  const Seen seen = view(nodes_[observer], subject);
  if (nodes_[subject].up) return seen != Seen::kAlive;
  return seen == Seen::kAlive || seen == Seen::kSuspect;
}

Ledger::Views Ledger::views() const {
  Views out;
  std::vector<std::size_t> members;
  for (NodeIndex o = 0; o < nodes_.size(); ++o) {
    if (!nodes_[o].up) continue;
    std::size_t alive = 1;
    for (NodeIndex s = 0; s < nodes_[o].views.size(); ++s) {
      if (s == o) continue;
      const Seen seen = nodes_[o].views[s];
      if (seen == Seen::kAlive) ++alive;
      if (nodes_[s].up && seen == Seen::kSuspect) ++out.suspect;
      if (nodes_[s].up && seen == Seen::kFailed) ++out.failed;
    }
    members.push_back(alive);
  }
  if (members.empty()) return out;
  std::ranges::sort(members);
  out.members_min = members.front();
  out.members_median = members[members.size() / 2];
  out.members_max = members.back();
  return out;
}

void Ledger::settle(Duration at) {
  if (wrong_ != 0) right_since_.reset();
  else if (!right_since_) right_since_ = at;
}

std::uint64_t Ledger::lived_us(Duration at) const {
  return lived_us_ + alive_ * static_cast<std::uint64_t>((at - lived_at_).count());
}

void Ledger::up(Duration at, NodeIndex index) {
  Node& node = at_index(index);
  if (node.up) return;
  lived_us_ = lived_us(at);
  lived_at_ = at;
  // What is wrong from now on: its own empty view of the living, and theirs of it.
  node.views.clear();
  node.wrong = 0;
  std::size_t others = 0;
  for (NodeIndex o = 0; o < nodes_.size(); ++o) {
    if (o == index || !nodes_[o].up) continue;
    ++others;
    const bool was = pair_wrong(o, index);
    node.up = true;
    const bool is = pair_wrong(o, index);
    node.up = false;
    if (was && !is) --nodes_[o].wrong, --wrong_;
    if (is && !was) ++nodes_[o].wrong, ++wrong_;
  }
  node.up = true;
  node.paused = false;
  node.wrong = others;
  wrong_ += others;
  if (node.lived) node.steady_since = at;
  node.lived = true;
  node.up_since = at;
  node.death.reset();  // back before all had noticed: that death is not timed to its end
  ++alive_;
  changed_ = at;
  settle(at);
}

void Ledger::down(Duration at, NodeIndex index, bool told, std::size_t phase) {
  Node& node = at_index(index);
  if (!node.up) return;
  lived_us_ = lived_us(at);
  lived_at_ = at;
  wrong_ -= node.wrong;
  node.wrong = 0;
  node.up = false;
  --alive_;
  node.steady_since = at;
  std::size_t listing = 0, trusting = 0;
  for (NodeIndex o = 0; o < nodes_.size(); ++o) {
    if (o == index || !nodes_[o].up) continue;
    const bool is = pair_wrong(o, index);
    const bool was = view(nodes_[o], index) != Seen::kAlive;
    if (was && !is) --nodes_[o].wrong, --wrong_;
    if (is && !was) ++nodes_[o].wrong, ++wrong_;
    if (is) ++listing;
    if (view(nodes_[o], index) == Seen::kAlive) ++trusting;
  }
  // Observers that die later no longer have to notice anything.
  for (Death& death : deaths_) {
    if (death.all || death.waiting == 0 || nodes_[death.node].death != static_cast<std::size_t>(&death - deaths_.data())) continue;
    const Seen seen = view(node, death.node);
    if (seen == Seen::kAlive) {
      if (death.trusting > 0) --death.trusting;
      count_suspicion(at, death);
    }
    if (seen == Seen::kAlive || seen == Seen::kSuspect) {
      --death.waiting;
      count_detection(at, death);
    }
  }
  if (!told && listing > 0) {
    node.death = deaths_.size();
    deaths_.push_back({.node = index, .at = at, .phase = phase, .suspected = {}, .all_suspected = {}, .trusting = trusting, .first = {}, .all = {},
                       .waiting = listing});
  }
  changed_ = at;
  settle(at);
}

void Ledger::count_detection(Duration at, Death& death) {
  if (death.waiting == 0 && death.first && !death.all) death.all = at;
}

void Ledger::count_suspicion(Duration at, Death& death) {
  if (death.trusting == 0 && death.suspected && !death.all_suspected) death.all_suspected = at;
}

void Ledger::paused(Duration at, NodeIndex index, bool paused) {
  Node& node = at_index(index);
  node.paused = paused;
  node.steady_since = at;
}

bool Ledger::saw(Duration at, NodeIndex observer, NodeIndex subject, Seen state) {
  if (observer == subject) return false;
  at_index(std::max(observer, subject));
  Node& node = nodes_[observer];
  if (!node.up) return false;
  if (subject >= node.views.size()) node.views.resize(std::max<std::size_t>(subject + 1, nodes_.size()));
  const Seen before = node.views[subject];
  const bool was = pair_wrong(observer, subject);
  node.views[subject] = state;
  const bool is = pair_wrong(observer, subject);
  if (was && !is) --node.wrong, --wrong_;
  if (is && !was) ++node.wrong, ++wrong_;
  settle(at);

  const Node& other = nodes_[subject];
  if (other.death && before == Seen::kAlive && state != Seen::kAlive) {
    Death& death = deaths_[*other.death];
    if (!death.suspected) death.suspected = at;
    if (death.trusting > 0) --death.trusting;
    count_suspicion(at, death);
  } else if (other.death && before != Seen::kAlive && state == Seen::kAlive) {
    ++deaths_[*other.death].trusting;
  }
  const bool listed = before == Seen::kAlive || before == Seen::kSuspect;
  const bool gone = state == Seen::kFailed || state == Seen::kLeft;
  if (other.death && listed && gone) {
    Death& death = deaths_[*other.death];
    if (!death.first) death.first = at;
    if (death.waiting > 0) --death.waiting;
    count_detection(at, death);
  } else if (other.death && !listed && !gone) {
    ++deaths_[*other.death].waiting;  // came up again in somebody's list by old news
  }
  if (state != Seen::kFailed || !other.up) return false;
  const auto excused = [&](const Node& n) { return n.paused || at < n.steady_since + kGrace; };
  return !(at < excused_until_ || excused(node) || excused(other));
}

}  // namespace weft::scenario
