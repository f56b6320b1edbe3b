// Forks: proven to all, once, and never against an honest author. And the epochs of an author that starts over and over.
#include <gmock/gmock.h>

#include "tests/gossip/state_solo.h"

namespace weft::state {
namespace {

using testing::ElementsAre;

std::array<Bytes, 2> forked(const Identity& by, const NamespaceId& space, std::uint64_t seq = 1) {
  std::array<Bytes, 2> out;
  for (std::size_t i = 0; i < 2; ++i) {
    const Content value{.space = space, .author = by.public_key(), .epoch = 5, .seq = seq, .prev = {}, .stamp = 2 + i,
                        .kind = Kind::kSet, .path = as_bytes("k"), .body = as_bytes(i == 0 ? "left" : "right"), .saw = {}};
    out[i] = sign_entries(by, {&value, 1}).value()[0];
  }
  return out;
}

TEST(Fork, AProofNamesTheAuthorAndNobodyElseCanMakeOne) {
  SodiumProvider provider;
  Identity author(provider, ByteArray<32>{1}), other(provider, ByteArray<32>{2});
  const NamespaceId space{{3}};
  const auto wires = forked(author, space);
  const auto a = decode_entry(wires[0]).value();
  const auto b = decode_entry(wires[1]).value();
  const auto body = fork_body(a, b).value();
  EXPECT_EQ(fork_body(b, a), body);
  EXPECT_FALSE(fork_body(a, a));
  const auto others = forked(other, space);
  EXPECT_FALSE(fork_body(a, decode_entry(others[1]).value()));
  const auto later = forked(author, space, 2);
  EXPECT_FALSE(fork_body(a, decode_entry(later[1]).value()));
  const Fork fork = read_fork(space, body).value();
  EXPECT_EQ(fork.author(), author.public_key());
  EXPECT_EQ(std::set({fork.sides[0].id, fork.sides[1].id}), std::set({a.id, b.id}));
  EXPECT_TRUE(verify_fork(provider, space, fork));
  EXPECT_FALSE(verify_fork(provider, NamespaceId{{4}}, fork));
  // No bit of it can be another.
  for (std::size_t bit = 0; bit < 8 * body.size(); ++bit) {
    Bytes bent = body;
    bent[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto read = read_fork(space, bent);
    EXPECT_FALSE(read && verify_fork(provider, space, *read)) << bit;
  }
  for (std::size_t cut = 0; cut < body.size(); ++cut) EXPECT_FALSE(read_fork(space, ByteView(body).first(cut)));
}

TEST(Fork, TwoOfOneBatchOfSixteenFitAnEntry) {
  CheapProvider provider;
  Identity author(provider, ByteArray<32>{1});
  std::vector<Content> contents(16);
  const std::string long_path(250, 'p');
  for (std::size_t i = 0; i < 16; ++i) {
    contents[i] = {.space = {}, .author = author.public_key(), .epoch = UINT64_MAX, .seq = kSeqMax - i / 2, .prev = EntryId{{1}},
                   .stamp = UINT64_MAX - i, .kind = Kind::kSet, .path = as_bytes(long_path), .body = as_bytes("x"), .saw = {}};
  }
  const auto wires = sign_entries(author, contents).value();
  const auto a = decode_entry(wires[0]).value();
  const auto b = decode_entry(wires[1]).value();
  const auto body = fork_body(a, b).value();
  EXPECT_LE(body.size(), 620U);
  EXPECT_TRUE(verify_fork(provider, {}, read_fork({}, body).value()));
  const Content proof{.space = {}, .author = author.public_key(), .epoch = 0, .seq = 1, .prev = {}, .stamp = 0, .kind = Kind::kFork, .path = as_bytes(kForkPath), .body = body, .saw = {}};
  EXPECT_TRUE(sign_entries(author, {&proof, 1}).has_value());
}

Bytes proof_by(const Identity& witness, const NamespaceId& space, const std::array<Bytes, 2>& sides) {
  const Bytes body = fork_body(decode_entry(sides[0]).value(), decode_entry(sides[1]).value()).value();
  const Content proof{.space = space, .author = witness.public_key(), .epoch = 0, .seq = 1, .prev = {}, .stamp = 0, .kind = Kind::kFork,
                      .path = as_bytes(kForkPath), .body = body, .saw = {}};
  return sign_entries(witness, {&proof, 1}).value()[0];
}

// Keys are made at will in an open namespace: of those who have nothing in it no proof is kept, and who has cannot get rid of one.
TEST(Fork, InAnOpenNamespaceAProofStaysBesideAnEntryOfTheAccused) {
  CheapProvider provider;
  Identity witness(provider, ByteArray<32>{1}), real(provider, ByteArray<32>{2});
  Space empty{Genesis{}};
  for (std::uint8_t n = 10; n < 200; ++n) {
    Identity made_up(provider, ByteArray<32>{n});
    const Bytes wire = proof_by(witness, {}, forked(made_up, {}));
    EXPECT_EQ(empty.insert(decode_entry(wire).value(), wire, true), Space::Inserted::kDiscarded);
  }
  EXPECT_EQ(empty.documents().size(), 0U);
  // Out of a store as well.
  const auto sides = forked(real, {});
  const Bytes proof = proof_by(witness, {}, sides);
  EXPECT_TRUE(empty.restore(decode_entry(proof).value(), proof, 1));
  empty.restored();
  EXPECT_EQ(empty.documents().size(), 0U);
  EXPECT_TRUE(empty.proofs().empty());
  // The accused discards both sides; in every order the proof is there in the end.
  const Section both{.epoch = 5, .first = 1, .last = 1, .wanted = {}};
  const Bytes body = checkpoint_body({&both, 1});
  const Content content{.space = {}, .author = real.public_key(), .epoch = 5, .seq = 2, .prev = {}, .stamp = 9, .kind = Kind::kCheckpoint,
                        .path = as_bytes(kCheckpointPath), .body = body, .saw = {}};
  std::vector<Bytes> all{sides[0], sides[1], proof, sign_entries(real, {&content, 1}).value()[0]};
  std::ranges::sort(all);
  std::optional<TreeHash> root;
  do {
    Space space{Genesis{}};
    for (int round = 0; round < 3; ++round) {
      for (const Bytes& wire : all) (void)space.insert(decode_entry(wire).value(), wire, true);
    }
    EXPECT_EQ(space.documents().size(), 2U) << "the checkpoint and the proof";
    EXPECT_TRUE(space.proofs().contains(real.public_key()));
    if (!root) root = space.tree().root();
    EXPECT_EQ(space.tree().root(), *root);
  } while (std::ranges::next_permutation(all).found);
}

// A forker can go on making proofs against itself, each of a lower id: they must not be as many messages.
TEST(Fork, AProofIsReplacedOnceInAWhile) {
  Solo solo;
  solo.make();
  solo.commit_all();
  Identity liar(solo.provider, ByteArray<32>{9});
  const auto sides = forked(liar, solo.space_id);
  for (const Bytes& wire : sides) solo.push(wire);
  std::map<EntryId, Bytes, std::greater<>> proofs;
  for (std::uint8_t n = 20; n < 60; ++n) {
    Identity witness(solo.provider, ByteArray<32>{n});
    const Bytes wire = proof_by(witness, solo.space_id, sides);
    proofs.emplace(decode_entry(wire)->id, wire);
  }
  const std::uint64_t before = solo.state->stats().received_total;
  for (const auto& [id, wire] : proofs) solo.push(wire);
  EXPECT_EQ(solo.state->stats().received_total, before + 2) << "the first, and one in its place";
  solo.pass(kProofPause - 1ms);
  solo.push(proofs.rbegin()->second);
  EXPECT_EQ(solo.state->stats().received_total, before + 2);
  solo.pass(1ms);
  solo.push(proofs.rbegin()->second);
  EXPECT_EQ(solo.state->stats().received_total, before + 3);
  EXPECT_EQ(solo.space().proofs().at(liar.public_key()), proofs.rbegin()->first) << "in the end the lowest stays";
}

// Whoever makes keys proves something with each: that makes no authors.
TEST(Fork, AWitnessIsNoAuthorOfAnOwnedNamespace) {
  CheapProvider provider;
  Identity owner(provider, ByteArray<32>{1}), witness(provider, ByteArray<32>{2});
  const Genesis genesis = make_genesis(owner, "n", Access::kOwned);
  Space space(genesis);
  const Bytes proof = proof_by(witness, genesis.id, forked(owner, genesis.id));
  ASSERT_EQ(space.insert(decode_entry(proof).value(), proof, true), Space::Inserted::kNew);
  EXPECT_FALSE(space.author_of(witness.id()).has_value());
}

// Proofs may fill some of the room that is kept beside what is for all, and not that of checkpoints.
TEST(Fork, ProofsLeaveRoomForCheckpoints) {
  StateLab lab(2);
  lab.config.bytes_max = 160'000;
  for (std::size_t i = 0; i < 2; ++i) {
    lab.crash(i);
    lab.start(i);
  }
  lab.share();
  const auto import = [&](const Bytes& wire) {
    const ByteView view(wire);
    return lab.import(0, lab.space_id, {&view, 1}).value_or(0) == 1U;
  };
  const std::string filler(700, 'x');
  std::vector<std::unique_ptr<Identity>> liars;
  bool full = false;
  for (std::uint8_t n = 1; n < 100; ++n) {
    liars.push_back(std::make_unique<Identity>(lab.provider, ByteArray<32>{n, 1}));
    const auto sides = forked(*liars.back(), lab.space_id);
    if (!import(sides[0]) || !import(sides[1])) break;
  }
  for (std::uint64_t i = 0; lab.set(1, "k" + std::to_string(i), filler).has_value() && i < 200; ++i) {}
  lab.run(30s);
  for (const auto& liar : liars) full = !import(proof_by(lab.identity(1), lab.space_id, forked(*liar, lab.space_id))) || full;
  EXPECT_TRUE(full);
  EXPECT_LE(lab.space(0).memory(), 160'000U / 100 * 101);
  const Section one{.epoch = 5, .first = 1, .last = 1, .wanted = {}};
  const Bytes body = checkpoint_body({&one, 1});
  const Content content{.space = lab.space_id, .author = liars[0]->public_key(), .epoch = 5, .seq = 2, .prev = {}, .stamp = 9, .kind = Kind::kCheckpoint,
                        .path = as_bytes(kCheckpointPath), .body = body, .saw = {}};
  EXPECT_TRUE(import(sign_entries(*liars[0], {&content, 1}).value()[0]));
}

TEST(Fork, IsProvenToAllOnceAndBothSidesStay) {
  StateLab lab(12);
  lab.share();
  lab.run(5s);
  const Identity& liar = lab.identity(11);
  const auto wires = forked(liar, lab.space_id);
  lab.deliver_push(11, 1, push_of(lab.space_id, {&wires[0], 1}));
  lab.deliver_push(11, 2, push_of(lab.space_id, {&wires[1], 1}));
  ASSERT_EQ(lab.set(4, "other", "honest"), 1U);
  lab.run(15s);
  ASSERT_TRUE(lab.run_until_equal(20s));
  std::size_t proofs = 0;
  for (std::size_t i = 0; i < lab.size(); ++i) {
    EXPECT_THAT(values(lab.documents(i), "k"), ElementsAre("right", "left")) << i;
    ASSERT_EQ(lab.space(i).proofs().size(), 1U);
    EXPECT_EQ(lab.space(i).proofs().begin()->first, liar.public_key());
    proofs += lab.state(i).stats().proofs_total;
    const auto told = [&](const StateNoticed& n) { return n.what == StateNoticed::What::kForked && n.author == liar.id(); };
    EXPECT_EQ(std::ranges::count_if(lab.noticed(i), told), 1) << i;
  }
  EXPECT_GE(proofs, 1U);
  EXPECT_LE(proofs, 4U) << "most wait for somebody else's";
  const auto count = [&](std::size_t node) {
    std::map<Kind, std::size_t> out;
    lab.space(node).visit_arrivals(0, [&](std::uint64_t, const EntryId&, ByteView wire) { return ++out[decode_entry(wire)->content.kind] > 0; });
    return out;
  };
  EXPECT_EQ(count(0)[Kind::kFork], 1U);
  EXPECT_EQ(count(0)[Kind::kSet], 3U);
  // Whoever sees a fork of somebody that is proven already says nothing more.
  const auto more = forked(liar, lab.space_id, 2);
  lab.deliver_push(11, 3, push_of(lab.space_id, more));
  lab.run(10s);
  ASSERT_TRUE(lab.run_until_equal(20s));
  EXPECT_EQ(count(5)[Kind::kFork], 1U);
  EXPECT_EQ(count(5)[Kind::kSet], 5U);
  for (std::size_t i = 0; i < lab.size(); ++i) {
    lab.crash(i);
    lab.start(i);
    EXPECT_EQ(lab.space(i).proofs().size(), 1U);
  }
}

// Whoever has written nothing but a proof has no history: its first entry names none, also after a restart.
TEST(Fork, AProofIsNoPartOfItsWitnessesHistory) {
  StateLab lab(3);
  lab.share();
  lab.run(5s);
  const auto wires = forked(lab.identity(2), lab.space_id);
  lab.crash(2);
  for (const Bytes& wire : wires) lab.deliver_push(2, 1, push_of(lab.space_id, {&wire, 1}));
  lab.run(10s);
  ASSERT_TRUE(lab.run_until_equal(20s));
  ASSERT_GE(lab.state(0).stats().proofs_total + lab.state(1).stats().proofs_total, 1U);
  const std::size_t witness = lab.state(0).stats().proofs_total > 0 ? 0 : 1;
  for (int life = 0; life < 2; ++life) {
    EXPECT_FALSE(lab.space(witness).head(lab.identity(witness).public_key()).has_value());
    lab.crash(witness);
    lab.start(witness);
  }
  ASSERT_EQ(lab.set(witness, "mine", "first"), 1U);
  lab.space(witness).visit_arrivals(0, [&](std::uint64_t, const EntryId&, ByteView wire) {
    const auto entry = decode_entry(wire).value();
    const bool mine = entry.content.kind == Kind::kSet && entry.content.author == lab.identity(witness).public_key();
    EXPECT_FALSE(mine && entry.content.prev.has_value());
    return true;
  });
}

TEST(Fork, ThereIsNoProofAgainstAnHonestAuthorThatWasStartedTwiceAndRestored) {
  StateLab lab(5);
  lab.share();
  for (int round = 0; round < 20; ++round) {
    const auto backup = lab.rows(1);
    ASSERT_EQ(lab.set(1, "k" + std::to_string(round % 3), "before " + std::to_string(round)), 1U);
    lab.run(100ms);
    lab.crash(1);
    lab.rows(1) = backup;
    lab.start(1);
    ASSERT_EQ(lab.set(1, "k" + std::to_string(round % 3), "after " + std::to_string(round)), 1U);
  }
  lab.run(30s);
  ASSERT_TRUE(lab.run_until_equal(30s));
  for (std::size_t i = 0; i < lab.size(); ++i) {
    EXPECT_TRUE(lab.space(i).proofs().empty());
    EXPECT_EQ(lab.state(i).stats().proofs_total, 0U);
  }
}

TEST(Epochs, AfterAThousandRestartsOneIsOpen) {
  StateLab lab(2);
  lab.share();
  for (int life = 0; life < 1000; ++life) {
    lab.crash(1);
    lab.start(1);
    ASSERT_EQ(lab.set(1, "k" + std::to_string(life % 50), std::to_string(life)), 1U);
    lab.run(20ms);
  }
  ASSERT_TRUE(lab.run_until_equal(30s));
  const PublicKey author = lab.identity(1).public_key();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(lab.space(i).open_epochs(author).size(), 1U);
    // What is left of it: the live ones and checkpoints.
    EXPECT_LE(lab.space(i).tree().size(), 90U);
    EXPECT_EQ(lab.documents(i).paths({}, 100).size(), 50U);
  }
}

}  // namespace
}  // namespace weft::state
