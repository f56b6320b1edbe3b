#include "node/uv_shell.h"

#include <time.h>

#include <algorithm>

#include "node/uv_handles.h"

namespace weft::node {
namespace {

// Datagrams of one wake-up, before timers and the control API get their turn.
constexpr std::size_t kDatagramsPerWake = 64;
// Times kDatagramsPerWake that are read, at most, before a late deadline is judged: a full receive buffer of small ones.
constexpr std::size_t kReadsBeforeLate = 32;
// A timer has milliseconds, and a busy machine needs a few.
constexpr Duration kPunctual = 5ms;
// A deadline far away still wakes the loop, as the timer counts no suspended time.
constexpr Duration kSleepMax = 60s;

}  // namespace

Now read_clocks() {
  timespec mono{};
  timespec wall{};
  ::clock_gettime(CLOCK_BOOTTIME, &mono);
  ::clock_gettime(CLOCK_REALTIME, &wall);
  Now now;
  now.mono = Instant(std::chrono::seconds(mono.tv_sec) + Duration(mono.tv_nsec / 1000));
  now.wall.value = static_cast<std::int64_t>(wall.tv_sec) * 1000 + wall.tv_nsec / 1'000'000;
  return now;
}

UvShell::UvShell(uv_loop_s* loop) : loop_(loop), sockets_(loop) {}
UvShell::~UvShell() { detach(); }

void UvShell::enable_faults() { faults_ = std::make_unique<UvFaults>(loop_, sockets_); }

void UvShell::attach(NodeCore& core, Store& store, OnEvent on_event) {
  core_ = &core;
  store_ = &store;
  on_event_ = std::move(on_event);
  on_datagram_ = [this](const Endpoint& from, ByteView bytes) {
    core_->on_datagram(now_, from, bytes, out_);
    drain(now_);
  };
  timer_ = std::make_unique<UvTimer>(loop_, [this] { on_timer(); });
  more_ = std::make_unique<UvAsync>(loop_, [this] { on_store_done(); });
  at_once_ = std::make_unique<UvAsync>(loop_, [this] { on_timer(); });
  last_turn_ = read_clocks().mono;
  sockets_.start([this] { on_readable(); });
}

void UvShell::detach() {
  core_ = nullptr;
  timer_.reset();
  more_.reset();
  at_once_.reset();
  done_.clear();
  done_taken_ = 0;
  to_take_.clear();
  faults_.reset();
  sockets_.close();
}

void UvShell::begin(Now now) {
  CHECK(core_ != nullptr);
  CHECK(!in_turn_);
  in_turn_ = true;
  check_late(now);
  last_turn_ = now.mono;
  turn_until_ = now.mono + kTurnMax;
}

void UvShell::finish(Now now) {
  drain(now);
  rearm(now);
  in_turn_ = false;
}

// The loop was last at work at last_turn_, and something fell due at armed_: whatever is later than
// both is a delay of our own making.
void UvShell::check_late(Now now) {
  if (!armed_) return;
  const Duration by = now.mono - std::max(*armed_, last_turn_);
  if (by < kLateMin) return;
  ++late_total_;
  core_->was_late(now, by);
}

void UvShell::drain(Now now) {
  // Carrying out an Output may lead to another: an event's handler starts an operation, a store in
  // memory acknowledges at once. Each round takes what the one before left.
  for (;;) {
    for (Persist& batch : out_.persist) {
      store_->submit({now.wall, core_->node_time(now)}, batch.ticket, std::move(batch.writes));
    }
    for (dht::Load& load : out_.loads) store_->load(std::move(load));
    const bool persisted = !out_.persist.empty() || !out_.loads.empty();
    if (!out_.send.empty()) send(now);
    events_.swap(out_.events);
    out_.clear();
    for (const Event& event : events_) on_event_(now, event, out_);
    events_.clear();
    // A store in memory has answered already. What its answers have written belongs to the same turn.
    if (persisted && read_clocks().mono < turn_until_) take_from_store(now, out_);
    else if (persisted) more_->send();
    if (out_.persist.empty() && out_.loads.empty() && out_.send.empty() && out_.events.empty()) return;
  }
}

void UvShell::take_from_store(Now now, Output& out) {
  store_->take_done(done_);
  store_->take_loaded(loaded_);
  to_take_.insert(to_take_.end(), std::make_move_iterator(loaded_.begin()), std::make_move_iterator(loaded_.end()));
  loaded_.clear();
  // Each has its part of the turn; one of each is always taken.
  while (done_taken_ < done_.size()) {
    const StoreDone done = done_[done_taken_++];
    core_->on_persisted(now, done.ticket, done.ok, out);
    if (read_clocks().mono >= turn_until_ - kTurnMax / 2) break;
  }
  if (done_taken_ == done_.size()) {
    done_.clear();
    done_taken_ = 0;
  }
  while (!to_take_.empty()) {
    const dht::Loaded loaded = std::move(to_take_.front());
    to_take_.pop_front();
    core_->on_loaded(now, loaded, out);
    if (read_clocks().mono >= turn_until_) break;
  }
  if (!done_.empty() || !to_take_.empty()) more_->send();
}

void UvShell::send(Now now) {
  if (faults_) return faults_->send(now.mono, out_.send);
  sockets_.send(out_.send);
}

void UvShell::rearm(Now now) {
  const auto next = core_->next_deadline();
  if (next == armed_ && timer_->active()) return;
  if (next != armed_) left_over_ = false;
  armed_ = next;
  if (!next) return timer_->stop();
  if (*next <= now.mono) {
    timer_->stop();
    return at_once_->send();
  }
  const Duration wait = std::clamp<Duration>(*next - now.mono, Duration(0), kSleepMax);
  // Rounded up: a timer that fires early would only be armed again.
  timer_->start(static_cast<std::uint64_t>((wait + 999us) / 1ms));
}

bool UvShell::receive(bool in_time) {
  for (std::size_t taken = 0; taken < kDatagramsPerWake; taken += UdpSockets::kBatch) {
    if (sockets_.receive(UdpSockets::kBatch, on_datagram_)) {
      last_dry_ = now_.mono;
      return true;
    }
    if (in_time && read_clocks().mono >= turn_until_) return false;
  }
  return false;
}

void UvShell::on_readable() {
  if (core_ == nullptr) return;
  now_ = read_clocks();
  begin(now_);
  receive(/*in_time=*/true);
  finish(now_);
}

void UvShell::on_timer() {
  if (core_ == nullptr) return;
  now_ = read_clocks();
  begin(now_);
  // In time: what has come is read in its own turn. Late: an answer may have waited in the socket since before. It is
  // read dry in this one turn: read in turns of 2 ms and judged after 32 of them, 200 starting processes on two cores
  // took living members for failed.
  const bool late = armed_ && !left_over_ && last_dry_ < *armed_ && now_.mono - *armed_ > kPunctual;
  for (std::size_t i = 0; late && i < kReadsBeforeLate && !receive(/*in_time=*/false); ++i) continue;
  core_->on_deadline(now_, out_);
  armed_.reset();
  finish(now_);
  left_over_ = armed_ && *armed_ <= now_.mono;
}

void UvShell::on_store_done() {
  if (core_ == nullptr) return;
  turn([this](Now now, Output& out) { take_from_store(now, out); });
}

void UvShell::stall(Duration duration) {
  timespec left{};
  left.tv_sec = duration / 1s;
  left.tv_nsec = static_cast<long>(duration % 1s / 1us * 1000);
  // A signal ends it: who asks the node to stop is not made to wait.
  static_cast<void>(::nanosleep(&left, nullptr));
}

}  // namespace weft::node
