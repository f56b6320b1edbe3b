// What one node says is taken as a whole or not at all, and what another one said stays as it was.
#include "crypto/check.h"
#include "testnet/merged_metrics.h"
#include "testnet/watch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  weft::testnet::MergedMetrics merged;
  CHECK(merged.add("n0", "# TYPE weft_a gauge\nweft_a 1\n"));
  const std::string before = merged.text();
  const bool taken = merged.add("n1", text);
  const std::string after = merged.text();
  CHECK(taken ? after.starts_with(before) : after == before);
  CHECK(after.size() <= before.size() + size + (size + 1) * sizeof "{node=\"n1\"},");
  (void)weft::testnet::read_totals(text);
  return 0;
}
