// Random histories of shared state: authors that see part of it and write, honestly or not.
#pragma once

#include <memory>

#include "crypto/rng.h"
#include "gossip/state/documents.h"

namespace weft::state {

// An entry with the bytes that its views point into.
struct Kept {
  explicit Kept(Bytes encoded) : bytes(std::move(encoded)), entry(decode_entry(bytes).value()) {}
  Bytes bytes;
  Entry entry;
};
using KeptRef = std::shared_ptr<const Kept>;

// Whether a set has an entry, or its author has said since that it counts for nothing (checkpoint.h): an honest author's counts for none by then.
template <class Set>
bool here_or_discarded(const Set& space, const Entry& entry) {
  const Content& c = entry.content;
  return space.holds(entry.id) || space.checkpoints().discards(c.author, c.epoch, c.seq);
}

struct HistoryWriter {
  std::unique_ptr<Identity> identity;
  std::uint64_t epoch = 1;
  std::uint64_t seq = 0;
  std::optional<EntryId> head;
  Documents sees;
  std::vector<KeptRef> known;
};

class History {
 public:
  History(std::uint64_t seed, std::size_t authors) : rng(seed) {
    for (std::size_t i = 0; i < authors; ++i) {
      ByteArray<32> secret{};
      store_le(secret.data(), seed * 1000 + i + 1);
      writers.emplace_back();
      writers.back().identity = std::make_unique<Identity>(provider, secret);
    }
  }

  static inline const std::vector<std::string> kPaths = {"a", "a/b", "a/b/c", "ab", "z"};
  std::string any_path() { return kPaths[rng.below(kPaths.size())]; }

  void take(HistoryWriter& writer, const KeptRef& kept) {
    if (writer.sees.insert(kept->entry)) writer.known.push_back(kept);
  }
  // One write of a random kind from what the author sees; a dishonest one names and numbers what it likes.
  KeptRef write(HistoryWriter& writer, bool honest) {
    if (rng.below(12) == 0) {  // a new start
      ++writer.epoch;
      writer.seq = 0;
    }
    const std::string path = any_path();
    const auto kind = static_cast<Kind>(1 + rng.below(static_cast<std::uint64_t>(Kind::kClear)));
    Bytes body;
    if (kind == Kind::kSet) body = to_bytes(as_bytes("v" + std::to_string(rng.below(1000))));
    if (kind == Kind::kAdd || kind == Kind::kRemove) body = to_bytes(as_bytes("e" + std::to_string(rng.below(3))));
    const ByteView at = as_bytes(path);
    const PublicKey author = writer.identity->public_key();
    if (kind == Kind::kCount) {
      Counted counted = writer.sees.counted_by(at, author, writer.epoch);
      counted.up += rng.below(10);
      counted.down += rng.below(5);
      body = count_body(counted);
    }
    auto saw = writer.sees.seen(kind, at, body, author, writer.epoch).saw;
    if (!honest) {
      saw.clear();
      for (std::size_t i = rng.below(6); i > 0 && !all.empty(); --i) saw.push_back(all[rng.below(all.size())]->entry.id);
      if (rng.below(4) == 0) saw.emplace_back();  // of nothing
      std::ranges::sort(saw);
      saw.erase(std::unique(saw.begin(), saw.end()), saw.end());
      if (rng.below(3) == 0 && writer.seq > 0) --writer.seq;  // forks
    }
    if (saw.empty() && (kind == Kind::kRemove || kind == Kind::kClear)) return nullptr;
    const Content content{.space = {}, .author = author, .epoch = writer.epoch, .seq = ++writer.seq, .prev = writer.head,
                          .stamp = rng.below(1 << 20), .kind = kind, .path = at, .body = body, .saw = saw};
    const auto signed_ = sign_entries(*writer.identity, std::span(&content, 1));
    const auto kept = std::make_shared<const Kept>(signed_.value()[0]);
    writer.head = kept->entry.id;
    all.push_back(kept);
    take(writer, kept);
    return kept;
  }

  CheapProvider provider;
  Rng rng;
  std::vector<HistoryWriter> writers;
  std::vector<KeptRef> all;
};

}  // namespace weft::state
