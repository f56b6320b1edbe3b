// What a node does for values without being asked: publish again, repair, hand over, fetch.
//
// None of these emits an event; their requests are marked as background.
#pragma once

#include "dht/operation.h"
#include "dht/spread.h"
#include "dht/walk.h"

namespace weft::dht {

// Publishes a value again: finds the nearest responders and stores to them. As a holder, so that
// copies outlive the nodes that kept them (Maymounkov, Mazieres 2002, section 2.5); as the owner,
// also to start the lifetime anew.
class PublishOp final : public Operation {
 public:
  // `owner`: of the own value under slot.key; else of the held value in `slot`.
  PublishOp(const Slot& slot, bool owner);

  void start(Now now, Core& core, Output& out) override;
  void on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                Output& out) override;
  void on_values(Now now, Core& core, const Asked& asked, Duration rtt, const Values& m,
                 Output& out) override;
  void on_stored(Now now, Core& core, const Asked& asked, const Stored& m, Output& out) override;
  void on_slow(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_timeout(Now now, Core& core, const Asked& asked, Output& out) override;
  void end(Now now, Core& core, OpError why, Output& out) override;

 private:
  void advance(Now now, Core& core, Output& out);
  void store(Now now, Core& core, Output& out);
  void complete(Now now, Core& core);

  Slot slot_;
  bool owner_;
  Spread::Value value_;
  std::optional<Walk> walk_;
  std::size_t responders_ = 0;
  std::optional<Spread> spread_;
};

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
