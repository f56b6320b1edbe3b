#include "testnet/event_line.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace weft::testnet {

namespace {

constexpr std::string_view kId = "\"id\":\"";
constexpr std::string_view kState = "\"to\":\"";

bool is_id(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Sight to_sight(std::string_view text) {
  if (text == "alive") return Sight::kAlive;
  if (text == "suspect") return Sight::kSuspect;
  if (text == "failed") return Sight::kFailed;
  if (text == "left") return Sight::kLeft;
  return Sight::kUnknown;
}

// The value after `key`, if the key stands in the line exactly once and its value has no escape.
std::optional<std::string_view> only_value(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t begin = at + key.size();
  if (line.find(key, begin) != std::string_view::npos) return std::nullopt;
  const std::size_t end = line.find('"', begin);
  if (end == std::string_view::npos) return std::nullopt;
  return line.substr(begin, end - begin);
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::optional<MemberLine> scan_member_line(std::string_view line) {
  // Tags may hold keys of any name, and they are the one place where a key can repeat.
  const std::size_t tags = line.find("\"tags\":{");
  const bool plain = tags == std::string_view::npos || line.substr(tags + 8, 1) == "}";
  const auto id = plain ? only_value(line, kId) : std::nullopt;
  const auto state = plain ? only_value(line, kState) : std::nullopt;
  if (id && state) {
    const Sight sight = to_sight(*state);
    if (sight == Sight::kUnknown || !is_id(*id)) return std::nullopt;
    return MemberLine{*id, sight};
  }
  if (line.find("\"to\"") == std::string_view::npos) return std::nullopt;
  const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  const std::string full_id = text_of(object, "id");
  const Sight sight = to_sight(text_of(object, "to"));
  const std::size_t at = line.find(full_id);
  if (sight == Sight::kUnknown || !is_id(full_id) || at == std::string_view::npos) {
    return std::nullopt;
  }
  return MemberLine{line.substr(at, full_id.size()), sight};
}

std::optional<ReadyLine> parse_ready_line(std::string_view line) {
  if (line.find("\"ready\"") == std::string_view::npos) return std::nullopt;
  const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || text_of(object, "event") != "ready") return std::nullopt;
  ReadyLine ready{text_of(object, "id"),
                  text_of(object, "name"),
                  {},
                  text_of(object, "control"),
                  text_of(object, "http")};
  const auto listen = object.find("listen");
  if (listen != object.end() && listen->is_array()) {
    for (const auto& address : *listen) {
      if (address.is_string()) ready.listen.push_back(address.get<std::string>());
    }
  }
  if (!is_id(ready.id) || ready.listen.empty()) return std::nullopt;
  return ready;
}

}  // namespace weft::testnet
