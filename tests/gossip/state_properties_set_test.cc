// Properties of sets of entries and what they mean. Numbers are those of the study's invariants; where each is covered:
//
//    1  equal sets read alike        AnyDeliveryComesToTheSame, JoinsAreLaws (Documents.EqualSetsReadAlikeInEveryOrder, with a fixed seed)
//    2  join laws                    JoinsAreLaws, JoinsWithCheckpointsCommute
//    3  a naive fold, at every step  EveryStepReadsAsTheReference, AnyDeliveryComesToTheSame
//    4  add wins                     AnAddThatNobodySawRemovedStays, WhatAWriterRemovesIsGoneWhereItStands
//    5  overwriting by observation   WhatAWriterSawNeverShadowsWhatItWrote
//    6  counters                     ACounterIsTheSumOfWhatWasCounted
//    7  one encoding, no bit flips   state_properties_wire_test.cc
//    8  liars                        AnyDeliveryComesToTheSame; among nodes: state_properties_mesh_test.cc
//    9  forks are proven            state_properties_rights_test.cc; among nodes: state_fork_test.cc and the simulator's checker
//   10  rights                      state_properties_rights_test.cc; among nodes: state_rights_test.cc
//   11  what relays can do           AnyDeliveryComesToTheSame (they omit, repeat, reorder), WhoWasAwayBringsNothingBack
//   12  compaction                   CheckpointsChangeNothing, ChainsAreCompactedInAnyOrder, WhoWasAwayBringsNothingBack
//   13  size                         AfterAllHaveDiscardedOnlyWhatCountsIsLeft (in a mesh: CheckpointMesh.ManyOverwritesTakeTheRoomOfWhatIsLeft)
//   15  walks end, and their bytes   state_properties_sync_test.cc, which also has 16 of a walk, 17 and 18
//   16  nothing twice                state_properties_mesh_test.cc, which also has 19, 21, 22 and 24
//   20  the tree                     broadcast_properties_test.cc, which also has 21
//   23  crashes                      state_properties_node_test.cc; the store below: StoreFaults, StoreState.AgreeWithAModel
//   25  same seed, same run          TraceHash.*, BroadcastMesh.SameSeedSameRun, Twins of tests/sim; planted_test: Faults.ShrinkToAFewNodes
//
// In whole simulated meshes the checkers of `weft sim` look for 8, 16, 19, 21 and 23 too (docs/SIMULATOR.md, tests/sim/shared_state_test.cc). Snapshots
// (14) and foreign code (part of 3) do not exist.
#include "tests/gossip/state_reference.h"

namespace weft::state {
namespace {

using weft::testing::holds;
using weft::testing::OnFailure;

std::vector<KeptRef> among(const std::vector<KeptRef>& all, const std::set<EntryId>& ids) {
  std::vector<KeptRef> out;
  for (const KeptRef& kept : all) {
    if (ids.contains(kept->entry.id)) out.push_back(kept);
  }
  return out;
}
void reads_as_the_reference(const Space& space, const std::vector<KeptRef>& all) {
  RC_ASSERT(pages(space.documents()) == Reference(among(all, held(space))).pages());
}
// Which of all a number of 32 bits names.
std::vector<KeptRef> part(const std::vector<KeptRef>& all, std::uint32_t bits) {
  std::vector<KeptRef> out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if ((bits >> i % 32 & 1) != 0) out.push_back(all[i]);
  }
  return out;
}
Space space_of(const std::vector<KeptRef>& some) {
  Space out{Genesis{}};
  RC_ASSERT(offer_all(out, some));
  return out;
}
// Each offers the other all that it has.
Space join(const Space& a, const Space& b, const std::vector<KeptRef>& all) {
  Space out = space_of(among(all, held(a)));
  RC_ASSERT(offer_all(out, among(all, held(b))));
  RC_ASSERT(offer_all(out, among(all, held(a))));
  RC_ASSERT(offer_all(out, among(all, held(b))));
  return out;
}

TEST(StateProperties, EveryStepReadsAsTheReference) {
  holds(2500, [] {
    const Script script = *histories(40);
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    for (const Step& step : script) {
      (void)cast.play(step);
      const std::size_t who = step.does >= kLie ? kLiar : step.who % kAuthors;
      reads_as_the_reference(cast.authors[who].sees, cast.all());
    }
  });
}

TEST(StateProperties, AnyDeliveryComesToTheSame) {
  holds(2500, [] {
    const Script script = *rc::gen::oneOf(histories(40), histories(40, kWithLiarWhoDiscards));
    const std::array<Script, 2> deliveries = {*Replica::scripts(12), *Replica::scripts(12)};
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    cast.play_all(script);
    const std::vector<KeptRef> all = cast.all();
    const std::set<EntryId> expected = Reference(all).kept();
    const std::vector<Page> read = Reference(among(all, expected)).pages();
    for (const Script& delivery : deliveries) {
      Replica replica;
      for (const Step& step : delivery) {
        replica.play(step, all);
        reads_as_the_reference(*replica.space, all);
        // What is discarded and not needed is dropped at once.
        const std::vector<KeptRef> here = among(all, held(*replica.space));
        RC_ASSERT(Reference(here).kept().size() == here.size());
      }
      RC_ASSERT(offer_all(*replica.space, all));
      RC_ASSERT(held(*replica.space) == expected);
      RC_ASSERT(pages(replica.space->documents()) == read);
      RC_ASSERT(replica.space->tree().root() == space_of(all).tree().root());
    }
  });
}

// Of parts of a history without checkpoints: nothing is ever dropped.
TEST(StateProperties, JoinsAreLaws) {
  holds(1500, [] {
    std::vector<std::uint8_t> weights = kWithLiar;
    weights[kDiscard] = weights[kLyingDiscard] = 0;
    const Script script = *histories(30, weights);
    const auto [of_a, of_b, of_c] = *rc::gen::arbitrary<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>>();
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    cast.play_all(script);
    const std::vector<KeptRef> all = cast.all();
    const Space a = space_of(part(all, of_a)), b = space_of(part(all, of_b)), c = space_of(part(all, of_c));
    const Space ab = join(a, b, all), bc = join(b, c, all);
    RC_ASSERT(join(ab, c, all).tree().root() == join(a, bc, all).tree().root());
    RC_ASSERT(pages(join(ab, c, all).documents()) == pages(join(a, bc, all).documents()));
    RC_ASSERT(ab.tree().root() == join(b, a, all).tree().root());
    RC_ASSERT(ab.tree().root() == join(ab, b, all).tree().root());
    RC_ASSERT(a.tree().root() == join(a, a, all).tree().root());
  });
}

// What one of them has dropped is lost to the join until somebody offers it again, so the grouping of three makes a difference until then (checkpoint.h).
TEST(StateProperties, JoinsWithCheckpointsCommute) {
  holds(1500, [] {
    const Script script = *histories(30);
    const auto [of_a, of_b] = *rc::gen::arbitrary<std::pair<std::uint32_t, std::uint32_t>>();
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    cast.play_all(script);
    const std::vector<KeptRef> all = cast.all();
    const Space a = space_of(part(all, of_a)), b = space_of(part(all, of_b));
    const Space ab = join(a, b, all), ba = join(b, a, all);
    RC_ASSERT(ab.tree().root() == ba.tree().root());
    RC_ASSERT(pages(ab.documents()) == pages(ba.documents()));
    RC_ASSERT(ab.tree().root() == join(ab, b, all).tree().root());
    RC_ASSERT(a.tree().root() == join(a, a, all).tree().root());
    // And everything offered to either again comes to what all of it comes to.
    Space whole = space_of(all);
    RC_ASSERT(join(ab, whole, all).tree().root() == whole.tree().root());
  });
}

// ---- what honest writers may count on

// All that an entry's author knew, also by what it had seen of others' knowledge.
std::map<EntryId, std::set<EntryId>> pasts(const Cast& cast) {
  std::map<EntryId, std::set<EntryId>> out;
  for (const Cast::Made& one : cast.made) {
    std::set<EntryId>& past = out[one.kept->entry.id];
    past = one.seen;
    for (const EntryId& id : one.seen) past.insert(out.at(id).begin(), out.at(id).end());
  }
  return out;
}

bool takes_away(const Content& by, const Content& add) {
  const std::string_view path = as_text(add.path), top = as_text(by.path);
  if (by.kind == Kind::kRemove) return path == top && equal(by.body, add.body);
  return by.kind == Kind::kClear && (path == top || path.starts_with(std::string(top) + "/"));
}

TEST(StateProperties, AnAddThatNobodySawRemovedStays) {
  holds(2500, [] {
    const Script script = *histories(40, kHonest);
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    cast.play_all(script);
    const Space space = space_of(cast.all());
    const auto past = pasts(cast);
    for (const Cast::Made& add : cast.made) {
      const Content& c = add.kept->entry.content;
      if (c.kind != Kind::kAdd && c.kind != Kind::kSet) continue;
      const bool removed = std::ranges::any_of(cast.made, [&](const Cast::Made& by) {
        return takes_away(by.kept->entry.content, c) && past.at(by.kept->entry.id).contains(add.kept->entry.id);
      });
      if (removed) continue;
      if (c.kind == Kind::kSet) {
        RC_ASSERT(!space.documents().read_register(c.path).empty());
      } else {
        const auto elements = space.documents().elements(c.path);
        RC_ASSERT(std::ranges::find(elements, to_bytes(c.body)) != elements.end());
      }
    }
  });
}

TEST(StateProperties, WhatAWriterRemovesIsGoneWhereItStands) {
  holds(2500, [] {
    const Script script = *histories(40, kHonest);
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    for (const Step& step : script) {
      const KeptRef kept = cast.play(step);
      if (kept == nullptr) continue;
      const Content& c = kept->entry.content;
      const Documents& sees = cast.authors[step.who % kAuthors].sees.documents();
      const auto elements = sees.elements(c.path);
      if (c.kind == Kind::kRemove) RC_ASSERT(std::ranges::find(elements, to_bytes(c.body)) == elements.end());
      if (c.kind == Kind::kClear) RC_ASSERT(sees.paths(c.path, 10).empty());
      if (c.kind == Kind::kAdd) RC_ASSERT(std::ranges::find(elements, to_bytes(c.body)) != elements.end());
      if (c.kind == Kind::kSet) RC_ASSERT(sees.read_register(c.path).size() == 1U);
    }
  });
}

TEST(StateProperties, WhatAWriterSawNeverShadowsWhatItWrote) {
  holds(2500, [] {
    const Script script = *histories(40);
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    cast.play_all(script);
    // Who knows all that the writer knew, and what it wrote: all of it, or what one of the authors ever saw.
    std::vector<std::set<EntryId>> known(1);
    for (const Cast::Made& one : cast.made) known[0].insert(one.kept->entry.id);
    for (const Cast::Author& author : cast.authors) known.push_back(author.seen);
    for (const std::set<EntryId>& ids : known) {
      const Space space = space_of(among(cast.all(), ids));
      for (const Cast::Made& one : cast.made) {
        const Content& c = one.kept->entry.content;
        if (!one.honest || c.kind != Kind::kSet || !ids.contains(one.kept->entry.id) || !std::ranges::includes(ids, one.seen)) continue;
        for (const Written& shown : space.documents().read_register(c.path)) RC_ASSERT(!one.seen.contains(shown.id));
      }
    }
  });
}

// Whatever comes twice, is discarded, or was counted in another epoch.
TEST(StateProperties, ACounterIsTheSumOfWhatWasCounted) {
  holds(2500, [] {
    Script script = *histories(40, kHonest);
    const Script delivery = *Replica::scripts(10);
    for (Step& step : script) {
      if (step.does == kWrite) step.x = static_cast<std::uint8_t>(Kind::kCount) - 1;
    }
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    std::map<std::string, std::int64_t> sums;
    for (const Step& step : script) {
      const KeptRef kept = cast.play(step);
      if (kept == nullptr || kept->entry.content.kind != Kind::kCount) continue;
      sums[std::string(as_text(kept->entry.content.path))] += step.z % 2 == 0 ? step.z / 2 : -(step.z / 2);
    }
    Replica replica;
    for (const Step& step : delivery) replica.play(step, cast.all());
    RC_ASSERT(offer_all(*replica.space, cast.all()));
    for (const auto& [path, sum] : sums) RC_ASSERT(replica.space->documents().counter(as_bytes(path)) == sum);
  });
}

// ---- compaction

TEST(StateProperties, CheckpointsChangeNothing) {
  holds(2500, [] {
    const Script script = *histories(50, {10, 5, 3, 4, 1});
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    cast.play_all(script);
    std::vector<KeptRef> without = cast.all();
    std::erase_if(without, [](const KeptRef& kept) { return kept->entry.content.kind == Kind::kCheckpoint; });
    RC_ASSERT(pages(space_of(cast.all()).documents()) == Reference(without).pages());
  });
}

// X over Y over Z, each by any of four authors; then all discard what counts for nothing, in any order, and what each says comes to the
// others late or early: nobody who had all of it ever reads anything but the last.
TEST(StateProperties, ChainsAreCompactedInAnyOrder) {
  holds(2500, [] {
    const Script chain = *weft::testing::scripts(10, {1});
    const Script after = *weft::testing::scripts(16, {2, 3, 2}, 4);
    Cast cast(chain);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    for (const Step& step : chain) {
      const std::size_t who = step.who % kAuthors;
      cast.meet_all(who);
      (void)cast.write(who, step.x % 3 == 0 ? Kind::kAdd : Kind::kSet, 0, 0);
    }
    for (std::size_t who = 0; who < kAuthors; ++who) cast.meet_all(who);
    const std::vector<Page> read = pages(cast.authors[0].sees.documents());
        for (const Step& step : after) {
      const std::size_t who = step.who % kAuthors;
      if (step.does == 0) (void)cast.discard(who);
      else if (step.does == 1) (void)cast.play({.does = kMeet, .who = step.who, .list = step.list});
      else cast.meet_all(who);
      for (const Cast::Author& author : cast.authors) {
        std::vector<Page> now = pages(author.sees.documents());
        RC_ASSERT(now.size() == read.size());
        for (std::size_t i = 0; i < now.size(); ++i) {
          RC_ASSERT(now[i].elements == read[i].elements);
          RC_ASSERT(now[i].values == read[i].values);
        }
      }
    }
  });
}

// It has any part of what was ever signed, and brings it at any time to who has all of it.
TEST(StateProperties, WhoWasAwayBringsNothingBack) {
  holds(2500, [] {
    const Script script = *histories(50, {10, 5, 4, 4, 1});
    const auto part_of_it = *rc::gen::arbitrary<std::uint32_t>();
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    cast.play_all(script);
    const std::vector<KeptRef> all = cast.all();
    Space here = space_of(all);
    const std::vector<Page> read = pages(here.documents());
    const TreeHash root = here.tree().root();
    // Another who knows only what is left now.
    Space fresh = space_of(among(all, held(here)));
    RC_ASSERT(fresh.tree().root() == root);
    Space away{Genesis{}};
    for (const KeptRef& kept : part(all, part_of_it)) (void)offer(away, kept);
    for (Space* meets : {&here, &fresh}) {
      for (const KeptRef& kept : among(all, held(away))) {
        (void)offer(*meets, kept);
        RC_ASSERT(pages(meets->documents()) == read);
      }
      RC_ASSERT(meets->tree().root() == root);
    }
    RC_ASSERT(offer_all(away, among(all, held(here))));
    RC_ASSERT(pages(join(away, here, all).documents()) == read);
  });
}

TEST(StateProperties, AfterAllHaveDiscardedOnlyWhatCountsIsLeft) {
  holds(1500, [] {
    const Script script = *histories(60, {20, 5, 4, 2, 1});
    Cast cast(script);
    const OnFailure tell([&](std::ostream& out) { cast.tell(out); });
    cast.play_all(script);
    for (std::size_t who = 0; who < kAuthors; ++who) cast.meet_all(who);
    for (std::size_t who = 0; who < kAuthors; ++who) (void)cast.discard(who);
    const Space space = space_of(cast.all());
    std::size_t counts = 0;
    for (const EntryId& id : held(space)) counts += space.documents().counts(space.documents().at(id)) ? 1U : 0U;
    RC_ASSERT(space.documents().size() <= counts + kAuthors);
  });
}

}  // namespace
}  // namespace weft::state
