#include "node/weft_replies.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "node/control_fields.h"

namespace weft::node {
namespace {

using json = nlohmann::json;

constexpr std::array<std::pair<Code, std::string_view>, 18> kCodes = {{
    {Code::kBadRequest, "bad_request"},
    {Code::kTooLarge, "too_large"},
    {Code::kForbidden, "forbidden"},
    {Code::kDenied, "denied"},
    {Code::kNotFound, "not_found"},
    {Code::kTimedOut, "timed_out"},
    {Code::kConflict, "conflict"},
    {Code::kQuorum, "quorum"},
    {Code::kSeveralAuthors, "several_authors"},
    {Code::kAmbiguous, "ambiguous"},
    {Code::kNoPeers, "no_peers"},
    {Code::kOverloaded, "overloaded"},
    {Code::kStore, "store"},
    {Code::kNoRoom, "no_room"},
    {Code::kShutdown, "shutdown"},
    {Code::kCancelled, "cancelled"},
    {Code::kCannotStart, "cannot_start"},
    {Code::kInternal, "internal"},
}};

// ---- members of an object; what is missing or of another type is nothing
const json& at(const json& object, const char* key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}
std::string text(const json& value) {
  const auto* found = value.get_ptr<const json::string_t*>();
  return found == nullptr ? "" : *found;
}
std::string text(const json& object, const char* key) { return text(at(object, key)); }
std::uint64_t number(const json& object, const char* key) {
  const auto* found = at(object, key).get_ptr<const json::number_unsigned_t*>();
  return found == nullptr ? 0 : *found;
}
std::int64_t signed_number(const json& value) { return value.is_number_integer() ? value.get<std::int64_t>() : 0; }
bool truth(const json& object, const char* key) {
  const auto* found = at(object, key).get_ptr<const json::boolean_t*>();
  return found != nullptr && *found;
}
std::string bytes(const json& value) { return decode_base64(text(value)).value_or(""); }
Seconds seconds(const json& object, const char* key) { return Seconds(static_cast<Seconds::rep>(number(object, key))); }

// Each of a list as `read` sees it.
template <class Read>
auto each(const json& list, Read read) {
  std::vector<decltype(read(list))> out;
  if (!list.is_array()) return out;
  for (const json& one : list) out.push_back(read(one));
  return out;
}
std::vector<std::string> texts(const json& list) {
  return each(list, [](const json& one) { return text(one); });
}

Code code_of(std::string_view word) {
  const auto found = std::ranges::find(kCodes, word, &std::pair<Code, std::string_view>::second);
  return found == kCodes.end() ? Code::kInternal : found->first;
}

weft::Failure failure_of(const json& body) {
  const json& error = at(body, "error");
  weft::Failure out{.code = code_of(text(error, "code")), .message = text(error, "message"), .number = 0, .choices = {}};
  if (out.message.empty()) out.message = "the node gave no reason";
  out.number = out.code == Code::kQuorum ? number(error, "replicas") : number(error, "current_seq");
  out.choices = texts(at(error, out.code == Code::kAmbiguous ? "creators" : "authors"));
  return out;
}

// A good answer as `read` sees it, else the failure.
template <class Read>
auto reading(const ControlReply& reply, Read read) -> Result<decltype(read(json()))> {
  const json body = json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  if (reply.status != 200) return std::unexpected(failure_of(body));
  if (body.is_discarded()) return std::unexpected(weft::Failure{Code::kInternal, "the node's answer is no JSON"});
  return read(body);
}

std::optional<MemberIs> member_is(const json& word) {
  const std::string name = text(word);
  if (name == "alive") return MemberIs::kAlive;
  if (name == "suspect") return MemberIs::kSuspect;
  if (name == "failed") return MemberIs::kFailed;
  if (name == "left") return MemberIs::kLeft;
  return std::nullopt;
}

Member member(const json& one) {
  Member out{.id = text(one, "id"), .name = text(one, "name"), .address = text(one, "address"),
             .state = member_is(at(one, "state")).value_or(MemberIs::kFailed), .incarnation = number(one, "incarnation"),
             .rtt = {}, .tags = {}};
  if (const json& rtt = at(one, "rtt_ms"); rtt.is_number()) {
    out.rtt = std::chrono::microseconds(static_cast<std::int64_t>(rtt.get<double>() * 1000));
  }
  for (const auto& [key, value] : at(one, "tags").items()) out.tags[key] = text(value);
  return out;
}

MemberChange member_change(const json& one) {
  return {.id = text(one, "id"), .name = text(one, "name"), .address = text(one, "address"), .from = member_is(at(one, "from")),
          .to = member_is(at(one, "to")).value_or(MemberIs::kFailed),
          .at = std::chrono::system_clock::time_point(Milliseconds(signed_number(at(one, "t_ms"))))};
}

FoundValue found_value(const json& one) {
  const std::string sealing = text(one, "encrypted");
  using Sealing = FoundValue::Sealing;
  return {.bytes = bytes(at(one, "value_base64")), .author = text(one, "author"), .number = number(one, "seq"),
          .expires_in = seconds(one, "expires_s"), .copies = number(one, "copies"), .own = truth(one, "own"),
          .sealing = sealing.empty() ? Sealing::kNone : sealing == "for us" ? Sealing::kForUs : Sealing::kForAnother};
}

Provider provider(const json& one) {
  return {.id = text(one, "id"), .address = text(one, "address"), .expires_in = seconds(one, "expires_s")};
}

Namespace space(const json& one) {
  return {.name = text(one, "namespace"), .id = text(one, "id"), .creator = text(one, "creator"), .own = truth(one, "own"),
          .access = text(one, "access"), .may_write = truth(one, "may_write"), .forks = number(one, "forks"), .entries = number(one, "entries"), .bytes = number(one, "bytes"),
          .cursor = number(one, "cursor")};
}

DocumentName document_name(const json& one) {
  DocumentName out{.doc = text(one, "doc")};
  for (const json& kind : at(one, "kinds")) {
    out.has_register = out.has_register || kind == "register";
    out.has_counter = out.has_counter || kind == "counter";
    out.has_set = out.has_set || kind == "set";
  }
  return out;
}

Written written(const json& one) {
  return {.bytes = bytes(at(one, "value_base64")), .author = text(one, "author"), .at = text(one, "at")};
}

Change::Kind kind_of(std::string_view word) {
  if (word == "rm") return Change::Kind::kRemove;
  if (word == "inc") return Change::Kind::kIncrement;
  if (word == "add") return Change::Kind::kAdd;
  if (word == "del") return Change::Kind::kDelete;
  if (word == "revoke") return Change::Kind::kRevoke;
  return Change::Kind::kSet;
}

Change change(const json& one) {
  return {.cursor = number(one, "cursor"), .doc = text(one, "doc"), .kind = kind_of(text(one, "kind")),
          .bytes = bytes(at(one, "value_base64")), .counter = signed_number(at(one, "value")), .author = text(one, "author"),
          .at = text(one, "at"), .id = text(one, "id")};
}

}  // namespace

Result<Place> read_place(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return Place{text(body, "id"), texts(at(body, "listen"))}; });
}
Result<std::size_t> read_alive(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return std::size_t{number(body, "alive")}; });
}
Result<Joined> read_joined(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return Joined{number(body, "joined"), number(body, "alive")}; });
}
Result<std::vector<Member>> read_members(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return each(body, member); });
}
Result<MemberChanges> read_member_changes(const ControlReply& reply) {
  return reading(reply, [](const json& body) {
    return MemberChanges{each(at(body, "changes"), member_change), number(body, "cursor"), truth(body, "gap")};
  });
}
Result<PutReceipt> read_put(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return PutReceipt{number(body, "seq"), number(body, "replicas")}; });
}
Result<Found> read_found(const ControlReply& reply) {
  auto found = reading(reply, [](const json& body) { return Found{each(at(body, "values"), found_value)}; });
  if (found && found->values.empty()) return std::unexpected(weft::Failure{Code::kInternal, "the node's answer has no value"});
  return found;
}
Result<std::vector<Provider>> read_providers(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return each(body, provider); });
}
Result<void> read_done(const ControlReply& reply) {
  const auto done = reading(reply, [](const json&) { return true; });
  if (!done) return std::unexpected(done.error());
  return {};
}
Result<Namespace> read_space(const ControlReply& reply) { return reading(reply, space); }
Result<std::vector<Namespace>> read_spaces(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return each(body, space); });
}
Result<DocumentNames> read_docs(const ControlReply& reply) {
  return reading(reply, [](const json& body) {
    return DocumentNames{each(at(body, "docs"), document_name), bytes(at(body, "after_base64")), truth(body, "more")};
  });
}
Result<Digest> read_digest(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return Digest{text(body, "digest"), number(body, "entries")}; });
}
Result<Document> read_document(const ControlReply& reply) {
  return reading(reply, [](const json& body) {
    Document out;
    if (at(body, "value_base64").is_string()) out.value = written(body);
    out.conflicts = each(at(body, "conflicts"), written);
    if (at(body, "value").is_number_integer()) out.counter = signed_number(at(body, "value"));
    return out;
  });
}
Result<std::int64_t> read_counter(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return signed_number(at(body, "value")); });
}
Result<Items> read_items(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return Items{each(at(body, "items_base64"), [](const json& one) { return bytes(one); }), truth(body, "more")}; });
}
Result<Changes> read_changes(const ControlReply& reply) {
  return reading(reply, [](const json& body) { return Changes{each(at(body, "changes"), change), number(body, "cursor"), truth(body, "gap")}; });
}

}  // namespace weft::node

namespace weft {

std::string_view to_string(Code code) {
  for (const auto& [known, word] : node::kCodes) {
    if (known == code) return word;
  }
  return "internal";
}

}  // namespace weft
