// Node records from hostile bytes: raw, and as the body of a record that is otherwise well formed.
#include "crypto/check.h"
#include "crypto/node_record.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

void check(weft::ByteView wire) {
  static const weft::CheapProvider provider;
  const auto peek = weft::peek_record(wire);
  weft::Signature signature;
  const auto decoded = weft::decode_record(wire, signature);
  if (decoded) {
    // One record, one spelling; the cheap look agrees with the thorough one.
    CHECK(peek.has_value());
    CHECK(peek->key == decoded->key);
    CHECK(peek->number == decoded->number);
    CHECK(decoded->number >= 1);
    CHECK(decoded->number <= weft::kNumberMax);
    CHECK(decoded->name.size() <= weft::kNameBytesMax);
    CHECK(decoded->tags.size() <= weft::kTagsMax);
  }
  const auto opened = weft::open_record(provider, wire);
  if (!opened) return;
  CHECK(decoded.has_value());
  CHECK(weft::equal((*opened)->wire, wire));
  CHECK((*opened)->id == weft::node_id_of((*opened)->key));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const weft::ByteView input(data, size);
  check(input);
  // The same bytes as a body with some signature around it.
  weft::ByteArray<1000> room;
  weft::Writer w(room);
  const weft::ByteArray<64> signature{};
  w.array(2).bin(input).bin(signature);
  if (w.ok()) check(w.view());
  return 0;
}
