// Hostile bytes as values for one reader, behind the mark that they need: opened or not, never more
// than was there; and what is sealed opens again.
#include "crypto/check.h"
#include "crypto/sealed_value.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const weft::CheapProvider provider;
  static const weft::Identity reader(provider, {1});
  weft::testing::FuzzInput input(data, size);
  weft::SeededEntropy entropy(input.byte());
  const bool marked = input.byte() % 4 != 0;
  const weft::ByteView bytes = input.all();
  const weft::NodeId author{{2}}, key{{3}};

  auto value = weft::seal_value(provider, entropy, author, key, reader.public_key(), bytes);
  CHECK(value && value->size() == bytes.size() + weft::kSealedOverhead);
  const auto opened = weft::open_value(provider, reader, author, key, *value);
  CHECK(opened && weft::equal(*opened, bytes));

  weft::Bytes hostile(bytes.begin(), bytes.end());
  if (marked) hostile.insert(hostile.begin(), value->begin(), value->begin() + weft::kSealedMarkBytes);
  const auto other = weft::open_value(provider, reader, author, key, hostile);
  CHECK(!other || (weft::is_sealed(hostile) && other->size() + weft::kSealedOverhead == hostile.size()));
  return 0;
}
