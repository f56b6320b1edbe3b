#include "node/requests.h"

#include <algorithm>

#include "crypto/check.h"

namespace weft::node {

RequestTable::Request* RequestTable::open(const RequestInfo& info) {
  if (free_.empty()) {
    if (slots_.size() == kRequestsMax) return nullptr;
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
    free_.reserve(slots_.capacity());
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  Request& r = slots_[slot];
  CHECK(!r.in_use);
  static_cast<RequestInfo&>(r) = info;
  ByteArray<2> random;
  entropy_.fill(random);
  // The random half differs from the slot's last one in any case.
  const auto generation = load_le<std::uint16_t>(random.data());
  r.generation = generation == r.generation ? static_cast<std::uint16_t>(generation + 1)
                                            : generation;
  r.rpc = static_cast<std::uint32_t>(r.generation) << 16 | slot;
  r.attempt = 0;
  r.told_slow = false;
  r.one_try = false;
  r.endpoint = 0;
  r.tried = {};
  r.payload.clear();
  r.in_use = true;
  ++live_;
  return &r;
}

RequestTable::Request* RequestTable::find(std::uint32_t rpc) {
  const std::uint32_t slot = rpc & 0xffff;
  if (slot >= slots_.size()) return nullptr;
  Request& r = slots_[slot];
  return r.in_use && r.rpc == rpc ? &r : nullptr;
}

RequestTable::Request* RequestTable::match(std::uint32_t rpc, std::uint8_t kind,
                                           const NodeId& peer) {
  Request* r = find(rpc);
  if (r == nullptr || r->reply_kind != kind || r->to.id != peer) return nullptr;
  return r;
}

void RequestTable::close(Request& request) {
  CHECK(request.in_use);
  request.in_use = false;
  --live_;
  const auto slot = static_cast<std::uint32_t>(&request - slots_.data());
  if (slot >= kWarmRequests) Bytes().swap(request.payload);
  const auto at = std::ranges::lower_bound(free_, slot, std::greater<>());
  free_.insert(at, slot);
}

}  // namespace weft::node
