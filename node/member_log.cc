#include "node/member_log.h"

#include <algorithm>
#include <utility>

#include "crypto/check.h"

namespace weft::node {
namespace {

// Room for a million changes before the cursors of a life meet those of one that begins a second later, in
// numbers that a double holds exactly until the year 2242.
constexpr unsigned kChangesBits = 20;

}  // namespace

void MemberLog::begin(Now now) {
  if (base_ == 0) base_ = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(now.wall.value) / 1000) << kChangesBits;
}

void MemberLog::add(Now now, std::string json) {
  begin(now);
  kept_.push_back(std::move(json));
  if (kept_.size() <= kMemberChangesKept) return;
  kept_.pop_front();
  ++dropped_;
}

std::uint64_t MemberLog::last(Now now) {
  begin(now);
  return base_ + dropped_ + kept_.size();
}

bool MemberLog::knows(Now now, std::uint64_t after) {
  const std::uint64_t end = last(now);
  return after >= base_ + dropped_ && after <= end;
}

MemberLog::Page MemberLog::page(std::uint64_t after, std::size_t max) const {
  CHECK(after >= base_ + dropped_);
  CHECK(after - base_ - dropped_ <= kept_.size());
  const std::size_t first = static_cast<std::size_t>(after - base_ - dropped_);
  const std::size_t count = std::min(max, kept_.size() - first);
  Page out{.changes = "[", .cursor = after + count, .some = count > 0};
  for (std::size_t i = first; i < first + count; ++i) {
    if (i > first) out.changes += ',';
    out.changes += kept_[i];
  }
  out.changes += ']';
  return out;
}

}  // namespace weft::node
