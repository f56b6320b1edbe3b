// Who may cost us work before it has proven anything: token buckets by source prefix, and cookies.
//
// A TokenBucket holds millionths of a token in integers, so that equal inputs give equal decisions
// on every build. PrefixAdmission keeps one pair of buckets a source prefix in sets of four ways,
// chosen by a seeded hash. The sets double when one is full, to a named bound; then the longest
// untouched of its four gives way. Most nodes see a few prefixes and never pay for the bound.
// First packets and packets with an unknown index are counted apart: the former passed a mac, the
// latter are garbage that anyone can send in another's name, and must not use up its handshakes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "crypto/endpoint.h"
#include "crypto/rng.h"
#include "crypto/time.h"

namespace weft {

// Tokens a second, and how many may be saved up.
struct TokenRate {
  std::uint32_t per_second = 0;
  std::uint32_t burst = 0;
};

class TokenBucket {
 public:
  // A bucket that is full at `now`.
  TokenBucket(Instant now, TokenRate rate);
  // Takes `count` tokens if there are so many, else none.
  bool take(Instant now, TokenRate rate, std::uint32_t count = 1);
  Instant updated() const { return updated_; }

 private:
  std::int64_t micro_tokens_ = 0;
  Instant updated_{};
};

// What limits count by: the /24 or /48 of an address (endpoint.h), but the whole address, without
// its port, on loopback, where many nodes of one machine meet. Never 0.
std::uint64_t admission_key(const Endpoint& from);

class PrefixAdmission {
 public:
  enum class Charge : std::uint8_t { kFirstPacket, kUnknownIndex };

  // `rate` holds for each prefix and each charge; `seed` makes the table's layout unguessable.
  PrefixAdmission(TokenRate rate, std::uint64_t seed) : rate_(rate), seed_(seed) {}
  // Takes one token of the source's prefix; false if there is none.
  bool take(Instant now, const Endpoint& from, Charge charge);

 private:
  static constexpr std::size_t kSetsFirst = 4;
  static constexpr std::size_t kSetsMax = 128;
  static constexpr std::size_t kWays = 4;
  struct Entry {
    std::uint64_t key = 0;
    TokenBucket first{Instant{}, {}};
    TokenBucket unknown{Instant{}, {}};
  };

  Entry& entry(Instant now, std::uint64_t key);
  std::span<Entry> set_of(std::uint64_t key);
  void grow();

  TokenRate rate_;
  std::uint64_t seed_;
  std::vector<Entry> entries_;  // sets of kWays; none until the first packet
};

// Stateless proof that a source can receive at its address: a hash of the endpoint under a secret
// that changes every kCookieLife; cookies of the secret before are still accepted.
class CookieJar {
 public:
  static constexpr Duration kCookieLife = 120s;
  using Cookie = ByteArray<16>;

  // The cookie of an endpoint.
  Cookie cookie(Instant now, Entropy& entropy, const Endpoint& endpoint);
  // True if `mac` is the keyed BLAKE2b-128 of `message` under a current cookie of the endpoint.
  bool accepts(Instant now, const Endpoint& endpoint, ByteView message, ByteView mac) const;

 private:
  struct Secret {
    ByteArray<32> bytes{};
    Instant made{};
    bool valid = false;
  };
  static Cookie cookie_of(const Secret& secret, const Endpoint& endpoint);

  Secret current_;
  Secret previous_;
};

}  // namespace weft
