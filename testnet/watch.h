// What a page is told of what it is shown: everything at first, then what changed (JSON; shapes: docs/DASHBOARD.md).
//
// Nothing is gathered while nobody watches. Bounded: kPointsMax points, twice kEventsMax events a change (what is more is counted and left
// off). A change names only nodes whose line differs from the one told last. Pure but for the wall clock. One thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "testnet/shown.h"

namespace weft::testnet {

inline constexpr Milliseconds kChangeEvery{500};
inline constexpr Milliseconds kPointEvery{1000};
inline constexpr Milliseconds kSampleEvery{5000};
inline constexpr std::size_t kPointsMax = 600;
inline constexpr std::size_t kEventsMax = 200;  // of what nodes say of others; as many of processes have a place besides

class Watch {
 public:
  // `shown` must outlive it.
  explicit Watch(const Shown& shown) : shown_(shown) {}
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Somebody watches, or nobody does any more: then what was gathered is forgotten.
  void begin(MonoTime now);
  void end();
  bool watching() const { return watching_; }
  // All of a recording has been told.
  bool over() const { return told_end_; }

  // A node has said what it thinks of another.
  void note_sight(std::int64_t t_ms, std::size_t observer, std::size_t subject, Sight state);

  std::string snapshot(MonoTime now) const;
  // What changed since the last one.
  std::string change(MonoTime now);
  // Who says what of whom: a row of characters an observer.
  std::string sights() const;

 private:
  std::vector<std::string> node_lines() const;
  std::string summary() const;
  std::string point(MonoTime now, const std::string& summary) const;
  // `first`: what is there when somebody begins to watch is no news.
  void note_runs(MonoTime now, bool first);
  void note_run(MonoTime now, std::size_t node, Run run);

  const Shown& shown_;
  bool watching_ = false;
  std::vector<std::string> told_;  // the line of each node
  std::vector<std::pair<Run, std::size_t>> runs_;  // and how often it was started
  std::vector<std::string> events_;
  std::size_t events_left_off_ = 0;
  std::deque<std::string> points_;
  std::optional<MonoTime> point_at_;
  bool told_end_ = false;  // the point at the end of a recording
};

}  // namespace weft::testnet
