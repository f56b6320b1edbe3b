#include "testnet/replay.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "node/files.h"
#include "testnet/page_server.h"
#include "testnet/recorded.h"

namespace weft::testnet {
namespace {

using node::ControlOutcome;
using node::ControlReply;
using node::ControlRequest;
using node::RequestId;
using node::to_reply;

constexpr Milliseconds kStep{50};  // how often what has come to pass is taken in

// Nobody: a recording answers nothing.
class Nobody : public BehindPage {
 public:
  std::optional<ControlReply> refuse_post(const ControlRequest& /*request*/) override {
    return to_reply({"forbidden", "this is a recording: it can be watched and not changed"});
  }
  ControlOutcome post(RequestId, std::string_view, const std::string&) override { return to_reply({"forbidden", "this is a recording"}); }
  ControlOutcome read(RequestId, std::string_view) override { return to_reply({"not_found", "the nodes of a recording answer nothing"}); }
  ControlOutcome metrics(RequestId, const ControlRequest&) override { return to_reply({"not_found", "a recording has no metrics"}); }
  bool keeps() const override { return true; }
};

// Applies the events of the log as their time comes.
class Player {
 public:
  Player(std::istream& in, Recorded& to, std::int64_t length_ms, double speed) : reader_(in), to_(to), length_ms_(length_ms), speed_(speed) {}

  void begin(MonoTime now) {
    if (!begun_) begun_ = now;
  }
  bool playing() const { return begun_ && !over_; }
  std::expected<void, std::string> advance(MonoTime now) {
    if (!playing()) return {};
    const double passed = static_cast<double>(ms_between(*begun_, now)) * speed_;
    const std::int64_t t_ms = passed >= static_cast<double>(length_ms_) ? length_ms_ : static_cast<std::int64_t>(passed);
    while (true) {
      if (!next_) {
        auto read = reader_.next();
        if (!read) return std::unexpected(std::move(read.error()));
        if (!*read) break;
        next_ = std::move(**read);
      }
      if (next_->t_ms > t_ms) break;
      to_.apply(*next_);
      next_.reset();
    }
    to_.set_time(t_ms);
    if (t_ms < length_ms_) return {};
    over_ = true;
    to_.set_ended();
    return {};
  }

 private:
  LogReader reader_;
  Recorded& to_;
  const std::int64_t length_ms_;
  const double speed_;
  std::optional<MonoTime> begun_;
  std::optional<LogEvent> next_;  // read, but not yet due
  bool over_ = false;
};

ReplayFailure bad(const ReplayOptions& options, const std::string& what) { return {true, options.log + ": " + what}; }

}  // namespace

std::expected<void, ReplayFailure> show_replay(const ReplayOptions& options, const std::function<void(const ReplayPlace&)>& listening) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(options.log, error)) return std::unexpected(bad(options, "is no file"));
  std::ifstream in(options.log, std::ios::binary);
  if (!in) return std::unexpected(bad(options, "cannot be read"));
  auto facts = survey_log(in);
  if (!facts) return std::unexpected(bad(options, facts.error()));
  in.clear();
  in.seekg(0);
  const ReplayPlace facts_of_place{.http = {}, .page = {}, .nodes = facts->nodes, .length_ms = facts->length_ms, .speed = options.speed};
  Recorded recorded(std::move(*facts), options.log, options.speed);
  Player player(in, recorded, facts_of_place.length_ms, options.speed);
  Nobody nobody;
  PageServer server(recorded, nobody);
  recorded.on_sight = [&server](std::int64_t t_ms, std::size_t observer, std::size_t subject, Sight state) {
    server.watch.note_sight(t_ms, observer, subject, state);
  };

  sigset_t mask;
  ::sigemptyset(&mask);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaddset(&mask, signal);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const node::Fd signals(::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));

  const auto bound = server.listen(options.http);
  if (!bound) return std::unexpected(ReplayFailure{false, bound.error()});
  ReplayPlace place = facts_of_place;
  place.http = to_string(*bound);
  place.page = "http://" + place.http + "/";
  listening(place);

  std::vector<pollfd> fds;
  while (true) {
    server.turn();
    const MonoTime now = mono_now();
    if (server.watch.watching()) player.begin(now);
    if (auto well = player.advance(now); !well) return std::unexpected(bad(options, well.error()));
    server.tell(now);
    server.turn();
    int wait_ms = server.timeout_ms();
    if (player.playing()) wait_ms = wait_ms < 0 ? static_cast<int>(kStep.count()) : std::min(wait_ms, static_cast<int>(kStep.count()));
    fds.assign(1, {signals.get(), POLLIN, 0});
    server.add_fds(fds);
    ::poll(fds.data(), fds.size(), wait_ms);
    if (fds.front().revents != 0) return {};
  }
}

}  // namespace weft::testnet
