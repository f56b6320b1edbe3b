// What an author's next checkpoints say: nothing that was discarded comes back, nothing else goes
// than what is useless and was seen, and what is left stays in bounds.
#include <gtest/gtest.h>

#include <map>

#include "crypto/rng.h"
#include "gossip/state/checkpoint_plan.h"

namespace weft::state {
namespace {

using Place = std::pair<std::uint64_t, std::uint64_t>;
constexpr std::size_t kWorth = 128;

// One author by itself: documents, of which the last entry of each counts, and checkpoints in the
// order of their ranks.
class Author {
 public:
  void begin_life(std::uint64_t epoch) {
    epoch_ = epoch;
    seq_ = 0;
  }
  // The place, by which a test may hide it.
  Place write(std::uint64_t document) {
    const Place place(epoch_, ++seq_);
    const auto [at, fresh] = documents_.try_emplace(document, place);
    if (!fresh) {
      if (const auto old = here_.find(at->second); old != here_.end()) old->second.counts = false;
      at->second = place;
    }
    here_[place] = {.epoch = epoch_, .seq = seq_, .counts = true, .checkpoint = false, .discarded = false};
    return place;
  }
  // As what a lost life wrote: not here, and of value to others.
  void hide(const Place& place) {
    hidden_.insert(place);
    here_.erase(place);
    std::erase_if(documents_, [&](const auto& one) { return one.second == place; });
  }

  // Writes what is planned; tells how many checkpoints that were.
  std::size_t checkpoint(std::set<std::uint64_t> open = {}) {
    std::vector<Space::Own> own;
    for (const auto& [place, one] : here_) own.push_back(one);
    const auto before = in_force();
    const auto bodies = plan_checkpoints({.own = own, .in_force = before, .open = std::move(open), .worth = kWorth});
    if (bodies.empty()) return 0;
    const std::vector<Place> discarded_before = discarded(before);
    std::vector<Place> may = discarded_before;  // be discarded now
    for (const Space::Own& one : own) {
      if (!one.counts) may.emplace_back(one.epoch, one.seq);
    }
    std::ranges::sort(may);
    const bool together = checkpoints_.size() + bodies.size() <= kCheckpointsCounted;
    std::set<Place> on_the_way;  // in force before the last is there
    for (const CheckpointSections& body : bodies) {
      if (&body == &bodies.back()) {
        for (const Checkpoints::InForce& one : in_force()) on_the_way.emplace(one.epoch, one.seq);
      }
      const Bytes bytes = checkpoint_body(body);
      EXPECT_LE(bytes.size(), kCheckpointBodyMax);
      EXPECT_EQ(read_checkpoint(bytes), body);
      const Place place(epoch_, ++seq_);
      here_[place] = {.epoch = epoch_, .seq = seq_, .counts = false, .checkpoint = true, .discarded = false};
      checkpoints_.push_back({.place = place, .bytes = bytes.size(), .sections = body});
      if (together && bodies.size() < 8) expect_in(discarded_before, discarded(in_force()), "something came back on the way");
    }
    const std::vector<Place> after = discarded(in_force());
    expect_in(discarded_before, after, "something came back");
    expect_in(after, may, "something went that counts or was not seen");
    for (const Place& place : hidden_) EXPECT_FALSE(std::ranges::binary_search(after, place)) << "discarded unseen";
    // What is discarded goes.
    std::erase_if(here_, [&](const auto& one) { return std::ranges::binary_search(after, one.first); });
    std::erase_if(checkpoints_, [&](const Checkpoint& one) { return !here_.contains(one.place); });
    EXPECT_LE(checkpoints_.size(), kCheckpointsCounted) << "some do not count";
    for (const Checkpoints::InForce& one : before) {
      const Place place(one.epoch, one.seq);
      EXPECT_TRUE(!here_.contains(place) || on_the_way.contains(place)) << "kept, and out of force for a while";
    }
    written += bodies.size();
    return bodies.size();
  }

  std::size_t size() const { return here_.size(); }
  std::size_t checkpoints() const { return checkpoints_.size(); }
  std::size_t useless() const { return here_.size() - documents_.size() - checkpoints_.size(); }
  std::size_t written = 0;

 private:
  struct Checkpoint {
    Place place;
    std::size_t bytes = 0;
    CheckpointSections sections;
  };
  // checkpoint.h's rule.
  std::vector<Checkpoints::InForce> in_force() const {
    std::vector<Checkpoints::InForce> out;
    for (auto one = checkpoints_.rbegin(); one != checkpoints_.rend() && out.size() < kCheckpointsCounted; ++one) {
      const bool gone = std::ranges::any_of(out, [&](const Checkpoints::InForce& higher) {
        return std::ranges::any_of(higher.sections, [&](const Section& s) {
          return s.epoch == one->place.first && one->place.second >= s.first && one->place.second <= s.last &&
                 !std::ranges::binary_search(s.wanted, one->place.second);
        });
      });
      if (!gone) out.push_back({.epoch = one->place.first, .seq = one->place.second, .body_bytes = one->bytes, .sections = one->sections});
    }
    return out;
  }
  static std::vector<Place> discarded(const std::vector<Checkpoints::InForce>& by) {
    std::vector<Place> out;
    for (const Checkpoints::InForce& one : by) {
      for (const Section& s : one.sections) {
        auto wanted = s.wanted.begin();
        for (std::uint64_t seq = s.first; seq <= s.last; ++seq) {
          if (wanted != s.wanted.end() && *wanted == seq)
            ++wanted;
          else
            out.emplace_back(s.epoch, seq);
        }
      }
    }
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
  static void expect_in(const std::vector<Place>& part, const std::vector<Place>& whole, std::string_view otherwise) {
    EXPECT_TRUE(std::ranges::includes(whole, part)) << otherwise;
  }

  std::uint64_t epoch_ = 1;
  std::uint64_t seq_ = 0;
  std::map<Place, Space::Own> here_;
  std::map<std::uint64_t, Place> documents_;
  std::set<Place> hidden_;
  std::vector<Checkpoint> checkpoints_;  // the lowest first
};

// Lives in any order of their epochs, documents that are written often and seldom, and places that
// are not here.
TEST(CheckpointPlan, NothingComesBackAndNothingElseGoes) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    Author author;
    std::set<std::uint64_t> epochs = {1};
    const std::uint64_t documents = seed % 3 == 0 ? 5000 : 1 + rng.below(400);
    const std::uint64_t often = 1 + rng.below(documents);
    const std::uint64_t lives = 1 + rng.below(30);
    for (std::uint64_t life = 0; life < lives; ++life) {
      const std::uint64_t epoch = 2 + rng.below(1 << 20);
      if (!epochs.insert(epoch).second) continue;
      author.begin_life(epoch);
      std::set<std::uint64_t> open = epochs;
      open.erase(epoch);
      const std::uint64_t writes = rng.below(seed % 3 == 0 ? 4000 : 600);
      for (std::uint64_t i = 0; i < writes; ++i) {
        const Place place = author.write(rng.below(2) == 0 ? rng.below(often) : rng.below(documents));
        if (rng.below(40) == 0) author.hide(place);
        if (rng.below(200) == 0) author.checkpoint(std::exchange(open, {}));
      }
    }
  }
}

TEST(CheckpointPlan, ManyLivesTakeFewCheckpoints) {
  Author author;
  for (std::uint64_t life = 1; life <= 200; ++life) {
    author.begin_life(life * 7919 % 1000);
    author.write(life);
    ASSERT_GE(author.checkpoint({1}), 1U) << "it closes the others, though all counts";
    ASSERT_LE(author.checkpoints(), kSmallOnesMax + 8);
  }
  EXPECT_EQ(author.useless(), 0U);
}

// One of two entries of a place counts: the other stays with it, and asks for no checkpoint again
// and again.
TEST(CheckpointPlan, AForkGoesOnlyIfBothMay) {
  std::vector<Space::Own> own;
  for (std::uint64_t seq = 1; seq <= 200; ++seq) {
    own.push_back({.epoch = 1, .seq = seq, .counts = true});
    own.push_back({.epoch = 1, .seq = seq, .counts = false});
  }
  EXPECT_TRUE(plan_checkpoints({.own = own, .in_force = {}, .worth = kWorth}).empty());
  for (Space::Own& one : own) one.counts = one.counts && one.seq > 150;
  const auto bodies = plan_checkpoints({.own = own, .in_force = {}, .worth = kWorth});
  ASSERT_EQ(bodies.size(), 1U);
  EXPECT_EQ(bodies[0], CheckpointSections({{.epoch = 1, .first = 1, .last = 150, .wanted = {}}}));
}

// Half of many bodies are to be replaced: with both halves of the new and the old there would be
// more than count.
TEST(CheckpointPlan, WhatIsKeptIsNeverOutOfForce) {
  Author author;
  for (std::uint64_t i = 0; i < 31'000; ++i) {
    author.write(i);
    author.write(i);
  }
  ASSERT_GT(author.checkpoint(), 40U);
  for (std::uint64_t i = 15'500; i < 31'000; i += 20) author.write(i);
  EXPECT_GT(author.checkpoint(), 0U);
  EXPECT_LE(author.useless(), 16 * author.checkpoints());
}

// A generation written in one go is one section of what discards it, however many it were.
TEST(CheckpointPlan, AllOlderOnesGoTogether) {
  std::vector<Space::Own> own;
  constexpr std::uint64_t kFar = 1 << 22;
  for (std::uint64_t seq = kFar; seq < kFar + 4000; ++seq) own.push_back({.epoch = 1, .seq = seq, .counts = seq % 2 == 0});
  for (std::uint64_t i = 1; i <= 100; ++i) own.push_back({.epoch = 1, .seq = kFar + 5000 + i, .counts = false, .checkpoint = true});
  const auto bodies = plan_checkpoints({.own = own, .in_force = {}, .worth = kWorth});
  ASSERT_GT(bodies.size(), 1U);
  EXPECT_EQ(bodies.back(), CheckpointSections({{.epoch = 1, .first = kFar + 5001, .last = kFar + 5100, .wanted = {}}}));
}

// As often as a node looks.
void overwrite(Author& author, Rng& rng, std::uint64_t documents, std::uint64_t writes, std::size_t& most) {
  std::size_t since = 0;
  for (std::uint64_t i = 0; i < writes; ++i) {
    author.write(rng.below(documents));
    most = std::max(most, author.size());
    if (++since < std::max<std::size_t>(256, author.size() / 16)) continue;
    since = 0;
    author.checkpoint();
  }
}

TEST(CheckpointPlan, TwentyThousandDocumentsStayInBounds) {
  Rng rng(1);
  Author author;
  for (std::uint64_t i = 0; i < 20'000; ++i) author.write(i);
  std::size_t most = 0;
  overwrite(author, rng, 20'000, 100'000, most);
  EXPECT_LE(most, 20'000U + 3000U);
  EXPECT_LE(author.checkpoints(), kCheckpointBodiesMax + 1);
}

// Above the limit: what is discarded is what pays best, and in time all that is old.
TEST(CheckpointPlan, EightyThousandDocumentsStayBelowWhatAnAuthorMayHave) {
  Rng rng(1);
  Author author;
  for (std::uint64_t i = 0; i < 80'000; ++i) author.write(i);
  std::size_t most = 0;
  overwrite(author, rng, 80'000, 400'000, most);
  EXPECT_LE(most, kAuthorEntriesMax);
  EXPECT_GT(author.written, 100U);
}

// What is never written again neither takes all the room nor is told with each generation of what
// is written often.
TEST(CheckpointPlan, WhatIsNotTouchedIsNotSaidAgain) {
  Rng rng(1);
  Author author;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    author.write(i);
    if (i % 8 == 0 && i < 60'000) author.write(i);  // alone among wanted ones
  }
  while (author.checkpoint() > 0) {
  }
  const std::size_t parts = author.checkpoints();
  const std::size_t useless = author.useless();
  EXPECT_GT(parts, 40U) << "all that what pays badly may take";
  EXPECT_GT(useless, 1000U) << "and there is more of it";
  author.written = 0;
  std::size_t generations = 0;
  for (int i = 0; i < 20'000; ++i) {
    author.write(rng.below(2) == 0 ? 100'000 : 99'990 + rng.below(10));
    if (i % 500 == 499 && author.checkpoint() > 0) ++generations;
  }
  EXPECT_GE(generations, 30U);
  EXPECT_LE(author.written, 4 * generations) << "of " << parts << " bodies";
  EXPECT_LE(author.useless(), useless + 500U + 16 * parts);
}

}  // namespace
}  // namespace weft::state
