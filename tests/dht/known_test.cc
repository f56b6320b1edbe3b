#include "dht/known.h"

#include <gtest/gtest.h>

#include <set>

#include "dht/lookup.h"
#include "tests/dht/line.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

const Endpoint kHere = Endpoint::v4(10, 0, 0, 1, 9338);
const Endpoint kThere = Endpoint::v4(10, 0, 0, 1, 9339);

TEST(Known, ATagIsOfTheSaltTheIdAndTheAddress) {
  std::set<std::uint16_t> tags;
  for (std::uint16_t salt = 0; salt < 64; ++salt) {
    EXPECT_EQ(known_tag(salt, id_of("a"), kHere), known_tag(salt, id_of("a"), kHere));
    EXPECT_NE(known_tag(salt, id_of("a"), kHere), known_tag(salt, id_of("a"), kThere));
    tags.insert(known_tag(salt, id_of("a"), kHere));
  }
  EXPECT_GE(tags.size(), 62U) << "whoever has the tag of another under one salt has not under the next";
}

TEST(Known, ThoseAreKnownThatWereToldOf) {
  Rng rng(test_seed(70));
  auto people = people_of(rng, 1001);
  Known known{.salt = 5};
  EXPECT_FALSE(is_known(known, people[1000]));
  known.tags.push(known_tag(5, people[1000].id, people[1000].endpoint));
  EXPECT_TRUE(is_known(known, people[1000]));
  people[1000].endpoint = kThere;
  EXPECT_FALSE(is_known(known, people[1000])) << "it has moved";
  std::size_t mistaken = 0;
  for (int i = 0; i < 1000; ++i) mistaken += is_known(known, people[static_cast<std::size_t>(i)]) ? 1U : 0U;
  EXPECT_LE(mistaken, 1U) << "one of 65,536";
}

// A lookup that has asked its three seeds, number 20 to 22 of `people`, the nearest of whom is number 0.
struct Asked {
  std::vector<Contact> people;
  Lookup lookup;

  explicit Asked(std::size_t paths = 1, std::size_t want = 12)
      : lookup({.self = id_of("self"), .target = id_of("t"), .want = want, .paths = paths}) {
    Rng rng(test_seed(71));
    people = line_of(rng, 40, id_of("t"));
    for (std::size_t i = 20; i < 23; ++i) lookup.seed(people[i]);
    while (lookup.next()) {}
  }
  bool knows(std::size_t i) const { return is_known(lookup.known(9), people[i]); }
};

TEST(Known, ALookupTellsOfEachAtTheAddressesThatItKnows) {
  Asked a;
  EXPECT_EQ(a.lookup.known(9).tags.size(), 3U) << "the seeds";
  Contact wrong = a.people[2];
  wrong.endpoint = Endpoint::v4(10, 250, 0, 1, 9338);
  a.lookup.on_reply(a.people[20].id, 1ms, std::vector{a.people[0], a.people[1], wrong});
  EXPECT_TRUE(a.knows(0));
  EXPECT_TRUE(a.knows(1));
  EXPECT_FALSE(a.knows(2)) << "at its own address nobody has named it: who knows that names it";
  EXPECT_EQ(a.lookup.known(9).tags.size(), 6U);
  a.lookup.on_reply(a.people[21].id, 1ms, std::vector{a.people[2]});
  EXPECT_TRUE(a.knows(2));
  EXPECT_EQ(a.lookup.known(9).tags.size(), 7U) << "both of its addresses";
}

TEST(Known, OfSeveralPathsAndForFewNobodyIsTold) {
  EXPECT_TRUE(Asked(2).lookup.known(9).tags.empty());
  EXPECT_TRUE(Asked(1, 3).lookup.known(9).tags.empty());
}

TEST(Known, TheNearestAreToldOf) {
  Rng rng(test_seed(72));
  const NodeId target = id_of("t");
  const auto people = line_of(rng, 60, target);
  Lookup lookup({.self = id_of("self"), .target = target, .want = 20});
  for (std::size_t i = people.size(); i-- > 0;) lookup.seed(people[i]);
  const Known known = lookup.known(3);
  ASSERT_TRUE(known.tags.full());
  for (std::size_t i = 0; i < kKnownTagsMax; ++i) EXPECT_EQ(known.tags[i], known_tag(3, people[i].id, people[i].endpoint));
}

TEST(Known, AnAnswerLeavesThemOutAndCountsThemAsNamed) {
  CheapProvider provider;
  SeededEntropy entropy{5};
  const Now now{Instant(1h), UnixMillis{1'700'000'000'000}};
  ByteArray<32> seed{};
  const Identity self(provider, seed);
  Config config;
  config.prefix_per_bucket = 0;
  config.prefix_per_table = 0;
  Dht dht(self, provider, entropy, Rng(7), config, now);
  Rng rng(test_seed(73));
  const NodeId target = id_of("t");
  Output out;
  for (const Contact& contact : people_of(rng, 60)) dht.heard_from(now, contact, {}, out);
  seed.fill(9);
  const Asker asker{.contact = make_contact(Identity(provider, seed).public_key(), Endpoint::v4(10, 9, 9, 9, 1)), .rpc = 1,
                    .early = false, .reply_max = 1170};
  Nodes all;
  dht.on_find_node(now, asker, {.target = target}, all);
  ASSERT_EQ(all.contacts.size(), kContactsPerReply);
  Known known{.salt = 11};
  for (std::size_t i = 0; i < 15; ++i) known.tags.push(known_tag(11, all.contacts[i].id, all.contacts[i].endpoint));
  std::vector<NodeId> expected;
  for (const Contact& contact : all.contacts) {
    if (!is_known(known, contact)) expected.push_back(contact.id);
  }
  Nodes rest;
  dht.on_find_node(now, asker, {.target = target, .known = known}, rest);
  std::vector<NodeId> ids;
  for (const Contact& contact : rest.contacts) ids.push_back(contact.id);
  EXPECT_EQ(ids, expected) << "nobody farther in their place";
  EXPECT_LE(ids.size(), 5U);
  Values values;
  dht.on_get(now, asker, {.key = target, .known = known}, values, out);
  EXPECT_EQ(values.contacts, rest.contacts);
}

}  // namespace
}  // namespace weft::dht
