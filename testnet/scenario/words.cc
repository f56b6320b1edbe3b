// The words of a scenario file for its enumerations.
#include <utility>

#include "testnet/scenario/scenario.h"

namespace weft::scenario {

std::string to_string(const Problem& problem) {
  std::string where = problem.file;
  if (problem.line != 0) where += ":" + std::to_string(problem.line);
  return where + ": " + problem.message;
}

std::string_view to_string(Do what) {
  switch (what) {
    case Do::kKill: return "kill";
    case Do::kStop: return "stop";
    case Do::kPause: return "pause";
    case Do::kResume: return "resume";
    case Do::kRestart: return "restart";
    case Do::kAdd: return "add";
    case Do::kPartition: return "partition";
    case Do::kHeal: return "heal";
    case Do::kLink: return "link";
    case Do::kNote: return "note";
    case Do::kPut: return "put";
    case Do::kGet: return "get";
    case Do::kEnd: return "end";
    case Do::kSlowCpu: return "slow-cpu";
    case Do::kSlowDisk: return "slow-disk";
    case Do::kFailDisk: return "fail-disk";
    case Do::kLateReceive: return "late-receive";
    case Do::kBlock: return "block";
    case Do::kClockStep: return "clock-step";
    case Do::kClockSkew: return "clock-skew";
    case Do::kClockDrift: return "clock-drift";
    case Do::kHostile: return "hostile";
    case Do::kCalm: return "calm";
    case Do::kBackup: return "backup";
    case Do::kRestoreBackup: return "restore-backup";
    case Do::kTwin: return "twin";
  }
  return "?";
}

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kDrop: return "drop";
    case Role::kLieContacts: return "lie-contacts";
    case Role::kAccomplices: return "accomplices";
    case Role::kFlood: return "flood";
    case Role::kReplay: return "replay";
    case Role::kForge: return "forge";
    case Role::kSpoof: return "spoof";
    case Role::kGrind: return "grind";
    case Role::kCollude: return "collude";
    case Role::kMemberAccuse: return "member-accuse";
    case Role::kMemberReplay: return "member-replay";
    case Role::kMemberWithhold: return "member-withhold";
    case Role::kMemberVouch: return "member-vouch";
    case Role::kStateFork: return "state-fork";
    case Role::kStateForge: return "state-forge";
    case Role::kStateFuture: return "state-future";
    case Role::kStateReplay: return "state-replay";
    case Role::kStateWithhold: return "state-withhold";
    case Role::kStateFlood: return "state-flood";
    case Role::kStateVoid: return "state-void";
  }
  return "?";
}

std::string_view to_string(NatKind kind) {
  switch (kind) {
    case NatKind::kNone: return "none";
    case NatKind::kFullCone: return "full-cone";
    case NatKind::kAddressRestricted: return "address-restricted";
    case NatKind::kPortRestricted: return "port-restricted";
    case NatKind::kSymmetric: return "symmetric";
    case NatKind::kMixed: return "mixed";
  }
  return "?";
}

std::string_view to_string(LoadKind kind) {
  switch (kind) {
    case LoadKind::kPut: return "put";
    case LoadKind::kGet: return "get";
    case LoadKind::kLookup: return "lookup";
    case LoadKind::kState: return "state";
  }
  return "?";
}

std::string_view to_string(Compare compare) {
  switch (compare) {
    case Compare::kEqual: return "==";
    case Compare::kNotEqual: return "!=";
    case Compare::kLess: return "<";
    case Compare::kAtMost: return "<=";
    case Compare::kMore: return ">";
    case Compare::kAtLeast: return ">=";
  }
  return "?";
}

std::optional<Problem> unsupported(const Scenario& scenario, World world, std::string_view file) {
  const auto no = [&](const Place& place, std::string what) {
    const char* where = world == World::kProcesses ? "real processes" : "the simulator";
    return Problem{std::string(file), place.line, std::string(where) + " cannot honour " + what};
  };
  const auto simulated = [](const Link& link) -> const char* {
    if (link.plane) return "latency = \"coordinates\"";
    if (link.access.count() != 0) return "access";
    if (link.corrupt_ppm != 0) return "corrupt";
    if (link.mtu != 0) return "mtu";
    if (link.burst.count() != 0) return "burst";
    if (link.unroutable_ppm != 0) return "unroutable";
    if (link.nat != NatKind::kNone) return "nat";
    return nullptr;
  };
  if (world == World::kSimulator) {
    for (const Action& action : scenario.actions) {
      // Nodes are numbered in the order in which they start, and a twin takes a number that is nobody's.
      const bool more = (scenario.churn && scenario.churn->new_identity) ||
                        std::ranges::any_of(scenario.actions, [](const Action& a) { return a.what == Do::kAdd; });
      if (action.what == Do::kTwin && more) return no(action.place, "a twin where nodes are added while it runs");
      if (action.what != Do::kHostile) continue;
      if (action.role == Role::kGrind && action.who.ranges.empty()) {
        return no(action.place, "a share of ground ids: they are ground before the start, name indexes");
      }
    }
    return std::nullopt;
  }
  if (scenario.nodes > testnet::kNodesMax) {
    return no({}, "more than " + std::to_string(testnet::kNodesMax) + " nodes");
  }
  if (const char* key = simulated(scenario.link)) return no(scenario.link.place, key);
  if (scenario.churn && scenario.churn->new_identity) {
    return no(scenario.churn->place, "identity = \"new\"");
  }
  // A node's port is its home's: others find it by its name there, the launcher too.
  if (scenario.churn && scenario.churn->new_address) {
    return no(scenario.churn->place, "address = \"new\"");
  }
  if (!scenario.membership) return no({}, "membership = false");
  if (!scenario.sweep) return no({}, "sweep = false");
  if (scenario.values_memory != 0) return no({}, "values_memory");
  if (scenario.by_kind) return no({}, "by_kind");
  if (scenario.dht != DhtSettings{}) return no(scenario.dht.place, "[dht]");
  if (scenario.membership_settings != MembershipSettings{}) return no(scenario.membership_settings.place, "[membership]");
  if (scenario.commit != Scenario{}.commit) return no({}, "commit");
  for (const Action& action : scenario.actions) {
    if (const char* key = simulated(action.link)) return no(action.place, key);
    if (action.dead_seeds != 0) return no(action.place, "dead_seeds");
    if (action.what >= Do::kSlowCpu) {
      std::string what = "do = \"" + std::string(to_string(action.what)) + "\"";
      if (action.what == Do::kHostile) what += ", role = \"" + std::string(to_string(action.role)) + "\"";
      return no(action.place, std::move(what));
    }
  }
  return std::nullopt;
}

}  // namespace weft::scenario
