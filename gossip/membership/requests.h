// The requests of membership that are under way: what each tag was for. A tag names its slot and
// the slot's generation, so a late, repeated or forged answer finds nothing.
#pragma once

#include <optional>
#include <vector>

#include "crypto/effects.h"

namespace weft::gossip {

enum class Purpose : std::uint8_t { kDirect, kIndirect, kRelay, kSync };

class RequestTable {
 public:
  struct Entry {
    Purpose purpose = Purpose::kDirect;
    std::uint32_t owner = 0;  // a round, a relay or a sync job
  };
  // Remembers a request and returns its tag.
  RequestTag add(Purpose purpose, std::uint32_t owner);
  // What a live tag is for; nullopt for any other.
  std::optional<Entry> peek(RequestTag tag) const;
  // The same, and forgets it.
  std::optional<Entry> take(RequestTag tag);
  std::size_t size() const { return live_; }

 private:
  struct Place {
    Entry entry;
    std::uint32_t generation = 1;
    bool used = false;
  };
  void release(std::uint32_t index);

  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::size_t live_ = 0;
};

}  // namespace weft::gossip
