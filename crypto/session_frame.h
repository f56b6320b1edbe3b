// The layouts of the six packets of a session, their keys, and nothing that has a state.
//
// Byte 0 is the protocol major, byte 1 the type; integers are little-endian. docs/PROTOCOL.md holds
// the same layouts as tables. The macs say "this sender knows the network" (and, for mac1, "and
// whom it talks to"); they authenticate nobody.
#pragma once

#include <expected>

#include "crypto/endpoint.h"
#include "crypto/noise.h"
#include "crypto/outbox.h"
#include "crypto/provider.h"
#include "crypto/sessions.h"

namespace weft::session {

enum class PacketType : std::uint8_t {
  kInit = 1,
  kResp = 2,
  kData = 3,
  kCookie = 4,
  kHello = 5,
  kRecord = 6,
};

inline constexpr std::size_t kMacBytes = 16;
inline constexpr std::size_t kCookieNonceBytes = 24;
inline constexpr std::size_t kSealedCookieBytes = 16 + kTagBytes;

// Offsets.
inline constexpr std::size_t kIndexAt = 2;         // INIT: sender's; RESP: sender's
inline constexpr std::size_t kReceiverAt = 2;      // DATA, COOKIE
inline constexpr std::size_t kRespReceiverAt = 6;  // RESP
inline constexpr std::size_t kInitNoiseAt = 6;
inline constexpr std::size_t kRespNoiseAt = 10;
inline constexpr std::size_t kCounterAt = 6;
inline constexpr std::size_t kDataSealedAt = 14;
inline constexpr std::size_t kCookieNonceAt = 6;
inline constexpr std::size_t kCookieSealedAt = kCookieNonceAt + kCookieNonceBytes;
inline constexpr std::size_t kHelloNonceAt = 2;
inline constexpr std::size_t kRecordAt = 10;

// Whole packets without their payloads.
inline constexpr std::size_t kInitOverhead = kInitNoiseAt + noise::kFirstOverhead + 2 * kMacBytes;
inline constexpr std::size_t kRespOverhead = kRespNoiseAt + noise::kSecondOverhead + kMacBytes;
inline constexpr std::size_t kCookieBytes = kCookieSealedAt + kSealedCookieBytes;
inline constexpr std::size_t kRecordOverhead = kRecordAt + kMacBytes;
static_assert(kDataSealedAt + kTagBytes == kDataOverhead);

// The payload of INIT: the sender's Ed25519 key (whose X25519 side the handshake proves), the
// length of the early data, the early data, zeros.
inline constexpr std::size_t kInitHead = 32 + 2;
inline constexpr std::size_t kInitPayloadMin = kFirstPacketBytes - kInitOverhead;
static_assert(kInitOverhead + kInitHead + kEarlyBytesMax == kDatagramBytesMax);

// The type of a datagram whose version, type and length are possible; otherwise the drop's cause.
std::expected<PacketType, SessionDrop> classify(ByteView datagram);

// What follows from one network key. Derived once; `own` is the public key of this node.
struct KeySet {
  ByteArray<32> network{};  // also the psk in private networks
  ByteArray<32> mac1{};     // of packets to us
  ByteArray<32> cookie{};   // of cookies that we seal
  ByteArray<32> hello{};    // of HELLO and RECORD, both ways
};
KeySet make_key_set(const CryptoProvider& provider, const ByteArray<32>& network_key,
                    const PublicKey& own);

// BLAKE2b-256(key = network key; label || public key of the receiver or cookie's sender).
ByteArray<32> mac1_key(const CryptoProvider& provider, const ByteArray<32>& network_key,
                       const PublicKey& receiver);
ByteArray<32> cookie_key(const CryptoProvider& provider, const ByteArray<32>& network_key,
                         const PublicKey& sealer);

// Writes BLAKE2b-128(key; packet[0, at)) at `at`.
void put_mac(const CryptoProvider& provider, const ByteArray<32>& key, MutableBytes packet,
             std::size_t at);
// True if the mac at `at` is right.
bool mac_matches(const CryptoProvider& provider, const ByteArray<32>& key, ByteView packet,
                 std::size_t at);

// Where mac1 of an INIT stands; mac2 is the packet's last 16 bytes.
inline std::size_t init_mac1_at(std::size_t packet_size) { return packet_size - 2 * kMacBytes; }

// Writes the two bytes that every packet starts with.
void put_head(MutableBytes packet, PacketType type);

// A cookie sealed under BLAKE2b-256(key = cookie key; nonce), counter 0, with the mac1 of the INIT
// that it answers as associated data: whoever did not see that INIT cannot make one.
void seal_cookie(const CryptoProvider& provider, const ByteArray<32>& key, ByteView nonce,
                 ByteView mac1, ByteView cookie, MutableBytes out);
// Opens it into `out` (16 bytes); false if it is not genuine.
bool open_cookie(const CryptoProvider& provider, const ByteArray<32>& key, ByteView nonce,
                 ByteView mac1, ByteView sealed, MutableBytes out);

}  // namespace weft::session
