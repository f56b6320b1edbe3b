#include "dht/hand_over_op.h"

#include "dht/background_ops.h"
#include "dht/comparison.h"
#include "dht/store_filling.h"

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
  if (!asking_ && stores_.empty() && to_send_.empty()) finish();
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
  } else if (!told && part.count > kUntoldSent) {
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
  while (!to_send_.empty() && stores_.size() < kHandOverStoresOpen) {
    if (!leaving_ && sent_ >= kHandOverLeast && !core.may_spend(now)) {
      rest_ = std::max(rest_, Rest::kWork);
      to_send_.clear();
      parts_.clear();
      return;
    }
    const Token token = to_send_.front().token;
    StoreFilling together(token);
    std::vector<std::size_t> values;
    for (; !to_send_.empty(); to_send_.pop_front()) {
      const Sending& next = to_send_.front();
      const Spread::Value& value = values_[next.value];
      const StoreItem item{.key = value.slot.key, .remaining_s = seconds_left(now, value.expires), .blob = value.blob};
      if (item.remaining_s == 0) continue;
      if (next.token != token || !together.add(item)) break;
      values.push_back(next.value);
    }
    if (values.empty()) continue;
    sent_ += values.size();
    stores_.emplace(++stores_total_, std::move(values));
    core.ask(key(), Role::kStore, to_, together.message(), /*background=*/true, out, stores_total_);
  }
}

void HandOverOp::on_stored_many(Now now, Core& core, const Asked& asked, const StoredMany& m, Output& out) {
  const auto it = stores_.find(asked.detail);
  if (asked.role != Role::kStore || it == stores_.end()) return;
  // A holder that leaves answers out harms its own copies.
  for (std::size_t i = 0; i < std::min(it->second.size(), m.answers.size()); ++i) {
    sent_now(core, values_[it->second[i]], m.answers[i]);
  }
  stores_.erase(it);
  advance(now, core, out);
}

void HandOverOp::sent_now(Core& core, const Spread::Value& value, const Stored& m) {
  if (m.status == StoreStatus::kStored) ++core.counters.handed_over_total;
  if (m.status == StoreStatus::kBadToken) rest_ = Rest::kSilence;
  if (m.status == StoreStatus::kStale && m.seq > value.seq && core.store.find(value.slot) != nullptr &&
      fetches_++ < kHandOverFetches) {
    core.spawn(std::make_unique<FetchOp>(value.slot, value.seq, to_));
  }
}

// What was lost is asked about anew; of a peer that answers no more the rest is left, too.
void HandOverOp::on_timeout(Now now, Core& core, const Asked& asked, Output& out) {
  rest_ = Rest::kSilence;
  if (asked.role == Role::kCompare) asking_.reset();
  else stores_.erase(asked.detail);
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
