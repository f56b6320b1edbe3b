#include "node/uv_faults.h"

#include <algorithm>

#include "node/uv_handles.h"
#include "node/uv_shell.h"
#include "node/uv_udp.h"

namespace weft::node {

UvFaults::UvFaults(uv_loop_s* loop, UdpSockets& sockets)
    : sockets_(sockets), timer_(std::make_unique<UvTimer>(loop, [this] { on_timer(); })) {}
UvFaults::~UvFaults() = default;

FaultsNow UvFaults::change(FaultsChange change) {
  if (change.seed) model_.set_seed(*change.seed);
  if (change.link) model_.set_spec(std::move(*change.link));
  if (change.matrix) model_.set_matrix(std::move(*change.matrix));
  if (change.block) blocked_ = std::move(*change.block);
  return now();
}

void UvFaults::send(Instant now, const Outbox& out) {
  if (!model_.active() && blocked_.empty()) return sockets_.send(out);
  for (const Outbox::Datagram& datagram : out.datagrams()) {
    if (std::ranges::binary_search(blocked_, datagram.to)) {
      ++dropped_total_;
      continue;
    }
    const ByteView bytes = out.bytes(datagram);
    const Endpoint from = sockets_.source_for(datagram.to).value_or(Endpoint{});
    const Fate fate = model_.decide(now, from, datagram.to, bytes.size());
    if (fate.delays.empty()) ++dropped_total_;
    for (const Duration wait : fate.delays) {
      if (wait <= Duration(0)) {
        sockets_.send(datagram.to, bytes);
      } else {
        delay(now + wait, datagram.to, bytes);
      }
    }
  }
  arm(now);
}

bool UvFaults::later(const Delayed& a, const Delayed& b) {
  return a.due != b.due ? a.due > b.due : a.order > b.order;
}

void UvFaults::delay(Instant due, const Endpoint& to, ByteView bytes) {
  if (heap_.size() >= kDelayedMax) {
    ++dropped_total_;
    return;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.push_back(std::make_unique<Slot>());
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  Slot& slot = *slots_[index];
  slot.to = to;
  slot.size = static_cast<std::uint16_t>(bytes.size());
  std::ranges::copy(bytes, slot.bytes.begin());
  heap_.push_back({due, order_++, index});
  std::ranges::push_heap(heap_, later);
}

void UvFaults::on_timer() {
  const Instant now = read_clocks().mono;
  while (!heap_.empty() && heap_.front().due <= now) {
    std::ranges::pop_heap(heap_, later);
    const std::uint32_t index = heap_.back().slot;
    heap_.pop_back();
    const Slot& slot = *slots_[index];
    sockets_.send(slot.to, ByteView(slot.bytes).first(slot.size));
    free_.push_back(index);
  }
  armed_ = {};
  arm(now);
}

void UvFaults::arm(Instant now) {
  if (heap_.empty()) return;
  const Instant due = heap_.front().due;
  if (timer_->active() && armed_ == due) return;
  armed_ = due;
  // Rounded to the nearest millisecond: the timer knows no finer ones.
  const Duration wait = std::max(Duration(0), due - now);
  timer_->start(static_cast<std::uint64_t>((wait + 500us) / 1ms));
}

}  // namespace weft::node
