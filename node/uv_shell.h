// The loop around one NodeCore: datagrams and deadlines in; rows, datagrams and events out.
//
// Every entry is a turn: read both clocks, call the core, then carry out its Output completely
// (persist to the store, send, deliver events, answers of the store), then re-arm the one timer.
// Handlers of events may call the core with the Output they are given; they never start a turn.
//
// The clock counts suspended time. When the loop comes back late (a stopped process, a machine that
// slept, an overloaded one), the core is told first, then the sockets are read dry (kReadsBeforeLate
// times, at most), and only then deadlines are judged: what arrived in time is not held against anybody.
// Loop thread only. In the steady state a turn allocates nothing.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "node/node_core.h"
#include "node/store.h"
#include "node/uv_faults.h"
#include "node/uv_udp.h"

namespace weft::node {

// CLOCK_BOOTTIME and the wall clock.
Now read_clocks();

inline constexpr Duration kLateMin = 100ms;
// So long a turn takes in datagrams or answers of the store; the rest waits for a turn after everybody else's. But a late
// one reads the sockets dry.
inline constexpr Duration kTurnMax = 2ms;

class UvAsync;

class UvShell {
 public:
  using OnEvent = std::function<void(Now, const Event&, Output&)>;

  explicit UvShell(uv_loop_s* loop);
  ~UvShell();

  UdpSockets& sockets() { return sockets_; }
  // nullptr without enable_faults().
  UvFaults* faults() { return faults_.get(); }
  void enable_faults();
  std::uint64_t late_total() const { return late_total_; }

  // Starts to drive `core`. Both must live until detach(). `after_turn` runs at the end of every
  // turn of somebody else than the network (an operation may have ended).
  void attach(NodeCore& core, Store& store, OnEvent on_event);
  // No more datagrams, deadlines or turns.
  void detach();

  // One turn: act(now, out) calls the core.
  template <class Act>
  void turn(Act&& act) {
    const Now now = read_clocks();
    begin(now);
    act(now, out_);
    finish(now);
  }
  // The store has answers: called on the loop after its wake-up.
  void on_store_done();
  // Does nothing for a while, or until a signal comes, as a machine that is stuck would (--faults).
  void stall(Duration duration);

 private:
  void begin(Now now);
  void finish(Now now);
  void drain(Now now);
  void send(Now now);
  void rearm(Now now);
  void take_from_store(Now now, Output& out);
  // Up to kDatagramsPerWake datagrams; `in_time`: no more than the turn has time for. True: the sockets are dry.
  bool receive(bool in_time);
  void on_readable();
  void on_timer();
  void check_late(Now now);

  uv_loop_s* loop_;
  UdpSockets sockets_;
  std::unique_ptr<UvFaults> faults_;
  std::unique_ptr<UvTimer> timer_;
  NodeCore* core_ = nullptr;
  Store* store_ = nullptr;
  OnEvent on_event_;
  UdpSockets::OnDatagram on_datagram_;
  Now now_;  // of the current batch of datagrams
  Output out_;
  std::vector<Event> events_;  // being delivered
  std::vector<StoreDone> done_;
  std::size_t done_taken_ = 0;  // of these; the others are left for another turn
  std::vector<dht::Loaded> loaded_;
  std::deque<dht::Loaded> to_take_;     // those that are left for another turn
  std::unique_ptr<UvAsync> more_;       // that turn; a timer of no time would run again before any socket is polled
  std::unique_ptr<UvAsync> at_once_;    // a deadline that is past already
  std::optional<Instant> armed_;
  bool left_over_ = false;  // the core judged others of the same time, and leaves it to another turn
  Instant last_dry_;        // when the sockets were last read dry: as of the turn's start
  Instant turn_until_;  // the turn under way
  Instant last_turn_;   // when the loop was last seen at work
  bool in_turn_ = false;
  std::uint64_t late_total_ = 0;
};

}  // namespace weft::node
