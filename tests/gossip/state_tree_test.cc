// The tree of entries against a plain ordered set, and the walk that compares two of them.
#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "tests/gossip/state_history.h"
#include "crypto/sessions.h"
#include "gossip/state/sync.h"

namespace weft::state {
namespace {

// Few authors, epochs and numbers, so that keys share long prefixes.
EntryKey random_key(Rng& rng) {
  PublicKey author;
  author.bytes[0] = static_cast<std::uint8_t>(rng.below(3));
  author.bytes[7] = static_cast<std::uint8_t>(rng.below(2));
  const std::uint64_t epoch = rng.below(2) << 63;
  const std::uint64_t seq = rng.below(40);
  // As of real entries, an id belongs to one place; some places have two.
  EntryId id;
  EntryKey place = key_of(author, epoch, seq, id);
  place.bytes[39] = static_cast<std::uint8_t>(rng.below(2));
  std::ranges::copy(ByteView(blake2b_256(place.bytes)).first(16), id.bytes.begin());
  return key_of(author, epoch, seq, id);
}

EntryTree tree_of(const std::set<EntryKey>& keys) {
  EntryTree out;
  for (const EntryKey& key : keys) out.insert(key);
  return out;
}

TEST(EntryTree, IsASetThatHashesItsContentsAlone) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    EntryTree tree;
    std::set<EntryKey> model;
    std::map<TreeHash, std::set<EntryKey>> by_root;
    for (int step = 0; step < 400; ++step) {
      const EntryKey key = random_key(rng);
      if (rng.below(3) == 0) {
        EXPECT_EQ(tree.erase(key), model.erase(key) == 1);
      } else {
        EXPECT_EQ(tree.insert(key), model.insert(key).second);
      }
      ASSERT_EQ(tree.size(), model.size());
      EXPECT_EQ(tree.contains(key), model.contains(key));
      const auto [known, fresh] = by_root.try_emplace(tree.root(), model);
      ASSERT_EQ(known->second, model) << "one hash, two sets; seed " << seed;
      if (step % 40 == 0) {
        ASSERT_EQ(tree.root(), tree_of(model).root()) << "seed " << seed;
      }
    }
  }
}

TEST(EntryTree, VisitsWhatIsBelowAPrefixInOrder) {
  Rng rng(7);
  std::set<EntryKey> model;
  for (int i = 0; i < 200; ++i) model.insert(random_key(rng));
  const EntryTree tree = tree_of(model);
  for (int i = 0; i < 400; ++i) {
    Prefix prefix;
    const EntryKey towards = random_key(rng);
    const std::size_t length = rng.below(kNibbles + 1);
    while (prefix.nibbles < length) {
      const std::uint8_t byte = towards.bytes[prefix.nibbles / 2];
      prefix = prefix.then(prefix.nibbles % 2 == 0 ? byte >> 4 : byte & 15);
    }
    std::optional<EntryKey> after;
    if (rng.below(2) == 0) after = random_key(rng);
    std::vector<EntryKey> expected;
    std::size_t below = 0;
    for (const EntryKey& key : model) {
      if (!prefix.covers(key)) continue;
      ++below;
      if (!after || key > *after) expected.push_back(key);
    }
    std::vector<EntryKey> seen;
    tree.visit(prefix, after, [&](const EntryKey& key) {
      seen.push_back(key);
      return true;
    });
    ASSERT_EQ(seen, expected) << i;
    const EntryTree::Part part = tree.part(prefix);
    EXPECT_EQ(part.count, below);
    EXPECT_TRUE(prefix.covers(part.at));
    std::size_t in_branches = 0;
    for (const EntryTree::Part& branch : tree.branches(prefix)) in_branches += branch.count;
    EXPECT_EQ(in_branches, below > 1 ? below : 0U);
  }
}

// ---- two spaces and a walk between them

struct Side {
  Side(const Genesis& genesis) : space(genesis) {}
  Space space;
  void take(const Kept& kept) { (void)space.insert(kept.entry, kept.bytes, /*settled=*/true); }
};

struct Fixture {
  explicit Fixture(std::uint64_t seed, std::size_t authors) : history(seed, authors), entropy(seed) {
    genesis.name = "walk";  // of the id that History writes to: zero
  }
  // One walk by `asker`; what it took: questions and bytes of entries.
  struct Cost {
    std::size_t questions = 0;
    std::size_t entry_bytes = 0;
    std::size_t bytes = 0;
    bool well = true;
  };
  Cost walk(Side& asker, const Side& answerer) {
    Walk walk(genesis.id);
    Cost cost;
    std::deque<Walk::Question> open;
    for (;;) {
      while (auto question = walk.next(asker.space, entropy)) open.push_back(*question);
      if (open.empty()) break;
      const Walk::Question question = open.front();
      open.pop_front();
      ++cost.questions;
      ByteArray<kDatagramBytesMax> room;
      Writer asked(room);
      std::visit([&](const auto& q) { encode(asked, 1, q); }, question);
      EXPECT_TRUE(asked.ok());
      cost.bytes += asked.size();
      if (const auto* branch = std::get_if<Branch>(&question)) {
        BranchReply reply;
        answer(answerer.space, *branch, reply);
        Writer w(room);
        encode(w, 1, reply);
        EXPECT_TRUE(w.ok());
        cost.bytes += w.size();
        if (!walk.on_reply(asker.space, *branch, reply)) cost.well = false;
      } else {
        const auto& fetch = std::get<Fetch>(question);
        FetchReply reply;
        answer(answerer.space, fetch, kPayloadBytesMax, reply);
        Writer w(room);
        encode(w, 1, reply);
        EXPECT_TRUE(w.ok());
        EXPECT_LE(w.size(), kPayloadBytesMax);
        cost.bytes += w.size();
        std::vector<EntryKey> keys;
        std::size_t fresh = 0;
        const auto unpacked = unpack(genesis.id, reply.pack);
        EXPECT_TRUE(unpacked.has_value());
        for (const Unpacked& one : *unpacked) {
          keys.push_back(key_of(one.entry));
          cost.entry_bytes += one.bytes.size();
          fresh += asker.space.insert(one.entry, one.bytes, true) == Space::Inserted::kNew ? 1U : 0U;
        }
        if (!walk.on_reply(fetch, reply.more, keys, fresh)) cost.well = false;
      }
      if (!cost.well) break;
    }
    EXPECT_TRUE(!cost.well || walk.ended());
    return cost;
  }
  History history;
  Genesis genesis;
  SeededEntropy entropy;
};

TEST(Walk, BringsExactlyWhatIsMissing) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Fixture f(seed, 1 + seed % 7);
    Side a(f.genesis), b(f.genesis);
    std::size_t missing = 0;
    const std::size_t entries = f.history.rng.below(400);
    for (std::size_t i = 0; i < entries; ++i) {
      auto& writer = f.history.writers[f.history.rng.below(f.history.writers.size())];
      const KeptRef kept = f.history.write(writer, /*honest=*/false);
      if (kept == nullptr) continue;
      const std::uint64_t luck = f.history.rng.below(10);
      if (luck != 0) a.take(*kept);
      if (luck != 1) b.take(*kept);
      if (luck == 0 && !a.space.holds(kept->entry.id)) missing += kept->bytes.size();
    }
    const auto cost = f.walk(a, b);
    EXPECT_TRUE(cost.well) << "seed " << seed;
    EXPECT_EQ(cost.entry_bytes, missing) << "seed " << seed;
    const auto back = f.walk(b, a);
    EXPECT_TRUE(back.well) << "seed " << seed;
    EXPECT_EQ(a.space.tree().root(), b.space.tree().root()) << "seed " << seed;
    const auto again = f.walk(a, b);
    EXPECT_EQ(again.entry_bytes, 0U);
    EXPECT_LE(again.questions, 1U) << "equal sets are equal at the root's branches";
  }
}

// A peer that goes on answering with what is not taken is left in the end.
TEST(Walk, EndsIfNothingNewComes) {
  Fixture f(1, 1);
  Side asker(f.genesis);
  Walk walk(f.genesis.id);
  const auto root = std::get<Branch>(walk.next(asker.space, f.entropy).value());
  BranchReply one;
  one.nodes.push({.at = {.bytes = EntryKey{}.bytes, .nibbles = kNibbles}, .count = 1, .parts = {}});
  ASSERT_TRUE(walk.on_reply(asker.space, root, one));
  std::size_t answers = 0;
  for (bool goes_on = true; goes_on; ++answers) {
    ASSERT_LE(answers, kVainMax + 1) << "it never ends";
    const auto fetch = std::get<Fetch>(walk.next(asker.space, f.entropy).value());
    const EntryKey key = key_of({}, 0, answers + 1, {});
    goes_on = walk.on_reply(fetch, /*more=*/true, {&key, 1}, /*fresh=*/0);
  }
  EXPECT_EQ(answers, kVainMax);
  // Nor is a page out of order, or an empty one that promises more, an answer.
  const EntryKey key = key_of({}, 0, 5, {});
  EXPECT_FALSE(Walk::asked_for({.space = {}, .salt = {}, .prefix = {}, .after = key, .have = {}}, false, {&key, 1}));
  EXPECT_FALSE(Walk::asked_for({.space = {}, .salt = {}, .prefix = {}, .after = {}, .have = {}}, true, {}));
}

// 1,000 of 100,000 entries by 50 authors, the last ones: what an absence leaves to be brought.
TEST(Walk, ARejoinerMovesLittleMoreThanWhatItMissed) {
  Fixture f(1, 50);
  Side away(f.genesis), mesh(f.genesis);
  std::size_t missed = 0;
  constexpr int kEntries = 100'000;
  for (int i = 0; i < kEntries; ++i) {
    HistoryWriter& writer = f.history.writers[f.history.rng.below(50)];
    const std::string path = "room/" + std::to_string(i % 1000) + "/subject";
    const Bytes body(100, static_cast<std::uint8_t>(i));
    const Content content{.space = {}, .author = writer.identity->public_key(), .epoch = writer.epoch, .seq = ++writer.seq,
                          .prev = writer.head, .stamp = static_cast<std::uint64_t>(i) << 16, .kind = Kind::kSet, .path = as_bytes(path),
                          .body = body, .saw = {}};
    const Kept kept(sign_entries(*writer.identity, {&content, 1}).value()[0]);
    writer.head = kept.entry.id;
    mesh.take(kept);
    if (i < kEntries - 1000) away.take(kept);
    else missed += kept.bytes.size();
  }
  const auto cost = f.walk(away, mesh);
  EXPECT_TRUE(cost.well);
  EXPECT_EQ(cost.entry_bytes, missed);
  EXPECT_EQ(away.space.tree().root(), mesh.space.tree().root());
  const std::size_t moved = cost.bytes + 2 * cost.questions * kDataOverhead;
  std::cout << "  " << missed << " bytes missed, " << moved << " moved in " << 2 * cost.questions << " datagrams\n";
  EXPECT_LE(moved, missed * 115 / 100 + 4096);
}

}  // namespace
}  // namespace weft::state
