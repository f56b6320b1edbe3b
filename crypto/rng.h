// Choices and secrets. Both are given to whoever needs them; neither is ever global.
//
// Rng is a fast seeded generator for choices: which peer, what jitter. Same seed, same draws, on
// every build and platform, so it uses integers only. Entropy is for what an attacker must not
// guess: keys, nonces, session indices, request ids.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "crypto/bytes.h"
#include "crypto/time.h"

namespace weft {

// A probability or a share as integers, so that every build decides alike.
struct Ratio {
  std::uint32_t numerator = 0;
  std::uint32_t denominator = 1;
};

// xoshiro256** (Blackman, Vigna 2018), seeded through splitmix64.
class Rng {
 public:
  explicit Rng(std::uint64_t seed);

  std::uint64_t next();
  // Uniform in [0, bound); bound must not be 0.
  std::uint64_t below(std::uint64_t bound);
  // True with probability p (p.denominator must not be 0).
  bool chance(Ratio p);
  // Uniform in [base - base*spread, base + base*spread].
  Duration jitter(Duration base, Ratio spread);
  // Uniform in [from, to]; needs from <= to.
  Duration between(Duration from, Duration to);
  // An independent stream that depends on this generator's seed and the label alone, so that a new
  // draw in one part never shifts the luck of another.
  Rng fork(std::string_view label) const;

  // Fisher-Yates.
  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      using std::swap;
      swap(items[i - 1], items[static_cast<std::size_t>(below(i))]);
    }
  }

 private:
  std::uint64_t seed_;
  std::array<std::uint64_t, 4> state_{};
};

class Entropy {
 public:
  virtual ~Entropy() = default;
  // Fills `out` with bytes that nobody can predict.
  virtual void fill(MutableBytes out) = 0;

  std::uint64_t next_u64() {
    ByteArray<8> raw;
    fill(raw);
    return load_le<std::uint64_t>(raw.data());
  }
};

// The kernel's generator through libsodium. Each call into it is a system call, so numbers (request
// ids, nonces) come out of a small pool; what a key is made of never does. For one thread.
class SystemEntropy final : public Entropy {
 public:
  static constexpr std::size_t kPooledMax = 16;  // bytes; more goes to the kernel at once
  SystemEntropy() = default;
  SystemEntropy(const SystemEntropy&) = delete;  // a copy would give out the same numbers
  SystemEntropy& operator=(const SystemEntropy&) = delete;
  void fill(MutableBytes out) override;

 private:
  ByteArray<256> pool_{};
  std::size_t left_ = 0;  // unused bytes, at the front
};

// Reproducible bytes for tests and the simulator: a ChaCha20 stream under a key made of the seed.
class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(std::uint64_t seed);
  void fill(MutableBytes out) override;

 private:
  ByteArray<32> key_{};
  std::uint64_t block_ = 0;
};

}  // namespace weft
