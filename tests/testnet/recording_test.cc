// The reader of a run's log: what it takes, what it refuses and where it says that is. And what a page is told of it.
#include "testnet/recording.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "crypto/rng.h"
#include "testnet/recorded.h"
#include "testnet/watch.h"

namespace weft::testnet {
namespace {

using Json = nlohmann::json;
using What = LogEvent::What;

std::string id_of(std::size_t i) {
  std::string id = std::to_string(i);
  return std::string(64 - id.size(), '0') + id;
}

std::string boot(std::size_t i, double t) {
  const std::string n = std::to_string(i), at = std::to_string(t);
  return R"({"t":)" + at + R"(,"event":"boot","node":)" + n + R"(,"id":")" + id_of(i) + "\"}\n" + R"({"t":)" + at + R"(,"event":"ready","node":)" + n + "}\n";
}

// Three nodes that see each other; one is killed, and the others notice.
std::string three_nodes() {
  return R"({"t":0.0,"event":"recording","scenario":"small","nodes":3})" "\n"
         R"({"t":0.0,"event":"phase","name":"form"})" "\n"
         R"({"t":0.0,"event":"start","node":0})" "\n" R"({"t":0.0,"event":"start","node":1})" "\n" R"({"t":0.0,"event":"start","node":2})" "\n" +
         boot(0, 0) + boot(1, 0.035) + boot(2, 0.07) +
         R"({"t":0.5,"event":"saw","pairs":"0a1 0a2 1a0 1a2 2a0 2a1"})" "\n"
         R"({"t":2.0,"event":"kill","node":2})" "\n"
         R"({"t":4.0,"event":"saw","pairs":"0s2 1s2"})" "\n"
         R"({"t":6.0,"event":"saw","pairs":"0f2 1f2"})" "\n"
         R"({"t":8.0,"event":"done"})" "\n";
}

std::expected<LogFacts, std::string> survey(const std::string& text) {
  std::istringstream in(text);
  return survey_log(in);
}

std::string trouble(const std::string& text) {
  const auto facts = survey(text);
  return facts ? "none" : facts.error();
}

TEST(Recording, IsSurveyed) {
  const auto facts = survey(three_nodes());
  ASSERT_TRUE(facts) << facts.error();
  EXPECT_EQ(facts->nodes, 3U);
  EXPECT_EQ(facts->length_ms, 8000);
  EXPECT_EQ(facts->scenario, "small");
  EXPECT_EQ(facts->ids[2], id_of(2));
  EXPECT_TRUE(facts->told_ready);
  EXPECT_TRUE(facts->told_sights);
}

TEST(Recording, DamageIsToldWithItsLine) {
  const std::string good = R"({"t":1,"event":"start","node":0})" "\n";
  EXPECT_EQ(trouble(good), "none");
  EXPECT_EQ(trouble(""), "no node is started in it");
  EXPECT_EQ(trouble(good + "{\"t\":2,\"ev"), "line 2 is no JSON object");
  EXPECT_EQ(trouble(good + "\n"), "line 2 is no JSON object");
  EXPECT_EQ(trouble(good + "[1]\n"), "line 2 is no JSON object");
  EXPECT_EQ(trouble(good + good + "\xff\xfe\n"), "line 3 is no JSON object");
  EXPECT_EQ(trouble(good + R"({"t":2})"), "line 2 lacks `event`, a text");
  EXPECT_EQ(trouble(good + R"({"t":2,"event":7})"), "line 2 lacks `event`, a text");
  EXPECT_EQ(trouble(good + R"({"event":"done"})"), "line 2 lacks `t`, the time in seconds");
  EXPECT_EQ(trouble(good + R"({"t":0.5,"event":"done"})"), "line 2 goes back in time");
  for (const char* t : {"-1", "1e300", "1e9", "-1e-9"}) EXPECT_EQ(trouble(R"({"event":"done","t":)" + std::string(t) + "}"), "line 1 has a time `t` out of bounds") << t;
  for (const char* node : {"-1", "\"0\"", "1.5", "null", "18446744073709551616"}) {
    EXPECT_EQ(trouble(R"({"t":0,"event":"kill","node":)" + std::string(node) + "}"), "line 1 (kill) lacks `node`, a number") << node;
  }
  EXPECT_EQ(trouble(R"({"t":0,"event":"start","node":4000})"), "line 1 (start) names node 4000, and at most 4000 can be shown");
  EXPECT_EQ(trouble(R"({"t":0,"event":"start","node":18446744073709551615})"), "line 1 (start) names node 18446744073709551615, and at most 4000 can be shown");
  EXPECT_EQ(trouble(R"({"t":0,"event":"boot","node":0,"id":"00ff"})"), "line 1 (boot) has an `id` that is none");
  EXPECT_EQ(trouble(R"({"t":0,"event":"boot","node":0})"), "line 1 (boot) lacks `id`, a text");
  EXPECT_EQ(trouble(R"({"t":0,"event":"op","op":"steal"})"), "line 1 (op) lacks `op`: put, get, lookup or write");
  EXPECT_EQ(trouble(R"({"t":0,"event":"sample","up":1})"), "line 1 (sample) lacks `members_min`, a number");
  const auto sample = [](const std::string& arrivals) {
    return trouble(R"({"t":0,"event":"sample","up":1,"members_min":1,"members_median":1,"members_max":1,"bytes":0,"packets":0,"arrivals":)" + arrivals + "}");
  };
  for (const std::string bad : {"[-1]", "[1,\"2\"]", "[null]"}) EXPECT_EQ(sample(bad), "line 1 (sample) has `arrivals` that are no numbers") << bad;
  for (const std::string bad : {"{}", "7"}) EXPECT_EQ(sample(bad), "line 1 (sample) has `arrivals` that are no list of numbers, or too many") << bad;
  EXPECT_EQ(sample("[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"), "line 1 (sample) has `arrivals` that are no list of numbers, or too many");
  EXPECT_EQ(trouble(R"({"t":0,"event":"cut_off","nodes":[0,-1]})"), "line 1 (cut_off) has `nodes` that are no numbers");
  EXPECT_EQ(trouble(R"({"t":0,"event":"cut_off","nodes":{}})"), "line 1 (cut_off) lacks `nodes`, a list");
  EXPECT_EQ(trouble(R"({"t":0,"event":"link","spec":")" + std::string(kLogWordMax + 1, 'x') + "\"}"), "line 1 (link) lacks `spec`, a text");
  for (const char* pairs : {"3", "a", "3a", "3x4", "3a4 ", "3a4  5a6", " 3a4", "3a4,5a6", "-3a4", "3a-4", "99999999999a1"}) {
    EXPECT_EQ(trouble(R"({"t":0,"event":"saw","pairs":")" + std::string(pairs) + "\"}"), "line 1 (saw) has `pairs` that are none, such as \"3a4 3f5\"") << pairs;
  }
  EXPECT_EQ(trouble(R"({"t":0,"event":"saw","pairs":"0a4000"})"), "line 1 (saw) names node 4000, and at most 4000 can be shown");
  const std::string deep(kLogLineMax / 2 - 100, '[');
  EXPECT_EQ(trouble(good + R"({"t":2,"event":"done","x":)" + deep + std::string(deep.size(), ']') + "}"), "none") << "depth does no harm";
  EXPECT_EQ(trouble(good + deep), "line 2 is no JSON object");
  EXPECT_EQ(trouble(good + std::string(kLogLineMax + 1, ' ')), "line 2 is longer than 1048576 bytes");
}

TEST(Recording, WhatIsNewToItIsPassedOver) {
  const auto event = parse_log_line(R"({"t":1.5,"event":"moonrise","node":"none"})");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->what, What::kOther);
  EXPECT_EQ(event->t_ms, 1500);
}

// A log that was damaged anywhere is refused or read, and then shown, without harm.
TEST(Recording, AnyDamageIsBorne) {
  const std::string whole = three_nodes();
  Rng rng(7);
  std::size_t refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text = whole;
    for (std::uint64_t hits = 1 + rng.below(3); hits > 0; --hits) {
      const std::size_t at = rng.below(text.size());
      switch (rng.below(4)) {
        case 0: text[at] = static_cast<char>(rng.below(256)); break;
        case 1: text.erase(at, 1 + rng.below(20)); break;
        case 2: text.insert(at, text.substr(rng.below(text.size()), 1 + rng.below(20))); break;
        default: text[at] = static_cast<char>('0' + rng.below(10)); break;
      }
      if (text.empty()) text = "x";
    }
    const auto facts = survey(text);
    if (!facts) {
      ++refused;
      EXPECT_TRUE(facts.error().starts_with("line ") || facts.error().starts_with("no node")) << facts.error();
      continue;
    }
    Recorded recorded(*facts, "x", 1);
    std::istringstream in(text);
    LogReader reader(in);
    while (const auto next = reader.next()) {
      if (!*next) break;
      recorded.apply(**next);
    }
    Watch watch(recorded);
    watch.begin({});
    EXPECT_TRUE(Json::accept(watch.snapshot({})));
    EXPECT_TRUE(Json::accept(watch.sights()));
  }
  EXPECT_GT(refused, 1000U);
}

struct Shown3 {
  Shown3() : facts(*survey(three_nodes())), recorded(facts, "small.jsonl", 1), in(three_nodes()), reader(in), watch(recorded) {
    recorded.on_sight = [this](std::int64_t t, std::size_t by, std::size_t about, Sight state) { watch.note_sight(t, by, about, state); };
    watch.begin(now);
  }
  // All events until then.
  void until(std::int64_t t_ms) {
    while (true) {
      if (!held) {
        auto next = reader.next();
        ASSERT_TRUE(next);
        if (!*next) break;
        held = **next;
      }
      if (held->t_ms > t_ms) break;
      recorded.apply(*held);
      held.reset();
    }
    recorded.set_time(t_ms);
    now = MonoTime{} + Milliseconds(t_ms);
  }

  LogFacts facts;
  Recorded recorded;
  std::istringstream in;
  LogReader reader;
  std::optional<LogEvent> held;
  Watch watch;
  MonoTime now{};
};

TEST(Recording, IsToldAsATestnetIs) {
  Shown3 shown;
  const Json first = Json::parse(shown.watch.snapshot(shown.now));
  EXPECT_EQ(first.at("replay"), true);
  EXPECT_EQ(first.at("length_ms"), 8000);
  EXPECT_EQ(first.at("network"), "small");
  EXPECT_EQ(first.at("nodes").size(), 0U);

  shown.until(1000);
  Json change = Json::parse(shown.watch.change(shown.now));
  EXPECT_EQ(change.at("t_ms"), 1000);
  ASSERT_EQ(change.at("nodes").size(), 3U);
  EXPECT_EQ(change.at("nodes")[1].at("id"), id_of(1));
  EXPECT_EQ(change.at("nodes")[1].at("run"), "running");
  EXPECT_EQ(change.at("nodes")[1].at("ready"), true);
  EXPECT_EQ(change.at("nodes")[1].at("pid"), nullptr);
  EXPECT_EQ(change.at("nodes")[1].at("members"), 3);
  EXPECT_EQ(change.at("nodes")[1].at("seen").at("alive"), 2);
  EXPECT_EQ(change.at("summary").at("running"), 3);
  EXPECT_EQ(change.at("summary").at("converged"), true);
  EXPECT_EQ(change.at("summary").at("phase"), "form");
  EXPECT_EQ(change.at("summary").at("ended"), false);
  EXPECT_EQ(change.at("point").at("members_min"), 3);
  EXPECT_EQ(change.at("events").size(), 6U + 3U);

  shown.until(4000);
  change = Json::parse(shown.watch.change(shown.now));
  ASSERT_EQ(change.at("nodes").size(), 3U);  // the two others are seen by one fewer
  EXPECT_EQ(change.at("nodes")[2].at("run"), "dead");
  EXPECT_EQ(change.at("nodes")[2].at("seen").at("suspect"), 2);
  EXPECT_EQ(change.at("summary").at("converged"), true) << "of who is present each counts exactly those";
  EXPECT_EQ(Json::parse(shown.watch.sights()).at("rows"), Json::parse(R"(["aas","aas","---"])"));

  shown.until(8000);
  shown.recorded.set_ended();
  change = Json::parse(shown.watch.change(shown.now));
  EXPECT_EQ(change.at("nodes").size(), 1U);
  EXPECT_EQ(change.at("nodes")[0].at("seen").at("failed"), 2);
  EXPECT_EQ(change.at("summary").at("ended"), true);
  EXPECT_TRUE(change.contains("point"));
  shown.now += Milliseconds(5000);
  EXPECT_FALSE(Json::parse(shown.watch.change(shown.now)).contains("point")) << "after the end nothing is new";
}

TEST(Recording, ALogWithoutSightsIsShownAsFarAsItGoes) {
  const std::string text = R"({"t":0,"event":"start","node":0})" "\n" R"({"t":0,"event":"start","node":1})" "\n"
      R"({"t":1,"event":"sample","up":2,"members_min":2,"members_median":2,"members_max":2,"bytes":0,"packets":0})" "\n"
      R"({"t":2,"event":"op","op":"put","node":0,"phase":0,"ok":true,"us":1500,"hops":0,"queries":0})" "\n"
      R"({"t":3,"event":"op","op":"put","node":0,"phase":0,"ok":false,"error":"timed_out"})" "\n"
      R"({"t":6,"event":"sample","up":2,"members_min":1,"members_median":1,"members_max":2,"bytes":1000,"packets":10,"values":6,"own_values":4,"arrivals":[0,0,0,0,0,0,0,99,1]})" "\n"
      R"({"t":7,"event":"lost","node":1})" "\n";
  const auto facts = survey(text);
  ASSERT_TRUE(facts) << facts.error();
  Recorded recorded(*facts, "x", 1);
  std::istringstream in(text);
  LogReader reader(in);
  for (auto next = reader.next(); next && *next; next = reader.next()) recorded.apply(**next);
  EXPECT_EQ(recorded.run(0), Run::kRunning);
  EXPECT_TRUE(recorded.node(0).ready);
  EXPECT_EQ(recorded.run(1), Run::kDead);
  EXPECT_EQ(recorded.whole().ended_by_themselves, 1U);
  EXPECT_EQ(recorded.whole().members.members_min, 1U);
  EXPECT_FALSE(recorded.whole().members.converged);
  ASSERT_TRUE(recorded.rates());
  EXPECT_DOUBLE_EQ(*recorded.rates()->bytes_per_node_s, 100);
  EXPECT_DOUBLE_EQ(recorded.rates()->operations[0].per_s, 0.4);
  EXPECT_DOUBLE_EQ(*recorded.rates()->operations[0].failed_per_s, 0.2);
  EXPECT_DOUBLE_EQ(*recorded.rates()->copies, 1.5);
  EXPECT_DOUBLE_EQ(*recorded.rates()->state_lag_p50_ms, 20);
  EXPECT_DOUBLE_EQ(*recorded.rates()->state_lag_p99_ms, 20);
  EXPECT_DOUBLE_EQ(*recorded.rates()->operations[0].p50_ms, 2);
}

}  // namespace
}  // namespace weft::testnet
