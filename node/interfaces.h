// Under which addresses others may reach this machine.
#pragma once

#include <vector>

#include "crypto/endpoint.h"

namespace weft::node {

// The addresses of all interfaces that are up, port 0, in a fixed order.
std::vector<Endpoint> interface_addresses();

// What sockets bound to `bound` can be reached at, best first: the bound addresses themselves; for
// a wildcard, the interfaces' addresses of its family without loopback and link-local ones, or
// loopback if there are no others. Global before private, IPv4 before IPv6 within.
std::vector<Endpoint> reachable_endpoints(const std::vector<Endpoint>& bound,
                                          const std::vector<Endpoint>& interfaces);

}  // namespace weft::node
