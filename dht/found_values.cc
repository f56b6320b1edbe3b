#include "dht/found_values.h"

namespace weft::dht {
namespace {

void note(std::vector<NodeId>& ids, const NodeId& id) {
  if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
}

}  // namespace

std::optional<NodeId> FoundValues::add(Now now, const CryptoProvider& provider, const NodeId& key,
                                       const NodeId& holder, const HeldValue& held) {
  const auto value = decode_value(held.blob);
  if (!value || held.remaining_s == 0) return std::nullopt;
  const NodeId author = node_id_of(value->author);
  const Instant expires =
      now.mono + std::chrono::seconds(std::min(held.remaining_s, value->lifetime_s));
  const auto it = found_.find(author);
  if (it == found_.end()) {
    if (found_.size() == kAuthorsPerGetMax) return std::nullopt;
    if (!verify_value(provider, key, *value)) return std::nullopt;
    found_[author] = {.author = value->author, .seq = value->seq, .blob = to_bytes(held.blob),
                      .expires = expires, .holders = {holder}, .stale = {}};
    return author;
  }
  Found& found = it->second;
  if (found.seq == value->seq && equal(found.blob, held.blob)) {
    note(found.holders, holder);
    found.expires = std::max(found.expires, expires);
    return author;
  }
  if (!supersedes(value->seq, held.blob, found.seq, found.blob)) {
    // Not worth a verification: at worst a liar is sent the newest value.
    note(found.stale, holder);
    return author;
  }
  if (!verify_value(provider, key, *value)) return std::nullopt;
  for (const NodeId& old : found.holders) note(found.stale, old);
  std::erase(found.stale, holder);
  found.seq = value->seq;
  found.blob = to_bytes(held.blob);
  found.expires = expires;
  found.holders = {holder};
  return author;
}

std::size_t FoundValues::copies_min() const {
  std::optional<std::size_t> least;
  for (const auto& [author, found] : found_) {
    if (!least || found.holders.size() < *least) least = found.holders.size();
  }
  return least.value_or(0);
}

std::size_t FoundValues::copies_max() const {
  std::size_t most = 0;
  for (const auto& [author, found] : found_) most = std::max(most, found.holders.size());
  return most;
}

}  // namespace weft::dht
