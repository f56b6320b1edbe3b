// Bringing one peer the values that it should hold and lacks.
//
// The peer is shown one short sum a value (Compare, as in region_op.h), names those that it lacks, and only these
// are sent, as many in one StoreMany as a datagram takes. One question is for up to kCompareItemsMax values; if the peer
// holds too many others between the first and the last key to tell, each half is asked about by itself, down to
// kUntoldSent values, which then are sent.
//
// Bounds: kCompareItemsMax values, one Compare and kHandOverStoresOpen datagrams of values under way, at most
// 2 * kCompareItemsMax questions. When upkeep's budget is overdrawn no further datagram is sent once kHandOverLeast
// values are. A peer that says it lacks what it holds, or holds what it lacks, harms its own copies; it costs the
// values' bytes once for each time that it is asked.
#pragma once

#include <deque>
#include <map>

#include "dht/operation.h"
#include "dht/spread.h"

namespace weft::dht {

inline constexpr std::size_t kHandOverStoresOpen = 4;  // datagrams
inline constexpr std::size_t kHandOverLeast = 4;
inline constexpr std::size_t kHandOverFetches = 8;  // newer values fetched from who says it has them
inline constexpr std::size_t kHandOverSilent = 3;  // requests without an answer that end it

class HandOverOp final : public Operation {
 public:
  // `values` by slot, 1 to kCompareItemsMax. With `leaving` the budget does not count.
  HandOverOp(Target to, std::vector<Spread::Value> values, bool leaving);

  void start(Now now, Core& core, Output& out) override;
  void on_compared(Now now, Core& core, const Asked& asked, const Compared& m, Output& out) override;
  void on_stored_many(Now now, Core& core, const Asked& asked, const StoredMany& m, Output& out) override;
  void on_timeout(Now now, Core& core, const Asked& asked, Output& out) override;
  void end(Now now, Core& core, OpError why, Output& out) override;
  // Silence if the peer left a question or a store unanswered, refused its own token or took too long; work if
  // there was no budget for it.
  Rest rest() const override { return rest_; }

 private:
  struct Part {
    std::size_t first = 0;
    std::size_t count = 0;
  };
  struct Sending {
    std::size_t value = 0;
    Token token{};
  };
  void advance(Now now, Core& core, Output& out);
  void ask_part(Core& core, Output& out);
  void send(Now now, Core& core, Output& out);
  void sent_now(Core& core, const Spread::Value& value, const Stored& m);

  Target to_;
  std::vector<Spread::Value> values_;
  bool leaving_;
  std::deque<Part> parts_;      // to be asked about
  std::optional<Part> asking_;  // is being asked about
  std::uint64_t salt_ = 0;
  Bytes sums_;
  std::deque<Sending> to_send_;
  std::map<std::uint32_t, std::vector<std::size_t>> stores_;  // under way: the values of each, by Asked::detail
  std::uint32_t stores_total_ = 0;
  std::size_t sent_ = 0;
  std::size_t silences_ = 0;
  std::size_t fetches_ = 0;
  Rest rest_ = Rest::kNothing;
};

}  // namespace weft::dht
