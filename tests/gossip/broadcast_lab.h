// Many Trees in one virtual network: links with latency, luck and loss; nodes that are told of others, write, die and lie.
//
// It plays the owner's part: keeps who has which message, and carries what a Tree says, one datagram for each push, announcement, graft,
// prune and word about a link. Everything is counted; the same seed is the same run.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <tuple>
#include <variant>
#include <vector>

#include "crypto/check.h"
#include "gossip/broadcast/tree.h"

namespace weft::broadcast::test {

inline NodeId make_id(Rng& rng) {
  NodeId id;
  for (std::size_t i = 0; i < id.bytes.size(); i += 8) store_le(id.bytes.data() + i, rng.next());
  return id;
}
inline MessageId make_message(Rng& rng) {
  MessageId id;
  for (std::size_t i = 0; i < id.size(); i += 8) store_le(id.data() + i, rng.next());
  return id;
}

struct SwarmOptions {
  std::size_t nodes = 100;
  std::uint64_t seed = 1;
  Duration latency_min = 20ms;  // one way
  Duration latency_max = 30ms;
  std::size_t known = SIZE_MAX;  // of how many others each node is told; 0: of none
  Ratio loss{0, 100};
  Duration start = 500ms;  // in which they are told
  Config config{};
};

// One message, as the whole mesh saw it.
struct Told {
  MessageId id{};
  std::size_t author = 0;
  Instant at;
  std::uint64_t copies = 0;   // payloads sent
  std::size_t delivered = 0;  // to others than the author
  Duration last{};            // from writing to the last delivery
  std::uint32_t hops = 0;     // of the last delivery
};

class Swarm {
 public:
  struct Node {
    NodeId id;
    std::unique_ptr<Tree> tree;
    std::set<MessageId> has;
    std::set<std::pair<MessageId, std::size_t>> got_from;  // pushes that came
    std::optional<Instant> armed;
    bool up = true;
  };
  using Word = std::variant<Push, IHave, Graft, Prune, Link>;

  explicit Swarm(const SwarmOptions& options) : options_(options), rng_(options.seed) {
    for (std::size_t i = 0; i < options.nodes; ++i) add_node();
    if (options.known != 0) tell_all();
  }

  // ---- what happens
  std::size_t add_node() {
    auto node = std::make_unique<Node>();
    node->id = make_id(rng_);
    node->tree = std::make_unique<Tree>(node->id, Rng(rng_.next()), options_.config);
    by_id_[node->id] = nodes.size();
    nodes.push_back(std::move(node));
    return nodes.size() - 1;
  }
  void tell(std::size_t whom, std::size_t of) {
    nodes[whom]->tree->add_candidate(stamp(), nodes[of]->id);
    arm(whom);
  }
  void tell_gone(std::size_t whom, std::size_t of) {
    nodes[whom]->tree->peer_gone(stamp(), nodes[of]->id);
    arm(whom);
  }
  void kill(std::size_t i) { nodes[i]->up = false; }
  void set_loss(Ratio loss) { options_.loss = loss; }
  // Returns the number of the message.
  std::size_t write(std::size_t author) {
    const MessageId id = make_message(rng_);
    numbers_[id] = told.size();
    told.push_back({.id = id, .author = author, .at = now});
    Output out;
    nodes[author]->has.insert(id);
    nodes[author]->tree->originate(stamp(), id, out);
    carry_out(author, out);
    return told.size() - 1;
  }
  void write_spaced(std::size_t count, Duration interval, const std::function<std::size_t()>& author) {
    for (std::size_t i = 0; i < count; ++i) {
      write(author());
      run_for(interval);
    }
  }
  void at(Instant when, std::function<void()> what) { events_.push({when, ++order_, std::move(what)}); }
  void run_for(Duration span) {
    const Instant end = now + span;
    while (!events_.empty() && events_.top().at <= end) {
      const Event event = events_.top();
      events_.pop();
      now = event.at;
      event.run();
    }
    now = end;
  }
  // A liar's word, on its way like any other.
  void forge(std::size_t from, const Word& word) {
    std::visit([&](const auto& one) { say(from, one); }, word);
  }

  // ---- what came of it
  std::size_t index(const NodeId& id) const { return by_id_.at(id); }
  Now stamp() const { return {now, {}}; }
  std::size_t up_count() const {
    std::size_t count = 0;
    for (const auto& node : nodes) count += node->up ? 1U : 0U;
    return count;
  }
  // Pairs of a node that is up and a message from number `from` on that it lacks.
  std::size_t missed(std::size_t from = 0) const {
    std::size_t count = 0;
    for (const auto& node : nodes) {
      if (!node->up) continue;
      for (std::size_t i = from; i < told.size(); ++i) count += node->has.contains(told[i].id) ? 0U : 1U;
    }
    return count;
  }
  std::uint64_t copies(std::size_t from = 0) const {
    std::uint64_t sum = 0;
    for (std::size_t i = from; i < told.size(); ++i) sum += told[i].copies;
    return sum;
  }
  std::uint64_t deliveries(std::size_t from = 0) const {
    std::uint64_t sum = 0;
    for (std::size_t i = from; i < told.size(); ++i) sum += told[i].delivered;
    return sum;
  }
  // Payloads beyond one a delivery, in thousandths of the deliveries.
  std::uint64_t redundancy(std::size_t from = 0) const {
    const std::uint64_t least = deliveries(from);
    return (copies(from) - least) * 1000 / least;
  }
  // Of the messages from number `from` on, the time in which this share of them was everywhere.
  Duration quantile(Ratio share, std::size_t from = 0) const {
    std::vector<Duration> times;
    for (std::size_t i = from; i < told.size(); ++i) times.push_back(told[i].last);
    std::ranges::sort(times);
    return times[(times.size() - 1) * share.numerator / share.denominator];
  }
  std::uint32_t hops_max(std::size_t from = 0) const {
    std::uint32_t most = 0;
    for (std::size_t i = from; i < told.size(); ++i) most = std::max(most, told[i].hops);
    return most;
  }
  std::uint64_t sum(std::uint64_t Stats::*counter) const {
    std::uint64_t sum = 0;
    for (const auto& node : nodes) sum += node->tree->stats().*counter;
    return sum;
  }
  // Ends of links that the other side does not know, or takes for another kind.
  std::size_t asymmetric() const {
    std::size_t count = 0;
    for_each_link([&](std::size_t i, const Neighbour& peer) {
      const Links& others = nodes[index(peer.id)]->tree->links();
      const auto back = others.find(nodes[i]->id);
      count += !back || others.at(*back).eager != peer.eager ? 1U : 0U;
    });
    return count;
  }
  // Of the nodes that are up, the parts that links do not join; or eager links.
  std::size_t parts(bool eager_only) const {
    std::vector<std::size_t> head(nodes.size());
    for (std::size_t i = 0; i < head.size(); ++i) head[i] = i;
    const auto root = [&](std::size_t i) {
      while (head[i] != i) i = head[i] = head[head[i]];
      return i;
    };
    for_each_link([&](std::size_t i, const Neighbour& peer) {
      const std::size_t other = index(peer.id);
      if (nodes[other]->up && (peer.eager || !eager_only)) head[root(i)] = root(other);
    });
    std::size_t count = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) count += nodes[i]->up && root(i) == i ? 1U : 0U;
    return count;
  }
  void for_each_link(const std::function<void(std::size_t, const Neighbour&)>& visit) const {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Links& links = nodes[i]->tree->links();
      for (Place place = 0; nodes[i]->up && place < kNeighboursMax; ++place) {
        if (links.used(place)) visit(i, links.at(place));
      }
    }
  }

  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<Told> told;
  Instant now{Duration(1'000'000)};
  std::uint64_t words = 0;        // datagrams sent
  std::uint64_t pushed_back = 0;  // payloads sent to who had sent the same
  std::uint64_t trace = 0;        // of all that was sent, when and to whom
  // Looks at what is said first; true: it is not sent.
  std::function<bool(std::size_t from, std::size_t to, const Word&)> tap;

 private:
  struct Event {
    Instant at;
    std::uint64_t order = 0;
    std::function<void()> run;
    bool operator<(const Event& other) const { return std::tie(at, order) > std::tie(other.at, other.order); }
  };

  // Each is told of `known` others at some time within `start`, in an order of its own.
  void tell_all() {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      at(now + rng_.between(0us, options_.start), [this, i] {
        std::vector<std::size_t> others;
        for (std::size_t j = 0; j < nodes.size(); ++j) {
          if (j != i) others.push_back(j);
        }
        rng_.shuffle(std::span(others));
        others.resize(std::min(others.size(), options_.known));
        for (const std::size_t j : others) tell(i, j);
      });
    }
  }

  void arm(std::size_t i) {
    const auto deadline = nodes[i]->tree->next_deadline();
    if (!deadline || (nodes[i]->armed && *nodes[i]->armed <= *deadline)) return;
    const Instant when = std::max(*deadline, now);
    nodes[i]->armed = when;
    at(when, [this, i, when] {
      Node& node = *nodes[i];
      if (!node.up || node.armed != when) return;
      node.armed.reset();
      Output out;
      node.tree->on_deadline(stamp(), out);
      const auto after = node.tree->next_deadline();
      CHECK(!after || *after > now);
      carry_out(i, out);
    });
  }

  void carry_out(std::size_t from, const Output& out) {
    for (const Push& push : out.pushes) {
      CHECK(nodes[from]->has.contains(push.id));
      ++told[numbers_.at(push.id)].copies;
      if (nodes[from]->got_from.contains({push.id, index(push.to)})) ++pushed_back;
      say(from, push);
    }
    for (const IHave& ihave : out.ihaves) say(from, ihave);
    for (const Graft& graft : out.grafts) say(from, graft);
    for (const Prune& prune : out.prunes) say(from, prune);
    for (const Link& link : out.links) say(from, link);
    arm(from);
  }

  template <class W>
  void say(std::size_t from, const W& word) {
    const std::size_t to = index(word.to);
    if (tap && tap(from, to, word)) return;
    ++words;
    trace = (trace ^ (from << 20 ^ to << 4 ^ Word(word).index())) * 0x9e3779b97f4a7c15ULL +
            static_cast<std::uint64_t>(now.time_since_epoch().count());
    if (!nodes[to]->up || rng_.chance(options_.loss)) return;
    at(now + rng_.between(options_.latency_min, options_.latency_max), [this, from, to, word] {
      if (!nodes[to]->up) return;
      Output out;
      hear(*nodes[to], nodes[from]->id, word, out);
      carry_out(to, out);
    });
  }

  void hear(Node& node, const NodeId& from, const Push& push, Output& out) {
    node.got_from.emplace(push.id, index(from));
    if (!node.has.insert(push.id).second) return node.tree->duplicate(stamp(), push.id, from, push.hops, out);
    Told& one = told[numbers_.at(push.id)];
    ++one.delivered;
    one.last = now - one.at;
    one.hops = push.hops;
    node.tree->accepted(stamp(), push.id, from, push.hops, out);
  }
  void hear(Node& node, const NodeId& from, const IHave& ihave, Output& out) {
    std::vector<Heard> heard;
    for (const Announcement& one : ihave.ids) heard.push_back({one.id, one.hops, node.has.contains(one.id)});
    node.tree->on_ihave(stamp(), from, heard, out);
  }
  void hear(Node& node, const NodeId& from, const Graft& graft, Output& out) {
    node.tree->on_graft(stamp(), from, graft.eager, {graft.ids.begin(), graft.ids.size()}, out);
  }
  void hear(Node& node, const NodeId& from, const Prune&, Output& out) { node.tree->on_prune(stamp(), from, out); }
  void hear(Node& node, const NodeId& from, const Link& link, Output& out) {
    node.tree->on_link(stamp(), from, link.step, {link.others.begin(), link.others.size()}, out);
  }

  SwarmOptions options_;
  Rng rng_;
  std::map<NodeId, std::size_t> by_id_;
  std::map<MessageId, std::size_t> numbers_;
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0;
};

}  // namespace weft::broadcast::test
