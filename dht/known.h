// Who asks tells whom it knows already, so that answers stay small (PROTOCOL-dht, "Whom the asker knows"). No I/O.
//
// Near the end of a lookup all who are asked know the same neighbourhood, and each names the same twenty. A request may carry a tag of 8
// bits for each contact that need not be named again; an answer leaves out those whose tag is among them, which count as named.
//
// Bounds: kKnownTagsMax tags. An unknown contact is left out by chance once in 8 answers (32 tags of 256); each request has its own salt, so
// several that know it are not mistaken alike, and nobody can grind an id whose tag is that of another node.
// What a liar can do: as who is asked, nothing that it could not do by naming nobody. As who was asked before, name a node at a wrong address,
// so that the asker would have the right one left out: so only those count as known who answered, who stand in the own table,
// or whom two have named at one address (Lookup::known); and of several paths nobody is told what others named.
#pragma once

#include <bitset>

#include "crypto/inline_vec.h"
#include "crypto/node_id.h"

namespace weft::dht {

inline constexpr std::size_t kKnownTagsMax = 32;

struct Known {
  std::uint32_t salt = 0;
  InlineVec<std::uint8_t, kKnownTagsMax> tags = {};  // none: nobody is told of
  bool operator==(const Known&) const = default;
};

// The tag of one contact under a request's salt.
std::uint8_t known_tag(std::uint32_t salt, const NodeId& id);

// The same for whoever answers.
class KnownSet {
 public:
  explicit KnownSet(const Known& known);
  bool has(const NodeId& id) const { return tags_.any() && tags_.test(known_tag(salt_, id)); }

 private:
  std::uint32_t salt_;
  std::bitset<256> tags_;
};

}  // namespace weft::dht
