#include "dht/write_token.h"

namespace weft::dht {
namespace {

Token token_under(const ByteArray<32>& secret, const Contact& asker, const NodeId& key) {
  ByteArray<18> place;
  std::ranges::copy(asker.endpoint.ip, place.begin());
  store_le(place.data() + 16, asker.endpoint.port);
  ByteArray<16> out;
  blake2b(out, secret, asker.key.bytes, place, key.bytes);
  Token token;
  std::copy_n(out.begin(), token.size(), token.begin());
  return token;
}

Token region_token_under(const ByteArray<32>& secret, const Contact& asker, const NodeId& key,
                         int bits) {
  NodeId region;  // the leading bits, then zeros
  const auto whole = static_cast<std::size_t>(bits / 8);
  std::copy_n(key.bytes.begin(), whole, region.bytes.begin());
  const auto rest = static_cast<std::uint8_t>(0xff00U >> (bits % 8));
  region.bytes[whole] = key.bytes[whole] & rest;
  const auto length = static_cast<std::uint8_t>(bits);
  ByteArray<19> place;
  std::ranges::copy(asker.endpoint.ip, place.begin());
  store_le(place.data() + 16, asker.endpoint.port);
  place[18] = length;
  ByteArray<16> out;
  blake2b(out, secret, asker.key.bytes, place, region.bytes);
  Token token;
  token[0] = length;
  std::copy_n(out.begin(), token.size() - 1, token.begin() + 1);
  return token;
}

}  // namespace

WriteTokens::WriteTokens(Entropy& entropy, Now now) : entropy_(entropy), rotated_(now.mono) {
  entropy_.fill(current_);
  entropy_.fill(previous_);
}

// Driven by use, not by a timer: a secret that nobody asked for may as well stay.
void WriteTokens::rotate(Now now) {
  const Duration age = now.mono - rotated_;
  if (age < kTokenRotation) return;
  previous_ = current_;
  if (age >= 2 * kTokenRotation) entropy_.fill(previous_);
  entropy_.fill(current_);
  rotated_ = now.mono;
}

Token WriteTokens::make(Now now, const Contact& asker, const NodeId& key) {
  rotate(now);
  return token_under(current_, asker, key);
}

Token WriteTokens::make_region(Now now, const Contact& asker, const NodeId& key, int bits) {
  rotate(now);
  return region_token_under(current_, asker, key, std::clamp(bits, 0, kRegionBitsMax));
}

bool WriteTokens::check(Now now, const Contact& asker, const NodeId& key, const Token& token) {
  rotate(now);
  if (equal_constant_time(token, token_under(current_, asker, key))) return true;
  if (equal_constant_time(token, token_under(previous_, asker, key))) return true;
  const int bits = token[0];
  return equal_constant_time(token, region_token_under(current_, asker, key, bits)) ||
         equal_constant_time(token, region_token_under(previous_, asker, key, bits));
}

}  // namespace weft::dht
