#include "testnet/selection.h"

#include <algorithm>
#include <charconv>

#include "node/units.h"

namespace weft::testnet {

namespace {

std::optional<std::size_t> parse_index(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value >= kNodesMax) return std::nullopt;
  return value;
}

std::optional<Selection::Range> parse_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_index(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_index(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return Selection::Range{*first, *last};
}

}  // namespace

std::expected<Selection, std::string> parse_selection(std::string_view text) {
  Selection selection;
  selection.share_ppm = node::parse_share(text);
  if (selection.share_ppm) return selection;
  while (true) {
    const std::size_t comma = text.find(',');
    const auto range = parse_range(text.substr(0, comma));
    if (!range) {
      return std::unexpected("'" + std::string(text.substr(0, comma)) +
                             "' names no nodes; give an index like 7, a range 10-19, a list 3,7,9 "
                             "or a share 25%");
    }
    if (selection.ranges.size() == kSelectionPartsMax) {
      return std::unexpected("at most " + std::to_string(kSelectionPartsMax) +
                             " parts in a list of nodes");
    }
    selection.ranges.push_back(*range);
    if (comma == std::string_view::npos) return selection;
    text.remove_prefix(comma + 1);
  }
}

std::expected<std::vector<std::size_t>, std::string> choose(const Selection& selection,
                                                            std::size_t count,
                                                            std::span<const std::size_t> candidates,
                                                            Rng& rng) {
  std::vector<std::size_t> chosen;
  if (selection.share_ppm) {
    std::size_t wanted = (candidates.size() * *selection.share_ppm + 500'000) / 1'000'000;
    if (wanted == 0 && *selection.share_ppm > 0) wanted = 1;
    wanted = std::min(wanted, candidates.size());
    chosen.assign(candidates.begin(), candidates.end());
    rng.shuffle(std::span(chosen));
    chosen.resize(wanted);
  } else {
    for (const auto& [first, last] : selection.ranges) {
      if (last >= count) {
        return std::unexpected("there is no node " + std::to_string(last) + ", only 0 to " +
                               std::to_string(count - 1));
      }
      for (std::size_t i = first; i <= last; ++i) chosen.push_back(i);
    }
  }
  std::ranges::sort(chosen);
  const auto rest = std::ranges::unique(chosen);
  chosen.erase(rest.begin(), rest.end());
  return chosen;
}

}  // namespace weft::testnet
