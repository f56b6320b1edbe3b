// What a page can be shown, as watch.h asks for it: a testnet that runs (shown_testbed.h), or one that was recorded (recorded.h).
//
// Answers are of one moment as long as nothing else is called. Indices are below size(), which never shrinks. One thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "testnet/fleet.h"
#include "testnet/rates.h"

namespace weft::testnet {

struct ShownNode {
  std::string name, id;  // no id: not known yet
  Run run = Run::kDead;
  bool ready = false;
  std::optional<pid_t> pid;
  std::vector<std::string> listen;
  std::size_t starts = 0;
  bool cut_off = false;
};

struct ShownWhole {
  SightingsSummary members;
  std::size_t false_failures = 0, ended_by_themselves = 0;
  std::string link;
  std::size_t cut_off = 0;
  bool one_way = false;
  bool churning = false;
};

// Of a recording.
struct ShownReplay {
  std::int64_t length_ms = 0;
  double speed = 1;
  std::string phase;
  bool ended = false;
};

class Shown {
 public:
  virtual ~Shown() = default;
  virtual std::int64_t t_ms(MonoTime now) const = 0;  // since it began
  virtual std::string network() const = 0;
  virtual std::string dir() const = 0;
  virtual std::size_t size() const = 0;
  virtual Run run(std::size_t i) const = 0;
  virtual std::size_t starts(std::size_t i) const = 0;
  virtual ShownNode node(std::size_t i) const = 0;
  // Who counts: running, not paused, not about to end.
  virtual std::vector<bool> present() const = 0;
  // What a node says of each other; `row` has size() places.
  virtual void sights(std::size_t observer, std::span<Sight> row) const = 0;
  virtual ShownWhole whole() const = 0;
  virtual const std::optional<Rates>& rates() const = 0;
  virtual std::optional<ShownReplay> replay() const { return std::nullopt; }
};

}  // namespace weft::testnet
