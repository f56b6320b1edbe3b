// The processes of one testnet: starts `weft up`, signals and reaps it, and follows its event
// lines.
//
// Owns the children, the pipe whose end of life they watch, and one open events file a node. A pid
// is only ever signalled before it was reaped, so it cannot be somebody else's. Never blocks.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "testnet/clock.h"
#include "testnet/directory.h"
#include "testnet/sightings.h"

namespace weft::testnet {

// A node seen failed this soon after it was started, resumed or healed may owe that to the fault
// before: not counted as a false failure.
inline constexpr Milliseconds kFalseFailureGrace{10'000};

enum class Run : unsigned char { kDead, kRunning, kPaused };
std::string_view to_string(Run run);

struct FleetOptions {
  std::string program;
  std::string network;          // the name of an open network, unique to this testnet
  std::uint16_t base_port = 0;  // 0: free ports
  bool spread = false;          // node i on its own 127.x.y.1
};

struct FleetNode {
  std::string name;
  pid_t pid = -1;
  std::uint64_t start_time = 0;
  Run run = Run::kDead;
  bool ready = false;               // this life has printed its ready line
  bool asked_to_end = false;        // we sent a signal that ends it
  std::string id;                   // known from the first ready line on
  std::vector<std::string> listen;  // as bound; kept over restarts
  MonoTime since{};                 // started or resumed
  std::size_t starts = 0;
};

class Fleet {
 public:
  Fleet(Layout layout, FleetOptions options);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  std::size_t size() const { return nodes_.size(); }
  const FleetNode& node(std::size_t i) const { return nodes_[i]; }
  const Layout& layout() const { return layout_; }
  const FleetOptions& options() const { return options_; }

  // A further node, dead; its directory exists afterwards.
  std::expected<std::size_t, std::string> add();
  // Starts a dead node. The seed is node 0, or for node 0 itself any other that runs.
  std::expected<void, std::string> start(std::size_t i);
  // Sends the signal if the node is in a state for it; false if not.
  bool kill(std::size_t i);  // SIGKILL
  bool stop(std::size_t i);  // SIGTERM, and SIGCONT if paused
  bool pause(std::size_t i);
  bool resume(std::size_t i);

  // Takes in what happened: ended children, new event lines.
  void refresh();

  std::size_t count(Run run) const;
  std::vector<bool> present() const;  // running, not paused, not leaving
  std::vector<std::size_t> indices(Run run) const;
  Sight sight(std::size_t observer, std::size_t subject) const { return sightings_.sight(observer, subject); }
  SightingsSummary summary() const { return sightings_.summarize(present()); }
  // Grows with every event line that may change the summary.
  std::uint64_t news() const { return news_; }
  // Times that a running node was called failed by a running one, beyond the grace.
  std::size_t false_failures() const { return false_failures_; }
  // While set, sightings of failures are explained (a partition) and not counted.
  void excuse_failures(bool excused);
  // The latest node that ended without having been asked to, with its last words; empty if none.
  const std::string& accident() const { return accident_; }
  std::size_t accidents() const { return accidents_; }
  Manifest manifest() const;

  // Called from refresh() for each ready line.
  std::function<void(std::size_t)> on_ready;
  // Called from refresh() for each line of a node of this testnet about another.
  std::function<void(std::size_t observer, std::size_t subject, Sight state)> on_sight;

 private:
  struct Tail {
    int fd = -1;
    std::int64_t offset = 0;
    std::string partial;
    bool skipping = false;  // inside a line that is too long
  };
  std::vector<std::string> arguments_of(std::size_t i) const;
  std::string seed_for(std::size_t i) const;
  void reap();
  void note_end(std::size_t i, int status);
  void follow(std::size_t i);
  void take_line(std::size_t i, std::string_view line);

  Layout layout_;
  FleetOptions options_;
  std::vector<FleetNode> nodes_;
  std::vector<Tail> tails_;
  Sightings sightings_;
  int life_read_ = -1;   // children inherit this end
  int life_write_ = -1;  // only we hold this one
  std::uint64_t news_ = 0;
  std::size_t false_failures_ = 0;
  bool excused_ = false;
  MonoTime excused_until_{};
  std::string accident_;
  std::size_t accidents_ = 0;
};

}  // namespace weft::testnet
