#include "gossip/state/checkpoint_plan.h"

#include <algorithm>

namespace weft::state {
namespace {

// So many wanted entries in a row cost as much as a section more: epoch 8, first 3, and two numbers of one or two bytes.
constexpr std::uint64_t kListedMax = 12;
constexpr std::size_t kSectionBytes = 13;
// By so much is chosen what pays best. Smaller parts would cost more sections.
constexpr std::size_t kPieceBytes = 100;
// Bodies that nothing is chosen for: each generation may leave the places of the one before alone among wanted ones.
constexpr std::size_t kBodiesSpare = 3;
// And those for what pays well, by entries that go for each byte: or what is never written again takes all for little and for good, and what is
// written often stays.
constexpr std::size_t kBodiesSaved = 4;
constexpr std::size_t kPaysWell = 4;

using Place = std::pair<std::uint64_t, std::uint64_t>;  // epoch, seq

// Places in a row that are discarded, or may be.
struct Dead {
  std::uint64_t epoch = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::size_t gain = 0;  // entries that are here and not discarded yet
  bool old = false;      // something of it is discarded already: it must stay so
};

std::size_t varint_bytes(std::uint64_t value) {
  std::size_t out = 1;
  for (; value >= 0x80; value >>= 7) ++out;
  return out;
}

// In order, with neighbours in one.
std::vector<Dead> merged(std::vector<Dead> runs) {
  std::ranges::sort(runs, {}, [](const Dead& run) { return std::pair(run.epoch, run.first); });
  std::vector<Dead> out;
  for (const Dead& run : runs) {
    if (out.empty() || out.back().epoch != run.epoch || run.first > out.back().last + 1) {
      out.push_back(run);
      continue;
    }
    out.back().last = std::max(out.back().last, run.last);
    out.back().gain += run.gain;
    out.back().old = out.back().old || run.old;
  }
  return out;
}

void add_discarded(const Section& section, std::vector<Dead>& out) {
  std::uint64_t next = section.first;
  const auto until = [&](std::uint64_t end) {
    if (next < end) out.push_back({.epoch = section.epoch, .first = next, .last = end - 1, .gain = 0, .old = true});
    next = end + 1;
  };
  for (const std::uint64_t seq : section.wanted) until(seq);
  until(section.last + 1);
}

// Places between this run and one before it.
std::uint64_t gap(const Dead& before, const Dead& run) { return run.first - before.last - 1; }

std::size_t head_bytes(const Section& s) { return 8 + varint_bytes(s.first) + varint_bytes(s.last - s.first) + varint_bytes(s.wanted.size()); }

// Takes a run into the section if it is near; tells by how much that makes it longer.
std::optional<std::size_t> extend(Section& section, const Dead& run, std::size_t room) {
  if (section.epoch != run.epoch || run.first - section.last - 1 > kListedMax) return std::nullopt;
  const std::uint64_t between = run.first - section.last - 1;
  const std::uint64_t next = section.wanted.empty() ? section.first : section.wanted.back() + 1;
  const std::size_t before = head_bytes(section);
  const std::size_t head = 8 + varint_bytes(section.first) + varint_bytes(run.last - section.first) + varint_bytes(section.wanted.size() + between);
  const std::size_t more = head - before + varint_bytes(section.last + 1 - next) + between - 1;
  if (more > room) return std::nullopt;
  for (std::uint64_t seq = section.last + 1; seq < run.first; ++seq) section.wanted.push_back(seq);
  section.last = run.last;
  return more;
}

// Runs with something between them, in as few bodies as they take in this order.
std::vector<CheckpointSections> bodies_of(std::span<const Dead> runs) {
  std::vector<CheckpointSections> out;
  std::size_t used = 0;
  for (const Dead& run : runs) {
    if (!out.empty()) {
      if (const auto more = extend(out.back().back(), run, kCheckpointBodyMax - used)) {
        used += *more;
        continue;
      }
    }
    Section section{.epoch = run.epoch, .first = run.first, .last = run.last, .wanted = {}};
    const std::size_t bytes = head_bytes(section);
    if (out.empty() || used + bytes > kCheckpointBodyMax || out.back().size() == kSectionsMax) {
      out.emplace_back();
      used = 0;
    }
    used += bytes;
    out.back().push_back(std::move(section));
  }
  return out;
}

std::size_t gain_of(std::span<const Dead> runs) {
  std::size_t out = 0;
  for (const Dead& run : runs) out += run.gain;
  return out;
}

// Between two old ones that are one section without it a new one costs nothing.
void mark_free(std::span<Dead> runs) {
  std::optional<std::size_t> before;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].old) continue;
    if (before && runs[*before].epoch == runs[i].epoch && gap(runs[*before], runs[i]) <= kListedMax) {
      for (std::size_t k = *before + 1; k < i; ++k) runs[k].old = true;
    }
    before = i;
  }
}

// New runs in a row.
struct Piece {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t bytes = 0;
  std::size_t gain = 0;
};
std::vector<Piece> pieces_of(std::span<const Dead> runs) {
  std::vector<Piece> out;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].old) continue;
    const bool near = i > 0 && runs[i - 1].epoch == runs[i].epoch && gap(runs[i - 1], runs[i]) <= kListedMax;
    if (!near || out.empty() || out.back().end != i || out.back().bytes >= kPieceBytes) out.push_back({.begin = i, .end = i});
    out.back().end = i + 1;
    out.back().bytes += near ? gap(runs[i - 1], runs[i]) : kSectionBytes;
    out.back().gain += runs[i].gain;
  }
  return out;
}

// The old ones, and of the others those that pay best, in `most` bodies; none if the old ones do not fit.
std::vector<Dead> best_of(std::vector<Dead> runs, std::size_t most) {
  mark_free(runs);
  std::vector<Piece> pieces = pieces_of(runs);
  std::ranges::sort(pieces, [](const Piece& a, const Piece& b) {
    const std::size_t of_a = a.gain * b.bytes, of_b = b.gain * a.bytes;
    return of_a != of_b ? of_a > of_b : a.begin < b.begin;
  });
  const auto with = [&](std::size_t count) {
    std::vector<bool> taken(runs.size());
    for (const Piece& piece : std::span(pieces).first(count)) {
      for (std::size_t i = piece.begin; i < piece.end; ++i) taken[i] = true;
    }
    std::vector<Dead> out;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (runs[i].old || taken[i]) out.push_back(runs[i]);
    }
    return out;
  };
  if (bodies_of(with(0)).size() > most) return {};
  // The most pieces, from `from` to `to`, with which it takes so many bodies less than `most`; `from` if none.
  const auto fitting = [&](std::size_t from, std::size_t to, std::size_t less) {
    for (++to; from + 1 < to;) {
      const std::size_t middle = from + (to - from) / 2;
      (bodies_of(with(middle)).size() + less <= most ? from : to) = middle;
    }
    return from;
  };
  const auto poor = std::ranges::find_if(pieces, [](const Piece& piece) { return piece.gain < kPaysWell * piece.bytes; });
  const auto good = static_cast<std::size_t>(poor - pieces.begin());
  std::size_t count = fitting(0, good, kBodiesSpare);
  if (count == good) count = fitting(good, pieces.size(), kBodiesSpare + kBodiesSaved);
  return with(count);
}

// What is here, by places. Two entries of a place are a fork: it goes only if both may.
struct Here {
  std::vector<Dead> useless;
  std::vector<Place> checkpoints;  // that are not discarded
  std::size_t alive = 0;           // such checkpoints
};
Here here(std::span<const Space::Own> own) {
  Here out;
  for (std::size_t i = 0; i < own.size();) {
    const Space::Own& place = own[i];
    bool counts = false, checkpoint = false;
    std::size_t left = 0;
    for (; i < own.size() && own[i].epoch == place.epoch && own[i].seq == place.seq; ++i) {
      counts = counts || own[i].counts;
      if (own[i].discarded) continue;
      ++left;
      if (own[i].checkpoint) ++out.alive;
      checkpoint = checkpoint || own[i].checkpoint;
    }
    if (counts || left == 0) continue;
    if (checkpoint)
      out.checkpoints.emplace_back(place.epoch, place.seq);
    else
      out.useless.push_back({.epoch = place.epoch, .first = place.seq, .last = place.seq, .gain = left, .old = false});
  }
  return out;
}

// From the first to the last place of a checkpoint's sections.
struct Hull {
  Place first, last;
  bool contains(const Dead& run) const { return Place(run.epoch, run.first) >= first && Place(run.epoch, run.last) <= last; }
};
Hull hull_of(const Checkpoints::InForce& one) {
  const Section& front = one.sections.front();
  const Section& back = one.sections.back();
  return {.first = {front.epoch, front.first}, .last = {back.epoch, back.last}};
}

// Those that stay as they are.
std::vector<Checkpoints::InForce> to_keep(const CheckpointNeed& need, const Here& here) {
  std::vector<Checkpoints::InForce> out;
  const auto place = [](const Dead& run) { return Place(run.epoch, run.first); };
  for (const Checkpoints::InForce& one : need.in_force) {
    const Hull hull = hull_of(one);
    const auto from = std::ranges::lower_bound(here.useless, hull.first, {}, place);
    const auto to = std::ranges::upper_bound(here.useless, hull.last, {}, place);
    const auto inside = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, to - from));
    if (one.body_bytes >= kCheckpointBodyMax / 2 && inside < std::max<std::size_t>(1, need.worth / 8)) out.push_back(one);
  }
  return out;
}

struct Generation {
  std::vector<CheckpointSections> bodies;
  std::size_t gain = 0;
  std::size_t after = 0;    // checkpoints that there are then
  bool whole = true;        // nothing had to be left out
  bool all_at_once = true;  // it and all that is there count together
};
Generation generation(const CheckpointNeed& need, const Here& here, std::span<const Checkpoints::InForce> kept) {
  std::set<Place> stay;
  for (const Checkpoints::InForce& one : kept) stay.emplace(one.epoch, one.seq);
  std::vector<Dead> runs;
  for (const Checkpoints::InForce& one : need.in_force) {
    if (stay.contains({one.epoch, one.seq})) continue;
    for (const Section& section : one.sections) add_discarded(section, runs);
  }
  std::vector<Hull> hulls;
  for (const Checkpoints::InForce& one : kept) hulls.push_back(hull_of(one));
  for (const Dead& run : here.useless) {
    if (std::ranges::none_of(hulls, [&](const Hull& hull) { return hull.contains(run); })) runs.push_back(run);
  }
  runs = merged(std::move(runs));
  std::vector<Dead> older;
  for (const Place& place : here.checkpoints) {
    if (!stay.contains(place)) older.push_back({.epoch = place.first, .first = place.second, .last = place.second, .gain = 0, .old = false});
  }
  older = merged(std::move(older));

  Generation out;
  // If one body is all it discards the older ones as well.
  std::vector<Dead> together = runs;
  together.insert(together.end(), older.begin(), older.end());
  out.bodies = bodies_of(merged(std::move(together)));
  if (out.bodies.size() > 1) {
    const std::size_t most = kCheckpointBodiesMax - std::min(kCheckpointBodiesMax, kept.size());
    out.bodies = bodies_of(runs);
    if (out.bodies.size() + kBodiesSpare + kBodiesSaved > most) {
      out.whole = false;
      runs = best_of(std::move(runs), most);
      out.bodies = bodies_of(runs);
    }
    // Of more than fit into one body, with a twin's, the next generation takes the rest.
    if (!out.bodies.empty() && !older.empty()) out.bodies.push_back(bodies_of(older).front());
  }
  out.gain = gain_of(runs);
  out.after = kept.size() + out.bodies.size();
  out.all_at_once = here.alive + out.bodies.size() <= kCheckpointsCounted;
  return out;
}

// One body of what is useless in the open epochs; one that discards nothing closes them as well.
CheckpointSections small_one(const CheckpointNeed& need, const Here& here) {
  std::vector<Dead> runs;
  std::ranges::copy_if(here.useless, std::back_inserter(runs), [&](const Dead& run) { return need.open.contains(run.epoch); });
  if (runs.empty()) return {{.epoch = *need.open.begin(), .first = 1, .last = 1, .wanted = {1}}};
  return bodies_of(merged(std::move(runs))).front();
}

}  // namespace

std::vector<CheckpointSections> plan_checkpoints(const CheckpointNeed& need) {
  const Here all = here(need.own);
  const auto enough = [&](const Generation& one) { return one.gain >= need.worth && one.gain >= need.worth / 8 * one.bodies.size(); };
  const auto crowded = [&](const Generation& one) {
    return all.alive > one.after && all.alive >= std::min(one.after + kSmallOnesMax, kCheckpointsCounted);
  };
  const std::vector<Checkpoints::InForce> kept = to_keep(need, all);
  Generation next = generation(need, all, kept);
  // What is kept must not fall out of those that count before the others are replaced. And small ones that have become many are a reason to take
  // the little along that is useless in what would be kept.
  if (!kept.empty() && (!next.whole || !next.all_at_once || (!enough(next) && crowded(next)))) {
    Generation anew = generation(need, all, {});
    const bool better = !anew.bodies.empty() && (!enough(next) || next.gain < anew.gain / 4);
    if (better || !next.all_at_once) next = std::move(anew);
  }
  if (!next.bodies.empty() && (enough(next) || crowded(next))) return std::move(next.bodies);
  if (need.open.empty() || all.alive >= kCheckpointsCounted) return {};
  return {small_one(need, all)};
}

}  // namespace weft::state
