// What the supervisor's verbs act upon: the fleet, the state its network shall have, and the calls
// that bring each node there.
//
// Faults are a wanted state: whenever a node is ready and does not have the latest plan, it is
// told, so restarted, resumed and added nodes get it without anybody remembering them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "crypto/rng.h"
#include "testnet/control_client.h"
#include "testnet/fault_plan.h"
#include "testnet/fleet.h"

namespace weft::testnet {

class Testbed {
 public:
  Testbed(Layout layout, FleetOptions options, std::uint64_t seed);

  Fleet fleet;
  CallPool calls;
  Rng rng;
  const std::uint64_t seed;
  const std::string network;
  bool ending = false;  // `down` was asked for
  std::string page;     // where its page is, with the token for its buttons; empty: it has none
  std::function<void(std::size_t)> on_ready;  // a node has printed its ready line

  const FaultPlan& plan() const { return plan_; }
  // Every ready node is told from now on.
  void set_plan(FaultPlan plan);
  // Running, ready nodes that do not have the latest plan yet.
  std::size_t plan_missing() const;
  // Why a node refused the latest plan; empty: none did.
  const std::string& plan_refusal() const { return plan_refusal_; }
  // When the last node so far took the latest plan (wall clock), 0: none.
  std::int64_t plan_taken_ms() const { return plan_taken_ms_; }

  // Heals a partition at that time, unless it was changed before.
  void heal_at(MonoTime when);
  void heal();

  // Starts the node as soon as it is dead.
  void revive(std::size_t i) { to_revive_.push_back(i); }

  // Takes in what happened. Call often.
  void advance(MonoTime now);
  void save_manifest() { write_manifest(fleet.layout(), fleet.manifest()); }

 private:
  struct Applied {
    std::uint64_t version = 0;
    bool asking = false;
    MonoTime retry{};
  };
  void on_node_ready(std::size_t i);
  void sync_plan(MonoTime now);
  void revive_dead();
  bool lacks_plan(std::size_t i) const;

  FaultPlan plan_;
  std::uint64_t plan_version_ = 0;  // 0: nothing to tell
  std::string plan_refusal_;
  std::int64_t plan_taken_ms_ = 0;
  std::vector<Applied> applied_;
  std::optional<MonoTime> heal_at_;
  std::vector<std::size_t> to_revive_;
};

}  // namespace weft::testnet
