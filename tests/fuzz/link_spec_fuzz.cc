// A SPEC of a link that is accepted says itself again, and its model keeps its bounds.
#include "crypto/check.h"
#include "node/link_model.h"
#include "node/seed_text.h"
#include "node/units.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(weft::node::parse_seed(text));
  if (const auto spec = weft::node::parse_link_spec(text)) {
    const auto again = weft::node::parse_link_spec(weft::node::to_string(*spec));
    CHECK(again.has_value());
    // A latency that stands beside no matrix is the only word that a matrix hides.
    CHECK(*again == *spec || !spec->matrix_file.empty());
    weft::node::LinkModel model;
    model.set_spec(*spec);
    for (int i = 0; i < 4; ++i) {
      const auto fate = model.decide({}, weft::Endpoint::v4(1, 1, 1, 1, 1),
                                     weft::Endpoint::v4(2, 2, 2, 2, 2), 1200);
      for (const weft::Duration delay : fate.delays) CHECK(delay >= weft::Duration(0));
    }
  }
  if (const auto duration = weft::node::parse_duration(text)) {
    CHECK(weft::node::parse_duration(weft::node::format_duration(*duration)) == duration);
  }
  return 0;
}
