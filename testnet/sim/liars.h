// Liars that speak the protocol: a real node whose provider changes what it is about to seal.
//
// The node behind it is honest and knows nothing; every message of its own that it seals is decoded,
// changed and encoded anew, so the lie travels in a proven session under the liar's own key. A lie
// keeps its message's length (the frame around it is laid out already): what would not fit is left
// true. What each role changes:
//
//   lie-contacts  contacts in answers: made-up keys, half of them at addresses where others live
//   accomplices   contacts in answers: liars of this role, and nobody else
//   forge         a bit of each record and value; suspicions accuse others, with numbers that nobody
//                 signed half of the time
//   deny          a bit of each value; contacts as accomplices do (what ground ids are good for)
//   collude       a bit of each value; contacts in answers: of all liars of this role those nearest to what was asked for.
//                 Ids cannot be made up, so no names lead a lookup further astray
//
// Liars of shared state (state_liar.h) and of membership (member_liar.h) say more than their node does, hear what it does not, and leave
// out what it says; this is where they listen. Of each role it is counted how many datagrams with a lie an honest node has opened.
//
// Simulations only: it needs CheapProvider's plain sealing. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>

#include "crypto/contact.h"
#include "crypto/provider.h"
#include "crypto/rng.h"

namespace weft::sim {

enum class Lie : std::uint8_t {
  kNone, kContacts, kAccomplices, kForge, kDeny, kCollude,
  // of membership
  kMemberAccuse, kMemberReplay, kMemberWithhold, kMemberVouch,
  // of shared state
  kStateFork, kStateForge, kStateFuture, kStateReplay, kStateWithhold, kStateFlood, kStateVoid,
  kLast = kStateVoid,
};
inline bool of_members(Lie lie) { return lie >= Lie::kMemberAccuse && lie <= Lie::kMemberVouch; }
inline bool of_state(Lie lie) { return lie >= Lie::kStateFork; }
// The role's word in a scenario.
std::string_view to_string(Lie lie);

inline constexpr std::size_t kLiesUnderWayMax = 65'536;
// Questions that a liar remembers until it answers.
inline constexpr std::size_t kQuestionsRememberedMax = 1024;

// Which datagrams under way carry a lie, known by their tags, and how many of each kind have reached an honest node: arrived, opened
// in a session, and so taken for what a peer says. Of more than kLiesUnderWayMax the oldest are taken for lost.
class LieLedger {
 public:
  using Tag = ByteArray<kTagBytes>;
  using Totals = std::array<std::uint64_t, static_cast<std::size_t>(Lie::kLast) + 1>;

  void told(const Tag& tag, Lie lie);
  void opened(const Tag& tag);
  const Totals& reached() const { return reached_; }

 private:
  std::map<Tag, Lie> under_way_;
  std::deque<Tag> order_;
  Totals reached_{};
};

class LyingProvider final : public CryptoProvider {
 public:
  // What a liar knows of the mesh.
  struct Knowledge {
    std::function<Endpoint(Rng&)> somewhere;               // an address where some node lives
    std::function<std::optional<Contact>(Rng&)> accomplice;  // another liar of its role
    // The nearest liars of its role, nearest first, at most so many.
    std::function<std::vector<Contact>(const NodeId&, std::size_t)> accomplices_near;
    std::function<NodeId(Rng&)> victim;                    // some member
  };

  // What a liar of shared state or of membership makes of what its node hears and is about to say.
  struct Ear {
    std::function<bool(ByteView)> hears;      // true: the node is not to hear it
    std::function<bool(ByteView)> withholds;  // true: it does not leave the node
  };

  // Both must outlive it.
  LyingProvider(const CryptoProvider& honest, LieLedger& ledger) : honest_(honest), ledger_(ledger) {}
  // From now on; kNone: tells the truth again.
  void lie(Lie lie, Rng rng, Knowledge knowledge) {
    lie_ = lie;
    to_say_.clear();
    asked_for_.clear();
    rng_ = rng;
    knowledge_ = std::move(knowledge);
  }
  Lie lying() const { return lie_; }
  void listen(Ear ear) { ear_ = std::move(ear); }
  // The node has been made to say this, which is a lie.
  void will_say(ByteView payload);
  // Whether this datagram of the node's is one that it withholds; asked once for each.
  bool withheld(ByteView datagram);

  SigningKey signing_key(const ByteArray<32>& seed) const override { return honest_.signing_key(seed); }
  Signature sign(const SigningKey& key, ByteView message) const override {
    return honest_.sign(key, message);
  }
  bool verify(const PublicKey& key, ByteView message, const Signature& s) const override {
    return honest_.verify(key, message, s);
  }
  std::optional<DhKey> dh_public(const PublicKey& key) const override { return honest_.dh_public(key); }
  DhKey dh_secret(const SigningKey& key) const override { return honest_.dh_secret(key); }
  void hash(MutableBytes out, ByteView key, ByteView a, ByteView b, ByteView c) const override {
    honest_.hash(out, key, a, b, c);
  }
  void hmac(ByteArray<64>& out, ByteView key, ByteView a, ByteView b) const override {
    honest_.hmac(out, key, a, b);
  }
  DhKey dh_base(const DhKey& secret) const override { return honest_.dh_base(secret); }
  bool dh(const DhKey& secret, const DhKey& pub, DhKey& out) const override {
    return honest_.dh(secret, pub, out);
  }
  void seal(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
            MutableBytes out) const override;
  bool open(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView sealed,
            MutableBytes out) const override;

 private:
  // The changed message, or nothing if there is nothing to lie about in it.
  std::optional<Bytes> changed(ByteView plain) const;
  // Names others in place of those that an answer to the request `rpc` names. False: nobody to name.
  template <class Contacts>
  bool mislead(Contacts& named, std::uint32_t rpc) const;
  bool remember_question(ByteView payload) const;
  void remember_questions(ByteView plain) const;

  const CryptoProvider& honest_;
  LieLedger& ledger_;
  Lie lie_ = Lie::kNone;
  mutable Rng rng_{0};
  Knowledge knowledge_;
  Ear ear_;
  mutable std::map<std::uint32_t, NodeId> asked_for_;  // by rpc: what answers name accomplices near to
  mutable std::multiset<std::uint64_t> to_say_;      // hashes of payloads that are not sealed yet
  mutable std::set<LieLedger::Tag> withheld_;
};

}  // namespace weft::sim
