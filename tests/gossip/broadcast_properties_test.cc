// Properties of the tree that brings entries to everybody (invariants 20 and 21; tests/gossip/state_properties_set_test.cc lists all): whatever
// happened to the nodes and whatever some of them said, when it is quiet again links are symmetric, eager ones join all, and a message comes
// to each about once. One node that anybody tells anything: BroadcastLiars.AnythingFromAnybody. What the whole costs: BroadcastGoals.*
#include "tests/gossip/broadcast_lab.h"
#include "tests/property.h"

namespace weft::broadcast::test {
namespace {

using weft::testing::holds;
using weft::testing::Script;
using weft::testing::Step;

constexpr std::size_t kNodesMax = 14;

enum Happens : std::uint8_t { kWrite, kRun, kJoin, kDie, kSuspect, kLose, kForgeAnnouncement, kForgeGraft, kForgePrune, kForgeLink };

void happen(Swarm& swarm, const Step& step) {
  const std::size_t who = step.who % swarm.nodes.size(), other = step.x % swarm.nodes.size();
  const NodeId to = swarm.nodes[other]->id;
  const bool both_up = swarm.nodes[who]->up && swarm.nodes[other]->up && who != other;
  const auto message = [&](std::uint8_t number) {
    return number % 2 == 0 || swarm.told.empty() ? MessageId{number} : swarm.told[number % swarm.told.size()].id;
  };
  switch (step.does) {
    case kWrite:
      if (swarm.nodes[who]->up) (void)swarm.write(who);
      break;
    case kRun: swarm.run_for(Duration(10ms) * (1 + step.y)); break;
    case kJoin: {
      if (swarm.nodes.size() == kNodesMax) break;
      const std::size_t fresh = swarm.add_node();
      swarm.tell(fresh, who);
      swarm.tell(who, fresh);
      break;
    }
    case kDie:
      // Two stay, or there would be nothing to look at.
      if (swarm.up_count() > 2) swarm.kill(who);
      break;
    case kSuspect:
      if (both_up) swarm.tell_gone(who, other);
      break;
    case kLose: swarm.set_loss({step.y % 21U, 100}); break;
    case kForgeAnnouncement: {
      IHave word{.to = to};
      for (const std::uint8_t number : step.list) (void)word.ids.try_push({.id = message(number), .hops = step.z});
      if (both_up) swarm.forge(who, word);
      break;
    }
    case kForgeGraft: {
      Graft word{.to = to, .eager = step.z % 2 == 1};
      for (const std::uint8_t number : step.list) (void)word.ids.try_push(message(number));
      if (both_up) swarm.forge(who, word);
      break;
    }
    case kForgePrune:
      if (both_up) swarm.forge(who, Prune{to});
      break;
    default: {
      Link word{.to = to, .step = static_cast<LinkStep>(1 + step.z % 5)};
      for (const std::uint8_t number : step.list) (void)word.others.try_push(swarm.nodes[number % swarm.nodes.size()]->id);
      if (both_up) swarm.forge(who, word);
      break;
    }
  }
}

// Nothing is lost any more, and everybody knows who is alive, but not before the last words of the dead have come.
void calm(Swarm& swarm) {
  swarm.set_loss({0, 100});
  swarm.run_for(1s);
  for (std::size_t i = 0; i < swarm.nodes.size(); ++i) {
    for (std::size_t j = 0; swarm.nodes[i]->up && j < swarm.nodes.size(); ++j) {
      if (swarm.nodes[j]->up) swarm.tell(i, j);
      else swarm.tell_gone(i, j);
    }
  }
  swarm.run_for(kBan + 15s);  // who announced what never came is taken back
}

TEST(BroadcastProperties, WhenItIsQuietLinksAreSymmetricAndJoinAll) {
  holds(300, [] {
    const auto nodes = *rc::gen::inRange<std::size_t>(2, kNodesMax);
    const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1000);
    const Script script = *weft::testing::scripts(40, {10, 8, 1, 1, 1, 1, 2, 2, 2, 2});
    Swarm swarm({.nodes = nodes, .seed = seed});
    swarm.run_for(1s);
    for (const Step& step : script) happen(swarm, step);
    calm(swarm);
    std::vector<std::size_t> up;
    for (std::size_t i = 0; i < swarm.nodes.size(); ++i) {
      if (swarm.nodes[i]->up) up.push_back(i);
    }
    const std::size_t first = swarm.told.size();
    std::size_t turn = 0;
    swarm.write_spaced(60, 500ms, [&] { return up[turn++ % up.size()]; });
    swarm.run_for(2s);
    std::size_t asymmetric = swarm.asymmetric();
    for (int i = 0; i < 5 && asymmetric > 0; ++i) {  // a word about a link may be under way
      swarm.run_for(700ms);
      asymmetric = std::min(asymmetric, swarm.asymmetric());
    }
    RC_ASSERT(asymmetric == 0U);
    RC_ASSERT(swarm.parts(/*eager_only=*/true) == 1U);
    RC_ASSERT(swarm.missed(first) == 0U);
    // Nobody is sent what it sent, but for who asks for it.
    const bool asked = std::ranges::any_of(script, [](const Step& step) { return step.does == kForgeGraft; });
    RC_ASSERT(asked || swarm.pushed_back == 0U);
    // Payloads beyond one a delivery, and how far the last ones came, once the tree has settled. Who says that it is below somebody, and is not,
    // makes a cycle of links that are no detours: two payloads more a message.
    const auto claims = static_cast<std::uint64_t>(std::ranges::count_if(script, [](const Step& step) {
      return step.does == kForgeLink && static_cast<LinkStep>(1 + step.z % 5) == LinkStep::kAskEager;
    }));
    RC_ASSERT(swarm.redundancy(first + 40) <= 100U + 2000U * claims / (up.size() - 1));
    RC_ASSERT(swarm.hops_max(first + 40) <= 8U);
    for (const auto& node : swarm.nodes) {
      const Stats stats = node->tree->stats();
      RC_ASSERT(stats.neighbours <= kNeighboursMax);
      RC_ASSERT(stats.eager <= stats.neighbours);
    }
  });
}

}  // namespace
}  // namespace weft::broadcast::test
