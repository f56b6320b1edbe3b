// How often the rare branches of the core were taken in a run: what a suite of scenarios must have
// reached at least once, or it proves nothing about them. Counted from the nodes' own statistics when
// they end and at the end of the run.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "node/node_core.h"

namespace weft::sim {

using Branches = std::map<std::string_view, std::uint64_t>;

// Adds those of one life of a node; every name is there, with 0 if need be.
void count_branches(const node::Status& status, Branches& branches);

}  // namespace weft::sim
