#include "node/flow.h"

#include "node/codec.h"

namespace weft::node {

std::string_view to_string(Topic topic) {
  switch (topic) {
    case Topic::kMembership: return "membership";
    case Topic::kLookup: return "lookup";
    case Topic::kValue: return "value";
    case Topic::kState: return "state";
    case Topic::kOther: break;
  }
  return "other";
}

Topic topic_of(std::uint8_t kind) {
  switch (kind) {
    case dht::kFindNode:
    case dht::kNodes: return Topic::kLookup;
    default: break;
  }
  if (kind >= gossip::kPing && kind <= gossip::kSyncPage) return Topic::kMembership;
  if (kind >= dht::kGet && kind <= dht::kStoredMany) return Topic::kValue;
  if (kind >= state::kRoots && kind <= state::kLink) return Topic::kState;
  return Topic::kOther;
}

void Flow::watch(Now now) { watched_until_ = now.mono + kFlowWatched; }

void Flow::keep(Now now, const NodeId& to, ByteView payload) {
  Reader r(payload);
  std::uint8_t kind = read_head(r).kind;
  if (kind == dht::kTraced) {
    dht::Traced traced;
    if (decode(r, traced)) return;  // we wrote it: it decodes
    Reader inner(traced.request);
    kind = read_head(inner).kind;
  }
  if (said_.size() == kFlowMax) said_.pop_front();
  said_.push_back({.at = now.wall, .to = to, .topic = topic_of(kind), .bytes = static_cast<std::uint32_t>(payload.size())});
  ++last_;
}

}  // namespace weft::node
