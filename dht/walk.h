// A lookup that is carried out: the pure Lookup, the requests it makes, the tokens it brings home.
#pragma once

#include "dht/core.h"

namespace weft::dht {

// Holders asked for the contacts that did not fit beside a value, each time a lookup would end.
inline constexpr std::size_t kContactsAskedMax = 3;

class Walk {
 public:
  struct Options {
    NodeId target;
    std::variant<FindNode, Get> message;
    std::size_t want = 20;
    std::size_t paths = 0;  // 0: as the node is configured; upkeep goes by one
    bool background = false;
    bool hurry = false;  // a put waits for all of the closest: the last round begins by the mesh's size (lookup.h)
  };
  Walk(Now now, Core& core, OpKey op, const Options& options);

  // Sends what there is to send.
  void pump(Now now, Core& core, Output& out);
  // Answers to requests of roles kWalk and kContacts.
  void on_nodes(const Asked& asked, Duration rtt, const Nodes& m);
  void on_values(const Asked& asked, Duration rtt, const Values& m);
  void on_late(const Asked& asked);
  void on_slow(const Asked& asked);
  void on_timeout(const Asked& asked);
  // Goes on beyond the `want` closest.
  void widen(std::size_t want) { lookup_.widen(want); }
  // True if it has converged. If some responders had no room for contacts beside their values, they
  // are asked for them first, and the answer is no.
  bool ended(Core& core, Output& out);

  const Lookup& lookup() const { return lookup_; }
  // All responders, nearest first, with their tokens.
  std::vector<Holder> holders() const;

 private:
  Known known_now(Core& core) const;

  OpKey op_;
  Instant began_;
  Options options_;
  Lookup lookup_;
  bool overtaken_ = false;  // counted
  std::map<NodeId, Token> tokens_;
  std::vector<NodeId> short_of_contacts_;
  std::size_t contacts_open_ = 0;
};

}  // namespace weft::dht
