// Checkpoints: what they say on the wire, what a set with them comes to in every order, and that nothing is lost or comes back by them.
#include <gmock/gmock.h>

#include "gossip/state/space.h"
#include "tests/gossip/state_history.h"
#include "tests/gossip/state_lab.h"

namespace weft::state {
namespace {

using What = Change::What;

TEST(Checkpoint, IsReadAsItWasWritten) {
  const std::vector<Section> sections = {{.epoch = 1, .first = 1, .last = 1, .wanted = {}},
                                         {.epoch = 1, .first = 3, .last = 400, .wanted = {3, 4, 200, 400}},
                                         {.epoch = UINT64_MAX, .first = 5, .last = kSeqMax, .wanted = {kSeqMax}}};
  const Bytes body = checkpoint_body(sections);
  EXPECT_EQ(read_checkpoint(body), sections);
  for (std::size_t size = 0; size < body.size(); ++size) {
    const auto cut = read_checkpoint(ByteView(body).first(size));
    if (cut) {
      EXPECT_LT(cut->size(), sections.size());
    }
  }
  EXPECT_FALSE(read_checkpoint({}));
  const auto refused = [](std::vector<Section> bad) { return !read_checkpoint(checkpoint_body(bad)).has_value(); };
  EXPECT_TRUE(refused({{.epoch = 2, .first = 1, .last = 2}, {.epoch = 1, .first = 1, .last = 2}})) << "epochs ascend";
  EXPECT_TRUE(refused({{.epoch = 1, .first = 1, .last = 5}, {.epoch = 1, .first = 5, .last = 9}})) << "no overlap";
  EXPECT_TRUE(refused({{.epoch = 1, .first = 0, .last = 5}}));
  EXPECT_TRUE(refused({{.epoch = 1, .first = 1, .last = kSeqMax + 1}}));
  EXPECT_TRUE(refused({{.epoch = 1, .first = 1, .last = 3, .wanted = {4}}}));
  Bytes long_varint = checkpoint_body(std::vector<Section>{{.epoch = 1, .first = 1, .last = 1}});
  long_varint[8] = 0x81;
  long_varint.insert(long_varint.begin() + 9, 0);
  EXPECT_FALSE(read_checkpoint(long_varint)) << "one spelling";
}

// checkpoint.h and space.h, word by word: from all that was ever signed to what a set comes to.
struct Naive {
  std::vector<const Entry*> all;

  static bool in(const Section& s, const Content& c) {
    return s.epoch == c.epoch && c.seq >= s.first && c.seq <= s.last && std::ranges::find(s.wanted, c.seq) == s.wanted.end();
  }
  std::vector<const Entry*> counting(const PublicKey& author) const {
    std::vector<const Entry*> ranked, out;
    for (const Entry* e : all) {
      if (e->content.kind == Kind::kCheckpoint && e->content.author == author) ranked.push_back(e);
    }
    std::ranges::sort(ranked, std::ranges::greater{}, [](const Entry* e) { return std::pair(e->content.stamp, e->id); });
    for (const Entry* e : ranked) {
      if (out.size() < kCheckpointsCounted && !by_any(out, e->content)) out.push_back(e);
    }
    return out;
  }
  static bool by_any(const std::vector<const Entry*>& checkpoints, const Content& c) {
    for (const Entry* e : checkpoints) {
      const auto sections = read_checkpoint(e->content.body);
      for (const Section& s : *sections) {
        if (in(s, c)) return true;
      }
    }
    return false;
  }
  bool discarded(const Entry& e) const {
    std::vector<const Entry*> by = counting(e.content.author);
    // A checkpoint only by those that are higher.
    if (e.content.kind == Kind::kCheckpoint) {
      std::erase_if(by, [&](const Entry* c) { return std::pair(c->content.stamp, c->id) <= std::pair(e.content.stamp, e.id); });
    }
    return by_any(by, e.content);
  }
  static bool may(const Content& by, const Content& c) {
    const bool value = c.kind == Kind::kSet || c.kind == Kind::kCount || c.kind == Kind::kAdd;
    const bool same = equal(by.path, c.path);
    switch (by.kind) {
      case Kind::kSet: return same && c.kind == Kind::kSet;
      case Kind::kCount: return same && c.kind == Kind::kCount && by.author == c.author;
      case Kind::kClear: return value && (same || as_text(c.path).starts_with(std::string(as_text(by.path)) + "/"));
      case Kind::kAdd:
      case Kind::kRemove: return same && c.kind == Kind::kAdd && equal(by.body, c.body);
      default: return false;
    }
    return false;
  }
  std::set<EntryId> normal_form() const {
    std::set<EntryId> out;
    for (const Entry* e : all) {
      const bool needed = std::ranges::any_of(all, [&](const Entry* z) {
        return std::ranges::find(e->content.saw, z->id) != e->content.saw.end() && may(e->content, z->content) && !discarded(*z);
      });
      if (!discarded(*e) || needed) out.insert(e->id);
    }
    return out;
  }
};

// A checkpoint by this writer of what it likes, or of what it sees that counts for nothing.
KeptRef checkpoint(History& history, HistoryWriter& writer, bool honest) {
  std::vector<Section> sections;
  const PublicKey self = writer.identity->public_key();
  if (honest) {
    std::map<std::uint64_t, Section> by_epoch;
    for (const KeptRef& kept : writer.known) {
      const Content& c = kept->entry.content;
      if (c.author != self) continue;
      Section& s = by_epoch.try_emplace(c.epoch, Section{.epoch = c.epoch, .first = 1, .last = 1, .wanted = {}}).first->second;
      s.last = std::max(s.last, c.seq);
      if (writer.sees.counts(writer.sees.at(kept->entry.id))) s.wanted.push_back(c.seq);
    }
    for (auto& [epoch, s] : by_epoch) {
      std::ranges::sort(s.wanted);
      s.wanted.erase(std::unique(s.wanted.begin(), s.wanted.end()), s.wanted.end());
      sections.push_back(s);
    }
  } else {
    const std::uint64_t first = 1 + history.rng.below(6);
    Section s{.epoch = 1 + history.rng.below(writer.epoch), .first = first, .last = first + history.rng.below(8), .wanted = {}};
    for (std::uint64_t seq = s.first; seq <= s.last; ++seq) {
      if (history.rng.below(3) == 0) s.wanted.push_back(seq);
    }
    sections = {s};
  }
  if (sections.empty() || sections.size() > kSectionsMax) return nullptr;
  const Bytes body = checkpoint_body(sections);
  const Content content{.space = {}, .author = self, .epoch = writer.epoch, .seq = ++writer.seq, .prev = writer.head,
                        .stamp = history.rng.below(1 << 20), .kind = Kind::kCheckpoint, .path = as_bytes(kCheckpointPath),
                        .body = body, .saw = {}};
  const auto kept = std::make_shared<const Kept>(sign_entries(*writer.identity, {&content, 1}).value()[0]);
  writer.head = kept->entry.id;
  history.all.push_back(kept);
  history.take(writer, kept);
  return kept;
}

std::set<EntryId> ids_of(const Space& space) {
  std::set<EntryId> out;
  space.visit_arrivals(0, [&](std::uint64_t, const EntryId& id, ByteView) {
    out.insert(id);
    return true;
  });
  return out;
}

// Every order in which everything is offered until nothing changes, as walks do, comes to the naive normal form.
void comes_to_one(std::uint64_t seed, bool honest) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  History history(seed, 3);
  for (int i = 0; i < 60; ++i) {
    HistoryWriter& writer = history.writers[history.rng.below(3)];
    if (history.rng.below(6) == 0) (void)checkpoint(history, writer, honest);
    else (void)history.write(writer, honest);
    if (honest && !history.all.empty()) {
      for (int k = 0; k < 3; ++k) history.take(history.writers[history.rng.below(3)], history.all[history.rng.below(history.all.size())]);
    }
  }
  Naive naive;
  for (const KeptRef& kept : history.all) naive.all.push_back(&kept->entry);
  const std::set<EntryId> expected = naive.normal_form();
  std::optional<TreeHash> root;
  for (int order = 0; order < 6; ++order) {
    Space space{Genesis{}};
    std::vector<KeptRef> shuffled = history.all;
    history.rng.shuffle(std::span(shuffled));
    std::set<EntryId> before;
    int rounds = 0;
    do {
      before = ids_of(space);
      for (const KeptRef& kept : shuffled) (void)space.insert(kept->entry, kept->bytes, /*settled=*/true);
      ASSERT_LT(++rounds, 20) << "it never comes to rest";
    } while (ids_of(space) != before);
    for (const KeptRef& kept : history.all) {
      const EntryId& id = kept->entry.id;
      ASSERT_EQ(space.holds(id), expected.contains(id))
          << "order " << order << ", kind " << static_cast<int>(kept->entry.content.kind) << ", epoch " << kept->entry.content.epoch
          << ", seq " << kept->entry.content.seq << ", discarded " << naive.discarded(kept->entry);
    }
    if (!root) root = space.tree().root();
    EXPECT_EQ(space.tree().root(), *root);
    // And the same out of a store, in any order.
    Space again{Genesis{}};
    std::vector<KeptRef> stored;
    for (const KeptRef& kept : shuffled) {
      if (expected.contains(kept->entry.id)) stored.push_back(kept);
    }
    history.rng.shuffle(std::span(stored));
    std::uint64_t arrival = 0;
    for (const KeptRef& kept : stored) EXPECT_TRUE(again.restore(kept->entry, kept->bytes, ++arrival));
    again.restored();
    EXPECT_EQ(again.tree().root(), *root);
  }
}

TEST(Checkpoint, WhatASetComesToDoesNotDependOnTheOrder) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) comes_to_one(seed, /*honest=*/seed % 2 == 0);
}

TEST(Checkpoint, OfHonestAuthorsChangesNoDocument) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(seed, 3);
    Documents whole;  // of everything, with no checkpoint in force
    Space space{Genesis{}};
    for (int i = 0; i < 150; ++i) {
      HistoryWriter& writer = history.writers[history.rng.below(3)];
      // One who writes knows what is there, as in a mesh that is not split.
      for (const KeptRef& kept : history.all) history.take(writer, kept);
      const KeptRef kept = history.rng.below(8) == 0 ? checkpoint(history, writer, true) : history.write(writer, true);
      if (kept == nullptr) continue;
      if (kept->entry.content.kind != Kind::kCheckpoint) whole.insert(kept->entry);
      (void)space.insert(kept->entry, kept->bytes, true);
      for (const std::string& path : History::kPaths) {
        const ByteView at = as_bytes(path);
        ASSERT_EQ(space.documents().read_register(at), whole.read_register(at)) << path << " after " << i;
        ASSERT_EQ(space.documents().counter(at), whole.counter(at)) << path << " after " << i;
        ASSERT_EQ(space.documents().elements(at), whole.elements(at)) << path << " after " << i;
      }
      ASSERT_EQ(space.documents().paths({}, 100), whole.paths({}, 100));
    }
    EXPECT_LT(space.documents().size(), history.all.size());
  }
}

// Entries by the thousand at one path, and one checkpoint for all of them: each is looked at once.
TEST(Checkpoint, DiscardingManyTakesLittle) {
  History history(1, 1);
  Space space{Genesis{}};
  constexpr std::uint64_t kMany = 20'000;
  const PublicKey self = history.writers[0].identity->public_key();
  const auto put = [&](Kind kind, std::uint64_t seq, ByteView path, ByteView body) {
    const Content content{.space = {}, .author = self, .epoch = 1, .seq = seq, .prev = {}, .stamp = seq, .kind = kind, .path = path,
                          .body = body, .saw = {}};
    const Kept kept(sign_entries(*history.writers[0].identity, {&content, 1}).value()[0]);
    EXPECT_EQ(space.insert(kept.entry, kept.bytes, true), Space::Inserted::kNew);
  };
  for (std::uint64_t seq = 1; seq <= kMany; ++seq) put(Kind::kSet, seq, as_bytes("p"), as_bytes("v"));
  const Section all{.epoch = 1, .first = 1, .last = kMany, .wanted = {kMany}};
  put(Kind::kCheckpoint, kMany + 1, as_bytes(kCheckpointPath), checkpoint_body({&all, 1}));
  EXPECT_EQ(space.documents().size(), 2U);
  EXPECT_EQ(space.take_dropped().size(), kMany - 1);
}

// Of an author with many entries a checkpoint makes those be looked at of which it speaks, and no others.
TEST(Checkpoint, OnlyItsSectionsAreLookedAt) {
  History history(1, 1);
  Space space{Genesis{}};
  const auto put = [&](Kind kind, std::uint64_t epoch, std::uint64_t seq, std::string_view path, ByteView body) {
    const Content content{.space = {}, .author = history.writers[0].identity->public_key(), .epoch = epoch, .seq = seq, .prev = {},
                          .stamp = 1000 * epoch + seq, .kind = kind, .path = as_bytes(path), .body = body, .saw = {}};
    const Kept kept(sign_entries(*history.writers[0].identity, {&content, 1}).value()[0]);
    EXPECT_EQ(space.insert(kept.entry, kept.bytes, true), Space::Inserted::kNew);
  };
  for (std::uint64_t epoch = 1; epoch <= 3; ++epoch) {
    for (std::uint64_t seq = 1; seq <= 300; ++seq) put(Kind::kSet, epoch, seq, "p" + std::to_string(seq), as_bytes("v"));
  }
  const auto discard = [&](std::uint64_t seq, Section section) {
    (void)space.take_work();
    put(Kind::kCheckpoint, 3, seq, kCheckpointPath, checkpoint_body({&section, 1}));
    return space.take_work();
  };
  EXPECT_EQ(discard(301, {.epoch = 2, .first = 101, .last = 110, .wanted = {105}}), 10 + 9 * kDecodeWork);
  EXPECT_EQ(space.documents().size(), 900U - 9 + 1);
  // One that takes its place: what the other alone discarded is looked at too.
  EXPECT_LE(discard(302, {.epoch = 3, .first = 301, .last = 301, .wanted = {}}), 10 + 1 + 3 * kDecodeWork);
  EXPECT_EQ(space.documents().size(), 900U - 9 + 1);
}

// However many entries of others name what a checkpoint discards: only those that were kept because of it are looked at, once.
TEST(Checkpoint, NamesOfOthersCostNothing) {
  History history(1, 2);
  Space space{Genesis{}};
  const auto put = [&](std::size_t writer, Kind kind, std::uint64_t seq, std::string_view path, ByteView body, std::span<const EntryId> saw) {
    const Content content{.space = {}, .author = history.writers[writer].identity->public_key(), .epoch = 1, .seq = seq, .prev = {},
                          .stamp = seq, .kind = kind, .path = as_bytes(path), .body = body, .saw = saw};
    const Kept kept(sign_entries(*history.writers[writer].identity, {&content, 1}).value()[0]);
    EXPECT_EQ(space.insert(kept.entry, kept.bytes, true), Space::Inserted::kNew);
    return kept.entry.id;
  };
  constexpr std::uint64_t kNamed = 24, kNamers = 500;
  std::vector<EntryId> named;
  for (std::uint64_t seq = 1; seq <= kNamed; ++seq) named.push_back(put(0, Kind::kSet, seq, "p", as_bytes("v"), {}));
  std::ranges::sort(named);
  for (std::uint64_t seq = 1; seq <= kNamers; ++seq) put(1, Kind::kSet, seq, "p", as_bytes("w"), named);
  const auto discard = [&](std::size_t writer, std::uint64_t last) {
    const Section all{.epoch = 1, .first = 1, .last = last, .wanted = {}};
    (void)space.take_work();
    put(writer, Kind::kCheckpoint, last + 1, kCheckpointPath, checkpoint_body({&all, 1}), {});
    return space.take_work();
  };
  EXPECT_LE(discard(1, kNamers), kNamers * (1 + kDecodeWork) + 10);
  EXPECT_EQ(space.documents().size(), kNamed + kNamers + 1) << "what is discarded stays while it holds something down";
  // Of those that are kept because of it each is found under all that it names.
  EXPECT_LE(discard(0, kNamed), kNamed * (1 + kDecodeWork) + kNamers * (kNamed + kDecodeWork) + 10);
  EXPECT_EQ(space.documents().size(), 2U) << "the checkpoints";
  // Namers that nobody discarded are not looked at.
  named.clear();
  for (std::uint64_t seq = 100; seq < 100 + kNamed; ++seq) named.push_back(put(0, Kind::kSet, seq, "p", as_bytes("v"), {}));
  std::ranges::sort(named);
  for (std::uint64_t seq = 1000; seq < 1000 + kNamers; ++seq) put(1, Kind::kSet, seq, "p", as_bytes("w"), named);
  EXPECT_LE(discard(0, 100 + kNamed), (kNamed + 2) * (1 + kDecodeWork));
}

// In one call: it is dropped, what it voids comes, and it comes again.
TEST(Checkpoint, WhatComesBackInTheSameCallIsHere) {
  History history(1, 2);
  const auto made = [&](std::size_t writer, Kind kind, std::uint64_t seq, ByteView path, ByteView body, std::span<const EntryId> saw) {
    const Content content{.space = {}, .author = history.writers[writer].identity->public_key(), .epoch = 1, .seq = seq, .prev = {},
                          .stamp = seq, .kind = kind, .path = path, .body = body, .saw = saw};
    return std::make_shared<const Kept>(sign_entries(*history.writers[writer].identity, {&content, 1}).value()[0]);
  };
  const KeptRef voided = made(1, Kind::kSet, 1, as_bytes("p"), as_bytes("old"), {});
  const KeptRef over = made(0, Kind::kSet, 1, as_bytes("p"), as_bytes("new"), {&voided->entry.id, 1});
  const Section one{.epoch = 1, .first = 1, .last = 1, .wanted = {}};
  const Bytes body = checkpoint_body({&one, 1});
  const KeptRef check = made(0, Kind::kCheckpoint, 2, as_bytes(kCheckpointPath), body, {});
  Space space{Genesis{}};
  for (const KeptRef& kept : {over, check, voided, over}) (void)space.insert(kept->entry, kept->bytes, true);
  EXPECT_TRUE(space.holds(over->entry.id));
  EXPECT_TRUE(space.documents().read_register(as_bytes("p")).empty()) << "what its author discarded still voids";
  for (const EntryId& dropped : space.take_dropped()) EXPECT_EQ(dropped, over->entry.id);
}

// ---- in a mesh

TEST(CheckpointMesh, ManyOverwritesTakeTheRoomOfWhatIsLeft) {
  StateLab lab(3);
  lab.share();
  lab.run(5s);
  std::map<std::string, std::string> last;
  for (int i = 0; i < 6000; ++i) {
    const std::string key = "k" + std::to_string(lab.rng.below(20));
    const std::string value = std::to_string(i);
    ASSERT_EQ(lab.set(lab.rng.below(3), key, value), 1U);
    last[key] = value;
    if (i % 10 == 9) lab.run(100ms);
  }
  ASSERT_TRUE(lab.run_until_equal(60s));
  lab.run(2 * kKeepDelay);
  for (std::size_t node = 0; node < 3; ++node) {
    EXPECT_GT(lab.state(node).stats().checkpoints_total, 5U);
    // What counts, what each author has not looked through, and what waits for another's checkpoint.
    EXPECT_LE(lab.documents(node).size(), 20U + 3 * (2 * kCheckpointWorth));
    EXPECT_EQ(lab.rows(node).size(), lab.documents(node).size() + 1) << "dropped on disk as well";
    for (const auto& [key, value] : last) {
      const auto values = lab.documents(node).read_register(as_bytes(key));
      const bool there = std::ranges::any_of(values, [&](const Written& w) { return as_text(w.value) == value; });
      EXPECT_TRUE(there) << key << " at " << node;
    }
  }
  const auto digest = lab.state(1).digest();
  lab.crash(1);
  lab.start(1);
  EXPECT_EQ(lab.state(1).digest(), digest) << "the same out of the store";
}

// One who writes without a pause has always something on its way to the disk: what that takes the place of is not discarded before it is there.
TEST(CheckpointMesh, WhatWaitsForTheDiskStopsNoneAndIsNotRelyedOn) {
  StateLab lab(1);
  lab.share();
  ASSERT_EQ(lab.set(0, "p", "old"), 1U);
  const Change change{.what = Change::What::kSet, .path = as_bytes("p"), .value = as_bytes("new")};
  Output out;
  lab.state(0).write(lab.now(0), static_cast<OpId>(1'000'000), lab.space_id, {&change, 1}, out);
  ASSERT_EQ(out.persist.size(), 1U);
  for (std::size_t i = 0; i < 8 * kCheckpointWorth; ++i) ASSERT_EQ(lab.set(0, "k", std::to_string(i)), 1U);
  EXPECT_GE(lab.state(0).stats().checkpoints_total, 3U);
  EXPECT_LE(lab.documents(0).size(), 2 * kCheckpointWorth);
  const auto at_p = [&] {
    const auto values = lab.documents(0).read_register(as_bytes("p"));
    return values.size() == 1 ? std::string(as_text(values[0].value)) : std::to_string(values.size()) + " values";
  };
  EXPECT_EQ(at_p(), "new") << "the next write must see it";
  Output ended;
  lab.state(0).on_persisted(lab.now(0), out.persist[0].ticket, /*ok=*/false, ended);
  EXPECT_EQ(at_p(), "old");
  lab.run(2 * kKeepDelay);
  lab.crash(0);
  lab.start(0);
  EXPECT_EQ(at_p(), "old");
}

TEST(CheckpointMesh, WhoWasAwayBringsNothingBack) {
  StateLab lab(3);
  lab.share();
  lab.run(5s);
  ASSERT_EQ(lab.set(0, "k", "first"), 1U);
  ASSERT_EQ(lab.change(0, What::kAdd, "s", "gone"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  lab.crash(2);
  ASSERT_EQ(lab.change(1, What::kDelete, "s", "gone"), 1U);
  for (int i = 0; i < 600; ++i) {
    ASSERT_EQ(lab.set(static_cast<std::size_t>(i / 300), "k", std::to_string(i)), 1U);
    if (i == 299) lab.run(1s);
  }
  ASSERT_TRUE(lab.run_until_equal(20s));
  EXPECT_GT(lab.state(0).stats().checkpoints_total + lab.state(1).stats().checkpoints_total, 1U);
  lab.start(2);
  ASSERT_TRUE(lab.run_until_equal(30s));
  for (std::size_t node = 0; node < 3; ++node) {
    EXPECT_EQ(lab.documents(node).read_register(as_bytes("k")).size(), 1U);
    EXPECT_EQ(as_text(lab.documents(node).read_register(as_bytes("k"))[0].value), "599");
    EXPECT_TRUE(lab.documents(node).elements(as_bytes("s")).empty());
  }
}

// What is discarded comes before what it voids, is dropped, and must be asked for again: of the only peer there is.
TEST(CheckpointMesh, WhatWasDroppedTooSoonIsAskedForAgain) {
  StateLab lab(4);
  lab.crash(3);
  ASSERT_TRUE(lab.create(0, "notes").has_value());
  const Genesis genesis = make_genesis(lab.identity(0), "notes", Access::kOpen);
  lab.space_id = genesis.id;
  for (std::size_t i = 1; i < 3; ++i) ASSERT_TRUE(lab.join(i, genesis).has_value());
  lab.run(5s);
  // Entries come in the order of their authors' keys.
  std::vector<std::size_t> order = {0, 1, 2};
  std::ranges::sort(order, {}, [&](std::size_t i) { return lab.identity(i).public_key(); });
  const std::size_t first = order[0], other = order[1], last = order[2];
  ASSERT_EQ(lab.set(last, "p", "old"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  ASSERT_EQ(lab.set(first, "p", "over it"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  ASSERT_EQ(lab.set(other, "p", "newest"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  // Few are left after the checkpoint, so that one page brings it and what it discards.
  for (std::size_t i = 0; i < 2 * kCheckpointWorth; ++i) ASSERT_EQ(lab.set(first, "q", std::to_string(i)), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  ASSERT_GT(lab.state(first).stats().checkpoints_total, 0U);
  lab.crash(first);
  lab.crash(other);
  lab.start(3);
  ASSERT_TRUE(lab.join(3, genesis).has_value());
  lab.run(30s);
  EXPECT_TRUE(lab.equal_now());
  ASSERT_EQ(lab.documents(3).read_register(as_bytes("p")).size(), 1U);
  EXPECT_EQ(as_text(lab.documents(3).read_register(as_bytes("p"))[0].value), "newest");
}

TEST(CheckpointMesh, WhatALostLifeWroteIsNotDiscardedUnseen) {
  StateLab lab(3);
  lab.share();
  lab.run(5s);
  const auto backup = lab.rows(0);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(lab.set(0, "old/" + std::to_string(i), "v"), 1U);
  ASSERT_TRUE(lab.run_until_equal(20s));
  lab.crash(0);
  lab.rows(0) = backup;
  lab.split({0});
  lab.start(0);
  for (int i = 0; i < 600; ++i) ASSERT_EQ(lab.set(0, "new", std::to_string(i)), 1U);
  lab.run(1s);
  EXPECT_GT(lab.state(0).stats().checkpoints_total, 0U);
  lab.heal();
  ASSERT_TRUE(lab.run_until_equal(30s));
  for (std::size_t node = 0; node < 3; ++node) {
    EXPECT_EQ(lab.documents(node).paths(as_bytes("old"), 100).size(), 50U) << node;
    EXPECT_EQ(as_text(lab.documents(node).read_register(as_bytes("new"))[0].value), "599");
  }
}

TEST(CheckpointMesh, AnAuthorOfManyDocumentsNeedsSeveral) {
  StateLab lab(2);
  lab.share();
  lab.run(5s);
  // Wanted ones far apart, so that one body does not hold them.
  for (int i = 0; i < 3000; ++i) {
    const std::string key = i % 4 == 0 ? "kept/" + std::to_string(i) : "often";
    ASSERT_EQ(lab.set(0, key, std::to_string(i)), 1U);
    if (i % 100 == 99) lab.run(500ms);
  }
  ASSERT_TRUE(lab.run_until_equal(60s));
  for (std::size_t node = 0; node < 2; ++node) {
    EXPECT_EQ(lab.documents(node).paths(as_bytes("kept"), 10000).size(), 750U);
    EXPECT_EQ(as_text(lab.documents(node).read_register(as_bytes("often"))[0].value), "2999");
    EXPECT_LE(lab.documents(node).size(), 751U + 2 * kCheckpointWorth + 8);
  }
}

// Many times what one body holds, written over at random: no part of its history is ever done with.
TEST(CheckpointMesh, AnAuthorOfTwentyThousandDocumentsStaysInBounds) {
  StateLab lab(2);
  lab.share();
  lab.run(5s);
  constexpr std::uint64_t kDocuments = 20'000;
  std::map<std::string, std::string> last;
  const auto write = [&](const auto& which) {
    std::vector<std::pair<std::string, std::string>> words;
    std::vector<Change> changes;
    words.reserve(250);
    for (int i = 0; i < 250; ++i) {
      const auto& [key, value] = words.emplace_back("d/" + std::to_string(which(i)), std::to_string(lab.rng.below(1'000'000)));
      changes.push_back({.what = What::kSet, .path = as_bytes(key), .value = as_bytes(value), .amount = 0});
      last[key] = value;
    }
    ASSERT_TRUE(lab.write(0, changes).has_value());
  };
  for (std::uint64_t from = 0; from < kDocuments; from += 250) write([&](int i) { return from + static_cast<std::uint64_t>(i); });
  ASSERT_TRUE(lab.run_until_equal(300s));
  std::size_t most = 0;
  for (std::uint64_t i = 0; i < 2 * kDocuments; i += 250) {
    write([&](int) { return lab.rng.below(kDocuments); });
    lab.run(100ms);
    most = std::max(most, lab.documents(0).size());
  }
  EXPECT_LE(most, kDocuments + 4000U);
  ASSERT_TRUE(lab.run_until_equal(600s));
  for (std::size_t node = 0; node < 2; ++node) {
    EXPECT_LE(lab.documents(node).size(), kDocuments + 4000U) << node;
    for (const auto& [key, value] : last) {
      const auto values = lab.documents(node).read_register(as_bytes(key));
      ASSERT_EQ(values.size(), 1U) << key;
      ASSERT_EQ(as_text(values[0].value), value) << key;
    }
  }
}

}  // namespace
}  // namespace weft::state
