// What a get has found so far: of each author the newest valid number, and who holds it.
//
// A pure value. Bytes are verified once for each new number; a holder that shows the very same
// bytes is counted without another verification. Bounded: kAuthorsPerGetMax authors.
#pragma once

#include <map>
#include <vector>

#include "crypto/time.h"
#include "dht/signed_value.h"

namespace weft::dht {

inline constexpr std::size_t kAuthorsPerGetMax = 512;

class FoundValues {
 public:
  struct Found {
    PublicKey author;
    std::uint64_t seq = 0;
    Bytes blob;
    Instant expires;              // the longest remainder that a holder told
    std::vector<NodeId> holders;  // who showed exactly this; copies are counted by it
    std::vector<NodeId> stale;    // who showed an older number of this author
    bool withdrawn() const { return blob.size() == kBlobHeadBytes; }
  };

  // A holder shows a value. Returns the author's id, or nullopt if it is malformed, not signed by
  // its author under this key, or one author too many.
  std::optional<NodeId> add(Now now, const CryptoProvider& provider, const NodeId& key,
                            const NodeId& holder, const HeldValue& held);

  const std::map<NodeId, Found>& all() const { return found_; }
  bool empty() const { return found_.empty(); }
  // The fewest and the most copies that any author's newest value has; 0 without values.
  std::size_t copies_min() const;
  std::size_t copies_max() const;

 private:
  std::map<NodeId, Found> found_;
};

}  // namespace weft::dht
