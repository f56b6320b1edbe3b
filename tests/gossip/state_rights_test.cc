// Owned namespaces: what is admitted depends on the set alone, and a node says why it does not write.
#include <gmock/gmock.h>

#include "tests/gossip/state_history.h"
#include "tests/gossip/state_solo.h"
#include "tests/vectors.h"

namespace weft::state {
namespace {

using What = Change::What;
using testing::ElementsAre;

TEST(Rights, BodiesHaveOneForm) {
  Grant grant{.to = NodeId{{7}}, .path = to_bytes(as_bytes("a/b")), .rights = kRightAdd, .entries = 5, .expires_ms = 99};
  const Bytes body = grant_body(grant);
  EXPECT_EQ(read_grant(body), grant);
  for (std::size_t cut = 0; cut < body.size(); ++cut) EXPECT_FALSE(read_grant(ByteView(body).first(cut)));
  grant.rights = kRightOverwrite;  // without the right to add
  EXPECT_FALSE(read_grant(grant_body(grant)));
  Revocation revocation{.of = NodeId{{7}}, .first = {3, 1}, .last = {90, 200}, .frontier = {{3, 1, 1}, {3, 3, 9}, {4, 2, kSeqMax}, {90, 200, 200}}};
  const Bytes cut_body = revocation_body(revocation);
  EXPECT_EQ(read_revocation(cut_body), revocation);
  for (std::size_t cut = 0; cut < cut_body.size(); ++cut) EXPECT_FALSE(read_revocation(ByteView(cut_body).first(cut)));
  for (const std::vector<state::Run>& wrong : std::vector<std::vector<state::Run>>{{{4, 1, 1}, {4, 2, 2}}, {{91, 1, 1}}, {{90, 201, 201}}, {{3, 5, 6}, {3, 1, 1}}}) {
    revocation.frontier = wrong;
    EXPECT_FALSE(read_revocation(revocation_body(revocation)));
  }
}

TEST(Rights, ARevocationTellsEachPlaceThatStaysAndNoOther) {
  Rng rng(1);
  for (int round = 0; round < 30; ++round) {
    std::set<std::pair<std::uint64_t, std::uint64_t>> places;
    const std::uint64_t spread = 1 + rng.below(5);
    for (std::uint64_t epoch = 0, epochs = 1 + rng.below(200); epoch < epochs; ++epoch) {
      std::uint64_t seq = rng.below(3);
      for (std::size_t i = rng.below(60); i > 0; --i) places.emplace(epoch * epoch, seq += 1 + rng.below(spread));
    }
    std::vector<state::Run> runs;
    for (const auto& [epoch, seq] : places) {
      if (!runs.empty() && runs.back().epoch == epoch && runs.back().last + 1 == seq) runs.back().last = seq;
      else runs.push_back({epoch, seq, seq});
    }
    const auto parts = revocations(NodeId{{7}}, runs);
    Revocation::Place next{0, 0};
    std::set<std::pair<std::uint64_t, std::uint64_t>> told;
    for (const Revocation& part : parts) {
      ASSERT_EQ(read_revocation(revocation_body(part)), part);
      EXPECT_EQ(part.first, next);
      next = part.last.second == kSeqMax ? Revocation::Place(part.last.first + 1, 1) : Revocation::Place(part.last.first, part.last.second + 1);
      for (const state::Run& run : part.frontier) {
        for (std::uint64_t seq = run.first; seq <= run.last; ++seq) told.emplace(run.epoch, seq);
      }
    }
    EXPECT_EQ(parts.back().last, Revocation::Place(UINT64_MAX, kSeqMax));
    EXPECT_EQ(told, places);
  }
  // Who leaves more gaps than that is cut off in the rest.
  std::vector<state::Run> gaps;
  for (std::uint64_t i = 0; i < 100'000; ++i) gaps.push_back({1, 1'000'000 * (i + 1), 1'000'000 * (i + 1)});
  const auto parts = revocations(NodeId{{7}}, gaps);
  EXPECT_EQ(parts.size(), kRevokesMax);
  EXPECT_EQ(parts.back().last, Revocation::Place(UINT64_MAX, kSeqMax));
}

TEST(Rights, BodiesStandInTheProtocol) {
  const auto v = vectors_of("PROTOCOL-state.md").at("Rights");
  const Grant grant{.to = NodeId{{7}}, .path = to_bytes(as_bytes("a/b")), .rights = kRightAdd, .entries = 5, .expires_ms = 1'700'000'000'000};
  EXPECT_EQ(v.at("grant"), to_hex(grant_body(grant)));
  const Revocation revocation{.of = NodeId{{7}}, .frontier = {{3, 1, 1}, {4, 2, 300}}};
  EXPECT_EQ(v.at("revoke"), to_hex(revocation_body(revocation)));
}

// ---- order: see state_properties_rights_test.cc, too

TEST(Rights, OfTooManyTheSameFewStayInAnyOrder) {
  CheapProvider provider;
  Identity owner(provider, ByteArray<32>{1}), other(provider, ByteArray<32>{2});
  const Genesis genesis = make_genesis(owner, "mine", Access::kOwned);
  const auto sign = [&](const Identity& by, Kind kind, std::string_view path, const Bytes& body, std::uint64_t seq,
                        std::vector<EntryId> saw) {
    const Content content{.space = genesis.id, .author = by.public_key(), .epoch = seq % 3, .seq = seq, .prev = {}, .stamp = 7 * seq % 101,
                          .kind = kind, .path = as_bytes(path), .body = body, .saw = saw};
    return std::make_shared<const Kept>(sign_entries(by, {&content, 1}).value()[0]);
  };
  const auto grant = sign(owner, Kind::kGrant, kGrantPath, grant_body({.to = other.id(), .path = {}, .entries = 10}), 1, {});
  std::vector<KeptRef> all;
  for (std::uint64_t seq = 1; seq <= 100; ++seq) {
    all.push_back(sign(other, Kind::kSet, "k" + std::to_string(seq), to_bytes(as_bytes("x")), seq, {grant->entry.id}));
  }
  std::vector<std::pair<std::uint64_t, EntryId>> ranks;
  for (const KeptRef& kept : all) ranks.emplace_back(kept->entry.content.stamp, kept->entry.id);
  std::ranges::sort(ranks);
  std::set<EntryId> expected{grant->entry.id};
  for (std::size_t i = 0; i < 10; ++i) expected.insert(ranks[i].second);
  Rng rng(3);
  for (int order = 0; order < 20; ++order) {
    Space space(genesis);
    ASSERT_EQ(space.insert(grant->entry, grant->bytes, true), Space::Inserted::kNew);
    rng.shuffle(std::span(all));
    for (const KeptRef& kept : all) {
      space.insert(kept->entry, kept->bytes, true);
      ASSERT_LE(space.entries_of(other.public_key()), 10U);
    }
    std::set<EntryId> here;
    space.visit_arrivals(0, [&](std::uint64_t, const EntryId& id, ByteView) { return here.insert(id).second; });
    ASSERT_EQ(here, expected);
  }
}

// Of two hundred Revokes of one revocation each judges what lies in its part.
TEST(Rights, RevokesOfPartsJudgeEachEntryOnce) {
  CheapProvider provider;
  Identity owner(provider, ByteArray<32>{1}), other(provider, ByteArray<32>{2});
  const Genesis genesis = make_genesis(owner, "mine", Access::kOwned);
  Space space(genesis);
  const auto put = [&](const Identity& by, Kind kind, std::string_view path, const Bytes& body, std::uint64_t epoch, std::uint64_t seq,
                       std::vector<EntryId> saw) {
    const Content content{.space = genesis.id, .author = by.public_key(), .epoch = epoch, .seq = seq, .prev = {}, .stamp = 10 * epoch + seq,
                          .kind = kind, .path = as_bytes(path), .body = body, .saw = saw};
    const Kept kept(sign_entries(by, {&content, 1}).value()[0]);
    EXPECT_EQ(space.insert(kept.entry, kept.bytes, true), Space::Inserted::kNew);
    return kept.entry.id;
  };
  const EntryId grant = put(owner, Kind::kGrant, kGrantPath, grant_body({.to = other.id(), .path = {}}), 1, 1, {});
  for (std::uint64_t epoch = 1; epoch <= 4; ++epoch) {
    for (std::uint64_t seq = 1; seq <= 50; ++seq) put(other, Kind::kSet, "k", to_bytes(as_bytes("x")), epoch, seq, {grant});
  }
  const auto revoke = [&](const Revocation& part) {
    (void)space.take_work();
    static std::uint64_t seq = 1000;
    put(owner, Kind::kRevoke, kRevokePath, revocation_body(part), 1, ++seq, {});
    return space.take_work();
  };
  EXPECT_EQ(revoke({.of = other.id(), .last = {2, 40}, .frontier = {{1, 1, 50}}}), 90 * kDecodeWork);
  EXPECT_EQ(space.entries_of(other.public_key()), 160U) << "the first forty of epoch 2 went";
  EXPECT_EQ(revoke({.of = other.id(), .first = {2, 41}, .frontier = {{2, 41, 50}, {4, 1, 50}}}), 110 * kDecodeWork);
  EXPECT_EQ(space.entries_of(other.public_key()), 110U);
}

// ---- a mesh

class OwnedMesh : public testing::Test {
 public:
  OwnedMesh() : lab(6) { lab.share("mine", Access::kOwned); }
  NodeId id(std::size_t node) { return lab.identity(node).id(); }
  std::uint64_t wall(std::size_t node) { return static_cast<std::uint64_t>(lab.now(node).wall.value); }
  void settle() { ASSERT_TRUE(lab.run_until_equal(20s)); }
  StateLab lab;
};

TEST_F(OwnedMesh, WhoMayNotWriteIsToldWhy) {
  EXPECT_EQ(lab.set(1, "k", "v").error(), Error::kNoGrant);
  EXPECT_EQ(lab.grant(1, {.to = id(1), .path = {}}).error(), Error::kNotOwner);
  ASSERT_EQ(lab.grant(0, {.to = id(1), .path = to_bytes(as_bytes("room")), .rights = kRightAdd, .entries = 4,
                          .expires_ms = wall(0) + 60'000}), 1U);
  ASSERT_EQ(lab.set(0, "room/owner", "mine"), 1U);
  settle();
  EXPECT_EQ(lab.set(1, "k", "v").error(), Error::kOutsidePath);
  EXPECT_EQ(lab.set(1, "roommate", "v").error(), Error::kOutsidePath);
  ASSERT_EQ(lab.set(1, "room/k", "v"), 1U);
  EXPECT_EQ(lab.set(1, "room/owner", "yours").error(), Error::kNoOverwrite);
  EXPECT_EQ(lab.change(1, What::kRemove, "room", {}).error(), Error::kNoOverwrite);
  ASSERT_EQ(lab.change(1, What::kCount, "room/n", {}, 2), 1U);
  settle();
  for (std::size_t i = 0; i < lab.size(); ++i) {
    EXPECT_THAT(values(lab.documents(i), "room/k"), ElementsAre("v"));
    EXPECT_THAT(values(lab.documents(i), "room/owner"), ElementsAre("mine"));
    EXPECT_EQ(lab.documents(i).counter(as_bytes("room/n")), 2);
  }
  // Two of four are there, and one place is left for what overwrites; what was overwritten makes room again.
  ASSERT_EQ(lab.set(1, "room/other", "z"), 1U);
  EXPECT_EQ(lab.set(1, "room/more", "z").error(), Error::kOverQuota);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(lab.set(1, "room/k", "w" + std::to_string(i)), 1U) << i;
    lab.run(100ms);
  }
  ASSERT_EQ(lab.change(1, What::kRemove, "room/other", {}), 1U);
  lab.run(1s);
  ASSERT_EQ(lab.set(1, "room/more", "y"), 1U);
  settle();
  for (std::size_t i = 0; i < lab.size(); ++i) {
    EXPECT_THAT(values(lab.documents(i), "room/k"), ElementsAre("w19")) << i;
    EXPECT_THAT(values(lab.documents(i), "room/more"), ElementsAre("y")) << i;
  }
  lab.run(61s);
  EXPECT_EQ(lab.set(1, "room/k", "late").error(), Error::kExpired);
  EXPECT_EQ(lab.revoke(0, id(2)).error(), Error::kNoGrant);
  ASSERT_EQ(lab.grant(0, {.to = id(1), .path = {}}), 1U);
  settle();
  ASSERT_EQ(lab.set(1, "k", "now"), 1U);
  settle();
  ASSERT_EQ(lab.revoke(0, id(1)), 1U);
  settle();
  EXPECT_EQ(lab.set(1, "k", "again").error(), Error::kRevoked);
  for (std::size_t i = 0; i < lab.size(); ++i) EXPECT_THAT(values(lab.documents(i), "k"), ElementsAre("now"));
  ASSERT_EQ(lab.grant(0, {.to = id(1), .path = {}}), 1U);
  settle();
  EXPECT_EQ(lab.set(1, "k", "again"), 1U);
}

TEST_F(OwnedMesh, WhatIsBeyondTheFrontierIsCutOffOnAllSides) {
  ASSERT_EQ(lab.grant(0, {.to = id(3), .path = {}}), 1U);
  settle();
  ASSERT_EQ(lab.set(3, "k", "seen by the owner"), 1U);
  ASSERT_EQ(lab.set(0, "owners", "a"), 1U);
  settle();
  lab.split({3, 4, 5});
  ASSERT_EQ(lab.set(3, "k", "not seen"), 1U);
  ASSERT_EQ(lab.set(3, "owners", "overwritten"), 1U);
  lab.run(10s);
  EXPECT_THAT(values(lab.documents(5), "k"), ElementsAre("not seen"));
  ASSERT_EQ(lab.revoke(0, id(3)), 1U);
  lab.run(10s);
  lab.heal();
  settle();
  for (std::size_t i = 0; i < lab.size(); ++i) {
    EXPECT_THAT(values(lab.documents(i), "k"), ElementsAre("seen by the owner")) << i;
    EXPECT_THAT(values(lab.documents(i), "owners"), ElementsAre("a")) << i;
  }
  EXPECT_GE(lab.state(3).stats().cut_off_total, 2U);
  const auto told = [](const StateNoticed& n) { return n.what == StateNoticed::What::kCutOff && n.number == 2; };
  EXPECT_EQ(std::ranges::count_if(lab.noticed(3), told), 1);
  // Also after a restart, and nothing comes back.
  for (std::size_t i = 0; i < lab.size(); ++i) {
    lab.crash(i);
    lab.start(i);
  }
  lab.run(10s);
  settle();
  EXPECT_THAT(values(lab.documents(3), "k"), ElementsAre("seen by the owner"));
}

TEST_F(OwnedMesh, OneRevocationCoversManyLives) {
  ASSERT_EQ(lab.grant(0, {.to = id(2), .path = {}}), 1U);
  settle();
  for (int life = 0; life < 120; ++life) {
    lab.crash(2);
    lab.start(2);
    ASSERT_EQ(lab.set(2, "k" + std::to_string(life), "v"), 1U);
  }
  settle();
  // So many epochs do not fit one entry.
  ASSERT_EQ(lab.revoke(0, id(2)), 3U);
  EXPECT_EQ(lab.revoke(0, id(2)), 3U) << "once more, should it have left more to cut off";
  settle();
  EXPECT_EQ(lab.documents(4).paths({}, 200).size(), 120U);
  EXPECT_EQ(lab.set(2, "k", "v").error(), Error::kRevoked);
  EXPECT_EQ(lab.space(4).rights().given().size(), 1U);
  EXPECT_TRUE(lab.space(4).rights().given()[0].revoked);
}


TEST_F(OwnedMesh, AnEntryWaitsForItsGrantAndOneWithoutGetsNowhere) {
  Identity& writer = lab.identity(2);
  const Grant grant{.to = writer.id(), .path = {}};
  const Bytes grant_bytes = grant_body(grant);
  const Content right{.space = lab.space_id, .author = lab.identity(0).public_key(), .epoch = 77, .seq = 1, .prev = {}, .stamp = 1,
                      .kind = Kind::kGrant, .path = as_bytes(kGrantPath), .body = grant_bytes, .saw = {}};
  const Bytes granted = sign_entries(lab.identity(0), {&right, 1}).value()[0];
  const EntryId named = decode_entry(granted)->id;
  Content value{.space = lab.space_id, .author = writer.public_key(), .epoch = 5, .seq = 1, .prev = {}, .stamp = 2,
                .kind = Kind::kSet, .path = as_bytes("k"), .body = as_bytes("v"), .saw = {&named, 1}};
  const Bytes early = sign_entries(writer, {&value, 1}).value()[0];
  value.saw = {};
  value.path = as_bytes("without");
  const Bytes without = sign_entries(writer, {&value, 1}).value()[0];
  lab.deliver_push(2, 1, push_of(lab.space_id, {&early, 1}));
  lab.deliver_push(2, 1, push_of(lab.space_id, {&without, 1}));
  lab.run(1s);
  EXPECT_TRUE(lab.documents(1).paths({}, 10).empty());
  EXPECT_EQ(lab.state(1).stats().parked, 1U);
  EXPECT_EQ(lab.state(1).stats().forbidden_total, 1U);
  lab.deliver_push(0, 1, push_of(lab.space_id, {&granted, 1}));
  lab.run(1s);
  settle();
  EXPECT_EQ(lab.state(1).stats().parked, 0U);
  for (std::size_t i = 0; i < lab.size(); ++i) {
    EXPECT_THAT(values(lab.documents(i), "k"), ElementsAre("v")) << i;
    EXPECT_THAT(values(lab.documents(i), "without"), ElementsAre()) << i;
  }
}

TEST_F(OwnedMesh, WhatIsParkedIsBounded) {
  Identity& writer = lab.identity(2);
  const EntryId unknown{{9}};
  for (std::uint64_t seq = 1; seq <= 200; ++seq) {
    const Content value{.space = lab.space_id, .author = writer.public_key(), .epoch = 5, .seq = seq, .prev = {}, .stamp = 2,
                        .kind = Kind::kSet, .path = as_bytes("k"), .body = as_bytes("v"), .saw = {&unknown, 1}};
    const Bytes wire = sign_entries(writer, {&value, 1}).value()[0];
    lab.deliver_push(2, 1, push_of(lab.space_id, {&wire, 1}));
  }
  lab.run(1s);
  EXPECT_EQ(lab.state(1).stats().parked, kParkedOfAuthorMax);
  EXPECT_EQ(lab.state(1).stats().parked_lost_total, 200 - kParkedOfAuthorMax);
}

// The places between those that an author used are no more its own than those beyond.
TEST_F(OwnedMesh, GapsThatWereLeftOnPurposeDoNotPassARevocation) {
  ASSERT_EQ(lab.grant(0, {.to = id(2), .path = {}}), 1U);
  settle();
  const EntryId grant = lab.space(1).rights().given()[0].id;
  const auto sign = [&](std::uint64_t seq, std::string_view value) {
    const Content content{.space = lab.space_id, .author = lab.identity(2).public_key(), .epoch = 5, .seq = seq, .prev = {}, .stamp = seq,
                          .kind = Kind::kSet, .path = as_bytes("k"), .body = as_bytes(value), .saw = {&grant, 1}};
    return sign_entries(lab.identity(2), {&content, 1}).value()[0];
  };
  for (const std::uint64_t seq : {std::uint64_t{1}, std::uint64_t{7}, kSeqMax}) {
    const Bytes wire = sign(seq, "before");
    lab.deliver_push(2, 1, push_of(lab.space_id, {&wire, 1}));
  }
  lab.run(1s);
  settle();
  ASSERT_EQ(lab.revoke(0, id(2)), 1U);
  settle();
  ASSERT_EQ(lab.space(1).entries_of(lab.identity(2).public_key()), 3U);
  for (const std::uint64_t seq : {std::uint64_t{2}, std::uint64_t{6}, std::uint64_t{8}, kSeqMax - 1}) {
    const Bytes wire = sign(seq, "after");
    lab.deliver_push(2, 1, push_of(lab.space_id, {&wire, 1}));
  }
  lab.run(1s);
  EXPECT_EQ(lab.state(1).stats().forbidden_total, 4U);
  EXPECT_EQ(lab.space(1).entries_of(lab.identity(2).public_key()), 3U);
}

// A quota's last entry is dropped for one that needs it: both go, and nobody is harmed.
TEST_F(OwnedMesh, AnEntryThatHoldsDownWhatIsTooMuchGoesWithIt) {
  ASSERT_EQ(lab.grant(0, {.to = id(2), .path = {}, .entries = 4}), 1U);
  settle();
  const EntryId grant = lab.space(1).rights().given()[0].id;
  const auto sign = [&](Kind kind, std::uint64_t seq, std::uint64_t stamp, std::string_view path, const Bytes& body, std::vector<EntryId> saw) {
    std::ranges::sort(saw);
    const Content content{.space = lab.space_id, .author = lab.identity(2).public_key(), .epoch = 5, .seq = seq, .prev = {}, .stamp = stamp,
                          .kind = kind, .path = as_bytes(path), .body = body, .saw = saw};
    return sign_entries(lab.identity(2), {&content, 1}).value()[0];
  };
  const Bytes value = to_bytes(as_bytes("x"));
  const Section place{.epoch = 5, .first = 7, .last = 7};
  std::vector<Bytes> wires = {sign(Kind::kCheckpoint, 1, 1, kCheckpointPath, checkpoint_body({&place, 1}), {grant}),
                              sign(Kind::kSet, 2, 100, "p", value, {grant})};
  const EntryId last = decode_entry(wires[1])->id;
  for (std::uint64_t i = 0; i < 3; ++i) wires.push_back(sign(Kind::kSet, 3 + i, 2 + i, "q" + std::to_string(i), value, {grant}));
  const Bytes needs = sign(Kind::kSet, 7, 2, "p", value, {grant, last});
  for (const Bytes& wire : wires) lab.deliver_push(2, 1, push_of(lab.space_id, {&wire, 1}));
  lab.run(1s);
  lab.deliver_push(2, 1, push_of(lab.space_id, {&needs, 1}));
  lab.deliver_push(2, 3, push_of(lab.space_id, {&needs, 1}));
  lab.run(1s);
  settle();
  EXPECT_EQ(lab.space(1).entries_of(lab.identity(2).public_key()), 4U);
  EXPECT_TRUE(lab.space(1).holds(last));
}

// One revocation may be many entries: they are not reckoned with what may be granted.
TEST(Rights, WhatWasRevokedIsNoGrant) {
  Solo solo;
  solo.make(Access::kOwned);
  solo.commit_all();
  const Grant grant{.to = NodeId{{7}}, .path = {}};
  const auto give = [&] {
    const OpId op = solo.call([&](OpId id, Output& out) { solo.state->grant(solo.now(), id, solo.space_id, grant, out); });
    solo.commit_all();
    return solo.end_of(op);
  };
  ASSERT_EQ(give(), 1U);
  for (std::size_t i = 0; i < kGrantsMax; ++i) {
    solo.call([&](OpId id, Output& out) { solo.state->revoke(solo.now(), id, solo.space_id, grant.to, out); });
    solo.commit_all();
  }
  ASSERT_EQ(solo.space().rights().size(), kGrantsMax + 1);
  for (std::size_t i = 1; i < kGrantsMax; ++i) ASSERT_EQ(give(), 1U) << i;
  EXPECT_EQ(give().error(), Error::kTooMany);
}

TEST_F(OwnedMesh, AQuotaOfOneIsOneEntry) {
  ASSERT_EQ(lab.grant(0, {.to = id(2), .path = {}, .entries = 1}), 1U);
  ASSERT_EQ(lab.grant(0, {.to = id(3), .path = {}, .entries = 2}), 1U);
  settle();
  ASSERT_EQ(lab.set(2, "a", "1"), 1U);
  EXPECT_EQ(lab.set(2, "b", "2").error(), Error::kOverQuota);
  EXPECT_EQ(lab.set(2, "a", "2").error(), Error::kOverQuota) << "no room to replace it";
  EXPECT_EQ(lab.change(2, What::kRemove, "a", {}).error(), Error::kOverQuota);
  // With two, one is kept for that.
  ASSERT_EQ(lab.set(3, "c", "1"), 1U);
  EXPECT_EQ(lab.set(3, "d", "2").error(), Error::kOverQuota);
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(lab.set(3, "c", std::to_string(i)), 1U) << i;
    lab.run(100ms);
  }
  settle();
  for (std::size_t i = 0; i < lab.size(); ++i) {
    EXPECT_THAT(values(lab.documents(i), "a"), ElementsAre("1")) << i;
    EXPECT_THAT(values(lab.documents(i), "c"), ElementsAre("9")) << i;
  }
}

TEST_F(OwnedMesh, ASmallQuotaOutlivesRestarts) {
  ASSERT_EQ(lab.grant(0, {.to = id(2), .path = {}, .entries = 4}), 1U);
  settle();
  ASSERT_EQ(lab.set(2, "a", "1"), 1U);
  ASSERT_EQ(lab.set(2, "b", "2"), 1U);
  for (int life = 0; life < 40; ++life) {
    lab.crash(2);
    lab.start(2);
    const auto done = lab.set(2, "c", std::to_string(life));
    ASSERT_TRUE(done.has_value()) << life << " " << to_string(done.error());
    lab.run(100ms);
  }
  settle();
  for (std::size_t i = 0; i < lab.size(); ++i) {
    EXPECT_THAT(values(lab.documents(i), "a"), ElementsAre("1")) << i;
    EXPECT_THAT(values(lab.documents(i), "b"), ElementsAre("2")) << i;
    EXPECT_THAT(values(lab.documents(i), "c"), ElementsAre("39")) << i;
  }
}

TEST_F(OwnedMesh, DatingBackInANewEpochDoesNotPassARevocation) {
  ASSERT_EQ(lab.grant(0, {.to = id(2), .path = {}}), 1U);
  settle();
  ASSERT_EQ(lab.set(2, "k", "v"), 1U);
  settle();
  const EntryId grant = lab.space(1).rights().given()[0].id;
  ASSERT_EQ(lab.revoke(0, id(2)), 1U);
  settle();
  const Content value{.space = lab.space_id, .author = lab.identity(2).public_key(), .epoch = 5, .seq = 1, .prev = {}, .stamp = 1,
                      .kind = Kind::kSet, .path = as_bytes("k"), .body = as_bytes("back"), .saw = {&grant, 1}};
  const Bytes wire = sign_entries(lab.identity(2), {&value, 1}).value()[0];
  lab.deliver_push(2, 1, push_of(lab.space_id, {&wire, 1}));
  lab.run(1s);
  EXPECT_EQ(lab.state(1).stats().forbidden_total, 1U);
  const auto told = [&](const StateNoticed& n) { return n.what == StateNoticed::What::kRefused && n.author == id(2); };
  EXPECT_EQ(std::ranges::count_if(lab.noticed(1), told), 1);
  EXPECT_THAT(values(lab.documents(1), "k"), ElementsAre("v"));
}

}  // namespace
}  // namespace weft::state
