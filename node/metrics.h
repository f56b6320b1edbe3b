// GET /metrics: the counters of a node as Prometheus text.
//
// Made from a snapshot at each request. Between requests only counters and the classes of the histograms are kept, whose size is fixed.
#pragma once

#include <string>

#include "node/shell_facts.h"

namespace weft::node {

std::string metrics_text(const Status& status, const ShellFacts& facts, Now now);

}  // namespace weft::node
