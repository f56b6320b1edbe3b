#include "dht/spread.h"

namespace weft::dht {

Spread::Spread(OpKey op, Value value, bool background, StoreRound round)
    : op_(op), value_(std::move(value)), background_(background), round_(std::move(round)) {}

void Spread::pump(Now now, Core& core, Output& out) {
  const std::uint32_t remaining_s = seconds_left(now, value_.expires);
  if (remaining_s == 0) return;
  while (const auto ask = round_.next()) {
    if (ask->token) {
      const Store store{.key = value_.slot.key, .token = *ask->token, .remaining_s = remaining_s,
                        .blob = value_.blob};
      core.ask(op_, Role::kStore, ask->to, store, background_, out);
    } else {
      // Whoever has it, or a newer one, shows it and need not be sent a thousand bytes. A page that is
      // not the first names no contacts, which would be as many bytes again.
      const Get get{.key = value_.slot.key, .author = value_.slot.author, .after = value_.slot.author,
                    .want_token = true, .newer_than = value_.seq - 1};
      core.ask(op_, Role::kToken, ask->to, get, background_, out);
    }
  }
}

void Spread::on_values(const Asked& asked, const Values& m) {
  // That there is more may only mean that it has not looked yet, so it is no copy.
  round_.on_token(asked.peer.id, m.token, /*holds=*/!m.values.empty());
}

}  // namespace weft::dht
