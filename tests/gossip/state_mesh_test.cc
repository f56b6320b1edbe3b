// Shared state among nodes: it converges, whatever is lost, crashes, splits or lies.
#include <gmock/gmock.h>

#include "tests/gossip/state_lab.h"

namespace weft::state {
namespace {

using What = Change::What;

std::vector<std::string> values(const Documents& documents, std::string_view path) {
  std::vector<std::string> out;
  for (const Written& w : documents.read_register(as_bytes(path))) out.emplace_back(as_text(w.value));
  return out;
}
std::vector<std::string> items(const Documents& documents, std::string_view path) {
  std::vector<std::string> out;
  for (const Bytes& b : documents.elements(as_bytes(path))) out.emplace_back(as_text(b));
  return out;
}

InlineVec<std::uint8_t, kPackEntriesMax> hops_of(const Packer& packer) {
  InlineVec<std::uint8_t, kPackEntriesMax> out;
  while (out.size() < packer.count()) out.push(1);
  return out;
}

using Acknowledged = std::map<EntryId, Bytes>;

// A random change by a random live node; what it acknowledged is noted.
void disturb(StateLab& lab, Acknowledged& acknowledged) {
  const std::size_t node = lab.rng.below(lab.size());
  if (!lab.lives(node) || lab.state(node).find(lab.space_id) == nullptr) return;
  const std::string path = "p" + std::to_string(lab.rng.below(5));
  const std::string value = "v" + std::to_string(lab.rng.below(1000));
  const auto what = static_cast<What>(lab.rng.below(5));
  const std::uint64_t before = lab.space(node).last_arrival();
  const auto done = lab.change(node, what, path, what == What::kAdd || what == What::kDelete ? value.substr(0, 2) : value, 3);
  if (!done) {
    ASSERT_EQ(done.error(), Error::kNothingThere);
    return;
  }
  lab.space(node).visit_arrivals(before, [&](std::uint64_t, const EntryId& id, ByteView wire) {
    if (decode_entry(wire)->content.author == lab.identity(node).public_key()) acknowledged.emplace(id, to_bytes(wire));
    return true;
  });
}

void expect_all_have(StateLab& lab, const Acknowledged& acknowledged) {
  for (std::size_t i = 0; i < lab.size(); ++i) {
    // The documents are what a fold from nothing gives over the same set, and all that was acknowledged and later found useless by its
    // author's checkpoints.
    Documents anew;
    std::size_t discarded = 0;
    for (const auto& [id, wire] : acknowledged) {
      const auto entry = decode_entry(wire).value();
      if (lab.space(i).holds(id)) continue;
      const Content& c = entry.content;
      ASSERT_TRUE(lab.space(i).checkpoints().discards(c.author, c.epoch, c.seq)) << "node " << i;
      anew.insert(entry);
      ++discarded;
    }
    lab.space(i).visit_arrivals(0, [&](std::uint64_t, const EntryId&, ByteView wire) {
      anew.insert(*decode_entry(wire));
      return true;
    });
    ASSERT_EQ(anew.size(), lab.documents(i).size() + discarded);
    for (const std::string& path : anew.paths({}, 100)) {
      EXPECT_EQ(values(anew, path), values(lab.documents(i), path));
      EXPECT_EQ(anew.counter(as_bytes(path)), lab.documents(i).counter(as_bytes(path)));
      EXPECT_EQ(items(anew, path), items(lab.documents(i), path));
    }
  }
}

TEST(StateMesh, AWriteIsEverywhereSoonAndDurable) {
  StateLab lab(20);
  lab.share();
  lab.run(5s);  // acks have shown who takes part
  ASSERT_EQ(lab.set(3, "room/colour", "blue"), 1U);
  lab.run(400ms);
  std::size_t here = 0;
  for (std::size_t i = 0; i < lab.size(); ++i) here += values(lab.documents(i), "room/colour").size();
  EXPECT_GE(here, 18U) << "pushes alone bring it nearly everywhere";
  ASSERT_TRUE(lab.run_until_equal(20s));
  for (std::size_t i = 0; i < lab.size(); ++i) EXPECT_THAT(values(lab.documents(i), "room/colour"), testing::ElementsAre("blue"));
  lab.crash(3);
  lab.start(3);
  EXPECT_THAT(values(lab.documents(3), "room/colour"), testing::ElementsAre("blue"));
}

TEST(StateMesh, LagIsFromTheWriteUntilItCame) {
  StateLab lab(3, {.one_way = 25ms});
  lab.share();
  lab.run(5s);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(lab.set(0, "at/" + std::to_string(i), "x"));
    lab.run(1s);
  }
  EXPECT_EQ(lab.state(0).stats().lag.count(), 0U) << "own entries";
  for (const std::size_t i : {1U, 2U}) {
    const Histogram lag = lab.state(i).stats().lag;
    EXPECT_EQ(lag.count(), 20U);
    EXPECT_GE(lag.sum(), 20 * 25ms);
    EXPECT_LE(lag.sum(), 20 * 120ms) << "a commit, the pause for others, and two hops at most";
  }
  // Cut off for a while: that long it lacked what was written.
  lab.split({2});
  ASSERT_TRUE(lab.set(0, "late", "x"));
  lab.run(10s);
  lab.heal();
  lab.run(20s);
  ASSERT_EQ(lab.state(2).stats().lag.count(), 21U);
  EXPECT_GE(lab.state(2).stats().lag.sum(), 10s);
  // Of what was written while it was down, or before it came, it cannot be behind.
  lab.crash(1);
  ASSERT_TRUE(lab.set(0, "unseen", "x"));
  lab.run(5s);
  lab.start(1);
  lab.run(20s);
  ASSERT_EQ(lab.space(1).documents().size(), lab.space(0).documents().size());
  EXPECT_EQ(lab.state(1).stats().lag.count(), 0U);
}

TEST(StateMesh, OfTheTreeEachNodeTellsItsLinks) {
  StateLab lab(12);
  lab.share();
  lab.run(10s);
  EXPECT_TRUE(lab.state(0).tree_links(NamespaceId{}).empty());
  std::map<NodeId, std::map<NodeId, TreeLink>> links;
  std::size_t roots = 0;
  for (std::size_t i = 0; i < lab.size(); ++i) {
    for (const TreeLink& link : lab.state(i).tree_links(lab.space_id)) links[lab.identity(i).id()][link.peer] = link;
    const auto parent = lab.state(i).tree_parent(lab.space_id);
    if (!parent) ++roots;
    else EXPECT_TRUE(links[lab.identity(i).id()].at(*parent).home);
  }
  EXPECT_EQ(roots, 1U);
  // Over eager links all are reached, and the ends agree.
  std::set<NodeId> reached{lab.identity(0).id()};
  for (std::vector<NodeId> next{lab.identity(0).id()}; !next.empty();) {
    const NodeId at = next.back();
    next.pop_back();
    for (const auto& [peer, link] : links[at]) {
      ASSERT_TRUE(links[peer].contains(at));
      EXPECT_EQ(links[peer].at(at).eager, link.eager);
      if (link.eager && reached.insert(peer).second) next.push_back(peer);
    }
  }
  EXPECT_EQ(reached.size(), lab.size());
}

TEST(StateMesh, TypesDoWhatTheySay) {
  StateLab lab(2);
  lab.share();
  ASSERT_EQ(lab.change(0, What::kCount, "hits", {}, 5), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  ASSERT_EQ(lab.change(1, What::kCount, "hits", {}, -7), 1U);
  ASSERT_EQ(lab.change(0, What::kCount, "hits", {}, 1), 1U);
  ASSERT_EQ(lab.change(0, What::kAdd, "crew", "ann"), 1U);
  ASSERT_EQ(lab.change(1, What::kAdd, "crew", "bob"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  EXPECT_EQ(lab.documents(0).counter(as_bytes("hits")), -1);
  EXPECT_THAT(items(lab.documents(1), "crew"), testing::ElementsAre("ann", "bob"));
  ASSERT_EQ(lab.change(1, What::kDelete, "crew", "ann"), 1U);
  EXPECT_EQ(lab.change(1, What::kDelete, "crew", "ann").error(), Error::kNothingThere);
  ASSERT_EQ(lab.change(0, What::kRemove, "hits", {}), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  EXPECT_THAT(items(lab.documents(0), "crew"), testing::ElementsAre("bob"));
  EXPECT_EQ(lab.documents(1).counter(as_bytes("hits")), 0);
  EXPECT_THAT(lab.documents(1).paths({}, 10), testing::ElementsAre("crew"));
}

TEST(StateMesh, BothSidesOfASplitAreKeptAndTheNextWriteResolves) {
  StateLab lab(10);
  lab.share();
  ASSERT_EQ(lab.set(0, "title", "old"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  lab.split({0, 1, 2, 3, 4});
  ASSERT_EQ(lab.set(1, "title", "left"), 1U);
  ASSERT_EQ(lab.set(7, "title", "right"), 1U);
  lab.run(20s);
  EXPECT_THAT(values(lab.documents(4), "title"), testing::ElementsAre("left"));
  EXPECT_THAT(values(lab.documents(9), "title"), testing::ElementsAre("right"));
  lab.heal();
  ASSERT_TRUE(lab.run_until_equal(20s));
  EXPECT_THAT(values(lab.documents(4), "title"), testing::ElementsAre("right", "left"));
  ASSERT_EQ(lab.set(4, "title", "both"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  EXPECT_THAT(values(lab.documents(7), "title"), testing::ElementsAre("both"));
}

// Sanitizers see what they can see with a few; they take minutes for all.
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t kTroubledSeeds = 3;
#else
constexpr std::uint64_t kTroubledSeeds = 12;
#endif

TEST(StateMesh, ConvergesUnderLossCrashesSplitsAndWrongClocks) {
  for (std::uint64_t seed = 1; seed <= kTroubledSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    StateLab lab(8, {.seed = seed, .loss_percent = 10});
    lab.set_skew(1, 24 * 3600 * 1000);
    lab.set_skew(2, -24 * 3600 * 1000);
    lab.share();
    Acknowledged acknowledged;
    for (int step = 0; step < 120; ++step) {
      if (step % 20 == 10) lab.split({lab.rng.below(8), lab.rng.below(8), lab.rng.below(8)});
      if (step % 20 == 0) lab.heal();
      const std::size_t victim = 2 + lab.rng.below(6);
      if (lab.rng.below(10) == 0 && lab.lives(victim)) lab.crash(victim);
      else if (lab.rng.below(3) == 0 && !lab.lives(victim)) lab.start(victim);
      disturb(lab, acknowledged);
      lab.run(Duration(100ms) * static_cast<int>(lab.rng.below(4)));
    }
    lab.heal();
    for (std::size_t i = 0; i < 8; ++i) {
      if (!lab.lives(i)) lab.start(i);
    }
    EXPECT_GT(acknowledged.size(), 30U);
    // What the node a day ahead wrote is held back by the others until it is due, two days by the one that is behind; then all are equal.
    lab.run(48h + 20s);
    ASSERT_TRUE(lab.run_until_equal(60s));
    expect_all_have(lab, acknowledged);
  }
}

TEST(StateMesh, AClockThatIsAheadHoldsNoKey) {
  StateLab lab(3);
  lab.set_skew(0, 4000);  // within what is admitted at once
  lab.share();
  ASSERT_EQ(lab.set(0, "k", "fast"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  ASSERT_EQ(lab.set(2, "k", "slow"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  EXPECT_THAT(values(lab.documents(0), "k"), testing::ElementsAre("slow"));
  lab.set_skew(0, 60000);
  ASSERT_EQ(lab.set(0, "k", "from the future"), 1U);
  lab.run(20s);
  EXPECT_THAT(values(lab.documents(1), "k"), testing::ElementsAre("slow"));
  EXPECT_EQ(lab.state(1).stats().held_back, 1U);
  lab.run(60s);
  EXPECT_THAT(values(lab.documents(1), "k"), testing::ElementsAre("from the future"));
  EXPECT_EQ(lab.state(1).stats().held_back, 0U);
}

TEST(StateMesh, AWriteThatTheDiskRefusesIsNobodysAndItsNumberIsNotUsedAgain) {
  StateLab lab(2);
  lab.share();
  ASSERT_EQ(lab.set(0, "k", "one"), 1U);
  lab.set_disk_fails(0, true);
  EXPECT_EQ(lab.set(0, "k", "two").error(), Error::kStore);
  EXPECT_THAT(values(lab.documents(0), "k"), testing::ElementsAre("one"));
  lab.set_disk_fails(0, false);
  ASSERT_EQ(lab.set(0, "k", "three"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  std::set<std::pair<std::uint64_t, std::uint64_t>> places;
  lab.space(1).visit_arrivals(0, [&](std::uint64_t, const EntryId&, ByteView wire) {
    const auto entry = decode_entry(wire);
    EXPECT_TRUE(places.insert({entry->content.epoch, entry->content.seq}).second);
    return true;
  });
  EXPECT_EQ(places.size(), 2U);
  EXPECT_EQ(places.rbegin()->second, 3U);
}

TEST(StateMesh, ALifeThatLostItsEndForksNothing) {
  StateLab lab(3);
  lab.share();
  ASSERT_EQ(lab.set(0, "k", "kept"), 1U);
  const auto backup = lab.rows(0);
  ASSERT_EQ(lab.set(0, "k", "lost"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  lab.crash(0);
  lab.rows(0) = backup;
  lab.start(0);
  ASSERT_EQ(lab.set(0, "k", "after"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  std::set<std::pair<std::uint64_t, std::uint64_t>> places;
  lab.space(1).visit_arrivals(0, [&](std::uint64_t, const EntryId&, ByteView wire) {
    const auto entry = decode_entry(wire);
    EXPECT_TRUE(places.insert({entry->content.epoch, entry->content.seq}).second) << "a fork";
    return true;
  });
  EXPECT_EQ(places.size(), 3U);
  EXPECT_THAT(values(lab.documents(2), "k"), testing::UnorderedElementsAre("after", "lost"));
}

TEST(StateMesh, WhatALiarPushesIsRefusedOrItsOwn) {
  StateLab lab(3);
  lab.share();
  ASSERT_EQ(lab.set(0, "k", "true"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  Bytes wire;
  lab.space(0).visit_arrivals(0, [&](std::uint64_t, const EntryId&, ByteView bytes) {
    wire = to_bytes(bytes);
    return true;
  });
  // Every single changed bit of an entry is refused, and nothing is passed on.
  const std::size_t before = lab.space(1).tree().size();
  std::size_t bent_total = 0;
  for (std::size_t bit = 0; bit < 8 * wire.size(); bit += 7) {
    Bytes bent = wire;
    bent[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto entry = decode_entry(bent);
    Packer packer(2 * kEntryBytesMax);
    if (!entry || !packer.add(*entry)) continue;
    lab.deliver_push(2, 1, {.space = handle_of(lab.space_id), .hops = hops_of(packer), .pack = packer.bytes()});
    ++bent_total;
    Bytes bent_pack = packer.bytes();
    bent_pack[bit / 8 % bent_pack.size()] ^= static_cast<std::uint8_t>(1 << bit % 8);
    lab.deliver_push(2, 1, {.space = handle_of(lab.space_id), .hops = {1}, .pack = bent_pack});
    ++bent_total;
  }
  lab.run(2s);
  EXPECT_EQ(lab.space(1).tree().size(), before);
  // One with another signature is the same entry, and known.
  const Stats stats = lab.state(1).stats();
  EXPECT_GE(stats.refused_total + stats.push_known_total, bent_total);
  EXPECT_GT(stats.refused_total, bent_total / 3);
  EXPECT_THAT(values(lab.documents(1), "k"), testing::ElementsAre("true"));
  // Another's content among the liar's own leaves: the liar's signature is not its author's.
  const Entry stolen = decode_entry(wire).value();
  Content own{.space = lab.space_id, .author = lab.identity(2).public_key(), .epoch = 1, .seq = 1, .prev = {}, .stamp = 1,
              .kind = Kind::kSet, .path = as_bytes("mine"), .body = as_bytes("x"), .saw = {}};
  std::vector<Content> two = {own, own};
  two[1].seq = 2;
  const auto batch = sign_entries(lab.identity(2), two).value();
  Packer packer(2 * kEntryBytesMax);
  for (const Bytes& one : batch) ASSERT_TRUE(packer.add(decode_entry(one).value()));
  lab.deliver_push(2, 1, {.space = handle_of(lab.space_id), .hops = hops_of(packer), .pack = packer.bytes()});
  lab.run(1s);
  EXPECT_EQ(lab.space(1).tree().size(), before + 2);
  EXPECT_TRUE(stolen.content.author == lab.identity(0).public_key());
}

TEST(StateMesh, NamespacesAreApartAndCanBeLeft) {
  StateLab lab(3);
  lab.share();
  const Genesis other = make_genesis(lab.identity(1), "other", Access::kOpen);
  ASSERT_TRUE(lab.create(1, "other").has_value());
  ASSERT_TRUE(lab.join(2, other).has_value());
  ASSERT_EQ(lab.set(0, "k", "v"), 1U);
  lab.run(10s);
  EXPECT_EQ(lab.state(0).find(other.id), nullptr);
  EXPECT_THAT(values(lab.documents(2), "k"), testing::ElementsAre("v"));
  ASSERT_TRUE(lab.leave(2, lab.space_id).has_value());
  EXPECT_EQ(lab.state(2).find(lab.space_id), nullptr);
  EXPECT_EQ(lab.leave(2, lab.space_id).error(), Error::kUnknownNamespace);
  EXPECT_EQ(lab.rows(2).size(), 1U) << "its entries are gone from the disk, the other namespace is not";
  lab.run(5s);
  ASSERT_TRUE(lab.join(2, make_genesis(lab.identity(0), "notes", Access::kOpen)).has_value());
  lab.run(10s);
  EXPECT_THAT(values(lab.documents(2), "k"), testing::ElementsAre("v"));
}

TEST(StateMesh, AnImportBringsWhatIsMissingAndNothingElse) {
  StateLab lab(2);
  lab.share();
  lab.split({0});
  for (int i = 0; i < 5; ++i) ASSERT_EQ(lab.set(0, "k" + std::to_string(i), "v"), 1U);
  std::vector<Bytes> wires;
  lab.space(0).visit_arrivals(0, [&](std::uint64_t, const EntryId&, ByteView bytes) {
    wires.push_back(to_bytes(bytes));
    return true;
  });
  std::vector<ByteView> views(wires.begin(), wires.end());
  EXPECT_EQ(lab.import(1, lab.space_id, std::span(views).first(2)), 2U);
  EXPECT_EQ(lab.import(1, lab.space_id, views), 3U);
  EXPECT_EQ(lab.import(1, lab.space_id, views), 0U);
  EXPECT_TRUE(lab.equal_now());
  wires[0][wires[0].size() - 64] ^= 1;  // of the signature
  EXPECT_EQ(lab.import(1, lab.space_id, views).error(), Error::kBadEntry);
}

TEST(StateMesh, ChangesOfOneCallShareASignatureAndAreAllOrNone) {
  StateLab lab(2);
  lab.share();
  std::vector<std::string> paths;
  std::vector<Change> changes;
  for (int i = 0; i < 20; ++i) paths.push_back("p" + std::to_string(i % 18));
  for (const std::string& path : paths) changes.push_back({.what = What::kSet, .path = as_bytes(path), .value = as_bytes(path)});
  changes.push_back({.what = What::kCount, .path = as_bytes("n"), .value = {}, .amount = 2});
  changes.push_back({.what = What::kCount, .path = as_bytes("n"), .value = {}, .amount = 3});
  changes.push_back({.what = What::kRemove, .path = as_bytes("p3"), .value = {}});
  EXPECT_EQ(lab.write(0, changes), changes.size());
  std::set<Bytes> signatures;
  std::optional<EntryId> before;
  lab.space(0).visit_arrivals(0, [&](std::uint64_t, const EntryId& id, ByteView wire) {
    const Entry entry = decode_entry(wire).value();
    signatures.insert(to_bytes(entry.signature.bytes));
    EXPECT_EQ(entry.content.prev, before);
    before = id;
    return true;
  });
  // 16 and 2 of different documents; 2 again and the first count; the second; what is taken away.
  EXPECT_EQ(signatures.size(), 5U);
  EXPECT_EQ(lab.documents(0).counter(as_bytes("n")), 5);
  EXPECT_EQ(lab.documents(0).paths({}, 100).size(), 18U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  EXPECT_EQ(lab.documents(1).counter(as_bytes("n")), 5);
  // The last is refused: so are the others.
  const Change good{.what = What::kSet, .path = as_bytes("q"), .value = as_bytes("v")};
  const Change bad{.what = What::kDelete, .path = as_bytes("q"), .value = as_bytes("nothing")};
  EXPECT_EQ(lab.write(0, std::vector<Change>{good, bad}).error(), Error::kNothingThere);
  EXPECT_TRUE(values(lab.documents(0), "q").empty());
  // Two that fit alone, and with siblings do not.
  const std::string large(850, 'x');
  const std::vector<Change> two = {{.what = What::kSet, .path = as_bytes("a"), .value = as_bytes(large)},
                                   {.what = What::kSet, .path = as_bytes("b"), .value = as_bytes(large)}};
  EXPECT_EQ(lab.write(0, two), 2U);
}

// But for a word about links now and then.
TEST(StateMesh, AConvergedPairExchangesNextToNothing) {
  StateLab lab(2);
  lab.share();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(lab.set(0, "k" + std::to_string(i), "v"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  lab.run(5s);
  const std::uint64_t before = lab.bytes_sent;
  lab.run(60s);
  EXPECT_LE(lab.bytes_sent, before + 2 * 64) << "64 bytes a node and minute";
}

TEST(StateMesh, ANamespaceLeftAndMadeAgainWhileAWriteWaitsKeepsNothingOfIt) {
  StateLab lab(1, {.commit = 200ms});
  ASSERT_TRUE(lab.create(0, "n").has_value());
  lab.space_id = make_genesis(lab.identity(0), "n", Access::kOpen).id;
  const Change change{.what = What::kSet, .path = as_bytes("k"), .value = as_bytes("v")};
  for (const bool fails : {false, true}) {
    lab.set_disk_fails(0, false);
    Output out;
    lab.state(0).write(lab.now(0), OpId{1000}, lab.space_id, {&change, 1}, out);
    const Ticket written = out.persist.at(0).ticket;
    out.clear();
    lab.state(0).leave(lab.now(0), OpId{1001}, lab.space_id, out);
    lab.state(0).create(lab.now(0), OpId{1002}, "n", Access::kOpen, out);
    out.clear();
    lab.state(0).on_persisted(lab.now(0), written, !fails, out);
    EXPECT_EQ(lab.documents(0).size(), 0U);
    // It is durable nowhere that counts.
    EXPECT_FALSE(std::get<StateDone>(out.events.at(0)).entries.has_value());
  }
}

// What it wrote before it left comes back by the next walk: a place must not be used twice.
TEST(StateMesh, WhoLeavesAndComesBackWritesOn) {
  StateLab lab(2);
  lab.share();
  lab.run(5s);
  for (int i = 0; i < 400; ++i) ASSERT_EQ(lab.set(0, "p", std::to_string(i)), 1U);
  ASSERT_EQ(lab.change(0, What::kCount, "n", {}, 5), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  EXPECT_GT(lab.state(0).stats().checkpoints_total, 0U);
  const Genesis genesis = make_genesis(lab.identity(0), "notes", Access::kOpen);
  ASSERT_TRUE(lab.leave(0, lab.space_id).has_value());
  ASSERT_TRUE(lab.join(0, genesis).has_value());
  ASSERT_EQ(lab.set(0, "p", "at once"), 1U);
  ASSERT_EQ(lab.change(0, What::kCount, "n", {}, 1), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  ASSERT_EQ(lab.change(0, What::kCount, "n", {}, 1), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  for (std::size_t node = 0; node < 2; ++node) {
    EXPECT_THAT(values(lab.documents(node), "p"), testing::Contains("at once"));
    EXPECT_EQ(lab.documents(node).counter(as_bytes("n")), 7);
  }
}

TEST(StateMesh, ALostLifesCountsAreCountedOnce) {
  StateLab lab(3);
  lab.share();
  lab.run(5s);
  ASSERT_EQ(lab.change(0, What::kCount, "n", {}, 10), 1U);
  const auto backup = lab.rows(0);
  ASSERT_EQ(lab.change(0, What::kCount, "n", {}, 2), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  lab.crash(0);
  lab.rows(0) = backup;
  lab.start(0);
  ASSERT_EQ(lab.change(0, What::kCount, "n", {}, 1), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  for (std::size_t node = 0; node < 3; ++node) EXPECT_EQ(lab.documents(node).counter(as_bytes("n")), 13) << node;
}

TEST(StateMesh, EntriesOfTheFarFutureDoNotKeepOutThoseOfTheNear) {
  StateLab lab(2);
  lab.share();
  std::uint64_t seq = 0;
  const auto pushed = [&](std::uint64_t stamp_ms) {
    const Content content{.space = lab.space_id, .author = lab.identity(1).public_key(), .epoch = 1, .seq = ++seq, .prev = {},
                          .stamp = stamp_ms << 16, .kind = Kind::kSet, .path = as_bytes("f"), .body = as_bytes("v"), .saw = {}};
    const Bytes wire = sign_entries(lab.identity(1), {&content, 1}).value()[0];
    Packer packer(2 * kEntryBytesMax);
    EXPECT_TRUE(packer.add(decode_entry(wire).value()));
    lab.deliver_push(1, 0, {.space = handle_of(lab.space_id), .hops = {1}, .pack = packer.bytes()});
  };
  const auto now_ms = static_cast<std::uint64_t>(lab.now(0).wall.value);
  for (std::size_t i = 0; i < kHeldBackMax + 50; ++i) pushed(now_ms + 1'000'000'000 + i);
  lab.run(1s);
  EXPECT_EQ(lab.state(0).stats().held_back, kHeldBackMax);
  pushed(now_ms + 20'000);
  lab.run(30s);
  EXPECT_THAT(values(lab.documents(0), "f"), testing::ElementsAre("v"));
}

TEST(StateMesh, ArrivalsOfALostLifeAreKnownToBeLost) {
  StateLab lab(1);
  lab.share();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(lab.set(0, "k", "v"), 1U);
  const std::uint64_t last = lab.space(0).last_arrival();
  EXPECT_TRUE(lab.space(0).knows_arrival(0));
  EXPECT_TRUE(lab.space(0).knows_arrival(last));
  EXPECT_FALSE(lab.space(0).knows_arrival(last + 1));
  lab.crash(0);
  lab.start(0);
  ASSERT_EQ(lab.set(0, "k", "w"), 1U);
  EXPECT_TRUE(lab.space(0).knows_arrival(last));
  EXPECT_FALSE(lab.space(0).knows_arrival(last + 1)) << "somebody may have been told of a fourth that never reached the disk";
  EXPECT_TRUE(lab.space(0).knows_arrival(lab.space(0).last_arrival()));
  EXPECT_FALSE(lab.space(0).knows_arrival(lab.space(0).last_arrival() + 1));
}

// Left and joined again it is another life: who read the first one must not miss what comes back in another order.
TEST(StateMesh, ArrivalsFromBeforeANamespaceWasLeftAreKnownToBeLost) {
  StateLab lab(2);
  lab.share();
  for (int i = 0; i < 9; ++i) ASSERT_EQ(lab.set(0, "k" + std::to_string(i), "v"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  std::set<std::uint64_t> numbers;
  const Genesis genesis = make_genesis(lab.identity(0), "notes", Access::kOpen);
  for (int life = 0; life < 4; ++life) {
    const auto visit = [&](std::uint64_t arrival, const EntryId&, ByteView) { return numbers.insert(arrival).second; };
    lab.space(1).visit_arrivals(0, visit);
    EXPECT_EQ(numbers.size(), 9U * static_cast<std::size_t>(life + 1)) << "no number is given twice";
    ASSERT_TRUE(lab.leave(1, lab.space_id).has_value());
    ASSERT_TRUE(lab.join(1, genesis).has_value());
    for (const std::uint64_t number : numbers) EXPECT_FALSE(lab.space(1).knows_arrival(number));
    EXPECT_TRUE(lab.space(1).knows_arrival(0));
    ASSERT_TRUE(lab.run_until_equal(20s));
    for (const std::uint64_t number : numbers) EXPECT_FALSE(lab.space(1).knows_arrival(number));
  }
}

// Where it began is known to nobody: the next one must not give its numbers to other entries.
TEST(StateMesh, ArrivalsOfALifeThatLeftNothingAreKnownToBeLost) {
  StateLab lab(2);
  lab.share();
  lab.crash(1);
  lab.start(1);
  lab.run(5s);
  ASSERT_EQ(lab.set(0, "k", "v"), 1U);
  lab.run(100ms);
  ASSERT_EQ(lab.documents(1).size(), 1U) << "here, and not yet on the disk";
  const std::uint64_t told = lab.space(1).last_arrival();
  lab.crash(1);
  lab.start(1);
  ASSERT_EQ(lab.set(0, "l", "w"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  ASSERT_EQ(lab.documents(1).size(), 2U);
  EXPECT_FALSE(lab.space(1).knows_arrival(told));
  EXPECT_TRUE(lab.space(1).knows_arrival(lab.space(1).last_arrival()));
}

TEST(StateMesh, ANamespaceThatIsNotDurableIsNotThere) {
  StateLab lab(1);
  lab.set_disk_fails(0, true);
  EXPECT_EQ(lab.create(0, "n").error(), Error::kStore);
  EXPECT_EQ(lab.state(0).stats().namespaces, 0U);
  lab.set_disk_fails(0, false);
  EXPECT_TRUE(lab.create(0, "n").has_value());
}

TEST(StateMesh, BoundsHold) {
  StateLab lab(1);
  for (std::size_t i = 0; i < kSpacesMax; ++i) ASSERT_TRUE(lab.create(0, "n" + std::to_string(i)).has_value());
  EXPECT_EQ(lab.create(0, "one-more").error(), Error::kTooMany);
  EXPECT_TRUE(lab.create(0, "n0").has_value()) << "the same one again";
  EXPECT_EQ(lab.create(0, "a/b").error(), Error::kBadName);
  EXPECT_EQ(lab.create(0, "").error(), Error::kBadName);
  lab.space_id = make_genesis(lab.identity(0), "n0", Access::kOpen).id;
  EXPECT_EQ(lab.set(0, "k", std::string(kEntryBytesMax, 'x')).error(), Error::kTooLarge);
  EXPECT_EQ(lab.set(0, "bad//path", "x").error(), Error::kBadPath);
  EXPECT_EQ(lab.documents(0).size(), 0U);
  lab.space_id = {};
  EXPECT_EQ(lab.set(0, "k", "x").error(), Error::kUnknownNamespace);
}

}  // namespace
}  // namespace weft::state
