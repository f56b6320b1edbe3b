// The supervisor of a testnet: forms it, then serves its verbs until it is told to end.
//
// One thread, one poll loop. Owns everything of the testnet; when it ends, in whichever way, no
// node stays: each is signalled and waited for, and if the supervisor is killed they notice the end
// of their inherited pipe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "testnet/supervisor_server.h"
#include "testnet/testbed.h"
#include "testnet/web.h"

namespace weft::testnet {

struct SupervisorOptions {
  Layout layout;
  FleetOptions fleet;
  std::size_t nodes = 1;
  std::uint64_t seed = 0;
  std::string link;                     // SPEC; empty: none
  std::string matrix_csv;               // contents of the SPEC's matrix file
  std::optional<Endpoint> http;         // where the testnet's own HTTP listens
  std::optional<Milliseconds> timeout;  // for all to see all
  bool stay_after_failure = false;      // leave a testnet that did not form for inspection
};

struct Progress {
  std::size_t nodes = 0, running = 0, ready = 0, dead = 0, paused = 0;
  SightingsSummary summary;
  std::int64_t elapsed_ms = 0;
  bool formed = false;
};

// How the forming went, told once.
struct Outcome {
  int exit_status = 0;
  std::string code, message;  // of a failure
  std::size_t nodes = 0;
  std::string network, dir;
  std::string seed_address;
  std::string http;  // as bound, or empty
  std::string page;  // the address of its page, with the token for its buttons
  std::int64_t spawn_ms = 0;        // from the start until the last node had been started
  std::int64_t all_see_all_ms = 0;  // from the start; 0: not reached
};

class Supervisor {
 public:
  explicit Supervisor(SupervisorOptions options);
  ~Supervisor();

  std::function<void(const Progress&)> on_progress;  // a few times a second while forming, then 1/s
  std::function<void(const Outcome&)> on_outcome;

  // Returns the exit status of the process when no node is left.
  int run();

 private:
  enum class Phase : unsigned char { kFirst, kForming, kConfirming, kServing, kEnding };
  void set_up();
  void turn(MonoTime now);
  void watch_first(MonoTime now);
  void watch_forming(MonoTime now);
  void confirm();
  void finish_forming(Outcome outcome);
  void form_failed(int exit_status, const std::string& code, const std::string& message);
  void begin_end(MonoTime now);
  void take_signals();
  int poll_ms() const;
  Outcome base_outcome() const;
  void report(MonoTime now);

  SupervisorOptions options_;
  Testbed testbed_;
  SupervisorServer server_;
  std::unique_ptr<Web> web_;
  std::string http_;  // as bound
  Phase phase_ = Phase::kFirst;
  int signals_ = -1;
  bool outcome_told_ = false;
  int exit_status_ = 0;
  MonoTime begun_{};
  MonoTime report_due_{};
  MonoTime kill_due_{};
  MonoTime confirm_again_{};
  bool killed_ = false;
  std::int64_t spawn_ms_ = 0;
  std::int64_t converged_ms_ = 0;
  std::uint64_t news_seen_ = 0;  // of the last look at the summary
  std::size_t confirmations_wanted_ = 0;
  bool confirmation_failed_ = false;
};

}  // namespace weft::testnet
