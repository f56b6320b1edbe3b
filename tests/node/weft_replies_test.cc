// Answers as weft.h gives them. They come from the real control API of a node without a network, so that what is read is what it says.
#include "node/weft_replies.h"

#include <gmock/gmock.h>

#include "node/weft_requests.h"
#include "tests/node/control_rig.h"

namespace weft::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What the API answers to it, at once or with the node's own means.
ControlReply ask(Rig& rig, const AskedOr& asked) {
  std::string path = asked.value().request.path;
  char mark = '?';
  for (const auto& [name, value] : asked->request.query) {
    path += mark + name + "=" + value;
    mark = '&';
  }
  const Rig::Reply reply = rig.ask(asked->request.method, path, asked->request.body);
  return {reply.status, reply.body.dump()};
}
Result<Document> set(Rig& rig, std::string_view doc, std::string value) {
  return read_document(ask(rig, ask_state_change(doc, {.what = StateChange::What::kSet, .value = std::move(value)}, {})));
}

TEST(WeftReplies, ReadValues) {
  Rig rig;
  const auto put = read_put(ask(rig, ask_put("color", std::string("bl\0ue", 5), {})));
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_EQ(put->number, 1u);
  const auto found = read_found(ask(rig, ask_get("color", {})));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->bytes(), std::string("bl\0ue", 5));
  EXPECT_EQ(found->values[0].author, to_string(rig.core.identity().id()));
  EXPECT_TRUE(found->values[0].own);
  EXPECT_EQ(found->values[0].sealing, FoundValue::Sealing::kNone);
  EXPECT_GT(found->values[0].expires_in, Seconds(60));

  const auto conflict = read_put(ask(rig, ask_put("color", "red", {.expected = 7})));
  EXPECT_EQ(conflict.error().code, Code::kConflict);
  EXPECT_EQ(conflict.error().number, 1u);
  EXPECT_EQ(read_put(ask(rig, ask_put("color", std::string(kPutBytesMax + 1, 'x'), {}))).error().code, Code::kTooLarge);
  EXPECT_EQ(read_put(ask(rig, ask_put("color", "red", {.lifetime = Seconds(-1)}))).error().code, Code::kBadRequest);
  EXPECT_EQ(read_found(ask(rig, ask_get("nothing", {}))).error().code, Code::kNotFound);
}

TEST(WeftReplies, ReadMembersAndThePlace) {
  Rig rig;
  rig.host.shell.listen = {Endpoint::v4(127, 0, 0, 1, 4000)};
  const auto place = read_place(ask(rig, ask_read("/v1/status", {})));
  EXPECT_EQ(place->id, to_string(rig.core.identity().id()));
  EXPECT_THAT(place->listen, ElementsAre("127.0.0.1:4000"));
  const auto members = read_members(ask(rig, ask_read("/v1/members", {})));
  ASSERT_EQ(members->size(), 1u);
  EXPECT_EQ((*members)[0].name, "alice");
  EXPECT_EQ((*members)[0].state, MemberIs::kAlive);
  EXPECT_FALSE((*members)[0].rtt);
  EXPECT_EQ(read_alive(ask(rig, ask_wait_members(1, {}))).value(), 1u);

  const auto start = read_member_changes(ask(rig, ask_member_changes({})));
  Output out;
  rig.api.on_event(rig.now, gossip::MemberChanged{rig.core.record(), gossip::MemberState::kAlive, gossip::MemberState::kLeft, true}, out);
  const auto told = read_member_changes(ask(rig, ask_member_changes({.after = start->cursor})));
  ASSERT_EQ(told->changes.size(), 1u);
  EXPECT_EQ(told->changes[0].from, std::nullopt);
  EXPECT_EQ(told->changes[0].to, MemberIs::kLeft);
  EXPECT_EQ(told->changes[0].at.time_since_epoch(), Milliseconds(rig.now.wall.value));
  EXPECT_TRUE(read_member_changes(ask(rig, ask_member_changes({.after = 1})))->gap);
}

TEST(WeftReplies, ReadSharedState) {
  Rig rig;
  const auto made = read_space(ask(rig, ask_state_create("room", {})));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->name, "room");
  EXPECT_TRUE(made->own);
  EXPECT_EQ(made->access, "open");
  ASSERT_TRUE(set(rig, "room/topic", "weather"));
  const auto topic = read_document(ask(rig, ask_state_get("room/topic", {})));
  EXPECT_EQ(topic->value->bytes, "weather");
  EXPECT_EQ(topic->value->author, to_string(rig.core.identity().id()));
  EXPECT_FALSE(topic->counter);
  using What = StateChange::What;
  EXPECT_EQ(read_counter(ask(rig, ask_state_change("room/visits", {.what = What::kIncrement, .amount = -4}, {}))).value(), -4);
  EXPECT_EQ(read_document(ask(rig, ask_state_get("room/visits", {})))->counter, -4);
  EXPECT_THAT(read_items(ask(rig, ask_state_change("room/people", {.what = What::kAdd, .value = "bob"}, {})))->items, ElementsAre("bob"));
  const auto docs = read_docs(ask(rig, ask_state_docs("room", {.limit = 2})));
  ASSERT_EQ(docs->docs.size(), 2u);
  EXPECT_EQ(docs->docs[0].doc, "room/people");
  EXPECT_TRUE(docs->docs[0].has_set);
  EXPECT_TRUE(docs->more);
  EXPECT_EQ(docs->after, "topic");
  EXPECT_EQ(read_digest(ask(rig, ask_of_space("/v1/state/digest", "room", {})))->entries, 3u);

  const auto changes = read_changes(ask(rig, ask_state_changes("room", {.after = 0})));
  ASSERT_EQ(changes->changes.size(), 3u);
  EXPECT_EQ(changes->changes[0].bytes, "weather");
  EXPECT_EQ(changes->changes[1].kind, Change::Kind::kIncrement);
  EXPECT_EQ(changes->changes[1].counter, -4);
  EXPECT_EQ(changes->changes[2].kind, Change::Kind::kAdd);
  EXPECT_FALSE(changes->gap);
  EXPECT_TRUE(read_changes(ask(rig, ask_state_changes("room", {.after = 1000})))->gap);

  const auto removed = read_document(ask(rig, ask_state_change("room/topic", {.what = What::kRemove}, {})));
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(removed->value);
  EXPECT_EQ(read_document(ask(rig, ask_state_get("room/topic", {}))).error().code, Code::kNotFound);
  EXPECT_TRUE(read_done(ask(rig, ask_state_write("room", {{.path = "a", .value = "1"}, {.path = "b", .value = "2"}}, {}))));
  EXPECT_EQ(read_done(ask(rig, ask_state_write("room", {}, {}))).error().code, Code::kBadRequest);
  EXPECT_TRUE(read_done(ask(rig, ask_to_space("/v1/state/leave", "room", {}))));
  EXPECT_TRUE(read_spaces(ask(rig, ask_read("/v1/state/namespaces", {})))->empty());
}

TEST(WeftReplies, EveryCodeOfTheControlApiHasItsOwn) {
  for (const std::string word : {"bad_request", "too_large", "forbidden", "not_found", "timed_out", "conflict", "quorum",
                                 "several_authors", "ambiguous", "no_peers", "overloaded", "store", "no_room", "shutdown",
                                 "cancelled", "internal"}) {
    const auto read = read_done(to_reply(ApiError{word, "why"}));
    ASSERT_FALSE(read);
    EXPECT_EQ(to_string(read.error().code), word);
    EXPECT_EQ(read.error().message, "why");
  }
  const auto several = read_found(to_reply(ApiError{"several_authors", "two", {{"authors", R"(["a","b"])"}}}));
  EXPECT_THAT(several.error().choices, ElementsAre("a", "b"));
  const auto few = read_put(to_reply(ApiError{"quorum", "few", {{"replicas", "2"}}}));
  EXPECT_EQ(few.error().number, 2u);
}

TEST(WeftReplies, WhatIsNoAnswerIsAnInternalFailure) {
  for (const char* body : {"", "[", "null", "7", R"({"values":7})", R"({"values":[]})"}) {
    const auto found = read_found({200, body});
    ASSERT_FALSE(found) << body;
    EXPECT_EQ(found.error().code, Code::kInternal) << body;
    EXPECT_EQ(read_found({500, body}).error().code, Code::kInternal) << body;
  }
  EXPECT_TRUE(read_members({200, R"({"a":1})"})->empty()) << "of a wrong form, but no end of the program";
}

}  // namespace
}  // namespace weft::node
