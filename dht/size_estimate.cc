#include "dht/size_estimate.h"

namespace weft::dht {
namespace {

constexpr std::size_t kDistanceBytes = 5;  // 40 bits
constexpr std::size_t kUsed = 20;          // sum of i*d_i stays below 2^40 * 210

std::uint64_t leading(const Distance& away) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < kDistanceBytes; ++i) out = out << 8 | away.bytes[i];
  return out;
}

}  // namespace

void SizeEstimate::note(const NodeId& target, std::span<const Distance> nearest) {
  if (nearest.size() < kSizeRespondersMin) return;
  Sample sample{.weighted = 0, .squares = 0, .target = target};
  for (std::size_t i = 0; i < nearest.size() && i < kUsed; ++i) {
    sample.weighted += (i + 1) * leading(nearest[i]);
    sample.squares += (i + 1) * (i + 1);
  }
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (common_prefix_bits(samples_[i].target, target) < kSizePartBits) continue;
    samples_.erase_at(i);
    break;
  }
  if (samples_.full()) samples_.erase_at(0);
  samples_.push(sample);
}

std::uint64_t SizeEstimate::nodes() const {
  std::uint64_t weighted = 0;
  std::uint64_t squares = 0;
  for (const Sample& sample : samples_) {
    weighted += sample.weighted;
    squares += sample.squares;
  }
  if (samples_.empty()) return 0;
  // squares <= 16 * 2870 < 2^16, so the product stays below 2^56.
  return (squares << (8 * kDistanceBytes)) / std::max<std::uint64_t>(weighted, 1);
}

}  // namespace weft::dht
