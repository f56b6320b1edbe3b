// Packs give back the very bytes that went in, in less room, and hostile ones give nothing.
#include <gtest/gtest.h>

#include "gossip/state/pack.h"
#include "tests/gossip/state_history.h"

namespace weft::state {
namespace {

TEST(Pack, GivesTheBytesBackInLessRoom) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(seed, 1 + seed % 3);
    for (int i = 0; i < 40; ++i) (void)history.write(history.writers[history.rng.below(history.writers.size())], seed % 2 == 0);
    for (std::size_t first = 0; first < history.all.size(); ++first) {
      Packer packer(1150);
      std::size_t count = 0, bytes = 0;
      while (first + count < history.all.size() && packer.add(history.all[first + count]->entry)) bytes += history.all[first + count++]->bytes.size();
      ASSERT_GE(count, 1U);
      ASSERT_EQ(packer.count(), count);
      EXPECT_LT(packer.bytes().size(), bytes);
      EXPECT_LE(packer.bytes().size(), 1150U);
      const auto back = unpack({}, packer.bytes());
      ASSERT_TRUE(back.has_value());
      ASSERT_EQ(back->size(), count);
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ((*back)[i].bytes, history.all[first + i]->bytes);
        EXPECT_EQ((*back)[i].entry.id, history.all[first + i]->entry.id);
      }
    }
  }
}

TEST(Pack, OneWriterInSeriesTakesAThirdLess) {
  History history(1, 1);
  std::vector<Content> contents;
  const PublicKey author = history.writers[0].identity->public_key();
  std::optional<EntryId> prev;
  Packer packer(10'000);
  std::size_t bytes = 0;
  for (std::uint64_t seq = 1; seq <= kPackEntriesMax; ++seq) {
    const Content content{.space = {}, .author = author, .epoch = 9, .seq = seq, .prev = prev, .stamp = seq, .kind = Kind::kSet,
                          .path = as_bytes("room/colour"), .body = as_bytes("a short value of 32 bytes, so so"), .saw = {}};
    const Kept kept(sign_entries(*history.writers[0].identity, {&content, 1}).value()[0]);
    prev = kept.entry.id;
    ASSERT_TRUE(packer.add(kept.entry));
    bytes += kept.bytes.size();
  }
  EXPECT_LT(packer.bytes().size() * 3, bytes * 2);
  const Content one{.space = {}, .author = author, .epoch = 9, .seq = 99, .prev = {}, .stamp = 1, .kind = Kind::kSet,
                    .path = as_bytes("p"), .body = {}, .saw = {}};
  EXPECT_FALSE(packer.add(Kept(sign_entries(*history.writers[0].identity, {&one, 1}).value()[0]).entry)) << "a pack is full";
}

// A batch: one signature for all, siblings for each.
TEST(Pack, OfABatchTheSignatureTravelsOnce) {
  History history(1, 1);
  std::vector<Content> contents;
  const PublicKey author = history.writers[0].identity->public_key();
  for (std::uint64_t seq = 1; seq <= 5; ++seq) {
    contents.push_back({.space = {}, .author = author, .epoch = 9, .seq = seq, .prev = {}, .stamp = seq, .kind = Kind::kSet,
                        .path = as_bytes("p"), .body = as_bytes("v"), .saw = {}});
  }
  Packer packer(10'000);
  std::vector<Bytes> wires = sign_entries(*history.writers[0].identity, contents).value();
  std::size_t bytes = 0;
  for (const Bytes& wire : wires) {
    ASSERT_TRUE(packer.add(decode_entry(wire).value()));
    bytes += wire.size();
  }
  EXPECT_LT(packer.bytes().size() + 4 * sizeof(Signature), bytes);
  const auto back = unpack({}, packer.bytes());
  ASSERT_TRUE(back.has_value());
  for (std::size_t i = 0; i < wires.size(); ++i) EXPECT_EQ((*back)[i].bytes, wires[i]);
}

TEST(Pack, HostileOnesGiveNothing) {
  History history(3, 1);
  Packer packer(1150);
  while (packer.count() < 3) {
    const KeptRef kept = history.write(history.writers[0], true);
    if (kept != nullptr) {
      ASSERT_TRUE(packer.add(kept->entry));
    }
  }
  const Bytes& whole = packer.bytes();
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const auto cut = unpack({}, ByteView(whole).first(size));
    EXPECT_TRUE(!cut || cut->size() < 3) << size;
  }
  EXPECT_TRUE(unpack({}, {})->empty());
  for (const unsigned flags : {0x80U, 1U, 16U, 64U, 2U, 4U, 12U}) {
    Bytes bad = whole;
    bad[0] = static_cast<std::uint8_t>(flags);
    EXPECT_FALSE(unpack({}, bad)) << flags;
  }
}

}  // namespace
}  // namespace weft::state
