#include "dht/dht.h"

#include <gmock/gmock.h>

#include <set>

#include "dht/lookup.h"
#include "dht/value_store.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

std::string text_of(const GetDone& done) {
  if (!done.result || done.result->values.empty()) return "";
  return std::string(as_text(done.result->values[0].value));
}

TEST(Dht, ANodeAloneKeepsItsOwnValue) {
  Mesh mesh({});
  mesh.add();
  const PutDone put = mesh.put_done(0, mesh.put(0, "color", "blue"));
  ASSERT_TRUE(put.result.has_value());
  EXPECT_EQ(put.result->replicas, 1U);
  EXPECT_EQ(put.result->seq, 1U);
  EXPECT_EQ(text_of(mesh.get_done(0, mesh.get(0, "color"))), "blue");
  const GetDone none = mesh.get_done(0, mesh.get(0, "other"));
  ASSERT_FALSE(none.result.has_value());
  EXPECT_EQ(none.result.error().error, OpError::kNotFound);
}

TEST(Dht, ALookupWithoutPeersFailsInTheSameCall) {
  Mesh mesh({});
  mesh.add();
  const OpId op = mesh.lookup(0, id_of("x"));
  ASSERT_TRUE(mesh.done(0, op));
  EXPECT_EQ(mesh.finish<LookupDone>(0, op).result.error().error, OpError::kNoPeers);
}

TEST(Dht, StoresOnTheNearestAndFindsItFromAnywhere) {
  Mesh mesh({.seed = test_seed(11)});
  mesh.grow(200);
  std::uint64_t put_requests = 0, stores = 0, get_requests = 0;
  std::size_t wrong = 0;
  constexpr int kRounds = 40;
  Duration put_time{}, get_time{};
  for (int i = 0; i < kRounds; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::size_t writer = mesh.rng.below(200);
    Mesh::Counts before = mesh.counts;
    Instant start = mesh.clock;
    const PutDone put = mesh.put_done(writer, mesh.put(writer, key, "value" + std::to_string(i)));
    put_time += mesh.clock - start;
    ASSERT_TRUE(put.result.has_value());
    EXPECT_GE(put.result->replicas, 8U) << "two thirds are waited for";
    mesh.run_for(200ms);
    put_requests += mesh.counts.get + mesh.counts.find_node - before.get - before.find_node;
    stores += mesh.counts.store - before.store;
    const auto nearest = mesh.nearest(id_of(key));
    for (std::size_t n = 0; n < 12; ++n) {
      if (mesh.held_seq(nearest[n], id_of(key), mesh.nodes[writer]->contact.id) != 1) ++wrong;
    }
    const std::size_t reader = mesh.rng.below(200);
    before = mesh.counts;
    start = mesh.clock;
    EXPECT_EQ(text_of(mesh.get_done(reader, mesh.get(reader, key))), "value" + std::to_string(i));
    get_time += mesh.clock - start;
    get_requests += mesh.counts.foreground() - before.foreground();
    mesh.run_for(100ms);
  }
  std::cout << "lookup requests per put " << static_cast<double>(put_requests) / kRounds
            << ", stores per put " << static_cast<double>(stores) / kRounds
            << ", requests per get " << static_cast<double>(get_requests) / kRounds
            << ", round trips per put " << static_cast<double>(put_time.count()) / kRounds / 2000
            << ", per get " << static_cast<double>(get_time.count()) / kRounds / 2000 << '\n';
  EXPECT_LE(wrong, 2U);
  EXPECT_LE(put_requests, 20U * kRounds);
  EXPECT_LE(stores, 13U * kRounds);
  EXPECT_LE(get_requests, 8U * kRounds);
}

TEST(Dht, AMeshThatHasGrownSeemsCrowdedOnceAndIsNot) {
  Mesh mesh({.seed = test_seed(31)});
  mesh.grow(20);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(mesh.finish<LookupDone>(0, mesh.lookup(0, id_of("before" + std::to_string(i)))).result);
  mesh.grow(400);
  for (int i = 0; i < 20; ++i) {
    const std::string key = "key" + std::to_string(i);
    ASSERT_TRUE(mesh.put_done(300, mesh.put(300, key, "value")).result);
    const Instant start = mesh.clock;
    EXPECT_EQ(text_of(mesh.get_done(0, mesh.get(0, key))), "value");
    EXPECT_LT(mesh.clock - start, 1s) << "get " << i;
    const Instant again = mesh.clock;
    ASSERT_TRUE(mesh.put_done(0, mesh.put(0, key, "another")).result);
    EXPECT_LT(mesh.clock - again, 1s) << "put " << i;
  }
  EXPECT_EQ(mesh.nodes[0]->dht->stats().crowded_total, 0U);
}

TEST(Dht, AValueIsDurableBeforeItIsStoredAnywhere) {
  Mesh mesh({.seed = 12});
  mesh.grow(30);
  mesh.nodes[3]->disk_fails = true;
  const std::uint64_t before = mesh.counts.store;
  const PutDone put = mesh.put_done(3, mesh.put(3, "k", "v"));
  ASSERT_FALSE(put.result.has_value());
  EXPECT_EQ(put.result.error().error, OpError::kStore);
  EXPECT_EQ(mesh.counts.store, before);
  mesh.nodes[3]->disk_fails = false;
  const std::uint64_t persists = mesh.nodes[3]->persists;
  mesh.filter = [&](std::size_t from, std::size_t, const Request& r) {
    if (from == 3 && std::holds_alternative<Store>(r.message)) {
      EXPECT_GT(mesh.nodes[3]->persists, persists);
    }
    return true;
  };
  EXPECT_TRUE(mesh.put_done(3, mesh.put(3, "k", "v")).result.has_value());
}

TEST(Dht, NumbersStartAboveTheFloor) {
  Mesh mesh({.seed = 131});
  mesh.grow(10);
  EXPECT_EQ(mesh.put_done(3, mesh.put(3, "k", "v")).result->seq, 1U);
  mesh.nodes[3]->dht->set_number_floor(1000);
  // What it compares with is the current value's number, not the floor.
  EXPECT_EQ(mesh.put_done(3, mesh.put(3, "k", "w", {.cas = 0})).result.error().current_seq, 1U);
  EXPECT_EQ(mesh.put_done(3, mesh.put(3, "k", "w", {.cas = 1})).result->seq, 1001U);
  EXPECT_EQ(mesh.put_done(3, mesh.put(3, "k", "x")).result->seq, 1002U);
  EXPECT_EQ(mesh.put_done(3, mesh.put(3, "new", "v")).result->seq, 1001U);
}

TEST(Dht, NumbersGrowAndCompareAndSetHolds) {
  Mesh mesh({.seed = 13});
  mesh.grow(40);
  EXPECT_EQ(mesh.put_done(5, mesh.put(5, "k", "one", {.cas = 0})).result->seq, 1U);
  const PutDone conflict = mesh.put_done(5, mesh.put(5, "k", "two", {.cas = 0}));
  ASSERT_FALSE(conflict.result.has_value());
  EXPECT_EQ(conflict.result.error().error, OpError::kConflict);
  EXPECT_EQ(conflict.result.error().current_seq, 1U);
  EXPECT_EQ(mesh.put_done(5, mesh.put(5, "k", "two", {.cas = 1})).result->seq, 2U);
  EXPECT_EQ(text_of(mesh.get_done(9, mesh.get(9, "k"))), "two");
  // Two puts at the same time: two numbers, and of two that expect the same only one succeeds.
  const OpId a = mesh.put(5, "k", "a");
  const OpId b = mesh.put(5, "k", "b");
  const PutDone done_a = mesh.put_done(5, a);
  const PutDone done_b = mesh.put_done(5, b);
  EXPECT_NE(done_a.result->seq, done_b.result->seq);
  const OpId c = mesh.put(5, "k", "c", {.cas = 4});
  const OpId d = mesh.put(5, "k", "d", {.cas = 4});
  const int won = (mesh.put_done(5, c).result.has_value() ? 1 : 0) +
                  (mesh.put_done(5, d).result.has_value() ? 1 : 0);
  EXPECT_EQ(won, 1);
}

TEST(Dht, AWriterWithoutMemoryFindsItsNumberInTheMesh) {
  Mesh mesh({.seed = 14});
  mesh.grow(40);
  for (int i = 0; i < 3; ++i) (void)mesh.put_done(5, mesh.put(5, "k", std::string(900, 'x')));
  mesh.nodes[5]->rows.clear();
  mesh.restart(5, 1s);
  mesh.introduce(5, 6);
  mesh.bootstrap(5);
  mesh.run_for(1s);
  const PutDone put = mesh.put_done(5, mesh.put(5, "k", "after"));
  ASSERT_TRUE(put.result.has_value());
  EXPECT_EQ(put.result->seq, 4U);
  EXPECT_EQ(text_of(mesh.get_done(20, mesh.get(20, "k"))), "after");
}

TEST(Dht, AWithdrawnValueStaysWithdrawn) {
  Config config;
  config.refresh_every = 3h;  // a long run: little noise
  Mesh mesh({.seed = 15, .config = config});
  mesh.grow(25);
  (void)mesh.put_done(5, mesh.put(5, "k", "v", {.ttl_s = 5 * 24 * 3600}));
  const PutDone rm = mesh.put_done(5, mesh.put(5, "k", "ignored", {.withdraw = true}));
  ASSERT_TRUE(rm.result.has_value());
  EXPECT_EQ(rm.result->seq, 2U);
  EXPECT_GE(rm.result->replicas, 8U);
  const GetDone get = mesh.get_done(7, mesh.get(7, "k"));
  ASSERT_FALSE(get.result.has_value());
  EXPECT_EQ(get.result.error().error, OpError::kNotFound);
  // The withdrawal lasts as long as what it withdrew could have: a day later it is still there.
  mesh.run_for(30h);
  EXPECT_GE(mesh.holders(id_of("k"), mesh.nodes[5]->contact.id, 2), 8U);
  EXPECT_EQ(mesh.holders(id_of("k"), mesh.nodes[5]->contact.id, 1), 0U);
}

TEST(Dht, EveryOperationEndsOnceHoweverItEnds) {
  Config config;
  config.ops_max = 4;
  Mesh mesh({.seed = 16, .config = config});
  mesh.grow(20);
  EXPECT_EQ(mesh.put_done(0, mesh.put(0, "k", std::string(1001, 'x'))).result.error().error,
            OpError::kTooLarge);
  EXPECT_TRUE(mesh.put_done(0, mesh.put(0, "k", std::string(1000, 'x'))).result.has_value());
  std::vector<OpId> ops;
  for (int i = 0; i < 6; ++i) ops.push_back(mesh.get(0, "g" + std::to_string(i)));
  for (int i = 4; i < 6; ++i) {
    ASSERT_TRUE(mesh.done(0, ops[static_cast<std::size_t>(i)]));
    EXPECT_EQ(mesh.get_done(0, ops[static_cast<std::size_t>(i)]).result.error().error,
              OpError::kOverloaded);
  }
  Output out;
  mesh.nodes[0]->dht->cancel(mesh.now(), ops[0], out);
  ASSERT_EQ(out.events.size(), 1U);
  EXPECT_EQ(std::get<GetDone>(out.events[0]).result.error().error, OpError::kCancelled);
  out.clear();
  mesh.nodes[0]->dht->cancel(mesh.now(), ops[0], out);
  EXPECT_TRUE(out.events.empty());
  mesh.nodes[0]->dht->shutdown(mesh.now(), out);
  EXPECT_EQ(out.events.size(), 3U);
  for (const Event& e : out.events) {
    EXPECT_EQ(std::get<GetDone>(e).result.error().error, OpError::kShutdown);
  }
  out.clear();
  mesh.nodes[0]->dht->put(mesh.now(), static_cast<OpId>(999), id_of("k"), {}, {}, out);
  ASSERT_EQ(out.events.size(), 1U);
  EXPECT_EQ(std::get<PutDone>(out.events[0]).result.error().error, OpError::kShutdown);
}

TEST(Dht, SilenceEndsAtTheDeadlineAtTheLatest) {
  Mesh mesh({.seed = 17, .patience = 60s});
  mesh.grow(20);
  mesh.filter = [](std::size_t, std::size_t, const Request&) { return false; };
  const Instant start = mesh.clock;
  const OpId get = mesh.get(0, "k");
  const OpId put = mesh.put(0, "p", "v");
  const OpId find = mesh.lookup(0, id_of("t"));
  const OpId along = mesh.lookup(0, id_of("t"), {.paths = kPathsMax});
  const OpId get_along = mesh.get(0, "k", {.paths = kPathsMax});
  mesh.run_for(21s);
  for (const OpId op : {get, put, find, along, get_along}) EXPECT_TRUE(mesh.done(0, op));
  EXPECT_EQ(mesh.get_done(0, get).result.error().error, OpError::kTimedOut);
  EXPECT_LE(mesh.clock - start, 21s);
}

TEST(Dht, WorksWhenAThirdDiesAtOnceAndPacketsAreLost) {
  Mesh mesh({.seed = test_seed(18), .loss = {5, 100}});
  mesh.grow(150);
  constexpr int kValues = 30;
  for (int i = 0; i < kValues; ++i) {
    const PutDone put = mesh.put_done(0, mesh.put(0, "k" + std::to_string(i), "v"));
    ASSERT_TRUE(put.result.has_value());
    EXPECT_GE(put.result->replicas, 8U);
  }
  for (std::size_t i = 1; i < 150; ++i) {
    if (i % 3 == 0) mesh.kill(i);
  }
  int found = 0;
  std::uint64_t requests = 0;
  Duration longest{};
  for (int i = 0; i < kValues; ++i) {
    const std::uint64_t before = mesh.counts.foreground();
    const Instant start = mesh.clock;
    const GetDone get = mesh.get_done(1, mesh.get(1, "k" + std::to_string(i)));
    longest = std::max<Duration>(longest, mesh.clock - start);
    requests += mesh.counts.foreground() - before;
    if (text_of(get) == "v") ++found;
  }
  EXPECT_EQ(found, kValues);
  EXPECT_LE(longest, 200ms) << "slow peers are set aside, nobody waits for the dead";
  std::cout << "requests per get among the dead " << requests / kValues << ", longest "
            << longest.count() / 1000 << " ms\n";
  const PutDone put = mesh.put_done(1, mesh.put(1, "new", "v"));
  ASSERT_TRUE(put.result.has_value());
  mesh.run_for(1s);
  EXPECT_GE(mesh.holders(id_of("new"), mesh.nodes[1]->contact.id, 1), 10U);
}

TEST(Dht, AQuorumThatIsAskedForMustBeReached) {
  Mesh mesh({.seed = 19});
  mesh.grow(40);
  const PutDone put = mesh.put_done(5, mesh.put(5, "k", "v", {.replicas = 3}));
  EXPECT_EQ(put.result->replicas, 3U);
  EXPECT_EQ(put.result->wanted, 3U);
  const GetDone strict = mesh.get_done(30, mesh.get(30, "k", {.quorum = 8}));
  ASSERT_FALSE(strict.result.has_value());
  EXPECT_EQ(strict.result.error().error, OpError::kQuorum);
  EXPECT_GE(strict.result.error().replicas, 3U);
  // That read has repaired what it missed.
  mesh.run_for(1s);
  EXPECT_GE(mesh.holders(id_of("k"), mesh.nodes[5]->contact.id, 1), 12U);
  EXPECT_TRUE(mesh.get_done(30, mesh.get(30, "k", {.quorum = 8})).result.has_value());
  const PutDone many = mesh.put_done(5, mesh.put(5, "k", "w", {.replicas = 12, .quorum = 13}));
  ASSERT_FALSE(many.result.has_value());
  EXPECT_EQ(many.result.error().error, OpError::kQuorum);
  EXPECT_EQ(many.result.error().replicas, 12U);
  const PutDone all = mesh.put_done(5, mesh.put(5, "k", "x", {.replicas = 12, .quorum = 12}));
  ASSERT_TRUE(all.result.has_value());
  EXPECT_EQ(all.result->replicas, 12U) << "a quorum above two thirds is waited for";
}

TEST(Dht, APutIsAnsweredByTwoThirdsAndGoesOnToAll) {
  Mesh mesh({.seed = 21});
  mesh.grow(40);
  const PutDone put = mesh.put_done(5, mesh.put(5, "k", "v"));
  ASSERT_TRUE(put.result.has_value());
  EXPECT_GE(put.result->replicas, 8U);
  EXPECT_LT(put.result->replicas, 12U);
  mesh.run_for(1s);
  EXPECT_GE(mesh.holders(id_of("k"), mesh.nodes[5]->contact.id, 1), 12U);
  EXPECT_EQ(mesh.nodes[5]->dht->stats().own_copies_min, 12U);
}

TEST(Dht, AReadRepairsHoldersThatMissedAWrite) {
  Mesh mesh({.seed = 20});
  mesh.grow(60);
  (void)mesh.put_done(5, mesh.put(5, "k", "old"));
  // The second write reaches only some of the holders.
  std::size_t stores = 0;
  mesh.filter = [&](std::size_t, std::size_t, const Request& r) {
    return !std::holds_alternative<Store>(r.message) || ++stores <= 4;
  };
  (void)mesh.put_done(5, mesh.put(5, "k", "new"));
  mesh.filter = nullptr;
  const NodeId author = mesh.nodes[5]->contact.id;
  EXPECT_LT(mesh.holders(id_of("k"), author, 2), 8U);
  const GetDone get = mesh.get_done(40, mesh.get(40, "k", {.quorum = 4}));
  EXPECT_EQ(text_of(get), "new");
  mesh.run_for(1s);
  const GetDone all = mesh.get_done(41, mesh.get(41, "k", {.all = true}));
  EXPECT_EQ(text_of(all), "new");
  mesh.run_for(1s);
  EXPECT_GE(mesh.holders(id_of("k"), author, 2), 11U);
  EXPECT_EQ(mesh.holders(id_of("k"), author, 1), 0U);
}

TEST(Dht, ReadsEveryAuthorPageByPage) {
  Mesh mesh({.seed = 21});
  mesh.grow(40);
  for (std::size_t who = 0; who < 20; ++who) {
    ASSERT_TRUE(mesh.put_done(who, mesh.put(who, "k", std::string(900, 'x'))).result.has_value());
  }
  const GetDone all = mesh.get_done(30, mesh.get(30, "k", {.all = true}));
  ASSERT_TRUE(all.result.has_value());
  EXPECT_EQ(all.result->values.size(), 20U);
  for (const FoundValue& value : all.result->values) EXPECT_GE(value.copies, 11U);
  EXPECT_TRUE(std::ranges::is_sorted(all.result->values, {}, &FoundValue::author_id));
  const GetDone one = mesh.get_done(31, mesh.get(31, "k", {.author = mesh.nodes[7]->contact.id}));
  ASSERT_EQ(one.result->values.size(), 1U);
  EXPECT_EQ(one.result->values[0].author, mesh.nodes[7]->contact.key);
}

TEST(Dht, ShortEarlyAnswersAreReadAgainInSession) {
  Mesh mesh({.seed = 22});
  mesh.grow(30);
  (void)mesh.put_done(5, mesh.put(5, "k", std::string(1000, 'x')));
  mesh.options.reply_max = 600;  // as in the answer to a handshake's early data
  const OpId op = mesh.get(20, "k");
  mesh.run_for(2ms);  // the first answers have come: no room for the value
  mesh.options.reply_max = 1170;
  EXPECT_EQ(mesh.get_done(20, op).result->values.at(0).value.size(), 1000U);
}

TEST(Dht, AWriterWithoutMemoryAsksAgainWhereItsValueDidNotFit) {
  Mesh mesh({.seed = 32});
  mesh.grow(30);
  (void)mesh.put_done(5, mesh.put(5, "k", std::string(1000, 'x')));
  mesh.nodes[5]->rows.clear();
  mesh.restart(5, 1s);
  mesh.introduce(5, 6);
  mesh.bootstrap(5);
  mesh.run_for(1s);
  ASSERT_EQ(mesh.held_seq(5, id_of("k"), mesh.nodes[5]->contact.id), 0U);
  mesh.options.reply_max = 600;
  const OpId op = mesh.put(5, "k", "after");
  mesh.run_for(2ms);
  mesh.options.reply_max = 1170;
  EXPECT_EQ(mesh.put_done(5, op).result->seq, 2U);
}

TEST(Dht, CopiesOutliveTheirHolders) {
  Config config;
  config.refresh_every = 3h;
  Mesh mesh({.seed = test_seed(23), .config = config});
  mesh.grow(60);
  const NodeId key = id_of("k");
  // A lifetime of its own, so that no owner renews it; the writer dies at once.
  ASSERT_TRUE(mesh.put_done(5, mesh.put(5, "k", "v", {.ttl_s = 12 * 3600})).result.has_value());
  const NodeId author = mesh.nodes[5]->contact.id;
  mesh.kill(5);
  for (int wave = 0; wave < 3; ++wave) {
    std::size_t killed = 0;
    for (const std::size_t i : mesh.nearest(key)) {
      if (killed < 9 && mesh.held_seq(i, key, author) == 1) {
        mesh.kill(i);
        ++killed;
      }
    }
    mesh.run_for(3h);
    EXPECT_GE(mesh.holders(key, author, 1), 9U) << "wave " << wave;
  }
  const auto readers = mesh.nearest(id_of("somewhere else"));
  EXPECT_EQ(text_of(mesh.get_done(readers[0], mesh.get(readers[0], "k"))), "v");
  mesh.run_for(4h);
  EXPECT_EQ(mesh.holders(key, author, 1), 0U) << "republishing lengthens no life";
}

TEST(Dht, TheOwnerKeepsAValueAliveUntilItIsWithdrawn) {
  Config config;
  config.default_ttl_s = 2 * 3600;
  config.refresh_every = 3h;
  Mesh mesh({.seed = 24, .config = config});
  mesh.grow(40);
  (void)mesh.put_done(5, mesh.put(5, "kept", "v"));
  (void)mesh.put_done(5, mesh.put(5, "brief", "v", {.ttl_s = 3600}));
  mesh.run_for(10h);
  EXPECT_EQ(text_of(mesh.get_done(9, mesh.get(9, "kept"))), "v");
  EXPECT_FALSE(mesh.get_done(9, mesh.get(9, "brief")).result.has_value());
  const NodeId author = mesh.nodes[5]->contact.id;
  EXPECT_GE(mesh.holders(id_of("kept"), author, 1), 12U);
  EXPECT_EQ(mesh.nodes[5]->dht->stats().own, 1U) << "what has expired is forgotten";
  EXPECT_GE(mesh.nodes[5]->dht->stats().own_copies_min, 11U);
  mesh.kill(5);
  mesh.run_for(3h);
  EXPECT_EQ(mesh.holders(id_of("kept"), author, 1), 0U);
}

TEST(Dht, ARestartRemembersValuesNumbersAndPeers) {
  Mesh mesh({.seed = 27});
  mesh.grow(30);
  (void)mesh.put_done(5, mesh.put(5, "mine", "v"));
  (void)mesh.put_done(6, mesh.put(6, "yours", "v", {.ttl_s = 7200}));
  mesh.run_for(2min);  // contacts are saved
  const NodeId yours = id_of("yours");
  const NodeId author = mesh.nodes[6]->contact.id;
  const std::size_t holder = mesh.nearest(yours)[0] == 6 ? mesh.nearest(yours)[1]
                                                         : mesh.nearest(yours)[0];
  ASSERT_EQ(mesh.held_seq(holder, yours, author), 1U);
  mesh.kill(holder);
  mesh.run_for(1h);
  mesh.restart(holder, 0s);
  ASSERT_EQ(mesh.held_seq(holder, yours, author), 1U);
  Values reply;
  mesh.nodes[holder]->dht->on_get(
      mesh.now(), {.contact = mesh.nodes[0]->contact, .rpc = 1, .early = false, .reply_max = 1170},
      {.key = yours}, reply, mesh.ignored);
  EXPECT_LE(reply.values[0].remaining_s, 7200U - 3600U - 120U) << "counted down while it was off";
  EXPECT_GE(reply.values[0].remaining_s, 7200U - 3600U - 130U);

  mesh.kill(5);
  mesh.restart(5, 10s);
  EXPECT_EQ(mesh.nodes[5]->dht->stats().own, 1U);
  EXPECT_EQ(mesh.nodes[5]->dht->stats().contacts, 0U) << "nobody has proven itself yet";
  EXPECT_GT(mesh.nodes[5]->dht->restored_contacts().size(), 10U);
  mesh.bootstrap(5);
  mesh.run_for(2s);
  EXPECT_GT(mesh.nodes[5]->dht->stats().contacts, 20U) << "found the mesh without a seed";
  EXPECT_EQ(mesh.put_done(5, mesh.put(5, "mine", "again")).result->seq, 2U);
}

TEST(Dht, AnOfflineNodeKeepsItsTable) {
  Mesh mesh({.seed = 28});
  mesh.grow(40);
  const std::size_t before = mesh.nodes[5]->dht->stats().contacts;
  bool offline = true;
  mesh.filter = [&](std::size_t from, std::size_t to, const Request&) {
    return !offline || (from != 5 && to != 5);
  };
  for (int i = 0; i < 20; ++i) {
    (void)mesh.lookup(5, id_of(std::to_string(i)));
    mesh.run_for(30s);
  }
  EXPECT_GE(mesh.nodes[5]->dht->stats().contacts + 3, before);
  EXPECT_GT(mesh.nodes[5]->dht->stats().evictions_frozen_total, 20U);
  offline = false;
  EXPECT_EQ(mesh.finish<LookupDone>(5, mesh.lookup(5, id_of("back"))).result->closest.size(), 20U);
}

TEST(Dht, TheDeadLeaveTheTablesAndAreNotNamed) {
  Mesh mesh({.seed = 29});
  mesh.grow(60);
  for (std::size_t i = 0; i < 12; ++i) mesh.kill(i);
  mesh.run_for(1h);
  std::size_t dead = 0, all = 0;
  for (std::size_t i = 12; i < 60; ++i) {
    mesh.nodes[i]->dht->for_each_contact([&](const TableEntry& entry) {
      ++all;
      if (!mesh.nodes[mesh.by_id.at(entry.contact.id)]->up) ++dead;
    });
  }
  EXPECT_LE(dead * 50, all) << dead << " of " << all;
}

TEST(Dht, SearchesAlongDisjointPathsFindTheSame) {
  Mesh mesh({.seed = test_seed(34), .config = {.paths = 4}});
  mesh.grow(200);
  for (int i = 0; i < 20; ++i) {
    const std::string key = "along" + std::to_string(i);
    const std::size_t paths = static_cast<std::size_t>(i) % (kPathsMax + 1);  // 0: those of the configuration
    ASSERT_TRUE(mesh.put_done(3, mesh.put(3, key, "v", {.paths = paths})).result);
    EXPECT_EQ(text_of(mesh.get_done(7, mesh.get(7, key, {.paths = paths}))), "v");
    const LookupDone done = mesh.finish<LookupDone>(7, mesh.lookup(7, id_of(key), {.trace = true, .paths = paths}));
    ASSERT_TRUE(done.result.has_value());
    std::set<NodeId> asked;
    for (const Step& step : done.result->trace.steps) EXPECT_TRUE(asked.insert(step.peer.id).second);
    const auto nearest = mesh.nearest(id_of(key));
    EXPECT_EQ(done.result->closest[0].id, mesh.nodes[nearest[0] == 7 ? nearest[1] : nearest[0]]->contact.id);
  }
}

TEST(Dht, ATracedLookupShowsEachStep) {
  Mesh mesh({.seed = 30});
  mesh.grow(60);
  const NodeId target = id_of("t");
  const LookupDone done = mesh.finish<LookupDone>(7, mesh.lookup(7, target, {.trace = true}));
  ASSERT_TRUE(done.result.has_value());
  EXPECT_EQ(done.result->trace.steps.size(), done.result->queries);
  const auto nearest = mesh.nearest(target);
  std::size_t at = 0;
  for (const Contact& contact : done.result->closest) {
    while (nearest[at] == 7) ++at;
    EXPECT_EQ(contact.id, mesh.nodes[nearest[at++]]->contact.id);
  }
  for (const Step& step : done.result->trace.steps) EXPECT_EQ(step.rtt, std::optional<Duration>(2ms));
}

TEST(Dht, ATracedPutShowsItsStoresAndAnUntracedOneNothing) {
  Mesh mesh({.seed = 32});
  mesh.grow(60);
  const PutDone put = mesh.finish<PutDone>(7, mesh.put(7, "k", "v", {.trace = true}));
  ASSERT_TRUE(put.result.has_value());
  const Trace& trace = put.result->trace;
  EXPECT_NE(trace.id, ByteArray<16>{});
  std::size_t stored = 0, walked = 0;
  std::set<ByteArray<8>> spans;
  Duration before{};
  for (const Step& step : trace.steps) {
    spans.insert(step.span);
    EXPECT_LE(before, step.at);
    before = step.at;
    walked += step.role == Role::kWalk ? 1U : 0U;
    if (step.status == StoreStatus::kStored) ++stored;
    EXPECT_EQ(step.status.has_value(), step.role == Role::kStore && step.rtt.has_value());
  }
  EXPECT_EQ(spans.size(), trace.steps.size());
  EXPECT_GT(walked, 0U);
  EXPECT_EQ(stored, put.result->replicas);
  const PutDone quiet = mesh.finish<PutDone>(7, mesh.put(7, "l", "v"));
  ASSERT_TRUE(quiet.result.has_value());
  EXPECT_TRUE(quiet.result->trace.steps.empty());
}

TEST(Dht, EstimatesTheSizeOfTheMesh) {
  Mesh mesh({.seed = test_seed(31)});
  mesh.grow(300);
  for (int i = 0; i < 20; ++i) {
    (void)mesh.finish<LookupDone>(7, mesh.lookup(7, id_of(std::to_string(i))));
  }
  EXPECT_GE(mesh.nodes[7]->dht->network_size_estimate(), 240U);
  EXPECT_LE(mesh.nodes[7]->dht->network_size_estimate(), 375U);
  Mesh small({.seed = 1});
  small.grow(5);
  EXPECT_EQ(small.nodes[2]->dht->network_size_estimate(), 5U);
}

TEST(Dht, TwoRunsOfOneSeedAreEqual) {
  const auto run = [] {
    Mesh mesh({.seed = 99, .loss = {10, 100}});
    mesh.grow(40);
    for (int i = 0; i < 10; ++i) (void)mesh.put(static_cast<std::size_t>(i), "k", "v");
    mesh.run_for(30min);
    std::vector<std::uint64_t> digests;
    for (const auto& n : mesh.nodes) digests.push_back(n->dht->digest());
    digests.push_back(mesh.counts.bytes);
    return digests;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace weft::dht
