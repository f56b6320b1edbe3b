#include "node/doctor.h"

#include <algorithm>

namespace weft::node {
namespace {

// 2024-01-01 and 2100-01-01: a clock outside was never set.
constexpr std::int64_t kWallMin = 1'704'067'200'000;
constexpr std::int64_t kWallMax = 4'102'444'800'000;
// The wall clock was set while the node ran: this much more or less has passed than really did.
constexpr Duration kClockJumpMin = 1h;
// A short while alone after the start is no finding.
constexpr Duration kAloneGrace = 5s;
// After a mass failure values are handed over for half a minute; for so long, it does not keep up.
constexpr Duration kHandOverLate = 5min;

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}
std::string joined(const std::vector<Endpoint>& endpoints) {
  std::string text;
  for (const Endpoint& endpoint : endpoints)
    text += (text.empty() ? "" : ", ") + to_string(endpoint);
  return text;
}

// By how much the wall clock was set since the node started; 0 if that is no finding.
Duration clock_jump(const ShellFacts& facts, const Status& status, Now now) {
  const Duration by = std::chrono::milliseconds(now.wall.value - facts.started_wall.value) -
                      (now.mono - status.started);
  return by < kClockJumpMin && by > -kClockJumpMin ? Duration{} : by;
}

std::string jump_text(Duration by) {
  const auto hours = std::chrono::duration_cast<std::chrono::hours>(by).count();
  return "the clock was set " + std::string(hours < 0 ? "back" : "forward") + " by about " +
         std::to_string(hours < 0 ? -hours : hours) + " h while the node ran";
}

DoctorCheck check_port(const ShellFacts& facts) {
  if (facts.listen.empty()) return {"port", false, "no socket is open; give --listen ADDR:PORT"};
  if (facts.send_dropped_total > 0) {
    return {"port", false,
            "the system's send queue overflowed " + std::to_string(facts.send_dropped_total) +
                " times; raise net.core.wmem_max or lower the load"};
  }
  return {"port", true, "listening on " + joined(facts.listen)};
}

DoctorCheck check_clock(const ShellFacts& facts, const Status& status, Now now) {
  if (const Duration by = clock_jump(facts, status, now); by != Duration{}) {
    return {"clock", false,
            jump_text(by) +
                "; lifetimes and members do not depend on it, but a restart counts how long it was "
                "off by it: check the date before you restart"};
  }
  if (now.wall.value < kWallMin || now.wall.value > kWallMax) {
    return {"clock", false, "the system's clock is not set; set the date (a restart counts by it how long it was off)"};
  }
  if (facts.started_wall.value < facts.last_seen.value) {
    return {"clock", false,
            "the clock stood before the end of the node's last run when it started; "
            "check the date"};
  }
  return {"clock", true, "the clock is plausible"};
}

DoctorCheck check_reachability(const NodeCore& core) {
  const RecordRef& record = core.record();
  if (!record) return {"reachability", false, "the node is not ready yet; ask again in a moment"};
  if (record->endpoints.empty()) {
    return {"reachability", false,
            "no address that others could use is known; give --advertise ADDR:PORT"};
  }
  std::vector<Endpoint> told(record->endpoints.begin(), record->endpoints.end());
  const bool global =
      std::ranges::any_of(told, [](const Endpoint& e) { return scope(e) == Scope::kGlobal; });
  if (global) return {"reachability", true, "others are told " + joined(told)};
  const bool local =
      std::ranges::all_of(told, [](const Endpoint& e) { return scope(e) == Scope::kLoopback; });
  return {"reachability", true,
          "others are told " + joined(told) +
              (local ? ": this machine only"
                     : ": this local network only; --advertise a public "
                       "address to be reached from elsewhere")};
}

DoctorCheck check_store(const ShellFacts& facts) {
  if (!facts.store_health.empty()) {
    return {"store", false,
            facts.store_health + "; make room or mend the disk, writes are tried again"};
  }
  if (facts.store.totals_mended) {
    return {"store", false,
            "its count of held values was not what it holds, and was set right at the start; if that comes back, "
            "something else writes to weft.db, or the disk loses writes"};
  }
  if (facts.ephemeral) return {"store", true, "--ephemeral: nothing but the identity is kept"};
  return {"store", true,
          std::to_string(facts.store.commits_total) + " commits, " +
              std::to_string(facts.store.rows_written_total) + " rows"};
}

DoctorCheck check_seeds(const ShellFacts& facts, const Status& status) {
  if (!facts.seeds_unresolved.empty()) {
    return {"seeds", false,
            "these names do not resolve: " + joined(facts.seeds_unresolved) +
                "; check the spelling and the name server"};
  }
  const bool alone = status.members.alive <= 1;
  if (facts.seeds.empty()) {
    return {
        "seeds", true,
        alone ? "none configured and nobody joined yet; weft join HOST:PORT" : "none configured"};
  }
  if (alone) {
    return {"seeds", false,
            "no answer from " + joined(facts.seeds) + "; are they up, in network " + facts.network +
                ", and is UDP let through?"};
  }
  return {"seeds", true, joined(facts.seeds)};
}

DoctorCheck check_versions(const NodeCore& core) {
  std::size_t newer = 0;
  std::size_t older = 0;
  core.for_each_member([&](const gossip::MemberView& member) {
    if (!member.record || member.state != gossip::MemberState::kAlive) return;
    newer += member.record->minor > kProtocolMinor ? 1U : 0U;
    older += member.record->minor < kProtocolMinor ? 1U : 0U;
  });
  if (newer > 0) {
    return {"versions", false,
            std::to_string(newer) + " members speak a newer protocol; update weft here"};
  }
  if (older > 0)
    return {"versions", true, std::to_string(older) + " members speak an older protocol"};
  return {"versions", true, "all members speak this node's protocol"};
}

DoctorCheck check_members(const Status& status) {
  if (status.members.health > 0) {
    return {"load", false,
            "this node is slow to answer or loses packets (health " +
                std::to_string(status.members.health) +
                "); check the machine's load and the network"};
  }
  return {"load", true, "probes are answered in time"};
}

}  // namespace

std::vector<DoctorCheck> examine(const ShellFacts& facts, const NodeCore& core, Now now) {
  const Status status = core.status();
  return {check_port(facts),
          check_clock(facts, status, now),
          check_reachability(core),
          check_store(facts),
          check_seeds(facts, status),
          check_versions(core),
          check_members(status),
          // A twin ends the node at once (event TwinFound), so a node that answers has none.
          {"identity", true, "no other process was seen with this node's key"}};
}

std::vector<std::string> health_of(const ShellFacts& facts, const Status& status, Now now) {
  std::vector<std::string> health;
  if (!facts.store_health.empty()) health.push_back("store: " + facts.store_health + "; others are sent elsewhere with their values");
  if (!status.ready) health.push_back("starting: the node's own number is not durable yet");
  if (status.leaving) health.push_back("leaving");
  if (const Duration by = clock_jump(facts, status, now); by != Duration{}) {
    health.push_back("clock: " + jump_text(by) + "; see weft doctor");
  }
  const bool settled = now.mono - status.started > kAloneGrace;
  if (settled && !facts.seeds.empty() && status.members.alive <= 1) {
    health.push_back("alone: no seed answers (" + joined(facts.seeds) + "); see weft doctor");
  }
  if (status.dht.values_bytes > facts.limits.store_bytes) {
    health.push_back("store: more values are held than limits.store allows; it shrinks with time");
  }
  if (const auto since = status.dht.handing_over_since; since && now.mono - *since > kHandOverLate) {
    health.push_back("upkeep: handing values to new holders has been behind for " +
                     std::to_string(std::chrono::duration_cast<std::chrono::minutes>(now.mono - *since).count()) +
                     " min (" + std::to_string(status.dht.hand_overs_waiting) +
                     " wait); raise limits.background, or see whether holders answer");
  }
  if (const auto late = status.dht.publishing_late_from; late && now.mono > *late && status.members.alive > 1) {
    health.push_back("upkeep: publishing stored values again has been late for " +
                     std::to_string(std::chrono::duration_cast<std::chrono::minutes>(now.mono - *late).count()) +
                     " min; raise limits.background, or see whether holders answer");
  }
  if (!facts.seeds_unresolved.empty()) {
    health.push_back("seeds: cannot resolve " + joined(facts.seeds_unresolved));
  }
  if (status.members.health > 0) {
    health.push_back("slow: this node's probes are late or lost; see weft doctor");
  }
  return health;
}

}  // namespace weft::node
