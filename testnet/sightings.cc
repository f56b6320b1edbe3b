#include "testnet/sightings.h"

#include <algorithm>

namespace weft::testnet {

std::size_t Sightings::slot_of(std::string_view id) {
  if (const auto found = slots_.find(id); found != slots_.end()) return found->second;
  if (slots_.size() == kIdsMax) return kNoSlot;
  const std::size_t slot = slots_.size();
  slots_.emplace(id, slot);
  index_of_slot_.push_back(kNoSlot);
  return slot;
}

void Sightings::identify(std::size_t index, std::string_view id) {
  if (slot_of_index_.size() <= index) slot_of_index_.resize(index + 1, kNoSlot);
  if (rows_.size() <= index) rows_.resize(index + 1);
  const std::size_t slot = slot_of(id);
  if (slot == kNoSlot) return;
  const std::size_t before = slot_of_index_[index];
  if (before != kNoSlot) index_of_slot_[before] = kNoSlot;
  slot_of_index_[index] = slot;
  index_of_slot_[slot] = index;
}

void Sightings::forget(std::size_t index) {
  if (index < rows_.size()) rows_[index].clear();
}

std::optional<std::size_t> Sightings::saw(std::size_t observer, const MemberLine& line) {
  const std::size_t slot = slot_of(line.id);
  if (slot == kNoSlot) return std::nullopt;
  if (rows_.size() <= observer) rows_.resize(observer + 1);
  auto& row = rows_[observer];
  if (row.size() <= slot) row.resize(slot + 1, Sight::kUnknown);
  row[slot] = line.state;
  const std::size_t index = index_of_slot_[slot];
  return index == kNoSlot ? std::nullopt : std::optional(index);
}

Sight Sightings::sight(std::size_t observer, std::size_t subject) const {
  if (observer == subject) return Sight::kAlive;
  if (observer >= rows_.size() || subject >= slot_of_index_.size()) return Sight::kUnknown;
  const std::size_t slot = slot_of_index_[subject];
  if (slot == kNoSlot || slot >= rows_[observer].size()) return Sight::kUnknown;
  return rows_[observer][slot];
}

SightingsSummary Sightings::summarize(const std::vector<bool>& present) const {
  // The wanted state of each slot, so that a row is compared in one pass over memory.
  std::vector<bool> wanted(index_of_slot_.size(), false);
  SightingsSummary summary;
  bool all_identified = true;
  std::vector<std::size_t> members;
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (!present[i]) continue;
    const std::size_t slot = i < slot_of_index_.size() ? slot_of_index_[i] : kNoSlot;
    if (slot == kNoSlot) {
      all_identified = false;
    } else {
      wanted[slot] = true;
    }
  }
  summary.converged = all_identified;
  static const std::vector<Sight> kNothing;
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (!present[i]) continue;
    const auto& row = i < rows_.size() ? rows_[i] : kNothing;
    const std::size_t own = i < slot_of_index_.size() ? slot_of_index_[i] : kNoSlot;
    std::size_t alive = 1;
    for (std::size_t slot = 0; slot < wanted.size(); ++slot) {
      if (slot == own) continue;
      const bool seen = slot < row.size() && row[slot] == Sight::kAlive;
      if (seen) ++alive;
      if (seen != wanted[slot]) summary.converged = false;
    }
    members.push_back(alive);
  }
  if (members.empty()) return {};
  std::ranges::sort(members);
  summary.members_min = members.front();
  summary.members_median = members[members.size() / 2];
  summary.members_max = members.back();
  return summary;
}

}  // namespace weft::testnet
