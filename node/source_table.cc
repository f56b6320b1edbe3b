#include "node/source_table.h"

#include <algorithm>

#include "crypto/bytes.h"

namespace weft::node {

SourceTable::Entry* SourceTable::set_of(const Endpoint& peer) {
  // Who makes many addresses fall into one set only costs others the right source for a while.
  std::uint64_t mixed = load_le<std::uint64_t>(peer.ip.data());
  mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9ULL;
  mixed ^= load_le<std::uint64_t>(peer.ip.data() + 8) + peer.port;
  mixed = (mixed ^ mixed >> 32) * 0x94d049bb133111ebULL;
  return entries_.data() + (mixed >> 40) % kSourceSets * kSourceWays;
}

SourceTable::Entry* SourceTable::lookup(const Endpoint& peer) {
  if (entries_.empty()) return nullptr;
  Entry* set = set_of(peer);
  const auto found = std::find_if(set, set + kSourceWays, [&peer](const Entry& entry) {
    return entry.used != 0 && entry.peer == peer;
  });
  return found == set + kSourceWays ? nullptr : found;
}

void SourceTable::note(const Endpoint& peer, const Ip& local) {
  if (entries_.empty()) entries_.resize(kSourceSets * kSourceWays);
  Entry* entry = lookup(peer);
  if (entry == nullptr) {
    Entry* set = set_of(peer);
    entry = std::min_element(set, set + kSourceWays, [](const Entry& a, const Entry& b) {
      return a.used < b.used;
    });
    entry->peer = peer;
  }
  entry->local = local;
  // After 2^32 datagrams the order is wrong for a while, which costs nobody more than its entry.
  entry->used = ++clock_ == 0 ? ++clock_ : clock_;
}

std::optional<SourceTable::Ip> SourceTable::find(const Endpoint& peer) {
  const Entry* entry = lookup(peer);
  if (entry == nullptr) return std::nullopt;
  return entry->local;
}

void SourceTable::forget(const Endpoint& peer) {
  if (Entry* entry = lookup(peer)) entry->used = 0;
}

}  // namespace weft::node
