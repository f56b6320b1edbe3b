#include "testnet/shown_testbed.h"

#include <algorithm>

namespace weft::testnet {

ShownNode ShownTestbed::node(std::size_t i) const {
  const FleetNode& node = testbed_.fleet.node(i);
  const std::vector<bool>& cut_off = testbed_.plan().cut_off;
  return {.name = node.name,
          .id = node.id,
          .run = node.run,
          .ready = node.ready,
          .pid = node.run == Run::kDead ? std::nullopt : std::optional(node.pid),
          .listen = node.listen,
          .starts = node.starts,
          .cut_off = i < cut_off.size() && cut_off[i]};
}

void ShownTestbed::sights(std::size_t observer, std::span<Sight> row) const {
  for (std::size_t subject = 0; subject < row.size(); ++subject) row[subject] = testbed_.fleet.sight(observer, subject);
}

ShownWhole ShownTestbed::whole() const {
  const FaultPlan& plan = testbed_.plan();
  return {.members = testbed_.fleet.summary(),
          .false_failures = testbed_.fleet.false_failures(),
          .ended_by_themselves = testbed_.fleet.accidents(),
          .link = plan.link,
          .cut_off = static_cast<std::size_t>(std::ranges::count(plan.cut_off, true)),
          .one_way = plan.one_way,
          .churning = churning};
}

}  // namespace weft::testnet
