#include "node/units.h"

#include <array>

namespace weft::node {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;

struct Number {
  std::uint64_t millionths = 0;
  std::string_view unit;
};

// What a number may be at most: its millionths fit into 64 bits. No limit of a quantity is above it,
// so whatever is read can be written in the smallest unit and read again.
constexpr std::uint64_t kNumberMax = 18 * kMillion * kMillion;

// Reads digits[.digits] and leaves the rest as the unit. Scaling by a unit is checked by the caller
// in 128 bits.
std::optional<Number> parse_number(std::string_view text) {
  std::uint64_t whole = 0;
  std::size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    whole = whole * 10 + static_cast<std::uint64_t>(text[at] - '0');
    if (whole > kNumberMax) return std::nullopt;
  }
  if (at == 0) return std::nullopt;
  std::uint64_t fraction = 0;
  if (at < text.size() && text[at] == '.') {
    const std::size_t start = ++at;
    std::uint64_t scale = kMillion;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      if (scale == 1) return std::nullopt;  // a seventh digit
      scale /= 10;
      fraction += scale * static_cast<std::uint64_t>(text[at] - '0');
    }
    if (at == start) return std::nullopt;
  }
  return Number{whole * kMillion + fraction, text.substr(at)};
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 5> kTimes = {
    {{"h", 3'600'000'000}, {"m", 60'000'000}, {"s", 1'000'000}, {"ms", 1'000}, {"us", 1}}};
constexpr std::array<Unit, 4> kSizes = {
    {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}};

template <std::size_t N>
std::optional<std::uint64_t> scaled(std::string_view text, const std::array<Unit, N>& units,
                                    std::uint64_t max) {
  const auto number = parse_number(text);
  if (!number) return std::nullopt;
  for (const Unit& unit : units) {
    if (unit.name != number->unit) continue;
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(number->millionths) * unit.factor;
    if (product % kMillion != 0) return std::nullopt;
    const Wide value = product / kMillion;
    if (value > max) return std::nullopt;
    return static_cast<std::uint64_t>(value);
  }
  return std::nullopt;
}

template <std::size_t N>
std::string shortest(std::uint64_t value, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) {
      return std::to_string(value / unit.factor) + std::string(unit.name);
    }
  }
  return std::to_string(value);
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration(0);
  constexpr std::uint64_t kLongest = 200ULL * 24 * 3'600'000'000;  // 200 days
  static_assert(kLongest < kNumberMax);
  const auto value = scaled(text, kTimes, kLongest);
  if (!value) return std::nullopt;
  return Duration(static_cast<Duration::rep>(*value));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::uint64_t kLargest = 1ULL << 44;
  static_assert(kLargest < kNumberMax);
  return scaled(text, kSizes, kLargest);
}

std::optional<std::uint32_t> parse_share(std::string_view text) {
  const auto number = parse_number(text);
  if (!number || number->unit != "%" || number->millionths > 100 * kMillion) return std::nullopt;
  if (number->millionths % 100 != 0) return std::nullopt;
  return static_cast<std::uint32_t>(number->millionths / 100);
}

std::string format_duration(Duration duration) {
  if (duration.count() <= 0) return "0";
  return shortest(static_cast<std::uint64_t>(duration.count()), kTimes);
}

std::string format_size(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  return shortest(bytes, kSizes);
}

std::string format_share(std::uint32_t millionths) {
  std::string text = std::to_string(millionths / 10'000);
  if (const std::uint32_t rest = millionths % 10'000; rest != 0) {
    std::string digits = std::to_string(rest);
    digits.insert(0, 4 - digits.size(), '0');
    while (digits.back() == '0') digits.pop_back();
    text += "." + digits;
  }
  return text + "%";
}

}  // namespace weft::node
