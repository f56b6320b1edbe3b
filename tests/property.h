// Properties: what must hold for all inputs, tried on many that are drawn at random; one that fails is made small (rapidcheck).
//
//   TEST(Area, WhatHolds) {
//     holds(500, [] {
//       const Script script = *scripts(30);
//       RC_ASSERT(...);
//     });
//   }
//
// What is drawn is a script: a list of steps of small numbers which the test interprets. Every list means something, so steps can be left
// out and numbers made smaller while the failure stays, and what is left can be read.
//
// The same cases on every run. The environment asks for others, and for more, of every property that runs:
//   RC_PARAMS="seed=7 max_success=1000000" build/release/tests/weft_gossip_test --gtest_filter='*Properties.*'
// A failure prints what to set it to for the failing case alone ("reproduce=...").
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/detail/TestListenerAdapter.h>

#include <array>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "crypto/rng.h"

namespace weft::testing {

struct Step {
  std::uint8_t does = 0;
  std::uint8_t who = 0;
  std::uint8_t x = 0;
  std::uint8_t y = 0;
  std::uint8_t z = 0;
  std::vector<std::uint8_t> list{};
};
using Script = std::vector<Step>;

// rapidcheck finds it by the argument's namespace.
inline void showValue(const Step& step, std::ostream& out) {
  out << "{" << +step.does << " by " << +step.who << ": " << +step.x << " " << +step.y << " " << +step.z;
  for (std::size_t i = 0; i < step.list.size(); ++i) out << (i == 0 ? "; " : " ") << +step.list[i];
  out << "}";
}

// A step that is a little less in one way, for each way.
inline std::vector<Step> simpler(const Step& step) {
  std::vector<Step> out;
  for (std::uint8_t Step::*number : {&Step::does, &Step::who, &Step::x, &Step::y, &Step::z}) {
    const std::uint8_t value = step.*number;
    if (value == 0) continue;
    for (const int less : {0, value / 2, value - 1}) {
      out.push_back(step);
      out.back().*number = static_cast<std::uint8_t>(less);
    }
  }
  for (std::size_t i = 0; i < step.list.size(); ++i) {
    out.push_back(step);
    out.back().list.erase(out.back().list.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return out;
}

// Up to `most` things, drawn by `draw(Rng&)`.
template <class Draw>
rc::Gen<std::vector<std::invoke_result_t<Draw, Rng&>>> several(std::size_t most, Draw draw) {
  using Thing = std::invoke_result_t<Draw, Rng&>;
  return [most, draw](const rc::Random& random, int size) {
    Rng rng(rc::Random(random).next());
    const std::size_t limit = most * static_cast<std::size_t>(std::min(size, 100)) / 100;
    std::vector<Thing> things;
    for (std::size_t left = limit / 2 + rng.below(limit / 2 + 2); left > 0; --left) things.push_back(draw(rng));
    return rc::shrinkable::shrinkRecur(std::move(things), [](const std::vector<Thing>& all) {
      return rc::seq::concat(rc::shrink::removeChunks(all), rc::shrink::eachElement(all, [](const Thing& one) {
                               return rc::seq::fromContainer(simpler(one));
                             }));
    });
  };
}

// Steps of which each kind `does` comes up as often as its weight says.
inline rc::Gen<Script> scripts(std::size_t most, std::vector<std::uint8_t> weights, std::size_t list_most = 6) {
  return several(most, [weights = std::move(weights), list_most](Rng& rng) {
    std::uint64_t sum = 0;
    for (const std::uint8_t weight : weights) sum += weight;
    std::uint64_t luck = rng.below(sum);
    Step step;
    while (luck >= weights[step.does]) luck -= weights[step.does++];
    for (std::uint8_t Step::*number : {&Step::who, &Step::x, &Step::y, &Step::z}) step.*number = static_cast<std::uint8_t>(rng.below(256));
    for (std::size_t left = rng.below(list_most + 1); left > 0; --left) step.list.push_back(static_cast<std::uint8_t>(rng.below(256)));
    return step;
  });
}

// Says more of a case that has just failed: what the script came to.
class OnFailure {
 public:
  explicit OnFailure(std::function<void(std::ostream&)> tell) : tell_(std::move(tell)) {}
  OnFailure(const OnFailure&) = delete;
  OnFailure& operator=(const OnFailure&) = delete;
  ~OnFailure() {
    if (std::uncaught_exceptions() > before_) tell_(rc::detail::log());
  }

 private:
  std::function<void(std::ostream&)> tell_;
  int before_ = std::uncaught_exceptions();
};

// Tries `property` on `cases` cases.
template <class Property>
void holds(int cases, Property property) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  rc::detail::Configuration config;
  config.testParams.seed = 1;
  config.testParams.maxSuccess = cases;
  if (const char* wanted = std::getenv("RC_PARAMS"); wanted != nullptr) config = rc::detail::configFromString(wanted, config);
  const rc::detail::TestMetadata about{.id = std::string(test->test_suite_name()) + "/" + test->name(), .description = test->name()};
  rc::detail::TestListenerAdapter quiet;
  const auto result = rc::detail::checkTestable(std::move(property), about, config.testParams, quiet, config.reproduce);
  std::ostringstream told;
  rc::detail::printResultMessage(result, told);
  if (result.template is<rc::detail::SuccessResult>()) {
    // How often what came up, of a property that says so (RC_TAG).
    if (!result.template get<rc::detail::SuccessResult>().distribution.empty()) std::cout << told.str() << "\n";
  } else {
    // What repeats it is not part of the message that rapidcheck prints for its caller.
    if (result.template is<rc::detail::FailureResult>()) {
      rc::detail::Configuration again;
      again.reproduce.emplace(about.id, result.template get<rc::detail::FailureResult>().reproduce);
      told << "\nRC_PARAMS=\"" << rc::detail::configToMinimalString(again) << "\"";
    }
    FAIL() << told.str();
  }
}

}  // namespace weft::testing
