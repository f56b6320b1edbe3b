#include "dht/background_ops.h"

namespace weft::dht {

SpreadOp::SpreadOp(Spread::Value value, std::vector<Holder> holders)
    : Operation(std::nullopt),
      value_(std::move(value)),
      holders_(std::move(holders)) {}

void SpreadOp::start(Now now, Core& core, Output& out) {
  const std::size_t wanted = holders_.size();
  spread_.emplace(key(), std::move(value_), /*background=*/true,
                  StoreRound({.wanted = wanted, .needed = 0, .have = 0},
                             std::move(holders_)));
  advance(now, core, out);
}

void SpreadOp::advance(Now now, Core& core, Output& out) {
  if (done()) return;
  spread_->pump(now, core, out);
  if (spread_->round().settled()) finish();
}

void SpreadOp::on_values(Now now, Core& core, const Asked& asked, Duration, const Values& m,
                         Output& out) {
  spread_->on_values(asked, m);
  advance(now, core, out);
}

void SpreadOp::on_stored(Now now, Core& core, const Asked& asked, const Stored& m, Output& out) {
  spread_->on_stored(asked, m);
  if (m.status == StoreStatus::kStored) ++core.counters.repairs_total;
  if (m.status == StoreStatus::kStale && m.seq > spread_->value().seq) {
    const Target* from = spread_->round().stale_holder();
    if (from != nullptr && core.store.find(spread_->value().slot) != nullptr) {
      core.spawn(std::make_unique<FetchOp>(spread_->value().slot, spread_->value().seq, *from));
    }
  }
  advance(now, core, out);
}

void SpreadOp::on_slow(Now now, Core& core, const Asked& asked, Output& out) {
  spread_->on_slow(asked);
  advance(now, core, out);
}

void SpreadOp::on_timeout(Now now, Core& core, const Asked& asked, Output& out) {
  spread_->on_timeout(asked);
  advance(now, core, out);
}

void SpreadOp::end(Now, Core&, OpError, Output&) { finish(); }

FetchOp::FetchOp(const Slot& slot, std::uint64_t newer_than, const Target& from)
    : Operation(std::nullopt), slot_(slot), newer_than_(newer_than), from_(from) {}

void FetchOp::start(Now, Core& core, Output& out) {
  const Get get{.key = slot_.key, .author = slot_.author, .after = {}, .want_token = false,
                .newer_than = newer_than_};
  core.ask(key(), Role::kFetch, from_, get, /*background=*/true, out);
}

void FetchOp::on_values(Now now, Core& core, const Asked&, Duration, const Values& m,
                        Output& out) {
  finish();
  for (const HeldValue& held : m.values) {
    const auto value = decode_value(held.blob);
    if (!value || node_id_of(value->author) != slot_.author) continue;
    if (!verify_value(core.provider, slot_.key, *value)) continue;
    core.adopt(now, slot_, held.blob, held.remaining_s, out);
  }
}

}  // namespace weft::dht
