#include "testnet/sim/weather.h"

#include "crypto/rng.h"

namespace weft::sim {
namespace {

constexpr std::uint32_t kMillion = 1'000'000;
constexpr std::size_t kIpUdpBytes = 28;

// A stand-in for the address of a node: fates depend on who, not on which address it has today.
Endpoint coordinate(std::size_t node) {
  return Endpoint::v4(10, static_cast<std::uint8_t>(node >> 16),
                      static_cast<std::uint8_t>(node >> 8), static_cast<std::uint8_t>(node), 1);
}

}  // namespace

std::uint64_t root_of(std::uint64_t square) {
  std::uint64_t root = 0;
  for (std::uint64_t bit = 1ULL << 62; bit != 0; bit >>= 2) {
    const std::uint64_t next = root + bit;
    root >>= 1;
    if (square < next) continue;
    square -= next;
    root += bit;
  }
  return root;
}

void Weather::set_link(const scenario::Link& link, std::optional<testnet::RttMatrix> matrix) {
  link_ = link;
  matrix_ = std::move(matrix);
  std::vector<Line> old;
  old.swap(lines_);
  if (!old.empty()) line(old.size() - 1);
  for (std::size_t i = 0; i < old.size(); ++i) {
    lines_[i].talked = std::move(old[i].talked);
    lines_[i].last = old[i].last;
    lines_[i].ordinal = old[i].ordinal;
  }
}

void Weather::split(std::vector<bool> side_a, bool one_way, std::vector<bool> bridges) {
  side_a_ = std::move(side_a);
  bridges_ = std::move(bridges);
  one_way_ = one_way;
}

void Weather::heal() {
  side_a_.clear();
  bridges_.clear();
}

Weather::Line& Weather::line(std::size_t node) {
  while (lines_.size() <= node) {
    const std::size_t index = lines_.size();
    Line line;
    Rng rng = Rng(seed_).fork("node " + std::to_string(index));
    if (matrix_) {
      line.region = static_cast<std::uint16_t>(
          testnet::region_of(seed_, index, matrix_->regions.size()));
    }
    if (link_.plane) {
      // Evenly over the disc: what falls outside of it is drawn again. A generator of its own, so that
      // the rest of the node's luck does not depend on how often.
      Rng place = Rng(seed_).fork("place " + std::to_string(index));
      std::int64_t x = kPlaneRadius, y = kPlaneRadius;
      while (x * x + y * y > kPlaneRadius * kPlaneRadius) {
        x = static_cast<std::int64_t>(place.below(2 * kPlaneRadius + 1)) - kPlaneRadius;
        y = static_cast<std::int64_t>(place.below(2 * kPlaneRadius + 1)) - kPlaneRadius;
      }
      line.x = static_cast<std::int32_t>(x);
      line.y = static_cast<std::int32_t>(y);
    }
    const Duration drawn = rng.between(Duration{}, Duration(2 * link_.access.count()));
    line.access = drawn;
    line.guarded = rng.below(kMillion) < link_.unroutable_ppm;
    // Node 0 is the seed of all: somebody has to be reachable.
    if (index == 0) line.guarded = false;
    lines_.push_back(std::move(line));
  }
  return lines_[node];
}

bool Weather::cut(std::size_t from, std::size_t to) const {
  if (side_a_.empty() || on_side_a(from) == on_side_a(to)) return false;
  if (bridge(from) || bridge(to)) return false;
  return !one_way_ || on_side_a(from);
}

Duration Weather::one_way(std::size_t from, std::size_t to) const {
  Duration way = link_.spec.latency;
  if (matrix_) way = matrix_->rtt[lines_[from].region][lines_[to].region] / 2;
  if (link_.plane) {
    // At most 2^42 + 2^42, and a root of at most 2^21 times 10 s in microseconds.
    const std::int64_t dx = lines_[from].x - lines_[to].x;
    const std::int64_t dy = lines_[from].y - lines_[to].y;
    const auto apart = static_cast<std::int64_t>(root_of(static_cast<std::uint64_t>(dx * dx + dy * dy)));
    way = link_.plane->base + Duration(apart * link_.plane->spread.count() / (2 * kPlaneRadius));
  }
  return way + lines_[from].access + lines_[to].access;
}

Arrivals Weather::decide(Instant now, std::size_t from, std::size_t to, std::size_t bytes) {
  line(std::max(from, to));
  Line& sender = lines_[from];
  sender.ordinal = now == sender.last ? sender.ordinal + 1 : 0;
  sender.last = now;
  if (sender.guarded) {
    if (sender.talked.size() >= kNatMappingsMax && !sender.talked.contains(to)) {
      auto oldest = sender.talked.begin();
      for (auto it = sender.talked.begin(); it != sender.talked.end(); ++it) {
        if (it->second < oldest->second) oldest = it;
      }
      sender.talked.erase(oldest);
    }
    sender.talked[to] = now;
  }
  if (link_.mtu != 0 && bytes + kIpUdpBytes > link_.mtu) {
    ++counters_.too_large;
    return {};
  }
  Duration waiting{};
  if (link_.spec.rate_bytes_s != 0) {
    sender.free = std::max(sender.free, now);
    if (sender.free - now > node::kLineQueueMax) {
      ++counters_.queue_full;
      return {};
    }
    const std::uint64_t micros = (bytes + kIpUdpBytes) * kMillion / link_.spec.rate_bytes_s;
    sender.free += Duration(static_cast<Duration::rep>(micros));
    waiting = sender.free - now;
  }
  if (cut(from, to)) {
    ++counters_.cut_off;
    return {};
  }
  if (const Line& receiver = lines_[to]; receiver.guarded) {
    const auto it = receiver.talked.find(from);
    if (it == receiver.talked.end() || now - it->second > link_.nat_expiry) {
      ++counters_.refused;
      return {};
    }
  }
  const Instant::duration since = now.time_since_epoch();
  const std::uint64_t pair = (static_cast<std::uint64_t>(from) << 32) | to;
  node::LinkSpec spec = {.latency = {}, .matrix_file = {}, .jitter_ppm = link_.spec.jitter_ppm,
                         .loss_ppm = link_.spec.loss_ppm, .dup_ppm = link_.spec.dup_ppm,
                         .reorder_ppm = link_.spec.reorder_ppm, .rate_bytes_s = 0};
  if (link_.burst.count() > 0) {
    // A spell is a slot of time of this pair of nodes in which nothing arrives.
    const auto slot = static_cast<std::uint64_t>(since.count() / link_.burst.count());
    Rng spell(Rng(seed_ ^ pair).next() ^ slot);
    const bool bad = spell.below(kMillion) < spec.loss_ppm;
    spec.loss_ppm = 0;
    if (bad) {
      ++counters_.lost;
      return {};
    }
  }
  const node::Fate fate = node::fate_of(spec, seed_,
                                        {coordinate(from), coordinate(to), now, sender.ordinal},
                                        one_way(from, to));
  if (fate.delays.empty()) ++counters_.lost;
  Arrivals arrivals;
  for (const Duration delay : fate.delays) {
    Arrival arrival{.after = delay + waiting, .damage = {}};
    if (link_.corrupt_ppm != 0) {
      Rng harm(Rng(seed_ ^ pair ^ 0x6861726d).next() ^ static_cast<std::uint64_t>(since.count()) ^
               sender.ordinal << 40);
      if (harm.below(kMillion) < link_.corrupt_ppm) {
        arrival.damage = harm.next();
        ++counters_.damaged;
      }
    }
    arrivals.push(arrival);
  }
  return arrivals;
}

}  // namespace weft::sim
