#include "gossip/membership/probe.h"

#include "crypto/check.h"

namespace weft::gossip {

void ProbeRound::on_relays_asked(std::size_t count) {
  CHECK(!relays_done_);
  relays_done_ = true;
  asked_ = count;
  open_ = count;
}

void ProbeRound::on_nack() {
  CHECK(open_ > 0);
  --open_;
  ++reacted_;
}

void ProbeRound::on_vouched() {
  on_nack();
  vouched_ = true;
}

void ProbeRound::on_relay_timeout() {
  CHECK(open_ > 0);
  --open_;
}

std::optional<Verdict> ProbeRound::verdict(Instant now) const {
  if (answered_) return Verdict::kAlive;
  if (direct_open_) return std::nullopt;
  if (vouched_) return Verdict::kVouched;
  if (open_ > 0) return std::nullopt;
  if (wants_relays_ && !relays_done_) return std::nullopt;
  // Nobody has asked it, as far as we know. A suspect is judged all the same where there is nobody else to ask.
  if (unsent_ && reacted_ == 0 && (kind_ != ProbeKind::kVerify || asked_ > 0)) return Verdict::kVoid;
  if (stalled_ > Duration::zero() && stalled_ * 4 >= now - started_) return Verdict::kVoid;
  return Verdict::kSilent;
}

}  // namespace weft::gossip
