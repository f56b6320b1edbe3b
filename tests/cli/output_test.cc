#include "cli/output.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

TEST(Output, ColumnsAreAligned) {
  Table table({"NAME", "N", "LAST"});
  table.add({"a", "7", "x"});
  table.add({"longer", "12", "y z"});
  EXPECT_EQ(table.text(),
            "NAME     N  LAST\n"
            "a        7  x\n"
            "longer  12  y z\n");
  EXPECT_EQ(Table({"EMPTY"}).text(), "");
}

TEST(Output, WideCharactersTakeTwoColumns) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("häß"), 3U);
  EXPECT_EQ(display_width("漢字"), 4U);
  EXPECT_EQ(display_width("\xff"), 1U);
  EXPECT_EQ(display_width("\xe4\xb8"), 2U);  // cut off: byte by byte
}

TEST(Output, Quantities) {
  EXPECT_EQ(format_age(7), "7s");
  EXPECT_EQ(format_age(63), "1m 3s");
  EXPECT_EQ(format_age(7500), "2h 5m");
  EXPECT_EQ(format_age(90000), "1d 1h");
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(20U << 20), "20.0 MiB");
  EXPECT_EQ(format_ms(0.312), "0.31 ms");
  EXPECT_EQ(format_ms(12.34), "12.3 ms");
  EXPECT_EQ(format_ms(1200), "1.20 s");
}

}  // namespace
}  // namespace weft::cli
