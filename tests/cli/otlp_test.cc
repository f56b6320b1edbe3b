#include "cli/otlp.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

TEST(Otlp, ASpanLiesBelowThatOfWhoNamedItsNode) {
  const Json answer = Json::parse(R"({"elapsed_ms": 30, "steps": [
    {"id": "aa", "address": "127.0.0.1:1", "named_by": null, "hop": 1, "at_ms": 0, "rtt_ms": 10, "contacts": 4},
    {"id": "bb", "address": "127.0.0.1:2", "named_by": "aa", "hop": 2, "at_ms": 10.5, "rtt_ms": null, "contacts": 0},
    {"id": "cc", "address": "127.0.0.1:3", "named_by": "zz", "hop": 2, "at_ms": 11, "rtt_ms": 5, "contacts": 1}]})");
  SeededEntropy entropy(1);
  const std::string text = otlp_trace(answer, "weft.get", "a key", {1'800'000'000'000}, entropy);
  EXPECT_EQ(text.back(), '\n');
  const Json trace = Json::parse(text);
  const Json& spans = trace["resourceSpans"][0]["scopeSpans"][0]["spans"];
  ASSERT_EQ(spans.size(), 4U);
  const Json& root = spans[0];
  EXPECT_FALSE(root.contains("parentSpanId"));
  EXPECT_EQ(root["startTimeUnixNano"], "1799999999970000000");
  EXPECT_EQ(root["endTimeUnixNano"], "1800000000000000000");
  EXPECT_EQ(root["attributes"][0]["value"]["stringValue"], "a key");
  EXPECT_EQ(spans[1]["parentSpanId"], root["spanId"]);
  EXPECT_EQ(spans[1]["endTimeUnixNano"], "1799999999980000000");
  EXPECT_FALSE(spans[1].contains("status"));
  EXPECT_EQ(spans[2]["parentSpanId"], spans[1]["spanId"]);
  EXPECT_EQ(spans[2]["startTimeUnixNano"], "1799999999980500000");
  EXPECT_EQ(spans[2]["endTimeUnixNano"], root["endTimeUnixNano"]) << "silent until the end";
  EXPECT_EQ(spans[2]["status"]["code"], 2);
  EXPECT_EQ(spans[3]["parentSpanId"], root["spanId"]) << "named by nobody who was asked";
  EXPECT_EQ(spans[3]["attributes"][2]["value"]["intValue"], "2");
}

TEST(Otlp, AnAnswerWithoutStepsIsOneSpan) {
  SeededEntropy entropy(1);
  const Json trace = Json::parse(otlp_trace(Json::object(), "weft.put", "\xff", {1}, entropy));
  EXPECT_EQ(trace["resourceSpans"][0]["scopeSpans"][0]["spans"].size(), 1U);
}

}  // namespace
}  // namespace weft::cli
