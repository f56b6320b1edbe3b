#include "dht/hand_over_op.h"

#include "dht/background_ops.h"
#include "dht/comparison.h"

namespace weft::dht {

HandOverOp::HandOverOp(Target to, std::vector<Spread::Value> values, bool leaving)
    : Operation(std::nullopt), to_(std::move(to)), values_(std::move(values)), leaving_(leaving) {
  CHECK(!values_.empty() && values_.size() <= kCompareItemsMax);
}

void HandOverOp::start(Now now, Core& core, Output& out) {
  salt_ = core.rng.next();
  parts_.push_back({.first = 0, .count = values_.size()});
  advance(now, core, out);
}

void HandOverOp::advance(Now now, Core& core, Output& out) {
  if (done()) return;
  send(now, core, out);
  if (!asking_ && !parts_.empty()) ask_part(core, out);
  if (!asking_ && stores_open_ == 0 && to_send_.empty()) finish();
}

void HandOverOp::ask_part(Core& core, Output& out) {
  const Part part = parts_.front();
  parts_.pop_front();
  asking_ = part;
  const Compare shown = comparison(salt_, part.count, /*publishes=*/false, sums_, [&](std::size_t i) {
    const Spread::Value& value = values_[part.first + i];
    return std::pair<const NodeId&, ByteView>(value.slot.key, value.blob);
  });
  ++core.counters.compares_total;
  core.ask(key(), Role::kCompare, to_, shown, /*background=*/true, out);
}

void HandOverOp::on_compared(Now now, Core& core, const Asked&, const Compared& m, Output& out) {
  if (!asking_) return;
  const Part part = *asking_;
  asking_.reset();
  const bool told = tells(m, part.count);
  if (!m.token) {
    // It stores nothing now, and what it lacks is of no use.
  } else if (!told && part.count > 1) {
    const std::size_t half = part.count / 2;
    parts_.push_front({.first = part.first + half, .count = part.count - half});
    parts_.push_front({.first = part.first, .count = half});
  } else {
    for (std::size_t i = 0; i < part.count; ++i) {
      if (!told || lacks(m, i)) to_send_.push_back({part.first + i, *m.token});
    }
  }
  advance(now, core, out);
}

void HandOverOp::send(Now now, Core& core, Output& out) {
  while (!to_send_.empty() && stores_open_ < kHandOverStoresOpen) {
    if (!leaving_ && sent_ >= kHandOverLeast && !core.may_spend(now)) {
      rest_ = std::max(rest_, Rest::kWork);
      to_send_.clear();
      parts_.clear();
      return;
    }
    const Sending next = to_send_.front();
    to_send_.pop_front();
    const Spread::Value& value = values_[next.value];
    const std::uint32_t remaining_s = seconds_left(now, value.expires);
    if (remaining_s == 0) continue;
    ++sent_;
    ++stores_open_;
    core.ask(key(), Role::kStore, to_,
             Store{.key = value.slot.key, .token = next.token, .remaining_s = remaining_s, .blob = value.blob},
             /*background=*/true, out, static_cast<std::uint32_t>(next.value));
  }
}

void HandOverOp::on_stored(Now now, Core& core, const Asked& asked, const Stored& m, Output& out) {
  if (asked.role != Role::kStore) return;
  --stores_open_;
  const Spread::Value& value = values_[asked.detail];
  if (m.status == StoreStatus::kStored) ++core.counters.handed_over_total;
  if (m.status == StoreStatus::kBadToken) rest_ = Rest::kSilence;
  if (m.status == StoreStatus::kStale && m.seq > value.seq && core.store.find(value.slot) != nullptr &&
      fetches_++ < kHandOverFetches) {
    core.spawn(std::make_unique<FetchOp>(value.slot, value.seq, to_));
  }
  advance(now, core, out);
}

// What was lost is asked about anew; of a peer that answers no more the rest is left, too.
void HandOverOp::on_timeout(Now now, Core& core, const Asked& asked, Output& out) {
  rest_ = Rest::kSilence;
  if (asked.role == Role::kCompare) asking_.reset();
  else --stores_open_;
  if (++silences_ >= kHandOverSilent) {
    parts_.clear();
    to_send_.clear();
  }
  advance(now, core, out);
}

// Its time is up: who takes so long is as good as silent.
void HandOverOp::end(Now, Core&, OpError, Output&) {
  rest_ = Rest::kSilence;
  finish();
}

}  // namespace weft::dht
