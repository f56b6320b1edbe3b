#include "node/interfaces.h"

#include <uv.h>

#include <algorithm>
#include <cstring>

namespace weft::node {

std::vector<Endpoint> interface_addresses() {
  std::vector<Endpoint> list;
  uv_interface_address_t* addresses = nullptr;
  int count = 0;
  if (uv_interface_addresses(&addresses, &count) != 0) return list;
  for (int i = 0; i < count; ++i) {
    const auto& address = addresses[i].address;
    if (address.address4.sin_family == AF_INET) {
      std::uint8_t ip[4];
      std::memcpy(ip, &address.address4.sin_addr, sizeof ip);
      list.push_back(Endpoint::v4(ip[0], ip[1], ip[2], ip[3], 0));
    } else if (address.address6.sin6_family == AF_INET6) {
      ByteArray<16> ip;
      std::memcpy(ip.data(), &address.address6.sin6_addr, ip.size());
      list.push_back(Endpoint::v6(ip, 0));
    }
  }
  uv_free_interface_addresses(addresses, count);
  std::ranges::sort(list);
  const auto doubles = std::ranges::unique(list);
  list.erase(doubles.begin(), doubles.end());
  return list;
}

std::vector<Endpoint> reachable_endpoints(const std::vector<Endpoint>& bound,
                                          const std::vector<Endpoint>& interfaces) {
  std::vector<Endpoint> reachable;
  std::vector<Endpoint> loopback;
  for (const Endpoint& socket : bound) {
    if (!socket.is_unspecified()) {
      reachable.push_back(socket);
      continue;
    }
    for (Endpoint address : interfaces) {
      if (address.is_v4() != socket.is_v4()) continue;
      address.port = socket.port;
      const Scope how_far = scope(address);
      if (how_far == Scope::kLoopback) loopback.push_back(address);
      if (how_far == Scope::kPrivate || how_far == Scope::kGlobal) reachable.push_back(address);
    }
  }
  if (reachable.empty()) reachable = loopback;
  std::ranges::stable_sort(reachable, [](const Endpoint& a, const Endpoint& b) {
    if (scope(a) != scope(b)) return scope(a) > scope(b);
    return a.is_v4() && !b.is_v4();
  });
  return reachable;
}

}  // namespace weft::node
