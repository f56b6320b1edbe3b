#include "node/link_model.h"

#include <algorithm>

#include "crypto/check.h"
#include "crypto/rng.h"
#include "node/units.h"

namespace weft::node {
namespace {

constexpr std::uint32_t kMillion = 1'000'000;
constexpr Duration kLatencyMax = 60s;
constexpr std::size_t kIpUdpBytes = 28;
// A datagram on a link without latency needs some time in which it can be overtaken.
constexpr Duration kHoldBackMin = 4ms;

std::unexpected<std::string> bad(std::string_view part, std::string_view expected) {
  return std::unexpected("\"" + std::string(part.substr(0, 60)) +
                         "\" is not understood: " + std::string(expected));
}

// Sets one `word=value` of a spec; the error text, or empty.
std::string set_word(LinkSpec& spec, std::string_view word, std::string_view value) {
  if (word == "latency" && value.starts_with("matrix:")) {
    spec.matrix_file = std::string(value.substr(7));
    return spec.matrix_file.empty() ? "a file name must follow matrix:" : "";
  }
  if (word == "latency") {
    const auto latency = parse_duration(value);
    if (!latency || *latency > kLatencyMax) return "latency is a duration up to 60s, as in 20ms";
    spec.latency = *latency;
    return "";
  }
  if (word == "rate") {
    const auto rate = parse_size(value);
    if (!rate) return "rate is bytes a second, as in 2MiB";
    spec.rate_bytes_s = *rate;
    return "";
  }
  const auto share = parse_share(value);
  if (!share) return std::string(word) + " is a share, as in 2%";
  if (word == "jitter") spec.jitter_ppm = *share;
  if (word == "loss") spec.loss_ppm = *share;
  if (word == "dup") spec.dup_ppm = *share;
  if (word == "reorder") spec.reorder_ppm = *share;
  return "";
}

bool known_word(std::string_view word) {
  return word == "latency" || word == "jitter" || word == "loss" || word == "dup" ||
         word == "reorder" || word == "rate";
}

void mix(std::uint64_t& hash, std::uint64_t word) {
  // Finaliser of splitmix64 over a running sum: every input bit reaches every output bit.
  std::uint64_t z = (hash ^ word) + 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  hash = z ^ (z >> 31);
}

void mix(std::uint64_t& hash, const Endpoint& endpoint) {
  mix(hash, load_le<std::uint64_t>(endpoint.ip.data()));
  mix(hash, load_le<std::uint64_t>(endpoint.ip.data() + 8));
  mix(hash, endpoint.port);
}

Duration share_of(Duration whole, std::uint32_t ppm) {
  return Duration(whole.count() * ppm / kMillion);
}

}  // namespace

std::expected<LinkSpec, std::string> parse_link_spec(std::string_view text) {
  LinkSpec spec;
  std::vector<std::string_view> seen;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    if (comma != std::string_view::npos && text.empty())
      return bad(",", "nothing follows the comma");
    const std::size_t equals = part.find('=');
    const std::string_view word = part.substr(0, equals);
    if (equals == std::string_view::npos || !known_word(word)) {
      return bad(part, "expected latency=, jitter=, loss=, dup=, reorder= or rate=");
    }
    if (std::ranges::find(seen, word) != seen.end()) return bad(part, "it is there twice");
    seen.push_back(word);
    const std::string error = set_word(spec, word, part.substr(equals + 1));
    if (!error.empty()) return bad(part, error);
  }
  return spec;
}

std::string to_string(const LinkSpec& spec) {
  std::string text;
  const auto add = [&text](std::string_view word, const std::string& value) {
    if (!text.empty()) text += ",";
    text += word;
    text += value;
  };
  if (!spec.matrix_file.empty()) {
    add("latency=matrix:", spec.matrix_file);
  } else if (spec.latency.count() != 0) {
    add("latency=", format_duration(spec.latency));
  }
  if (spec.jitter_ppm != 0) add("jitter=", format_share(spec.jitter_ppm));
  if (spec.loss_ppm != 0) add("loss=", format_share(spec.loss_ppm));
  if (spec.dup_ppm != 0) add("dup=", format_share(spec.dup_ppm));
  if (spec.reorder_ppm != 0) add("reorder=", format_share(spec.reorder_ppm));
  if (spec.rate_bytes_s != 0) add("rate=", format_size(spec.rate_bytes_s));
  return text;
}

std::optional<Duration> LinkMatrix::one_way(const Endpoint& to) const {
  const auto found =
      std::ranges::lower_bound(peers, to, {}, &std::pair<Endpoint, std::size_t>::first);
  if (found == peers.end() || found->first != to) return std::nullopt;
  CHECK(self < rtt.size());
  CHECK(found->second < rtt[self].size());
  return rtt[self][found->second] / 2;
}

Fate fate_of(const LinkSpec& spec, std::uint64_t seed, const Passage& passage, Duration one_way) {
  std::uint64_t hash = seed;
  mix(hash, passage.from);
  mix(hash, passage.to);
  mix(hash, static_cast<std::uint64_t>(passage.at.time_since_epoch().count()));
  mix(hash, passage.ordinal);
  Rng rng(hash);
  // All draws are made whatever the spec says, so that adding loss to a run keeps its jitter.
  const bool lost = rng.chance({spec.loss_ppm, kMillion});
  const bool twice = rng.chance({spec.dup_ppm, kMillion});
  const bool held_back = rng.chance({spec.reorder_ppm, kMillion});
  const Duration reach = share_of(one_way, spec.jitter_ppm);
  const Duration first = rng.between(one_way - reach, one_way + reach);
  const Duration second = rng.between(one_way - reach, one_way + reach);
  const Duration hold = std::max(one_way, kHoldBackMin);
  const Duration extra = rng.between(hold / 2, hold + hold / 2);
  Fate fate;
  if (lost) return fate;
  fate.delays.push(held_back ? first + extra : first);
  if (twice) fate.delays.push(second);
  return fate;
}

void LinkModel::set_matrix(LinkMatrix matrix) {
  matrix_ = std::move(matrix);
  std::ranges::sort(matrix_.peers);
}

bool LinkModel::active() const { return spec_ != LinkSpec{} || !matrix_.peers.empty(); }

Fate LinkModel::decide(Instant now, const Endpoint& from, const Endpoint& to, std::size_t bytes) {
  ordinal_ = now == last_ ? ordinal_ + 1 : 0;
  last_ = now;
  Duration waiting{};
  if (spec_.rate_bytes_s != 0) {
    line_free_ = std::max(line_free_, now);
    waiting = line_free_ - now;
    if (waiting > kLineQueueMax) return {};
    const std::uint64_t micros = (bytes + kIpUdpBytes) * kMillion / spec_.rate_bytes_s;
    line_free_ += Duration(static_cast<Duration::rep>(micros));
    waiting = line_free_ - now;
  }
  const Duration one_way = matrix_.one_way(to).value_or(spec_.latency);
  Fate fate = fate_of(spec_, seed_, {from, to, now, ordinal_}, one_way);
  for (Duration& delay : fate.delays) delay += waiting;
  return fate;
}

}  // namespace weft::node
