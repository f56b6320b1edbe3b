// What a page about a testnet is told: everything at first, then what changed (JSON; shapes: docs/DASHBOARD.md).
//
// Made of what the supervisor knows: its children, their event lines, and now and then the metrics of all nodes. Nothing is
// gathered while nobody watches. Bounded: kPointsMax points, twice kEventsMax events a change (what is more is counted and left off).
// A change names only nodes whose line differs from the one told last. Pure but for /proc/PID/stat. One thread.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/histogram.h"
#include "testnet/testbed.h"

namespace weft::testnet {

inline constexpr Milliseconds kChangeEvery{500};
inline constexpr Milliseconds kPointEvery{1000};
inline constexpr Milliseconds kSampleEvery{5000};
inline constexpr std::size_t kPointsMax = 600;
inline constexpr std::size_t kEventsMax = 200;  // of what nodes say of others; as many of processes have a place besides

// What one node has counted since it started, read off its metrics.
struct NodeTotals {
  double bytes = 0, packets = 0, values = 0;
  // Of put, get and lookup: operations by class of Histogram, cumulative, the last one of all.
  std::array<std::array<double, Histogram::kEnds.size() + 1>, 3> operations{};
};
// Lines that are none of those wanted are passed over.
NodeTotals read_totals(std::string_view metrics);

class Watch {
 public:
  // `testbed` must outlive it; its fleet tells it of sights from now on.
  explicit Watch(Testbed& testbed);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Somebody watches, or nobody does any more: then what was gathered is forgotten.
  void begin(MonoTime now);
  void end();
  bool watching() const { return watching_; }

  // `churning`: a churn of the page's goes on.
  std::string snapshot(MonoTime now, bool churning) const;
  // What changed since the last one.
  std::string change(MonoTime now, bool churning);
  // Who says what of whom: a row of characters an observer.
  std::string sights() const;

  // A round of samples: each node's totals between these two, with when they came.
  void begin_sample();
  void add_sample(MonoTime now, std::size_t node, const NodeTotals& totals);
  void end_sample();

 private:
  // Rates since the round before.
  struct Rates {
    double bytes_per_node_s = 0, packets_per_node_s = 0, cpu_share = 0, values = 0;
    std::array<double, 3> operations_per_s{};
    std::array<std::optional<double>, 3> p50_ms{}, p99_ms{};
  };
  struct Sampled {
    NodeTotals totals;
    std::uint64_t cpu_us = 0;
    std::size_t starts = 0;
    MonoTime at{};
  };
  std::vector<std::string> node_lines() const;
  std::string summary(bool churning) const;
  std::string point(MonoTime now, const std::string& summary) const;
  void note_runs();
  void note_run(std::size_t node, Run run);
  std::int64_t since_begin(MonoTime now) const { return ms_between(begun_, now); }

  Testbed& testbed_;
  const MonoTime begun_ = mono_now();
  bool watching_ = false;
  std::vector<std::string> told_;  // the line of each node
  std::vector<std::pair<Run, std::size_t>> runs_;  // and how often it was started
  std::vector<std::string> events_;
  std::size_t events_left_off_ = 0;
  std::deque<std::string> points_;
  std::optional<MonoTime> point_at_;
  std::map<std::size_t, Sampled> before_, now_;
  std::optional<Rates> rates_;
};

}  // namespace weft::testnet
