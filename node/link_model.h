// The weather of a network as a value: which datagram is lost, late, doubled or overtaken.
//
// The fate of a datagram is a hash of (seed, from, to, time, ordinal), never of what happened to
// others, so removing one datagram from an experiment keeps the luck of the rest; only the rate
// limit has a memory. Used by the simulator for its network and by `weft up --faults` in the send
// path. Pure: no clock, no files, integers only.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/endpoint.h"
#include "crypto/inline_vec.h"
#include "crypto/time.h"

namespace weft::node {

// SPEC of a link: `latency=20ms,jitter=10%,loss=2%,dup=1%,reorder=1%,rate=2MiB`.
struct LinkSpec {
  Duration latency{};              // one way
  std::string matrix_file;         // latency=matrix:FILE, which the caller reads; empty: none
  std::uint32_t jitter_ppm = 0;    // of the latency, to either side
  std::uint32_t loss_ppm = 0;      // per datagram, at the sender
  std::uint32_t dup_ppm = 0;       // arrives twice, each copy with its own jitter
  std::uint32_t reorder_ppm = 0;   // held back long enough to be overtaken
  std::uint64_t rate_bytes_s = 0;  // of the sender's line; 0: unlimited
  bool operator==(const LinkSpec&) const = default;
};

// The empty text is a link without faults. The error says which part is wrong and what is expected.
std::expected<LinkSpec, std::string> parse_link_spec(std::string_view text);
// The canonical text of a spec; parses to the same value.
std::string to_string(const LinkSpec& spec);

// Round trips between regions, and in which region each endpoint lies.
struct LinkMatrix {
  std::vector<std::vector<Duration>> rtt;               // square
  std::size_t self = 0;                                 // the sender's region
  std::vector<std::pair<Endpoint, std::size_t>> peers;  // sorted by endpoint

  // Half of the round trip; nullopt if the endpoint is not in the list.
  std::optional<Duration> one_way(const Endpoint& to) const;
};

// When a datagram arrives after it was sent: never, once or twice.
struct Fate {
  InlineVec<Duration, 2> delays;
};
struct Passage {
  Endpoint from;
  Endpoint to;
  Instant at;
  std::uint64_t ordinal = 0;  // among the datagrams of this instant
};
// The fate of one datagram whose way takes `one_way` without faults.
Fate fate_of(const LinkSpec& spec, std::uint64_t seed, const Passage& passage, Duration one_way);

// Data that a sender's line has accepted and not yet sent is at most this old; what comes on top is
// lost, as in a router's queue.
inline constexpr Duration kLineQueueMax = 500ms;

// One sender: the spec and matrix in force, its line's queue, and the ordinals.
class LinkModel {
 public:
  void set_seed(std::uint64_t seed) { seed_ = seed; }
  void set_spec(LinkSpec spec) { spec_ = std::move(spec); }
  // Unsorted peers are sorted here.
  void set_matrix(LinkMatrix matrix);
  const LinkSpec& spec() const { return spec_; }
  // False: every datagram arrives at once.
  bool active() const;

  Fate decide(Instant now, const Endpoint& from, const Endpoint& to, std::size_t bytes);

 private:
  std::uint64_t seed_ = 0;
  LinkSpec spec_;
  LinkMatrix matrix_;
  Instant line_free_;
  Instant last_;
  std::uint64_t ordinal_ = 0;
};

}  // namespace weft::node
