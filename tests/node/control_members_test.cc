// GET /v1/members/changes: the feed of the list of members, at one node; the changes are told to it by the test.
#include <gmock/gmock.h>

#include "tests/node/control_rig.h"

namespace weft::node {
namespace {

using nlohmann::json;

// The node itself serves as the member that changes: its record is there.
void change(Rig& rig, gossip::MemberState to) {
  Output out;
  rig.api.on_event(rig.now, gossip::MemberChanged{rig.core.record(), gossip::MemberState::kAlive, to}, out);
}
std::string since(const json& cursor, const std::string& more = "") { return "/v1/members/changes?after=" + cursor.dump() + more; }

TEST(ControlMembers, TellsChangesSinceACursor) {
  Rig rig;
  const auto start = rig.get("/v1/members/changes");
  ASSERT_EQ(start.status, 200) << start.body;
  EXPECT_EQ(start.body["changes"], json::array()) << "from now on";
  change(rig, gossip::MemberState::kSuspect);
  change(rig, gossip::MemberState::kFailed);
  const auto first = rig.get(since(start.body["cursor"], "&limit=1"));
  ASSERT_EQ(first.body["changes"].size(), 1u) << first.body;
  EXPECT_EQ(first.body["changes"][0]["id"], to_string(rig.core.identity().id()));
  EXPECT_EQ(first.body["changes"][0]["from"], "alive");
  EXPECT_EQ(first.body["changes"][0]["to"], "suspect");
  const auto rest = rig.get(since(first.body["cursor"]));
  ASSERT_EQ(rest.body["changes"].size(), 1u);
  EXPECT_EQ(rest.body["changes"][0]["to"], "failed");
  EXPECT_EQ(rig.get(since(rest.body["cursor"])).body, (json{{"changes", json::array()}, {"cursor", rest.body["cursor"]}}));
}

TEST(ControlMembers, WaitsForAChangeOrForTheTimeGiven) {
  Rig rig;
  EXPECT_EQ(rig.get("/v1/members/changes?wait_ms=5000").status, 0);
  const RequestId first = rig.last;
  EXPECT_EQ(rig.get("/v1/members/changes?wait_ms=60000").status, 0);
  const RequestId second = rig.last;
  rig.advance(5s);
  EXPECT_EQ(rig.answer_of(first).body["changes"], json::array());
  EXPECT_EQ(rig.answer_of(second).status, 0);
  change(rig, gossip::MemberState::kLeft);
  EXPECT_EQ(rig.answer_of(second).body["changes"].size(), 1u);
}

TEST(ControlMembers, SaysThatSomeAreLost) {
  Rig rig;
  const json start = rig.get("/v1/members/changes").body["cursor"];
  for (std::size_t i = 0; i <= kMemberChangesKept; ++i) change(rig, gossip::MemberState::kSuspect);
  const auto gap = rig.get(since(start, "&wait_ms=5000"));
  ASSERT_EQ(gap.status, 200) << "a gap is told at once";
  EXPECT_EQ(gap.body["gap"], true);
  EXPECT_EQ(gap.body["changes"], json::array());
  EXPECT_FALSE(rig.get(since(gap.body["cursor"])).body.contains("gap")) << "going on from there is none";
  EXPECT_EQ(rig.get("/v1/members/changes?after=7").body["gap"], true);
}

TEST(ControlMembers, WaitingRequestsAreBoundedTogetherWithThoseOfState) {
  Rig rig;
  ASSERT_EQ(rig.post("/v1/state/create", R"({"space":"room"})").status, 200);
  for (std::size_t i = 0; i < kWatchersMax; ++i) {
    EXPECT_EQ(rig.get(i % 2 == 0 ? "/v1/members/changes?wait_ms=9000" : "/v1/state/changes?space=room&wait_ms=9000").status, 0);
  }
  EXPECT_EQ(code(rig.get("/v1/members/changes?wait_ms=9000")), "overloaded");
  EXPECT_EQ(code(rig.get("/v1/state/changes?space=room&wait_ms=9000")), "overloaded");
  EXPECT_EQ(rig.get("/v1/members/changes").status, 200) << "what does not wait is answered";
}

TEST(ControlMembers, RefusesWhatItCannotRead) {
  Rig rig;
  for (const char* bad : {"limit=0", "limit=257", "after=x", "after=-1", "wait_ms=60001", "path=a"}) {
    EXPECT_EQ(rig.get(std::string("/v1/members/changes?") + bad).status, 400) << bad;
  }
  EXPECT_EQ(rig.post("/v1/members/changes", "{}").status, 400);
}

}  // namespace
}  // namespace weft::node
