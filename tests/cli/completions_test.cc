#include "cli/completions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using ::testing::HasSubstr;

const CommandNode kTree{
    "weft",
    "a node",
    {{{"--home"}, "Home DIR", true}, {{"--json"}, "Print JSON", false}},
    {{"get", "Print it's value", {{{"--out", "-o"}, "Write to F; or not", true}}, {}},
     {"testnet", "Many", {}, {{"kill", "SIGKILL", {}, {}}}}}};

TEST(Completions, BashKnowsCommandsAndOptionsWithValues) {
  const std::string script = completion_script(kTree, "bash").value();
  EXPECT_THAT(script, HasSubstr("'') echo 'get testnet' ;;"));
  EXPECT_THAT(script, HasSubstr("'testnet') echo 'kill' ;;"));
  EXPECT_THAT(script, HasSubstr("'get') echo '--out -o --home --json' ;;"));
  EXPECT_THAT(script, HasSubstr("'get') echo '--out -o --home' ;;"));
  EXPECT_THAT(script, HasSubstr("complete -F _weft weft"));
}

TEST(Completions, ZshDescribes) {
  const std::string script = completion_script(kTree, "zsh").value();
  EXPECT_THAT(script, HasSubstr("#compdef weft"));
  EXPECT_THAT(script, HasSubstr("'get:Print it'\\''s value'"));
  EXPECT_THAT(script, HasSubstr("'--out:Write to F'"));
}

TEST(Completions, FishNeedsTheWholePath) {
  const std::string script = completion_script(kTree, "fish").value();
  EXPECT_THAT(script, HasSubstr("-n 'not __fish_seen_subcommand_from get testnet' -a 'get'"));
  EXPECT_THAT(script, HasSubstr("-n '__fish_seen_subcommand_from testnet; and not "
                                "__fish_seen_subcommand_from kill' -a 'kill'"));
  EXPECT_THAT(script, HasSubstr("-l out -s o -r -F"));
}

TEST(Completions, OtherShellsAreUnknown) {
  EXPECT_FALSE(completion_script(kTree, "tcsh").has_value());
}

}  // namespace
}  // namespace weft::cli
