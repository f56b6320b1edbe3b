// An iterative lookup for node ids: a user's `lookup`, or a refresh of a bucket.
#pragma once

#include "dht/operation.h"
#include "dht/walk.h"

namespace weft::dht {

class LookupOp final : public Operation {
 public:
  struct Options {
    NodeId target;
    std::size_t want = 20;
    bool trace = false;
    std::size_t paths = 0;  // as Walk's
  };
  // Without a user it is background upkeep and emits no event.
  LookupOp(std::optional<OpId> user, const Options& options);

  void start(Now now, Core& core, Output& out) override;
  void on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                Output& out) override;
  void on_slow(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_timeout(Now now, Core& core, const Asked& asked, Output& out) override;
  void end(Now now, Core& core, OpError why, Output& out) override;

 private:
  void advance(Now now, Core& core, Output& out);
  void fail(OpError why, Output& out);

  Options options_;
  std::optional<Walk> walk_;
};

}  // namespace weft::dht
