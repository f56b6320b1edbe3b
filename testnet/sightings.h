// Who sees whom: folds the event lines of all nodes into one table, and answers whether all see
// all. Pure; index = a node's place in the testnet.
//
// A node sees itself without saying so. Rows of dead nodes are kept out of every figure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "testnet/event_line.h"

namespace weft::testnet {

struct SightingsSummary {
  std::size_t members_min = 0;  // fewest and most alive that any observer counts, itself included
  std::size_t members_max = 0;
  std::size_t members_median = 0;  // the upper of two
  bool converged = false;  // every observer counts exactly the present nodes as alive
};

class Sightings {
 public:
  static constexpr std::size_t kIdsMax = 16384;

  // Node `index` has this id from now on.
  void identify(std::size_t index, std::string_view id);
  // Node `index` starts anew and has seen nobody.
  void forget(std::size_t index);
  // `observer` said so. Returns the node meant, or nothing if the id is not one of ours.
  std::optional<std::size_t> saw(std::size_t observer, const MemberLine& line);

  // `present[i]`: node i runs and is not paused. All of them observe and are to be seen.
  SightingsSummary summarize(const std::vector<bool>& present) const;
  Sight sight(std::size_t observer, std::size_t subject) const;

 private:
  static constexpr std::size_t kNoSlot = SIZE_MAX;
  std::size_t slot_of(std::string_view id);

  std::map<std::string, std::size_t, std::less<>> slots_;
  std::vector<std::size_t> index_of_slot_;
  std::vector<std::size_t> slot_of_index_;
  std::vector<std::vector<Sight>> rows_;  // observer, slot
};

}  // namespace weft::testnet
