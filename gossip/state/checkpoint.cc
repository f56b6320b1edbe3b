#include "gossip/state/checkpoint.h"

#include <algorithm>

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

bool Checkpoints::discards(const Checkpoint& by, std::uint64_t epoch, std::uint64_t seq) {
  // The last section that begins at or before the place.
  const auto after = std::ranges::upper_bound(by.sections, std::pair(epoch, seq), {},
                                              [](const Section& s) { return std::pair(s.epoch, s.first); });
  if (after == by.sections.begin()) return false;
  const Section& section = *std::prev(after);
  return section.epoch == epoch && seq <= section.last && !std::ranges::binary_search(section.wanted, seq);
}

void Checkpoints::judge(OfAuthor& all) {
  std::vector<const Checkpoint*> count;
  for (auto& [rank, checkpoint] : all) {
    checkpoint.counts = count.size() < kCheckpointsCounted && std::ranges::none_of(count, [&](const Checkpoint* higher) {
      return discards(*higher, checkpoint.epoch, checkpoint.seq);
    });
    if (checkpoint.counts) count.push_back(&checkpoint);
  }
}

void Checkpoints::add(const Entry& entry) {
  auto sections = read_checkpoint(entry.content.body);
  CHECK(sections.has_value());
  OfAuthor& all = authors_[entry.content.author];
  all[{entry.content.stamp, entry.id}] = {.epoch = entry.content.epoch, .seq = entry.content.seq, .sections = std::move(*sections)};
  judge(all);
}

void Checkpoints::remove(const Entry& entry) {
  const auto all = authors_.find(entry.content.author);
  CHECK(all != authors_.end());
  all->second.erase({entry.content.stamp, entry.id});
  judge(all->second);
  if (all->second.empty()) authors_.erase(all);
}

bool Checkpoints::discards(const PublicKey& author, std::uint64_t epoch, std::uint64_t seq, const std::optional<Rank>& above) const {
  const auto all = authors_.find(author);
  if (all == authors_.end()) return false;
  return std::ranges::any_of(all->second, [&](const auto& entry) {
    const auto& [rank, checkpoint] = entry;
    return checkpoint.counts && (!above || rank > *above) && discards(checkpoint, epoch, seq);
  });
}

bool Checkpoints::discards(const Entry& entry) const {
  const Content& c = entry.content;
  std::optional<Rank> above;
  if (c.kind == Kind::kCheckpoint) above = Rank(c.stamp, entry.id);
  return discards(c.author, c.epoch, c.seq, above);
}

std::vector<Section> Checkpoints::counting(const PublicKey& author) const {
  std::vector<Section> out;
  const auto all = authors_.find(author);
  if (all == authors_.end()) return out;
  for (const auto& [rank, checkpoint] : all->second) {
    if (checkpoint.counts) out.insert(out.end(), checkpoint.sections.begin(), checkpoint.sections.end());
  }
  return out;
}

}  // namespace weft::state
