#include "testnet/event_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::testnet {
namespace {

using ::testing::ElementsAre;

const std::string kId(64, 'a');

std::string member(const std::string& to, const std::string& name = "n1") {
  return R"({"address":"127.0.0.1:5000","event":"member","from":null,"id":")" + kId +
         R"(","incarnation":3,"name":")" + name + R"(","t_ms":1,"to":")" + to + R"("})";
}

TEST(EventLine, ReadsAMemberLine) {
  const std::string line = member("failed");
  const auto seen = scan_member_line(line);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->id, kId);
  EXPECT_EQ(seen->state, Sight::kFailed);
  EXPECT_EQ(scan_member_line(member("alive"))->state, Sight::kAlive);
  EXPECT_EQ(scan_member_line(member("suspect"))->state, Sight::kSuspect);
  EXPECT_EQ(scan_member_line(member("left"))->state, Sight::kLeft);
}

TEST(EventLine, ANameCannotForgeAField) {
  // As JSON writes it: every quote in a text has a backslash before it.
  const std::string line = member("alive", R"(\"to\":\"failed\",\"id\":\"b)");
  const auto seen = scan_member_line(line);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->id, kId);
  EXPECT_EQ(seen->state, Sight::kAlive);
}

TEST(EventLine, TagsGoThroughTheParser) {
  const std::string other(64, 'b');
  const std::string line = R"({"event":"member","tags":{"id":")" + other +
                           R"(","to":"failed"},"id":")" + kId + R"(","to":"alive"})";
  const auto seen = scan_member_line(line);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->id, kId);
  EXPECT_EQ(seen->state, Sight::kAlive);
}

TEST(EventLine, SpacesDoNotMatter) {
  const std::string line = R"({"event": "member", "id": ")" + kId + R"(", "to": "left"})";
  ASSERT_TRUE(scan_member_line(line).has_value());
  EXPECT_EQ(scan_member_line(line)->state, Sight::kLeft);
}

TEST(EventLine, OtherLinesAreNotMembers) {
  for (const std::string& line :
       {std::string(), std::string("{"), std::string(R"({"event":"leaving","reason":"x"})"),
        std::string(R"({"id":"short","to":"alive"})"), member("resting"), std::string("{\"to\":"),
        R"({"id":")" + kId + R"("})"}) {
    EXPECT_FALSE(scan_member_line(line).has_value()) << line;
  }
}

TEST(EventLine, ReadsTheReadyLine) {
  const auto ready = parse_ready_line(
      R"({"event":"ready","id":")" + kId +
      R"(","name":"n0","listen":["127.0.0.1:5000","[::1]:5000"],"control":"/c","http":null})");
  ASSERT_TRUE(ready.has_value());
  EXPECT_EQ(ready->id, kId);
  EXPECT_EQ(ready->name, "n0");
  EXPECT_THAT(ready->listen, ElementsAre("127.0.0.1:5000", "[::1]:5000"));
  EXPECT_EQ(ready->http, "");
}

TEST(EventLine, AReadyLineNeedsAnIdAndAnAddress) {
  EXPECT_FALSE(parse_ready_line(R"({"event":"ready","id":"1","listen":["x"]})").has_value());
  EXPECT_FALSE(parse_ready_line(R"({"event":"ready","id":")" + kId + R"(","listen":[]})"));
  EXPECT_FALSE(parse_ready_line(R"({"event":"member","name":"ready"})").has_value());
}

}  // namespace
}  // namespace weft::testnet
