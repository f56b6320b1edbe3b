// Publishing again what lies close together, as one operation: one lookup, one question to each holder.
//
// Values whose keys are neighbours have nearly the same holders. So one lookup finds the holders of
// all of them, each is shown one short keyed sum a value (Compare) and names those that it lacks, and only
// these are sent, as many together as a datagram takes: an hourly round costs 8 bytes a copy in place of a lookup
// and the whole value (Demers et al. 1987: anti-entropy that compares checksums first).
//
// Which keys one lookup answers for: the kRegionWant nearest responders are all that there are within the
// distance of the last of them, so every node that shares more bits with the target than the last one does
// is known. A key that shares as many bits, too, has its `replicas` nearest among those, if they are that many.
// If not, a second lookup on the other side of the first bit in which the last one differs makes the next larger
// subtree known. More than kRegionWant of one lookup would prove nothing, as no answer names more. If the mesh has
// fewer responders than were wanted, all are known. Values that are not answered for are
// due when they were before, and become the target of an operation of their own: each answers for its target at
// least, which was due, so no two operations can make each other's values due for ever.
//
// A holder knows its own neighbours anyway: if its table has room left for all that are near, it is asked in
// place of the mesh, but for one time in kLookEvery, as a table may miss somebody.
//
// As a holder, so that copies outlive the nodes that kept them (Maymounkov, Mazieres 2002, section
// 2.5); as the owner, also to renew the lifetime: the value then is sent to each holder.
//
// Bounds: kCompareItemsMax values, kRegionComparesOpen questions or kRegionStoresOpen datagrams of values under way.
// When upkeep's budget is overdrawn no further value is begun and the rest is due again; those begun, kRegionBlock
// at most, are brought to their other holders all the same. A holder with too many others between the keys to tell is
// asked about halves, and sent what it tells nothing of even so (comparison.h): nobody can keep a value from being renewed
// by filling the keys beside it. What is not done at the operation's deadline is found missing the
// next time. A holder that lies about what it holds harms its own copy only,
// as with a Store that it forgets; sums are keyed anew each time, so nobody can prepare two values with one.
#pragma once

#include <deque>
#include <map>

#include "dht/operation.h"
#include "dht/walk.h"

namespace weft::dht {

inline constexpr std::size_t kRegionWant = 20;
inline constexpr std::uint64_t kLookEvery = 4;
// A lookup is expected to answer for all keys of the smallest subtree with so many nodes...
inline constexpr std::size_t kRegionNodes = 16;
// ...and with no more values than this in it each gets a lookup of its own.
inline constexpr std::size_t kRegionFew = 2;
inline constexpr std::size_t kRegionStoresOpen = 8;  // datagrams
inline constexpr std::size_t kRegionComparesOpen = 8;
// Neighbouring values that are sent to one holder before the next one gets them.
inline constexpr std::size_t kRegionBlock = 2 * kStoreItemsMax;
// Values that we should hold and do not, taken up in one operation; the others come from their holders.
inline constexpr std::size_t kRegionAdopts = 4;
// Values that are sent whatever the budget says, so that each operation achieves something.
inline constexpr std::size_t kRegionLeast = 4;

class RegionOp final : public Operation {
 public:
  struct Due {
    Slot slot;
    Instant at;  // when it was due: again then, if it is not answered for
  };
  // `due` (at most kCompareItemsMax, `target` among them): held values, or with `owner` own ones, whose
  // schedule has moved on already. What is gone by the start is left out.
  RegionOp(const Slot& target, std::vector<Due> due, bool owner);

  void start(Now now, Core& core, Output& out) override;
  void on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                Output& out) override;
  void on_compared(Now now, Core& core, const Asked& asked, const Compared& m,
                   Output& out) override;
  void on_stored_many(Now now, Core& core, const Asked& asked, const StoredMany& m, Output& out) override;
  void on_slow(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_timeout(Now now, Core& core, const Asked& asked, Output& out) override;
  void end(Now now, Core& core, OpError why, Output& out) override;

 private:
  struct Item {
    Slot slot;
    Bytes blob;
    std::uint64_t seq = 0;
    Instant expires;
    Instant was_due;
    bool renew = false;       // the owner starts the lifetime anew
    bool begun = false;       // somebody was sent it
    bool unsent = false;      // the budget was overdrawn before anybody was
    std::size_t holders = 0;  // that should have it, we among them
    std::size_t copies = 0;   // that have
    bool gap = false;         // somebody lacked it
    std::optional<Target> newer_at;
  };
  struct Peer {  // or a part of what one is asked about
    Target to;
    std::vector<std::uint16_t> items;  // that it should hold, by key
    Bytes sums;                        // shown to it
    std::optional<Token> token;
    enum class State : std::uint8_t { kToAsk, kAsked, kDone } state = State::kToAsk;
  };
  struct Sending {
    std::uint16_t peer = 0;
    std::uint16_t item = 0;
    bool missing = false;  // else it holds it, and is told that it lives longer
  };
  void take_up(Now now, const Core& core, const Due& due);
  void advance(Now now, Core& core, Output& out);
  void begin_comparing(Now now, Core& core, Output& out);
  void ask_peers(Core& core, Output& out);
  // How many leading bits a key must share with the target for its holders to be known: 0 for all keys,
  // nullopt for the target alone.
  std::optional<int> answers_for(const Core& core) const;
  void look_aside(Now now, Core& core);
  void add_aside(const Core& core);
  // A lookup that answers for a region asks more nodes than one for the target alone: not for a few values.
  bool worth_a_region(const Core& core) const;
  // A holder need not look up who is around it if its table holds all of them.
  bool knows_all_around(const Core& core);
  void leave_out(Core& core, std::optional<int> bits);
  void assign(Now now, Core& core, Output& out);
  void send(Now now, Core& core, Output& out);
  void complete(Now now, Core& core, Output& out);
  void end_own(Now now, Core& core, const Item& item, std::vector<Write>& rows, Output& out);
  std::size_t count(Peer::State state) const;

  Slot target_;
  std::vector<Due> due_;
  bool owner_;
  std::vector<Item> items_;  // by key
  std::size_t want_ = kRegionWant;
  std::optional<int> looked_aside_;  // in a second lookup, beyond this bit
  std::vector<Target> nearest_;      // holders to choose from, nearest to the target first
  std::optional<int> bits_;      // that a key must share with the target for them to be all
  std::optional<Walk> walk_;
  bool comparing_ = false;
  std::vector<Peer> peers_;
  std::uint64_t salt_ = 0;
  std::deque<Sending> to_send_;
  bool sorted_ = false;
  std::size_t begun_ = 0;
  std::map<std::uint32_t, std::vector<Sending>> sent_;  // under way: the values of each, by Asked::detail
  std::uint32_t sent_total_ = 0;
};

}  // namespace weft::dht
