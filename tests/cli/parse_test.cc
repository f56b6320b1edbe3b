#include "cli/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Args parsed(std::vector<std::string> words) {
  Parsed result = parse_args(std::move(words));
  EXPECT_TRUE(result.args.has_value()) << result.error;
  return result.args.value_or(Args{});
}

std::string refused(std::vector<std::string> words) {
  const Parsed result = parse_args(std::move(words));
  EXPECT_FALSE(result.args.has_value());
  EXPECT_EQ(result.exit_status, kExitUsage);
  return result.error;
}

TEST(Parse, CommonOptionsStandBeforeOrAfter) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--home", "/h", "--json", "--timeout", "250ms", "status"},
           {"status", "--home", "/h", "--json", "--timeout", "250ms"}}) {
    const Args args = parsed(words);
    EXPECT_EQ(args.command, "status");
    EXPECT_EQ(args.home, "/h");
    EXPECT_TRUE(args.json);
    EXPECT_EQ(args.timeout, 250ms);
  }
  EXPECT_TRUE(parsed({"testnet", "kill", "3", "--json"}).json);
  EXPECT_EQ(parsed({"testnet", "kill", "3", "--dir", "/d"}).testnet.dir, "/d");
}

TEST(Parse, KeysAndValuesMayBeNamedLikeCommands) {
  const Args args = parsed({"put", "get", "status"});
  EXPECT_EQ(args.command, "put");
  EXPECT_EQ(args.value.key, "get");
  EXPECT_EQ(args.value.value, "status");
  EXPECT_EQ(parsed({"get", "up"}).value.key, "up");
}

TEST(Parse, DashIsAValue) {
  EXPECT_EQ(parsed({"put", "k", "-"}).value.value, "-");
  EXPECT_EQ(parsed({"put", "k", "--", "-x"}).value.value, "-x");
  EXPECT_EQ(parsed({"put", "k", ""}).value.value, "");
}

TEST(Parse, ListsTakeOneValueAnOption) {
  const Args args = parsed({"up", "--join", "a:1", "--join", "b:2", "--listen", "127.0.0.1:0"});
  EXPECT_THAT(args.up.join, ElementsAre("a:1", "b:2"));
  EXPECT_THAT(args.up.listen, ElementsAre("127.0.0.1:0"));
}

TEST(Parse, NestedCommands) {
  EXPECT_EQ(parsed({"id"}).command, "id");
  EXPECT_EQ(parsed({"id", "export", "f"}).command, "id export");
  EXPECT_EQ(parsed({"network", "new", "f"}).text, "f");
  EXPECT_TRUE(parsed({"config", "show", "--origin"}).origin);
  EXPECT_THAT(refused({"network"}), HasSubstr("--help"));
}

TEST(Parse, ExecTakesAnotherCommandLine) {
  const Args args = parsed({"testnet", "--dir", "/d", "exec", "3", "--", "put", "k", "--json"});
  EXPECT_EQ(args.command, "testnet exec");
  EXPECT_EQ(args.testnet.index, 3U);
  EXPECT_FALSE(args.json);
  EXPECT_THAT(args.testnet.words, ElementsAre("put", "k", "--json"));
}

TEST(Parse, Testnet) {
  const Args args = parsed({"testnet", "up", "-n", "20", "--seed", "7", "--link", "loss=1%",
                            "--detach", "--spread", "--base-port", "9000"});
  EXPECT_EQ(args.testnet.nodes, 20U);
  EXPECT_EQ(args.testnet.seed, 7U);
  EXPECT_EQ(args.testnet.link, "loss=1%");
  EXPECT_TRUE(args.testnet.detach);
  EXPECT_TRUE(args.testnet.spread);
  EXPECT_EQ(args.testnet.base_port, 9000);
  EXPECT_EQ(parsed({"testnet", "churn", "--median-session", "60s"}).testnet.median_session, 60s);
  EXPECT_EQ(parsed({"testnet", "partition", "50%", "--heal-after", "1m"}).testnet.heal_after, 1min);
  EXPECT_EQ(parsed({"testnet", "link", ""}).testnet.link, "");
}

TEST(Parse, UsageErrorsAreOneLineAndNameTheHelp) {
  for (const auto& words :
       std::vector<std::vector<std::string>>{{},
                                             {"frobnicate"},
                                             {"get"},
                                             {"get", "k", "extra"},
                                             {"status", "--frob"},
                                             {"wait", "--members", "x"},
                                             {"wait", "--members", "0"},
                                             {"--timeout", "5", "status"},
                                             {"testnet", "up"},
                                             {"testnet", "up", "-n", "-3"},
                                             {"testnet", "churn", "--median-session", "10ms"}}) {
    const std::string error = refused(words);
    EXPECT_THAT(error, HasSubstr("--help"));
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(Parse, WhatComesLaterIsNamed) {
  EXPECT_THAT(refused({"add", "file"}), HasSubstr("`weft add` is not available yet"));
}

TEST(Parse, SharedState) {
  const Args set = parsed({"state", "set", "room/topic", "get", "--json"});
  EXPECT_EQ(set.command, "state set");
  EXPECT_EQ(set.state.name, "room/topic");
  EXPECT_EQ(set.state.value, "get");
  EXPECT_TRUE(set.json);
  EXPECT_EQ(parsed({"state", "set", "room/topic", ""}).state.value, "");
  EXPECT_EQ(parsed({"state", "set", "room/topic", "-"}).state.value, "-");
  EXPECT_EQ(parsed({"state", "set", "up", "status"}).state.value, "status");
  EXPECT_EQ(parsed({"state", "add", "a/b", "--", "-x"}).state.value, "-x");
  EXPECT_EQ(parsed({"state", "inc", "a/b"}).state.amount, 1);
  EXPECT_EQ(parsed({"state", "inc", "a/b", "7"}).state.amount, 7);
  EXPECT_EQ(parsed({"state", "inc", "a/b", "--", "-3"}).state.amount, -3);
  EXPECT_EQ(parsed({"state", "inc", "--json", "a/b", "--", "-9223372036854775807"}).state.amount, -INT64_MAX);
  EXPECT_EQ(parsed({"state", "inc", "a/b", "-3"}).state.amount, -3);
  EXPECT_EQ(parsed({"state", "ls"}).state.name, "");
  EXPECT_EQ(parsed({"state", "ls", "room@01234567"}).state.name, "room@01234567");
  EXPECT_EQ(parsed({"state", "digest"}).command, "state digest");
  EXPECT_TRUE(parsed({"state", "create", "room", "--owned"}).state.owned);
  const Args grant = parsed({"state", "grant", "room", "0123456789abcdef", "--path", "a/b", "--rights", "add", "--entries", "9", "--expires", "24h"});
  EXPECT_EQ(grant.state.node, "0123456789abcdef");
  EXPECT_EQ(grant.state.path, "a/b");
  EXPECT_EQ(grant.state.rights, "add");
  EXPECT_EQ(grant.state.entries, 9U);
  EXPECT_EQ(grant.state.expires, 24h);
  EXPECT_EQ(parsed({"state", "revoke", "room", "n7"}).state.node, "n7");
  const Args watch = parsed({"state", "watch", "room", "--from", "0", "--count", "2", "--timeout", "5s"});
  EXPECT_EQ(watch.state.from, 0U);
  EXPECT_EQ(watch.state.count, 2U);
  EXPECT_EQ(parsed({"state", "export", "room", "--out", "f"}).state.out, "f");
  EXPECT_EQ(parsed({"state", "import", "room", "f"}).state.file, "f");
  for (const auto& words : std::vector<std::vector<std::string>>{{"state"},
                                                                 {"state", "frobnicate"},
                                                                 {"state", "set", "a/b"},
                                                                 {"state", "inc", "a/b", "1.5"},
                                                                 {"state", "inc", "a/b", "9223372036854775808"},
                                                                 {"state", "inc", "a/b", "--", "-9223372036854775808"},
                                                                 {"state", "create", "room", "--open", "--owned"},
                                                                 {"state", "watch", "room", "--from", "x"},
                                                                 {"state", "import", "room"},
                                                                 {"state", "grant", "room"},
                                                                 {"state", "rights"},
                                                                 {"state", "grant", "room", "x", "--expires", "soon"}}) {
    EXPECT_THAT(refused(words), HasSubstr("--help"));
  }
}

TEST(Parse, SimTakesAScenarioAndItsOwnFlags) {
  const Args args = parsed({"sim", "check", "s.toml", "--seeds", "1..9", "-j", "2", "-n", "40"});
  EXPECT_EQ(args.command, "sim check");
  EXPECT_EQ(args.sim.scenario, "s.toml");
  EXPECT_EQ(args.sim.seeds, "1..9");
  EXPECT_EQ(args.sim.nodes, 40u);
  const Args trace = parsed({"sim", "trace", "s.toml", "--node", "3", "--from", "10s"});
  EXPECT_EQ(trace.sim.node, 3u);
  EXPECT_EQ(trace.sim.from, 10s);
  const Args replay = parsed({"sim", "replay", "run.jsonl", "--http", "127.0.0.1:0", "--speed", "2.5"});
  EXPECT_EQ(replay.sim.scenario, "run.jsonl");
  EXPECT_EQ(replay.sim.http, "127.0.0.1:0");
  EXPECT_EQ(replay.sim.speed, 2.5);
  EXPECT_EQ(parsed({"sim", "run", "s.toml", "--log", "run.jsonl"}).sim.log, "run.jsonl");
  EXPECT_THAT(refused({"sim", "replay", "run.jsonl", "--speed", "2"}), HasSubstr("--http"));
  EXPECT_THAT(refused({"sim", "replay", "run.jsonl", "--http", "127.0.0.1:0", "--seed", "2"}), HasSubstr("--seed"));
  EXPECT_THAT(refused({"sim", "replay", "run.jsonl", "--http", "127.0.0.1:0", "--speed", "0"}), HasSubstr("--speed"));
  EXPECT_THAT(refused({"sim", "replay", "run.jsonl", "--http", "127.0.0.1:0", "--speed", "nan"}), HasSubstr("--speed"));
  EXPECT_THAT(refused({"sim", "run"}), HasSubstr("SCENARIO"));
  EXPECT_THAT(refused({"sim", "run", "s.toml", "-n", "0"}), HasSubstr("--help"));
  EXPECT_THAT(refused({"sim", "run", "s.toml", "--seeds", "1..2"}), HasSubstr("--help"));
}

TEST(Parse, HelpHasAnExampleEverywhere) {
  const auto check = [](auto&& self, const CommandNode& node,
                        std::vector<std::string> path) -> void {
    std::vector<std::string> words = path;
    words.emplace_back("--help");
    const Parsed help = parse_args(words);
    EXPECT_THAT(help.out, HasSubstr("Example:")) << ::testing::PrintToString(path);
    EXPECT_EQ(help.exit_status, 0);
    for (const CommandNode& child : node.commands) {
      path.push_back(child.name);
      self(self, child, path);
      path.pop_back();
    }
  };
  check(check, command_tree(), {});
}

TEST(Parse, Version) {
  EXPECT_EQ(parse_args({"--version"}).out, "weft " WEFT_VERSION "\n");
  EXPECT_THAT(parse_args({"--version", "--json"}).out, HasSubstr("{\"version\":"));
}

TEST(Parse, TellsThatJsonWasAskedForEvenInNonsense) {
  EXPECT_TRUE(parse_args({"frobnicate", "--json"}).json);
  EXPECT_FALSE(parse_args({"testnet", "exec", "3", "--", "status", "--json"}).json);
}

}  // namespace
}  // namespace weft::cli
