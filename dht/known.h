// Who asks tells whom it knows already, so that answers stay small (PROTOCOL-dht, "Whom the asker knows"). No I/O.
//
// Near the end of a lookup all who are asked know the same neighbourhood, and each names the same twenty. A request may carry a tag of 16
// bits for each contact that need not be named again; an answer leaves out those whose tag is among them, which count as named.
//
// A tag is of an id at one address: whoever knows the node at another one names it. So nobody can hide a node by naming it at a wrong address
// before others name it at the right one, nor does a node that has moved stay hidden.
//
// Bounds: kKnownTagsMax tags, with which a FindNode still fits the padding of an INIT. An unknown contact is left out by chance once in 3,000
// answers (20 tags of 65,536): under churn the nearest to a target may be known to one node alone. Each request has its own salt, so
// nobody can grind an id whose tag is that of another node. Of several paths nobody is told what others named.
#pragma once

#include <algorithm>

#include "crypto/contact.h"
#include "crypto/inline_vec.h"

namespace weft::dht {

inline constexpr std::size_t kKnownTagsMax = 20;

struct Known {
  std::uint16_t salt = 0;
  InlineVec<std::uint16_t, kKnownTagsMax> tags = {};  // none: nobody is told of
  bool operator==(const Known&) const = default;
};

// The tag of a node at an address under a request's salt.
std::uint16_t known_tag(std::uint16_t salt, const NodeId& id, const Endpoint& endpoint);
// Whether a contact's tag is among them.
inline bool is_known(const Known& known, const Contact& contact) {
  return !known.tags.empty() && std::ranges::find(known.tags, known_tag(known.salt, contact.id, contact.endpoint)) != known.tags.end();
}

}  // namespace weft::dht
