#include "testnet/page_feeds.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "node/control_api.h"
#include "testnet/survey.h"

namespace weft::testnet {
namespace {

using Json = nlohmann::ordered_json;
using node::RequestId;

std::map<std::string, std::size_t, std::less<>> nodes_by_id(const Fleet& fleet) {
  std::map<std::string, std::size_t, std::less<>> out;
  for (std::size_t i = 0; i < fleet.size(); ++i) {
    if (!fleet.node(i).id.empty()) out.emplace(fleet.node(i).id, i);
  }
  return out;
}

// The node that a text of the object names.
std::optional<std::size_t> node_at(const Json& object, const char* name, const std::map<std::string, std::size_t, std::less<>>& by_id) {
  if (!object.is_object() || !object.contains(name) || !object[name].is_string()) return std::nullopt;
  const auto found = by_id.find(object[name].get_ref<const std::string&>());
  return found == by_id.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::uint64_t> number_at(const Json& object, const char* name) {
  if (!object.is_object() || !object.contains(name) || !object[name].is_number_unsigned()) return std::nullopt;
  return object[name].get<std::uint64_t>();
}

}  // namespace

// ---- messages

struct MessageFeed::Inside : std::enable_shared_from_this<MessageFeed::Inside> {
  struct Message {
    std::uint64_t number = 0;
    std::int64_t t_ms = 0;
    std::size_t from = 0, to = 0;
    std::string topic;
    std::uint64_t bytes = 0;
  };
  // Where we stand at a node, in one of its lives.
  struct Cursor {
    std::size_t starts = 0;
    std::optional<std::uint64_t> at;
  };
  struct Waiting {
    RequestId id;
    std::optional<std::uint64_t> after;
  };

  Inside(Testbed& of, AnswerPage tell, ClockOfTestnet clock) : testbed(of), answer(std::move(tell)), t_ms(std::move(clock)) {}

  void forget() {
    kept.clear();
    cursors.clear();
  }

  void begin(MonoTime now) {
    begun_at = now;
    const std::size_t n = testbed.fleet.size();
    std::vector<std::size_t> nodes;
    for (std::size_t k = 0; k < n && nodes.size() < std::max(kFlowAsked, (n + 3) / 4); ++k) {
      const std::size_t i = next;
      next = (next + 1) % n;
      if (testbed.fleet.node(i).run != Run::kRunning) continue;
      nodes.push_back(i);
      if (Cursor& cursor = cursors[i]; cursor.starts != testbed.fleet.node(i).starts) cursor = {testbed.fleet.node(i).starts, std::nullopt};
    }
    running = true;
    by_id = nodes_by_id(testbed.fleet);
    const auto weak = weak_from_this();
    testnet::ask(testbed, nodes, kFlowTimeout,
                 {.path =
                      [this](std::size_t i) {
                        const auto& at = cursors[i].at;
                        return at ? "/v1/flow?after=" + std::to_string(*at) : std::string("/v1/flow");
                      },
                  .heard =
                      [weak](std::size_t i, std::optional<std::string_view> body) {
                        if (const auto self = weak.lock(); self && body) self->take(i, *body);
                      },
                  .over =
                      [weak] {
                        if (const auto self = weak.lock()) self->end();
                      }});
  }

  void take(std::size_t i, std::string_view body) {
    const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
    const auto cursor = number_at(json, "cursor");
    if (!cursor) return;
    cursors[i].at = *cursor;
    last += number_at(json, "left_out").value_or(0);
    if (!json.contains("messages") || !json["messages"].is_array()) return;
    const std::int64_t began = wall_ms() - t_ms();
    for (const Json& one : json["messages"]) {
      const auto at = number_at(one, "at_ms");
      const auto to = node_at(one, "to", by_id);
      if (!at || !to || !one.contains("topic") || !one["topic"].is_string()) continue;
      kept.push_back({++last, static_cast<std::int64_t>(*at) - began, i, *to, one["topic"].get<std::string>(), number_at(one, "bytes").value_or(0)});
    }
    while (kept.size() > kFlowKept) kept.pop_front();
  }

  void end() {
    running = false;
    for (const Waiting& one : std::exchange(waiting, {})) tell(one);
  }

  void tell(const Waiting& one) {
    const std::uint64_t after = std::min(one.after.value_or(last), last);
    auto from = std::ranges::upper_bound(kept, after, {}, &Message::number);
    if (static_cast<std::size_t>(kept.end() - from) > kFlowPageMax) from = kept.end() - static_cast<std::ptrdiff_t>(kFlowPageMax);
    Json messages = Json::array();
    for (auto it = from; it != kept.end(); ++it) messages.push_back({it->t_ms, it->from, it->to, it->topic, it->bytes});
    const Json out = {{"cursor", last}, {"left_out", last - after - messages.size()}, {"t_ms", t_ms()}, {"messages", messages}};
    answer(one.id, {200, out.dump(-1, ' ', false, Json::error_handler_t::replace)});
  }

  Testbed& testbed;
  AnswerPage answer;
  ClockOfTestnet t_ms;
  std::map<std::size_t, Cursor> cursors;
  std::map<std::string, std::size_t, std::less<>> by_id;  // of this round
  std::deque<Message> kept;
  std::uint64_t last = 0;
  std::size_t next = 0;  // to be asked
  bool running = false;
  std::vector<Waiting> waiting;
  std::optional<MonoTime> begun_at, asked_at;
};

MessageFeed::MessageFeed(Testbed& testbed, AnswerPage answer, ClockOfTestnet t_ms)
    : inside_(std::make_shared<Inside>(testbed, std::move(answer), std::move(t_ms))) {}
MessageFeed::~MessageFeed() = default;

void MessageFeed::ask(MonoTime now, RequestId id, std::optional<std::uint64_t> after) {
  Inside& s = *inside_;
  // What nodes said when nobody looked they have forgotten too.
  if (s.asked_at && now - *s.asked_at > kFlowForget) s.forget();
  s.asked_at = now;
  s.waiting.push_back({id, after});
  if (s.running) return;
  if (s.begun_at && now - *s.begun_at < kFlowEvery) s.end();
  else s.begin(now);
}

void MessageFeed::on_gone(RequestId id) {
  std::erase_if(inside_->waiting, [id](const Inside::Waiting& one) { return one.id == id; });
}

void MessageFeed::forget() { inside_->forget(); }

// ---- trees

struct TreeFeed::Inside : std::enable_shared_from_this<TreeFeed::Inside> {
  struct Asking {
    std::vector<RequestId> waiting;
    std::map<std::string, std::size_t, std::less<>> by_id;
    Json nodes = Json::array();
  };

  Inside(Testbed& of, AnswerPage tell) : testbed(of), answer(std::move(tell)) {}

  void take(Asking& asking, std::size_t i, std::string_view body) {
    const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("links") || !json["links"].is_array()) return;
    Json node = {{"i", i}, {"root", json.contains("parent") && json["parent"].is_null()}, {"eager", Json::array()}, {"lazy", Json::array()}};
    for (const Json& link : json["links"]) {
      const auto to = node_at(link, "id", asking.by_id);
      if (!to || !link.value("eager", Json()).is_boolean()) continue;
      node[link["eager"].get<bool>() ? "eager" : "lazy"].push_back(
          {{"i", *to}, {"home", link.value("home", Json(false))}, {"rtt_ms", link.value("rtt_ms", Json())}});
    }
    asking.nodes.push_back(std::move(node));
  }

  void end(const std::string& space) {
    const auto ended = asked.extract(space);
    if (ended.empty()) return;
    const Asking& asking = ended.mapped();
    for (const RequestId id : asking.waiting) {
      if (asking.nodes.empty()) {
        answer(id, node::to_reply({"not_found", "no node that runs has this namespace"}));
      } else {
        answer(id, {200, Json({{"namespace", space}, {"nodes", asking.nodes}}).dump(-1, ' ', false, Json::error_handler_t::replace)});
      }
    }
  }

  Testbed& testbed;
  AnswerPage answer;
  std::map<std::string, Asking> asked;
};

TreeFeed::TreeFeed(Testbed& testbed, AnswerPage answer) : inside_(std::make_shared<Inside>(testbed, std::move(answer))) {}
TreeFeed::~TreeFeed() = default;

bool TreeFeed::ask(RequestId id, const std::string& space) {
  Inside& s = *inside_;
  if (const auto under_way = s.asked.find(space); under_way != s.asked.end()) {
    under_way->second.waiting.push_back(id);
    return true;
  }
  if (s.asked.size() >= kTreesMax) return false;
  s.asked[space] = {.waiting = {id}, .by_id = nodes_by_id(s.testbed.fleet)};
  const auto weak = s.weak_from_this();
  testnet::ask(s.testbed, s.testbed.fleet.indices(Run::kRunning), kTreeTimeout,
               {.path = [query = "/v1/state/tree?space=" + encode_query(space)](std::size_t) { return query; },
                .heard =
                    [weak, space](std::size_t i, std::optional<std::string_view> body) {
                      const auto self = weak.lock();
                      if (!self || !body) return;
                      if (const auto asking = self->asked.find(space); asking != self->asked.end()) self->take(asking->second, i, *body);
                    },
                .over =
                    [weak, space] {
                      if (const auto self = weak.lock()) self->end(space);
                    }});
  return true;
}

void TreeFeed::on_gone(RequestId id) {
  for (auto& [space, asking] : inside_->asked) std::erase(asking.waiting, id);
}

}  // namespace weft::testnet
