// Entries: one spelling, one signature or a batch's, and nothing that a bit flip leaves valid.
#include <gmock/gmock.h>

#include "tests/gossip/state_history.h"
#include "tests/vectors.h"

namespace weft::state {
namespace {

struct Author {
  SodiumProvider provider;
  ByteArray<32> seed{1};
  Identity identity{provider, seed};
  std::vector<EntryId> saw;
  Bytes body = to_bytes(as_bytes("blue"));

  Content content(std::uint64_t seq = 1, Kind kind = Kind::kSet) const {
    return {.space = {{7}}, .author = identity.public_key(), .epoch = 0x1122334455667788, .seq = seq, .prev = {}, .stamp = 99,
            .kind = kind, .path = as_bytes("room/colour"), .body = body, .saw = saw};
  }
};

TEST(Entry, IsReadAsItWasWritten) {
  Author a;
  a.saw = {EntryId{{1}}, EntryId{{2}}};
  Content content = a.content(5);
  content.prev = EntryId{{9}};
  const Bytes bytes = sign_entries(a.identity, std::span(&content, 1)).value()[0];
  const auto entry = decode_entry(bytes);
  ASSERT_TRUE(entry.has_value()) << to_string(entry.error());
  const Content& c = entry->content;
  EXPECT_EQ(c.space, content.space);
  EXPECT_EQ(c.author, content.author);
  EXPECT_EQ(c.epoch, content.epoch);
  EXPECT_EQ(c.seq, 5U);
  EXPECT_EQ(c.prev, content.prev);
  EXPECT_EQ(c.stamp, 99U);
  EXPECT_EQ(as_text(c.path), "room/colour");
  EXPECT_EQ(as_text(c.body), "blue");
  EXPECT_THAT(c.saw, testing::ElementsAreArray(a.saw));
  EXPECT_TRUE(verify_entry(a.provider, *entry));
}

TEST(Entry, OfABatchEachStandsAloneAndAllShareOneSignature) {
  Author a;
  for (std::size_t size = 1; size <= kBatchMax; ++size) {
    std::vector<Content> contents;
    for (std::size_t i = 0; i < size; ++i) contents.push_back(a.content(i + 1));
    const auto entries = sign_entries(a.identity, contents).value();
    ASSERT_EQ(entries.size(), size);
    std::set<EntryId> ids;
    std::optional<ByteArray<32>> root;
    for (std::size_t i = 0; i < size; ++i) {
      const auto entry = decode_entry(entries[i]);
      ASSERT_TRUE(entry.has_value()) << size << ", " << i;
      EXPECT_TRUE(verify_entry(a.provider, *entry));
      EXPECT_EQ(entry->content.seq, i + 1);
      EXPECT_EQ(root.value_or(entry->root), entry->root);
      root = entry->root;
      ids.insert(entry->id);
      // Alone it is the same entry: the id does not depend on how it was signed.
      const Content same = contents[i];
      EXPECT_EQ(decode_entry(sign_entries(a.identity, std::span(&same, 1)).value()[0])->id, entry->id);
    }
    EXPECT_EQ(ids.size(), size);
  }
}

TEST(Entry, NoSingleBitCanBeChanged) {
  Author a;
  std::vector<Content> contents = {a.content(1), a.content(2), a.content(3)};
  const std::vector<Bytes> entries = sign_entries(a.identity, contents).value();
  for (const Bytes& bytes : entries) {
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      Bytes changed = bytes;
      changed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
      const auto entry = decode_entry(changed);
      EXPECT_FALSE(entry && verify_entry(a.provider, *entry)) << "bit " << bit;
    }
  }
}

TEST(Entry, WhatIsNotWithinItsLimitsIsNotSigned) {
  Author a;
  const auto error = [&](const Content& content) {
    const auto made = sign_entries(a.identity, std::span(&content, 1));
    return made ? std::string_view("none") : to_string(made.error());
  };
  EXPECT_EQ(error(a.content()), "none");
  EXPECT_EQ(error(a.content(0)), "malformed");
  EXPECT_EQ(error(a.content(kSeqMax + 1)), "malformed");
  EXPECT_EQ(error(a.content(1, Kind::kCount)), "malformed") << "not two numbers";
  EXPECT_EQ(error(a.content(1, Kind::kRemove)), "malformed") << "saw nothing";
  EXPECT_EQ(error(a.content(1, Kind::kClear)), "malformed");
  for (const std::string_view path : {"", "/", "/a", "a/", "a//b", "a b", "a\n", "\x7f"}) {
    Content content = a.content();
    content.path = as_bytes(path);
    EXPECT_EQ(error(content), "malformed") << path;
  }
  a.saw = {EntryId{{2}}, EntryId{{1}}};
  EXPECT_EQ(error(a.content()), "malformed") << "not ascending";
  a.saw = {EntryId{{1}}, EntryId{{1}}};
  EXPECT_EQ(error(a.content()), "malformed") << "twice";
  a.saw.clear();
  a.body.assign(2000, 'x');
  EXPECT_EQ(error(a.content()), "too_large");
}

TEST(Entry, TheLargestBodyThatFitsIsTold) {
  Author a;
  std::size_t size = 0;
  for (std::size_t step = 512; step > 0; step /= 2) {
    a.body.assign(size + step, 'x');
    const Content content = a.content(kSeqMax);
    if (sign_entries(a.identity, std::span(&content, 1))) size += step;
  }
  EXPECT_GE(size, 850U);
  a.body.assign(size, 'x');
  const Content content = a.content(kSeqMax);
  EXPECT_EQ(sign_entries(a.identity, std::span(&content, 1)).value()[0].size(), kEntryBytesMax);
}

TEST(Entry, OtherSpellingsAndUnknownKindsAreRefused) {
  Author a;
  const Content content = a.content();
  const Bytes bytes = sign_entries(a.identity, std::span(&content, 1)).value()[0];
  Bytes longer = bytes;
  longer.push_back(0xc0);
  EXPECT_EQ(decode_entry(longer).error(), EntryError::kMalformed);
  EXPECT_EQ(decode_entry(ByteView(bytes).first(bytes.size() - 1)).error(), EntryError::kMalformed);
  EXPECT_EQ(decode_entry(Bytes(kEntryBytesMax + 1)).error(), EntryError::kTooLarge);
  // The batch's size, a positive fixint of one byte, as two.
  const std::size_t at = bytes.size() - (2 + 64) - 2 - 2;
  ASSERT_EQ(bytes[at], 1);
  Bytes respelt(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  respelt.insert(respelt.end(), {0xcc, 1});
  respelt.insert(respelt.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at) + 1, bytes.end());
  EXPECT_EQ(decode_entry(respelt).error(), EntryError::kNotCanonical);
  Bytes later = bytes;
  const auto stamp = std::ranges::search(later, ByteArray<2>{99, 1});
  ASSERT_FALSE(stamp.empty());
  stamp.front() = 99;
  *(stamp.begin() + 1) = static_cast<std::uint8_t>(Kind::kLast) + 1;
  EXPECT_EQ(decode_entry(later).error(), EntryError::kUnknownKind);
}

TEST(Entry, StandsInTheProtocolAsItIs) {
  Author a;
  a.saw = {EntryId{{1}}, EntryId{{2}}};
  std::vector<Content> contents = {a.content(1), a.content(2), a.content(3)};
  contents[1].prev = EntryId{{9}};
  const std::vector<Bytes> entries = sign_entries(a.identity, contents).value();
  const auto entry = decode_entry(entries[1]).value();
  const auto v = vectors_of("PROTOCOL-state.md").at("Entry");
  EXPECT_EQ(v.at("author"), to_hex(a.identity.public_key().bytes));
  EXPECT_EQ(v.at("id"), to_hex(entry.id.bytes));
  EXPECT_EQ(v.at("root"), to_hex(entry.root));
  EXPECT_EQ(v.at("entry"), to_hex(entries[1]));
}

}  // namespace
}  // namespace weft::state
