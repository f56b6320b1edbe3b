// Shared state and its disk: what waits for a commit, and what a commit that was refused takes along.
#include <gmock/gmock.h>

#include "tests/gossip/state_solo.h"

namespace weft::state {
namespace {

using What = Change::What;
using testing::ElementsAre;

// Its entries come back by a push or a walk while the write still waits: they are the new life's, and the write's end is not theirs.
TEST(StateDisk, AWriteOfALifeThatWasLeftTouchesNothingOfTheNext) {
  for (const bool ok : {false, true}) {
    Solo solo;
    solo.make();
    solo.commit_all();
    const OpId write = solo.set("k", "v");
    const Bytes wire = solo.wires_waiting().at(0);
    const OpId left = solo.leave();
    const OpId again = solo.make();
    solo.push(wire);
    ASSERT_THAT(values(solo.space().documents(), "k"), ElementsAre("v"));
    solo.commit(ok);
    EXPECT_EQ(solo.end_of(write).error(), ok ? Error::kUnknownNamespace : Error::kStore);
    EXPECT_THAT(values(solo.space().documents(), "k"), ElementsAre("v"));
    solo.commit_all();
    EXPECT_EQ(solo.end_of(left), 0U);
    EXPECT_EQ(solo.end_of(again), 0U);
    const OpId next = solo.set("k", "w");
    solo.commit_all();
    EXPECT_EQ(solo.end_of(next), 1U);
    EXPECT_THAT(values(solo.space().documents(), "k"), ElementsAre("w"));
  }
}

TEST(StateDisk, AJoinThatIsRefusedLeavesTheNextOneItsNamespace) {
  Solo solo;
  const OpId first = solo.make();
  const OpId second = solo.make();
  solo.commit(/*ok=*/false);
  solo.commit();
  EXPECT_EQ(solo.end_of(first).error(), Error::kStore);
  EXPECT_EQ(solo.end_of(second), 0U);
  EXPECT_NE(solo.state->find(solo.space_id), nullptr);
  // An earlier life's join says nothing of a later one.
  const OpId left = solo.leave();
  solo.commit_all();
  const OpId third = solo.make();
  solo.leave();
  const OpId fourth = solo.make();
  solo.commit(/*ok=*/false);
  solo.commit_all();
  EXPECT_EQ(solo.end_of(left), 0U);
  EXPECT_EQ(solo.end_of(third).error(), Error::kStore);
  EXPECT_EQ(solo.end_of(fourth), 0U);
  EXPECT_NE(solo.state->find(solo.space_id), nullptr);
}

// Whoever imports is told that it is durable only when it is, also if it was here, and refused by the disk, before.
TEST(StateDisk, AnImportThatIsRefusedIsTriedAgainAndItsRetryIsNotBelievedTooSoon) {
  Solo solo;
  solo.make();
  solo.commit_all();
  Identity author(solo.provider, ByteArray<32>{9});
  const std::vector<Bytes> wires{solo.signed_by(author, 1, 1, "a"), solo.signed_by(author, 2, 2, "b")};
  const OpId first = solo.import(wires);
  solo.commit(/*ok=*/false);
  EXPECT_EQ(solo.end_of(first).error(), Error::kStore);
  const OpId second = solo.import(wires);
  EXPECT_FALSE(solo.done.contains(second));
  solo.commit();
  EXPECT_EQ(solo.end_of(second), 0U) << "known";
  solo.start();
  EXPECT_EQ(solo.space().documents().size(), 2U);
  // Nobody tries again: the node does.
  const std::vector<Bytes> more{solo.signed_by(author, 3, 3, "c")};
  solo.import(more);
  solo.commit(/*ok=*/false);
  solo.pass(kKeepDelay);
  ASSERT_EQ(solo.pending.size(), 1U);
  solo.commit();
  // What is on its way is not durable: known entries go along again.
  const std::vector<Bytes> last{solo.signed_by(author, 4, 4, "d")};
  solo.push(last[0]);
  const OpId third = solo.import(last);
  solo.commit();
  EXPECT_EQ(solo.end_of(third), 0U);
  solo.start();
  EXPECT_EQ(solo.space().documents().size(), 4U);
}

// A row that is tried again says what is here then, not what was here when the disk refused it.
TEST(StateDisk, WhatIsTriedAgainDoesNotUndoWhatCameMeanwhile) {
  Solo solo;
  solo.make();
  solo.commit_all();
  Identity author(solo.provider, ByteArray<32>{9});
  const std::vector<Bytes> wires{solo.signed_by(author, 1, 1, "a")};
  solo.import(wires);
  solo.leave();
  solo.commit(/*ok=*/false);
  solo.commit();
  solo.make();
  solo.commit_all();
  solo.pass(kKeepDelay);
  solo.commit_all();
  solo.start();
  EXPECT_EQ(solo.space().documents().size(), 0U) << "it was left";
}

// A former life's entries come back, and a quota keeps them before those of this one: a write that goes at once has failed, and what goes later is told.
TEST(StateDisk, AWriteThatAQuotaTakesAtOnceFailsAndOneThatItTakesLaterIsTold) {
  Solo solo;
  Identity owner(solo.provider, ByteArray<32>{9});
  const Genesis genesis = make_genesis(owner, "n", Access::kOwned);
  solo.space_id = genesis.id;
  solo.call([&](OpId op, Output& out) { solo.state->join(solo.now(), op, genesis, out); });
  solo.commit_all();
  const Bytes body = grant_body({.to = solo.self.id(), .path = {}, .entries = 2});
  const Content right{.space = genesis.id, .author = owner.public_key(), .epoch = 1, .seq = 1, .prev = {}, .stamp = 1, .kind = Kind::kGrant,
                      .path = as_bytes(kGrantPath), .body = body, .saw = {}};
  const Bytes granted = sign_entries(owner, {&right, 1}).value()[0];
  const EntryId named = decode_entry(granted)->id;
  solo.push(granted);
  const OpId write = solo.set("new", "v");
  for (std::uint64_t seq = 1; seq <= 2; ++seq) solo.push(solo.signed_by(solo.self, seq, seq + 10, "old" + std::to_string(seq), {&named, 1}));
  solo.commit();
  EXPECT_EQ(solo.end_of(write).error(), Error::kOverQuota);
  EXPECT_EQ(solo.space().entries_of(solo.self.public_key()), 2U);
  EXPECT_TRUE(solo.noticed.empty()) << "the write's end has told it";
  solo.push(solo.signed_by(solo.self, 3, 5, "older", {&named, 1}));
  EXPECT_EQ(solo.space().entries_of(solo.self.public_key()), 2U);
  ASSERT_EQ(solo.noticed.size(), 1U);
  EXPECT_EQ(solo.noticed[0].what, StateNoticed::What::kOverQuota);
  EXPECT_EQ(solo.noticed[0].number, 1U);
  EXPECT_EQ(solo.noticed[0].author, solo.self.id());
  solo.pass(kKeepDelay);
  solo.commit_all();
  solo.start();
  EXPECT_EQ(solo.space().entries_of(solo.self.public_key()), 2U);
  solo.push(solo.signed_by(solo.self, 4, 4, "oldest", {&named, 1}));
  EXPECT_EQ(solo.noticed.size(), 2U) << "each time, and nothing at the start";
}

// A count contains those before it: one that failed must not come in by the next.
TEST(StateDisk, ACountThatFailedIsNotPartOfTheNext) {
  Solo solo;
  solo.make();
  solo.commit_all();
  const OpId first = solo.change(What::kCount, "n", {}, 5);
  const OpId second = solo.change(What::kCount, "n", {}, 1);
  const OpId value = solo.set("k", "v");
  const OpId third = solo.change(What::kCount, "n", {}, 2);
  EXPECT_EQ(solo.space().documents().counter(as_bytes("n")), 8);
  solo.commit(/*ok=*/false);
  EXPECT_EQ(solo.end_of(first).error(), Error::kStore);
  EXPECT_EQ(solo.space().documents().counter(as_bytes("n")), 0);
  // One that is drafted now is good, whatever still waits.
  const OpId fourth = solo.change(What::kCount, "n", {}, 40);
  solo.commit();
  solo.commit();
  solo.commit(/*ok=*/false);
  solo.commit();
  EXPECT_EQ(solo.end_of(second).error(), Error::kStore);
  EXPECT_EQ(solo.end_of(value), 1U) << "no count";
  EXPECT_EQ(solo.end_of(third).error(), Error::kStore);
  EXPECT_EQ(solo.end_of(fourth), 1U);
  EXPECT_EQ(solo.space().documents().counter(as_bytes("n")), 40);
  // What became durable of it is erased again.
  solo.pass(kKeepDelay);
  solo.commit_all();
  solo.start();
  EXPECT_EQ(solo.space().documents().counter(as_bytes("n")), 40);
  EXPECT_EQ(solo.space().documents().size(), 2U);
}

TEST(StateDisk, ACheckpointThatIsRefusedIsTriedAgain) {
  Solo solo;
  solo.make();
  solo.commit_all();
  solo.set("k", "v");
  solo.commit_all();
  solo.start();
  const PublicKey author = solo.self.public_key();
  solo.set("l", "v");
  solo.commit();
  ASSERT_EQ(solo.pending.size(), 1U) << "the epoch of the life before is closed";
  solo.commit(/*ok=*/false);
  EXPECT_EQ(solo.space().open_epochs(author).size(), 2U);
  EXPECT_TRUE(solo.pending.empty()) << "not at once: the disk has just refused it";
  solo.set("m", "v");
  solo.commit_all();
  EXPECT_EQ(solo.space().open_epochs(author).size(), 1U);
}

TEST(StateDisk, AProofThatIsRefusedIsTriedAgain) {
  Solo solo;
  solo.make();
  solo.commit_all();
  Identity liar(solo.provider, ByteArray<32>{9});
  solo.push(solo.signed_by(liar, 1, 1, "a"));
  solo.push(solo.signed_by(liar, 1, 1, "b"));
  const auto proof = [&] {
    for (int i = 0; i < 40 && solo.state->stats().proofs_total == 0; ++i) solo.pass(100ms);
    return solo.state->stats().proofs_total;
  };
  ASSERT_EQ(proof(), 1U);
  while (!solo.pending.empty()) solo.commit(/*ok=*/false);
  EXPECT_TRUE(solo.space().proofs().empty());
  EXPECT_EQ(solo.state->stats().proofs_total, 0U);
  ASSERT_EQ(proof(), 1U);
  solo.commit_all();
  EXPECT_TRUE(solo.space().proofs().contains(liar.public_key()));
}

}  // namespace
}  // namespace weft::state
