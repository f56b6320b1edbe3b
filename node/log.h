// The log of one node: lines on stderr, as text or as JSON objects, and the last 500 kept for GET /v1/log.
//
// Bounded: kLogBurst lines at once and kLogLinesPerS for good; what is more is left out and counted, and the next
// line says how many. So nobody who makes a node say something fills a disk with it.
//
// One object a node, no global logger; loop thread only. Text that came from peers or users goes
// through escaped(), so it can neither start a new line nor speak to a terminal.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/time.h"

namespace weft::node {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError };
std::string_view to_string(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view text);

// Printable ASCII and other printable UTF-8 as it is; everything else as \xNN.
std::string escaped(std::string_view text);

struct LogLine {
  UnixMillis at;
  LogLevel level = LogLevel::kInfo;
  std::string text;
};

// How lines on stderr look: "TIME level text", or {"t_ms","level","message"} as in GET /v1/log.
enum class LogFormat : std::uint8_t { kText, kJson };
std::optional<LogFormat> parse_log_format(std::string_view text);

inline constexpr std::size_t kLogBurst = 1000;
inline constexpr std::size_t kLogLinesPerS = 20;
inline constexpr std::size_t kLogLinesMax = 500;
inline constexpr std::size_t kLogBytesMax = 64 * 1024;

class Log {
 public:
  // `fd`: where the lines go, -1 for nowhere. `clock`: what the limit goes by; the machine's monotonic one unless given.
  Log(LogLevel level, int fd, LogFormat format = LogFormat::kText, std::function<Instant()> clock = nullptr);
  ~Log();

  void write(LogLevel level, std::string_view text);
  void debug(std::string_view text) { write(LogLevel::kDebug, text); }
  void info(std::string_view text) { write(LogLevel::kInfo, text); }
  void warn(std::string_view text) { write(LogLevel::kWarn, text); }
  void error(std::string_view text) { write(LogLevel::kError, text); }
  // Whether a line of that level is kept at all: saves making its text.
  bool wants(LogLevel level) const { return level >= level_; }

  LogLevel level() const { return level_; }
  void set_level(LogLevel level);
  const std::deque<LogLine>& lines() const;
  // Lines that the limit has left out so far.
  std::uint64_t left_out_total() const { return left_out_total_; }
  // Called with every line that is kept.
  void on_line(std::function<void(const LogLine&)> listener);
  // Writes what a slow stderr has left over.
  void flush();
  bool waiting() const;

 private:
  struct State;
  bool admit();

  LogLevel level_;
  std::function<Instant()> clock_;
  Instant filled_;                        // when the allowance was last filled up
  Duration allowance_;                    // of the limit: so much time's lines
  std::uint64_t left_out_ = 0;            // since the last line
  std::uint64_t left_out_total_ = 0;
  std::unique_ptr<State> state_;
};

}  // namespace weft::node
