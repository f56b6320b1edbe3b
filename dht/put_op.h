// Storing an own value: find who is nearest and the highest number, sign, make it durable, store.
//
//   searching   one lookup with Get(own author, write token): the nearest responders, their tokens
//               and the highest number that any of them holds
//               Around a crowded key (crowd.h) the places beside it are looked up then, and get copies too
//   committing  the own row (and, if we are among the nearest, the held value) goes to disk. It does so
//               while the search goes on, with one more than the highest number that this node knows of; if
//               the mesh knows of a higher one, or we turn out to be among the nearest, once more after it. A put
//               that depends on what the mesh has (compare-and-set, a withdrawal) commits after the search only.
//   storing     Stores to the nearest, all at once; whoever fails is replaced by the next nearest
//   finishing   PutDone is out; the rest of the copies are still being made
//
// The user is answered when enough holders have the value on disk: two thirds of the copies, all of
// them if their number was the user's choice, or the quorum if that is more. The slowest disk of r
// is no reason to wait.
//
// A withdrawal is a put of the empty value; its lifetime covers that of what it withdraws. A put that is given up
// may have left its own row behind, which is published later.
#pragma once

#include "dht/beside.h"
#include "dht/operation.h"
#include "dht/spread.h"
#include "dht/walk.h"

namespace weft::dht {

// Questions to the durable store before a put goes on without an own copy.
inline constexpr std::size_t kOwnLoadsMax = 3;

class PutOp final : public Operation {
 public:
  PutOp(OpId user, const NodeId& key, Bytes value, const PutOptions& options);

  void start(Now now, Core& core, Output& out) override;
  void on_values(Now now, Core& core, const Asked& asked, Duration rtt, const Values& m,
                 Output& out) override;
  void on_nodes(Now now, Core& core, const Asked& asked, Duration rtt, const Nodes& m,
                Output& out) override;
  void on_stored(Now now, Core& core, const Asked& asked, const Stored& m, Output& out) override;
  void on_slow(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_timeout(Now now, Core& core, const Asked& asked, Output& out) override;
  void on_committed(Now now, Core& core, bool ok, Output& out) override;
  void on_loaded(Now now, Core& core, Output& out) override;
  void end(Now now, Core& core, OpError why, Output& out) override;
  bool answered() const override { return answered_; }

 private:
  void advance(Now now, Core& core, Output& out);
  // False: the places beside a crowded key are being looked up.
  bool look_beside(Now now, Core& core, Output& out);
  // Those beside a crowded key come next after its nearest, and before whom these are replaced by.
  void prefer_beside();
  void ask_in_session(Core& core, const Contact& peer, Output& out);
  void look_at(Now now, Core& core, const Values& m);
  // False: what we hold under the key is being asked for, and whether there is room for one more.
  bool know_here(Core& core, Output& out);
  // The highest number under the key that this node knows of, but for the one that this put took.
  std::uint64_t known_number(const Core& core) const;
  void commit_ahead(Now now, Core& core, Output& out);
  // After the search.
  void commit(Now now, Core& core, Output& out);
  // Signs the value with a number above `current` and has it written, with `hold` as a copy of ours, too.
  void write(Now now, Core& core, std::uint64_t current, bool hold, Output& out);
  void begin_storing(Now now, Core& core, Output& out);
  std::uint32_t lifetime(Now now, const Core& core) const;
  std::size_t copies() const;
  std::size_t enough() const;     // copies that slow holders are waited for
  std::size_t hoped_for() const;  // copies at which the user is answered at once
  void answer(const Core& core, Output& out);
  void complete(Now now, Core& core, Output& out);
  void fail(const OpFailure& failure, Output& out);

  NodeId dht_key_;
  Bytes value_;
  PutOptions options_;
  std::size_t replicas_ = 0;
  std::size_t wanted_ = 0;  // copies: as many, and those beside a crowded key
  std::optional<Walk> walk_;
  std::optional<Beside> beside_;
  std::vector<Target> found_beside_;
  std::uint64_t remembered_ = 0;  // the own number before this put took one
  std::uint64_t found_seq_ = 0;
  std::vector<NodeId> pages_open_;  // asked again, because a newer number did not fit
  Instant found_expires_;  // of the highest number found: a withdrawal must outlive it
  std::uint64_t seq_ = 0;      // 0: nothing was written
  bool hold_ = false;          // what was written last is a copy of ours, too
  bool among_nearest_ = false;  // after the search
  bool searched_ = false;
  std::size_t commits_open_ = 0;
  bool loading_ = false;  // what this node holds itself...
  std::size_t loads_ = 0;  // ...so often; at last the others hold the value, and we do not
  bool held_here_ = false;
  bool answered_ = false;  // PutDone is out
  bool no_room_here_ = false;  // we are among the nearest and our store is full
  Spread::Value signed_;
  std::vector<Holder> holders_;
  std::optional<Spread> spread_;
};

}  // namespace weft::dht
