// What all processes of this machine send over UDP, as the kernel counts it: the ledger of traffic of a
// testnet, which no node can colour. Others that use loopback meanwhile are counted as well.
//
// Datagrams are what UDP has sent. Bytes are what the loopback device has sent, less IPv4 and UDP headers
// (28 a datagram; the device counts no Ethernet header). The port of a killed process answers with ICMP,
// which a host that died would not, and which the nodes do not read: each such message holds the headers
// and, up to 548 bytes, the whole of the datagram that it answers. The kernel does not tell its size, so
// it is taken to be of the mean size of this span of time.
//
// One thread. A counter that is missing, in a kernel without /proc/net, counts as nought.
#pragma once

#include <cstdint>
#include <iosfwd>

namespace weft::testnet {

// The kernel's counters, since it booted.
struct KernelTraffic {
  std::uint64_t lo_bytes = 0;    // sent by `lo`, with IP headers
  std::uint64_t datagrams = 0;   // Udp OutDatagrams
  std::uint64_t unreachable = 0;  // Icmp OutDestUnreachs
};
// `dev` and `snmp` are /proc/net/dev and /proc/net/snmp, or texts of their shape.
KernelTraffic read_traffic(std::istream& dev, std::istream& snmp);
// Bytes of UDP payload sent between two readings.
std::uint64_t payload_between(const KernelTraffic& earlier, const KernelTraffic& later);

// Sums up spans, so that each is judged by its own mean.
class UdpTraffic {
 public:
  UdpTraffic();
  // Reads the kernel's counters and adds what has been sent since the last call or the constructor.
  void update();
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t datagrams() const { return datagrams_; }

 private:
  KernelTraffic last_;
  std::uint64_t bytes_ = 0;
  std::uint64_t datagrams_ = 0;
};

}  // namespace weft::testnet
