// One question to many nodes at a time, over their control sockets.
//
// Each node is heard once, also one that is not asked (it does not run, or too many calls wait) or does not answer; then it is over, which may
// be before ask() returns. One thread.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "testnet/testbed.h"

namespace weft::testnet {

struct Survey {
  // Where the control API of this node is asked.
  std::function<std::string(std::size_t node)> path;
  // The answer of a node; nullopt: there is none.
  std::function<void(std::size_t node, std::optional<std::string_view> body)> heard;
  std::function<void()> over;
};

// `testbed` must outlive its calls; what the functions hold must be there as long.
void ask(Testbed& testbed, std::span<const std::size_t> nodes, Milliseconds timeout, Survey survey);

}  // namespace weft::testnet
