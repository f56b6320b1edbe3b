// The clock of one suspicion: how long a silent member has to prove itself here.
//
// It starts at suspicion_max and shrinks to suspicion_min as distinct accusers come forward
// (Lifeguard, section IV.B): time(c) = max - (max - min) * log(c + 1) / log(k + 1), where c counts
// the accusers after the first one, up to k. Others can start and shorten it, never end it:
// `failed` needs the full time and an own probe, at a random point in its first half,
// unanswered. While the mesh forms (forming.h) it is not shortened.
//
// A value without I/O: the owner asks it for instants and tells it what happened.
#pragma once

#include "crypto/inline_vec.h"
#include "crypto/node_id.h"
#include "crypto/time.h"

namespace weft::gossip {

inline constexpr std::size_t kConfirmationsMax = 7;

// The formula above in integers. `accusers` >= 1; k is taken as at most kConfirmationsMax, and with
// k = 0 (nobody else could confirm) the time is `min` at once.
Duration suspicion_time(Duration min, Duration max, std::size_t k, std::size_t accusers);

class SuspicionClock {
 public:
  enum class Probe : std::uint8_t {
    kWaiting,  // its random point has not come, or it must be repeated
    kUnderWay,
    kSilent,  // direct and indirect probes went unanswered
  };

  // `draw` in [0, 65536) places the own probe.
  SuspicionClock(Instant since, std::uint64_t number, std::uint16_t draw, const NodeId& accuser);

  // False if the accuser is known already, or if more would not shorten the clock.
  bool wants(const NodeId& accuser, std::size_t k) const;
  // Adds an accuser that is wanted; else nothing, and false.
  bool accuse(const NodeId& accuser, std::size_t k);
  // The own loop stood still: the member gets that time back.
  void shift(Duration by) { since_ += by; }
  // Accusers do not shorten it, and the own probe waits for its middle third: who is only starved refutes meanwhile, by one new
  // number for all in place of a handshake with each.
  void keep_full() { full_ = true; }
  bool full() const { return full_; }
  // Starts the own probe without waiting for its random point.
  void hurry() { hurried_ = true; }

  void on_probe_started() { probe_ = Probe::kUnderWay; }
  void on_probe_silent() { probe_ = Probe::kSilent; }
  // The probe says nothing (we stalled meanwhile, or could not send): it is to be repeated at once.
  void on_probe_void();

  // When the own probe is due, given the clock's present length.
  Instant probe_at(Duration length) const;
  // Both conditions of `failed`.
  bool expired(Instant now, Duration length) const;
  Instant ends(Duration length) const { return since_ + length; }

  Probe probe() const { return probe_; }
  std::uint64_t number() const { return number_; }
  Instant since() const { return since_; }
  std::size_t accusers() const { return accusers_.size(); }
  const NodeId& first_accuser() const { return accusers_[0]; }

 private:
  Instant since_;
  std::uint64_t number_;
  InlineVec<NodeId, kConfirmationsMax + 1> accusers_;
  std::uint16_t draw_;
  Probe probe_ = Probe::kWaiting;
  bool hurried_ = false;
  bool full_ = false;
};

}  // namespace weft::gossip
