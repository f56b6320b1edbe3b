#include "testnet/churn_trace.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace weft::testnet {
namespace {

constexpr std::int64_t kSecond = 1'000'000;  // in units of Duration

std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// Digits and nothing else.
std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "12", "12.5": seconds.
std::optional<Duration> parse_seconds(std::string_view text) {
  const std::size_t point = text.find('.');
  const auto whole = parse_number(text.substr(0, point));
  if (!whole || *whole > kTraceTimeMax.count() / kSecond) return std::nullopt;
  std::int64_t micros = *whole * kSecond;
  if (point != std::string_view::npos) {
    const std::string_view decimals = text.substr(point + 1);
    const auto part = parse_number(decimals);
    if (!part || decimals.size() > 6) return std::nullopt;
    std::int64_t unit = kSecond;
    for (std::size_t i = 0; i < decimals.size(); ++i) unit /= 10;
    micros += *part * unit;
  }
  if (micros > kTraceTimeMax.count()) return std::nullopt;
  return Duration(micros);
}

}  // namespace

std::expected<ChurnTrace, TraceError> parse_churn_trace(std::string_view csv, std::uint32_t nodes) {
  struct Line {
    Session session;
    std::uint32_t number = 0;
  };
  std::uint32_t number = 0;
  const auto wrong = [](std::uint32_t line, std::string what) {
    return std::unexpected(TraceError{line, std::move(what)});
  };
  if (csv.size() > kTraceBytesMax) return wrong(0, "a trace has at most 8 MiB");
  std::vector<Line> lines;
  while (!csv.empty()) {
    ++number;
    std::string_view line = trim(take_until(csv, '\n'));
    if (line.empty() || line.front() == '#') continue;
    if (lines.size() == kTraceSessionsMax) {
      return wrong(number, "a trace has at most " + std::to_string(kTraceSessionsMax) + " sessions");
    }
    if (std::ranges::count(line, ',') != 2) return wrong(number, "expected node,up_s,down_s");
    const auto node = parse_number(trim(take_until(line, ',')));
    const std::string_view up_text = trim(take_until(line, ','));
    const auto up = parse_seconds(up_text);
    const auto down = parse_seconds(trim(line));
    if (!node || *node >= nodes) {
      return wrong(number, "nodes are 0 to " + std::to_string(std::max(nodes, 1U) - 1));
    }
    if (!up || !down) {
      return wrong(number, "'" + std::string((up ? trim(line) : up_text).substr(0, 40)) +
                               "' is no time in seconds up to 30 days, like 12 or 12.5");
    }
    if (*down <= *up) return wrong(number, "a session ends after it begins");
    lines.push_back({{*node, *up, *down}, number});
  }
  if (lines.empty()) return wrong(0, "the trace has no session");
  std::ranges::sort(lines, [](const Line& a, const Line& b) {
    if (a.session.node != b.session.node) return a.session.node < b.session.node;
    if (a.session.up != b.session.up) return a.session.up < b.session.up;
    return a.number < b.number;
  });
  ChurnTrace trace;
  trace.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Session& one = lines[i].session;
    if (i > 0 && lines[i - 1].session.node == one.node && one.up <= lines[i - 1].session.down) {
      return wrong(lines[i].number, "node " + std::to_string(one.node) + " is up already, by line " +
                                        std::to_string(lines[i - 1].number));
    }
    trace.push_back(one);
  }
  return trace;
}

}  // namespace weft::testnet
