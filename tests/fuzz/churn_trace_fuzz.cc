// A churn trace that is accepted is in order, within its bounds, and no node is up twice at once.
#include "crypto/check.h"
#include "testnet/churn_trace.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::uint32_t nodes = 1U + data[0];
  const auto trace = weft::testnet::parse_churn_trace(text, nodes);
  if (!trace) {
    CHECK(!trace.error().message.empty());
    return 0;
  }
  CHECK(!trace->empty());
  CHECK(trace->size() <= weft::testnet::kTraceSessionsMax);
  for (std::size_t i = 0; i < trace->size(); ++i) {
    const weft::testnet::Session& one = (*trace)[i];
    CHECK(one.node < nodes);
    CHECK(one.up >= weft::Duration{});
    CHECK(one.up < one.down);
    CHECK(one.down <= weft::testnet::kTraceTimeMax);
    if (i == 0) continue;
    const weft::testnet::Session& last = (*trace)[i - 1];
    CHECK(last.node < one.node || (last.node == one.node && last.down < one.up));
  }
  return 0;
}
