// `weft doctor`: looks at a running node from the inside and says what is wrong and how to mend it.
// Pure: facts in, findings out.
#pragma once

#include <string>
#include <vector>

#include "node/shell_facts.h"

namespace weft::node {

struct DoctorCheck {
  std::string check;
  bool ok = true;
  std::string detail;  // what was found; if not ok, what to do
};

std::vector<DoctorCheck> examine(const ShellFacts& facts, const NodeCore& core, Now now);

}  // namespace weft::node
