// Our own checkpoints: when, and what they say.
#include <algorithm>

#include "crypto/check.h"
#include "gossip/state/state_inside.h"

namespace weft::state {
namespace {

// Of a body, so that the entry fits whatever its frame; each wanted entry takes one byte where they lie dense, seldom more than two.
constexpr std::size_t kBodyMax = 700;
// An author with more wanted entries than these hold, some 8,000, has no checkpoints; nor one that wrote in some 2,500 lives.
constexpr std::size_t kCheckpointBodiesMax = 40;
constexpr std::size_t kSmallOnesMax = 16;  // checkpoints beside the last generation
constexpr std::size_t kWantedMax = 8000;
// An author of many entries looks through them less often: once they could have changed by this part.
constexpr std::size_t kLookPart = 16;
constexpr std::size_t kQuotaParts = 8;

// All of our places that are known here, as sections: present, or covered by a checkpoint of ours before. What a lost life wrote and has not come
// back to us lies in none of them, so nothing of it is discarded unseen.
std::vector<Section> sections_of(const PublicKey& self, const Space& space, std::span<const Space::Own> own) {
  std::vector<Section> ranges = space.checkpoints().counting(self);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> wanted;  // (epoch, seq)
  std::set<std::pair<std::uint64_t, std::uint64_t>> present;
  for (const Space::Own& place : own) {
    ranges.push_back({.epoch = place.epoch, .first = place.seq, .last = place.seq});
    present.emplace(place.epoch, place.seq);
    if (place.counts) wanted.emplace_back(place.epoch, place.seq);
  }
  for (const Section& section : ranges) {
    for (const std::uint64_t seq : section.wanted) {
      const bool absent = !present.contains({section.epoch, seq}) && !space.checkpoints().discards(self, section.epoch, seq);
      if (absent) wanted.emplace_back(section.epoch, seq);
    }
  }
  std::ranges::sort(wanted);
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::ranges::sort(ranges, {}, [](const Section& s) { return std::tuple(s.epoch, s.first, s.last); });
  std::vector<Section> out;
  for (const Section& range : ranges) {
    if (!out.empty() && out.back().epoch == range.epoch && range.first <= out.back().last + 1) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back({.epoch = range.epoch, .first = range.first, .last = range.last});
    }
  }
  auto next = wanted.begin();
  for (Section& section : out) {
    for (; next != wanted.end() && *next <= std::pair(section.epoch, section.last); ++next) section.wanted.push_back(next->second);
  }
  return out;
}

// A section in two, the first of which takes at most `room` bytes; no second if all fits. nullopt: not even one wanted entry does.
struct Cut {
  Section fits;
  std::optional<Section> rest;
};
std::optional<Cut> cut(const Section& section, std::size_t room) {
  Cut out{.fits = section, .rest = {}};
  while (checkpoint_body({&out.fits, 1}).size() > room) {
    if (out.fits.wanted.size() <= 1) return std::nullopt;
    out.fits.wanted.resize(out.fits.wanted.size() / 2);
    out.fits.last = out.fits.wanted.back();
  }
  if (out.fits.last == section.last) return out;
  Section& rest = out.rest.emplace(Section{.epoch = section.epoch, .first = out.fits.last + 1, .last = section.last});
  rest.wanted.assign(section.wanted.begin() + static_cast<std::ptrdiff_t>(out.fits.wanted.size()), section.wanted.end());
  return out;
}

// The sections in as few bodies as they take, in order.
std::vector<std::vector<Section>> bodies_of(std::vector<Section> sections) {
  std::vector<std::vector<Section>> out;
  std::size_t used = 0;
  std::deque<Section> left(sections.begin(), sections.end());
  while (!left.empty()) {
    const Section section = std::move(left.front());
    left.pop_front();
    auto parts = out.empty() || out.back().size() == kSectionsMax ? std::nullopt : cut(section, kBodyMax - used);
    if (!parts) {
      out.emplace_back();
      used = 0;
      parts = cut(section, kBodyMax);
    }
    CHECK(parts.has_value());
    if (parts->rest) left.push_front(std::move(*parts->rest));
    used += checkpoint_body({&parts->fits, 1}).size();
    out.back().push_back(std::move(parts->fits));
  }
  return out;
}

// Adds our older checkpoints that lie in these sections to what is wanted.
void keep_older(std::span<const Space::Own> own, std::vector<Section>& sections) {
  for (Section& section : sections) {
    for (const Space::Own& place : own) {
      if (!place.checkpoint || place.epoch != section.epoch || place.seq < section.first || place.seq > section.last) continue;
      const auto at = std::ranges::lower_bound(section.wanted, place.seq);
      if (at == section.wanted.end() || *at != place.seq) section.wanted.insert(at, place.seq);
    }
  }
}

std::vector<Section> discarding_older(std::span<const Space::Own> own) {
  std::vector<Section> out;
  for (const Space::Own& place : own) {
    // A generation has fewer; with a twin's there may be more, which the next one takes.
    if (place.checkpoint && out.size() < kSectionsMax) out.push_back({.epoch = place.epoch, .first = place.seq, .last = place.seq});
  }
  return out;
}

}  // namespace

void State::Inside::maybe_checkpoint(Now now, Local& local, Output& out) {
  if (ended || local.checkpoint_waiting || waiting.size() >= kWritesMax) return;
  local.look_at_own = false;
  local.space.forget_lost();
  const PublicKey& self = identity.public_key();
  const std::vector<Space::Own> own = local.space.own_settled(self);
  // Who may have few entries here looks through them sooner.
  const std::size_t part = std::max<std::size_t>(1, local.space.entries_max(self) / kQuotaParts);
  const std::size_t worth = std::min(kCheckpointWorth, part);
  const auto counting = static_cast<std::size_t>(std::ranges::count(own, true, &Space::Own::counts));
  // What is discarded already and stays because of others does not go by another checkpoint.
  const auto useless = static_cast<std::size_t>(
      std::ranges::count_if(own, [](const Space::Own& place) { return !place.counts && !place.discarded && !place.checkpoint; }));
  // What is useless already waits for fewer.
  const std::size_t lacking = useless < worth ? worth - useless : worth;
  local.look_after = std::max({lacking, worth / kLookPart, own.size() / kLookPart, std::size_t{1}});
  // Of the lives before this one, once: one that wrote ahead of its time would stay open until then.
  std::set<std::uint64_t> open;
  if (local.epoch && !std::exchange(local.epochs_closed, true)) open = local.space.open_epochs(self);
  if (local.epoch) open.erase(*local.epoch);
  const auto checkpoints = static_cast<std::size_t>(
      std::ranges::count_if(own, [](const Space::Own& place) { return place.checkpoint && !place.discarded; }));
  if ((useless < worth && open.empty()) || counting > kWantedMax) return;
  const auto choice = choose_grant(now, local, Kind::kCheckpoint, as_bytes(kCheckpointPath));
  if (!choice) return;
  std::vector<Section> sections = sections_of(self, local.space, own);
  std::vector<std::vector<Section>> bodies = bodies_of(sections);
  const bool enough = useless >= worth && useless >= worth / 8 * bodies.size();
  if (enough || checkpoints >= bodies.size() + kSmallOnesMax) {
    // One generation for all. Of several only the last discards our older ones.
    if (bodies.empty() || bodies.size() > kCheckpointBodiesMax) return;
    if (bodies.size() > 1) {
      for (std::vector<Section>& body : bodies) keep_older(own, body);
      if (std::vector<Section> older = discarding_older(own); !older.empty()) bodies.push_back(std::move(older));
    }
  } else {
    // A small one that closes the lives before, beside the others.
    std::erase_if(sections, [&](const Section& section) { return !open.contains(section.epoch); });
    if (sections.empty()) return;
    keep_older(own, sections);
    bodies = bodies_of(sections);
    if (bodies.size() > kCheckpointBodiesMax) return;
  }
  std::vector<EntryId> written;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    Draft draft{.kind = Kind::kCheckpoint, .path = to_bytes(as_bytes(kCheckpointPath)), .body = checkpoint_body(bodies[i]), .saw = {}};
    if (*choice) draft.saw.push_back((*choice)->grant);
    if (!sign(now, local, {&draft, 1}, written)) return withdraw(local, written);
  }
  totals.checkpoints_total += written.size();
  std::vector<Write> rows = rows_of(local, written);
  local.checkpoint_waiting = true;
  wait_for({.op = {}, .space = local.space.genesis().id, .written = std::move(written), .count = 0, .checkpoint = true}, std::move(rows), out);
}

}  // namespace weft::state
