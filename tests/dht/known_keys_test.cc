#include "dht/known_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "crypto/rng.h"

namespace weft::dht {
namespace {

NodeId key_of(std::uint64_t n) {
  NodeId key;
  key.bytes[0] = static_cast<std::uint8_t>(n);
  key.bytes[20] = static_cast<std::uint8_t>(n >> 8U);
  return key;
}

// Against a plain vector in the order of the last question.
TEST(KnownKeys, AgreeWithAVectorOfThem) {
  Rng rng(3);
  KnownKeys known(0x1234);
  struct Model {
    NodeId key;
    std::uint64_t changed;
  };
  std::vector<Model> model;
  for (std::uint64_t step = 1; step <= 20'000; ++step) {
    const NodeId key = key_of(rng.below(step % 4'000 < 2'000 ? 400 : 20));
    const auto it = std::ranges::find(model, key, &Model::key);
    switch (rng.below(5)) {
      case 0:
        if (it == model.end()) {
          known.add(key).changed = step;
          model.push_back({key, step});
        } else if (known.touch(key) != nullptr) {
          std::rotate(it, it + 1, model.end());
        }
        break;
      case 1: {
        KnownKeys::Entry* found = known.touch(key);
        ASSERT_EQ(found != nullptr, it != model.end());
        if (found == nullptr) break;
        EXPECT_EQ(found->changed, it->changed);
        std::rotate(it, it + 1, model.end());
        break;
      }
      case 2: {
        KnownKeys::Entry* found = known.find(key);
        ASSERT_EQ(found != nullptr, it != model.end());
        if (found != nullptr) found->changed = it->changed = step;
        break;
      }
      case 3:
        if (model.empty()) break;
        known.spare_oldest();
        std::ranges::rotate(model, model.begin() + 1);
        break;
      default:
        if (model.empty()) break;
        known.remove_oldest();
        model.erase(model.begin());
    }
    ASSERT_EQ(known.size(), model.size());
    ASSERT_EQ(known.oldest() != nullptr, !model.empty());
    if (!model.empty()) {
      ASSERT_EQ(known.oldest()->key, model.front().key);
      ASSERT_EQ(known.oldest()->changed, model.front().changed);
    }
  }
  while (!model.empty()) {
    ASSERT_EQ(known.oldest()->key, model.front().key);
    known.remove_oldest();
    model.erase(model.begin());
  }
  EXPECT_EQ(known.oldest(), nullptr);
  EXPECT_EQ(known.find(key_of(1)), nullptr);
}

}  // namespace
}  // namespace weft::dht
