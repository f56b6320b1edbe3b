#include "testnet/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::testnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::expected<std::vector<std::size_t>, std::string> chosen(std::string_view text,
                                                            std::size_t count,
                                                            std::vector<std::size_t> candidates,
                                                            std::uint64_t seed = 1) {
  const auto selection = parse_selection(text);
  if (!selection) return std::unexpected(selection.error());
  Rng rng(seed);
  return choose(*selection, count, candidates, rng);
}

TEST(Selection, TakesIndexRangeAndList) {
  EXPECT_THAT(chosen("7", 10, {}).value(), ElementsAre(7));
  EXPECT_THAT(chosen("3-5", 10, {}).value(), ElementsAre(3, 4, 5));
  EXPECT_THAT(chosen("9,3,7", 10, {}).value(), ElementsAre(3, 7, 9));
  EXPECT_THAT(chosen("0-2,1,5-5", 10, {}).value(), ElementsAre(0, 1, 2, 5));
}

TEST(Selection, RefusesWhatNamesNoNodes) {
  for (const char* text : {"", ",", "1,", "-1", "3-", "5-3", "x", "1 2", "101%", "-5%", "2000"}) {
    EXPECT_FALSE(parse_selection(text).has_value()) << text;
  }
  EXPECT_THAT(parse_selection("3,x,5").error(), HasSubstr("'x'"));
}

TEST(Selection, RefusesAnIndexThatIsNotThere) {
  EXPECT_EQ(chosen("10", 10, {}).error(), "there is no node 10, only 0 to 9");
}

TEST(Selection, BoundsTheLengthOfAList) {
  std::string text = "1";
  for (std::size_t i = 0; i < kSelectionPartsMax; ++i) text += ",1";
  EXPECT_FALSE(parse_selection(text).has_value());
}

TEST(Selection, AShareIsOfTheCandidatesAndRounded) {
  const std::vector<std::size_t> candidates{2, 3, 5, 7, 11, 13, 17, 19, 23, 29};
  EXPECT_THAT(chosen("25%", 100, candidates).value(), SizeIs(3));  // 2.5 rounds up
  EXPECT_THAT(chosen("100%", 100, candidates).value(), SizeIs(10));
  EXPECT_THAT(chosen("1%", 100, candidates).value(), SizeIs(1));  // at least one
  EXPECT_THAT(chosen("0%", 100, candidates).value(), SizeIs(0));
  EXPECT_THAT(chosen("50%", 100, {}).value(), SizeIs(0));
  const auto half = chosen("50%", 100, candidates);
  for (const std::size_t i : half.value()) {
    EXPECT_NE(std::ranges::find(candidates, i), candidates.end());
  }
}

TEST(Selection, AShareFollowsTheSeed) {
  std::vector<std::size_t> candidates(200);
  for (std::size_t i = 0; i < candidates.size(); ++i) candidates[i] = i;
  EXPECT_EQ(chosen("25%", 200, candidates, 7), chosen("25%", 200, candidates, 7));
  EXPECT_NE(chosen("25%", 200, candidates, 7), chosen("25%", 200, candidates, 8));
}

}  // namespace
}  // namespace weft::testnet
