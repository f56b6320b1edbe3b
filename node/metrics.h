// GET /metrics: the counters of a node as Prometheus text.
//
// Made from a snapshot at each request; nothing is kept between requests, so a node that nobody
// scrapes pays nothing.
#pragma once

#include <string>

#include "node/shell_facts.h"

namespace weft::node {

std::string metrics_text(const Status& status, const ShellFacts& facts, Now now);

}  // namespace weft::node
