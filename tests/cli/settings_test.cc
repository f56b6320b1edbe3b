#include "cli/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Result<node::RuntimeOptions> resolved(const UpFlags& flags, const Environment& env = {},
                                      std::string_view toml = "") {
  const auto file = parse_config(toml, "/h/weft.toml");
  if (!file) return std::unexpected(file.error());
  return resolve_up({flags, env, *file, "/h/weft.toml"}, "/h");
}

std::string refused(const UpFlags& flags, const Environment& env = {}, std::string_view toml = "") {
  const auto options = resolved(flags, env, toml);
  EXPECT_FALSE(options.has_value());
  if (options) return {};
  EXPECT_EQ(options.error().exit_status, kExitUsage);
  return options.error().message;
}

TEST(Settings, FlagThenEnvironmentThenFileThenDefault) {
  const std::string_view toml = "name = \"file\"\nnetwork = \"file-net\"\nlog_level = \"debug\"\n";
  const Environment env{{"WEFT_NAME", "env"}, {"WEFT_NETWORK", "env-net"}};
  const auto options = resolved({.name = "flag"}, env, toml);
  ASSERT_TRUE(options.has_value()) << options.error().message;
  EXPECT_EQ(options->name, "flag");
  EXPECT_EQ(options->network, "env-net");
  EXPECT_EQ(options->log_level, "debug");
  EXPECT_TRUE(options->durable);
  EXPECT_THAT(options->effective.at("name"), Pair("flag", "flag"));
  EXPECT_THAT(options->effective.at("network"), Pair("env-net", "WEFT_NETWORK"));
  EXPECT_THAT(options->effective.at("log_level"), Pair("debug", "/h/weft.toml:3"));
  EXPECT_THAT(options->effective.at("durability"), Pair("commit", "default"));
}

TEST(Settings, ListsComeFromOneSource) {
  const auto options = resolved({}, {{"WEFT_JOIN", "a:1,b:2"}}, "join = [\"c:3\"]\n");
  EXPECT_THAT(options->seeds, ElementsAre("a:1", "b:2"));
}

TEST(Settings, NoListenAddressMeansTheDefaultOnes) {
  const auto options = resolved({});
  EXPECT_TRUE(options->listen.empty());
  EXPECT_THAT(options->effective.at("listen"), Pair("0.0.0.0:9338,[::]:9338", "default"));
}

TEST(Settings, TagsAreKeysAndValues) {
  const auto options = resolved({.tag = {"role=db", "zone=a=b"}});
  EXPECT_THAT(options->tags, ElementsAre(Pair("role", "db"), Pair("zone", "a=b")));
  EXPECT_THAT(refused({.tag = {"role"}}), HasSubstr("K=V"));
}

TEST(Settings, RefusesWhatCannotBe) {
  EXPECT_THAT(refused({.listen = {"localhost:1"}}), HasSubstr("listen takes ADDR:PORT"));
  EXPECT_THAT(refused({.join = {"host"}}), HasSubstr("join has a mistake"));
  EXPECT_THAT(refused({.advertise = {"1.2.3.4:0"}}), HasSubstr("advertise"));
  EXPECT_THAT(refused({.name = std::string(49, 'x')}), HasSubstr("48 bytes"));
  EXPECT_THAT(refused({.network = std::string(65, 'x')}), HasSubstr("64 bytes"));
  EXPECT_THAT(refused({.http = "0.0.0.0:80"}), HasSubstr("loopback"));
  EXPECT_THAT(refused({.durability = "maybe"}), HasSubstr("commit or relaxed"));
  EXPECT_THAT(refused({}, {{"WEFT_FAULTS", "perhaps"}}), HasSubstr("faults (WEFT_FAULTS)"));
}

TEST(Settings, TheFileIsCheckedWithItsLine) {
  EXPECT_THAT(refused({}, {}, "name = \"a\"\nlisen = \"b\"\n"),
              HasSubstr("/h/weft.toml:2: there is no setting 'lisen'"));
  EXPECT_THAT(refused({}, {}, "name = 7\n"), HasSubstr("weft.toml:1: name takes a text"));
  EXPECT_THAT(refused({}, {}, "name = \"a\n"), HasSubstr("weft.toml:1"));
  EXPECT_THAT(refused({}, {}, "[limits]\nmemory = \"lots\"\n"), HasSubstr("weft.toml:2"));
}

TEST(Settings, LimitsAreToldWithTheirOrigin) {
  const auto options = resolved({}, {}, "faults = true\n[limits]\nmemory = \"64MiB\"\n");
  EXPECT_TRUE(options->faults);
  EXPECT_THAT(options->effective.at("limits.memory"), Pair("64MiB", "/h/weft.toml:3"));
}

TEST(Settings, LimitsReachTheNode) {
  const auto defaults = resolved({});
  ASSERT_TRUE(defaults.has_value());
  EXPECT_EQ(defaults->limits, node::Limits{});
  EXPECT_THAT(defaults->effective.at("limits.store"), Pair("1GiB", "default"));
  EXPECT_THAT(defaults->effective.at("limits.new_endpoints"), Pair("60000", "default"));

  const auto options = resolved({}, {{"WEFT_LIMITS_SESSIONS", "100"}},
                                "[limits]\nstore = \"1MiB\"\nbackground = 2048\n"
                                "new_endpoints = 30\nsessions = 50\n");
  ASSERT_TRUE(options.has_value()) << options.error().message;
  EXPECT_EQ(options->limits.store_bytes, 1U << 20);
  EXPECT_EQ(options->limits.background_bytes_per_s, 2048U);
  EXPECT_EQ(options->limits.new_endpoints_per_minute, 30U);
  EXPECT_EQ(options->limits.sessions, 100U);
  EXPECT_THAT(options->effective.at("limits.sessions"), Pair("100", "WEFT_LIMITS_SESSIONS"));
  EXPECT_THAT(options->effective.at("limits.store"), Pair("1MiB", "/h/weft.toml:2"));
}

TEST(Settings, LimitsHaveBounds) {
  const auto limits = [](const std::string& line) { return refused({}, {}, "[limits]\n" + line); };
  EXPECT_THAT(limits("store = 1000\n"), HasSubstr("(/h/weft.toml:2) is 1000, but must be 64KiB to 64GiB"));
  EXPECT_THAT(limits("store = \"128GiB\"\n"), HasSubstr("limits.store"));
  EXPECT_THAT(limits("sessions = 15\n"), HasSubstr("must be 16 to 16384"));
  EXPECT_THAT(limits("sessions = \"64KiB\"\n"), HasSubstr("limits.sessions takes a whole number"));
  EXPECT_THAT(limits("background = 0\n"), HasSubstr("limits.background"));
  EXPECT_THAT(limits("new_endpoints = 9\n"), HasSubstr("must be 10 to 1000000"));
  EXPECT_THAT(limits("memory = \"4KiB\"\n"), HasSubstr("limits.memory"));
  EXPECT_THAT(refused({}, {{"WEFT_LIMITS_SESSIONS", "many"}}), HasSubstr("a whole number"));
  EXPECT_THAT(refused({}, {{"WEFT_LIMITS_STORE", "big"}}), HasSubstr("a size like"));
}

TEST(Settings, MemoryBoundsTheTablesTogether) {
  const auto small = resolved({}, {}, "[limits]\nmemory = \"1MiB\"\n");
  ASSERT_TRUE(small.has_value()) << small.error().message;
  EXPECT_LE(node::memory_of(small->limits), 1U << 20);
  EXPECT_EQ(small->limits.sessions, 512U) << "a quarter";
  EXPECT_THAT(small->effective.at("limits.store"), Pair("768KiB", "limits.memory"));
  const auto own = resolved({}, {}, "[limits]\nmemory = \"1MiB\"\nstore = \"900KiB\"\n");
  ASSERT_TRUE(own.has_value()) << own.error().message;
  EXPECT_EQ(own->limits.store_bytes, 900U << 10);
  EXPECT_EQ(own->limits.sessions, 248U) << "what is left";
  EXPECT_THAT(refused({}, {}, "[limits]\nmemory = \"1MiB\"\nstore = \"1MiB\"\n"),
              HasSubstr("limits.memory (/h/weft.toml:2) is 1MiB, but store and sessions take"));
}

TEST(Settings, HomeHasItsOwnOrder) {
  const Environment env{{"WEFT_HOME", "/w"}, {"XDG_STATE_HOME", "/x"}, {"HOME", "/u"}};
  EXPECT_EQ(resolve_home("rel/", env, "/cwd"), "/cwd/rel");
  EXPECT_EQ(resolve_home(std::nullopt, env, "/cwd"), "/w");
  EXPECT_EQ(resolve_home(std::nullopt, {{"XDG_STATE_HOME", "/x"}, {"HOME", "/u"}}, "/"), "/x/weft");
  EXPECT_EQ(resolve_home(std::nullopt, {{"HOME", "/u"}}, "/"), "/u/.local/state/weft");
  EXPECT_FALSE(resolve_home(std::nullopt, {}, "/").has_value());
}

}  // namespace

}  // namespace weft::cli
