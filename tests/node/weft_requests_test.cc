#include "node/weft_requests.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "node/control_fields.h"

namespace weft::node {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json body_of(const AskedOr& asked) { return json::parse(asked.value().request.body); }

TEST(WeftRequests, SayWhatWasGivenAndNothingElse) {
  const auto plain = ask_put("color", "blue", {});
  EXPECT_EQ(plain->request.method, "POST");
  EXPECT_EQ(plain->request.path, "/v1/put");
  EXPECT_EQ(body_of(plain), (json{{"key", "color"}, {"value_base64", "Ymx1ZQ=="}, {"timeout_ms", 30000}}));
  const auto full = ask_put("color", "blue", {.lifetime = Seconds(60), .expected = 0, .copies = 3, .quorum = 2, .reader = "ab", .deadline = Milliseconds(5)});
  EXPECT_EQ(body_of(full), (json{{"key", "color"}, {"value_base64", "Ymx1ZQ=="}, {"ttl_s", 60}, {"cas", 0}, {"replicas", 3},
                                 {"quorum", 2}, {"to", "ab"}, {"timeout_ms", 5}}));
  EXPECT_EQ(full->deadline, Milliseconds(5));
  EXPECT_EQ(body_of(ask_get("k", {.author = "alice", .all = true, .quorum = 2})),
            (json{{"key", "k"}, {"author", "alice"}, {"all", true}, {"quorum", 2}, {"timeout_ms", 30000}}));
}

TEST(WeftRequests, ChangesOfStateCarryWhatTheirKindTakes) {
  using What = StateChange::What;
  const std::vector<StateChange> changes = {{.what = What::kSet, .path = "a", .value = std::string("\0\xff", 2), .amount = 7},
                                            {.what = What::kIncrement, .path = "b", .value = "x", .amount = -3},
                                            {.what = What::kRemove, .path = "c", .value = "x"}};
  const json body = body_of(ask_state_write("room", changes, {}));
  EXPECT_EQ(body["space"], "room");
  EXPECT_EQ(body["changes"], json::parse(R"([{"what":"set","value_base64":"AP8=","path":"a"},
                                             {"what":"inc","amount":-3,"path":"b"},{"what":"rm","path":"c"}])"));
  EXPECT_FALSE(ask_state_write("room", std::vector<StateChange>(kBatchMax + 1), {}));
}

TEST(WeftRequests, ReadsAskWithAQuery) {
  const auto changes = ask_state_changes("room", {.after = 7, .wait = Milliseconds(2000), .limit = 5, .path = "a/b"});
  EXPECT_EQ(changes->request.query, (std::map<std::string, std::string>{
                                        {"space", "room"}, {"after", "7"}, {"wait_ms", "2000"}, {"limit", "5"}, {"path", "a/b"}}));
  EXPECT_GT(changes->deadline, Milliseconds(2000)) << "the node answers first";
  EXPECT_EQ(ask_state_items("room/people", {.after = "bob", .limit = 2})->request.query.at("after_base64"), "Ym9i");
}

TEST(WeftRequests, RefuseWhatNoRequestCouldSay) {
  EXPECT_EQ(ask_get("caf\xe9", {}).error().code, Code::kBadRequest) << "not UTF-8: it would be another key";
  EXPECT_TRUE(ask_get("caf\xc3\xa9", {}));
  EXPECT_FALSE(ask_join({"\xff:1"}, {}));
  EXPECT_FALSE(ask_state_change("room/\xff", {}, {}));
  EXPECT_FALSE(ask_put("k", "", {}));
  for (const Milliseconds bad : {Milliseconds(0), Milliseconds(-1), kDeadlineMax + Milliseconds(1)}) {
    EXPECT_FALSE(ask_get("k", {.deadline = bad}));
    EXPECT_FALSE(ask_wait_members(1, {bad}));
    EXPECT_FALSE(ask_state_get("room/a", {bad}));
  }
  EXPECT_TRUE(ask_get("k", {.deadline = kDeadlineMax}));
  EXPECT_FALSE(ask_member_changes({.wait = kWaitMax + Milliseconds(1)}));
  EXPECT_FALSE(ask_member_changes({.wait = Milliseconds(-1)}));
  EXPECT_FALSE(ask_member_changes({.path = "a"}));
}

}  // namespace
}  // namespace weft::node
