// A log of any bytes is read or refused with its line; what was read can be shown.
#include <nlohmann/json.hpp>
#include <sstream>

#include "crypto/check.h"
#include "testnet/recorded.h"
#include "testnet/watch.h"

namespace weft::testnet {
namespace {

void show(const std::string& text, const LogFacts& facts) {
  Recorded recorded(facts, "log", 1);
  std::istringstream in(text);
  LogReader reader(in);
  Watch watch(recorded);
  recorded.on_sight = [&watch](std::int64_t t, std::size_t by, std::size_t about, Sight state) { watch.note_sight(t, by, about, state); };
  watch.begin({});
  while (true) {
    const auto next = reader.next();
    CHECK(next.has_value());  // it was whole
    if (!*next) break;
    recorded.apply(**next);
  }
  CHECK(recorded.size() <= facts.nodes);
  CHECK(nlohmann::json::accept(watch.change({})));
  CHECK(nlohmann::json::accept(watch.snapshot({})));
  CHECK(nlohmann::json::accept(watch.sights()));
}

}  // namespace
}  // namespace weft::testnet

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::istringstream in(text);
  const auto facts = weft::testnet::survey_log(in);
  if (!facts) CHECK(facts.error().starts_with("line ") || facts.error().starts_with("no node"));
  // Who sees whom of thousands costs time and shows nothing new.
  else if (facts->nodes <= 300) weft::testnet::show(text, *facts);
  return 0;
}
