#include "testnet/sim/liars.h"

#include <deque>

#include "node/codec.h"

namespace weft::sim {
namespace {

// Copies of what views of a changed message point into.
using Keep = std::deque<Bytes>;

ByteView spoilt(ByteView bytes, Keep& keep, Rng& rng) {
  if (bytes.empty()) return bytes;
  keep.emplace_back(bytes.begin(), bytes.end());
  keep.back()[rng.below(bytes.size())] ^= static_cast<std::uint8_t>(1U << rng.below(8));
  return keep.back();
}

}  // namespace

std::optional<Bytes> LyingProvider::changed(ByteView plain) const {
  Reader r(plain);
  const node::Head head = node::read_head(r);
  if (r.failed()) return std::nullopt;
  Keep keep;
  bool lied = false;
  const auto contacts = [&](auto& list) {
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
        if (lie_ != Lie::kForge && lie_ != Lie::kDeny) return;
        for (dht::HeldValue& value : m.values) {
          value.blob = spoilt(value.blob, keep, rng_);
          lied = true;
        }
      });
    case gossip::kPing:
      return tell(gossip::Ping{}, [&](gossip::Ping& m) { items(m.items); });
    case gossip::kAck:
      return tell(gossip::Ack{}, [&](gossip::Ack& m) { items(m.items); });
    case gossip::kGossip:
      return tell(gossip::Gossip{}, [&](gossip::Gossip& m) { items(m.items); });
    case gossip::kSyncPage:
      return tell(gossip::SyncPage{}, [&](gossip::SyncPage& m) { items(m.items); });
    default:
      return std::nullopt;
  }
}

void LyingProvider::seal(const CipherKey& key, std::uint64_t counter, ByteView ad, ByteView plain,
                         MutableBytes out) const {
  if (lie_ == Lie::kNone) return honest_.seal(key, counter, ad, plain, out);
  const auto lie = changed(plain);
  if (!lie) return honest_.seal(key, counter, ad, plain, out);
  ++lies_;
  honest_.seal(key, counter, ad, *lie, out);
}

}  // namespace weft::sim
