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

TEST(Otlp, IdsAreThoseThatTravelled) {
  const Json answer = Json::parse(R"({"elapsed_ms": 30, "trace_id": "0102030405060708090a0b0c0d0e0f10", "steps": [
    {"what": "lookup", "id": "aa", "address": "127.0.0.1:1", "named_by": null, "hop": 1, "at_ms": 0, "rtt_ms": 10, "contacts": 4, "span_id": "a1a2a3a4a5a6a7a8"},
    {"what": "store", "id": "aa", "address": "127.0.0.1:1", "named_by": null, "hop": 1, "at_ms": 11, "rtt_ms": 5, "contacts": 0, "status": "quota", "span_id": "b1a2a3a4a5a6a7a8"},
    {"what": "lookup", "id": "bb", "address": "127.0.0.1:2", "named_by": "aa", "hop": 2, "at_ms": 12, "rtt_ms": 5, "contacts": 0, "span_id": "short"}]})");
  SeededEntropy entropy(1);
  const Json trace = Json::parse(otlp_trace(answer, "weft.put", "k", {1'800'000'000'000}, entropy));
  const Json& spans = trace["resourceSpans"][0]["scopeSpans"][0]["spans"];
  ASSERT_EQ(spans.size(), 4U);
  EXPECT_EQ(spans[0]["traceId"], "0102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(spans[1]["spanId"], "a1a2a3a4a5a6a7a8");
  EXPECT_EQ(spans[2]["spanId"], "b1a2a3a4a5a6a7a8");
  EXPECT_EQ(spans[2]["name"], "store");
  EXPECT_EQ(spans[2]["parentSpanId"], spans[0]["spanId"]);
  EXPECT_EQ(spans[2]["attributes"].back()["value"]["stringValue"], "quota");
  EXPECT_EQ(spans[3]["parentSpanId"], "a1a2a3a4a5a6a7a8") << "the lookup's span, not the store's";
  EXPECT_EQ(spans[3]["spanId"].get<std::string>().size(), 16U);
}

TEST(Otlp, WhatWasServedLiesInTheResourceOfItsNodeBelowTheAskersSpan) {
  const Json served = Json::parse(R"([
    {"node": "n2", "trace_id": "0102030405060708090a0b0c0d0e0f10", "parent_id": "a1a2a3a4a5a6a7a8", "span_id": "c1a2a3a4a5a6a7a8", "from": "n1",
     "what": "store", "at_ms": 1800000000000, "took_ms": 1.5, "contacts": 0, "values": 0, "status": "stored"},
    {"node": "n3", "trace_id": "0102030405060708090a0b0c0d0e0f10", "parent_id": "a2a2a3a4a5a6a7a8", "span_id": "d1a2a3a4a5a6a7a8", "from": "n1",
     "what": "get", "at_ms": 1800000000001, "took_ms": null, "contacts": 3, "values": 1, "status": null},
    {"node": "n2", "trace_id": "0102030405060708090a0b0c0d0e0f10", "parent_id": "a3a2a3a4a5a6a7a8", "span_id": "e1a2a3a4a5a6a7a8", "from": "n1",
     "what": "find_node", "at_ms": 1800000000002, "took_ms": 0, "contacts": 3, "values": 0, "status": null}])");
  const Json trace = Json::parse(otlp_served(served));
  ASSERT_EQ(trace["resourceSpans"].size(), 2U);
  const Json& first = trace["resourceSpans"][0];
  EXPECT_EQ(first["resource"]["attributes"][1]["value"]["stringValue"], "n2");
  const Json& spans = first["scopeSpans"][0]["spans"];
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0]["parentSpanId"], "a1a2a3a4a5a6a7a8");
  EXPECT_EQ(spans[0]["kind"], 2);
  EXPECT_EQ(spans[0]["endTimeUnixNano"], "1800000000001500000");
  EXPECT_EQ(trace["resourceSpans"][1]["scopeSpans"][0]["spans"][0]["status"]["code"], 2);
}

TEST(Otlp, AnAnswerWithoutStepsIsOneSpan) {
  SeededEntropy entropy(1);
  const Json trace = Json::parse(otlp_trace(Json::object(), "weft.put", "\xff", {1}, entropy));
  EXPECT_EQ(trace["resourceSpans"][0]["scopeSpans"][0]["spans"].size(), 1U);
}

}  // namespace
}  // namespace weft::cli
