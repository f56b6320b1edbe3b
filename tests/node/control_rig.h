// A lonely node and its control API in virtual time, for tests that need no network.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "node/control_api.h"
#include "node/control_fields.h"

namespace weft::node {

// A shell that is not there: what the API asks of it is written down.
class FakeHost final : public ControlHost {
 public:
  ShellFacts facts() override { return shell; }
  Page page() override { return shown; }
  Log& log() override { return log_; }
  std::string metrics(Now) override { return "# metrics\n"; }
  void resolve(RequestId request, std::vector<SeedText> seeds) override {
    resolving.emplace_back(request, std::move(seeds));
  }
  OpId leave(Now now, Output& out) override { return core->leave(now, out); }
  FaultsNow set_faults(Now, FaultsChange change) override {
    faults = std::move(change);
    return {faults.link ? to_string(*faults.link) : "", faults.block ? faults.block->size() : 0};
  }

  ShellFacts shell;
  Page shown;
  NodeCore* core = nullptr;
  std::vector<std::pair<RequestId, std::vector<SeedText>>> resolving;
  FaultsChange faults;

 private:
  Log log_{LogLevel::kInfo, -1};
};

inline Config config_of(const std::string& name) {
  Config config;
  config.network = open_network("test");
  config.name = name;
  config.endpoints = {Endpoint::v4(127, 0, 0, 1, 4000)};
  config.loopback_only = true;
  return config;
}

// One lonely node and its control API in virtual time.
class Rig {
 public:
  explicit Rig(bool ready = true, std::uint8_t secret = 1)
      : identity_(provider_, {secret, 2, 3}),
        records_(provider_, 64),
        core(config_of("alice"), {}, now, {identity_, provider_, records_, entropy_}),
        api(core, host) {
    host.core = &core;
    if (ready) start();
  }
  void start() {
    core.start(now, out_);
    pump();
  }

  // The reply to a request that is answered at once or by the core without the network.
  struct Reply {
    int status = 0;  // 0: not yet
    nlohmann::json body;
  };
  Reply ask(const std::string& method, const std::string& path, const std::string& body = "",
            bool over_tcp = false, const std::string& host_header = "localhost:80") {
    ControlRequest request{method, path, {}, body, over_tcp, host_header};
    request.at = "127.0.0.1:80";
    if (const auto mark = path.find('?'); mark != std::string::npos) {
      request.path = path.substr(0, mark);
      std::stringstream pairs(path.substr(mark + 1));
      for (std::string pair; std::getline(pairs, pair, '&');) {
        request.query[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
      }
    }
    last = RequestId{++ids_};
    ControlOutcome outcome = api.handle(now, last, request, out_);
    pump();
    if (auto* reply = std::get_if<ControlReply>(&outcome)) return parse(*reply);
    if (auto* stream = std::get_if<StreamStart>(&outcome)) return {200, stream->first};
    return answer_of(last);
  }
  Reply get(const std::string& path) { return ask("GET", path); }
  Reply post(const std::string& path, const std::string& body) { return ask("POST", path, body); }

  Reply answer_of(RequestId id) {
    for (ControlApi::Answer& answer : api.take_answers())
      answers_[id_value(answer.request)] = parse(answer.reply);
    const auto found = answers_.find(id_value(id));
    return found == answers_.end() ? Reply{} : found->second;
  }
  // Lets virtual time pass.
  void advance(Duration by) {
    const Instant end = now.mono + by;
    const Now begun = now;
    for (;;) {
      auto next = core.next_deadline();
      const auto api_next = api.next_deadline();
      if (api_next && (!next || *api_next < *next)) next = api_next;
      if (!next || *next > end) break;
      now.mono = std::max(now.mono, *next);
      core.on_deadline(now, out_);
      api.on_deadline(now, out_);
      pump();
    }
    now.mono = end;
    now.wall.value = begun.wall.value + by / 1ms;
  }
  void resolved(RequestId id, std::vector<Seed> seeds, std::vector<std::string> unresolved) {
    api.on_resolved(now, id, seeds, unresolved, out_);
    pump();
  }
  void hang_up(RequestId id) {
    api.on_hang_up(now, id, out_);
    pump();
  }

  // The disk goes on, with what it was given meanwhile.
  void disk_answers(bool ok) {
    disk_hangs = false;
    for (const Ticket ticket : std::exchange(held_, {})) core.on_persisted(now, ticket, ok, out_);
    pump();
  }

  Now now{Instant(1s), {1'700'000'000'000}};
  FakeHost host;
  bool disk_hangs = false;

 private:
  static std::uint64_t id_value(RequestId id) { return static_cast<std::uint64_t>(id); }
  static Reply parse(const ControlReply& reply) {
    nlohmann::json body = nlohmann::json::parse(reply.body, nullptr, false);
    if (body.is_discarded()) body = reply.body;
    return {reply.status, std::move(body)};
  }
  void pump() {
    while (!out_.persist.empty() || !out_.events.empty()) {
      const auto persist = std::exchange(out_.persist, {});
      const auto events = std::exchange(out_.events, {});
      out_.send.clear();
      for (const Persist& batch : persist) {
        if (disk_hangs) held_.push_back(batch.ticket);
        else core.on_persisted(now, batch.ticket, true, out_);
      }
      for (const Event& event : events) api.on_event(now, event, out_);
    }
    out_.clear();
  }

  CheapProvider provider_;
  Identity identity_;
  RecordCache records_;
  SeededEntropy entropy_{1};
  Output out_;
  std::map<std::uint64_t, Reply> answers_;
  std::vector<Ticket> held_;
  std::uint64_t ids_ = 0;

 public:
  NodeCore core;
  ControlApi api;
  RequestId last{};
};

inline std::string code(const Rig::Reply& reply) {
  return reply.body.is_object() && reply.body.contains("error")
             ? reply.body["error"].value("code", "")
             : "";
}
inline std::string message(const Rig::Reply& reply) {
  return code(reply).empty() ? "" : reply.body["error"].value("message", "");
}

}  // namespace weft::node
