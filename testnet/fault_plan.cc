#include "testnet/fault_plan.h"

#include <nlohmann/json.hpp>

namespace weft::testnet {

namespace {

nlohmann::json matrix_json(const FaultPlan& plan, std::size_t self,
                           const std::vector<std::vector<std::string>>& listens) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& row : plan.matrix->rtt) {
    nlohmann::json& cells = rows.emplace_back(nlohmann::json::array());
    for (const Duration rtt : row) cells.push_back(static_cast<double>(rtt.count()) / 1000);
  }
  const std::size_t regions = plan.matrix->regions.size();
  nlohmann::json peers = nlohmann::json::object();
  for (std::size_t i = 0; i < listens.size(); ++i) {
    if (i == self) continue;
    for (const std::string& address : listens[i]) peers[address] = region_of(plan.seed, i, regions);
  }
  return {{"rtt_ms", std::move(rows)},
          {"self", region_of(plan.seed, self, regions)},
          {"peers", std::move(peers)}};
}

}  // namespace

std::string FaultPlan::body(std::size_t self,
                            const std::vector<std::vector<std::string>>& listens) const {
  const auto in_a = [this](std::size_t i) { return i < cut_off.size() && cut_off[i]; };
  nlohmann::json block = nlohmann::json::array();
  const auto bridge = [this](std::size_t i) { return i < bridges.size() && bridges[i]; };
  const bool blocks = partitioned() && (in_a(self) || !one_way) && !bridge(self);
  for (std::size_t i = 0; blocks && i < listens.size(); ++i) {
    if (in_a(i) == in_a(self) || bridge(i)) continue;
    for (const std::string& address : listens[i]) block.push_back(address);
  }
  nlohmann::json body{{"seed", seed}, {"link", link}, {"block", std::move(block)}};
  // An empty object takes a matrix away.
  body["matrix"] = matrix ? matrix_json(*this, self, listens) : nlohmann::json::object();
  return body.dump();
}

}  // namespace weft::testnet
