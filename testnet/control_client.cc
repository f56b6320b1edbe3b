#include "testnet/control_client.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace weft::testnet {

namespace {

CallResult ended(const HttpExchange& exchange) {
  switch (exchange.state()) {
    case ExchangeState::kDone:
      return {CallStatus::kAnswered, exchange.response(), {}};
    case ExchangeState::kNoNode:
      return {CallStatus::kNoNode, {}, exchange.trouble()};
    case ExchangeState::kBroken:
      return {CallStatus::kBroken, {}, exchange.trouble()};
    case ExchangeState::kWaiting:
    case ExchangeState::kBusy:
      break;
  }
  return {CallStatus::kTimedOut, {}, "no answer in time"};
}

bool in_progress(ExchangeState state) {
  return state == ExchangeState::kWaiting || state == ExchangeState::kBusy;
}

}  // namespace

CallResult call_node(const std::string& socket_path, HttpRequest request,
                     std::optional<Milliseconds> timeout,
                     std::function<bool(std::string_view)> on_body) {
  HttpExchange exchange(socket_path, std::move(request), std::move(on_body));
  const MonoTime start = mono_now();
  ExchangeState state = exchange.start();
  while (in_progress(state)) {
    std::int64_t wait_ms = -1;
    if (timeout) {
      wait_ms = std::max<std::int64_t>(0, timeout->count() - ms_between(start, mono_now()));
      if (wait_ms == 0) break;
    }
    if (state == ExchangeState::kBusy) {
      const timespec pause{0, 2'000'000};
      ::nanosleep(&pause, nullptr);
      state = exchange.start();
      continue;
    }
    pollfd fd{exchange.fd(), exchange.events(), 0};
    const int ready = ::poll(&fd, 1, static_cast<int>(std::min<std::int64_t>(wait_ms, 1 << 30)));
    if (ready > 0) state = exchange.on_ready();
    if (ready < 0 && errno != EINTR) break;
  }
  return ended(exchange);
}

bool CallPool::submit(Call call) {
  if (waiting_.size() >= kCallsWaitingMax) return false;
  waiting_.push_back(std::move(call));
  return true;
}

void CallPool::add_fds(std::vector<pollfd>& fds) const {
  for (const Active& active : active_) {
    if (active.exchange->state() != ExchangeState::kWaiting) continue;
    fds.push_back({active.exchange->fd(), active.exchange->events(), 0});
  }
}

std::optional<CallResult> CallPool::result_of(const Active& active, MonoTime now) {
  if (in_progress(active.exchange->state()) && now < active.deadline) return std::nullopt;
  return ended(*active.exchange);
}

void CallPool::advance(MonoTime now) {
  while (active_.size() < kCallsInFlight && !waiting_.empty()) {
    Active next{std::move(waiting_.front()), nullptr, now};
    waiting_.pop_front();
    next.deadline = now + next.call.timeout;
    next.exchange = std::make_unique<HttpExchange>(next.call.socket_path, next.call.request);
    active_.push_back(std::move(next));
  }
  std::vector<std::pair<std::function<void(CallResult)>, CallResult>> done;
  for (Active& active : active_) {
    if (active.exchange->state() == ExchangeState::kBusy) active.exchange->start();
    // on_ready of a socket that is not ready costs one recv that says so.
    if (active.exchange->state() == ExchangeState::kWaiting) active.exchange->on_ready();
    if (auto result = result_of(active, now)) {
      done.emplace_back(std::move(active.call.on_done), std::move(*result));
      active.exchange.reset();
    }
  }
  std::erase_if(active_, [](const Active& active) { return active.exchange == nullptr; });
  for (auto& [on_done, result] : done) {
    if (on_done) on_done(std::move(result));
  }
}

}  // namespace weft::testnet
