#include "testnet/churn_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::testnet {
namespace {

using testing::HasSubstr;

std::string error(std::string_view csv, std::uint32_t nodes = 10) {
  const auto trace = parse_churn_trace(csv, nodes);
  if (trace) return "none";
  return std::to_string(trace.error().line) + ": " + trace.error().message;
}

TEST(ChurnTrace, ReadsSessionsInAnyOrder) {
  const auto trace = parse_churn_trace(
      "# node,up_s,down_s\r\n"
      "3, 0, 12.5\r\n"
      "\n"
      "1,100,200.000001\n"
      "3,20.25,30", 4);
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  const ChurnTrace expected = {{1, 100s, 200'000'001us}, {3, 0s, 12'500ms}, {3, 20'250ms, 30s}};
  EXPECT_EQ(*trace, expected);
}

TEST(ChurnTrace, NamesTheLineOfAMistake) {
  EXPECT_THAT(error("0,1\n"), HasSubstr("1: expected node,up_s,down_s"));
  EXPECT_THAT(error("#\n0,1,2,3\n"), HasSubstr("2: expected"));
  EXPECT_THAT(error("0,1,2\n10,1,2\n"), HasSubstr("2: nodes are 0 to 9"));
  EXPECT_THAT(error("-1,1,2\n"), HasSubstr("1: nodes are"));
  for (const char* time : {"", ".", "1.", ".5", "-1", "1e3", "1.0000001", "2592001", "99999999999", "1 2"}) {
    EXPECT_THAT(error("0," + std::string(time) + ",2592000\n"), HasSubstr("1: '")) << time;
  }
  EXPECT_THAT(error("0,5,5\n"), HasSubstr("1: a session ends after"));
  EXPECT_EQ(error("0,0,2592000\n"), "none");
  EXPECT_THAT(error(""), HasSubstr("0: the trace has no session"));
}

TEST(ChurnTrace, SessionsOfANodeNeitherTouchNorOverlap) {
  EXPECT_THAT(error("0,50,60\n1,0,9\n0,10,50\n"), HasSubstr("1: node 0 is up already, by line 3"));
  EXPECT_THAT(error("0,10,20\n0,10,20\n"), HasSubstr("2: node 0 is up already, by line 1"));
  EXPECT_EQ(error("0,10,20\n0,20.000001,30\n1,10,30\n"), "none");
}

TEST(ChurnTrace, IsBounded) {
  EXPECT_THAT(error(std::string(kTraceBytesMax + 1, '\n')), HasSubstr("0: a trace has at most"));
  std::string many;
  for (std::size_t i = 0; i <= kTraceSessionsMax; ++i) {
    many += "0," + std::to_string(2 * i) + "," + std::to_string(2 * i + 1) + "\n";
  }
  EXPECT_THAT(error(many), HasSubstr("200001: a trace has at most 200000 sessions"));
}

}  // namespace
}  // namespace weft::testnet
