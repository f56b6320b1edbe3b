#include "cli/values.h"

#include <sodium.h>

#include "crypto/bytes.h"

namespace weft::cli {

std::string key_trouble(std::string_view key) {
  if (key.starts_with("hex:")) {
    return array_from_hex<32>(key.substr(4)) ? "" : "after hex: a key has 64 hex digits";
  }
  if (key.empty() || key.size() > kKeyTextBytesMax) {
    return "a key is text of 1 to " + std::to_string(kKeyTextBytesMax) +
           " bytes, or hex: and 64 digits";
  }
  if (!is_plain_text(key)) return "a key is UTF-8 text; write other bytes as hex: and 64 digits";
  return {};
}

std::string encode_base64(std::string_view bytes) {
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  const ByteView view = as_bytes(bytes);
  sodium_bin2base64(text.data(), text.size(), view.data(), view.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the terminating zero
  return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
  Bytes bytes(text.size() / 4 * 3 + 3);
  std::size_t size = 0;
  if (sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &size,
                        nullptr, sodium_base64_VARIANT_ORIGINAL) != 0) {
    return std::nullopt;
  }
  return std::string(as_text(ByteView(bytes).first(size)));
}

bool is_plain_text(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto lead = static_cast<unsigned char>(bytes[0]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead == 0 || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return false;
    if (bytes.size() < length) return false;
    std::uint32_t code = length == 1 ? lead : lead & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      if ((byte & 0xc0) != 0x80) return false;
      code = code << 6 | (byte & 0x3fU);
    }
    static constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kLeast[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace weft::cli
