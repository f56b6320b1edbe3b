#include "crypto/session_frame.h"

#include "crypto/check.h"
#include "crypto/node_record.h"

namespace weft::session {
namespace {

struct Lengths {
  std::size_t min = 0;
  std::size_t max = kDatagramBytesMax;
};

Lengths lengths(PacketType type) {
  switch (type) {
    case PacketType::kInit:
      return {.min = kFirstPacketBytes};
    case PacketType::kResp:
      return {.min = kRespOverhead};
    case PacketType::kData:
      return {.min = kDataOverhead};
    case PacketType::kCookie:
      return {kCookieBytes, kCookieBytes};
    case PacketType::kHello:
      return {kFirstPacketBytes, kFirstPacketBytes};
    case PacketType::kRecord:
      return {kRecordOverhead + 1, kRecordOverhead + kRecordBytesMax};
  }
  return {};
}

ByteArray<32> derive(const CryptoProvider& provider, const ByteArray<32>& network_key,
                     std::string_view label, ByteView suffix = {}) {
  ByteArray<32> out;
  provider.hash(out, network_key, as_bytes(label), suffix);
  return out;
}

CipherKey cookie_cipher_key(const ByteArray<32>& key, ByteView nonce) {
  CipherKey out;
  blake2b(out, key, nonce);
  return out;
}

}  // namespace

std::expected<PacketType, SessionDrop> classify(ByteView datagram) {
  if (datagram.size() < 2) return std::unexpected(SessionDrop::kTooShort);
  if (datagram.size() > kDatagramBytesMax) return std::unexpected(SessionDrop::kTooLong);
  if (datagram[0] != kWireVersion) return std::unexpected(SessionDrop::kVersion);
  if (datagram[1] < 1 || datagram[1] > 6) return std::unexpected(SessionDrop::kType);
  const auto type = static_cast<PacketType>(datagram[1]);
  const auto [min, max] = lengths(type);
  if (datagram.size() < min) return std::unexpected(SessionDrop::kTooShort);
  if (datagram.size() > max) return std::unexpected(SessionDrop::kTooLong);
  return type;
}

KeySet make_key_set(const CryptoProvider& provider, const ByteArray<32>& network_key,
                    const PublicKey& own) {
  return {network_key, mac1_key(provider, network_key, own),
          cookie_key(provider, network_key, own), derive(provider, network_key, "weft-hello")};
}

ByteArray<32> mac1_key(const CryptoProvider& provider, const ByteArray<32>& network_key,
                       const PublicKey& receiver) {
  return derive(provider, network_key, "weft-mac1", receiver.bytes);
}

ByteArray<32> cookie_key(const CryptoProvider& provider, const ByteArray<32>& network_key,
                         const PublicKey& sealer) {
  return derive(provider, network_key, "weft-cookie", sealer.bytes);
}

void put_mac(const CryptoProvider& provider, const ByteArray<32>& key, MutableBytes packet,
             std::size_t at) {
  CHECK(at + kMacBytes <= packet.size());
  provider.hash(packet.subspan(at, kMacBytes), key, packet.first(at));
}

bool mac_matches(const CryptoProvider& provider, const ByteArray<32>& key, ByteView packet,
                 std::size_t at) {
  CHECK(at + kMacBytes <= packet.size());
  ByteArray<kMacBytes> expected;
  provider.hash(expected, key, packet.first(at));
  return equal_constant_time(expected, packet.subspan(at, kMacBytes));
}

void put_head(MutableBytes packet, PacketType type) {
  packet[0] = kWireVersion;
  packet[1] = static_cast<std::uint8_t>(type);
}

void seal_cookie(const CryptoProvider& provider, const ByteArray<32>& key, ByteView nonce,
                 ByteView mac1, ByteView cookie, MutableBytes out) {
  provider.seal(cookie_cipher_key(key, nonce), 0, mac1, cookie, out);
}

bool open_cookie(const CryptoProvider& provider, const ByteArray<32>& key, ByteView nonce,
                 ByteView mac1, ByteView sealed, MutableBytes out) {
  return provider.open(cookie_cipher_key(key, nonce), 0, mac1, sealed, out);
}

}  // namespace weft::session
