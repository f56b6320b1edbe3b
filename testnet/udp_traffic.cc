#include "testnet/udp_traffic.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace weft::testnet {
namespace {

constexpr std::uint64_t kHeaderBytes = 20 + 8;  // IPv4 and UDP, or IPv4 and ICMP

// One counter of /proc/net/snmp, where a line of names precedes a line of numbers.
void read_counter(const std::string& names, const std::string& numbers, const std::string& name,
                  std::uint64_t& value) {
  std::istringstream name_words(names);
  std::istringstream number_words(numbers);
  std::string n;
  std::string number;
  while (name_words >> n && number_words >> number) {
    if (n == name) value = std::strtoull(number.c_str(), nullptr, 10);
  }
}

KernelTraffic read_proc() {
  std::ifstream dev("/proc/net/dev");
  std::ifstream snmp("/proc/net/snmp");
  return read_traffic(dev, snmp);
}

}  // namespace

KernelTraffic read_traffic(std::istream& dev, std::istream& snmp) {
  KernelTraffic traffic;
  for (std::string line; std::getline(dev, line);) {
    const auto colon = line.find("lo:");
    if (colon == std::string::npos || line.find_first_not_of(' ') != colon) continue;
    std::istringstream words(line.substr(colon + 3));
    std::uint64_t value = 0;
    for (int column = 0; column < 9 && words >> value; ++column) {
      if (column == 8) traffic.lo_bytes = value;  // eight columns of what was received precede it
    }
  }
  for (std::string names, numbers; std::getline(snmp, names) && std::getline(snmp, numbers);) {
    if (names.starts_with("Udp:")) read_counter(names, numbers, "OutDatagrams", traffic.datagrams);
    if (names.starts_with("Icmp:")) read_counter(names, numbers, "OutDestUnreachs", traffic.unreachable);
  }
  return traffic;
}

std::uint64_t payload_between(const KernelTraffic& earlier, const KernelTraffic& later) {
  const std::uint64_t bytes = later.lo_bytes - earlier.lo_bytes;
  const std::uint64_t datagrams = later.datagrams - earlier.datagrams;
  const std::uint64_t unreachable = later.unreachable - earlier.unreachable;
  const std::uint64_t headers = (datagrams + 2 * unreachable) * kHeaderBytes;
  if (datagrams == 0 || bytes <= headers) return 0;
  return (bytes - headers) * datagrams / (datagrams + unreachable);
}

UdpTraffic::UdpTraffic() : last_(read_proc()) {}

void UdpTraffic::update() {
  const KernelTraffic now = read_proc();
  bytes_ += payload_between(last_, now);
  datagrams_ += now.datagrams - last_.datagrams;
  last_ = now;
}

}  // namespace weft::testnet
