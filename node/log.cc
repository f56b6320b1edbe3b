#include "node/log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <array>
#include <utility>

#include "node/control_json.h"
#include "node/line_writer.h"
#include "node/uv_shell.h"

namespace weft::node {
namespace {

constexpr std::array<std::string_view, 5> kLevelNames = {"trace", "debug", "info", "warn", "error"};

spdlog::level::level_enum spd_level(LogLevel level) {
  return static_cast<spdlog::level::level_enum>(level);  // both count from trace
}

// Length of the printable UTF-8 sequence at the start of `text`, 0 if there is none.
std::size_t printable_length(std::string_view text) {
  const auto byte = [&text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  if (byte(0) < 0x80) return byte(0) >= 0x20 && byte(0) != 0x7f ? 1 : 0;
  const std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return 0;
  std::uint32_t code = byte(0) & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
  if (code < 0xa0) return 0;  // C1 controls
  // Separators and marks that turn the direction of what follows.
  if ((code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e)) return 0;
  if ((code >= 0x2060 && code <= 0x206f) || code == 0xfeff) return 0;
  return length;
}

}  // namespace

std::string_view to_string(LogLevel level) { return kLevelNames[static_cast<std::size_t>(level)]; }

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] == text) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

std::string escaped(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = printable_length(text);
    if (length != 0) {
      out += text.substr(0, length);
    } else {
      const auto byte = static_cast<std::uint8_t>(text[0]);
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::optional<LogFormat> parse_log_format(std::string_view text) {
  if (text == "text") return LogFormat::kText;
  if (text == "json") return LogFormat::kJson;
  return std::nullopt;
}

// Formats for stderr by spdlog's pattern or as JSON, and keeps the bare text.
struct Log::State {
  class Sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
   public:
    Sink(int fd, LogFormat as) : writer(fd), format(as) {}

    LineWriter writer;
    LogFormat format;
    std::deque<LogLine> lines;
    std::size_t bytes = 0;
    std::function<void(const LogLine&)> listener;

   private:
    void sink_it_(const spdlog::details::log_msg& message) override {
      keep(message);
      if (format == LogFormat::kJson) return writer.write(log_line_json(lines.back()));
      spdlog::memory_buf_t time;
      formatter_->format(message, time);
      std::string line(time.data(), time.size());
      line += to_string(static_cast<LogLevel>(message.level));
      line += ' ';
      line.append(message.payload.data(), message.payload.size());
      writer.write(line);
    }
    void flush_() override { writer.flush(); }

    void keep(const spdlog::details::log_msg& message) {
      using std::chrono::duration_cast;
      const auto since = message.time.time_since_epoch();
      lines.push_back({{duration_cast<std::chrono::milliseconds>(since).count()},
                       static_cast<LogLevel>(message.level),
                       std::string(message.payload.data(), message.payload.size())});
      bytes += lines.back().text.size();
      while (lines.size() > 1 && (lines.size() > kLogLinesMax || bytes > kLogBytesMax)) {
        bytes -= lines.front().text.size();
        lines.pop_front();
      }
      if (listener) listener(lines.back());
    }
  };

  State(int fd, LogFormat format) : sink(std::make_shared<Sink>(fd, format)), logger("weft", sink) {
    // The level's name is ours, the newline the writer's.
    logger.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%eZ ", spdlog::pattern_time_type::utc, ""));
  }

  std::shared_ptr<Sink> sink;
  spdlog::logger logger;
};

namespace {
constexpr Duration kLineEvery = Duration(1s) / kLogLinesPerS;
constexpr Duration kAllowanceMax = kLineEvery * kLogBurst;
}  // namespace

Log::Log(LogLevel level, int fd, LogFormat format, std::function<Instant()> clock)
    : level_(level),
      clock_(clock ? std::move(clock) : std::function<Instant()>([] { return read_clocks().mono; })),
      filled_(clock_()),
      allowance_(kAllowanceMax),
      state_(std::make_unique<State>(fd, format)) {
  state_->logger.set_level(spd_level(level));
}
Log::~Log() = default;

void Log::write(LogLevel level, std::string_view text) {
  if (!wants(level)) return;
  if (!admit()) {
    ++left_out_;
    ++left_out_total_;
    return;
  }
  if (const std::uint64_t missing = std::exchange(left_out_, 0); missing > 0) {
    state_->logger.log(spd_level(level), std::to_string(missing) + " lines were left out: more than " + std::to_string(kLogLinesPerS) + " a second");
  }
  state_->logger.log(spd_level(level), spdlog::string_view_t(text.data(), text.size()));
}

bool Log::admit() {
  const Instant now = clock_();
  allowance_ = std::min(kAllowanceMax, allowance_ + std::max(Duration{}, now - filled_));
  filled_ = now;
  if (allowance_ < kLineEvery) return false;
  allowance_ -= kLineEvery;
  return true;
}

void Log::set_level(LogLevel level) {
  level_ = level;
  state_->logger.set_level(spd_level(level));
}

const std::deque<LogLine>& Log::lines() const { return state_->sink->lines; }
void Log::on_line(std::function<void(const LogLine&)> listener) {
  state_->sink->listener = std::move(listener);
}
void Log::flush() { state_->sink->writer.flush(); }
bool Log::waiting() const { return state_->sink->writer.waiting(); }

}  // namespace weft::node
