#include "node/event_lines.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "node/control_json.h"

namespace weft::node {
namespace {

using json = nlohmann::ordered_json;  // fields in the order of the documentation

std::string joined(const std::vector<Endpoint>& endpoints) {
  std::string text;
  for (const Endpoint& endpoint : endpoints)
    text += (text.empty() ? "" : ", ") + to_string(endpoint);
  return text.empty() ? "none" : text;
}

json texts(const std::vector<Endpoint>& endpoints) {
  json list = json::array();
  for (const Endpoint& endpoint : endpoints) list.push_back(to_string(endpoint));
  return list;
}

std::string address_of(const NodeRecord& record) {
  return record.endpoints.empty() ? "" : to_string(record.endpoints[0]);
}

// Whether the node was never seen before, or from which state it came, in a person's words.
std::string_view verb_of(const gossip::MemberChanged& change) {
  switch (change.to) {
    case gossip::MemberState::kAlive:
      return change.is_new ? "joined" : "is back";
    case gossip::MemberState::kSuspect:
      return "is suspected";
    case gossip::MemberState::kFailed:
      return "has failed";
    case gossip::MemberState::kLeft:
      return "has left";
  }
  return "";
}

}  // namespace

EventText ready_event(const NodeCore& core, const ShellFacts& facts, Now now) {
  const NodeRecord& record = *core.record();
  EventText text;
  text.json = dump({{"event", "ready"},
                    {"id", to_string(record.id)},
                    {"name", record.name},
                    {"listen", texts(facts.listen)},
                    {"control", facts.control},
                    {"http", facts.http.empty() ? json(nullptr) : json(facts.http)},
                    {"pid", ::getpid()},
                    {"t_ms", now.wall.value}});
  text.plain = "ready: " + escaped(record.name) + " (" + to_string(record.id) + ") in network " +
               facts.network + ", listening on " + joined(facts.listen) +
               (facts.http.empty() ? "" : ", http://" + facts.http + "/");
  return text;
}

EventText member_event(const gossip::MemberChanged& change, Now now) {
  const NodeRecord& record = *change.record;
  EventText text;
  text.json = dump({{"event", "member"},
                    {"id", to_string(record.id)},
                    {"name", record.name},
                    {"address", address_of(record)},
                    {"from", change.is_new ? json(nullptr) : json(gossip::to_string(change.from))},
                    {"to", gossip::to_string(change.to)},
                    {"incarnation", record.number},
                    {"t_ms", now.wall.value}});
  text.plain = escaped(record.name) + " (" + short_string(record.id) + ", " + address_of(record) +
               ") " + std::string(verb_of(change));
  return text;
}

EventText endpoints_event(const EndpointsChanged& change, Now now) {
  return {dump({{"event", "endpoints"},
                {"endpoints", texts(change.endpoints)},
                {"t_ms", now.wall.value}}),
          "own addresses: " + joined(change.endpoints)};
}

EventText state_event(const state::StateNoticed& notice, std::string_view space, Now now) {
  using What = state::StateNoticed::What;
  const std::string author = to_string(notice.author);
  const std::string where = " in the namespace " + escaped(space);
  std::string what, plain;
  switch (notice.what) {
    case What::kForked:
      what = "forked";
      plain = author + " signed two entries for one place of its history" + where + "; see weft state forks";
      break;
    case What::kSkewed:
      what = "skewed";
      plain = "an entry of " + author + where + " is " + std::to_string(notice.number) +
              " ms ahead of this clock and waits until it is due; check both clocks";
      break;
    case What::kRefused:
      what = "refused";
      plain = author + " wrote" + where + " without the right to; it was not taken in";
      break;
    case What::kCutOff:
      what = "cut_off";
      plain = std::to_string(notice.number) + " entries of this node" + where + " were cut off by a revocation";
      break;
    case What::kOverQuota:
      what = "over_quota";
      plain = std::to_string(notice.number) + " entries of this node" + where + " went: others of its own came back, and it may not have so many";
      break;
  }
  return {dump({{"event", "state"},
                {"what", what},
                {"namespace", space},
                {"author", author},
                {"number", notice.number},
                {"t_ms", now.wall.value}}),
          plain};
}

EventText leaving_event(std::string_view reason, Now now) {
  return {dump({{"event", "leaving"}, {"reason", reason}, {"t_ms", now.wall.value}}),
          "leaving: " + std::string(reason)};
}

EventText stopped_event(std::string_view reason, Now now) {
  return {dump({{"event", "stopped"}, {"reason", reason}, {"t_ms", now.wall.value}}),
          "stopped: " + std::string(reason)};
}

}  // namespace weft::node
