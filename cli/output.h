// Output for people: tables and quantities. Text that came from peers goes through
// node::escaped() before it gets here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::cli {

// Columns aligned by what a terminal shows; numbers (cells of digits, with a unit) to the right.
// The last column is not padded. Empty without rows.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text(bool with_header = true) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Columns that the text takes: code points, wide ones (CJK, emoji) twice.
std::size_t display_width(std::string_view text);

// "3d 4h", "2h 5m", "1m 3s", "7s".
std::string format_age(std::int64_t seconds);
// "512 B", "1.5 KiB", "20.0 MiB".
std::string format_bytes(std::uint64_t bytes);
// "0.31 ms", "12.4 ms", "1.20 s".
std::string format_ms(double ms);

// Writes all of it to stdout. False if stdout is closed.
bool print(std::string_view text);

}  // namespace weft::cli
