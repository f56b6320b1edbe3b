#include "node/served.h"

#include <algorithm>

namespace weft::node {

void ServedLog::begin(Now now, const NodeId& from, std::uint32_t rpc, const dht::TraceContext& asked, std::uint8_t kind) {
  const bool again = std::ranges::any_of(served_, [&](const Served& s) { return s.from == from && s.rpc == rpc && s.asked == asked; });
  if (again) return;
  if (served_.size() == kServedMax) {
    if (!served_.front().took) --open_;
    served_.pop_front();
  }
  Served& served = served_.emplace_back();
  served.asked = asked;
  entropy_.fill(served.span);
  served.from = from;
  served.rpc = rpc;
  served.kind = kind;
  served.at = now.wall;
  served.began = now.mono;
  ++open_;
}

void ServedLog::note(Now now, const NodeId& to, std::uint32_t rpc, const dht::Answer& answer) {
  const auto it = std::find_if(served_.rbegin(), served_.rend(),
                               [&](const Served& s) { return !s.took && s.rpc == rpc && s.from == to; });
  if (it == served_.rend()) return;
  it->took = now.mono - it->began;
  it->answer = answer;
  --open_;
}

}  // namespace weft::node
