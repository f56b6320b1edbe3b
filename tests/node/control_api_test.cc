#include "node/control_api.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/node/control_rig.h"

namespace weft::node {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(ControlApi, TellsTheStatus) {
  Rig rig;
  rig.host.shell.listen = {Endpoint::v4(127, 0, 0, 1, 4000)};
  const auto reply = rig.get("/v1/status");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["name"], "alice");
  EXPECT_EQ(reply.body["id"].get<std::string>().size(), 64u);
  EXPECT_EQ(reply.body["listen"], json({"127.0.0.1:4000"}));
  EXPECT_EQ(reply.body["members"]["alive"], 1);
  EXPECT_EQ(reply.body["state"]["namespaces"], 0);
  for (const auto* field : {"version", "uptime_s", "routing", "store", "sessions",
                            "network_size_estimate", "traffic", "drops", "health"}) {
    EXPECT_TRUE(reply.body.contains(field)) << field;
  }
}

TEST(ControlApi, ListsMembersPeersOwnIdAndConfig) {
  Rig rig;
  rig.host.shell.effective = {{"name", {"alice", "flag"}}};
  const auto members = rig.get("/v1/members").body;
  ASSERT_EQ(members.size(), 1u);
  EXPECT_EQ(members[0]["state"], "alive");
  EXPECT_EQ(members[0]["incarnation"], 1);
  EXPECT_TRUE(members[0]["rtt_ms"].is_null());
  EXPECT_EQ(rig.get("/v1/peers").body, json::array());
  EXPECT_EQ(rig.get("/v1/own").body, json::array());
  for (const char* bad : {"/v1/own?limit=0", "/v1/own?limit=1025", "/v1/own?limit=x", "/v1/own?after=", "/v1/own?x=1"}) {
    EXPECT_EQ(rig.get(bad).status, 400) << bad;
  }
  const auto id = rig.get("/v1/id").body;
  EXPECT_EQ(id["public_key"].get<std::string>().size(), 64u);
  EXPECT_GT(id["record"].get<std::string>().size(), 200u);
  EXPECT_EQ(rig.get("/v1/config").body,
            json::array({{{"option", "name"}, {"value", "alice"}, {"origin", "flag"}}}));
  EXPECT_EQ(rig.get("/metrics").body, "# metrics\n");
}

TEST(ControlApi, DoctorLooksAtEverything) {
  Rig rig;
  rig.host.shell.listen = {Endpoint::v4(127, 0, 0, 1, 4000)};
  rig.host.shell.store_health = "cannot write x: the disk is full";
  rig.host.shell.seeds = {"seed:1"};
  rig.host.shell.seeds_unresolved = {"seed"};
  const auto checks = rig.get("/v1/doctor").body;
  std::map<std::string, bool> found;
  for (const auto& check : checks) found[check["check"]] = check["ok"];
  for (const auto* name :
       {"port", "clock", "reachability", "store", "seeds", "versions", "identity"}) {
    EXPECT_TRUE(found.contains(name)) << name;
  }
  EXPECT_TRUE(found["port"]);
  EXPECT_FALSE(found["store"]);
  EXPECT_FALSE(found["seeds"]);
}

TEST(ControlApi, RefusesUnknownPathsMethodsAndFields) {
  Rig rig;
  EXPECT_EQ(rig.get("/v1/nothing").status, 404);
  EXPECT_EQ(code(rig.get("/v1/nothing")), "not_found");
  EXPECT_EQ(rig.get("/v1/put").status, 400);
  EXPECT_EQ(rig.post("/v1/status", "{}").status, 400);
  EXPECT_EQ(rig.ask("DELETE", "/v1/put", "{}").status, 400);
  EXPECT_THAT(message(rig.post("/v1/rm", R"({"key":"a","kez":1})")),
              HasSubstr("unknown field \"kez\""));
  EXPECT_THAT(message(rig.get("/v1/status?x=1")), HasSubstr("unknown query parameter"));
  EXPECT_THAT(message(rig.get("/v1/wait?members=x")), HasSubstr("whole numbers"));
}

TEST(ControlApi, RefusesBadBodies) {
  Rig rig;
  const auto put = [&rig](const std::string& body) { return rig.post("/v1/put", body); };
  EXPECT_THAT(message(put("{")), HasSubstr("must be a JSON object"));
  EXPECT_THAT(message(put("[1]")), HasSubstr("must be a JSON object"));
  EXPECT_THAT(message(put(std::string(5000, '['))), HasSubstr("must be a JSON object"));
  EXPECT_THAT(message(put("{}")), HasSubstr("key is missing"));
  EXPECT_THAT(message(put(R"({"key":"","value_base64":"YQ=="})")), HasSubstr("1 to 255 bytes"));
  EXPECT_THAT(message(put(R"({"key":5,"value_base64":"YQ=="})")), HasSubstr("key must be a text"));
  EXPECT_THAT(message(put(R"({"key":"hex:12","value_base64":"YQ=="})")),
              HasSubstr("64 hex digits"));
  EXPECT_THAT(message(put(R"({"key":"a","value_base64":"Y"})")), HasSubstr("base64"));
  EXPECT_THAT(message(put(R"({"key":"a","value_base64":""})")), HasSubstr("use rm"));
  EXPECT_THAT(message(put(R"({"key":"a","value_base64":"YQ==","ttl_s":0})")),
              HasSubstr("ttl_s must be"));
  EXPECT_THAT(message(put(R"({"key":"a","value_base64":"YQ==","ttl_s":-1})")),
              HasSubstr("ttl_s must be"));
  EXPECT_THAT(message(put(R"({"key":"a","value_base64":"YQ==","ttl_s":1.5})")),
              HasSubstr("ttl_s must be"));
  EXPECT_THAT(message(put(R"({"key":"a","value_base64":"YQ==","replicas":2,"quorum":3})")),
              HasSubstr("quorum must not be above"));
  EXPECT_THAT(message(put(R"({"key":"a","value_base64":"YQ==","paths":9})")), HasSubstr("paths must be"));
  EXPECT_THAT(message(rig.post("/v1/get", R"({"key":"a","paths":0})")), HasSubstr("paths must be"));
  EXPECT_THAT(message(rig.post("/v1/lookup", R"({"target":"a","paths":9})")), HasSubstr("paths must be"));
  EXPECT_THAT(message(put(R"({"key":"a","value_base64":"YQ==","timeout_ms":0})")),
              HasSubstr("timeout_ms must be"));
  EXPECT_EQ(put("{\"key\":\"\xff\"}").status, 400);
  const auto large = put(R"({"key":"a","value_base64":")" + std::string(1336, 'A') + "\"}");
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(code(large), "too_large");
}

TEST(ControlApi, OverTcpOnlyReadsByLocalNames) {
  Rig rig;
  EXPECT_EQ(rig.ask("GET", "/v1/status", "", true).status, 200);
  EXPECT_EQ(rig.ask("GET", "/v1/status", "", true, "evil.example").status, 403);
  EXPECT_EQ(rig.ask("GET", "/v1/status", "", true, "127.evil.example").status, 403);
  EXPECT_EQ(rig.ask("GET", "/v1/status", "", true, "10.0.0.1:80").status, 403);
  EXPECT_EQ(rig.ask("GET", "/metrics", "", true, "10.0.0.1:80").status, 200);
  EXPECT_EQ(rig.ask("POST", "/v1/leave", "{}", true).status, 403);
}

TEST(ControlApi, ThePageIsForTcpOnly) {
  Rig rig;
  const auto missing = rig.ask("GET", "/", "", true);
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(message(missing), HasSubstr("without npm"));
  rig.host.shown = {"<!doctype html>", "sha256-x"};
  EXPECT_EQ(rig.ask("GET", "/", "", true).status, 200);
  EXPECT_EQ(rig.ask("POST", "/", "{}", true).status, 400);
  EXPECT_EQ(rig.ask("GET", "/", "", true, "evil.example").status, 403);
  EXPECT_EQ(rig.get("/").status, 404);
}

TEST(ControlApi, WaitsForReadyAndMembers) {
  Rig rig(/*ready=*/false);
  EXPECT_EQ(rig.get("/v1/wait").status, 0);
  const RequestId waiting = rig.last;
  EXPECT_EQ(rig.get("/v1/wait?members=2&timeout_ms=100").status, 0);
  const RequestId hopeless = rig.last;
  rig.start();
  const auto ready = rig.answer_of(waiting);
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.body["alive"], 1);
  rig.advance(99ms);
  EXPECT_EQ(rig.answer_of(hopeless).status, 0);
  rig.advance(1ms);
  EXPECT_EQ(rig.answer_of(hopeless).status, 504);
  EXPECT_EQ(code(rig.answer_of(hopeless)), "timed_out");
}

TEST(ControlApi, PutsAndGetsOnALonelyNode) {
  Rig rig;
  rig.post("/v1/put", R"({"key":"color","value_base64":"Ymx1ZQ=="})");
  const RequestId put = rig.last;
  rig.advance(30s);
  const auto stored = rig.answer_of(put);
  ASSERT_NE(stored.status, 0);
  ASSERT_EQ(stored.status, 200) << stored.body;
  EXPECT_EQ(stored.body["key"], "color");
  EXPECT_EQ(stored.body["seq"], 1);
  rig.post("/v1/get", R"({"key":"color"})");
  const RequestId get = rig.last;
  rig.advance(30s);
  const auto found = rig.answer_of(get);
  ASSERT_EQ(found.status, 200) << found.body;
  EXPECT_EQ(found.body["values"][0]["value_base64"], "Ymx1ZQ==");
  EXPECT_EQ(found.body["values"][0]["own"], true);
}

TEST(ControlApi, EveryOperationIsAnsweredOnce) {
  Rig rig;
  std::vector<RequestId> ids;
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {"/v1/get", R"({"key":"nothing"})"},
           {"/v1/lookup", R"({"target":"nothing"})"},
           {"/v1/rm", R"({"key":"nothing"})"},
           {"/v1/provide", R"({"key":"service"})"},
           {"/v1/providers", R"({"key":"nothing"})"},
           {"/v1/put", R"({"key":"k","value_base64":"YQ==","timeout_ms":5})"}}) {
    rig.post(path, body);
    ids.push_back(rig.last);
  }
  rig.advance(60s);
  for (const RequestId id : ids) EXPECT_NE(rig.answer_of(id).status, 0);
}

TEST(ControlApi, AProviderIsFoundUntilItsPlaceHoldsSomethingElse) {
  Rig rig;
  const auto ask = [&](const std::string& path, const std::string& body) {
    rig.post(path, body);
    const RequestId id = rig.last;
    rig.advance(30s);
    return rig.answer_of(id);
  };
  EXPECT_EQ(ask("/v1/providers", R"({"key":"printer"})").status, 404);
  ASSERT_EQ(ask("/v1/provide", R"({"key":"printer","ttl_s":3600})").status, 200);
  const auto found = ask("/v1/providers", R"({"key":"printer"})");
  ASSERT_EQ(found.status, 200) << found.body;
  ASSERT_EQ(found.body.size(), 1U);
  EXPECT_EQ(found.body[0]["id"], to_string(rig.core.identity().id()));
  EXPECT_LE(found.body[0]["expires_s"], 3600);
  EXPECT_EQ(ask("/v1/get", R"({"key":"printer"})").status, 404) << "it is no value of that key";
  // Bytes that are no record of their author are nobody's offer.
  const std::string place = "hex:" + to_string(dht::providers_key(dht::key_of_text("printer")));
  ASSERT_EQ(ask("/v1/put", R"({"value_base64":"Ymx1ZQ==","key":")" + place + "\"}").status, 200);
  EXPECT_EQ(ask("/v1/providers", R"({"key":"printer"})").status, 404);
}

TEST(ControlApi, NodesAreFoundByIdPrefixAndName) {
  Rig rig;
  const std::string id = to_string(rig.core.identity().id());
  EXPECT_EQ(*find_node(rig.core, id), rig.core.identity().id());
  EXPECT_EQ(*find_node(rig.core, id.substr(0, 8)), rig.core.identity().id());
  EXPECT_EQ(*find_node(rig.core, "alice"), rig.core.identity().id());
  EXPECT_EQ(find_node(rig.core, id.substr(0, 7)).error().code, "not_found");
  EXPECT_EQ(find_node(rig.core, "bob").error().code, "not_found");
  EXPECT_EQ(rig.post("/v1/ping", R"({"node":"bob"})").status, 404);
}

TEST(ControlApi, JoinResolvesFirst) {
  Rig rig;
  EXPECT_EQ(rig.post("/v1/join", R"({"seeds":["host"]})").status, 400);
  EXPECT_EQ(rig.post("/v1/join", R"({"seeds":[]})").status, 400);
  rig.post("/v1/join", R"({"seeds":["name.example:9338","10.0.0.1:1"]})");
  ASSERT_EQ(rig.host.resolving.size(), 1u);
  EXPECT_EQ(rig.host.resolving[0].second[0].host, "name.example");
  const RequestId join = rig.last;
  rig.resolved(join, {}, {"name.example"});
  EXPECT_EQ(code(rig.answer_of(join)), "no_peers");
  EXPECT_THAT(message(rig.answer_of(join)), HasSubstr("name.example"));
}

TEST(ControlApi, AJoinThatNobodyAnswersFails) {
  Rig rig;
  rig.post("/v1/join", R"({"seeds":["127.0.0.1:9"]})");
  const RequestId join = rig.last;
  rig.resolved(join, {{std::nullopt, Endpoint::v4(127, 0, 0, 1, 9)}}, {});
  EXPECT_EQ(rig.answer_of(join).status, 0);
  rig.advance(60s);
  EXPECT_EQ(rig.answer_of(join).status, 504);
}

TEST(ControlApi, LeaveAnswersWhenTheNodeHasLeft) {
  Rig rig;
  rig.post("/v1/leave", "");
  const RequestId leave = rig.last;
  rig.advance(5s);
  const auto reply = rig.answer_of(leave);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, json({{"left", true}}));
}

TEST(ControlApi, AClientThatHangsUpGetsNoAnswer) {
  Rig rig;
  rig.get("/v1/wait?members=5");
  const RequestId waiting = rig.last;
  rig.hang_up(waiting);
  rig.hang_up(waiting);  // harmless
  rig.advance(10s);
  EXPECT_EQ(rig.answer_of(waiting).status, 0);
}

TEST(ControlApi, ShutdownAnswersEverybody) {
  Rig rig;
  rig.get("/v1/wait?members=5");
  const RequestId waiting = rig.last;
  rig.api.shutdown();
  EXPECT_EQ(code(rig.answer_of(waiting)), "shutdown");
}

TEST(ControlApi, PendingRequestsAreBounded) {
  Rig rig;
  for (std::size_t i = 0; i < kPendingRequestsMax; ++i) {
    EXPECT_EQ(rig.get("/v1/wait?members=5").status, 0);
  }
  EXPECT_EQ(code(rig.get("/v1/wait?members=5")), "overloaded");
  EXPECT_EQ(code(rig.post("/v1/get", R"({"key":"a"})")), "overloaded");
  EXPECT_EQ(rig.get("/v1/status").status, 200);
}

TEST(ControlApi, FaultsNeedTheFlag) {
  Rig rig;
  EXPECT_EQ(rig.post("/v1/faults", R"({"link":"loss=1%"})").status, 403);
  rig.host.shell.faults = true;
  const auto reply =
      rig.post("/v1/faults", R"({"link":"loss=1%","block":["127.0.0.1:5"],"stall_ms":7})");
  EXPECT_EQ(reply.body, json({{"link", "loss=1%"}, {"blocked", 1}}));
  EXPECT_EQ(rig.host.faults.stall, Duration(7ms));
}

TEST(ControlApi, FaultsAreChecked) {
  const auto error = [](const std::string& body) {
    const auto change = parse_faults(body);
    return change ? "" : change.error().message;
  };
  EXPECT_EQ(error(R"({"matrix":{"rtt_ms":[[1,80.5],[80,2]],"self":1,"peers":{"127.0.0.1:5":0}}})"),
            "");
  EXPECT_EQ(error(R"({"matrix":{}})"), "");
  EXPECT_THAT(error(R"({"link":"loss=1"})"), HasSubstr("link: "));
  EXPECT_THAT(error(R"({"link":"latency=matrix:f"})"), HasSubstr("send the matrix"));
  EXPECT_THAT(error(R"({"block":["x"]})"), HasSubstr("IP:PORT"));
  EXPECT_THAT(error(R"({"block":[5]})"), HasSubstr("block must be a list"));
  EXPECT_THAT(error(R"({"matrix":{"rtt_ms":[[1,2]],"self":0,"peers":{}}})"), HasSubstr("square"));
  EXPECT_THAT(error(R"({"matrix":{"rtt_ms":[[-1]],"self":0,"peers":{}}})"), HasSubstr("square"));
  EXPECT_THAT(error(R"({"matrix":{"rtt_ms":[[1]],"self":1,"peers":{}}})"), HasSubstr("self"));
  EXPECT_THAT(error(R"({"matrix":{"rtt_ms":[[1]],"self":0,"peers":{"a":0}}})"), HasSubstr("peers"));
  EXPECT_THAT(error(R"({"stall_ms":60001})"), HasSubstr("stall_ms"));
  const auto change =
      parse_faults(R"({"matrix":{"rtt_ms":[[0,90],[80,2]],"self":1,"peers":{"127.0.0.1:5":0}}})");
  EXPECT_EQ(change->matrix->one_way(Endpoint::v4(127, 0, 0, 1, 5)), Duration(40ms));
}

TEST(ControlApi, ShowsAndSetsTheLog) {
  Rig rig;
  rig.host.log().info("hello");
  rig.host.log().warn("careful");
  EXPECT_THAT(rig.get("/v1/log").body.get<std::string>(), HasSubstr("hello"));
  EXPECT_THAT(rig.get("/v1/log?level=warn").body.dump(), testing::Not(HasSubstr("hello")));
  EXPECT_EQ(rig.get("/v1/log?level=loud").status, 400);
  EXPECT_EQ(rig.post("/v1/log", R"({"level":"debug"})").body, json({{"level", "debug"}}));
  EXPECT_EQ(rig.host.log().level(), LogLevel::kDebug);
  EXPECT_EQ(rig.post("/v1/log", R"({"level":"loud"})").status, 400);
}

TEST(SeedText, IsReadOrRefusedWithAReason) {
  const std::string id(64, 'a');
  EXPECT_EQ(parse_seed("example.org:9338")->host, "example.org");
  EXPECT_EQ(parse_seed("[::1]:9338")->literal(), parse_endpoint("[::1]:9338"));
  EXPECT_EQ(parse_seed("10.0.0.1:1")->port, 1);
  EXPECT_TRUE(parse_seed(id + "@10.0.0.1:1")->id.has_value());
  for (const auto* bad : {"", "host", ":1", "host:", "host:0", "host:65536", "host:x", "::1:5",
                          "[host]:1", "a b:1", "abc@host:1", "host:1 "}) {
    EXPECT_FALSE(parse_seed(bad)) << bad;
  }
}

TEST(ControlApi, FlowTellsWhatIsSaidFromNowOn) {
  Rig rig;
  NodeId other{};
  other.bytes[0] = 9;
  const auto first = rig.get("/v1/flow");
  EXPECT_EQ(first.body, json::parse(R"({"cursor":0,"left_out":0,"messages":[]})"));
  // A cursor of another life counts as none.
  EXPECT_EQ(rig.get("/v1/flow?after=7").body["messages"], json::array());
  for (const std::string bad : {"after=x", "after=-1", "after=", "before=1"}) EXPECT_EQ(rig.get("/v1/flow?" + bad).status, 400) << bad;
}

}  // namespace
}  // namespace weft::node
