// One operation under way: a small state machine that dht.cc feeds with answers.
//
// It never waits: each call does what follows from it and returns. When done() it is taken out; by
// then a user's operation has emitted its one Done event. Requests that are still open then are
// forgotten by it, not by the routing table.
#pragma once

#include "dht/core.h"

namespace weft::dht {

class Operation {
 public:
  virtual ~Operation() = default;

  virtual void start(Now now, Core& core, Output& out) = 0;
  virtual void on_nodes(Now, Core&, const Asked&, Duration /*rtt*/, const Nodes&, Output&) {}
  virtual void on_values(Now, Core&, const Asked&, Duration /*rtt*/, const Values&, Output&) {}
  virtual void on_stored(Now, Core&, const Asked&, const Stored&, Output&) {}
  virtual void on_compared(Now, Core&, const Asked&, const Compared&, Output&) {}
  virtual void on_stored_many(Now, Core&, const Asked&, const StoredMany&, Output&) {}
  virtual void on_late(Now, Core&, const Asked&, Output&) {}
  virtual void on_slow(Now, Core&, const Asked&, Output&) {}
  virtual void on_timeout(Now, Core&, const Asked&, Output&) {}
  // The own value of this operation is durable, or could not be made so.
  virtual void on_committed(Now, Core&, bool /*ok*/, Output&) {}
  // What Core::want() was to make known is known, or cannot be.
  virtual void on_loaded(Now, Core&, Output&) {}
  // Ends now: because of the deadline (kTimedOut), a cancel or the shutdown.
  virtual void end(Now now, Core& core, OpError why, Output& out) = 0;

  // The user's Done event is out, but there is still something to finish. Such an operation gives way
  // to a new one when all places are taken.
  virtual bool answered() const { return false; }
  // What it leaves to another try, if anything: because a budget or a deadline ended it, or since somebody was
  // silent.
  enum class Rest : std::uint8_t { kNothing, kWork, kSilence };
  virtual Rest rest() const { return Rest::kNothing; }

  bool done() const { return done_; }
  OpKey key() const { return key_; }
  std::optional<OpId> user() const { return user_; }
  bool background() const { return !user_; }
  // Called once by Core::spawn.
  void set_key(OpKey key) { key_ = key; }

 protected:
  explicit Operation(std::optional<OpId> user) : user_(user) {}
  void finish() { done_ = true; }

 private:
  std::optional<OpId> user_;
  OpKey key_{};
  bool done_ = false;
};

}  // namespace weft::dht
