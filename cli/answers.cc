#include "cli/answers.h"

#include "cli/values.h"

namespace weft::cli {

using Json = nlohmann::ordered_json;

std::string dump_line(const Json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Json printed_value(Json value) {
  const Json& encoded = at(value, "value_base64");
  const bool none = value.contains("value_base64") && encoded.is_null();
  const auto bytes = decode_base64(text_at(value, "value_base64"));
  if (!none && (!encoded.is_string() || !bytes || !is_plain_text(*bytes))) return value;
  Json out;
  for (auto& [key, member] : value.items()) {
    if (key == "value_base64") {
      out["value"] = none ? Json() : Json(*bytes);
    } else {
      out[key] = std::move(member);
    }
  }
  return out;
}

std::optional<std::chrono::steady_clock::time_point> deadline_in(
    const std::optional<testnet::Milliseconds>& timeout) {
  if (!timeout) return std::nullopt;
  return std::chrono::steady_clock::now() + *timeout;
}

}  // namespace weft::cli
