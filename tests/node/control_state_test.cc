// Shared state over the control API, at one node; others' entries come by import.
#include "node/control_state.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "crypto/bytes.h"
#include "node/control_json.h"
#include "tests/node/control_rig.h"

namespace weft::node {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string text(const json& base64_text) { return decode_base64(base64_text.get<std::string>()).value_or("?"); }

Rig::Reply write(Rig& rig, json body) { return rig.post("/v1/state/write", body.dump()); }
Rig::Reply set(Rig& rig, const std::string& doc, const std::string& value) {
  return write(rig, {{"doc", doc}, {"what", "set"}, {"value", value}});
}
Rig::Reply create(Rig& rig, const std::string& name) { return rig.post("/v1/state/create", json({{"space", name}}).dump()); }
// The request after that: a join that needs no look into the DHT.
Rig::Reply join(Rig& rig, const std::string& space, const std::string& genesis_base64) {
  return rig.post("/v1/state/join", json({{"space", space}, {"genesis_base64", genesis_base64}}).dump());
}
// Everything that `from` has goes to `to`.
Rig::Reply copy(Rig& from, Rig& to, const std::string& space) {
  const auto page = from.get("/v1/state/export?space=" + space);
  EXPECT_EQ(page.status, 200) << page.body;
  EXPECT_EQ(join(to, space, page.body["genesis_base64"]).status, 200);
  return to.post("/v1/state/import", json({{"space", space}, {"entries_base64", page.body["entries_base64"]}}).dump());
}
std::string items(Rig& rig, const std::string& doc) {
  std::string out;
  const auto reply = rig.get("/v1/state/items?doc=" + doc);
  for (const auto& item : reply.body["items_base64"]) out += text(item) + " ";
  return out;
}

TEST(ControlState, NamesAreReadOrRefusedWithAReason) {
  EXPECT_EQ(parse_space("room")->name, "room");
  EXPECT_EQ(parse_space("room@0123ABCD")->creator, "0123abcd");
  EXPECT_EQ(parse_doc("room/a/b")->path, "a/b");
  EXPECT_EQ(parse_doc("room@0123abcd/a@b")->path, "a@b");
  EXPECT_EQ(parse_doc("room@0123abcd/a")->text(), "room@0123abcd/a");
  for (const std::string bad : {"", "a b", "room@", "room@0123abc", "room@0123abcg", "@0123abcd", "a@b@c"}) {
    EXPECT_EQ(parse_space(bad).error().code, "bad_request") << bad;
  }
  EXPECT_FALSE(parse_space(std::string(64, 'x')));
  EXPECT_FALSE(parse_space("room@" + std::string(65, 'a')));
  for (const std::string bad : {"room", "room/", "/a", "room//a", "room/a/", "room/a b", "room@12/a"}) EXPECT_FALSE(parse_doc(bad)) << bad;
  EXPECT_TRUE(parse_doc("room/" + std::string(255, 'x')));
  EXPECT_FALSE(parse_doc("room/" + std::string(256, 'x')));
}

TEST(ControlState, ItsTreeIsShown) {
  Rig rig;
  ASSERT_EQ(create(rig, "room").status, 200);
  const auto tree = rig.get("/v1/state/tree?space=room");
  ASSERT_EQ(tree.status, 200) << tree.body;
  EXPECT_EQ(tree.body["namespace"], "room");
  EXPECT_TRUE(tree.body["parent"].is_null());
  EXPECT_EQ(tree.body["links"], json::array());
  EXPECT_EQ(rig.get("/v1/state/tree?space=other").status, 404);
  EXPECT_EQ(rig.get("/v1/state/tree").status, 400);
  EXPECT_EQ(rig.post("/v1/state/tree", "{}").status, 400);
}

TEST(ControlState, ANamespaceIsMadeWrittenAndLeft) {
  Rig rig;
  EXPECT_EQ(rig.get("/v1/state/namespaces").body, json::array());
  EXPECT_EQ(rig.get("/v1/state/digest").body, json::array());
  const auto made = create(rig, "room");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string self = to_string(rig.core.identity().id());
  EXPECT_EQ(made.body["namespace"], "room");
  EXPECT_EQ(made.body["creator"], self);
  EXPECT_EQ(made.body["own"], true);
  EXPECT_EQ(made.body["access"], "open");
  EXPECT_EQ(made.body["entries"], 0);
  EXPECT_EQ(create(rig, "room").body["id"], made.body["id"]) << "made twice is made once";

  const auto written = set(rig, "room/topic", "hello");
  ASSERT_EQ(written.status, 200) << written.body;
  EXPECT_EQ(written.body["doc"], "room/topic");
  EXPECT_EQ(text(written.body["value_base64"]), "hello");
  EXPECT_EQ(written.body["author"], self);
  EXPECT_EQ(written.body["at"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(written.body["conflicts"], json::array());
  EXPECT_EQ(rig.get("/v1/state/get?doc=room/topic").body, written.body);
  EXPECT_EQ(rig.get("/v1/state/get?doc=room@" + self.substr(0, 8) + "/topic").body["doc"], "room@" + self.substr(0, 8) + "/topic");

  const auto digest = rig.get("/v1/state/digest?space=room").body;
  EXPECT_EQ(digest["digest"].get<std::string>().size(), 32U);
  EXPECT_EQ(digest["entries"], 1);
  EXPECT_EQ(rig.get("/v1/state/digest").body, json::array({digest}));
  EXPECT_EQ(rig.get("/v1/status").body["state"]["namespaces"], 1);
  EXPECT_EQ(rig.get("/v1/status").body["state"]["entries"], 1);

  const auto left = rig.post("/v1/state/leave", R"({"space":"room"})");
  EXPECT_EQ(left.status, 200) << left.body;
  EXPECT_EQ(left.body["left"], true);
  EXPECT_EQ(rig.get("/v1/state/get?doc=room/topic").status, 404);
  EXPECT_EQ(rig.get("/v1/status").body["state"]["namespaces"], 0);
}

TEST(ControlState, CountersSetsAndWhatIsBelowAPath) {
  Rig rig;
  create(rig, "room");
  EXPECT_EQ(write(rig, {{"doc", "room/n"}, {"what", "inc"}}).body, json({{"doc", "room/n"}, {"value", 1}}));
  EXPECT_EQ(write(rig, {{"doc", "room/n"}, {"what", "inc"}, {"amount", 5}}).body["value"], 6);
  EXPECT_EQ(write(rig, {{"doc", "room/n"}, {"what", "inc"}, {"amount", -9}}).body["value"], -3);
  const auto entries = rig.get("/v1/state/digest?space=room").body["entries"];
  EXPECT_EQ(write(rig, {{"doc", "room/n"}, {"what", "inc"}, {"amount", 0}}).body["value"], -3);
  EXPECT_EQ(rig.get("/v1/state/digest?space=room").body["entries"], entries) << "nothing is no entry";
  EXPECT_EQ(rig.get("/v1/state/get?doc=room/n").body["value"], -3);

  const auto added = write(rig, {{"doc", "room/who"}, {"what", "add"}, {"value", "bob"}});
  EXPECT_EQ(text(added.body["items_base64"][0]), "bob");
  EXPECT_EQ(added.body["more"], false);
  write(rig, {{"doc", "room/who"}, {"what", "add"}, {"value_base64", base64(as_bytes("alice"))}});
  EXPECT_EQ(items(rig, "room/who"), "alice bob ");
  const auto page = rig.get("/v1/state/items?doc=room/who&limit=1").body;
  EXPECT_EQ(text(page["items_base64"][0]), "alice");
  EXPECT_EQ(page["more"], true);
  EXPECT_EQ(text(rig.get("/v1/state/items?doc=room/who&after_base64=" + base64(as_bytes("alice"))).body["items_base64"][0]), "bob");
  EXPECT_THAT(message(rig.get("/v1/state/get?doc=room/who")), HasSubstr("is a set"));
  EXPECT_EQ(write(rig, {{"doc", "room/who"}, {"what", "del"}, {"value", "bob"}}).status, 200);
  EXPECT_EQ(items(rig, "room/who"), "alice ");
  EXPECT_EQ(code(write(rig, {{"doc", "room/who"}, {"what", "del"}, {"value", "carol"}})), "not_found");

  set(rig, "room/m/a", "1");
  set(rig, "room/m/b", "2");
  const auto docs = rig.get("/v1/state/docs?space=room").body;
  EXPECT_EQ(docs["docs"], json::array({{{"doc", "room/m/a"}, {"kinds", {"register"}}},
                                       {{"doc", "room/m/b"}, {"kinds", {"register"}}},
                                       {{"doc", "room/n"}, {"kinds", {"counter"}}},
                                       {{"doc", "room/who"}, {"kinds", {"set"}}}}));
  const auto first = rig.get("/v1/state/docs?space=room&limit=3").body;
  EXPECT_EQ(first["more"], true);
  const auto second = rig.get("/v1/state/docs?space=room&limit=3&after_base64=" + first["after_base64"].get<std::string>()).body;
  EXPECT_EQ(second["docs"].size(), 1U);
  EXPECT_EQ(second["more"], false);

  const auto removed = write(rig, {{"doc", "room/m"}, {"what", "rm"}});
  ASSERT_EQ(removed.status, 200) << removed.body;
  EXPECT_TRUE(removed.body["value_base64"].is_null());
  EXPECT_EQ(code(rig.get("/v1/state/get?doc=room/m/a")), "not_found");
  EXPECT_EQ(code(write(rig, {{"doc", "room/m"}, {"what", "rm"}})), "not_found");
}

TEST(ControlState, RefusesWhatMakesNoSense) {
  Rig rig;
  EXPECT_THAT(message(set(rig, "room/topic", "x")), HasSubstr("weft state join room first"));
  EXPECT_EQ(set(rig, "room/topic", "x").status, 404);
  for (const auto* path : {"/v1/state/get?doc=room/a", "/v1/state/items?doc=room/a", "/v1/state/docs?space=room",
                           "/v1/state/export?space=room", "/v1/state/changes?space=room", "/v1/state/digest?space=room"}) {
    EXPECT_EQ(code(rig.get(path)), "not_found") << path;
  }
  EXPECT_EQ(code(rig.post("/v1/state/leave", R"({"space":"room"})")), "not_found");
  create(rig, "room");
  for (const auto* path : {"/v1/state/get", "/v1/state/get?doc=room", "/v1/state/get?doc=room/a&x=1", "/v1/state/items",
                           "/v1/state/items?doc=room/a&limit=0", "/v1/state/items?doc=room/a&after_base64=x", "/v1/state/docs",
                           "/v1/state/docs?space=room&after=x", "/v1/state/export?space=room&after=x", "/v1/state/changes",
                           "/v1/state/changes?space=room&wait_ms=60001", "/v1/state/changes?space=room&path=a//b",
                           "/v1/state/changes?space=room&limit=257", "/v1/state/digest?space=a/b", "/v1/state/namespaces?x=1"}) {
    EXPECT_EQ(code(rig.get(path)), "bad_request") << path;
  }
  for (const auto* body :
       {R"({})", R"({"doc":"room/a"})", R"({"doc":"room/a","what":"sing"})", R"({"doc":"room/a","what":"set"})",
        R"({"doc":"room","what":"set","value":"x"})", R"({"doc":"room/a","what":"set","value":"x","value_base64":"eA=="})",
        R"({"doc":"room/a","what":"set","value_base64":"x"})", R"({"doc":"room/a","what":"set","value":"x","amount":1})",
        R"({"doc":"room/a","what":"rm","value":"x"})", R"({"doc":"room/a","what":"add","value":""})",
        R"({"doc":"room/a","what":"inc","amount":1.5})", R"({"doc":"room/a","what":"inc","amount":"1"})",
        R"({"doc":"room/a","what":"inc","amount":9223372036854775808})",
        R"({"doc":"room/a","what":"inc","amount":-9223372036854775808})"}) {
    EXPECT_EQ(code(rig.post("/v1/state/write", body)), "bad_request") << body;
  }
  EXPECT_EQ(code(set(rig, "room/a", std::string(1050, 'x'))), "too_large") << "an entry has no room for it";
  EXPECT_EQ(code(set(rig, "room/a", std::string(5000, 'x'))), "too_large");
  EXPECT_EQ(write(rig, {{"doc", "room/a"}, {"what", "set"}, {"value", ""}}).status, 200) << "an empty value is one";
  EXPECT_EQ(code(rig.post("/v1/state/create", R"({"space":"a","access":"mine"})")), "bad_request");
  const std::string id(64, 'a');
  const auto give = [&](const std::string& more) { return code(rig.post("/v1/state/grant", R"({"space":"room","id":")" + id + "\"" + more + "}")); };
  for (const std::string more : {R"(,"path":"/a")", R"(,"rights":[])", R"(,"rights":["overwrite"])", R"(,"rights":["rule"])", R"(,"entries":0)",
                                 R"(,"expires_ms":0)", R"(,"expires_ms":"1h")", R"(,"frobnicate":1)"}) {
    EXPECT_EQ(give(more), "bad_request") << more;
  }
  EXPECT_EQ(give(""), "bad_request") << "an open namespace has no rights";
  EXPECT_EQ(code(rig.post("/v1/state/grant", R"({"space":"room","id":"nobody"})")), "not_found");
  EXPECT_EQ(code(rig.post("/v1/state/revoke", R"({"space":"room"})")), "bad_request");
  EXPECT_EQ(code(rig.post("/v1/state/revoke", R"({"space":"nowhere","id":")" + id + "\"}")), "not_found");
  EXPECT_EQ(code(rig.get("/v1/state/rights")), "bad_request");
  EXPECT_EQ(code(rig.get("/v1/state/rights?space=nowhere")), "not_found");
  EXPECT_EQ(rig.get("/v1/state/forks").status, 200);
  EXPECT_EQ(code(rig.post("/v1/state/create", R"({"space":"a@0123abcd"})")), "bad_request");
  EXPECT_EQ(code(rig.post("/v1/state/create", R"({"space":"a/b"})")), "bad_request");
  EXPECT_EQ(code(join(rig, "other", "AAAA")), "bad_request");
  EXPECT_EQ(code(rig.post("/v1/state/import", R"({"space":"room"})")), "bad_request");
  EXPECT_EQ(code(rig.post("/v1/state/import", R"({"space":"room","entries_base64":["x"]})")), "bad_request");
  EXPECT_EQ(code(rig.post("/v1/state/import", R"({"space":"room","entries_base64":["AAAA"]})")), "bad_request");
  EXPECT_EQ(rig.ask("POST", "/v1/state/write", "{}", /*over_tcp=*/true).status, 403);
  EXPECT_EQ(rig.ask("GET", "/v1/state/namespaces", "", /*over_tcp=*/true).status, 200);
  EXPECT_EQ(rig.get("/v1/state/nothing").status, 404);
}

TEST(ControlState, ConcurrentValuesAreShownUntilTheNextSet) {
  Rig alice, bob(/*ready=*/true, /*secret=*/9);
  create(alice, "room");
  copy(alice, bob, "room");
  set(alice, "room/topic", "from alice");
  bob.advance(1s);  // so that bob's clock is later
  set(bob, "room/topic", "from bob");
  const auto imported = copy(bob, alice, "room");
  EXPECT_EQ(imported.body, json({{"namespace", "room"}, {"imported", 1}, {"known", 0}}));
  const auto shown = alice.get("/v1/state/get?doc=room/topic").body;
  EXPECT_EQ(text(shown["value_base64"]), "from bob");
  ASSERT_EQ(shown["conflicts"].size(), 1U);
  EXPECT_EQ(text(shown["conflicts"][0]["value_base64"]), "from alice");
  EXPECT_EQ(shown["conflicts"][0]["author"], to_string(alice.core.identity().id()));
  EXPECT_EQ(shown["conflicts"][0]["at"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(set(alice, "room/topic", "both").body["conflicts"], json::array());
  EXPECT_EQ(copy(alice, bob, "room").body, json({{"namespace", "room"}, {"imported", 2}, {"known", 1}}));
  EXPECT_EQ(text(bob.get("/v1/state/get?doc=room/topic").body["value_base64"]), "both");
  EXPECT_EQ(alice.get("/v1/state/digest").body, bob.get("/v1/state/digest").body);
}

TEST(ControlState, TwoNamespacesOfOneNameNeedTheirCreators) {
  Rig alice, bob(/*ready=*/true, /*secret=*/9);
  create(alice, "room");
  create(bob, "room");
  const std::string of_bob = to_string(bob.core.identity().id());
  const std::string genesis = bob.get("/v1/state/export?space=room").body["genesis_base64"];
  const auto refused = join(alice, "room", genesis);
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(code(refused), "ambiguous");
  EXPECT_EQ(refused.body["error"]["creators"].size(), 2U);
  EXPECT_EQ(code(join(alice, "room@" + std::string(8, of_bob[0] == 'a' ? 'b' : 'a'), genesis)), "bad_request");
  EXPECT_EQ(code(join(alice, "other", genesis)), "bad_request");
  ASSERT_EQ(join(alice, "room@" + of_bob, genesis).status, 200);
  EXPECT_EQ(code(set(alice, "room/topic", "which")), "ambiguous");
  EXPECT_EQ(set(alice, "room@" + of_bob.substr(0, 8) + "/topic", "this").body["doc"], "room@" + of_bob.substr(0, 8) + "/topic");
  EXPECT_EQ(alice.get("/v1/state/digest").body.size(), 2U);
}

TEST(ControlState, ANamespaceIsPublishedUnderItsNameUntilItIsLeft) {
  Rig rig;
  const std::string key = hex_key(state::name_key("room"));
  const auto own = [&] {
    rig.advance(30s);
    return rig.get("/v1/own").body;
  };
  create(rig, "room");
  ASSERT_EQ(own().size(), 1U);
  EXPECT_EQ(own()[0]["key"], key);
  rig.post("/v1/get", json({{"key", key}}).dump());
  const RequestId get = rig.last;
  rig.advance(30s);
  EXPECT_EQ(rig.answer_of(get).body["values"][0]["value_base64"], rig.get("/v1/state/export?space=room").body["genesis_base64"]);
  rig.post("/v1/state/leave", R"({"space":"room"})");
  ASSERT_EQ(own().size(), 1U);
  EXPECT_EQ(own()[0]["withdrawn"], true);
  // A client that does not wait for the disk changes nothing.
  rig.disk_hangs = true;
  EXPECT_EQ(create(rig, "hall").status, 0);
  rig.hang_up(rig.last);
  rig.disk_answers(true);
  EXPECT_EQ(own().size(), 2U);
  // What the disk refuses is not published.
  rig.disk_hangs = true;
  create(rig, "cellar");
  const RequestId failing = rig.last;
  rig.disk_answers(false);
  EXPECT_EQ(code(rig.answer_of(failing)), "store");
  EXPECT_EQ(own().size(), 2U);
}

TEST(ControlState, JoinsByTheNameThatSomebodyPublished) {
  Rig alice, bob(/*ready=*/true, /*secret=*/9);
  create(bob, "room");
  const std::string genesis = bob.get("/v1/state/export?space=room").body["genesis_base64"];
  const auto find = [&](const std::string& space) {
    const auto at_once = alice.post("/v1/state/join", json({{"space", space}}).dump());
    const RequestId id = alice.last;
    alice.advance(30s);
    return at_once.status != 0 ? at_once : alice.answer_of(id);
  };
  const auto publish = [&](const std::string& name, const std::string& value_base64) {
    alice.post("/v1/put", json({{"key", hex_key(state::name_key(name))}, {"value_base64", value_base64}}).dump());
    alice.advance(30s);
  };
  EXPECT_EQ(code(find("room")), "not_found");
  publish("room", base64(as_bytes("no genesis")));
  EXPECT_EQ(code(find("room")), "not_found");
  publish("hall", genesis);
  EXPECT_EQ(code(find("hall")), "not_found") << "of another name";
  publish("room", genesis);
  const std::string of_alice = to_string(alice.core.identity().id()), of_bob = to_string(bob.core.identity().id());
  EXPECT_EQ(code(find("room@" + of_alice)), "not_found") << "of another creator";
  const auto joined = find("room@" + of_bob.substr(0, 8));
  ASSERT_EQ(joined.status, 200) << joined.body;
  EXPECT_EQ(joined.body["creator"], of_bob);
  EXPECT_EQ(joined.body["own"], false);
  EXPECT_EQ(find("room").body["id"], joined.body["id"]) << "it is here";
}

struct Watch {
  RequestId id;
  Rig& rig;
  Rig::Reply now() { return rig.answer_of(id); }
};
Watch watch(Rig& rig, const std::string& query) {
  EXPECT_EQ(rig.get("/v1/state/changes?" + query).status, 0);
  return {rig.last, rig};
}

TEST(ControlState, AWatcherIsToldWhatArrivesAndCanGoOnFromThere) {
  Rig rig;
  create(rig, "room");
  set(rig, "room/old", "before");
  auto all = watch(rig, "space=room&wait_ms=1000");
  auto topic = watch(rig, "space=room&path=topic&wait_ms=1000");
  set(rig, "room/other", "x");
  ASSERT_EQ(all.now().status, 200);
  const auto change = all.now().body["changes"][0];
  EXPECT_EQ(change["doc"], "room/other");
  EXPECT_EQ(change["kind"], "set");
  EXPECT_EQ(change["author"], to_string(rig.core.identity().id()));
  EXPECT_EQ(change["at"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(text(change["value_base64"]), "x");
  EXPECT_EQ(change["cursor"], all.now().body["cursor"]);
  EXPECT_EQ(topic.now().status, 0) << "it watches another document";
  set(rig, "room/topic/sub", "y");
  ASSERT_EQ(topic.now().status, 200);
  const auto sub = topic.now().body["changes"][0];
  EXPECT_EQ(sub["doc"], "room/topic/sub");

  // From a cursor: what came after it, in order, in pages.
  write(rig, {{"doc", "room/topic"}, {"what", "inc"}, {"amount", 4}});
  write(rig, {{"doc", "room/topic"}, {"what", "add"}, {"value", "e"}});
  write(rig, {{"doc", "room/topic"}, {"what", "del"}, {"value", "e"}});
  write(rig, {{"doc", "room/topic"}, {"what", "rm"}});
  std::string told;
  for (std::uint64_t cursor = 0;;) {
    const auto page = rig.get("/v1/state/changes?space=room&path=topic/sub&limit=2&after=" + std::to_string(cursor)).body;
    if (page["changes"].empty()) break;
    for (const auto& c : page["changes"]) told += c["kind"].get<std::string>() + " " + c["doc"].get<std::string>() + ";";
    cursor = page["cursor"];
  }
  EXPECT_EQ(told, "set room/topic/sub;rm room/topic;") << "a removal further up concerns it";
  const auto four = rig.get("/v1/state/changes?space=room&path=topic&after=" + sub["cursor"].dump()).body["changes"];
  ASSERT_EQ(four.size(), 4U);
  EXPECT_EQ(four[0]["kind"], "inc");
  EXPECT_EQ(four[0]["value"], 0) << "what the counter stands at now";
  EXPECT_EQ(four[1]["kind"], "add");
  EXPECT_EQ(text(four[2]["value_base64"]), "e");
  EXPECT_FALSE(four[3].contains("value_base64"));

  // A cursor that nobody gave; a time that ends; a namespace that goes.
  const auto gap = rig.get("/v1/state/changes?space=room&after=1000&wait_ms=1000").body;
  EXPECT_EQ(gap, json({{"changes", json::array()}, {"cursor", 0}, {"gap", true}}));
  auto idle = watch(rig, "space=room&wait_ms=1000");
  rig.advance(999ms);
  EXPECT_EQ(idle.now().status, 0);
  rig.advance(1ms);
  ASSERT_EQ(idle.now().status, 200);
  EXPECT_EQ(idle.now().body["changes"], json::array());
  auto orphan = watch(rig, "space=room&wait_ms=1000");
  rig.post("/v1/state/leave", R"({"space":"room"})");
  rig.advance(1s);
  EXPECT_EQ(code(orphan.now()), "not_found");
}

TEST(ControlState, WhatIsNotDurableIsNotToldYet) {
  Rig rig;
  create(rig, "room");
  auto waiting = watch(rig, "space=room&wait_ms=60000");
  rig.disk_hangs = true;
  EXPECT_EQ(set(rig, "room/a", "x").status, 0);
  const RequestId first = rig.last;
  EXPECT_EQ(waiting.now().status, 0);
  const auto page = rig.get("/v1/state/export?space=room").body;
  EXPECT_EQ(page["entries_base64"].size(), 0U);
  EXPECT_EQ(page["unsettled"], 1);
  rig.disk_answers(true);
  EXPECT_EQ(rig.answer_of(first).status, 200);
  EXPECT_EQ(waiting.now().body["changes"].size(), 1U);
  const json durable = waiting.now().body["cursor"];
  // And what could not be made durable has never been.
  rig.disk_hangs = true;
  set(rig, "room/a", "y");
  const RequestId second = rig.last;
  rig.disk_answers(false);
  EXPECT_EQ(code(rig.answer_of(second)), "store");
  EXPECT_EQ(text(rig.get("/v1/state/get?doc=room/a").body["value_base64"]), "x");
  EXPECT_EQ(rig.get("/v1/state/changes?space=room&after=" + durable.dump()).body["changes"], json::array());
}

TEST(ControlState, WatchersAreBounded) {
  Rig rig;
  create(rig, "room");
  for (std::size_t i = 0; i < kWatchersMax; ++i) (void)watch(rig, "space=room&wait_ms=1000");
  EXPECT_EQ(code(rig.get("/v1/state/changes?space=room&wait_ms=1000")), "overloaded");
  EXPECT_EQ(rig.get("/v1/state/changes?space=room").status, 200) << "who does not wait needs no place";
  EXPECT_EQ(set(rig, "room/a", "x").status, 200);
  EXPECT_EQ(rig.get("/v1/state/changes?space=room&wait_ms=1000").status, 0);
}

TEST(ControlState, ExportsComeInPagesAndGoWhereverTheGenesisGoes) {
  Rig rig;
  create(rig, "room");
  for (int i = 0; i < 5; ++i) set(rig, "room/" + std::to_string(i), "v");
  const auto first = rig.get("/v1/state/export?space=room&limit=3").body;
  EXPECT_EQ(first["entries_base64"].size(), 3U);
  EXPECT_EQ(first["more"], true);
  const std::uint64_t last = first["last"];
  const auto second = rig.get("/v1/state/export?space=room&limit=3&after=" + first["cursor"].dump()).body;
  EXPECT_EQ(second["entries_base64"].size(), 2U);
  EXPECT_EQ(second["more"], false);
  EXPECT_EQ(second["cursor"], last);
  // One that this life of the namespace has not given.
  rig.post("/v1/state/leave", R"({"space":"room"})");
  EXPECT_EQ(join(rig, "room", first["genesis_base64"]).status, 200);
  const auto gap = rig.get("/v1/state/export?space=room&after=" + first["cursor"].dump()).body;
  EXPECT_EQ(gap["gap"], true);
  EXPECT_EQ(gap["cursor"], 0);
  EXPECT_FALSE(rig.get("/v1/state/export?space=room&after=0").body.contains("gap"));
  rig.post("/v1/state/import", json({{"space", "room"}, {"entries_base64", first["entries_base64"]}}).dump());
  rig.post("/v1/state/import", json({{"space", "room"}, {"entries_base64", second["entries_base64"]}}).dump());
  Rig other(/*ready=*/true, /*secret=*/9);
  EXPECT_EQ(copy(rig, other, "room").body["imported"], 5);
  create(other, "hall");
  const auto strange = other.post("/v1/state/import", json({{"space", "hall"}, {"entries_base64", first["entries_base64"]}}).dump());
  EXPECT_EQ(code(strange), "bad_request") << "of another namespace";
  json many = json::array();
  for (std::size_t i = 0; i <= state::kImportMax; ++i) many.push_back(first["entries_base64"][0]);
  EXPECT_EQ(code(other.post("/v1/state/import", json({{"space", "room"}, {"entries_base64", many}}).dump())), "bad_request");
}

TEST(ControlState, GrantsComeInPages) {
  Rig rig;
  rig.post("/v1/state/create", R"({"space":"plans","access":"owned"})");
  for (int i = 0; i < 5; ++i) {
    const std::string id = std::string(63, 'a') + std::to_string(i % 2);
    EXPECT_EQ(rig.post("/v1/state/grant", json({{"space", "plans"}, {"id", id}}).dump()).status, 200);
  }
  const json all = rig.get("/v1/state/rights?space=plans").body;
  EXPECT_EQ(all["grants"].size(), 5U);
  EXPECT_EQ(all["more"], false);
  json paged = json::array();
  std::string after;
  for (const std::size_t expected : {2U, 2U, 1U}) {
    const json page = rig.get("/v1/state/rights?space=plans&limit=2" + after).body;
    EXPECT_EQ(page["grants"].size(), expected);
    EXPECT_EQ(page["more"], expected == 2U);
    EXPECT_EQ(page["owner"], all["owner"]);
    paged.insert(paged.end(), page["grants"].begin(), page["grants"].end());
    after = "&after=" + page["grants"].back()["grant"].get<std::string>();
  }
  EXPECT_EQ(paged, all["grants"]);
  for (const std::string bad : {"&limit=0", "&limit=257", "&after=x", "&after=00000000000000000000000000000000"}) {
    EXPECT_EQ(code(rig.get("/v1/state/rights?space=plans" + bad)), "bad_request") << bad;
  }
}

TEST(ControlState, ForksComeInPagesOverAllNamespaces) {
  Rig rig;
  CheapProvider provider;
  std::set<std::string> authors;
  for (const std::string name : {"hall", "room"}) {
    const auto made = create(rig, name);
    state::NamespaceId space{*array_from_hex<32>(made.body["id"].get<std::string>())};
    for (std::uint8_t n = 1; n <= 5; ++n) {
      Identity liar(provider, ByteArray<32>{n, 77});
      authors.insert(to_string(liar.id()));
      json wires = json::array();
      for (const std::string value : {"left", "right"}) {
        const state::Content one{.space = space, .author = liar.public_key(), .epoch = 5, .seq = 1, .prev = {}, .stamp = 2,
                                 .kind = state::Kind::kSet, .path = as_bytes("k"), .body = as_bytes(value), .saw = {}};
        wires.push_back(base64(state::sign_entries(liar, {&one, 1}).value()[0]));
      }
      const auto taken = rig.post("/v1/state/import", json({{"space", name}, {"entries_base64", wires}}).dump());
      EXPECT_EQ(taken.body["imported"], 2) << taken.body;
    }
  }
  rig.advance(5s);
  const json all = rig.get("/v1/state/forks").body;
  ASSERT_EQ(all.size(), 10U);
  EXPECT_EQ(rig.get("/v1/state/forks?space=room").body.size(), 5U);
  json paged = json::array();
  std::string after;
  for (const std::size_t expected : {4U, 4U, 2U, 0U}) {
    const json page = rig.get("/v1/state/forks?limit=4" + after).body;
    EXPECT_EQ(page.size(), expected);
    paged.insert(paged.end(), page.begin(), page.end());
    if (!page.empty()) after = "&after=" + page.back()["proof"].get<std::string>();
  }
  EXPECT_EQ(paged, all);
  for (const json& fork : all) authors.erase(fork["author"]);
  EXPECT_TRUE(authors.empty());
  for (const std::string bad : {"?limit=0", "?limit=257", "?after=x"}) EXPECT_EQ(code(rig.get("/v1/state/forks" + bad)), "bad_request") << bad;
}

}  // namespace
}  // namespace weft::node
