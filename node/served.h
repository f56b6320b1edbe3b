// What this node did for operations that others trace (dht/messages.h, Traced): a span for each request, with the ids that came
// with it, so that one operation can be followed across nodes.
//
// The last kServedMax, in memory only; one that comes again (retransmitted) is one. Who sends many traced requests pushes out those of
// others and nothing else: serving does not depend on what is here. Nothing is allocated before the first one.
#pragma once

#include <deque>
#include <optional>
#include <type_traits>

#include "crypto/rng.h"
#include "crypto/time.h"
#include "dht/tracing.h"

namespace weft::node {

inline constexpr std::size_t kServedMax = 256;

struct Served {
  dht::TraceContext asked;      // the operation, and the asker's span
  ByteArray<8> span{};          // ours
  NodeId from;
  std::uint32_t rpc = 0;
  std::uint8_t kind = 0;        // of the request
  UnixMillis at;                // by the own wall clock
  Instant began;
  std::optional<Duration> took;  // nullopt: not answered yet, or never
  dht::Answer answer;
};

class ServedLog {
 public:
  explicit ServedLog(Entropy& entropy) : entropy_(entropy) {}

  void begin(Now now, const NodeId& from, std::uint32_t rpc, const dht::TraceContext& asked, std::uint8_t kind);
  // The answer to a request leaves, traced or not.
  template <class M>
  void answered(Now now, const NodeId& to, std::uint32_t rpc, const M& message) {
    if constexpr (requires { dht::answer_of(message); }) {
      if (open_ > 0) note(now, to, rpc, dht::answer_of(message));
    }
  }

  // Oldest first.
  const std::deque<Served>& all() const { return served_; }

 private:
  void note(Now now, const NodeId& to, std::uint32_t rpc, const dht::Answer& answer);

  Entropy& entropy_;
  std::deque<Served> served_;
  std::size_t open_ = 0;  // without an answer
};

}  // namespace weft::node
