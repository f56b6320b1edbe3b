#include "testnet/sightings.h"

#include <gtest/gtest.h>

#include "crypto/rng.h"

namespace weft::testnet {
namespace {

std::string id_of(std::size_t i) {
  std::string id = std::to_string(i);
  return std::string(64 - id.size(), '0') + id;
}

struct Mesh {
  explicit Mesh(std::size_t n) : present(n, true) {
    for (std::size_t i = 0; i < n; ++i) sightings.identify(i, id_of(i));
  }
  void saw(std::size_t observer, std::size_t subject, Sight state) {
    sightings.saw(observer, {id_of(subject), state});
  }
  void all_see_all() {
    for (std::size_t a = 0; a < present.size(); ++a) {
      for (std::size_t b = 0; b < present.size(); ++b) {
        if (a != b) saw(a, b, Sight::kAlive);
      }
    }
  }
  SightingsSummary summary() const { return sightings.summarize(present); }

  Sightings sightings;
  std::vector<bool> present;
};

TEST(Sightings, ALoneNodeSeesAll) {
  const Mesh mesh(1);
  EXPECT_TRUE(mesh.summary().converged);
  EXPECT_EQ(mesh.summary().members_min, 1U);
}

TEST(Sightings, ConvergesWithTheLastSighting) {
  Mesh mesh(3);
  mesh.saw(0, 1, Sight::kAlive);
  mesh.saw(0, 2, Sight::kAlive);
  mesh.saw(1, 0, Sight::kAlive);
  mesh.saw(1, 2, Sight::kAlive);
  mesh.saw(2, 0, Sight::kAlive);
  EXPECT_FALSE(mesh.summary().converged);
  EXPECT_EQ(mesh.summary().members_min, 2U);
  EXPECT_EQ(mesh.summary().members_max, 3U);
  EXPECT_EQ(mesh.summary().members_median, 3U);
  mesh.saw(2, 1, Sight::kAlive);
  EXPECT_TRUE(mesh.summary().converged);
}

TEST(Sightings, ASuspectIsNotAlive) {
  Mesh mesh(2);
  mesh.all_see_all();
  mesh.saw(0, 1, Sight::kSuspect);
  EXPECT_FALSE(mesh.summary().converged);
  EXPECT_EQ(mesh.sightings.sight(0, 1), Sight::kSuspect);
}

TEST(Sightings, WhoIsGoneMustBeSeenGone) {
  Mesh mesh(3);
  mesh.all_see_all();
  mesh.present[2] = false;
  EXPECT_FALSE(mesh.summary().converged);
  mesh.saw(0, 2, Sight::kFailed);
  mesh.saw(1, 2, Sight::kLeft);
  EXPECT_TRUE(mesh.summary().converged);
  EXPECT_EQ(mesh.summary().members_max, 2U);
}

TEST(Sightings, ARestartForgets) {
  Mesh mesh(2);
  mesh.all_see_all();
  mesh.sightings.forget(0);
  EXPECT_FALSE(mesh.summary().converged);
  EXPECT_EQ(mesh.summary().members_min, 1U);
}

TEST(Sightings, AStrangerSpoilsConvergence) {
  Mesh mesh(2);
  mesh.all_see_all();
  EXPECT_FALSE(mesh.sightings.saw(0, {id_of(77), Sight::kAlive}).has_value());
  EXPECT_FALSE(mesh.summary().converged);
}

TEST(Sightings, MayNameANodeBeforeItIsKnown) {
  Sightings sightings;
  sightings.identify(0, id_of(0));
  sightings.saw(0, {id_of(1), Sight::kAlive});
  EXPECT_FALSE(sightings.summarize({true, true}).converged);
  sightings.identify(1, id_of(1));
  sightings.saw(1, {id_of(0), Sight::kAlive});
  EXPECT_TRUE(sightings.summarize({true, true}).converged);
}

TEST(Sightings, AgreesWithANaiveTable) {
  constexpr std::size_t kNodes = 8;
  Rng rng(4711);
  Mesh mesh(kNodes);
  std::vector<std::vector<Sight>> naive(kNodes, std::vector<Sight>(kNodes, Sight::kUnknown));
  for (int step = 0; step < 5000; ++step) {
    const auto observer = static_cast<std::size_t>(rng.below(kNodes));
    const auto subject = static_cast<std::size_t>(rng.below(kNodes));
    if (rng.chance({1, 50})) {
      mesh.sightings.forget(observer);
      naive[observer].assign(kNodes, Sight::kUnknown);
    } else if (rng.chance({1, 50})) {
      mesh.present[subject] = !mesh.present[subject];
    } else {
      const auto state = rng.chance({9, 10}) ? Sight::kAlive : Sight::kFailed;
      mesh.saw(observer, subject, state);
      naive[observer][subject] = state;
    }
    bool converged = false;
    bool wrong = false;
    for (std::size_t a = 0; a < kNodes; ++a) {
      if (!mesh.present[a]) continue;
      converged = true;
      for (std::size_t b = 0; b < kNodes; ++b) {
        if (a != b && (naive[a][b] == Sight::kAlive) != mesh.present[b]) wrong = true;
      }
    }
    ASSERT_EQ(mesh.summary().converged, converged && !wrong) << "step " << step;
  }
}

}  // namespace
}  // namespace weft::testnet
