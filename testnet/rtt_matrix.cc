#include "testnet/rtt_matrix.h"

#include <optional>

#include "crypto/rng.h"
#include "node/units.h"

namespace weft::testnet {

namespace {

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

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  while (cells.size() <= kRegionsMax + 1) {
    const bool last = line.find(',') == std::string_view::npos;
    cells.push_back(trim(take_until(line, ',')));
    if (last) break;
  }
  return cells;
}

// A round trip of more than a minute is a mistake in the file.
std::optional<Duration> parse_ms(std::string_view text) {
  const auto rtt = node::parse_duration(std::string(text) + "ms");
  return rtt && *rtt <= 1min ? rtt : std::nullopt;
}

}  // namespace

std::expected<RttMatrix, std::string> parse_rtt_matrix(std::string_view csv) {
  RttMatrix matrix;
  std::size_t line_number = 0;
  const auto wrong = [&](std::string_view what) {
    return std::unexpected("line " + std::to_string(line_number) + ": " + std::string(what));
  };
  while (!csv.empty()) {
    ++line_number;
    const std::string_view line = trim(take_until(csv, '\n'));
    if (line.empty() || line.front() == '#') continue;
    const auto cells = cells_of(line);
    if (matrix.regions.empty()) {
      if (cells.size() < 2 || cells.size() > kRegionsMax + 1) {
        return wrong("a matrix has 1 to " + std::to_string(kRegionsMax) + " regions");
      }
      matrix.regions.assign(cells.begin() + 1, cells.end());
      continue;
    }
    const std::size_t row = matrix.rtt.size();
    if (row == matrix.regions.size()) return wrong("more rows than regions");
    if (cells.size() != matrix.regions.size() + 1) return wrong("not as many cells as regions");
    if (cells[0] != matrix.regions[row]) {
      return wrong("expected the row of " + matrix.regions[row]);
    }
    auto& values = matrix.rtt.emplace_back();
    for (std::size_t i = 1; i < cells.size(); ++i) {
      const auto ms = parse_ms(cells[i]);
      if (!ms) return wrong("'" + std::string(cells[i]) + "' is no time in milliseconds");
      values.push_back(*ms);
    }
  }
  if (matrix.regions.empty() || matrix.rtt.size() != matrix.regions.size()) {
    return wrong("the matrix ends too early");
  }
  return matrix;
}

std::size_t region_of(std::uint64_t seed, std::size_t index, std::size_t regions) {
  Rng rng = Rng(seed).fork("region " + std::to_string(index));
  return static_cast<std::size_t>(rng.below(regions));
}

}  // namespace weft::testnet
