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

std::span<PrefixAdmission::Entry> PrefixAdmission::set_of(std::uint64_t key) {
  const std::size_t sets = entries_.size() / kWays;
  const auto set = static_cast<std::size_t>(Rng(key ^ seed_).next() % sets);
  return std::span(entries_).subspan(set * kWays, kWays);
}

// Twice the sets: each old one falls apart into two, so everything finds room.
void PrefixAdmission::grow() {
  std::vector<Entry> old(std::max(kSetsFirst * kWays, 2 * entries_.size()));
  old.swap(entries_);
  for (const Entry& e : old) {
    if (e.key != 0) *std::ranges::find(set_of(e.key), std::uint64_t{0}, &Entry::key) = e;
  }
}

PrefixAdmission::Entry& PrefixAdmission::entry(Instant now, std::uint64_t key) {
  if (entries_.empty()) grow();
  for (;;) {
    const std::span<Entry> ways = set_of(key);
    if (const auto it = std::ranges::find(ways, key, &Entry::key); it != ways.end()) return *it;
    auto place = std::ranges::find(ways, std::uint64_t{0}, &Entry::key);
    if (place == ways.end()) {
      if (entries_.size() < kSetsMax * kWays) {
        grow();
        continue;
      }
      place = std::ranges::min_element(ways, {}, [](const Entry& e) {
        return std::max(e.first.updated(), e.unknown.updated());
      });
    }
    *place = {key, TokenBucket(now, rate_), TokenBucket(now, rate_)};
    return *place;
  }
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
