// The own signed record: its number, its endpoints, and when a new one is due.
//
// The number (SWIM's incarnation) is made durable before the record that carries it is shown to
// anyone, so no life of a node uses a number twice. Endpoints are those the shell knows, plus what
// kObserversNeeded or more different peers say they see us come from.
//
// Pure: it says which number to persist and builds the record when that is done.
#pragma once

#include <optional>
#include <vector>

#include "crypto/keys.h"
#include "crypto/node_record.h"
#include "crypto/time.h"

namespace weft::node {

inline constexpr std::size_t kObserversNeeded = 3;
inline constexpr std::size_t kObservationsMax = 16;

class OwnRecord {
 public:
  OwnRecord(const Identity& identity, RecordFields fields) : identity_(identity), fields_(std::move(fields)) {}

  // The number that must become durable next, if a new record is due and none is under way.
  // Counts as under way from here on.
  std::optional<std::uint64_t> take_wanted();
  // The number is durable: signs with it. The new record.
  RecordRef durable();
  // It could not be made durable; it stays wanted.
  void failed() { under_way_.reset(); }

  // A record with a number above this is due.
  void want_above(std::uint64_t number);
  void want_new() { want_above(fields_.number); }
  void set_status(RecordStatus status);
  // Own addresses as the shell knows them. True if the record changes.
  bool set_endpoints(std::span<const Endpoint> endpoints);
  // A peer says it sees us at this endpoint. True if the record changes.
  bool observed(const NodeId& peer, const Endpoint& endpoint);

  const RecordRef& current() const { return current_; }
  std::uint64_t number() const { return fields_.number; }
  const RecordFields& fields() const { return fields_; }

 private:
  struct Observation {
    NodeId peer;
    Endpoint endpoint;
  };
  bool rebuild_endpoints();

  const Identity& identity_;
  RecordFields fields_;
  RecordRef current_;
  std::uint64_t wanted_ = 1;
  std::optional<std::uint64_t> under_way_;
  std::vector<Endpoint> known_;
  std::vector<Endpoint> confirmed_;  // by observers, newest last, at most one a family
  std::vector<Observation> observations_;
};

}  // namespace weft::node
