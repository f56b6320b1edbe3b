// Who may accuse whom, and how often that is heard.
//
// A suspicion counts if its accuser signed it, for this network, this subject and this number of the subject: nobody accuses in
// somebody else's name, and a new number of the subject ends it. An honest member accuses who does not answer it, and is seldom wrong; a
// liar can sign as many as it likes. So each accuser has a credit at each member: what it sets in motion (a clock, a second look, a
// new number of the accused) takes one of kCreditMax, one comes back every kCreditEvery, and at once if the accused has failed here.
// Who has none left is not heard, whether true or not; others are. Further accusers of a suspect cost nothing: clocks bound them.
#pragma once

#include "crypto/keys.h"
#include "crypto/time.h"
#include "gossip/membership/messages.h"

namespace weft::gossip {

inline constexpr std::string_view kSuspicionDomain = "weft-suspicion-1";
inline constexpr std::size_t kCreditMax = 8;
inline constexpr Duration kCreditEvery = 16s;

// `accuser` suspects `subject` at that number, in the network with that hash.
Suspicion sign_suspicion(const Identity& accuser, const ByteArray<16>& network, const NodeId& subject, std::uint64_t number);
// True if `key`, the accuser's, signed it.
bool verify_suspicion(const CryptoProvider& provider, const PublicKey& key, const ByteArray<16>& network, const Suspicion& s);

// The credit of one accuser, whole at first.
class Credit {
 public:
  bool left(Instant now) const { return whole_ <= now + (kCreditMax - 1) * kCreditEvery; }
  void take(Instant now) { whole_ = std::max(whole_, now) + kCreditEvery; }
  void give_back() { whole_ -= kCreditEvery; }

 private:
  Instant whole_;  // when nothing will be missing
};

}  // namespace weft::gossip
