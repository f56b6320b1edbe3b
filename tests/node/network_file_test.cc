#include "node/network_file.h"

#include <gmock/gmock.h>

#include "tests/node/scratch_dir.h"

namespace weft::node {
namespace {

using testing::HasSubstr;

constexpr std::string_view kId = "000102030405060708090a0b0c0d0e0f";
std::string key(char digit) { return std::string(64, digit); }

std::string file(const std::string& keys) {
  return "name = \"office\"\nid = \"" + std::string(kId) + "\"\nkeys = [" + keys + "]\n";
}
std::string message(const std::string& text) {
  const auto parsed = parse_network_file(text, "net.toml");
  return parsed ? "" : parsed.error().message;
}

TEST(NetworkFile, IsRead) {
  const auto network =
      parse_network_file(file("\"" + key('a') + "\", \"" + key('b') + "\""), "net.toml");
  ASSERT_TRUE(network) << network.error().message;
  EXPECT_EQ(network->name, "office");
  EXPECT_TRUE(network->is_private);
  EXPECT_EQ(to_hex(network->id), kId);
  ASSERT_EQ(network->keys.size(), 2u);
  EXPECT_EQ(to_hex(network->keys[0]), key('a'));
}

TEST(NetworkFile, RoundTrips) {
  const auto network = parse_network_file(file("\"" + key('a') + "\""), "net.toml");
  EXPECT_EQ(*parse_network_file(format_network_file(*network), "f"), *network);
}

TEST(NetworkFile, MistakesNameFileAndLine) {
  EXPECT_THAT(message("name = office"), HasSubstr("net.toml:1: "));
  EXPECT_THAT(message(file("")), HasSubstr("net.toml:3: keys must be a list of 1 to 8"));
  EXPECT_THAT(message(file("\"abc\"")), HasSubstr("net.toml:3: a key is a text of 64 hex"));
  EXPECT_THAT(message(file("1")), HasSubstr("net.toml:3: a key is a text of 64 hex"));
  EXPECT_THAT(message(file("\"" + key('a') + "\",\n\"" + key('a') + "\"")),
              HasSubstr("net.toml:4: this key is in the list twice"));
  EXPECT_THAT(message(file("\"" + key('a') + "\"") + "color = 1\n"),
              HasSubstr("net.toml:4: unknown entry color"));
  EXPECT_THAT(message("name = \"a\"\nid = \"00\"\nkeys = [\"" + key('a') + "\"]"),
              HasSubstr("net.toml:2: id must be"));
  EXPECT_THAT(message("name = \"a\"\nid = \"" + std::string(kId) + "\""),
              HasSubstr("the entry keys is missing"));
}

TEST(NetworkFile, HoldsAtMostEightKeys) {
  std::string keys;
  for (char digit = '1'; digit <= '8'; ++digit) keys += "\"" + key(digit) + "\",";
  EXPECT_TRUE(parse_network_file(file(keys), "f"));
  EXPECT_FALSE(parse_network_file(file(keys + "\"" + key('9') + "\""), "f"));
}

TEST(NetworkFile, IsCreatedForItsOwnerAloneAndNotReplaced) {
  ScratchDir dir;
  SeededEntropy entropy(1);
  const auto network = create_network_file(dir.path("office.toml"), entropy);
  ASSERT_TRUE(network) << network.error().message;
  EXPECT_EQ(network->name, "office");
  EXPECT_EQ(dir.mode("office.toml"), 0600u);
  EXPECT_EQ(*read_network_file(dir.path("office.toml")), *network);
  const auto again = create_network_file(dir.path("office.toml"), entropy);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().exit_status, 2);
}

TEST(NetworkFile, RotatePutsAFreshKeyFirstUntilItIsFull) {
  ScratchDir dir;
  SeededEntropy entropy(1);
  const auto first = create_network_file(dir.path("n"), entropy);
  const auto second = rotate_network_file(dir.path("n"), entropy);
  ASSERT_TRUE(second);
  ASSERT_EQ(second->keys.size(), 2u);
  EXPECT_EQ(second->keys[1], first->keys[0]);
  EXPECT_NE(second->keys[0], first->keys[0]);
  EXPECT_EQ(second->id, first->id);
  for (int i = 2; i < 8; ++i) ASSERT_TRUE(rotate_network_file(dir.path("n"), entropy));
  EXPECT_THAT(rotate_network_file(dir.path("n"), entropy).error().message, HasSubstr("delete"));
  EXPECT_EQ(read_network_file(dir.path("n"))->keys.size(), 8u);
}

TEST(NetworkFile, IsRefusedIfOthersCanReadIt) {
  ScratchDir dir;
  dir.write("n", file("\"" + key('a') + "\""), 0644);
  EXPECT_THAT(read_network_file(dir.path("n")).error().message, HasSubstr("chmod 600"));
}

TEST(NetworkFile, ASlashTellsAFileFromAName) {
  EXPECT_EQ(*load_network("weft"), open_network("weft"));
  EXPECT_THAT(load_network("./none").error().message, HasSubstr("cannot open ./none"));
  EXPECT_EQ(load_network("").error().exit_status, 2);
  EXPECT_EQ(load_network(std::string(65, 'a')).error().exit_status, 2);
}

}  // namespace
}  // namespace weft::node
