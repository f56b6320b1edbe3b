#include "gossip/membership/member_table.h"

#include <algorithm>

namespace weft::gossip {
namespace {

std::uint64_t head_of(const NodeId& id) { return load_be64(id.bytes.data()); }

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

std::uint64_t fact_hash(const NodeId& id, std::uint64_t number) {
  std::uint64_t h = number * 0x9e3779b97f4a7c15ULL + 0x5745465453594e43ULL;
  for (std::size_t i = 0; i < id.bytes.size(); i += 8) {
    h = mix(h ^ load_le<std::uint64_t>(id.bytes.data() + i));
  }
  return h;
}

MemberTable::MemberTable(std::uint64_t salt) : index_(salt) {
  for (std::size_t i = 0; i < kSyncBuckets; ++i) buckets_.push(0);
}

bool MemberTable::before(const Entry& entry, std::uint64_t head, const NodeId& id) const {
  if (entry.head != head) return entry.head < head;
  return slots_[entry.slot].record->id < id;
}

std::size_t MemberTable::lower_bound(const NodeId& id) const {
  const std::uint64_t head = head_of(id);
  const auto it = std::ranges::partition_point(
      by_id_, [&](const Entry& entry) { return before(entry, head, id); });
  return static_cast<std::size_t>(it - by_id_.begin());
}

Slot MemberTable::find(const NodeId& id) const {
  static_assert(kNoSlot == HashIndex<NodeId>::kNone);
  return index_.find(id, [this](Slot slot) -> const NodeId& { return slots_[slot].record->id; });
}

std::size_t MemberTable::position_after(const NodeId& id) const {
  const std::size_t position = lower_bound(id);
  if (position == by_id_.size()) return position;
  return slots_[by_id_[position].slot].record->id == id ? position + 1 : position;
}

std::size_t MemberTable::bucket_begin(std::size_t bucket) const {
  if (bucket >= kSyncBuckets) return by_id_.size();
  const std::uint64_t head = static_cast<std::uint64_t>(bucket) << 60;
  const auto it =
      std::ranges::partition_point(by_id_, [&](const Entry& entry) { return entry.head < head; });
  return static_cast<std::size_t>(it - by_id_.begin());
}

void MemberTable::toggle(const Member& member) {
  if (!is_live(member.state) || member.record->status == RecordStatus::kLeft) return;
  buckets_[bucket_of(member.record->id)] ^= fact_hash(member.record->id, member.record->number);
}

Slot MemberTable::insert(const RecordRef& record, MemberState state, Instant now) {
  const std::size_t position = lower_bound(record->id);
  CHECK(position == by_id_.size() || slots_[by_id_[position].slot].record->id != record->id);
  Slot slot = static_cast<Slot>(slots_.size());
  if (free_.empty()) {
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Member member;
  member.record = record;
  member.state = state;
  member.since = now;
  slots_[slot] = std::move(member);
  by_id_.insert(by_id_.begin() + static_cast<std::ptrdiff_t>(position),
                {head_of(record->id), slot});
  index_.insert(record->id, slot);
  ++counts_[static_cast<std::size_t>(state)];
  toggle(slots_[slot]);
  return slot;
}

void MemberTable::erase(Slot slot) {
  Member& member = (*this)[slot];
  toggle(member);
  --counts_[static_cast<std::size_t>(member.state)];
  by_id_.erase(by_id_.begin() + static_cast<std::ptrdiff_t>(lower_bound(member.record->id)));
  index_.erase(member.record->id, slot);
  member = Member{};
  free_.push_back(slot);
}

void MemberTable::set_state(Slot slot, MemberState state, Instant now) {
  Member& member = (*this)[slot];
  toggle(member);
  --counts_[static_cast<std::size_t>(member.state)];
  member.state = state;
  member.since = now;
  ++counts_[static_cast<std::size_t>(state)];
  toggle(member);
}

RecordRef MemberTable::set_record(Slot slot, RecordRef record) {
  Member& member = (*this)[slot];
  CHECK(record->id == member.record->id);
  toggle(member);
  std::swap(member.record, record);
  toggle(member);
  return record;
}

Member& MemberTable::operator[](Slot slot) {
  CHECK(slot < slots_.size());
  CHECK(slots_[slot].record != nullptr);
  return slots_[slot];
}

const Member& MemberTable::operator[](Slot slot) const {
  CHECK(slot < slots_.size());
  CHECK(slots_[slot].record != nullptr);
  return slots_[slot];
}

std::uint64_t MemberTable::digest() const {
  std::uint64_t digest = 0;
  for (const std::uint64_t hash : buckets_) digest ^= hash;
  return digest;
}

}  // namespace weft::gossip
