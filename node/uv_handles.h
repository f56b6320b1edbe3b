// libuv's handles with owners: a timer, a watched file descriptor, a signal, a wake-up from another
// thread. Shell only; loop thread only, but for UvAsync::send.
//
// libuv frees a handle's memory only after its close callback, so each object here owns a block on
// the heap that outlives it until then. The loop must run once more after the last one has gone.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>

#include "crypto/check.h"

namespace weft::node {

template <class Handle>
class UvOwned {
 public:
  UvOwned() : block_(new Block) { block_->handle.data = block_; }
  ~UvOwned() {
    block_->call = nullptr;
    if (!open_) {
      delete block_;
      return;
    }
    uv_close(as_handle(), [](uv_handle_t* handle) { delete static_cast<Block*>(handle->data); });
  }
  UvOwned(const UvOwned&) = delete;
  UvOwned& operator=(const UvOwned&) = delete;

 protected:
  struct Block {
    Handle handle{};
    std::function<void(int)> call;
  };
  uv_handle_t* as_handle() { return reinterpret_cast<uv_handle_t*>(&block_->handle); }
  static void invoke(Handle* handle, int argument) {
    const auto* block = static_cast<Block*>(handle->data);
    if (block->call) block->call(argument);
  }

  Block* block_;
  bool open_ = false;
};

class UvTimer : public UvOwned<uv_timer_t> {
 public:
  UvTimer(uv_loop_t* loop, std::function<void()> call) {
    CHECK(uv_timer_init(loop, &block_->handle) == 0);
    open_ = true;
    block_->call = [call = std::move(call)](int) { call(); };
  }
  // Fires once after so many milliseconds by the clock, not by the loop's cached time.
  void start(std::uint64_t after_ms) {
    uv_update_time(block_->handle.loop);
    uv_timer_start(
        &block_->handle, [](uv_timer_t* timer) { invoke(timer, 0); }, after_ms, 0);
  }
  void stop() { uv_timer_stop(&block_->handle); }
  bool active() { return uv_is_active(as_handle()) != 0; }
};

class UvPoll : public UvOwned<uv_poll_t> {
 public:
  // `call` gets the events that are ready. The descriptor stays the caller's and must outlive this.
  UvPoll(uv_loop_t* loop, int fd, std::function<void(int events)> call) {
    open_ = uv_poll_init(loop, &block_->handle, fd) == 0;
    block_->call = std::move(call);
  }
  bool ok() const { return open_; }
  bool start(int events) {
    return open_ &&
           uv_poll_start(&block_->handle, events, [](uv_poll_t* poll, int status, int ready) {
             invoke(poll, status < 0 ? UV_READABLE | UV_DISCONNECT : ready);
           }) == 0;
  }
  void stop() {
    if (open_) uv_poll_stop(&block_->handle);
  }
};

class UvSignal : public UvOwned<uv_signal_t> {
 public:
  UvSignal(uv_loop_t* loop, int number, std::function<void()> call) {
    CHECK(uv_signal_init(loop, &block_->handle) == 0);
    open_ = true;
    block_->call = [call = std::move(call)](int) { call(); };
    uv_signal_start(
        &block_->handle, [](uv_signal_t* signal, int) { invoke(signal, 0); }, number);
  }
};

class UvAsync : public UvOwned<uv_async_t> {
 public:
  UvAsync(uv_loop_t* loop, std::function<void()> call) {
    CHECK(uv_async_init(loop, &block_->handle, [](uv_async_t* async) { invoke(async, 0); }) == 0);
    open_ = true;
    block_->call = [call = std::move(call)](int) { call(); };
  }
  // From any thread, while this object lives.
  void send() { uv_async_send(&block_->handle); }
};

}  // namespace weft::node
