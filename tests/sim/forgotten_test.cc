// What a node keeps on disk of a member that has died, and for how long.
#include <gtest/gtest.h>

#include "node/store_rows.h"
#include "tests/sim/helpers.h"

namespace weft::sim {
namespace {

TEST(Forgotten, TheRowOfADeadMemberGoesWithIt) {
  NetworkOptions options;
  options.seed = 5;
  SimNetwork net(options);
  net.add(std::nullopt, [](node::Config& config) { config.membership.forget_failed = 1h; });
  net.add(0);
  net.add(0);
  ASSERT_TRUE(net.run_until([&] { return net.all_see(3); }, 60s));
  const NodeId dead = net.core(2).record()->id;
  Bytes row{node::kRowMember};
  row.insert(row.end(), dead.bytes.begin(), dead.bytes.end());
  net.run_for(5min);
  ASSERT_TRUE(net.durable(0).contains(row));
  net.crash(2);
  net.run_for(50min);
  EXPECT_TRUE(net.durable(0).contains(row)) << "it is tried again after a restart";
  net.run_for(3h);
  EXPECT_FALSE(net.durable(0).contains(row));
  net.crash(0);
  net.restart(0, 1);
  net.run_for(1min);
  std::size_t listed = 0;
  net.core(0).for_each_member([&](const gossip::MemberView& view) {
    EXPECT_NE(view.record->id, dead);
    ++listed;
  });
  EXPECT_GE(listed, 1U);
}

}  // namespace
}  // namespace weft::sim
