// What the network of a testnet shall be like: the weather of its links, the regions, who is cut
// off from whom. Pure; makes the body of POST /v1/faults for each node.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "testnet/rtt_matrix.h"

namespace weft::testnet {

struct FaultPlan {
  std::uint64_t seed = 0;
  std::string link{};  // SPEC without its matrix
  std::optional<RttMatrix> matrix{};
  std::vector<bool> cut_off{};  // side A of the partition; empty: none
  bool one_way = false;       // A cannot reach B, but B reaches A
  std::vector<bool> bridges{};  // these reach both sides and are reached by both
  bool touched = false;       // something was set since the testnet began

  bool partitioned() const { return !cut_off.empty(); }
  // JSON for node `self`. listens[i]: the addresses of node i, empty while unknown.
  std::string body(std::size_t self, const std::vector<std::vector<std::string>>& listens) const;
};

}  // namespace weft::testnet
