// One probe round as a value: a direct ping, then indirect ones through members, then a verdict
// (SWIM section 3.1). It sends nothing; the owner tells it what was sent and what came of it.
//
// Verdict: alive with the first answer of the member itself; vouched for when it gave none in its time and a relay says that it got
// one, which is that relay's word and no proof; silent when the direct ping was given up and
// every relay that was asked has answered "no" or was given up too, and relays were asked if the
// round wants them. A round during which the own loop stood still for a quarter of its time or more
// proves nothing: void.
#pragma once

#include <cstddef>
#include <optional>

#include "crypto/time.h"

namespace weft::gossip {

enum class ProbeKind : std::uint8_t {
  kPeriodic,  // the round robin
  kVerify,    // the own probe of a suspicion
  kRecheck,   // somebody contradicts us, or a failed member spoke
  kRetry,     // a failed member, one at a time
};
enum class Verdict : std::uint8_t { kAlive, kVouched, kSilent, kVoid };

class ProbeRound {
 public:
  // A round whose direct ping leaves now.
  ProbeRound(Instant started, ProbeKind kind, bool wants_relays)
      : started_(started), kind_(kind), wants_relays_(wants_relays) {}
  ProbeRound() = default;

  // True if relays should be asked now: the direct ping is slow or lost and none were asked yet.
  bool wants_relays() const { return wants_relays_ && !relays_done_ && !answered_; }
  // `count` relays were asked (0 if there were none to ask).
  void on_relays_asked(std::size_t count);

  void on_answer() { answered_ = true; }
  void on_vouched();  // a relay says that the member answered it
  void on_nack();  // a relay answered, the member did not
  void on_relay_timeout();
  void on_direct_timeout() { direct_open_ = false; }
  // The direct ping did not leave: its silence says nothing.
  void on_unsent() { unsent_ = true; }
  // The own loop stood still for that long.
  void on_stall(Duration by) { stalled_ += by; }

  // The result as of now; nullopt while anything is open.
  std::optional<Verdict> verdict(Instant now) const;

  ProbeKind kind() const { return kind_; }
  Instant started() const { return started_; }
  std::size_t asked() const { return asked_; }
  std::size_t reacted() const { return reacted_; }

 private:
  Instant started_;
  Duration stalled_{};
  std::size_t asked_ = 0;
  std::size_t open_ = 0;
  std::size_t reacted_ = 0;
  ProbeKind kind_ = ProbeKind::kPeriodic;
  bool wants_relays_ = false;
  bool relays_done_ = false;
  bool direct_open_ = true;
  bool answered_ = false;
  bool vouched_ = false;
  bool unsent_ = false;
};

}  // namespace weft::gossip
