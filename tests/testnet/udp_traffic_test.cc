// The kernel's counters as they stand in /proc, and what they say of payload.
#include "testnet/udp_traffic.h"

#include <gtest/gtest.h>

#include <sstream>

namespace weft::testnet {
namespace {

TEST(UdpTraffic, ReadsTheKernelsTables) {
  std::istringstream dev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
      "  xlo: 1 2 3 4 5 6 7 8 9 10 0 0 0 0 0 0\n"
      "    lo: 11 12 13 14 15 16 17 18 5000 20 0 0 0 0 0 0\n"
      "  eth0: 21 22 23 24 25 26 27 28 29 30 0 0 0 0 0 0\n");
  std::istringstream snmp(
      "Ip: Forwarding DefaultTTL\nIp: 1 64\n"
      "Icmp: InMsgs OutDestUnreachs\nIcmp: 7 8\n"
      "Udp: InDatagrams NoPorts InErrors OutDatagrams\nUdp: 1 2 3 40\n"
      "UdpLite: InDatagrams NoPorts InErrors OutDatagrams\nUdpLite: 5 6 7 80\n");
  const KernelTraffic traffic = read_traffic(dev, snmp);
  EXPECT_EQ(traffic.lo_bytes, 5000U);
  EXPECT_EQ(traffic.datagrams, 40U);
  EXPECT_EQ(traffic.unreachable, 8U);
}

TEST(UdpTraffic, MissingTablesCountAsNought) {
  std::istringstream nothing;
  std::istringstream torn("Udp: InDatagrams OutDatagrams\nUdp: 5\n");
  const KernelTraffic traffic = read_traffic(nothing, torn);
  EXPECT_EQ(traffic.lo_bytes + traffic.datagrams + traffic.unreachable, 0U);
}

// Ten datagrams of 100 bytes, four of them answered by ICMP with the headers and the datagram.
TEST(UdpTraffic, PayloadIsWithoutHeadersAndAnswersToTheDead) {
  const KernelTraffic earlier{.lo_bytes = 70, .datagrams = 3, .unreachable = 1};
  const KernelTraffic later{.lo_bytes = 70 + 10 * 128 + 4 * 156, .datagrams = 13, .unreachable = 5};
  EXPECT_EQ(payload_between(earlier, later), 1000U);
  EXPECT_EQ(payload_between(earlier, earlier), 0U);
}

}  // namespace
}  // namespace weft::testnet
