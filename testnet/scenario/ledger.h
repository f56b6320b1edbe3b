// Who is up and who sees whom: the director's account of membership, with the figures that follow.
//
// `up` is the truth as commanded and confirmed; `views` is what each living node last said of each
// other. A pair is wrong if the subject is up and not alive to the observer, or not up and alive or
// suspect to it; the mesh has converged when no pair of a living observer is wrong. Kept
// incrementally: a view costs O(1), a start or an end O(nodes).
#pragma once

#include <optional>
#include <vector>

#include "testnet/scenario/director.h"

namespace weft::scenario {

class Ledger {
 public:
  struct Death {
    NodeIndex node = 0;
    Duration at{};
    std::size_t phase = 0;
    std::optional<Duration> suspected;      // an observer began to doubt it
    std::optional<Duration> all_suspected;  // no living observer holds it alive any more
    std::size_t trusting = 0;               // living observers that hold it alive
    std::optional<Duration> first;  // an observer called it failed
    std::optional<Duration> all;    // every living observer did
    std::size_t waiting = 0;        // living observers that still list it
  };

  void up(Duration at, NodeIndex node);
  // `told`: it said goodbye, so nobody has to detect anything. The death counts for `phase`.
  void down(Duration at, NodeIndex node, bool told, std::size_t phase);
  void paused(Duration at, NodeIndex node, bool paused);
  // A split began or ended, or another fault of the network that excuses false failures.
  // Whether all is excused now: cut off, or until of late.
  bool excused(Duration at) const { return at < excused_until_; }
  void disturbed(Duration until) { excused_until_ = std::max(excused_until_, until); }
  // The fault is over; what it caused is excused until then.
  void calm(Duration until) { excused_until_ = until; }
  // Returns true if this was a failure that nothing excuses.
  bool saw(Duration at, NodeIndex observer, NodeIndex subject, Seen state);

  bool is_up(NodeIndex node) const { return node < nodes_.size() && nodes_[node].up; }
  bool is_paused(NodeIndex node) const { return node < nodes_.size() && nodes_[node].paused; }
  Duration up_for(Duration at, NodeIndex node) const {
    return is_up(node) ? at - nodes_[node].up_since : Duration{};
  }
  // It is up, or was within this time.
  bool up_within(Duration at, NodeIndex node, Duration span) const {
    return is_up(node) || (node < nodes_.size() && nodes_[node].lived && at - nodes_[node].steady_since < span);
  }
  std::size_t alive() const { return alive_; }
  std::size_t known() const { return nodes_.size(); }
  bool converged() const { return wrong_ == 0; }
  std::size_t wrong_pairs() const { return wrong_; }
  // What the living nodes list, themselves included: how many alive; and of pairs of two living ones, in how many
  // one is suspected or called failed. A look at all pairs.
  struct Views {
    std::size_t members_min = 0, members_median = 0, members_max = 0;
    std::size_t suspect = 0, failed = 0;
  };
  Views views() const;
  // When the truth last changed.
  Duration changed() const { return changed_; }
  // Since when nothing is wrong, if so.
  std::optional<Duration> right_since() const { return wrong_ == 0 ? right_since_ : std::nullopt; }
  const std::vector<Death>& deaths() const { return deaths_; }
  // Node-microseconds of life until `at`.
  std::uint64_t lived_us(Duration at) const;

 private:
  struct Node {
    bool up = false;
    bool paused = false;
    bool lived = false;       // ever
    Duration up_since{};
    Duration steady_since = -kGrace;  // last return, end, pause or resume
    std::vector<Seen> views;
    std::size_t wrong = 0;    // of its views; counts only while it is up
    std::optional<std::size_t> death;
  };
  Node& at_index(NodeIndex node);
  Seen view(const Node& observer, NodeIndex subject) const;
  bool pair_wrong(NodeIndex observer, NodeIndex subject) const;
  void settle(Duration at);
  void count_detection(Duration at, Death& death);
  void count_suspicion(Duration at, Death& death);

  std::vector<Node> nodes_;
  std::vector<Death> deaths_;
  std::size_t alive_ = 0;
  std::size_t wrong_ = 0;
  Duration changed_{};
  std::optional<Duration> right_since_ = Duration{};
  Duration excused_until_{-1};
  std::uint64_t lived_us_ = 0;
  Duration lived_at_{};
};

}  // namespace weft::scenario
