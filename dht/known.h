// Who asks tells whom it knows already, so that answers stay small (PROTOCOL-dht, "Whom the asker knows"). No I/O.
//
// Near the end of a lookup all who are asked know the same neighbourhood, and each names the same twenty. A request may carry a tag of 16
// bits for each contact that need not be named again; an answer leaves out those whose tag is among them, which count as named.
//
// Bounds: kKnownTagsMax tags, with which a FindNode still fits the padding of an INIT. An unknown contact is left out by chance once in 3,000
// answers (20 tags of 65,536): under churn the nearest to a target may be known to one node alone. Each request has its own salt, so
// nobody can grind an id whose tag is that of another node.
// What a liar can do: as who is asked, nothing that it could not do by naming nobody. As who was asked before, name a node at a wrong address,
// so that the asker would have the right one left out: so only those count as known who answered, who stand in the own table,
// or whom two have named at one address (Lookup::known); and of several paths nobody is told what others named.
#pragma once

#include <algorithm>

#include "crypto/inline_vec.h"
#include "crypto/node_id.h"

namespace weft::dht {

inline constexpr std::size_t kKnownTagsMax = 20;

struct Known {
  std::uint16_t salt = 0;
  InlineVec<std::uint16_t, kKnownTagsMax> tags = {};  // none: nobody is told of
  bool operator==(const Known&) const = default;
};

// The tag of one contact under a request's salt.
std::uint16_t known_tag(std::uint16_t salt, const NodeId& id);
// Whether a contact's tag is among them.
inline bool is_known(const Known& known, const NodeId& id) {
  return !known.tags.empty() && std::ranges::find(known.tags, known_tag(known.salt, id)) != known.tags.end();
}

}  // namespace weft::dht
