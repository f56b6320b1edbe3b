#include "gossip/membership/accusation.h"

#include "crypto/check.h"

namespace weft::gossip {
namespace {

// [network, subject, number]
template <class Use>
auto with_signed(const ByteArray<16>& network, const NodeId& subject, std::uint64_t number, Use use) {
  ByteArray<1 + 18 + 34 + 9> room;
  Writer w(room);
  w.array(3).bin(network).bin(subject.bytes).uint(number);
  CHECK(w.ok());
  return use(w.view());
}

}  // namespace

Suspicion sign_suspicion(const Identity& accuser, const ByteArray<16>& network, const NodeId& subject, std::uint64_t number) {
  return with_signed(network, subject, number, [&](ByteView bytes) {
    return Suspicion{subject, number, accuser.id(), accuser.sign(kSuspicionDomain, bytes)};
  });
}

bool verify_suspicion(const CryptoProvider& provider, const PublicKey& key, const ByteArray<16>& network, const Suspicion& s) {
  return with_signed(network, s.subject, s.number,
                     [&](ByteView bytes) { return verify(provider, key, kSuspicionDomain, bytes, s.signature); });
}

}  // namespace weft::gossip
