// What a node does for a single value without being asked: repair, fetch. Publishing again is region_op.h's,
// handing over hand_over_op.h's.
//
// None of these emits an event; their requests are marked as background.
#pragma once

#include "dht/operation.h"
#include "dht/spread.h"

namespace weft::dht {

// Stores one value to holders that a get has found wanting.
class SpreadOp final : public Operation {
 public:
  SpreadOp(Spread::Value value, std::vector<Holder> holders);

  void start(Now now, Core& core, Output& out) override;
  void on_values(Now now, Core& core, const Asked& asked, Duration rtt, const Values& m,
                 Output& out) override;
  void on_stored(Now now, Core& core, const Asked& asked, const Stored& m, Output& out) override;
  void on_slow(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_timeout(Now now, Core& core, const Asked& asked, Output& out) override;
  void end(Now now, Core& core, OpError why, Output& out) override;

 private:
  void advance(Now now, Core& core, Output& out);

  Spread::Value value_;
  std::vector<Holder> holders_;
  std::optional<Spread> spread_;
};

// Takes over the newer value that a holder told us of when it refused ours.
class FetchOp final : public Operation {
 public:
  FetchOp(const Slot& slot, std::uint64_t newer_than, const Target& from);

  void start(Now now, Core& core, Output& out) override;
  void on_values(Now now, Core& core, const Asked& asked, Duration rtt, const Values& m,
                 Output& out) override;
  void on_timeout(Now, Core&, const Asked&, Output&) override { finish(); }
  void end(Now, Core&, OpError, Output&) override { finish(); }

 private:
  Slot slot_;
  std::uint64_t newer_than_;
  Target from_;
};

}  // namespace weft::dht
