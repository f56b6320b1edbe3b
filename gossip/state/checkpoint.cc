#include "gossip/state/checkpoint.h"

#include <algorithm>
#include <utility>

#include "crypto/check.h"
#include "crypto/varint.h"

namespace weft::state {
namespace {

std::optional<Section> take_section(ByteView& body) {
  if (body.size() < 8) return std::nullopt;
  Section out;
  out.epoch = load_le<std::uint64_t>(body.data());
  body = body.subspan(8);
  const auto first = take_varint(body);
  const auto span = first ? take_varint(body) : std::nullopt;
  const auto count = span ? take_varint(body) : std::nullopt;
  if (!count || *first == 0 || *first > kSeqMax || *span > kSeqMax - *first) return std::nullopt;
  out.first = *first;
  out.last = *first + *span;
  std::uint64_t next = out.first;  // the least that the next may be
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto gap = take_varint(body);
    if (!gap || next > out.last || *gap > out.last - next) return std::nullopt;
    out.wanted.push_back(next + *gap);
    next = out.wanted.back() + 1;
  }
  return out;
}

}  // namespace

std::optional<std::vector<Section>> read_checkpoint(ByteView body) {
  std::vector<Section> out;
  while (!body.empty()) {
    auto section = take_section(body);
    if (!section || out.size() == kSectionsMax) return std::nullopt;
    if (!out.empty() && std::pair(out.back().epoch, out.back().last) >= std::pair(section->epoch, section->first)) return std::nullopt;
    out.push_back(std::move(*section));
  }
  if (out.empty()) return std::nullopt;
  return out;
}

Bytes checkpoint_body(std::span<const Section> sections) {
  CHECK(!sections.empty() && sections.size() <= kSectionsMax);
  Bytes out;
  for (const Section& section : sections) {
    ByteArray<8> epoch;
    store_le(epoch.data(), section.epoch);
    out.insert(out.end(), epoch.begin(), epoch.end());
    put_varint(out, section.first);
    put_varint(out, section.last - section.first);
    put_varint(out, section.wanted.size());
    std::uint64_t next = section.first;
    for (const std::uint64_t seq : section.wanted) {
      put_varint(out, seq - next);
      next = seq + 1;
    }
  }
  return out;
}

bool Checkpoints::discards(const Counting& by, std::uint64_t epoch, std::uint64_t seq) {
  // The last section that begins at or before the place.
  const auto after = std::ranges::upper_bound(by.sections, std::pair(epoch, seq), {},
                                              [](const Section& s) { return std::pair(s.epoch, s.first); });
  if (after == by.sections.begin()) return false;
  const Section& section = *std::prev(after);
  return section.epoch == epoch && seq <= section.last && !std::ranges::binary_search(section.wanted, seq);
}

std::vector<Section> Checkpoints::judge(OfAuthor& author) {
  std::vector<Counting> before = std::exchange(author.counting, {});
  std::vector<Section> changed;
  const auto tell = [&](const Counting& one) { changed.insert(changed.end(), one.sections.begin(), one.sections.end()); };
  auto old = before.begin();  // the highest first, as all
  for (const auto& [rank, checkpoint] : author.all) {
    if (author.counting.size() == kCheckpointsCounted) break;
    const bool discarded = std::ranges::any_of(author.counting, [&](const Counting& higher) {
      return discards(higher, checkpoint.epoch, checkpoint.seq);
    });
    if (discarded) continue;
    for (; old != before.end() && old->rank > rank; ++old) tell(*old);
    if (old != before.end() && old->rank == rank) {
      author.counting.push_back(std::move(*old++));
    } else {
      author.counting.push_back({.rank = rank, .sections = read_checkpoint(checkpoint.body).value()});
      tell(author.counting.back());
    }
  }
  std::for_each(old, before.end(), tell);
  return changed;
}

std::vector<Section> Checkpoints::add(const Entry& entry) {
  OfAuthor& author = authors_[entry.content.author];
  author.all[{entry.content.stamp, entry.id}] = {.epoch = entry.content.epoch, .seq = entry.content.seq,
                                                 .body = to_bytes(entry.content.body)};
  return judge(author);
}

std::vector<Section> Checkpoints::remove(const Entry& entry) {
  const auto author = authors_.find(entry.content.author);
  CHECK(author != authors_.end());
  author->second.all.erase({entry.content.stamp, entry.id});
  std::vector<Section> changed = judge(author->second);
  if (author->second.all.empty()) authors_.erase(author);
  return changed;
}

bool Checkpoints::discards(const PublicKey& author, std::uint64_t epoch, std::uint64_t seq, const std::optional<Rank>& above) const {
  const auto of = authors_.find(author);
  if (of == authors_.end()) return false;
  return std::ranges::any_of(of->second.counting, [&](const Counting& one) {
    return (!above || one.rank > *above) && discards(one, epoch, seq);
  });
}

bool Checkpoints::discards(const Entry& entry) const {
  const Content& c = entry.content;
  std::optional<Rank> above;
  if (c.kind == Kind::kCheckpoint) above = Rank(c.stamp, entry.id);
  return discards(c.author, c.epoch, c.seq, above);
}

std::optional<Checkpoints::Newest> Checkpoints::newest(const PublicKey& author) const {
  const auto of = authors_.find(author);
  if (of == authors_.end()) return std::nullopt;
  const auto& [rank, checkpoint] = *of->second.all.begin();
  return Newest{.rank = rank, .epoch = checkpoint.epoch};
}

std::size_t Checkpoints::count(const PublicKey& author) const {
  const auto of = authors_.find(author);
  return of == authors_.end() ? 0 : of->second.all.size();
}

std::optional<Checkpoints::Rank> Checkpoints::lowest(const PublicKey& author) const {
  const auto of = authors_.find(author);
  if (of == authors_.end()) return std::nullopt;
  return of->second.all.rbegin()->first;
}

std::vector<Section> Checkpoints::counting(const PublicKey& author) const {
  std::vector<Section> out;
  const auto of = authors_.find(author);
  if (of == authors_.end()) return out;
  for (const Counting& one : of->second.counting) out.insert(out.end(), one.sections.begin(), one.sections.end());
  return out;
}

std::vector<Checkpoints::InForce> Checkpoints::in_force(const PublicKey& author) const {
  std::vector<InForce> out;
  const auto of = authors_.find(author);
  if (of == authors_.end()) return out;
  for (const Counting& one : of->second.counting) {
    const Checkpoint& checkpoint = of->second.all.at(one.rank);
    out.push_back({.epoch = checkpoint.epoch, .seq = checkpoint.seq, .body_bytes = checkpoint.body.size(), .sections = one.sections});
  }
  return out;
}

}  // namespace weft::state
