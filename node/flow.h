// What this node says to whom, message by message, while somebody looks: so that a page can draw a mesh at work.
//
// Kept for kFlowWatched after it was asked for last; before and after that a message costs one comparison and nothing is allocated. The
// last kFlowMax are kept, numbered from 1 on, so that who comes late knows how many it has missed. Nothing that a node does depends
// on it. What a message carries is not kept. One thread.
#pragma once

#include <deque>

#include <string_view>

#include "crypto/bytes.h"
#include "crypto/node_id.h"
#include "crypto/time.h"

namespace weft::node {

inline constexpr std::size_t kFlowMax = 1024;
inline constexpr Duration kFlowWatched = 15s;

// What a message is about.
enum class Topic : std::uint8_t { kMembership, kLookup, kValue, kState, kOther };
std::string_view to_string(Topic topic);
// Of a payload's kind (codec.h).
Topic topic_of(std::uint8_t kind);

struct Said {
  UnixMillis at;  // by the own wall clock
  NodeId to;
  Topic topic = Topic::kOther;
  std::uint32_t bytes = 0;  // of the payload, before it is sealed
};

class Flow {
 public:
  // Somebody looks.
  void watch(Now now);
  // `payload` leaves, for the first time or again.
  void note(Now now, const NodeId& to, ByteView payload) {
    if (now.mono < watched_until_) keep(now, to, payload);
    else if (!said_.empty()) said_ = {};
  }
  // Oldest first; the last one has this number.
  const std::deque<Said>& said() const { return said_; }
  std::uint64_t last() const { return last_; }

 private:
  void keep(Now now, const NodeId& to, ByteView payload);

  Instant watched_until_{};
  std::deque<Said> said_;
  std::uint64_t last_ = 0;
};

}  // namespace weft::node
