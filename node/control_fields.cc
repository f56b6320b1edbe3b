#include "node/control_fields.h"

#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace weft::node {
namespace {

using nlohmann::json;

std::string joined(std::initializer_list<std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text.empty() ? "none" : text;
}

std::string shown(std::string_view text) { return "\"" + escaped(text.substr(0, 80)) + "\""; }

}  // namespace

Fields::Fields(std::string_view body, std::initializer_list<std::string_view> known) {
  const bool empty = body.find_first_not_of(" \t\r\n") == std::string_view::npos;
  // The form that does not throw: a discarded value instead.
  object_ = std::make_unique<json>(empty ? json::object()
                                         : json::parse(body, nullptr, /*allow_exceptions=*/false));
  if (!object_->is_object()) {
    *object_ = json::object();
    fail("the body must be a JSON object");
    return;
  }
  for (auto item = object_->begin(); item != object_->end(); ++item) {
    if (std::ranges::find(known, item.key()) != known.end()) continue;
    fail("unknown field " + shown(item.key()) + "; known are: " + joined(known));
  }
}

Fields::~Fields() = default;

const json* Fields::raw(std::string_view name) const {
  const auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

bool Fields::has(std::string_view name) const { return raw(name) != nullptr; }

void Fields::fail(ApiError error) {
  if (!error_) error_ = std::move(error);
}

std::optional<std::string> Fields::text(std::string_view name, std::size_t bytes_max) {
  const json* value = raw(name);
  if (value == nullptr) return std::nullopt;
  const auto* text = value->get_ptr<const json::string_t*>();
  if (text == nullptr || text->size() > bytes_max) {
    fail(std::string(name) + " must be a text of at most " + std::to_string(bytes_max) + " bytes");
    return std::nullopt;
  }
  return *text;
}

std::string Fields::required_text(std::string_view name, std::size_t bytes_max) {
  if (!has(name)) fail("the field " + std::string(name) + " is missing");
  return text(name, bytes_max).value_or("");
}

std::optional<std::uint64_t> Fields::number(std::string_view name, std::uint64_t min,
                                            std::uint64_t max) {
  const json* value = raw(name);
  if (value == nullptr) return std::nullopt;
  // Signed numbers that are not negative parse as unsigned.
  const auto* number = value->get_ptr<const json::number_unsigned_t*>();
  if (number == nullptr || *number < min || *number > max) {
    fail(std::string(name) + " must be a whole number from " + std::to_string(min) + " to " +
         std::to_string(max));
    return std::nullopt;
  }
  return *number;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const json* value = raw(name);
  if (value == nullptr) return std::nullopt;
  const auto* truth = value->get_ptr<const json::boolean_t*>();
  if (truth == nullptr) {
    fail(std::string(name) + " must be true or false");
    return std::nullopt;
  }
  return *truth;
}

std::optional<std::vector<std::string>> Fields::texts(std::string_view name, std::size_t count_max,
                                                      std::size_t bytes_max) {
  const json* value = raw(name);
  if (value == nullptr) return std::nullopt;
  std::vector<std::string> out;
  if (value->is_array() && value->size() <= count_max) {
    for (const json& item : *value) {
      const auto* text = item.get_ptr<const json::string_t*>();
      if (text == nullptr || text->size() > bytes_max) break;
      out.push_back(*text);
    }
  }
  if (!value->is_array() || out.size() != value->size()) {
    fail(std::string(name) + " must be a list of at most " + std::to_string(count_max) +
         " texts of at most " + std::to_string(bytes_max) + " bytes");
    return std::nullopt;
  }
  return out;
}

std::optional<std::string> decode_base64(std::string_view encoded) {
  std::string bytes(encoded.size() / 4 * 3 + 3, '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  const int bad = sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(),
                                    encoded.data(), encoded.size(), nullptr, &size, &end,
                                    sodium_base64_VARIANT_ORIGINAL);
  if (bad != 0 || end != encoded.data() + encoded.size()) return std::nullopt;
  bytes.resize(size);
  return bytes;
}

std::optional<std::string> Fields::base64(std::string_view name, std::size_t bytes_max) {
  const auto encoded = text(name, kBodyBytesMax);
  if (!encoded) return std::nullopt;
  auto bytes = decode_base64(*encoded);
  if (!bytes) {
    fail(std::string(name) + " must be base64 with padding");
    return std::nullopt;
  }
  if (bytes->size() > bytes_max) {
    fail({"too_large", std::string(name) + " holds " + std::to_string(bytes->size()) +
                           " bytes; the limit is " + std::to_string(bytes_max)});
    return std::nullopt;
  }
  return bytes;
}

std::optional<Duration> timeout_of(Fields& fields) {
  const auto ms = fields.number("timeout_ms", 1, kTimeoutMsMax);
  if (!ms) return std::nullopt;
  return std::chrono::milliseconds(*ms);
}

std::optional<std::uint64_t> query_number(const ControlRequest& request, const std::string& name,
                                          std::uint64_t max, bool& bad) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return std::nullopt;
  const std::string& text = found->second;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value > max) {
    bad = true;
    return std::nullopt;
  }
  return value;
}

std::expected<std::size_t, ApiError> query_limit(const ControlRequest& request, std::size_t max) {
  bool bad = false;
  const auto limit = query_number(request, "limit", max, bad);
  if (bad || limit == std::uint64_t{0}) return std::unexpected(bad_request("limit must be a number from 1 to " + std::to_string(max)));
  return static_cast<std::size_t>(limit.value_or(max));
}

std::optional<ApiError> check_query(const ControlRequest& request,
                                    std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(known, name) == known.end()) {
      return bad_request("unknown query parameter \"" + escaped(name.substr(0, 80)) + "\"");
    }
  }
  return std::nullopt;
}

bool is_hex(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

ControlReply to_reply(const ApiError& error) {
  struct Row {
    std::string_view code;
    int status;
  };
  static constexpr Row kRows[] = {
      {"bad_request", 400}, {"too_large", 413},       {"forbidden", 403},
      {"denied", 403},
      {"not_found", 404},   {"timed_out", 504},       {"conflict", 409},
      {"quorum", 409},      {"several_authors", 409}, {"ambiguous", 409},
      {"internal", 500}};
  ControlReply reply;
  reply.status = 503;  // no_peers, overloaded, store, no_room, shutdown, cancelled
  for (const Row& row : kRows) {
    if (row.code == error.code) reply.status = row.status;
  }
  json inner = {{"code", error.code}, {"message", error.message}};
  for (const auto& [name, value] : error.extra) inner[name] = json::parse(value, nullptr, false);
  reply.body = json{{"error", inner}}.dump(-1, ' ', false, json::error_handler_t::replace);
  return reply;
}

}  // namespace weft::node
