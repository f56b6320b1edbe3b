#include "node/home.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/node/scratch_dir.h"

namespace weft::node {
namespace {

using testing::HasSubstr;

IdentitySeed seed_of(std::uint8_t byte) {
  IdentitySeed seed;
  seed.fill(byte);
  return seed;
}

TEST(Home, CreatesDirectoryAndIdentityForItsOwnerAlone) {
  ScratchDir dir;
  auto home = Home::open(dir.path("a/b"));
  ASSERT_TRUE(home) << home.error().message;
  EXPECT_EQ(dir.mode("a"), 0700u);
  EXPECT_EQ(dir.mode("a/b"), 0700u);
  const auto seed = home->load_or_create_identity(seed_of(7));
  ASSERT_TRUE(seed) << seed.error().message;
  EXPECT_EQ(*seed, seed_of(7));
  EXPECT_EQ(dir.mode("a/b/identity"), 0600u);
  EXPECT_FALSE(std::filesystem::exists(dir.path("a/b/identity.new")));
}

TEST(Home, KeepsItsIdentity) {
  ScratchDir dir;
  { ASSERT_TRUE(Home::open(dir.path())->load_or_create_identity(seed_of(7))); }
  auto again = Home::open(dir.path());
  ASSERT_TRUE(again);
  EXPECT_EQ(*again->load_or_create_identity(seed_of(8)), seed_of(7));
}

TEST(Home, IsUsedByOneNodeAtATime) {
  ScratchDir dir;
  const auto first = Home::open(dir.path());
  ASSERT_TRUE(first);
  const auto second = Home::open(dir.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().exit_status, 1);
  EXPECT_THAT(second.error().message, HasSubstr("in use by process " + std::to_string(::getpid())));
}

TEST(Home, IsFreeAgainWhenItsProcessWasKilled) {
  ScratchDir dir;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto held = Home::open(dir.path());
    ::raise(SIGKILL);
    ::_exit(held ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(Home::open(dir.path()));
}

TEST(Home, RemembersWhenItWasLastAlive) {
  ScratchDir dir;
  {
    auto home = Home::open(dir.path());
    EXPECT_EQ(home->last_seen().value, 0);
    home->touch({1'700'000'000'123});
  }
  EXPECT_EQ(Home::open(dir.path())->last_seen().value, 1'700'000'000'123);
}

TEST(Home, RefusesAnIdentityThatOthersCanRead) {
  ScratchDir dir;
  dir.write("identity", format_identity(seed_of(1)), 0640);
  const auto seed = Home::open(dir.path())->load_or_create_identity(seed_of(2));
  ASSERT_FALSE(seed);
  EXPECT_EQ(seed.error().exit_status, 2);
  EXPECT_THAT(seed.error().message, HasSubstr("chmod 600 " + dir.path("identity")));
}

TEST(Home, RefusesADirectoryThatOthersMayWrite) {
  ScratchDir dir;
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0777));
  const auto home = Home::open(dir.path());
  ASSERT_FALSE(home);
  EXPECT_THAT(home.error().message, HasSubstr("chmod 700"));
}

TEST(Home, RefusesWhatIsNoDirectory) {
  ScratchDir dir;
  dir.write("file", "x");
  EXPECT_EQ(Home::open(dir.path("file")).error().exit_status, 2);
}

TEST(Home, RefusesAPathTooLongForASocket) {
  ScratchDir dir;
  const std::string base = dir.path() + "/";
  const std::size_t fits = kSocketPathBytesMax - base.size() - std::string("/control.sock").size();
  EXPECT_TRUE(Home::open(base + std::string(fits, 'x')));
  const auto longer = Home::open(base + std::string(fits + 1, 'x'));
  ASSERT_FALSE(longer);
  EXPECT_THAT(longer.error().message, HasSubstr("108 bytes"));
}

TEST(Identity, RoundTripsAsText) {
  EXPECT_EQ(*parse_identity(format_identity(seed_of(3)), "f"), seed_of(3));
}

TEST(Identity, EveryDamagedCharacterIsNoticed) {
  const std::string good = format_identity(seed_of(3));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == '5' ? '6' : '5';
    EXPECT_FALSE(parse_identity(bad, "f")) << "at " << i;
  }
  for (std::size_t size = 0; size + 1 < good.size(); ++size) {
    EXPECT_FALSE(parse_identity(good.substr(0, size), "f")) << "of " << size;
  }
  EXPECT_FALSE(parse_identity(good + "x", "f"));
}

TEST(Identity, IsExportedAndImported) {
  ScratchDir dir;
  { ASSERT_TRUE(Home::open(dir.path("a"))->load_or_create_identity(seed_of(9))); }
  ASSERT_TRUE(export_identity(dir.path("a"), dir.path("copy")));
  EXPECT_EQ(dir.mode("copy"), 0600u);
  ASSERT_TRUE(import_identity(dir.path("b"), dir.path("copy")));
  EXPECT_EQ(*Home::open(dir.path("b"))->load_or_create_identity(seed_of(1)), seed_of(9));
}

TEST(Identity, ExportAndImportReplaceNothing) {
  ScratchDir dir;
  { ASSERT_TRUE(Home::open(dir.path("a"))->load_or_create_identity(seed_of(9))); }
  dir.write("taken", "precious");
  const auto exported = export_identity(dir.path("a"), dir.path("taken"));
  ASSERT_FALSE(exported);
  EXPECT_EQ(exported.error().exit_status, 2);
  EXPECT_EQ(dir.read("taken"), "precious");
  dir.write("other", format_identity(seed_of(1)));
  EXPECT_FALSE(import_identity(dir.path("a"), dir.path("other")));
  EXPECT_EQ(*read_identity(dir.path("a/identity")), seed_of(9));
}

TEST(Identity, IsNotImportedIntoAHomeInUse) {
  ScratchDir dir;
  dir.write("other", format_identity(seed_of(1)));
  const auto home = Home::open(dir.path("a"));
  const auto imported = import_identity(dir.path("a"), dir.path("other"));
  ASSERT_FALSE(imported);
  EXPECT_THAT(imported.error().message, HasSubstr("in use"));
}

}  // namespace
}  // namespace weft::node
