// The full exchange in pages: what one side lacks is found by bucket hashes and walked by id.
//
// The asker tells sixteen hashes; in buckets that differ the answerer lists its records, page by
// page. Since a page covers a range of ids completely, the asker knows by the same walk what the
// answerer lacks, and pushes it. Pure functions over the member table; the jobs that drive them are
// in membership.cc's parts.
#pragma once

#include <optional>

#include "gossip/membership/member_table.h"

namespace weft::gossip {

// For this long after a member left here, pages still tell of it. Much shorter than kForgetLeft, so
// that what everybody has forgotten cannot come back from one who forgets later.
inline constexpr Duration kLeftShared = 10min;
// Members looked at for one page: bounds the work of one datagram.
inline constexpr std::size_t kPageVisitsMax = 512;

struct PageEnd {
  bool more = false;  // the walk stopped before the last id
  NodeId last;        // the range ends here (inclusive)
};

// Appends the records of members with ids after `after` in buckets whose hash differs from
// `theirs`, as far as they fit into `budget` bytes and the message. Members that we hold failed are
// not passed on, nor is `except`.
PageEnd fill_page(const MemberTable& table, const MemberTable::Buckets& theirs,
                  const std::optional<NodeId>& after, const NodeId& except, Instant now,
                  std::size_t budget, GossipItems& items);

// The range of ids that one page covered: (after, last], or to the end.
struct PageRange {
  std::optional<NodeId> after;
  std::optional<NodeId> last;
};
using SeenIds = InlineVec<NodeId, kGossipItemsMax>;

// Calls push(slot) for each live member in the range that the page did not list, in buckets where
// `sent` (our hashes, as asked) and `theirs` differ; stops when push returns false.
template <class Push>
void for_each_missing(const MemberTable& table, const MemberTable::Buckets& sent,
                      const MemberTable::Buckets& theirs, const PageRange& range,
                      const SeenIds& seen, const Push& push) {
  std::size_t position = range.after ? table.position_after(*range.after) : 0;
  const std::size_t end = range.last ? table.position_after(*range.last) : table.size();
  while (position < end) {
    const Slot slot = table.at(position);
    const Member& member = table[slot];
    const std::size_t bucket = bucket_of(member.record->id);
    if (sent[bucket] == theirs[bucket]) {
      position = table.bucket_begin(bucket + 1);
      continue;
    }
    ++position;
    if (!is_live(member.state)) continue;
    if (std::ranges::find(seen, member.record->id) != seen.end()) continue;
    if (!push(slot)) return;
  }
}

}  // namespace weft::gossip
