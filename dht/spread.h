// A store round that is carried out: the pure StoreRound and the requests it makes.
//
// It owns the blob, so views of it in an output live as long as the operation.
#pragma once

#include "dht/core.h"

namespace weft::dht {

class Spread {
 public:
  struct Value {
    Slot slot;
    Bytes blob;
    std::uint64_t seq = 0;
    Instant expires;  // as far as we know its lifetime
  };
  Spread(OpKey op, Value value, bool background, StoreRound round);

  // Sends what there is to send.
  void pump(Now now, Core& core, Output& out);
  // Answers to requests of roles kToken and kStore.
  void on_values(const Asked& asked, const Values& m);
  void on_stored(const Asked& asked, const Stored& m) { round_.on_stored(asked.peer.id, m); }
  void on_slow(const Asked& asked) { round_.on_slow(asked.peer.id); }
  void on_timeout(const Asked& asked) { round_.on_silent(asked.peer.id); }

  const StoreRound& round() const { return round_; }
  const Value& value() const { return value_; }

 private:
  OpKey op_;
  Value value_;
  bool background_;
  StoreRound round_;
};

}  // namespace weft::dht
