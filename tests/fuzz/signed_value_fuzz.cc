// Hostile bytes as signed values, and as rows of the store: nothing impossible comes out.
#include "crypto/check.h"
#include "dht/rows.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const weft::CheapProvider provider;
  weft::testing::FuzzInput input(data, size);
  const bool own = input.byte() % 2 == 0;
  const weft::ByteView key = input.take(own ? 33 : 65);
  const weft::ByteView bytes = input.all();

  if (const auto value = weft::dht::decode_value(bytes)) {
    CHECK(bytes.size() == weft::dht::kBlobHeadBytes + value->value.size());
    CHECK(value->seq >= 1 && value->seq <= weft::dht::kSeqMax);
    (void)weft::dht::verify_value(provider, {}, *value);
    CHECK(!weft::dht::supersedes(value->seq, bytes, value->seq, bytes));
  }
  const auto row = own ? weft::dht::read_own_row(key, bytes)
                       : weft::dht::read_value_row(key, bytes);
  if (row) CHECK(row->remaining_s <= row->value.lifetime_s);
  (void)weft::dht::read_contacts_row(bytes);
  return 0;
}
