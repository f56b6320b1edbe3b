#include "testnet/churn_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace weft::testnet {
namespace {

TEST(ChurnModel, HasTheMedianThatWasAskedFor) {
  for (const auto model : {ChurnModel::kExponential, ChurnModel::kWeibull, ChurnModel::kPareto}) {
    Rng rng(11);
    std::vector<Milliseconds> draws;
    for (int i = 0; i < 10'001; ++i)
      draws.push_back(draw_session(model, Milliseconds(60'000), rng));
    std::ranges::nth_element(draws, draws.begin() + 5000);
    EXPECT_NEAR(static_cast<double>(draws[5000].count()), 60'000, 4'000) << to_string(model);
  }
}

TEST(ChurnModel, StaysWithinItsBounds) {
  Rng rng(12);
  for (int i = 0; i < 10'000; ++i) {
    const auto session = draw_session(ChurnModel::kWeibull, Milliseconds(1000), rng);
    EXPECT_GE(session, Milliseconds(100));
    EXPECT_LE(session, Milliseconds(100'000));
  }
}

TEST(ChurnModel, NamesGoThereAndBack) {
  for (const auto model : {ChurnModel::kExponential, ChurnModel::kWeibull, ChurnModel::kPareto}) {
    EXPECT_EQ(parse_churn_model(to_string(model)), model);
  }
  EXPECT_FALSE(parse_churn_model("steady").has_value());
}

}  // namespace
}  // namespace weft::testnet
