#include "node/control_api.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "node/control_fields.h"

namespace weft::node {
namespace {

constexpr std::size_t kKeyBytesMax = 255;
constexpr std::size_t kIdDigits = 64;
constexpr std::size_t kPrefixDigitsMin = 8;
constexpr std::size_t kRegionsMax = 64;
constexpr std::uint64_t kRttMsMax = 60'000;
constexpr std::uint64_t kStallMsMax = 60'000;

// One row of a matrix of round trips in milliseconds; empty if it is not one.
std::vector<Duration> parse_row(const nlohmann::json& row, std::size_t size) {
  std::vector<Duration> out;
  if (!row.is_array() || row.size() != size) return {};
  for (const auto& cell : row) {
    if (!cell.is_number()) return {};
    const double ms = cell.get<double>();
    if (!(ms >= 0 && ms <= static_cast<double>(kRttMsMax))) return {};
    out.emplace_back(static_cast<Duration::rep>(ms * 1000));
  }
  return out;
}

std::expected<LinkMatrix, ApiError> parse_matrix(const nlohmann::json& value) {
  const auto bad = [](const char* why) {
    return std::unexpected(bad_request(std::string("matrix ") + why));
  };
  LinkMatrix matrix;
  if (!value.is_object() || value.size() != 3)
    return bad("must be {\"rtt_ms\",\"self\",\"peers\"}");
  const auto rtt = value.find("rtt_ms");
  const auto self = value.find("self");
  const auto peers = value.find("peers");
  if (rtt == value.end() || !rtt->is_array() || rtt->empty() || rtt->size() > kRegionsMax) {
    return bad("rtt_ms must be a square list of lists for 1 to 64 regions");
  }
  for (const auto& row : *rtt) {
    matrix.rtt.push_back(parse_row(row, rtt->size()));
    if (matrix.rtt.back().empty())
      return bad("rtt_ms must be square, with milliseconds up to 60000");
  }
  const auto region = [&matrix](const nlohmann::json& cell) -> std::optional<std::size_t> {
    const auto* number = cell.get_ptr<const nlohmann::json::number_unsigned_t*>();
    if (number == nullptr || *number >= matrix.rtt.size()) return std::nullopt;
    return static_cast<std::size_t>(*number);
  };
  const auto own = self == value.end() ? std::nullopt : region(*self);
  if (!own) return bad("self must be a region's index");
  matrix.self = *own;
  if (peers == value.end() || !peers->is_object()) return bad("peers must map IP:PORT to a region");
  for (auto item = peers->begin(); item != peers->end(); ++item) {
    const auto endpoint = parse_endpoint(item.key());
    const auto index = region(item.value());
    if (!endpoint || !index) return bad("peers must map IP:PORT to a region's index");
    matrix.peers.emplace_back(*endpoint, *index);
  }
  std::ranges::sort(matrix.peers);
  return matrix;
}

}  // namespace

std::expected<NodeId, ApiError> parse_key(std::string_view text) {
  if (text.starts_with("hex:")) {
    const auto raw = array_from_hex<32>(text.substr(4));
    if (!raw) return std::unexpected(bad_request("after hex: a key has 64 hex digits"));
    return NodeId{*raw};
  }
  if (text.empty() || text.size() > kKeyBytesMax) {
    return std::unexpected(bad_request("a key is a text of 1 to 255 bytes, or hex: and 64 digits"));
  }
  return dht::key_of_text(text);
}

std::expected<NodeId, ApiError> find_node(const NodeCore& core, std::string_view text) {
  if (text.size() == kIdDigits && is_hex(text)) return NodeId{*array_from_hex<32>(text)};
  const bool prefix = text.size() >= kPrefixDigitsMin && text.size() < kIdDigits && is_hex(text);
  const std::string digits = lower(text);
  std::size_t found = 0;
  NodeId id;
  core.for_each_member([&](const gossip::MemberView& member) {
    const bool named = member.record->name == text;
    if (!named && !(prefix && to_string(member.record->id).starts_with(digits))) return;
    ++found;
    id = member.record->id;
  });
  const std::string shown = "\"" + escaped(text.substr(0, 80)) + "\"";
  if (found == 0) return std::unexpected(ApiError{"not_found", "no node is known as " + shown});
  if (found > 1) {
    return std::unexpected(bad_request(shown + " names " + std::to_string(found) +
                                       " nodes; use the id, or more of its digits"));
  }
  return id;
}

std::expected<FaultsChange, ApiError> parse_faults(std::string_view body) {
  Fields fields(body, {"seed", "link", "matrix", "block", "stall_ms", "timeout_ms"});
  FaultsChange change;
  change.seed = fields.number("seed", 0, UINT64_MAX);
  if (const auto text = fields.text("link", 1000)) {
    auto spec = parse_link_spec(*text);
    if (!spec) {
      fields.fail("link: " + spec.error());
    } else if (!spec->matrix_file.empty()) {
      fields.fail("link: send the matrix itself in the field matrix");
    } else {
      change.link = std::move(*spec);
    }
  }
  if (const auto* value = fields.raw("matrix")) {
    // An empty object takes the matrix away.
    auto matrix = value->is_object() && value->empty() ? LinkMatrix{} : parse_matrix(*value);
    if (!matrix) {
      fields.fail(matrix.error());
    } else {
      change.matrix = std::move(*matrix);
    }
  }
  if (const auto block = fields.texts("block", kBlockedMax, 64)) {
    change.block.emplace();
    for (const std::string& text : *block) {
      const auto endpoint = parse_endpoint(text);
      if (!endpoint) fields.fail("block lists endpoints as IP:PORT");
      change.block->push_back(endpoint.value_or(Endpoint{}));
    }
    std::ranges::sort(*change.block);
  }
  if (const auto stall = fields.number("stall_ms", 0, kStallMsMax)) {
    change.stall = std::chrono::milliseconds(*stall);
  }
  if (fields.error()) return std::unexpected(*fields.error());
  return change;
}

}  // namespace weft::node
