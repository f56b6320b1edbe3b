// What a scenario can ask of the simulated world beyond SPEC: its keys, their text form, and that
// the world does it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "testnet/sim/world.h"

namespace weft::sim {
namespace {

using scenario::Scenario;
using testing::HasSubstr;

Scenario parsed(const std::string& text) {
  const auto result = scenario::parse_scenario(text, "s.toml");
  EXPECT_TRUE(result.has_value()) << (result ? "" : to_string(result.error()));
  return result ? *result : Scenario{};
}

std::string refused(const std::string& text) {
  const auto result = scenario::parse_scenario(text, "s.toml");
  return result ? "accepted" : to_string(result.error());
}

std::string refused_by(scenario::World world, const Scenario& s) {
  const auto problem = unsupported(s, world, "s.toml");
  return problem ? to_string(*problem) : "accepted";
}

void comes_back_the_same(const std::string& text) {
  const Scenario s = parsed(text);
  EXPECT_EQ(parsed(to_toml(s)), s) << to_toml(s);
}

std::string at_1s(const std::string& rest) { return "nodes = 9\n[[at]]\nt = \"1s\"\n" + rest; }

TEST(Model, KeysGoIntoTextAndBack) {
  comes_back_the_same("nodes = 5\n[link]\nlatency = \"coordinates\"\nbase = \"2ms\"\nspread = \"60ms\"\njitter = \"3%\"\n");
  comes_back_the_same("nodes = 5\n[link]\nnat = \"mixed\"\nnat_share = \"30%\"\nnat_expiry = \"90s\"\n");
  comes_back_the_same("nodes = 5\n[churn]\nmodel = \"trace\"\ntrace = \"a b.csv\"\naddress = \"new\"\n");
  comes_back_the_same("nodes = 5\n[churn]\nmedian_session = \"60s\"\naddress = \"new\"\n");
  comes_back_the_same(at_1s("do = \"partition\"\nwho = \"1-3,7\"\npartial = \"10%\"\none_way = true\n"));
  comes_back_the_same(at_1s("do = \"partition\"\nshare = \"50%\"\npartial = \"10%\"\n"));
  comes_back_the_same(at_1s("do = \"clock-drift\"\nwho = \"2\"\nppm = 300\nevery = \"10s\"\nfor = \"1m\"\n"));
  for (const char* role : {"grind", "collude", "member-accuse", "member-vouch", "state-fork", "state-void"}) {
    comes_back_the_same(at_1s("do = \"hostile\"\nwho = \"2\"\nrole = \"" + std::string(role) + "\"\n"));
  }
  for (const char* what : {"backup", "restore-backup", "twin"}) {
    comes_back_the_same(at_1s("do = \"" + std::string(what) + "\"\nwho = \"1-3\"\n"));
  }
  comes_back_the_same("nodes = 5\n[dht]\nbucket_size = 8\nlookup_want = 1\nparallelism = 5\npaths = 4\nrefresh = \"1h\"\n");
  comes_back_the_same("nodes = 5\nby_kind = true\n[membership]\nprobe_interval = \"2s\"\nsuspicion_min = \"1s\"\nsuspicion_max = \"9s\"\nindirect_probes = 0\ngossip_fanout = 0\n"
                      "health = false\ntries = false\nnacks = false\nbuddy = false\nshortening = false\nown_probe = false\nproofs = false\nburst = false\nstalls = false\ncredit = false\n");
  comes_back_the_same("nodes = 5\nmembership = false\n");
  comes_back_the_same("nodes = 5\n[[load]]\ndo = \"lookup\"\nrate = 1\ntarget = \"node\"\n");
  comes_back_the_same("nodes = 5\n[churn]\nmedian_session = \"60s\"\nseeds = 2\n");
  comes_back_the_same(at_1s("do = \"add\"\nnodes = 2\ndead_seeds = 3\n"));
  comes_back_the_same(at_1s("do = \"block\"\nwho = \"1-3\"\nfor = \"2s\"\n"));
  comes_back_the_same(at_1s("do = \"link\"\nlatency = \"coordinates\"\nspread = \"1s\"\n"));
}

TEST(Model, AllThatIsStoredIsReadOnceInEachTime) {
  const Scenario s = parsed("nodes = 5\nduration = \"100s\"\nsettle = \"3s\"\nheal = \"1s\"\nsweep = false\nvalues_memory = 4096\n"
                            "[[load]]\ndo = \"put\"\ncount = 7\nuntil = \"20s\"\n"
                            "[[load]]\ndo = \"get\"\nevery = \"30s\"\nfrom = \"25s\"\nuntil = \"90s\"\n");
  EXPECT_EQ(s.loads[1].every, 30s);
  comes_back_the_same(to_toml(s));
  Scenario without = s;
  without.sweep = true;
  EXPECT_THAT(refused_by(scenario::World::kProcesses, without), HasSubstr("cannot honour values_memory"));
  without.values_memory = 0;
  EXPECT_THAT(refused_by(scenario::World::kProcesses, s), HasSubstr("cannot honour sweep = false"));
  EXPECT_EQ(refused_by(scenario::World::kProcesses, without), "accepted");

  const RunResult result = run_scenario(s, {});
  const auto& gets = result.verdict.report["total"]["gets"];
  // Two rounds, and of the third, which ends 5 s after its begin, one value.
  EXPECT_EQ(gets["ops"], 2 * 7 + 1);
  EXPECT_EQ(gets["owed"], gets["ops"]);
  EXPECT_EQ(gets["owed_unread"], 0);
}

// ---- lookups against the truth, and what is sent by kind

TEST(Model, LookupsAreJudgedByWhoLives) {
  const auto lookups = [](const std::string& more) {
    const RunResult result = run_scenario(parsed("nodes = 40\nduration = \"60s\"\nheal = \"30s\"\nmembership = false\n"
                                                 "[link]\nlatency = \"20ms\"\n[[load]]\ndo = \"lookup\"\ncount = 200\n" + more), {});
    return result.verdict.report["phases"][1]["lookups"];
  };
  const auto calm = lookups("");
  EXPECT_GT(calm["judged"], 190);  // nobody is asked in its first two seconds
  EXPECT_EQ(calm["judged"], calm["ops"]);
  EXPECT_EQ(calm["right_share"], 1.0);
  EXPECT_EQ(calm["newcomers_missed"], 0);
  // Nobody is told of deaths, and newcomers come all the time: whoever died with its lookup is not judged.
  const auto churned = lookups("[churn]\nmodel = \"exponential\"\nmedian_session = \"60s\"\nmedian_absence = \"1s\"\nidentity = \"new\"\n");
  EXPECT_EQ(churned["judged"], churned["ops"].get<int>() - churned["errors"].value("crashed", 0));
  EXPECT_GT(churned["right_share"], 0.5);
  EXPECT_LE(churned["right_share"].get<double>() * churned["judged"].get<double>() + churned["newcomers_missed"].get<double>(),
            churned["judged"].get<double>() + 1e-6);
}

TEST(Model, ALookupMayEndWithTheNearestAlone) {
  const auto asked = [](const std::string& more) {
    const RunResult result = run_scenario(parsed("nodes = 60\nduration = \"20s\"\nheal = \"5s\"\nmembership = false\n"
                                                 "[link]\nlatency = \"20ms\"\n[[load]]\ndo = \"lookup\"\ncount = 50\n" + more), {});
    const auto lookups = result.verdict.report["phases"][1]["lookups"];
    EXPECT_EQ(lookups["right_share"], 1.0);
    EXPECT_TRUE(result.violations.empty()) << result.violations.front().detail;
    return lookups["queries"]["p50"].get<int>();
  };
  EXPECT_GE(asked(""), 20);
  EXPECT_LT(asked("[dht]\nlookup_want = 1\n"), 10);
}

TEST(Model, TheKindsOfMessagesAreAllThatIsSent) {
  RunOptions options;
  options.kinds = true;
  const RunResult result = run_scenario(parsed("nodes = 20\nduration = \"20s\"\nheal = \"5s\"\n[[load]]\ndo = \"put\"\ncount = 20\n"), options);
  const auto traffic = result.verdict.report["total"]["traffic"];
  double bytes = 0, packets = 0;
  for (const auto& [kind, sent] : traffic["by_kind"].items()) {
    bytes += sent["bytes_per_node_s"].get<double>();
    packets += sent["packets_per_node_s"].get<double>();
  }
  EXPECT_NEAR(bytes, traffic["bytes_per_node_s"].get<double>(), 1e-6);
  EXPECT_NEAR(packets, traffic["packets_per_node_s"].get<double>(), 1e-6);
  for (const char* kind : {"INIT FindNode", "RESP Nodes", "FindNode", "Nodes", "Store", "Stored", "Ping", "Ack"}) {
    EXPECT_TRUE(traffic["by_kind"].contains(kind)) << kind << " of " << traffic["by_kind"].dump();
  }
  EXPECT_GT(traffic["names_per_node_s"].get<double>(), 0);
}

TEST(Model, SeedsStayAndAllOthersJoinThroughThem) {
  std::map<std::size_t, std::size_t> killed;
  const Scenario s = parsed("nodes = 10\nduration = \"60s\"\nheal = \"5s\"\nmembership = false\n"
                            "[churn]\nmedian_session = \"5s\"\nmedian_absence = \"100ms\"\nidentity = \"new\"\nseeds = 3\n");
  RunOptions options;
  options.log = [&killed](const std::string& line) {
    const auto event = nlohmann::json::parse(line);
    if (event["event"] == "kill") ++killed[event["node"].get<std::size_t>()];
  };
  (void)run_scenario(s, options);
  EXPECT_GT(killed.size(), 10U);
  EXPECT_GE(killed.begin()->first, 3U);
}

TEST(Model, MistakesAreToldWithTheirLine) {
  const std::string link = "nodes = 5\n[link]\n";
  EXPECT_THAT(refused(link + "latency = \"coordinates\"\n"), HasSubstr("s.toml:3: latency = \"coordinates\" needs a spread"));
  EXPECT_THAT(refused(link + "latency = \"5ms\"\nspread = \"5ms\"\n"), HasSubstr("s.toml:4: base and spread belong"));
  EXPECT_THAT(refused(link + "base = \"5ms\"\n"), HasSubstr("s.toml:3: base and spread"));
  EXPECT_THAT(refused(link + "latency = \"coordinates\"\nspread = \"11s\"\n"), HasSubstr("s.toml:4: spread is at most 10s"));
  EXPECT_THAT(refused(link + "nat = \"cone\"\nnat_share = \"5%\"\n"), HasSubstr("s.toml:3: nat is one of none, full-cone"));
  EXPECT_THAT(refused(link + "nat = \"symmetric\"\n"), HasSubstr("s.toml:3: nat needs a nat_share"));
  EXPECT_THAT(refused(link + "nat_share = \"5%\"\n"), HasSubstr("s.toml:3: nat_share belongs to nat"));
  EXPECT_THAT(refused(at_1s("do = \"link\"\nnat = \"symmetric\"\n")), HasSubstr("s.toml:5: [[at]] do = \"link\" has no key 'nat'"));
  const std::string churn = "nodes = 5\n[churn]\n";
  EXPECT_THAT(refused(churn + "model = \"trace\"\n"), HasSubstr("s.toml:2: model = \"trace\" needs trace"));
  EXPECT_THAT(refused(churn + "model = \"trace\"\ntrace = \"f.csv\"\nmedian_session = \"9s\"\n"),
              HasSubstr("s.toml:5: [churn] model = \"trace\" has no key 'median_session'"));
  EXPECT_THAT(refused(churn + "median_session = \"9s\"\ntrace = \"f.csv\"\n"), HasSubstr("s.toml:4: [churn] has no key 'trace'"));
  EXPECT_THAT(refused(churn + "median_session = \"9s\"\naddress = \"old\"\n"), HasSubstr("s.toml:4: address is \"same\" or \"new\""));
  EXPECT_THAT(refused(churn + "median_session = \"9s\"\nidentity = \"new\"\naddress = \"same\"\n"), HasSubstr("s.toml:5: who comes back"));
  EXPECT_THAT(refused("nodes = 5\n[dht]\nbucket_size = 21\n"), HasSubstr("s.toml:3: bucket_size takes a whole number from 1 to 20"));
  EXPECT_THAT(refused("nodes = 5\n[dht]\nrefresh = \"9s\"\n"), HasSubstr("s.toml:3: refresh is at least 10s"));
  EXPECT_THAT(refused("nodes = 5\n[dht]\npaths = 9\n"), HasSubstr("s.toml:3: paths takes a whole number from 1 to 8"));
  EXPECT_THAT(refused("nodes = 5\n[dht]\nalpha = 3\n"), HasSubstr("s.toml:3: [dht] has no key 'alpha'"));
  EXPECT_THAT(refused("nodes = 5\n[membership]\nprobe_interval = \"99ms\"\n"), HasSubstr("s.toml:3: probe_interval is at least 100ms"));
  EXPECT_THAT(refused("nodes = 5\n[membership]\nindirect_probes = 9\n"), HasSubstr("s.toml:3: indirect_probes takes a whole number from 0 to 8"));
  EXPECT_THAT(refused("nodes = 5\n[membership]\nbuddy = 1\n"), HasSubstr("s.toml:3: buddy takes true or false"));
  EXPECT_THAT(refused("nodes = 5\n[[load]]\ndo = \"lookup\"\nrate = 1\ntarget = \"me\"\n"), HasSubstr("s.toml:5: target is"));
  EXPECT_THAT(refused("nodes = 5\n[[load]]\ndo = \"get\"\nrate = 1\ntarget = \"node\"\n"), HasSubstr("no key 'target'"));
  EXPECT_THAT(refused("nodes = 5\n[membership]\nfriend = true\n"), HasSubstr("s.toml:3: [membership] has no key 'friend'"));
  EXPECT_THAT(refused("nodes = 5\nmembership = \"no\"\n"), HasSubstr("s.toml:2: membership takes true or false"));
  EXPECT_THAT(refused(at_1s("do = \"add\"\nnodes = 1\ndead_seeds = 17\n")), HasSubstr("dead_seeds takes a whole number from 0 to 16"));
  EXPECT_THAT(refused(at_1s("do = \"block\"\n")), HasSubstr("block needs who"));
  EXPECT_THAT(refused(at_1s("do = \"partition\"\n")), HasSubstr("s.toml:2: partition needs either share or who"));
  EXPECT_THAT(refused(at_1s("do = \"partition\"\nshare = \"5%\"\nwho = \"1\"\n")), HasSubstr("either share or who"));
  EXPECT_THAT(refused(at_1s("do = \"clock-drift\"\nwho = \"1\"\nppm = 5\n")), HasSubstr("clock-drift needs every"));
  EXPECT_THAT(refused(at_1s("do = \"clock-drift\"\nwho = \"1\"\nppm = -5\nevery = \"1s\"\n")), HasSubstr("ppm takes a whole number from 1 to 200000"));
  EXPECT_THAT(refused(at_1s("do = \"clock-drift\"\nwho = \"1\"\nppm = 5\nevery = \"99ms\"\n")), HasSubstr("every is at least 100ms"));
}

TEST(Model, RealProcessesRefuseWhatTheyCannotDo) {
  const auto real = [](const std::string& text) { return refused_by(scenario::World::kProcesses, parsed(text)); };
  EXPECT_THAT(real("nodes = 5\n[link]\nlatency = \"coordinates\"\nspread = \"1ms\"\n"),
              HasSubstr("s.toml:2: real processes cannot honour latency = \"coordinates\""));
  EXPECT_THAT(real("nodes = 5\n[link]\nnat = \"symmetric\"\nnat_share = \"5%\"\n"), HasSubstr("cannot honour nat"));
  EXPECT_THAT(real("nodes = 5\n[churn]\nmedian_session = \"9s\"\naddress = \"new\"\n"), HasSubstr("s.toml:2: real processes cannot honour address"));
  EXPECT_THAT(real(at_1s("do = \"clock-drift\"\nwho = \"1\"\nppm = 5\nevery = \"1s\"\n")), HasSubstr("cannot honour do = \"clock-drift\""));
  EXPECT_THAT(real("nodes = 5\n[dht]\nlookup_want = 1\n"), HasSubstr("s.toml:2: real processes cannot honour [dht]"));
  EXPECT_THAT(real("nodes = 5\n[membership]\nbuddy = false\n"), HasSubstr("s.toml:2: real processes cannot honour [membership]"));
  EXPECT_THAT(real("nodes = 5\nby_kind = true\n"), HasSubstr("cannot honour by_kind"));
  EXPECT_THAT(real(at_1s("do = \"add\"\nnodes = 1\ndead_seeds = 1\n")), HasSubstr("cannot honour dead_seeds"));
  EXPECT_THAT(real(at_1s("do = \"block\"\nwho = \"1\"\n")), HasSubstr("cannot honour do = \"block\""));
  const Scenario grows = parsed(at_1s("do = \"twin\"\nwho = \"1\"\n[[at]]\nt = \"2s\"\ndo = \"add\"\nnodes = 1\n"));
  EXPECT_THAT(refused_by(scenario::World::kSimulator, grows), HasSubstr("cannot honour a twin where nodes are added"));
  // These they can.
  EXPECT_EQ(real("nodes = 5\n[churn]\nmodel = \"trace\"\ntrace = \"f.csv\"\n"), "accepted");
  EXPECT_EQ(real(at_1s("do = \"partition\"\nwho = \"1-3\"\npartial = \"20%\"\n")), "accepted");
}

// ---- weather

TEST(Model, TheRootIsWhole) {
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    const std::uint64_t root = root_of(i);
    EXPECT_LE(root * root, i);
    EXPECT_GT((root + 1) * (root + 1), i);
  }
  EXPECT_EQ(root_of(1ULL << 43), 2'965'820u);
  EXPECT_EQ(root_of(UINT64_MAX), UINT32_MAX);
}

TEST(Model, CoordinatesMakeATriangle) {
  scenario::Link link;
  link.plane = scenario::Plane{.base = 2ms, .spread = 60ms};
  Weather weather(5);
  weather.set_link(link, std::nullopt);
  constexpr std::size_t kNodes = 60;
  for (std::size_t i = 0; i < kNodes; ++i) weather.decide(Instant(1s), i, 0, 100);
  Duration longest{};
  Duration sum{};
  for (std::size_t a = 0; a < kNodes; ++a) {
    EXPECT_EQ(weather.one_way(a, a), 2ms);
    for (std::size_t b = 0; b < kNodes; ++b) {
      const Duration way = weather.one_way(a, b);
      EXPECT_EQ(way, weather.one_way(b, a));
      EXPECT_LE(way, 62ms);
      longest = std::max(longest, way);
      sum += way;
      for (std::size_t c = 0; c < kNodes; ++c) {
        EXPECT_LE(way, weather.one_way(a, c) + weather.one_way(c, b) + 2us);
      }
    }
  }
  EXPECT_GT(longest, 50ms);
  // Two points of a disc are on average 0.45 of its diameter apart.
  EXPECT_NEAR(static_cast<double>(sum.count()) / (kNodes * kNodes), 2'000 + 0.45 * 60'000, 4'000);
  // A place depends on seed and index alone.
  Weather other(5);
  other.set_link(link, std::nullopt);
  other.decide(Instant(9s), 7, 3, 100);
  EXPECT_EQ(other.one_way(7, 3), weather.one_way(7, 3));
}

TEST(Model, ABridgeSeesBothSides) {
  Weather weather(5);
  weather.set_link({}, std::nullopt);
  weather.split({true, true, false, false}, /*one_way=*/false, {false, false, false, true});
  const auto arrives = [&](std::size_t from, std::size_t to) {
    return !weather.decide(Instant(1s), from, to, 100).empty();
  };
  EXPECT_FALSE(arrives(0, 2));
  EXPECT_FALSE(arrives(2, 1));
  EXPECT_TRUE(arrives(0, 3));
  EXPECT_TRUE(arrives(3, 1));
  EXPECT_TRUE(arrives(2, 3));
  weather.heal();
  EXPECT_TRUE(arrives(0, 2));
}

// ---- the director

// Runs a director against a world that does at once what it is told; all commands by time.
std::vector<std::pair<Duration, scenario::Command>> directed(const Scenario& s) {
  scenario::Director director(s, "test", {});
  std::vector<std::pair<Duration, scenario::Command>> all;
  std::vector<scenario::Command> commands;
  std::vector<scenario::NodeIndex> up;
  Duration now{};
  while (const auto next = director.next()) {
    now = std::max(now, *next);
    commands.clear();
    director.advance(now, commands);
    const auto sees = [&](scenario::NodeIndex node, scenario::Seen state) {
      for (const auto other : up) {
        if (other == node) continue;
        static_cast<void>(director.saw(now, other, node, state));
        if (state == scenario::Seen::kAlive) static_cast<void>(director.saw(now, node, other, state));
      }
    };
    const auto begins = [&](scenario::NodeIndex node) {
      director.node_up(now, node);
      up.push_back(node);
      sees(node, scenario::Seen::kAlive);
    };
    const auto ends = [&](scenario::NodeIndex node, scenario::Seen state) {
      std::erase(up, node);
      sees(node, state);
    };
    for (const auto& command : commands) {
      all.emplace_back(now, command);
      if (const auto* c = std::get_if<scenario::StartNode>(&command)) begins(c->node);
      if (const auto* c = std::get_if<scenario::RestartNode>(&command)) begins(c->node);
      if (const auto* c = std::get_if<scenario::KillNode>(&command)) ends(c->node, scenario::Seen::kFailed);
      if (const auto* c = std::get_if<scenario::StopNode>(&command)) ends(c->node, scenario::Seen::kLeft);
    }
  }
  return all;
}

constexpr const char* kTraced = R"(
nodes = 4
duration = "100s"
settle = "1s"
heal = "1s"
[churn]
model = "trace"
trace = "f.csv"
)";

std::vector<std::string> told(const Scenario& s) {
  std::vector<std::string> out;
  const auto all = directed(s);
  Duration zero{};
  for (const auto& [at, command] : all) {
    if (std::holds_alternative<scenario::StartNode>(command) && at == Duration{}) continue;
    if (zero == Duration{}) zero = at;
    const std::string when = std::to_string((at - zero).count() / 1000) + " ";
    if (const auto* c = std::get_if<scenario::StartNode>(&command)) out.push_back(when + "start " + std::to_string(c->node));
    if (const auto* c = std::get_if<scenario::KillNode>(&command)) out.push_back(when + "kill " + std::to_string(c->node));
    if (const auto* c = std::get_if<scenario::StopNode>(&command)) out.push_back(when + "stop " + std::to_string(c->node));
    if (const auto* c = std::get_if<scenario::RestartNode>(&command)) {
      out.push_back(when + (c->moved ? "move " : "restart ") + std::to_string(c->node));
    }
  }
  return out;
}

constexpr const char* kTrace = "1,10,20\n1,30.5,40\n2,0,50\n3,99,500\n";

TEST(Model, ATraceSaysWhoIsUpWhen) {
  Scenario s = parsed(kTraced);
  ASSERT_FALSE(attach_trace(s, kTrace, "f.csv").has_value());
  EXPECT_EQ(told(s), (std::vector<std::string>{"0 stop 1", "0 stop 3", "10000 restart 1", "20000 kill 1",
                                               "30500 restart 1", "40000 kill 1", "50000 kill 2",
                                               "99000 restart 3"}));
  s.churn->new_address = true;
  EXPECT_EQ(told(s)[2], "10000 move 1");
  s.churn->new_identity = true;
  EXPECT_EQ(told(s), (std::vector<std::string>{"0 stop 1", "0 stop 3", "10000 start 4", "20000 kill 4",
                                               "30500 start 5", "40000 kill 5", "50000 kill 2",
                                               "99000 start 6"}));
  // With fewer nodes, as `sim shrink` tries it, the rest of the trace stands.
  s = parsed(kTraced);
  ASSERT_FALSE(attach_trace(s, kTrace, "f.csv").has_value());
  s.nodes = 2;
  EXPECT_EQ(told(s).size(), 5u);
}

TEST(Model, ATraceNamesItsOwnFileAndLine) {
  Scenario s = parsed(kTraced);
  const auto problem = attach_trace(s, "1,10,20\n4,1,2\n", "dir/f.csv");
  ASSERT_TRUE(problem.has_value());
  EXPECT_EQ(to_string(*problem), "dir/f.csv:2: nodes are 0 to 3");
}

TEST(Model, AClockDriftsUntilItsTimeIsOver) {
  const Scenario s = parsed("nodes = 3\nduration = \"100s\"\nheal = \"1s\"\n"
                            "[[at]]\nt = \"10s\"\ndo = \"clock-drift\"\nwho = \"1-2\"\nppm = 500\nevery = \"5s\"\nfor = \"21s\"\n");
  std::map<scenario::NodeIndex, std::vector<std::int32_t>> speeds;
  std::size_t calmed = 0;
  for (const auto& [at, command] : directed(s)) {
    if (const auto* c = std::get_if<scenario::FaultNode>(&command)) {
      EXPECT_EQ(c->action.what, scenario::Do::kClockSkew);
      EXPECT_LE(std::abs(c->action.ppm), 500);
      speeds[c->node].push_back(c->action.ppm);
    }
    if (std::holds_alternative<scenario::CalmNode>(command)) ++calmed;
  }
  ASSERT_EQ(speeds.size(), 2u);
  EXPECT_EQ(speeds[1].size(), 5u);
  EXPECT_NE(speeds[1], speeds[2]);
  EXPECT_EQ(calmed, 2u);
}

TEST(Model, APartitionNamesItsSideAndItsBridges) {
  const Scenario s = parsed("nodes = 10\nduration = \"60s\"\nheal = \"1s\"\n"
                            "[[at]]\nt = \"1s\"\ndo = \"kill\"\nwho = \"3\"\n"
                            "[[at]]\nt = \"10s\"\ndo = \"partition\"\nwho = \"1-3\"\npartial = \"20%\"\n");
  std::size_t splits = 0;
  for (const auto& [at, command] : directed(s)) {
    const auto* c = std::get_if<scenario::SplitNodes>(&command);
    if (c == nullptr) continue;
    ++splits;
    EXPECT_EQ(c->side_a, (std::vector<bool>{false, true, true, true, false, false, false, false, false, false}));
    EXPECT_EQ(std::ranges::count(c->bridges, true), 2);
    EXPECT_FALSE(c->bridges[3]) << "it is down";
  }
  EXPECT_EQ(splits, 1u);
}

// ---- whole runs

void passes(const std::string& text, const char* trace = nullptr) {
  Scenario s = parsed(text);
  if (trace != nullptr) {
    ASSERT_FALSE(attach_trace(s, trace, "f.csv").has_value());
  }
  const RunResult result = run_scenario(s, {});
  for (const Violation& v : result.violations) ADD_FAILURE() << v.checker << ": " << v.detail;
  EXPECT_TRUE(result.verdict.passed) << result.verdict.report.dump();
  EXPECT_EQ(run_scenario(s, {}).trace_hash, result.trace_hash);
}

constexpr const char* kLoad = "[[load]]\ndo = \"put\"\nrate = 1\n[[load]]\ndo = \"get\"\nrate = 1\nfrom = \"5s\"\n";

TEST(Model, ATracedMeshOnAPlanePasses) {
  passes("nodes = 12\nduration = \"90s\"\n[link]\nlatency = \"coordinates\"\nbase = \"1ms\"\nspread = \"80ms\"\naccess = \"5ms\"\n"
         "[churn]\nmodel = \"trace\"\ntrace = \"f.csv\"\n" + std::string(kLoad),
         "3,10,20\n3,30,200\n4,0,15\n4,25,40\n5,60,200\n");
}

TEST(Model, AMeshWhoseNodesMovePasses) {
  passes("nodes = 12\nduration = \"3m\"\n[link]\nlatency = \"10ms\"\n"
         "[churn]\nmedian_session = \"60s\"\nmedian_absence = \"15s\"\nshare = \"50%\"\naddress = \"new\"\n" +
         std::string(kLoad));
}

TEST(Model, APartialPartitionHeals) {
  passes("nodes = 12\nduration = \"90s\"\nheal = \"90s\"\n[link]\nlatency = \"10ms\"\n" + std::string(kLoad) +
         "[[at]]\nt = \"10s\"\ndo = \"partition\"\nwho = \"1-5\"\npartial = \"20%\"\nfor = \"40s\"\n");
}

TEST(Model, DriftingClocksHarmNobody) {
  passes("nodes = 12\nduration = \"2m\"\n[link]\nlatency = \"10ms\"\n" + std::string(kLoad) +
         "[[at]]\nt = \"5s\"\ndo = \"clock-drift\"\nwho = \"50%\"\nppm = 50000\nevery = \"3s\"\n"
         "[[check]]\nfield = \"total.members.false_failures\"\nis = \"==\"\nvalue = 0\n");
}

}  // namespace
}  // namespace weft::sim
