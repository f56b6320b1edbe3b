// The messages of shared state: as docs/PROTOCOL-state.md spells them, there and back, and within their limits.
#include <gtest/gtest.h>

#include <functional>

#include "crypto/sessions.h"
#include "gossip/state/messages.h"
#include "gossip/state/genesis.h"
#include "tests/vectors.h"

namespace weft::state {
namespace {

template <class M>
Bytes encoded(const M& m, std::uint32_t rpc = 5) {
  Bytes room(2 * kDatagramBytesMax);
  Writer w(room);
  encode(w, rpc, m);
  EXPECT_TRUE(w.ok());
  room.resize(w.size());
  return room;
}

template <class M>
std::optional<DecodeError> decoded(ByteView bytes, M& m) {
  Reader r(bytes);
  (void)r.array(8);
  (void)r.uint();
  (void)r.uint();
  return decode(r, m);
}

template <class M>
void stands(const char* name, const M& m) {
  const Bytes bytes = encoded(m);
  EXPECT_EQ(to_hex(bytes), vectors_of("PROTOCOL-state.md").at("Messages")[name]) << name;
  M again;
  ASSERT_FALSE(decoded(bytes, again)) << name;
  EXPECT_EQ(encoded(again), bytes) << name;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    M cut;
    EXPECT_TRUE(decoded(ByteView(bytes).first(size), cut)) << name << " cut to " << size;
  }
}

const SpaceHandle kHandle{7, 1};
const Salt kSalt{9, 8, 7, 6, 5, 4, 3, 2};

Prefix prefix(std::initializer_list<std::uint8_t> nibbles) {
  Prefix out;
  for (const std::uint8_t nibble : nibbles) out = out.then(nibble);
  return out;
}

TEST(StateMessages, VectorsStandInTheProtocol) {
  stands("Roots", Roots{.salt = kSalt, .roots = {{.space = kHandle, .hash = 0x1122334455667788}}});
  stands("RootsReply", RootsReply{.roots = {{.space = kHandle, .hash = 3}}});
  stands("Branch", Branch{.space = kHandle, .salt = kSalt, .nodes = {Prefix{}, prefix({1, 2, 3})}});
  BranchNode inner{.at = prefix({1, 2, 3}), .count = 5, .parts = {}};
  inner.parts.push({.nibble = 2, .count = 1, .hash = 0xaabbccdd});
  inner.parts.push({.nibble = 15, .count = 4, .hash = 1});
  stands("BranchReply", BranchReply{.nodes = {inner, BranchNode{.at = prefix({4}), .count = 0, .parts = {}}}});
  EntryKey after;
  after.bytes[39] = 1;
  stands("Fetch", Fetch{.space = kHandle, .salt = kSalt, .prefix = prefix({1}), .after = after, .have = {0x01020304}});
  const Bytes entry = {1, 2, 3};
  stands("FetchReply", FetchReply{.more = true, .pack = entry});
  stands("IHave", IHave{.space = kHandle, .ids = {{.id = {1, 2}, .hops = 3}}});
  stands("Graft", Graft{.space = kHandle, .eager = true, .ids = {EntryId{{4}}}});
  stands("Prune", Prune{.space = kHandle});
  stands("Link", Link{.space = kHandle, .step = broadcast::LinkStep::kAsk, .others = {NodeId{{5}}}});
  stands("Push", Push{.space = kHandle, .hops = {1}, .pack = entry});
  TreeHash hash{};
  hash[0] = 1;
  const auto v = vectors_of("PROTOCOL-state.md").at("Hashes");
  EXPECT_EQ(std::to_string(short_hash(kSalt, hash)), v.at("short"));
  EXPECT_EQ(std::to_string(long_hash(kSalt, hash)), v.at("long"));
}

TEST(StateMessages, TheFullestFitIntoADatagram) {
  Prefix deep;
  while (deep.nibbles < kNibbles - 1) deep = deep.then(15);
  BranchNode full{.at = deep, .count = 255, .parts = {}};
  for (std::uint8_t i = 0; i < 16; ++i) full.parts.push({.nibble = i, .count = 255, .hash = UINT32_MAX});
  BranchReply branches;
  while (branches.nodes.try_push(full)) {}
  EXPECT_LE(encoded(branches, UINT32_MAX).size(), kPayloadBytesMax);
  Roots roots;
  while (roots.roots.try_push({.space = kHandle, .hash = UINT64_MAX})) {}
  EXPECT_LE(encoded(roots, UINT32_MAX).size(), kPayloadBytesMax);
  Fetch fetch{.space = kHandle, .salt = kSalt, .prefix = deep, .after = EntryKey{}, .have = {}};
  while (fetch.have.try_push(UINT32_MAX)) {}
  EXPECT_LE(encoded(fetch, UINT32_MAX).size(), kPayloadBytesMax);
  const Bytes entry(kEntryBytesMax);
  EXPECT_LE(encoded(Push{.space = kHandle, .hops = {1}, .pack = entry}, UINT32_MAX).size(), kPackHeadBytes + entry.size());
  EXPECT_LE(kPackHeadBytes + entry.size(), kPayloadBytesMax);
}

// Bytes of a message with one node of a reply, or one prefix, in raw form.
Bytes with_raw(std::uint8_t kind, ByteView raw) {
  Bytes room(kDatagramBytesMax);
  Writer w(room);
  w.array(kind == kBranchReply ? 3 : 5).uint(kind).uint(1);
  if (kind == kBranch) w.bin(kHandle).bin(kSalt);
  w.array(1).bin(raw);
  room.resize(w.size());
  return room;
}

TEST(StateMessages, WhatNobodyWritesIsRefused) {
  const std::vector<Bytes> bad_prefixes = {{}, {81}, {2}, {1, 0x10, 0}, {1, 0x1f}, {3, 0x12, 0x31}};
  for (const Bytes& raw : bad_prefixes) {
    Branch m;
    EXPECT_TRUE(decoded(with_raw(kBranch, raw), m)) << to_hex(raw);
  }
  const std::vector<Bytes> bad_nodes = {
      {0},                                              // no count
      {0, 1, 1, 0, 1, 0, 0, 0, 0},                      // one branch
      {0, 1, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0},       // two branches, one entry
      {0, 2, 0, 0},                                     // two entries, no branches
      {0, 2, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0},       // a branch without entries
      {0, 2, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0},          // cut
      {0, 2, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0},    // and more
  };
  for (const Bytes& raw : bad_nodes) {
    BranchReply m;
    EXPECT_TRUE(decoded(with_raw(kBranchReply, raw), m)) << to_hex(raw);
  }
  BranchReply good;
  EXPECT_FALSE(decoded(with_raw(kBranchReply, Bytes{0, 2, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0}), good));
}

TEST(StateGenesis, StandsInTheProtocolAndNobodyCanMakeAnothers) {
  const SodiumProvider provider;
  const Identity creator(provider, ByteArray<32>{1});
  const Genesis made = make_genesis(creator, "notes", Access::kOpen);
  const auto v = vectors_of("PROTOCOL-state.md").at("Genesis");
  EXPECT_EQ(to_hex(made.wire), v.at("genesis"));
  EXPECT_EQ(to_hex(made.id.bytes), v.at("id"));
  EXPECT_EQ(to_hex(name_key("notes").bytes), v.at("key"));
  EXPECT_EQ(read_genesis(provider, made.wire), made);
  EXPECT_EQ(make_genesis(creator, "notes", Access::kOpen), made);
  for (std::size_t bit = 0; bit < 8 * made.wire.size(); ++bit) {
    Bytes bent = made.wire;
    bent[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(read_genesis(provider, bent)) << bit;
  }
  EXPECT_EQ(read_genesis(provider, Bytes(kGenesisBytesMax + 1)).error(), EntryError::kTooLarge);
}

TEST(StateGenesis, NamesAreOnePartOfAPath) {
  for (const char* good : {"a", "notes", "n0tes-of.today", "\xc3\xa4"}) EXPECT_TRUE(valid_name(good)) << good;
  for (const char* bad : {"", "a/b", "a@b", "a b", "/", "@", "\x7f", "\n"}) EXPECT_FALSE(valid_name(bad)) << bad;
  EXPECT_TRUE(valid_name(std::string(kNameMax, 'x')));
  EXPECT_FALSE(valid_name(std::string(kNameMax + 1, 'x')));
  const SodiumProvider provider;
  EXPECT_LE(make_genesis(Identity(provider, ByteArray<32>{1}), std::string(kNameMax, 'x'), Access::kOpen).wire.size(), kGenesisBytesMax);
}

}  // namespace
}  // namespace weft::state
