// Bad weather in the send path of a real node, for `--faults`: the link model with its delays.
//
// Datagrams that are to arrive later wait in a bounded heap and leave by a timer of their own; what
// does not fit is dropped and counted. Slots are reused, so a steady flow allocates nothing.
// Loop thread only.
#pragma once

#include <memory>
#include <vector>

#include "crypto/outbox.h"
#include "node/control_api.h"
#include "node/link_model.h"

struct uv_loop_s;

namespace weft::node {

inline constexpr std::size_t kDelayedMax = 8192;

class UdpSockets;
class UvTimer;

class UvFaults {
 public:
  // `sockets` must outlive the object.
  UvFaults(uv_loop_s* loop, UdpSockets& sockets);
  ~UvFaults();

  FaultsNow change(FaultsChange change);
  FaultsNow now() const { return {to_string(model_.spec()), blocked_.size()}; }
  // Takes all of `out`; each datagram leaves now, later, twice or never.
  void send(Instant now, const Outbox& out);
  std::uint64_t dropped_total() const { return dropped_total_; }

 private:
  struct Delayed {
    Instant due;
    std::uint64_t order = 0;  // ties leave in the order in which they came
    std::uint32_t slot = 0;
  };
  struct Slot {
    Endpoint to;
    std::uint16_t size = 0;
    ByteArray<kDatagramBytesMax> bytes;
  };
  static bool later(const Delayed& a, const Delayed& b);
  void delay(Instant due, const Endpoint& to, ByteView bytes);
  void on_timer();
  void arm(Instant now);

  UdpSockets& sockets_;
  std::unique_ptr<UvTimer> timer_;
  LinkModel model_;
  std::vector<Endpoint> blocked_;  // sorted
  std::vector<Delayed> heap_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::uint32_t> free_;
  Instant armed_;
  std::uint64_t order_ = 0;
  std::uint64_t dropped_total_ = 0;
};

}  // namespace weft::node
