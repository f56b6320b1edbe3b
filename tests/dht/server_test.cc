#include <gtest/gtest.h>

#include "dht/core.h"
#include "dht/rows.h"
#include "dht/value_store.h"
#include "tests/allocations.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

// One node that answers, and a few identities that ask.
struct Server {
  CheapProvider provider;
  SeededEntropy entropy{5};
  Identity self{provider, seed(1)};
  Dht dht;
  Now now{Instant(1h), UnixMillis{1'700'000'000'000}};
  Output out;
  mutable Output ignored;  // of reads that are answered at once

  explicit Server(Config config = open_config())
      : dht(self, provider, entropy, Rng(7), config, now) {}

  static Config open_config() {
    Config config;
    config.prefix_per_bucket = 0;
    config.prefix_per_table = 0;
    return config;
  }
  static ByteArray<32> seed(std::uint8_t byte) {
    ByteArray<32> out;
    out.fill(byte);
    return out;
  }
  static Contact contact_of(const Identity& who, const Endpoint& endpoint) {
    return make_contact(who.public_key(), endpoint);
  }
  Asker asker(const Identity& who, Endpoint endpoint = Endpoint::v4(127, 0, 0, 1, 5000),
              std::size_t reply_max = 1170) const {
    return {.contact = contact_of(who, endpoint), .rpc = 9, .early = false,
            .reply_max = reply_max};
  }
  Token token(const Asker& who, const NodeId& key) {
    Nodes reply;
    dht.on_find_node(now, who, {.target = key, .want_token = true}, reply);
    EXPECT_TRUE(reply.token.has_value());
    return reply.token.value_or(Token{});
  }
  // Stores and commits; the status that came back.
  Stored store(const Asker& who, const NodeId& key, ByteView blob, std::uint32_t remaining_s) {
    return store_with(who, {.key = key, .token = token(who, key), .remaining_s = remaining_s,
                            .blob = blob});
  }
  Stored store_with(const Asker& who, const Store& m, bool disk_ok = true) {
    out.clear();
    dht.on_store(now, who, m, out);
    if (out.replies.empty() && out.persist.empty()) {  // one of many in an instant
      dht.on_deadline(now, out);
      out.persist.resize(std::min<std::size_t>(out.persist.size(), 1));  // upkeep's come after it
    }
    if (out.replies.empty()) {
      EXPECT_EQ(out.persist.size(), 1U) << "not answered, so on its way to the disk";
      if (out.persist.empty()) return {};
      const Ticket ticket = out.persist[0].ticket;
      Output later;
      dht.on_persisted(now, ticket, disk_ok, later);
      EXPECT_EQ(later.replies.size(), 1U);
      return later.replies.at(0).message;
    }
    return out.replies.at(0).message;
  }
  Values get(const NodeId& key, std::optional<NodeId> author = {}, std::size_t reply_max = 1170) {
    Values reply;
    const Identity reader(provider, seed(99));
    dht.on_get(now, asker(reader, Endpoint::v4(127, 0, 0, 1, 1), reply_max),
               {.key = key, .author = author}, reply, ignored);
    return reply;
  }
  Bytes blob(const Identity& author, const NodeId& key, std::uint64_t seq, std::string_view text,
             std::uint32_t lifetime_s = 3600) const {
    return sign_value(author, {.key = key, .seq = seq, .lifetime_s = lifetime_s,
                               .value = as_bytes(text)});
  }
};

TEST(Server, HoldsWhatIsSignedAndCountsItDown) {
  Server s;
  const Identity author(s.provider, Server::seed(2));
  const NodeId key = id_of("k");
  const Asker who = s.asker(author);
  EXPECT_EQ(s.store(who, key, s.blob(author, key, 1, "v"), 3600).status, StoreStatus::kStored);
  EXPECT_EQ(s.get(key).values.size(), 1U);
  EXPECT_EQ(s.get(key).values[0].remaining_s, 3600U);
  s.now.mono += 1000s;
  EXPECT_EQ(s.get(key).values[0].remaining_s, 2600U);
  s.now.mono += 2600s;
  EXPECT_TRUE(s.get(key).values.empty()) << "even before the timer has cleaned up";
  Output out;
  s.dht.on_deadline(s.now, out);
  EXPECT_EQ(s.dht.stats().values, 0U);
  bool erased = false;
  for (const Persist& p : out.persist) {
    for (const Write& w : p.writes) erased = erased || (w.erase && w.key.at(0) == 'v');
  }
  EXPECT_TRUE(erased);
}

TEST(Server, RefusesWhatTheRulesForbid) {
  Server s;
  const Identity author(s.provider, Server::seed(2));
  const NodeId key = id_of("k");
  const Asker who = s.asker(author);
  const Bytes good = s.blob(author, key, 5, "five");
  const auto refused = [&](StoreStatus status) {
    return s.dht.stats().stores_refused_total[static_cast<std::size_t>(status)];
  };
  EXPECT_EQ(s.store_with(who, {.key = key, .token = {}, .remaining_s = 10, .blob = good}).status,
            StoreStatus::kBadToken);
  EXPECT_EQ(refused(StoreStatus::kBadToken), 1U);
  EXPECT_EQ(s.store(who, key, good, 3601).status, StoreStatus::kInvalid) << "above its lifetime";
  EXPECT_EQ(s.store(who, key, good, 0).status, StoreStatus::kInvalid);
  EXPECT_EQ(s.store(who, id_of("other"), good, 10).status, StoreStatus::kInvalid);
  Bytes bad = good;
  bad.back() ^= 1;
  EXPECT_EQ(s.store(who, key, bad, 10).status, StoreStatus::kInvalid);
  EXPECT_EQ(s.store(who, key, as_bytes("junk"), 10).status, StoreStatus::kInvalid);
  EXPECT_EQ(s.dht.stats().values, 0U);

  EXPECT_EQ(s.store(who, key, good, 3600).status, StoreStatus::kStored);
  const Stored stale = s.store(who, key, s.blob(author, key, 4, "four"), 3600);
  EXPECT_EQ(stale.status, StoreStatus::kStale);
  EXPECT_EQ(stale.seq, 5U);
  EXPECT_EQ(s.store(who, key, s.blob(author, key, 6, "six"), 3600).status, StoreStatus::kStored);
  EXPECT_EQ(s.store_with(who, {.key = key, .token = s.token(who, key), .remaining_s = 60,
                               .blob = s.blob(author, key, 7, "seven")}, /*disk_ok=*/false).status,
            StoreStatus::kFailed);
  EXPECT_EQ(s.get(key).values.size(), 1U);
}

TEST(Server, OfEqualNumbersTheLargerHashWinsAndIsCounted) {
  Server s;
  const Identity author(s.provider, Server::seed(2));
  const NodeId key = id_of("k");
  const Asker who = s.asker(author);
  const Bytes a = s.blob(author, key, 1, "a");
  const Bytes b = s.blob(author, key, 1, "b");
  const bool b_wins = blob_hash(b) > blob_hash(a);
  const Bytes& low = b_wins ? a : b;
  const Bytes& high = b_wins ? b : a;
  EXPECT_EQ(s.store(who, key, low, 60).status, StoreStatus::kStored);
  EXPECT_EQ(s.store(who, key, high, 60).status, StoreStatus::kStored);
  EXPECT_EQ(s.dht.stats().equal_number_conflicts_total, 1U);
  EXPECT_EQ(s.store(who, key, low, 60).status, StoreStatus::kStale);
  EXPECT_EQ(s.dht.stats().equal_number_conflicts_total, 2U);
  EXPECT_TRUE(equal(s.get(key).values[0].blob, high));
  EXPECT_EQ(s.store(who, key, high, 60).status, StoreStatus::kStored);
  EXPECT_EQ(s.dht.stats().equal_number_conflicts_total, 2U) << "the same again is no conflict";
}

TEST(Server, OnlyTheAuthorStartsALifetimeAnew) {
  Server s;
  const Identity author(s.provider, Server::seed(2));
  const Identity other(s.provider, Server::seed(3));
  const NodeId key = id_of("k");
  const Bytes blob = s.blob(author, key, 1, "v", 100);
  EXPECT_EQ(s.store(s.asker(other), key, blob, 50).status, StoreStatus::kStored);
  EXPECT_EQ(s.store(s.asker(other), key, blob, 100).status, StoreStatus::kStored);
  EXPECT_EQ(s.get(key).values[0].remaining_s, 50U);
  s.now.mono += 10s;
  EXPECT_EQ(s.store(s.asker(author), key, blob, 100).status, StoreStatus::kStored);
  EXPECT_EQ(s.get(key).values[0].remaining_s, 100U);
  EXPECT_EQ(s.store(s.asker(other), key, blob, 1).status, StoreStatus::kStored);
  EXPECT_EQ(s.get(key).values[0].remaining_s, 100U) << "and nobody shortens it";
}

TEST(Server, TwoStoresOnTheWayToTheDiskKeepTheirOrder) {
  Server s;
  const Identity author(s.provider, Server::seed(2));
  const NodeId key = id_of("k");
  const Asker who = s.asker(author);
  const Bytes five = s.blob(author, key, 5, "five");
  const Bytes six = s.blob(author, key, 6, "six");
  Output out;
  s.dht.on_store(s.now, who,
                 {.key = key, .token = s.token(who, key), .remaining_s = 9, .blob = six}, out);
  ASSERT_EQ(out.persist.size(), 1U);
  EXPECT_TRUE(out.replies.empty()) << "nothing is acknowledged before it is durable";
  EXPECT_TRUE(s.get(key).values.empty());
  Output late;
  s.dht.on_store(s.now, who,
                 {.key = key, .token = s.token(who, key), .remaining_s = 9, .blob = five}, late);
  ASSERT_EQ(late.replies.size(), 1U);
  EXPECT_EQ(late.replies[0].message.status, StoreStatus::kStale);
  EXPECT_EQ(late.replies[0].message.seq, 6U);
  EXPECT_TRUE(late.persist.empty());
  Output done;
  s.dht.on_persisted(s.now, out.persist[0].ticket, true, done);
  ASSERT_EQ(done.replies.size(), 1U);
  EXPECT_EQ(done.replies[0].message.status, StoreStatus::kStored);
  s.dht.on_persisted(s.now, out.persist[0].ticket, true, done);
  EXPECT_EQ(done.replies.size(), 1U) << "a ticket ends once";
}

TEST(Server, RepliesFitWhateverRoomThereIs) {
  Server s;
  Rng rng(test_seed(61));
  const NodeId key = id_of("k");
  for (std::uint8_t i = 2; i < 40; ++i) {
    const Identity author(s.provider, Server::seed(i));
    const Contact contact = Server::contact_of(author, Endpoint::v4(127, 0, 0, i, 9338));
    s.dht.heard_from(s.now, contact, {}, s.out);
    const std::string text(rng.below(kValueBytesMax + 1), 'x');
    EXPECT_EQ(s.store(s.asker(author), key, s.blob(author, key, 1, text), 3600).status,
              StoreStatus::kStored);
  }
  for (std::size_t room = 0; room <= 1170; room += 1 + rng.below(9)) {
    const Values values = s.get(key, {}, room);
    EXPECT_TRUE(values.more);
    Bytes bytes(1400);
    Writer w(bytes);
    encode(w, UINT32_MAX, values);
    if (room >= kValuesHeadBytes) {
      EXPECT_LE(w.size(), room);
    }
    const Identity reader(s.provider, Server::seed(99));
    Nodes nodes;
    s.dht.on_find_node(s.now, s.asker(reader, Endpoint::v4(127, 0, 0, 1, 2), room),
                       {.target = key, .want_token = true}, nodes);
    Writer v(bytes);
    encode(v, UINT32_MAX, nodes);
    if (room >= kNodesHeadBytes) {
      EXPECT_LE(v.size(), room);
    }
  }
  // Page by page all authors come out, each once, in order.
  std::optional<NodeId> after;
  std::size_t seen = 0;
  for (int page = 0; page < 100; ++page) {
    Values reply;
    const Identity reader(s.provider, Server::seed(99));
    s.dht.on_get(s.now, s.asker(reader), {.key = key, .after = after}, reply, s.ignored);
    for (const HeldValue& value : reply.values) {
      const NodeId author = node_id_of(decode_value(value.blob)->author);
      if (after) {
        EXPECT_LT(*after, author);
      }
      after = author;
      ++seen;
    }
    if (!reply.more) break;
  }
  EXPECT_EQ(seen, 38U);
}

TEST(Server, LeavesOutWhatTheAskerKnows) {
  Server s;
  const Identity author(s.provider, Server::seed(2));
  const NodeId key = id_of("k");
  const Asker who = s.asker(author);
  EXPECT_EQ(s.store(who, key, s.blob(author, key, 5, "v"), 60).status, StoreStatus::kStored);
  const auto known = [&](std::uint64_t seq) {
    Values reply;
    s.dht.on_get(s.now, who, {.key = key, .author = author.id(), .newer_than = seq}, reply, s.ignored);
    EXPECT_FALSE(reply.more);
    return reply.values.size();
  };
  EXPECT_EQ(known(4), 1U);
  EXPECT_EQ(known(5), 0U);
  EXPECT_EQ(known(6), 0U);
}

TEST(Server, NamesOnlyProvenContactsThatTheAskerCanReach) {
  Server s;
  const Identity local(s.provider, Server::seed(2));
  const Identity priv(s.provider, Server::seed(3));
  const Identity global(s.provider, Server::seed(4));
  const Identity reader(s.provider, Server::seed(5));
  s.dht.heard_from(s.now, Server::contact_of(local, Endpoint::v4(127, 0, 0, 1, 10)), {}, s.out);
  s.dht.heard_from(s.now, Server::contact_of(priv, Endpoint::v4(10, 0, 0, 1, 10)), {}, s.out);
  s.dht.heard_from(s.now, Server::contact_of(global, Endpoint::v4(9, 9, 9, 9, 10)), {}, s.out);
  const auto named_to = [&](const Endpoint& endpoint) {
    Nodes reply;
    s.dht.on_find_node(s.now, s.asker(reader, endpoint), {.target = id_of("x")}, reply);
    return reply.contacts.size();
  };
  EXPECT_EQ(named_to(Endpoint::v4(127, 0, 0, 1, 77)), 3U);
  EXPECT_EQ(named_to(Endpoint::v4(192, 168, 0, 1, 77)), 2U);
  EXPECT_EQ(named_to(Endpoint::v4(8, 8, 8, 8, 77)), 1U);
  Nodes reply;
  s.dht.on_find_node(s.now, s.asker(global, Endpoint::v4(127, 0, 0, 1, 77)), {.target = id_of("x")},
                     reply);
  EXPECT_EQ(reply.contacts.size(), 2U) << "nobody is told of itself";
  s.dht.on_find_node(s.now, s.asker(reader), {.target = id_of("x"), .contacts_max = 0}, reply);
  EXPECT_TRUE(reply.contacts.empty());
  EXPECT_FALSE(reply.token.has_value());
}

TEST(Server, WhoMayBeGoneIsNotNamedAsLongAsOthersAre) {
  Server s;
  std::map<NodeId, Contact> fresh, stale;
  for (std::uint8_t i = 2; i < 60; ++i) {
    const Identity who(s.provider, Server::seed(i));
    const Contact contact = Server::contact_of(who, Endpoint::v4(10, 0, 0, i, 9338));
    s.dht.heard_from(s.now, contact, {}, s.out);
    (i % 2 == 0 ? fresh : stale).emplace(contact.id, contact);
  }
  s.now.mono += 8min;
  for (const auto& [id, contact] : fresh) s.dht.heard_from(s.now, contact, {}, s.out);
  // A lookup among them: whoever was heard just now answers, the others do not.
  s.out.clear();
  s.dht.lookup(s.now, OpId{1}, id_of("x"), {}, s.out);
  std::set<NodeId> asked;
  while (!s.out.requests.empty()) {
    std::vector<Request> requests;
    requests.swap(s.out.requests);
    for (const Request& request : requests) {
      asked.insert(request.to.id);
      EXPECT_FALSE(request.stranger) << "all are in the table";
      if (fresh.contains(request.to.id)) s.dht.on_nodes(s.now, request.tag, 10ms, Nodes{}, s.out);
      else s.dht.on_timeout(s.now, request.tag, s.out);
    }
  }
  const Identity reader(s.provider, Server::seed(99));
  const auto named = [&](const NodeId& target) {
    Nodes reply;
    s.dht.on_find_node(s.now, s.asker(reader, Endpoint::v4(10, 9, 9, 9, 77)), {.target = target}, reply);
    std::set<NodeId> ids;
    for (const Contact& contact : reply.contacts) ids.insert(contact.id);
    return ids;
  };
  std::size_t unasked = 0;
  for (const auto& [id, contact] : stale) {
    if (asked.contains(id)) continue;
    ++unasked;
    EXPECT_FALSE(named(id).contains(id)) << "as long unheard as those that are gone";
  }
  EXPECT_GE(unasked, 5U);
  for (const auto& [id, contact] : fresh) EXPECT_TRUE(named(id).contains(id));
  // Better a few that may be gone than nobody.
  for (const auto& [id, contact] : fresh) s.dht.forget(s.now, id);
  EXPECT_GE(named(id_of("x")).size(), 4U);
}

TEST(Server, ReadsAllocateNothing) {
  Server s;
  const NodeId key = id_of("k");
  for (std::uint8_t i = 2; i < 60; ++i) {
    const Identity author(s.provider, Server::seed(i));
    const Contact contact = Server::contact_of(author, Endpoint::v4(127, 0, 0, i, 9338));
    s.dht.heard_from(s.now, contact, {}, s.out);
    if (i < 12) (void)s.store(s.asker(author), key, s.blob(author, key, 1, "value"), 3600);
  }
  const Identity reader(s.provider, Server::seed(99));
  const Asker who = s.asker(reader);
  Nodes nodes;
  Values values;
  const std::size_t before = testing::allocations();
  for (int i = 0; i < 100; ++i) {
    s.dht.on_find_node(s.now, who, {.target = key, .want_token = true}, nodes);
    s.dht.on_get(s.now, who, {.key = key, .want_token = true}, values, s.ignored);
    s.dht.on_get(s.now, who, {.key = key, .author = reader.id()}, values, s.ignored);
  }
  EXPECT_EQ(testing::allocations(), before);
  EXPECT_EQ(nodes.contacts.size(), 20U);
}

// One datagram, a judgement for each value, and one answer when all of it is known.
TEST(Server, SeveralValuesAtOnceAreJudgedOneByOne) {
  Server s;
  const Identity author(s.provider, Server::seed(2));
  const Asker who = s.asker(author);
  const NodeId key = id_of("k");
  const auto near = [&key](std::uint8_t last) {
    NodeId other = key;
    other.bytes[31] ^= last;
    return other;
  };
  ASSERT_EQ(s.store(who, near(1), s.blob(author, near(1), 7, "held"), 60).status, StoreStatus::kStored);
  // A token for a region is good for all of its keys.
  const Bytes sums(8, 1);
  Compared compared;
  ByteArray<kCompareItemsMax / 8> room;
  s.out.clear();
  ASSERT_TRUE(s.dht.on_compare(s.now, who, {.first = near(0), .last = near(255), .sums = sums}, room, compared, s.out));
  ASSERT_TRUE(compared.token.has_value());

  const Bytes held = s.blob(author, near(1), 7, "held"), older = s.blob(author, near(1), 6, "older");
  const Bytes fresh = s.blob(author, near(2), 1, "fresh"), other = s.blob(author, near(4), 1, "other");
  Bytes forged = s.blob(author, near(3), 1, "forged");
  forged.back() ^= 1;
  StoreMany m{.token = *compared.token};
  m.items.push({near(2), 60, fresh});
  m.items.push({near(3), 60, forged});
  m.items.push({near(1), 60, held});
  m.items.push({near(1), 60, older});
  m.items.push({near(4), 60, other});
  s.out.clear();
  s.dht.on_store_many(s.now, who, m, s.out);
  ASSERT_EQ(s.out.persist.size(), 2U);
  EXPECT_TRUE(s.out.replies_many.empty()) << "nothing is acknowledged before it is durable";
  Output later;
  s.dht.on_persisted(s.now, s.out.persist[1].ticket, /*ok=*/false, later);
  EXPECT_TRUE(later.replies_many.empty());
  s.dht.on_persisted(s.now, s.out.persist[0].ticket, /*ok=*/true, later);
  ASSERT_EQ(later.replies_many.size(), 1U);
  EXPECT_TRUE(later.replies.empty());
  const auto& answers = later.replies_many[0].message.answers;
  ASSERT_EQ(answers.size(), 5U);
  EXPECT_EQ(answers[0].status, StoreStatus::kStored);
  EXPECT_EQ(answers[1].status, StoreStatus::kInvalid);
  EXPECT_EQ(answers[2].status, StoreStatus::kStored);
  EXPECT_EQ(answers[2].seq, 7U);
  EXPECT_EQ(answers[3].status, StoreStatus::kStale);
  EXPECT_EQ(answers[3].seq, 7U);
  EXPECT_EQ(answers[4].status, StoreStatus::kFailed);
  EXPECT_EQ(s.get(near(2)).values.size(), 1U);
  EXPECT_EQ(s.get(near(4)).values.size(), 0U);

  // Refused as a whole, it is answered at once.
  m.token[0] ^= 0x80;
  s.out.clear();
  s.dht.on_store_many(s.now, who, m, s.out);
  ASSERT_EQ(s.out.replies_many.size(), 1U);
  for (const Stored& answer : s.out.replies_many[0].message.answers) EXPECT_EQ(answer.status, StoreStatus::kBadToken);
}

TEST(Server, ManyStoresOfOneInstantAreCheckedInTurns) {
  Server s;
  const Identity author(s.provider, Server::seed(2));
  const Asker who = s.asker(author);
  constexpr std::size_t kStores = 3 * kChecksPerTurn + 1;
  const auto key_of = [](std::size_t i) { return id_of(std::to_string(i)); };
  std::vector<Bytes> blobs;
  for (std::size_t i = 0; i < kStores; ++i) blobs.push_back(s.blob(author, key_of(i), 1, "v"));
  const auto row_of = [](const Persist& p) { return slot_of_row(p.writes.at(0).key)->key; };
  Output out;
  std::vector<NodeId> order;
  const auto take = [&](std::size_t at_most) {
    EXPECT_LE(out.persist.size(), at_most);
    for (const Persist& p : out.persist) {
      order.push_back(row_of(p));
      Output later;
      s.dht.on_persisted(s.now, p.ticket, /*ok=*/true, later);
      ASSERT_EQ(later.replies.size(), 1U);
      EXPECT_EQ(later.replies[0].message.status, StoreStatus::kStored);
    }
    out.clear();
  };
  for (std::size_t i = 0; i < kStores; ++i) {
    const Token token = s.token(who, key_of(i));
    s.dht.on_store(s.now, who, {.key = key_of(i), .token = token, .remaining_s = 3600, .blob = blobs[i]}, out);
  }
  take(kChecksPerTurn);
  EXPECT_LE(s.dht.next_deadline(), s.now.mono);
  // What needs no check is answered at once: it is held already.
  s.dht.on_store(s.now, who, {.key = key_of(0), .token = s.token(who, key_of(0)), .remaining_s = 60, .blob = blobs[0]}, out);
  EXPECT_EQ(out.replies.size(), 1U);
  out.clear();
  for (int turn = 0; turn < 4; ++turn) {
    s.now.mono += 1ms;
    s.dht.on_deadline(s.now, out);
    take(kChecksPerTurn);
  }
  ASSERT_EQ(order.size(), kStores);
  for (std::size_t i = 0; i < kStores; ++i) EXPECT_EQ(order[i], key_of(i)) << "first come, first served";
  EXPECT_GT(s.dht.next_deadline(), s.now.mono);
}

TEST(Server, WhenTooManyWaitAFewAreCheckedAtOnceAndTheRestIsRefused) {
  Server s;
  const Identity author(s.provider, Server::seed(2));
  const Asker who = s.asker(author);
  constexpr std::size_t kRefused = 10;
  constexpr std::size_t kAll = kChecksMax + kUncheckedMax + kRefused;
  Output out;
  for (std::size_t i = 0; i < kAll; ++i) {
    const NodeId key = id_of(std::to_string(i));
    const Bytes blob = s.blob(author, key, 1, "v");
    s.dht.on_store(s.now, who, {.key = key, .token = s.token(who, key), .remaining_s = 3600, .blob = blob}, out);
  }
  EXPECT_EQ(out.persist.size(), kChecksMax);
  ASSERT_EQ(out.replies.size(), kRefused);
  for (const Reply& reply : out.replies) EXPECT_EQ(reply.message.status, StoreStatus::kFailed);
  for (std::size_t turn = 0; turn < kUncheckedMax / kChecksPerTurn + 1; ++turn) s.dht.on_deadline(s.now, out);
  EXPECT_EQ(out.persist.size(), kAll - kRefused);
}

TEST(Server, QuotasHoldForAuthorsAndInAll) {
  Config config = Server::open_config();
  config.values_per_author_max = 4;
  config.values_bytes_max = 20 * (kHeldOverheadBytes + kBlobHeadBytes + 1);
  Server s(config);
  const Identity author(s.provider, Server::seed(2));
  const Asker who = s.asker(author);
  std::size_t stored = 0;
  for (int i = 0; i < 10; ++i) {
    const NodeId key = id_of(std::to_string(i));
    const Stored answer = s.store(who, key, s.blob(author, key, 1, "v"), 60);
    if (answer.status == StoreStatus::kStored) ++stored;
    else EXPECT_EQ(answer.status, StoreStatus::kQuota);
  }
  EXPECT_EQ(stored, 4U);
  for (std::uint8_t a = 3; a < 100; ++a) {
    const Identity another(s.provider, Server::seed(a));
    const NodeId key = id_of("key" + std::to_string(a));
    (void)s.store(s.asker(another), key, s.blob(another, key, 1, "v"), 60);
    EXPECT_LE(s.dht.stats().values_bytes, config.values_bytes_max);
  }
  EXPECT_EQ(s.dht.stats().values, 20U);
}

TEST(Server, AKeyIsHeldForSoManyAuthors) {
  Config config = Server::open_config();
  config.authors_per_key_max = 4;
  Server s(config);
  const NodeId key = id_of("favourite");
  for (std::uint8_t a = 2; a < 12; ++a) {
    const Identity author(s.provider, Server::seed(a));
    const Stored answer = s.store(s.asker(author), key, s.blob(author, key, 1, "v"), 60);
    EXPECT_EQ(answer.status, a < 6 ? StoreStatus::kStored : StoreStatus::kQuota) << int{a};
  }
  EXPECT_EQ(s.dht.stats().values, 4U);
  EXPECT_EQ(s.dht.stats().stores_refused_total[static_cast<std::size_t>(StoreStatus::kQuota)], 6U);
  const Identity held(s.provider, Server::seed(3));
  const Stored newer = s.store(s.asker(held), key, s.blob(held, key, 2, "w"), 60);
  EXPECT_EQ(newer.status, StoreStatus::kStored);
}

TEST(Server, MalformedRowsOfAnEarlierLifeAreErasedNotTrusted) {
  Server s;
  const Bytes key(65, 'v');
  s.dht.restore(s.now, key, as_bytes("junk"), 0s);
  s.dht.restore(s.now, as_bytes("o"), as_bytes("junk"), 0s);
  s.dht.restore(s.now, as_bytes("c"), as_bytes("junk"), 0s);
  EXPECT_EQ(s.dht.stats().values, 0U);
  EXPECT_TRUE(s.dht.restored_contacts().empty());
  s.dht.on_deadline(s.now, s.out);
  std::size_t erased = 0;
  for (const Persist& p : s.out.persist) erased += p.writes.size();
  EXPECT_EQ(erased, 2U);
}

TEST(Rows, SurviveTheRoundTrip) {
  const CheapProvider provider;
  const Identity author(provider, Server::seed(2));
  const Now now{Instant(5s), UnixMillis{1234567}};
  const NodeId key = id_of("k");
  const Bytes blob = sign_value(author, {.key = key, .seq = 3, .lifetime_s = 100});
  const Write held = value_row(now, {key, author.id()}, blob, Instant(65s));
  const auto row = read_value_row(held.key, held.value);
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->key, key);
  EXPECT_EQ(row->remaining_s, 60U);
  EXPECT_EQ(row->wall_ms, 1234567);
  EXPECT_EQ(row->value.seq, 3U);
  const Write own = own_row(now, key, {.blob = blob, .seq = 3, .lifetime_s = 100,
                                       .expires = Instant(65s), .renew = true, .copies = 0,
                                       .republish = {}});
  const auto mine = read_own_row(own.key, own.value);
  ASSERT_TRUE(mine.has_value());
  EXPECT_TRUE(mine->renew);
  for (std::size_t cut = 0; cut < held.value.size(); ++cut) {
    EXPECT_FALSE(read_value_row(held.key, ByteView(held.value).first(cut)).has_value());
  }
  EXPECT_FALSE(read_value_row(value_row(now, {key, key}, blob, Instant(65s)).key, held.value))
      << "the author in the key must be the author of the blob";
}

}  // namespace
}  // namespace weft::dht
