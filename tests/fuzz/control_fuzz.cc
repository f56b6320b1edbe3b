// Whatever a client of the control API sends, the answer is a reply, an operation or a stream:
// never a crash, and never a reply that is not JSON.
#include <nlohmann/json.hpp>

#include "node/control_api.h"

namespace weft::node {
namespace {

class NoHost final : public ControlHost {
 public:
  ShellFacts facts() override {
    ShellFacts facts;
    facts.faults = true;
    return facts;
  }
  Log& log() override { return log_; }
  std::string metrics(Now) override { return {}; }
  void resolve(RequestId, std::vector<SeedText>) override {}
  OpId leave(Now now, Output& out) override { return core->leave(now, out); }
  FaultsNow set_faults(Now, FaultsChange change) override {
    return {change.link ? to_string(*change.link) : "", 0};
  }
  NodeCore* core = nullptr;

 private:
  Log log_{LogLevel::kError, -1};
};

constexpr const char* kPaths[] = {"/v1/status", "/v1/members", "/v1/wait",   "/v1/log",  "/v1/put",
                                  "/v1/get",    "/v1/rm",      "/v1/lookup", "/v1/ping", "/v1/join",
                                  "/v1/faults", "/v1/config",  "/v1/doctor", "/v1/own",  "/x",
                                  "/v1/state/namespaces", "/v1/state/docs",   "/v1/state/get",  "/v1/state/items",
                                  "/v1/state/digest",     "/v1/state/changes", "/v1/state/export", "/v1/state/create",
                                  "/v1/state/join",       "/v1/state/leave",  "/v1/state/write", "/v1/state/import"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const CheapProvider provider;
  const Identity identity(provider, {1});
  RecordCache records(provider, 8);
  SeededEntropy entropy(1);
  Config config;
  config.network = open_network("fuzz");
  config.name = "fuzz";
  Now now{Instant(1s), {1}};
  NodeCore core(config, {}, now, {identity, provider, records, entropy});
  NoHost host;
  host.core = &core;
  ControlApi api(core, host);
  Output out;
  core.start(now, out);

  ControlRequest request;
  request.method = (data[0] & 1) != 0 ? "POST" : "GET";
  request.over_tcp = (data[0] & 2) != 0;
  request.at = "127.0.0.1:80";
  request.path = kPaths[data[1] % std::size(kPaths)];
  const std::string_view rest(reinterpret_cast<const char*>(data + 2), size - 2);
  if ((data[0] & 4) != 0) {
    const std::size_t equals = rest.find('=');
    request.query[std::string(rest.substr(0, equals))] =
        equals == std::string_view::npos ? "" : rest.substr(equals + 1);
  } else if ((data[0] & 8) != 0) {
    request.host = rest;
  } else {
    request.body = rest.substr(0, kBodyBytesMax);
  }
  ControlOutcome outcome = api.handle(now, RequestId{1}, request, out);
  if (const auto* reply = std::get_if<ControlReply>(&outcome)) {
    CHECK(reply->content_type != "application/json" || nlohmann::json::accept(reply->body));
  }
  now.mono += 48h;
  api.on_deadline(now, out);
  api.shutdown();
  for (const auto& answer : api.take_answers()) CHECK(nlohmann::json::accept(answer.reply.body));
  return 0;
}

}  // namespace weft::node
