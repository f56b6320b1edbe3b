// What nodes of one topic say to each other about messages, without the messages themselves. The owner gives it a form on the
// wire and finds the payload that belongs to an id; what comes in is handed over as it was said.
#pragma once

#include <vector>

#include "crypto/inline_vec.h"
#include "crypto/node_id.h"
#include "crypto/time.h"

namespace weft::broadcast {

using MessageId = ByteArray<16>;

inline constexpr std::size_t kAnnouncementsMax = 60;  // in one datagram: 16 bytes of id and one of hops each
inline constexpr std::size_t kGraftIdsMax = 32;       // in one: what comes back are as many payloads
inline constexpr std::size_t kOthersMax = 16;         // peers named in one word about a link
inline constexpr std::uint32_t kHopsMax = 255;        // more are told as so many

// "I have it; from me it would come to you as the hops-th of its hops."
struct Announcement {
  MessageId id{};
  std::uint32_t hops = 0;
};

enum class LinkStep : std::uint8_t {
  kAsk = 1,       // be my neighbour; tell me what you have
  kAskEager = 2,  // the same, and push to me. To a neighbour: push to me from now on
  kYes = 3,
  kNo = 4,        // we are not neighbours: no room, not any more, or never were
  kSpare = 5,     // I have more neighbours than I need: if you have, too, say no
};

// The payload of `id` goes to `to`; several to one peer may share a datagram.
struct Push {
  NodeId to;
  MessageId id{};
  std::uint32_t hops = 0;
};
struct IHave {
  NodeId to;
  InlineVec<Announcement, kAnnouncementsMax> ids{};
};
// "Send me these" and, if eager, "push to me from now on".
struct Graft {
  NodeId to;
  bool eager = false;
  InlineVec<MessageId, kGraftIdsMax> ids{};
};
// "Announce to me instead of pushing: I had it from another."
struct Prune {
  NodeId to;
};
// `others`: some that hold the topic too, for those who know few.
struct Link {
  NodeId to;
  LinkStep step = LinkStep::kNo;
  InlineVec<NodeId, kOthersMax> others{};
};

struct Output {
  std::vector<Push> pushes;
  std::vector<IHave> ihaves;
  std::vector<Graft> grafts;
  std::vector<Prune> prunes;
  std::vector<Link> links;
  bool empty() const { return pushes.empty() && ihaves.empty() && grafts.empty() && prunes.empty() && links.empty(); }
  void clear() {
    pushes.clear();
    ihaves.clear();
    grafts.clear();
    prunes.clear();
    links.clear();
  }
};

}  // namespace weft::broadcast
