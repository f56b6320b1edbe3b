#include "crypto/rng.h"

#include <sodium.h>

#include <algorithm>
#include <bit>

#include "crypto/check.h"

namespace weft {
namespace {

std::uint64_t splitmix(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(std::uint64_t seed) : seed_(seed) {
  std::uint64_t state = seed;
  for (auto& word : state_) word = splitmix(state);
}

std::uint64_t Rng::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Rng::below(std::uint64_t bound) {
  CHECK(bound != 0);
  // Rejection keeps the draw uniform: the first 2^64 mod bound values are thrown away.
  const std::uint64_t threshold = (0 - bound) % bound;
  for (;;) {
    const std::uint64_t value = next();
    if (value >= threshold) return value % bound;
  }
}

bool Rng::chance(Ratio p) { return below(p.denominator) < p.numerator; }

Duration Rng::between(Duration from, Duration to) {
  CHECK(from <= to);
  const auto width = static_cast<std::uint64_t>((to - from).count()) + 1;
  return from + Duration(static_cast<Duration::rep>(below(width)));
}

Duration Rng::jitter(Duration base, Ratio spread) {
  const Duration reach(base.count() * spread.numerator / spread.denominator);
  return between(base - reach, base + reach);
}

Rng Rng::fork(std::string_view label) const {
  std::uint64_t state = seed_ ^ 0x5745465457454654ULL;
  for (const char c : label) {
    state ^= static_cast<std::uint8_t>(c);
    (void)splitmix(state);
  }
  return Rng(splitmix(state));
}

void SystemEntropy::fill(MutableBytes out) {
  if (out.empty()) return;
  if (out.size() > kPooledMax) return randombytes_buf(out.data(), out.size());
  if (left_ < out.size()) {
    randombytes_buf(pool_.data(), pool_.size());
    left_ = pool_.size();
  }
  left_ -= out.size();
  std::copy_n(pool_.begin() + static_cast<std::ptrdiff_t>(left_), out.size(), out.begin());
}

SeededEntropy::SeededEntropy(std::uint64_t seed) { store_le(key_.data(), seed); }

void SeededEntropy::fill(MutableBytes out) {
  ByteArray<crypto_stream_chacha20_NONCEBYTES> nonce{};
  store_le(nonce.data(), block_++);
  if (!out.empty()) crypto_stream_chacha20(out.data(), out.size(), nonce.data(), key_.data());
}

}  // namespace weft
