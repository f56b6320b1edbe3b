// The msgpack reader: any bytes, read in any order of types; views never leave the input.
#include "crypto/check.h"
#include "crypto/wire.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weft::testing::FuzzInput in(data, size);
  const weft::ByteView plan = in.take(in.byte() % 64U);
  const weft::ByteView message = in.all();
  weft::Reader r(message);
  const auto inside = [&](weft::ByteView view) {
    if (view.empty()) return;
    CHECK(view.data() >= message.data());
    CHECK(view.data() + view.size() <= message.data() + message.size());
  };
  for (const std::uint8_t step : plan) {
    const std::size_t max = step >> 3;
    const bool failed = r.failed();
    switch (step & 7) {
      case 0:
        (void)r.array(max);
        break;
      case 1:
        (void)r.uint();
        break;
      case 2:
        (void)r.boolean();
        break;
      case 3: {
        const auto view = r.bin(max * 8);
        CHECK(view.size() <= max * 8);
        inside(view);
        break;
      }
      case 4: {
        const auto text = r.str(max * 8);
        CHECK(text.size() <= max * 8);
        inside(weft::as_bytes(text));
        break;
      }
      case 5:
        (void)r.skip_nil();
        break;
      case 6:
        (void)r.bin_exact<8>();
        break;
      default:
        (void)r.next_is_bin();
        break;
    }
    if (failed) CHECK(r.failed());
  }
  const auto error = r.finish();
  if (error) CHECK(weft::to_string(*error) != "unknown");
  return 0;
}
