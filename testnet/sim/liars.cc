#include "testnet/sim/liars.h"

#include <algorithm>

#include "crypto/fold_hash.h"
#include "crypto/session_frame.h"
#include "node/codec.h"

namespace weft::sim {
namespace {

constexpr std::size_t kSaysWaitingMax = 4096;

// Copies of what views of a changed message point into.
using Keep = std::deque<Bytes>;

ByteView spoilt(ByteView bytes, Keep& keep, Rng& rng) {
  if (bytes.empty()) return bytes;
  keep.emplace_back(bytes.begin(), bytes.end());
  keep.back()[rng.below(bytes.size())] ^= static_cast<std::uint8_t>(1U << rng.below(8));
  return keep.back();
}

LieLedger::Tag tag_of(ByteView sealed) {
  LieLedger::Tag tag{};
  if (sealed.size() >= tag.size()) std::ranges::copy(sealed.last(tag.size()), tag.begin());
  return tag;
}

}  // namespace

std::string_view to_string(Lie lie) {
  switch (lie) {
    case Lie::kNone: return "none";
    case Lie::kContacts: return "lie-contacts";
    case Lie::kAccomplices: return "accomplices";
    case Lie::kForge: return "forge";
    case Lie::kDeny: return "grind";
    case Lie::kCollude: return "collude";
    case Lie::kMemberAccuse: return "member-accuse";
    case Lie::kMemberReplay: return "member-replay";
    case Lie::kMemberWithhold: return "member-withhold";
    case Lie::kMemberVouch: return "member-vouch";
    case Lie::kStateFork: return "state-fork";
    case Lie::kStateForge: return "state-forge";
    case Lie::kStateFuture: return "state-future";
    case Lie::kStateReplay: return "state-replay";
    case Lie::kStateWithhold: return "state-withhold";
    case Lie::kStateFlood: return "state-flood";
    case Lie::kStateVoid: return "state-void";
  }
  return "?";
}

void LieLedger::told(const Tag& tag, Lie lie) {
  if (!under_way_.emplace(tag, lie).second) return;
  order_.push_back(tag);
  if (order_.size() <= kLiesUnderWayMax) return;
  under_way_.erase(order_.front());
  order_.pop_front();
}

void LieLedger::opened(const Tag& tag) {
  const auto it = under_way_.find(tag);
  if (it == under_way_.end()) return;
  ++reached_[static_cast<std::size_t>(it->second)];
  under_way_.erase(it);
}

bool LyingProvider::remember_question(ByteView payload) const {
  Reader r(payload);
  const node::Head head = node::read_head(r);
  if (r.failed()) return false;
  std::optional<NodeId> about;
  if (head.kind == dht::kFindNode) {
    dht::FindNode m;
    if (!decode(r, m)) about = m.target;
  } else if (head.kind == dht::kGet) {
    dht::Get m;
    if (!decode(r, m)) about = m.key;
  }
  if (!about) return false;
  if (asked_for_.size() >= kQuestionsRememberedMax) asked_for_.clear();
  asked_for_[head.rpc] = *about;
  return true;
}

// The payload of an INIT is early data behind a head.
void LyingProvider::remember_questions(ByteView plain) const {
  if (remember_question(plain) || plain.size() < session::kInitHead) return;
  const std::size_t early = load_le<std::uint16_t>(plain.data() + session::kInitHead - 2);
  if (early <= plain.size() - session::kInitHead) (void)remember_question(plain.subspan(session::kInitHead, early));
}

template <class Contacts>
bool LyingProvider::mislead(Contacts& named, std::uint32_t rpc) const {
  const auto about = asked_for_.find(rpc);
  if (about == asked_for_.end() || named.empty()) return false;
  const std::vector<Contact> near = knowledge_.accomplices_near(about->second, named.size());
  asked_for_.erase(about);
  if (near.empty()) return false;
  std::size_t i = 0;
  for (Contact& contact : named) contact = near[i++ % near.size()];
  return true;
}

std::optional<Bytes> LyingProvider::changed(ByteView plain) const {
  Reader r(plain);
  const node::Head head = node::read_head(r);
  if (r.failed()) return std::nullopt;
  Keep keep;
  bool lied = false;
  const auto contacts = [&](auto& list) {
    if (lie_ == Lie::kCollude) lied |= mislead(list, head.rpc);
    if (lie_ != Lie::kContacts && lie_ != Lie::kAccomplices && lie_ != Lie::kDeny) return;
    for (Contact& contact : list) {
      if (lie_ == Lie::kContacts) {
        PublicKey key;
        for (auto& byte : key.bytes) byte = static_cast<std::uint8_t>(rng_.below(256));
        const auto host = static_cast<std::uint8_t>(rng_.below(256));
        contact = make_contact(key, rng_.below(2) == 0 ? knowledge_.somewhere(rng_)
                                                       : Endpoint::v4(198, 51, 100, host, 9338));
        lied = true;
      } else if (const auto friend_of_ours = knowledge_.accomplice(rng_)) {
        contact = *friend_of_ours;
        lied = true;
      }
    }
  };
  const auto items = [&](gossip::GossipItems& list) {
    if (lie_ != Lie::kForge) return;
    for (gossip::GossipItem& item : list) {
      lied = true;
      if (!item.record.empty()) {
        item.record = spoilt(item.record, keep, rng_);
      } else {
        item.suspicion.subject = knowledge_.victim(rng_);
        if (rng_.below(2) == 0) ++item.suspicion.number;
      }
    }
  };
  const auto tell = [&](auto message, auto&& change) -> std::optional<Bytes> {
    if (decode(r, message)) return std::nullopt;
    change(message);
    if (!lied) return std::nullopt;
    Bytes out(plain.size());
    Writer w(out);
    encode(w, head.rpc, message);
    if (!w.ok() || w.view().size() != plain.size()) return std::nullopt;
    return out;
  };
  switch (head.kind) {
    case dht::kNodes:
      return tell(dht::Nodes{}, [&](dht::Nodes& m) { contacts(m.contacts); });
    case dht::kValues:
      return tell(dht::Values{}, [&](dht::Values& m) {
        contacts(m.contacts);
        if (lie_ != Lie::kForge && lie_ != Lie::kDeny && lie_ != Lie::kCollude) return;
        for (dht::HeldValue& value : m.values) {
          value.blob = spoilt(value.blob, keep, rng_);
          lied = true;
        }
      });
    case gossip::kPing:
      return tell(gossip::Ping{}, [&](gossip::Ping& m) { items(m.items); });
    case gossip::kAck:
      return tell(gossip::Ack{}, [&](gossip::Ack& m) {
        items(m.items);
        if (lie_ != Lie::kStateWithhold || !m.state || rng_.below(2) == 0) return;
        for (auto& byte : *m.state) byte = static_cast<std::uint8_t>(rng_.below(256));
        lied = true;
      });
    case gossip::kGossip:
      return tell(gossip::Gossip{}, [&](gossip::Gossip& m) { items(m.items); });
    case gossip::kSyncPage:
      return tell(gossip::SyncPage{}, [&](gossip::SyncPage& m) { items(m.items); });
    default:
      return std::nullopt;
  }
}

void LyingProvider::will_say(ByteView payload) {
  if (to_say_.size() >= kSaysWaitingMax) to_say_.clear();  // what found no session and no queue
  to_say_.insert(fold_hash(0, payload));
}

bool LyingProvider::withheld(ByteView datagram) { return !withheld_.empty() && withheld_.erase(tag_of(datagram)) != 0; }

void LyingProvider::seal(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
                         MutableBytes out) const {
  if (lie_ == Lie::kNone) return honest_.seal(key, counter, ad, plain, out);
  const std::size_t size = plain.size();
  const auto made = to_say_.empty() ? to_say_.end() : to_say_.find(fold_hash(0, plain));
  const bool said = made != to_say_.end();
  if (said) to_say_.erase(made);
  const auto lie = said ? std::nullopt : changed(plain);
  const bool withheld = !said && ear_.withholds && ear_.withholds(plain);
  honest_.seal(key, counter, ad, lie ? ByteView(*lie) : plain, out);
  const LieLedger::Tag tag = tag_of(ByteView(out).first(size + kTagBytes));
  if (withheld) withheld_.insert(tag);
  if (said || lie) ledger_.told(tag, lie_);
}

bool LyingProvider::open(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView sealed,
                         MutableBytes out) const {
  // `out` may lie where `sealed` does.
  const LieLedger::Tag tag = tag_of(sealed);
  const std::size_t size = sealed.size();
  if (!honest_.open(key, counter, ad, sealed, out)) return false;
  if (lie_ == Lie::kNone) ledger_.opened(tag);
  const MutableBytes plain = out.first(size - kTagBytes);
  if (lie_ == Lie::kCollude) remember_questions(plain);
  // What does not begin with an array is dropped as malformed.
  if (ear_.hears && !plain.empty() && ear_.hears(plain)) plain[0] = 0xc0;
  return true;
}

}  // namespace weft::sim
