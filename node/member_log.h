// The last changes of the list of members, for those who ask what has changed since a cursor.
//
// A cursor counts the changes of this life of the node; those of another life, and those whose changes were
// dropped meanwhile, are known as such (knows), so that nobody takes a gap for silence. At most
// kMemberChangesKept are kept, the newest. Pure.
#pragma once

#include <deque>
#include <string>

#include "crypto/time.h"

namespace weft::node {

inline constexpr std::size_t kMemberChangesKept = 512;

class MemberLog {
 public:
  // `json`: the change as an event line.
  void add(Now now, std::string json);
  // The cursor of what has been told so far.
  std::uint64_t last(Now now);
  // All that came after that cursor is still here.
  bool knows(Now now, std::uint64_t after);

  struct Page {
    std::string changes;  // a JSON list
    std::uint64_t cursor = 0;
    bool some = false;
  };
  // At most `max` changes after `after`, which must be known.
  Page page(std::uint64_t after, std::size_t max) const;

 private:
  void begin(Now now);

  // Lives differ in their high digits: the second in which this one was first asked or told.
  std::uint64_t base_ = 0;
  std::uint64_t dropped_ = 0;  // the oldest, so many
  std::deque<std::string> kept_;
};

}  // namespace weft::node
