#include "dht/beside.h"

#include <algorithm>

namespace weft::dht {

Beside::Beside(const NodeId& key, const InlineVec<Distance, kCrowdMost>& around, Core& core)
    : key_(key), around_(around), replicas_(core.config.replicas) {
  for (auto& byte : elsewhere_.bytes) byte = static_cast<std::uint8_t>(core.rng.below(256));
}

bool Beside::advance(Now now, Core& core, OpKey op, Output& out) {
  for (;;) {
    if (over()) return false;
    if (!walk_) {
      const NodeId target = judged_ ? place_beside(key_, next_++, nodes_, replicas_) : elsewhere_;
      walk_.emplace(now, core, op, Walk::Options{.target = target, .message = FindNode{.target = target}, .want = replicas_, .background = false, .hurry = true});
    }
    walk_->pump(now, core, out);
    if (!walk_->ended(core, out)) return false;
    nearest_ = walk_->lookup().closest(replicas_);
    if (judged_) {
      core.note_nearest(walk_->lookup().target(), nearest_);
      walk_.reset();
      return true;
    }
    judge(core);
    walk_.reset();
  }
}

void Beside::judge(Core& core) {
  judged_ = true;
  std::vector<Distance> away;
  for (const Target& to : nearest_) away.push_back(distance(to.id, elsewhere_));
  SizeEstimate here;
  here.note(elsewhere_, away);
  false_alarm_ = !crowded({around_.data(), around_.size()}, std::max<std::uint64_t>(core.table.size() + 1, here.nodes()));
  // What lookups of a smaller mesh have told would raise it again.
  if (false_alarm_) core.size = {};
  else ++core.counters.crowded_total;
  core.note_nearest(elsewhere_, nearest_);
  nodes_ = core.mesh_size();
}

}  // namespace weft::dht
