// Values as they travel through JSON. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::cli {

inline constexpr std::size_t kKeyTextBytesMax = 255;

// Why this is no key; empty if it is one: text of 1 to 255 bytes, or hex: and 64 digits.
std::string key_trouble(std::string_view key);

// Standard alphabet with padding.
std::string encode_base64(std::string_view bytes);
std::optional<std::string> decode_base64(std::string_view text);

// Valid UTF-8 without zero bytes: may be shown as a JSON text and comes back unchanged.
bool is_plain_text(std::string_view bytes);

}  // namespace weft::cli
