// What a simulated network does to a datagram: late, lost, doubled, cut in two sides, damaged, too
// large, refused by who is `unroutable` (nat.h has real NATs). Everything but a line's queue and such mappings is a hash of the seed
// and the datagram's own coordinates (from, to, time, ordinal), so taking one node or phase out of
// a run leaves the luck of the others alone.
//
// Memory grows with nodes (and, behind NATs, with whom they talked to of late), never with pairs.
// Integers only. Nodes are numbered; who has which address is the network's affair.
#pragma once

#include <map>
#include <vector>

#include "crypto/inline_vec.h"
#include "testnet/rtt_matrix.h"
#include "testnet/scenario/scenario.h"
#include "testnet/sim/nat.h"

namespace weft::sim {

// Positions are whole numbers in a disc of this radius; its diameter is the plane's `spread`.
inline constexpr std::int64_t kPlaneRadius = 1 << 20;

struct Arrival {
  Duration after{};
  std::optional<std::uint64_t> damage;  // corrupt: which bit, modulo the datagram's
};
using Arrivals = InlineVec<Arrival, 2>;

// Why a datagram never arrives; counted.
struct WeatherCounters {
  std::uint64_t lost = 0, cut_off = 0, too_large = 0, queue_full = 0, refused = 0, damaged = 0;
};

// The whole part of the square root.
std::uint64_t root_of(std::uint64_t square);

class Weather {
 public:
  explicit Weather(std::uint64_t seed) : seed_(seed) {}

  // `matrix` belongs to link.spec.matrix_file, if that is set.
  void set_link(const scenario::Link& link, std::optional<testnet::RttMatrix> matrix);
  // side_a[node]; nodes beyond its end are on side B. One way: A cannot reach B, B reaches A. Who is
  // a bridge reaches both sides and is reached by both.
  void split(std::vector<bool> side_a, bool one_way, std::vector<bool> bridges = {});
  void heal();

  // When the datagram that `from` sends to `to` now arrives: never, once or twice.
  Arrivals decide(Instant now, std::size_t from, std::size_t to, std::size_t bytes);
  // One way between two nodes without jitter and queue.
  Duration one_way(std::size_t from, std::size_t to) const;
  const WeatherCounters& counters() const { return counters_; }

 private:
  struct Line {
    Instant free{};           // of the sender's line
    Instant last{};           // its ordinals count the datagrams of one instant
    std::uint64_t ordinal = 0;
    std::uint16_t region = 0;
    Duration access{};
    std::int32_t x = 0, y = 0;  // in the disc of kPlaneRadius
    bool guarded = false;     // unroutable: only answers come in
    std::map<std::size_t, Instant> talked;  // guarded: to whom it sent, and when last
  };
  Line& line(std::size_t node);
  bool cut(std::size_t from, std::size_t to) const;
  bool on_side_a(std::size_t node) const { return node < side_a_.size() && side_a_[node]; }
  bool bridge(std::size_t node) const { return node < bridges_.size() && bridges_[node]; }

  std::uint64_t seed_;
  scenario::Link link_;
  std::optional<testnet::RttMatrix> matrix_;
  std::vector<Line> lines_;
  std::vector<bool> side_a_;
  std::vector<bool> bridges_;
  bool one_way_ = false;
  WeatherCounters counters_;
};

}  // namespace weft::sim
