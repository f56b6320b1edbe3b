#include "testnet/survey.h"

#include <memory>

namespace weft::testnet {

void ask(Testbed& testbed, std::span<const std::size_t> nodes, Milliseconds timeout, Survey survey) {
  struct Open {
    Survey survey;
    std::size_t left;
  };
  // One more than nodes: it is not over before all are asked.
  const auto open = std::make_shared<Open>(Open{std::move(survey), nodes.size() + 1});
  const auto end_one = [open] {
    if (--open->left == 0) open->survey.over();
  };
  for (const std::size_t i : nodes) {
    const FleetNode& node = testbed.fleet.node(i);
    const auto done = [open, end_one, i](const CallResult& result) {
      const bool well = result.status == CallStatus::kAnswered && result.response.status == 200;
      open->survey.heard(i, well ? std::optional<std::string_view>(result.response.body) : std::nullopt);
      end_one();
    };
    const bool runs = node.run == Run::kRunning && node.ready;
    if (runs && testbed.calls.submit({testbed.fleet.layout().control(i), {"GET", open->survey.path(i), ""}, timeout, done})) continue;
    open->survey.heard(i, std::nullopt);
    end_one();
  }
  end_one();
}

}  // namespace weft::testnet
