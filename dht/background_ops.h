// What a node does for a single value without being asked: repair, hand over, fetch. Publishing again is
// region_op.h's.
//
// None of these emits an event; their requests are marked as background.
#pragma once

#include "dht/operation.h"
#include "dht/spread.h"

namespace weft::dht {

// Stores one value to some given nodes: holders found wanting by a get, or, one at a time, those who
// have become holders. Of the latter it is told whether it was in vain.
class SpreadOp final : public Operation {
 public:
  enum class Why : std::uint8_t { kRepair, kHandOver };
  SpreadOp(Why why, Spread::Value value, std::vector<Holder> holders);

  void start(Now now, Core& core, Output& out) override;
  void on_values(Now now, Core& core, const Asked& asked, Duration rtt, const Values& m,
                 Output& out) override;
  void on_stored(Now now, Core& core, const Asked& asked, const Stored& m, Output& out) override;
  void on_slow(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_timeout(Now now, Core& core, const Asked& asked, Output& out) override;
  void end(Now now, Core& core, OpError why, Output& out) override;
  bool in_vain() const override;

 private:
  void advance(Now now, Core& core, Output& out);

  Why why_;
  bool silence_ = false;
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
