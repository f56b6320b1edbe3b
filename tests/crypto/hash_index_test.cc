#include "crypto/hash_index.h"

#include <gtest/gtest.h>

#include <map>

#include "crypto/rng.h"

namespace weft {
namespace {

NodeId some_id(Rng& rng, std::uint64_t kinds) {
  NodeId id;
  id.bytes[0] = static_cast<std::uint8_t>(rng.below(kinds));
  id.bytes[31] = static_cast<std::uint8_t>(rng.below(4));  // what does not go into the hash
  return id;
}

// Few keys, so that most of what is asked for is there, was there, or collides.
TEST(HashIndex, AgreesWithAMap) {
  for (const std::uint64_t salt : {std::uint64_t{0}, std::uint64_t{0x1234567890abcdef}}) {
    Rng rng(7);
    HashIndex<NodeId> index(salt);
    std::map<NodeId, std::uint32_t> model;
    std::vector<NodeId> ids(300);
    std::vector<std::uint32_t> free;
    for (std::uint32_t i = 0; i < ids.size(); ++i) free.push_back(i);
    for (int step = 0; step < 40'000; ++step) {
      const NodeId id = some_id(rng, step % 10'000 < 5'000 ? 60 : 6);
      const auto found = index.find(id, [&](std::uint32_t slot) -> NodeId& { return ids[slot]; });
      const auto it = model.find(id);
      ASSERT_EQ(found, it == model.end() ? HashIndex<NodeId>::kNone : it->second);
      if (it != model.end()) {
        if (rng.below(2) == 0) continue;
        index.erase(id, it->second);
        free.push_back(it->second);
        model.erase(it);
      } else {
        const std::uint32_t slot = free.back();
        free.pop_back();
        ids[slot] = id;
        index.insert(id, slot);
        model[id] = slot;
      }
      ASSERT_EQ(index.size(), model.size());
    }
  }
}

TEST(HashIndex, TellsPortsAndAddressesApart) {
  HashIndex<Endpoint> index(1);
  std::vector<Endpoint> endpoints;
  for (std::uint8_t host = 0; host < 20; ++host) {
    for (std::uint16_t port = 1; port < 20; ++port) endpoints.push_back(Endpoint::v4(10, 0, 0, host, port));
  }
  for (std::uint32_t i = 0; i < endpoints.size(); ++i) index.insert(endpoints[i], i);
  const auto key_of = [&](std::uint32_t slot) -> Endpoint& { return endpoints[slot]; };
  for (std::uint32_t i = 0; i < endpoints.size(); ++i) EXPECT_EQ(index.find(endpoints[i], key_of), i);
  EXPECT_EQ(index.find(Endpoint::v4(10, 0, 1, 0, 1), key_of), HashIndex<Endpoint>::kNone);
}

}  // namespace
}  // namespace weft
