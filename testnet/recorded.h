// A run that was recorded, as a page is shown it: folds the events of its log one after the other.
//
// A log that does not tell who is ready or who saw whom (events.jsonl of a report) is shown as far as it goes: a node is ready when it is
// started, and what the samples say of members stands for all of them. Nodes of which nothing was told yet are not there; there are never
// more than LogFacts::nodes. Memory: one byte a pair. Pure. One thread.
#pragma once

#include <functional>

#include "testnet/recording.h"
#include "testnet/shown.h"

namespace weft::testnet {

class Recorded : public Shown {
 public:
  // `name`: of the file.
  Recorded(LogFacts facts, std::string name, double speed);

  // Called for each sighting.
  std::function<void(std::int64_t t_ms, std::size_t observer, std::size_t subject, Sight state)> on_sight;

  // In the order of the log. Events of nodes beyond the facts are ignored: the file has changed meanwhile.
  void apply(const LogEvent& event);
  // So far it is now, and whether that is the end.
  void set_time(std::int64_t t_ms) { t_ms_ = t_ms; }
  void set_ended() { ended_ = true; }

  std::int64_t t_ms(MonoTime /*now*/) const override { return t_ms_; }
  std::string network() const override { return facts_.scenario.empty() ? "recording" : facts_.scenario; }
  std::string dir() const override { return name_; }
  std::size_t size() const override { return nodes_.size(); }
  Run run(std::size_t i) const override { return nodes_[i].run; }
  std::size_t starts(std::size_t i) const override { return nodes_[i].starts; }
  ShownNode node(std::size_t i) const override;
  std::vector<bool> present() const override;
  void sights(std::size_t observer, std::span<Sight> row) const override;
  ShownWhole whole() const override;
  const std::optional<Rates>& rates() const override { return rates_; }
  std::optional<ShownReplay> replay() const override { return ShownReplay{facts_.length_ms, speed_, phase_, ended_}; }

 private:
  struct Node {
    Run run = Run::kDead;
    bool ready = false;
    bool cut_off = false;
    std::size_t starts = 0;
    std::vector<Sight> row;  // shorter than size(): nothing was said of the rest
  };
  struct Sampled {
    std::int64_t t_ms = 0;
    std::uint64_t bytes = 0, packets = 0;
  };
  Node* at(std::size_t node);
  void begin(Node& node);
  void end(Node& node);
  void saw(std::int64_t t_ms, const LogSight& sight);
  void sample(const LogEvent& event);
  SightingsSummary members() const;

  const LogFacts facts_;
  const std::string name_;
  const double speed_;
  std::int64_t t_ms_ = 0;
  bool ended_ = false;
  std::vector<Node> nodes_;
  std::string phase_, link_;
  bool one_way_ = false, churning_ = false;
  std::size_t false_failures_ = 0, lost_ = 0;
  std::optional<LogEvent> last_sample_;
  std::optional<Sampled> before_;          // where the rates begin
  std::array<Histogram, 3> operations_{};  // since then
  std::array<std::uint64_t, 3> failed_{};  // since then, of operations
  Classes arrivals_{};                     // since then, of shared state
  std::optional<Rates> rates_;
};

}  // namespace weft::testnet
