// What follows when a key seems crowded (crowd.h): one lookup at a random place, which tells how large the mesh is, and if the key still seems
// crowded then those of the places beside it, one after the other.
#pragma once

#include "dht/crowd.h"
#include "dht/walk.h"

namespace weft::dht {

class Beside {
 public:
  // `around`: how far the nearest are that are known around the key.
  Beside(const NodeId& key, const InlineVec<Distance, kCrowdMost>& around, Core& core);

  // Sends what there is to send. True when the lookup of a place has ended: nearest() are its responders then. Call until false, which it
  // is at once if the first lookup says that there is no crowd: see over().
  bool advance(Now now, Core& core, OpKey op, Output& out);
  // Of the last place that was looked up, the nearest r.
  const std::vector<Target>& nearest() const { return nearest_; }
  bool over() const { return (false_alarm_ || next_ == kPlacesBeside) && !walk_; }

  // What comes for the operation. Of a walk that has ended it is of no use any more.
  void on_nodes(const Asked& asked, Duration rtt, const Nodes& m) {
    if (walk_) walk_->on_nodes(asked, rtt, m);
  }
  void on_slow(const Asked& asked) {
    if (walk_) walk_->on_slow(asked);
  }
  void on_timeout(const Asked& asked) {
    if (walk_) walk_->on_timeout(asked);
  }

 private:
  // The mesh has been measured at a random place.
  void judge(Core& core);

  NodeId key_;
  InlineVec<Distance, kCrowdMost> around_;
  NodeId elsewhere_;
  bool judged_ = false;
  bool false_alarm_ = false;
  std::uint64_t nodes_ = 0;
  std::size_t replicas_;
  std::size_t next_ = 0;  // place
  std::optional<Walk> walk_;
  std::vector<Target> nearest_;
};

}  // namespace weft::dht
