#include "node/link_model.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "crypto/rng.h"
#include "node/units.h"

namespace weft::node {
namespace {

using testing::HasSubstr;

const Endpoint kA = Endpoint::v4(10, 0, 0, 1, 1000);
const Endpoint kB = Endpoint::v4(10, 0, 0, 2, 2000);

Instant at(std::int64_t us) { return Instant(Duration(us)); }
std::string error(std::string_view text) {
  const auto spec = parse_link_spec(text);
  return spec ? "" : spec.error();
}

TEST(Units, ReadDurations) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("5s"), 5s);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("1h"), 1h);
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration("100us"), 100us);
  EXPECT_EQ(parse_duration("0"), 0us);
  for (const auto* bad :
       {"", "5", "s", "-1s", "1.s", ".5s", "1e3s", "5 s", "99999999999h", "0.1us"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(Units, ReadSizesAndShares) {
  EXPECT_EQ(parse_size("512"), 512u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("1.5MiB"), 1572864u);
  EXPECT_FALSE(parse_size("64KB"));
  EXPECT_FALSE(parse_size("99999999999999GiB"));
  EXPECT_EQ(parse_share("25%"), 250'000u);
  EXPECT_EQ(parse_share("0.5%"), 5'000u);
  EXPECT_EQ(parse_share("100%"), 1'000'000u);
  for (const auto* bad : {"101%", "0.25", "%", "-1%", "0.00001%"}) EXPECT_FALSE(parse_share(bad));
}

TEST(Units, AreWrittenAsTheyAreRead) {
  for (const auto* text : {"250ms", "5s", "2m", "1h", "100us", "90s"}) {
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  }
  for (const auto* text : {"25%", "0.5%", "100%", "0.0001%", "12.05%"}) {
    EXPECT_EQ(format_share(*parse_share(text)), text);
  }
  for (const auto* text : {"512", "64KiB", "2MiB"}) EXPECT_EQ(format_size(*parse_size(text)), text);
}

TEST(LinkSpec, IsReadWordByWord) {
  const auto spec =
      parse_link_spec("latency=20ms,jitter=10%,loss=2%,dup=1%,reorder=0.5%,rate=2MiB");
  ASSERT_TRUE(spec) << spec.error();
  EXPECT_EQ(spec->latency, 20ms);
  EXPECT_EQ(spec->jitter_ppm, 100'000u);
  EXPECT_EQ(spec->loss_ppm, 20'000u);
  EXPECT_EQ(spec->dup_ppm, 10'000u);
  EXPECT_EQ(spec->reorder_ppm, 5'000u);
  EXPECT_EQ(spec->rate_bytes_s, 2u << 20);
  EXPECT_EQ(*parse_link_spec(""), LinkSpec{});
  EXPECT_EQ(parse_link_spec("latency=matrix:a/b.csv")->matrix_file, "a/b.csv");
}

TEST(LinkSpec, RoundTrips) {
  for (const auto* text :
       {"", "latency=20ms", "latency=20ms,jitter=10%,loss=2%,dup=1%,reorder=1%,rate=2MiB",
        "latency=matrix:x.csv,loss=1%"}) {
    EXPECT_EQ(to_string(*parse_link_spec(text)), text);
  }
}

TEST(LinkSpec, MistakesAreNamed) {
  EXPECT_THAT(error("latency=20"), HasSubstr("\"latency=20\""));
  EXPECT_THAT(error("loss=2"), HasSubstr("as in 2%"));
  EXPECT_THAT(error("speed=1"), HasSubstr("expected latency="));
  EXPECT_THAT(error("loss=1%,loss=2%"), HasSubstr("twice"));
  EXPECT_THAT(error("loss=1%,"), HasSubstr("nothing follows"));
  EXPECT_THAT(error("latency=matrix:"), HasSubstr("file name"));
  EXPECT_THAT(error("latency=61s"), HasSubstr("up to 60s"));
}

TEST(LinkModel, FateDependsOnItsFiveInputsAlone) {
  const LinkSpec spec = *parse_link_spec("latency=20ms,jitter=50%,loss=30%,dup=30%,reorder=30%");
  const Passage passage{kA, kB, at(123456), 3};
  const Fate fate = fate_of(spec, 7, passage, spec.latency);
  EXPECT_EQ(fate_of(spec, 7, passage, spec.latency).delays, fate.delays);
  // Each input alone changes some fates.
  const auto differs = [&](auto&& change) {
    int changed = 0;
    for (std::uint64_t i = 0; i < 64; ++i) {
      Passage p{kA, kB, at(1000), i};
      std::uint64_t seed = 7;
      const Fate before = fate_of(spec, seed, p, spec.latency);
      change(seed, p);
      if (!(fate_of(spec, seed, p, spec.latency).delays == before.delays)) ++changed;
    }
    return changed > 32;
  };
  EXPECT_TRUE(differs([](std::uint64_t& seed, Passage&) { ++seed; }));
  EXPECT_TRUE(differs([](std::uint64_t&, Passage& p) { p.from.port ^= 1; }));
  EXPECT_TRUE(differs([](std::uint64_t&, Passage& p) { p.to.port ^= 1; }));
  EXPECT_TRUE(differs([](std::uint64_t&, Passage& p) { p.at += 1us; }));
  EXPECT_TRUE(differs([](std::uint64_t&, Passage& p) { p.ordinal += 1000; }));
}

TEST(LinkModel, AddingLossKeepsTheLuckOfTheRest) {
  const LinkSpec calm = *parse_link_spec("latency=20ms,jitter=50%");
  const LinkSpec lossy = *parse_link_spec("latency=20ms,jitter=50%,loss=20%");
  int lost = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Passage p{kA, kB, at(0), i};
    const Fate a = fate_of(calm, 1, p, 20ms);
    const Fate b = fate_of(lossy, 1, p, 20ms);
    if (b.delays.empty())
      ++lost;
    else
      EXPECT_EQ(a.delays, b.delays);
  }
  EXPECT_GT(lost, 100);
  EXPECT_LT(lost, 300);
}

TEST(LinkModel, SharesAreAsAskedFor) {
  const LinkSpec spec = *parse_link_spec("latency=20ms,jitter=10%,loss=2%,dup=1%,reorder=1%");
  int lost = 0, doubled = 0, held = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const Fate fate = fate_of(spec, 5, {kA, kB, at(0), i}, spec.latency);
    lost += fate.delays.empty();
    doubled += fate.delays.size() == 2;
    for (const Duration delay : fate.delays) EXPECT_GE(delay, 18ms);
    held += !fate.delays.empty() && fate.delays[0] > 22ms;
  }
  EXPECT_NEAR(lost, 2000, 200);
  EXPECT_NEAR(doubled, 980, 150);
  EXPECT_NEAR(held, 980, 150);
}

TEST(LinkModel, WithoutASpecEverythingArrivesAtOnce) {
  LinkModel model;
  EXPECT_FALSE(model.active());
  const Fate fate = model.decide(at(5), kA, kB, 1200);
  ASSERT_EQ(fate.delays.size(), 1u);
  EXPECT_EQ(fate.delays[0], 0us);
}

TEST(LinkModel, RateQueuesAndThenDrops) {
  LinkModel model;
  model.set_spec(*parse_link_spec("rate=100KiB"));
  Duration before{-1};
  std::size_t passed = 0;
  for (int i = 0; i < 100; ++i) {
    const Fate fate = model.decide(at(0), kA, kB, 1000);
    if (fate.delays.empty()) continue;
    EXPECT_GT(fate.delays[0], before);
    before = fate.delays[0];
    ++passed;
  }
  // 1,028 bytes take 10 ms; the line's queue holds half a second.
  EXPECT_NEAR(static_cast<double>(passed), 50, 2);
  EXPECT_LE(before, kLineQueueMax + 11ms);
  const Fate later = model.decide(at(2'000'000), kA, kB, 1000);
  ASSERT_EQ(later.delays.size(), 1u);
  EXPECT_LT(later.delays[0], 11ms);
}

TEST(LinkModel, MatrixHalvesRoundTrips) {
  LinkModel model;
  LinkMatrix matrix;
  matrix.rtt = {{2ms, 80ms}, {90ms, 4ms}};
  matrix.self = 0;
  matrix.peers = {{kB, 1}, {kA, 0}};
  model.set_matrix(matrix);
  EXPECT_TRUE(model.active());
  EXPECT_EQ(model.decide(at(0), kA, kB, 100).delays[0], 40ms);
  EXPECT_EQ(model.decide(at(1), kA, kA, 100).delays[0], 1ms);
  EXPECT_EQ(model.decide(at(2), kA, Endpoint::v4(1, 1, 1, 1, 1), 100).delays[0], 0ms);
}

TEST(LinkModel, EqualInstantsGetOrdinals) {
  LinkModel model;
  model.set_spec(*parse_link_spec("latency=20ms,jitter=50%"));
  const Fate first = model.decide(at(0), kA, kB, 100);
  const Fate second = model.decide(at(0), kA, kB, 100);
  EXPECT_NE(first.delays[0], second.delays[0]);
}

}  // namespace
}  // namespace weft::node
