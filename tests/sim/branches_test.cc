// The rare branches of the core are reached by what the suite runs; one that is not is a hole in it.
#include <fstream>
#include <sstream>

#include "helpers.h"
#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

constexpr const char* kDamaged = R"(
nodes = 12
duration = "20s"
[link]
latency = "5ms"
corrupt = "5%"
)";
// Handshakes beyond a few a second are met with cookies, those of one prefix beyond that with silence.
constexpr const char* kCrowd = R"(
nodes = 40
duration = "20s"
[link]
latency = "20ms"
[[at]]
t = "5s"
do = "kill"
who = "50%"
[[at]]
t = "10s"
do = "restart"
who = "100%"
)";
constexpr const char* kFull = R"(
nodes = 20
duration = "30s"
[[load]]
do = "put"
rate = 20
size = 1000
[[at]]
t = "2s"
do = "fail-disk"
who = "3-12"
for = "10s"
)";
// A symmetric NAT forgets its mapping between an INIT and the datagram that confirms its RESP.
constexpr const char* kForgetfulNat = R"(
nodes = 20
duration = "60s"
[link]
latency = "20ms"
loss = "20%"
nat = "symmetric"
nat_share = "40%"
nat_expiry = "1s"
)";
// A writer that stops between asking for tokens and using them, for longer than they live.
constexpr const char* kSlowWriter = R"(
nodes = 14
duration = "17m"
[link]
latency = "100ms"
[[load]]
do = "put"
rate = 40
until = "10s"
[[at]]
t = "8s"
do = "pause"
who = "3-5"
for = "16m"
)";
// Forgers hand over what newcomers should hold, with a bit of it flipped.
constexpr const char* kForged = R"(
nodes = 30
duration = "60s"
[link]
latency = "5ms"
[[load]]
do = "put"
rate = 10
until = "10s"
[[at]]
t = "1s"
do = "hostile"
who = "1-10"
role = "forge"
[[at]]
t = "15s"
do = "add"
nodes = 20
)";
// Holders that were cut off while values changed; an hour later they offer what they have.
constexpr const char* kLeftBehind = R"(
nodes = 30
duration = "80m"
membership = false
[link]
latency = "5ms"
[[load]]
do = "put"
rate = 10
keys = 30
until = "20s"
[[at]]
t = "10s"
do = "partition"
share = "30%"
for = "15s"
)";
// Round trips differ by more than twice, and half of the mesh does not fit into a bucket.
constexpr const char* kNearAndFar = R"(
nodes = 120
duration = "60s"
[link]
latency = "5ms"
access = "40ms"
)";

void reach(const std::string& text, Branches& all, const std::function<void(node::Config&)>& adjust = {}) {
  auto scenario = scenario::parse_scenario(text, "inline");
  ASSERT_TRUE(scenario) << to_string(scenario.error());
  RunOptions options;
  options.adjust = adjust;
  for (const auto& [name, count] : run_scenario(*scenario, options).branches) all[name] += count;
}

TEST(Branches, EveryRareOneIsReached) {
  Branches all;
  for (const char* name : {"mixed-faults", "hostile-share", "mass-failure"}) {
    std::ifstream in(std::string(WEFT_SOURCE_DIR "/testnet/scenarios/") + name + ".toml", std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    reach(text.str(), all);
  }
  reach(kDamaged, all);
  reach(kCrowd, all, [](node::Config& config) {
    config.sessions.handshakes_per_second = 5;
    config.sessions.prefix_rate = 20;
    config.sessions.prefix_burst = 20;
  });
  reach(kFull, all, [](node::Config& config) { config.dht.values_bytes_max = 64 << 10; });
  reach(kForgetfulNat, all);
  reach(kSlowWriter, all);
  reach(kForged, all);
  reach(kLeftBehind, all);
  reach(kNearAndFar, all);
  for (const auto& [name, count] : all) EXPECT_GT(count, 0U) << name << " was never reached";
  EXPECT_GE(all.size(), 20U);
}

}  // namespace
}  // namespace weft::sim
