// Churn: nodes end (SIGKILL) when their drawn session is over and come back after a pause, so that
// about ten in eleven are there at any time, while lookups and false failures are counted.
//
// Nodes that somebody else killed are left alone. When the job ends, whichever way, the nodes it
// took down are started again.
#pragma once

#include <optional>
#include <vector>

#include "testnet/churn_model.h"
#include "testnet/supervisor_server.h"
#include "testnet/testbed.h"

namespace weft::testnet {

struct ChurnOptions {
  ChurnModel model = ChurnModel::kExponential;
  Milliseconds median{60'000};
  std::optional<Milliseconds> duration;  // none: until the client goes
};

class Churn final : public Job {
 public:
  Churn(Testbed& testbed, const ChurnOptions& options);
  ~Churn() override;
  void step(MonoTime now, Reply& reply) override;

 private:
  struct Slot {
    MonoTime due{};     // end of its session, or of its pause
    bool down = false;  // we took it down
  };
  struct Counts {
    std::size_t kills = 0, restarts = 0, lookups = 0, lookups_ok = 0;
  };
  MonoTime next_session(MonoTime now);
  void turn_over(MonoTime now);
  void look_up();
  std::string figures(MonoTime now) const;

  Testbed& testbed_;
  ChurnOptions options_;
  Rng rng_;
  MonoTime begun_;
  MonoTime report_due_;
  MonoTime lookup_due_;
  std::size_t false_failures_before_;
  std::vector<Slot> slots_;
  std::shared_ptr<Counts> counts_;  // shared with calls that may outlive the job
};

}  // namespace weft::testnet
