#include "crypto/admission.h"

#include <algorithm>

#include "crypto/provider.h"

namespace weft {
namespace {

constexpr std::int64_t kMicro = 1'000'000;

std::int64_t full(TokenRate rate) { return static_cast<std::int64_t>(rate.burst) * kMicro; }

}  // namespace

TokenBucket::TokenBucket(Instant now, TokenRate rate) : micro_tokens_(full(rate)), updated_(now) {}

bool TokenBucket::take(Instant now, TokenRate rate, std::uint32_t count) {
  if (now > updated_) {
    // per_second tokens a second are per_second millionths a microsecond. Whoever waited longer
    // than it takes to fill the bucket is not multiplied out: that could overflow.
    const std::int64_t elapsed = (now - updated_).count();
    const std::int64_t gain_max = full(rate) - micro_tokens_;
    const bool filled = rate.per_second != 0 && elapsed > gain_max / rate.per_second;
    micro_tokens_ += filled ? gain_max : elapsed * static_cast<std::int64_t>(rate.per_second);
    updated_ = now;
  }
  // The burst may have been lowered since.
  micro_tokens_ = std::min(micro_tokens_, full(rate));
  const std::int64_t cost = count * kMicro;
  if (micro_tokens_ < cost) return false;
  micro_tokens_ -= cost;
  return true;
}

std::uint64_t admission_key(const Endpoint& from) {
  static constexpr std::uint64_t kUsed = 1ULL << 63;
  static constexpr std::uint64_t kLoopback = 1ULL << 62;
  const Endpoint any_port{from.ip, 1};
  if (scope(any_port) != Scope::kLoopback) return prefix(from) | kUsed;
  std::uint64_t address = 0;
  for (std::size_t i = 12; i < 16; ++i) address = address << 8 | from.ip[i];
  return address | kUsed | kLoopback | (from.is_v4() ? 1ULL << 56 : 0);
}

PrefixAdmission::Entry& PrefixAdmission::entry(Instant now, std::uint64_t key) {
  if (entries_.empty()) entries_.resize(kSets * kWays);
  const std::size_t set = static_cast<std::size_t>(Rng(key ^ seed_).next() % kSets);
  const auto ways = std::span(entries_).subspan(set * kWays, kWays);
  Entry* oldest = &ways[0];
  for (Entry& e : ways) {
    if (e.key == key) return e;
    const bool older = std::max(e.first.updated(), e.unknown.updated()) <
                       std::max(oldest->first.updated(), oldest->unknown.updated());
    if (oldest->key != 0 && (e.key == 0 || older)) oldest = &e;
  }
  *oldest = {key, TokenBucket(now, rate_), TokenBucket(now, rate_)};
  return *oldest;
}

bool PrefixAdmission::take(Instant now, const Endpoint& from, Charge charge) {
  Entry& e = entry(now, admission_key(from));
  return (charge == Charge::kFirstPacket ? e.first : e.unknown).take(now, rate_);
}

CookieJar::Cookie CookieJar::cookie_of(const Secret& secret, const Endpoint& endpoint) {
  ByteArray<2> port;
  store_le(port.data(), endpoint.port);
  Cookie cookie;
  blake2b(cookie, secret.bytes, endpoint.ip, port);
  return cookie;
}

CookieJar::Cookie CookieJar::cookie(Instant now, Entropy& entropy, const Endpoint& endpoint) {
  if (!current_.valid || now - current_.made >= kCookieLife) {
    previous_ = current_;
    entropy.fill(current_.bytes);
    current_.made = now;
    current_.valid = true;
  }
  return cookie_of(current_, endpoint);
}

bool CookieJar::accepts(Instant now, const Endpoint& endpoint, ByteView message,
                        ByteView mac) const {
  for (const Secret* secret : {&current_, &previous_}) {
    if (!secret->valid || now - secret->made >= 2 * kCookieLife) continue;
    ByteArray<16> expected;
    blake2b(expected, cookie_of(*secret, endpoint), message);
    if (equal_constant_time(expected, mac)) return true;
  }
  return false;
}

}  // namespace weft
