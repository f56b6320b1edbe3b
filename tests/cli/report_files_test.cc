// Which events of a run's log its page takes, and that no text of a run ends the script element that holds it.
#include "cli/report_files.h"

#include <gtest/gtest.h>

#include <sstream>

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string log_of(int operations) {
  std::string text = "{\"t\":0,\"event\":\"phase\",\"name\":\"form\"}\n";
  for (int i = 0; i < operations; ++i) text += "{\"t\":1,\"event\":\"op\",\"n\":" + std::to_string(i) + "}\n";
  return text + "{\"t\":2,\"event\":\"done\"}\n";
}

TEST(EventsForPage, TakesAllOfAShortLog) {
  std::istringstream log(log_of(10));
  const auto [events, left_out] = events_for_page(log);
  EXPECT_EQ(events.size(), 12U);
  EXPECT_EQ(left_out, 0U);
}

TEST(EventsForPage, ThinsOperationsOutEvenlyAndKeepsTheRest) {
  std::istringstream log(log_of(1000));
  const auto [events, left_out] = events_for_page(log, 8'000);
  EXPECT_LE(events.dump().size(), 8'000U);
  EXPECT_EQ(events.size() + left_out, 1002U);
  EXPECT_EQ(events.front()["event"], "phase");
  EXPECT_EQ(events.back()["event"], "done");
  const int step = events[2]["n"].get<int>() - events[1]["n"].get<int>();
  EXPECT_GT(step, 1);
  for (std::size_t i = 1; i + 2 < events.size(); ++i) EXPECT_EQ(events[i + 1]["n"].get<int>() - events[i]["n"].get<int>(), step);
}

TEST(EventsForPage, ALogThatIsFullOfOtherThingsStaysBounded) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "{\"t\":1,\"event\":\"kill\",\"node\":" + std::to_string(i) + "}\n";
  std::istringstream log(text + "{\"event\":\"op\"}\nno JSON\n");
  const auto [events, left_out] = events_for_page(log, 4'000);
  EXPECT_LE(events.dump().size(), 4'000U);
  EXPECT_EQ(events.size() + left_out, 1002U);
}

TEST(ReportPage, NoTextOfARunEndsItsScript) {
  const std::string page = report_page({Json{{"scenario_text", "</script><script>alert(1)</script>\xff"}}});
  if (page.empty()) GTEST_SKIP() << "weft was built without its pages";
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
  EXPECT_NE(page.find("\\u003c/script>\\u003cscript>alert(1)"), std::string::npos);
  EXPECT_EQ(page.find("__RUNS__"), std::string::npos);
}

TEST(ReportPage, ARunComesBackOutOfItsPage) {
  const Json first{{"report", {{"scenario", "a"}}}};
  const Json second{{"report", {{"scenario", "</script>"}}}, {"events", {{{"t", 1}}}}};
  const std::string page = report_page({first, second});
  if (page.empty()) GTEST_SKIP() << "weft was built without its pages";
  EXPECT_EQ(run_of_page(page), second);
}

TEST(ReportPage, WhatIsNoPageHasNoRun) {
  for (const char* page : {"", "id=\"runs\">", "id=\"runs\">[]</script>", "id=\"runs\">[1]</script>", "id=\"runs\">[{}]</script>", "id=\"runs\">[{</script>"}) {
    EXPECT_EQ(run_of_page(page), std::nullopt) << page;
  }
}

}  // namespace
}  // namespace weft::cli
