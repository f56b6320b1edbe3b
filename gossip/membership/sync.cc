#include "gossip/membership/sync.h"

namespace weft::gossip {

PageEnd fill_page(const MemberTable& table, const MemberTable::Buckets& theirs,
                  const std::optional<NodeId>& after, const NodeId& except, Instant now,
                  std::size_t budget, GossipItems& items) {
  PageEnd end;
  if (after) end.last = *after;
  std::size_t position = after ? table.position_after(*after) : 0;
  std::size_t visits = 0;
  while (position < table.size()) {
    const Member& member = table[table.at(position)];
    const NodeId& id = member.record->id;
    const std::size_t bucket = bucket_of(id);
    if (theirs[bucket] == table.buckets()[bucket]) {
      position = table.bucket_begin(bucket + 1);
      continue;
    }
    // A left member is told to whoever holds something in that bucket: an asker that holds nothing
    // there cannot believe it alive.
    const bool told =
        is_live(member.state) || (member.state == MemberState::kLeft && theirs[bucket] != 0 &&
                                  now < member.since + kLeftShared);
    if (told && id != except) {
      const GossipItem item{.record = member.record->wire, .suspicion = {}};
      const std::size_t size = wire_size(item);
      if (size > budget || items.full()) {
        end.more = true;
        return end;
      }
      budget -= size;
      items.push(item);
    }
    end.last = id;
    ++position;
    if (++visits == kPageVisitsMax) {
      end.more = position < table.size();
      return end;
    }
  }
  return end;
}

}  // namespace weft::gossip
