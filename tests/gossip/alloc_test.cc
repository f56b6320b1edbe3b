// Nothing new, nothing allocated: pings, acks and gossip of a settled mesh.
#include <gtest/gtest.h>

#include "tests/allocations.h"
#include "tests/gossip/lab.h"

namespace weft::gossip::test {
namespace {

TEST(Allocations, ServingWithoutNewsAllocatesNothing) {
  Lab lab;
  lab.know(40);
  lab.run(30s);
  GossipItems known;
  std::vector<RecordRef> keep;
  for (std::size_t i = 1; i <= 6; ++i) {
    keep.push_back(lab.record(i, 1));
    known.push(Lab::item(keep.back()));
  }
  const Asker asker = lab.asker(3);
  const Ping ping{.number = 1, .digest = 1, .items = known};
  const Gossip gossip{known};
  Ack reply;
  lab.out.clear();
  const std::size_t before = testing::allocations();
  for (int i = 0; i < 100; ++i) {
    lab.core->on_ping(lab.stamp(), asker, ping, reply, lab.out);
    lab.core->on_gossip(lab.stamp(), asker, gossip, lab.out);
  }
  EXPECT_EQ(testing::allocations(), before);
}

TEST(Allocations, AProbeAndItsAckAllocateNothing) {
  Lab lab;
  lab.know(40);
  lab.run(60s);
  lab.out.requests.reserve(8);
  std::size_t probes = 0;
  std::uint64_t digest = 0;
  const std::size_t before = testing::allocations();
  for (int i = 0; i < 200; ++i) {
    lab.now += 100ms;
    lab.core->on_deadline(lab.stamp(), lab.out);
    for (const Request& request : lab.out.requests) {
      ++probes;
      const Ping& ping = std::get<Ping>(request.message);
      digest = ping.digest;
      const Contact from{request.to.key, request.to.id, request.to.endpoints[0]};
      const std::size_t i_peer = lab.by_id.find(request.to.id)->second;
      const Ack ack{
          .number = 1, .instance = 100 + i_peer, .digest = digest, .observed = {}, .items = {}};
      lab.core->on_ack(lab.stamp(), request.tag, 1ms, from, ack, lab.out);
    }
    lab.out.clear();
  }
  EXPECT_GE(probes, 19U);
  EXPECT_EQ(testing::allocations(), before);
}

}  // namespace
}  // namespace weft::gossip::test
