// Publishing again by regions: what lies close together goes as one, and only what is missing is sent.
#include <gmock/gmock.h>

#include "dht/server.h"
#include "dht/write_token.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

Config quiet() {
  Config config;
  config.refresh_every = 9h;  // so that the lookups counted are those of publications
  return config;
}

std::string name_of(int i) { return "k" + std::to_string(i); }

// As many lookups as there are regions, not as there are values.
TEST(Region, ManyOwnValuesCostFewLookups) {
  Config config = quiet();
  config.default_ttl_s = 24 * 3600;  // the longer they live the rarer they are looked at
  Mesh mesh({.seed = 301, .config = config});
  mesh.grow(100);
  constexpr int kValues = 1000;
  for (int i = 0; i < kValues; ++i) {
    ASSERT_TRUE(mesh.put_done(1, mesh.put(1, name_of(i), "v")).result.has_value());
  }
  mesh.run_for(3h);  // those that were stored at different times find together
  const Stats before = mesh.nodes[1]->dht->stats();
  mesh.run_for(5h);
  const Stats after = mesh.nodes[1]->dht->stats();
  const std::uint64_t published = after.republished_total - before.republished_total;
  const std::uint64_t lookups = after.lookups_total - before.lookups_total;
  EXPECT_GE(published, 1U * kValues);
  EXPECT_LE(lookups * 100, 3 * published) << lookups << " lookups";
  std::cout << published << " publications by " << lookups << " lookups\n";
  EXPECT_GE(after.own_copies_min, 11U);
}

// Each operation publishes what was due, and leaves the schedule of all else alone: values in different regions
// do not make each other due.
TEST(Region, ScatteredOwnValuesKeepToTheirSchedule) {
  Mesh mesh({.seed = 307, .config = quiet()});
  mesh.grow(100);
  constexpr int kValues = 20;
  for (int i = 0; i < kValues; ++i) {
    ASSERT_TRUE(mesh.put_done(1, mesh.put(1, name_of(i), "v")).result.has_value());
  }
  const Stats before = mesh.nodes[1]->dht->stats();
  mesh.run_for(6h);
  const Stats after = mesh.nodes[1]->dht->stats();
  // Every 42 minutes less a fifth at the oftenest.
  EXPECT_LE(after.republished_total - before.republished_total, kValues * (6U * 60 / 33 + 1));
  EXPECT_GE(after.republished_total - before.republished_total, 2U * kValues);
  EXPECT_LE(after.lookups_total - before.lookups_total,
            2 * (after.republished_total - before.republished_total));
}

// A quiet hour costs eight bytes a copy, not the values.
TEST(Region, WhatIsHeldIsNotSent) {
  Mesh mesh({.seed = 302, .config = quiet()});
  mesh.grow(40);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        mesh.put_done(1, mesh.put(1, name_of(i), std::string(500, 'v'), {.ttl_s = 7 * 24 * 3600}))
            .result.has_value());
  }
  mesh.kill(1);
  mesh.run_for(2h);  // the heirs of the dead writer get their copies
  const std::uint64_t stores = mesh.counts.store;
  const std::uint64_t bytes = mesh.counts.bytes;
  const std::uint64_t compares = mesh.counts.compare;
  mesh.run_for(4h);
  EXPECT_LE(mesh.counts.store - stores, 20U) << "nearly nothing was missing";
  EXPECT_GT(mesh.counts.compare - compares, 100U);
  std::cout << (mesh.counts.bytes - bytes) / (4 * 100) << " bytes a value and hour\n";
}

// A holder that has lost its disk gets back what is its own from the others.
TEST(Region, LostCopiesAreFoundAndMadeAgain) {
  Mesh mesh({.seed = 303, .config = quiet()});
  mesh.grow(40);
  const NodeId author = mesh.nodes[1]->contact.id;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(mesh.put_done(1, mesh.put(1, name_of(i), "v", {.ttl_s = 24 * 3600})).result.has_value());
  }
  mesh.run_for(1s);
  mesh.kill(1);
  const auto held_by = [&](std::size_t node) {
    int count = 0;
    for (int i = 0; i < 100; ++i) count += mesh.held_seq(node, id_of(name_of(i)), author) == 1 ? 1 : 0;
    return count;
  };
  std::size_t most = 2;
  for (std::size_t i = 2; i < 40; ++i) {
    if (held_by(i) > held_by(most)) most = i;
  }
  const int had = held_by(most);
  ASSERT_GT(had, 10);
  mesh.nodes[most]->rows.clear();
  mesh.restart(most, 1s);
  mesh.introduce(most, 3);
  mesh.bootstrap(most);
  EXPECT_EQ(held_by(most), 0);
  mesh.run_for(90min);
  EXPECT_GE(held_by(most), had - 1);
  std::uint64_t missing = 0;
  for (const auto& n : mesh.nodes) missing += n->dht->stats().copies_missing_total;
  EXPECT_GE(missing, 1U);
}

// Who fills the keys beside a value, so that its holders can tell nothing of it, keeps it neither from being renewed
// nor from being made again.
TEST(Region, HoldersThatCanTellNothingAreSentTheValues) {
  Config config = quiet();
  config.default_ttl_s = 10 * 3600;
  Mesh mesh({.seed = 310, .config = config});
  mesh.grow(30);
  for (const auto& node : mesh.nodes) node->tells_nothing = true;
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(mesh.put_done(1, mesh.put(1, name_of(i), "v")).result.has_value());
  const NodeId author = mesh.nodes[1]->contact.id;
  const std::size_t emptied = mesh.nearest(id_of(name_of(0)))[0] == 1 ? mesh.nearest(id_of(name_of(0)))[1]
                                                                      : mesh.nearest(id_of(name_of(0)))[0];
  mesh.nodes[emptied]->rows.clear();
  mesh.restart(emptied, 1s);
  mesh.introduce(emptied, 3);
  mesh.bootstrap(emptied);
  mesh.run_for(15h);  // longer than the lifetime of what was not renewed
  for (int i = 0; i < 40; ++i) {
    const std::vector<std::size_t> nearest = mesh.nearest(id_of(name_of(i)));
    for (std::size_t rank = 0; rank < 12; ++rank) {
      EXPECT_EQ(mesh.held_seq(nearest[rank], id_of(name_of(i)), author), 1U) << "value " << i << ", rank " << rank;
    }
  }
}

// The owner starts lifetimes anew at each holder, long before they end; an absence of a holder does no harm.
TEST(Region, TheOwnerRenewsAtEachHolder) {
  Config config = quiet();
  config.default_ttl_s = 10 * 3600;
  Mesh mesh({.seed = 304, .config = config});
  mesh.grow(30);
  for (int i = 0; i < 20; ++i) (void)mesh.put_done(1, mesh.put(1, name_of(i), "v"));
  for (int hour = 0; hour < 40; ++hour) {
    mesh.run_for(1h);
    for (int i = 0; i < 20; i += 7) {
      std::uint32_t least = UINT32_MAX;
      const std::vector<std::size_t> nearest = mesh.nearest(id_of(name_of(i)));
      for (std::size_t rank = 0; rank < 12; ++rank) {
        const std::size_t n = nearest[rank];
        Values reply;
        const Asker asker{.contact = mesh.nodes[n]->contact, .rpc = 1, .early = false, .reply_max = 1170};
        mesh.nodes[n]->dht->on_get(mesh.now(), asker,
                                   {.key = id_of(name_of(i)), .author = mesh.nodes[1]->contact.id}, reply, mesh.ignored);
        if (!reply.values.empty()) least = std::min(least, reply.values[0].remaining_s);
      }
      ASSERT_GE(least, 5U * 3600) << "hour " << hour;
      ASSERT_LE(least, 10U * 3600);
    }
  }
}

struct Holder1 {
  Holder1() : mesh({.seed = 305}) {
    mesh.grow(2);
    for (int i = 0; i < 20; ++i) {
      keys.push_back(id_of(name_of(i)));
      (void)mesh.put_done(1, mesh.put(1, name_of(i), "v"));
    }
    mesh.run_for(1s);
    std::ranges::sort(keys);
  }
  Bytes blob_at_0(const NodeId& key) {
    Values reply;
    const Asker asker{.contact = mesh.nodes[1]->contact, .rpc = 1, .early = false, .reply_max = 1170};
    mesh.nodes[0]->dht->on_get(mesh.now(), asker, {.key = key}, reply, mesh.ignored);
    return reply.values.empty() ? Bytes{} : to_bytes(reply.values[0].blob);
  }
  Compared ask(const Compare& m) {
    Compared reply;
    const Asker asker{.contact = mesh.nodes[1]->contact, .rpc = 1, .early = false, .reply_max = 1170};
    mesh.nodes[0]->dht->on_compare(mesh.now(), asker, m, bits, reply, mesh.ignored);
    return reply;
  }
  Mesh mesh;
  std::vector<NodeId> keys;
  ByteArray<kCompareItemsMax / 8> bits{};
};

TEST(Region, AHolderNamesWhatItLacks) {
  Holder1 h;
  Bytes sums(8 * 20);
  const int shared = common_prefix_bits(h.keys.front(), h.keys.back());
  for (std::size_t i = 0; i < 20; ++i) {
    Bytes blob = h.blob_at_0(h.keys[i]);
    ASSERT_FALSE(blob.empty());
    if (i % 3 == 0) blob[60] ^= 1;  // another value than the one that it holds
    store_le(sums.data() + 8 * i, compare_item(7, shared, h.keys[i], blob));
  }
  const Compare m{.first = h.keys.front(), .last = h.keys.back(), .salt = 7, .sums = sums};
  Compared reply = h.ask(m);
  ASSERT_EQ(reply.missing.size(), 3U);
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(reply.missing[i / 8] >> (i % 8) & 1, i % 3 == 0 ? 1 : 0) << i;
  }
  EXPECT_EQ(reply.missing[2] >> 4, 0) << "no more bits than sums";
  ASSERT_TRUE(reply.token.has_value());
  // Under another salt they are others; out of the range that is asked for they are not looked at.
  Compare other = m;
  other.salt = 8;
  EXPECT_EQ(h.ask(other).missing[0], 0xff);
  other = m;
  other.first = other.last;
  EXPECT_EQ(h.ask(other).missing[0], 0xff);
  // Only who publishes spares it the publication.
  const auto late_from = [&h] { return *h.mesh.nodes[0]->dht->stats().publishing_late_from; };
  h.mesh.run_for(10min);
  Bytes all(8 * h.keys.size());
  for (std::size_t i = 0; i < h.keys.size(); ++i) {
    store_le(all.data() + 8 * i, compare_item(7, shared, h.keys[i], h.blob_at_0(h.keys[i])));
  }
  other = m;
  other.sums = all;
  const Instant before = late_from();
  EXPECT_EQ(h.ask(other).missing[0], 0);
  EXPECT_EQ(late_from(), before);
  other.publishes = true;
  for (int i = 0; i < 3; ++i) (void)h.ask(other);  // one in 32 is published all the same
  EXPECT_GT(late_from(), before);
  // While its disk fails, or when it leaves, it gives no token.
  h.mesh.leave(0);
  reply = h.ask(m);
  EXPECT_FALSE(reply.token.has_value());
}

TEST(Region, ATokenIsGoodForItsRegionAndAskerOnly) {
  SeededEntropy entropy(5);
  WriteTokens tokens(entropy, {});
  const Contact who = make_contact(PublicKey{{1}}, Endpoint::v4(10, 0, 0, 1, 9000));
  const NodeId key = id_of("key");
  for (const int bits : {0, 1, 7, 8, 13, 64, 255}) {
    const Token token = tokens.make_region({}, who, key, bits);
    EXPECT_TRUE(tokens.check({}, who, key, token)) << bits;
    NodeId inside = key;
    inside.bytes[31] ^= 1;  // beyond every region
    EXPECT_EQ(tokens.check({}, who, inside, token), bits <= 255) << bits;
    if (bits > 0) {
      NodeId outside = key;
      const auto last = static_cast<std::size_t>(bits - 1);
      outside.bytes[last / 8] = static_cast<std::uint8_t>(outside.bytes[last / 8] ^ (0x80U >> (last % 8)));
      EXPECT_FALSE(tokens.check({}, who, outside, token)) << bits;
    }
    Token wider = token;  // its length is part of what is proven
    wider[0] = static_cast<std::uint8_t>(bits == 0 ? 1 : bits - 1);
    EXPECT_FALSE(tokens.check({}, who, key, wider)) << bits;
    Contact other = who;
    other.endpoint.port = 9001;
    EXPECT_FALSE(tokens.check({}, other, key, token));
    EXPECT_FALSE(tokens.check({}, make_contact(PublicKey{{2}}, who.endpoint), key, token));
  }
}

// A holder that claims to hold everything harms its own copy; one that claims to lack everything costs what a
// publication cost before.
TEST(Region, LiarsHarmTheirOwnCopyOnly) {
  Mesh mesh({.seed = 306, .config = quiet()});
  mesh.grow(40);
  const NodeId author = mesh.nodes[1]->contact.id;
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(mesh.put_done(1, mesh.put(1, name_of(i), "v", {.ttl_s = 24 * 3600})).result.has_value());
  }
  mesh.kill(1);
  // Everybody is asked by a liar each ten minutes about all that there is, as if it saw to it.
  const std::size_t liar = 2;
  std::vector<std::pair<NodeId, Bytes>> all;
  for (int i = 0; i < 30; ++i) {
    const NodeId key = id_of(name_of(i));
    Values reply;
    const std::size_t at = mesh.nearest(key)[0];
    const Asker asker{.contact = mesh.nodes[liar]->contact, .rpc = 1, .early = false, .reply_max = 1170};
    mesh.nodes[at]->dht->on_get(mesh.now(), asker, {.key = key, .author = author}, reply, mesh.ignored);
    ASSERT_FALSE(reply.values.empty());
    all.emplace_back(key, to_bytes(reply.values[0].blob));
  }
  std::ranges::sort(all);
  Bytes sums(8 * all.size());
  const int shared = common_prefix_bits(all.front().first, all.back().first);
  for (std::size_t i = 0; i < all.size(); ++i) {
    store_le(sums.data() + 8 * i, compare_item(1, shared, all[i].first, all[i].second));
  }
  const std::size_t wiped = mesh.nearest(all[0].first)[3] == liar ? mesh.nearest(all[0].first)[4]
                                                                  : mesh.nearest(all[0].first)[3];
  mesh.nodes[wiped]->rows.clear();
  mesh.restart(wiped, 1s);
  mesh.introduce(wiped, 3);
  mesh.bootstrap(wiped);
  for (int step = 0; step < 6 * 18; ++step) {
    mesh.run_for(10min);
    for (std::size_t n = 0; n < 40; ++n) {
      if (n == liar || n == 1) continue;
      Compared reply;
      ByteArray<kCompareItemsMax / 8> bits;
      const Asker asker{.contact = mesh.nodes[liar]->contact, .rpc = 1, .early = false, .reply_max = 1170};
      mesh.nodes[n]->dht->on_compare(mesh.now(), asker,
                                     {.first = all.front().first, .last = all.back().first, .salt = 1, .sums = sums, .publishes = true},
                                     bits, reply, mesh.ignored);
    }
  }
  EXPECT_EQ(mesh.held_seq(wiped, all[0].first, author), 1U);
}

}  // namespace
}  // namespace weft::dht
