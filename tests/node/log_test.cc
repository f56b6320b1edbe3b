#include "node/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "node/line_writer.h"
#include "tests/node/scratch_dir.h"

namespace weft::node {
namespace {

TEST(Escaped, KeepsWhatPrints) {
  EXPECT_EQ(escaped("plain text"), "plain text");
  EXPECT_EQ(escaped("Zürich 東京 🦊"), "Zürich 東京 🦊");
}

TEST(Escaped, DisarmsControlCharacters) {
  EXPECT_EQ(escaped("a\nb"), "a\\x0ab");
  EXPECT_EQ(escaped("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(escaped(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(escaped("\x7f"), "\\x7f");
  EXPECT_EQ(escaped("\xc2\x9b"), "\\xc2\\x9b");           // C1 control
  EXPECT_EQ(escaped("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // right-to-left override
}

TEST(Escaped, DisarmsWhatIsNotUtf8) {
  EXPECT_EQ(escaped("\xff"), "\\xff");
  EXPECT_EQ(escaped("\xc3"), "\\xc3");
  EXPECT_EQ(escaped("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
}

TEST(Log, KeepsTheLastLines) {
  Log log(LogLevel::kInfo, -1);
  for (int i = 0; i < 600; ++i) log.info("line " + std::to_string(i));
  ASSERT_EQ(log.lines().size(), kLogLinesMax);
  EXPECT_EQ(log.lines().front().text, "line 100");
  EXPECT_EQ(log.lines().back().text, "line 599");
  EXPECT_GT(log.lines().back().at.value, 1'600'000'000'000);
}

TEST(Log, LeavesOutWhatIsMoreThanItsLimitAndSaysSo) {
  Instant now{};
  Log log(LogLevel::kInfo, -1, LogFormat::kText, [&now] { return now; });
  for (std::size_t i = 0; i < 2 * kLogBurst; ++i) log.info("flood");
  EXPECT_EQ(log.left_out_total(), kLogBurst);
  EXPECT_EQ(log.lines().back().text, "flood");
  now += 1s;
  for (std::size_t i = 0; i < 100; ++i) log.warn("later");
  EXPECT_EQ(log.left_out_total(), kLogBurst + 100 - kLogLinesPerS);
  const auto& lines = log.lines();
  const auto told = std::ranges::find_if(lines, [](const LogLine& line) { return line.text != "flood"; });
  ASSERT_NE(told, lines.end());
  EXPECT_EQ(told->text, std::to_string(kLogBurst) + " lines were left out: more than 20 a second");
  EXPECT_EQ(std::ranges::count(lines, "later", &LogLine::text), static_cast<std::ptrdiff_t>(kLogLinesPerS));
  // A day of flood is what the limit lets through, and then its whole allowance is back.
  now += 24h;
  for (std::size_t i = 0; i < 2 * kLogBurst; ++i) log.info("next day");
  EXPECT_EQ(log.left_out_total(), 2 * kLogBurst + 100 - kLogLinesPerS);
}

TEST(Log, WritesJsonLinesIfAsked) {
  ScratchDir dir;
  const std::string path = dir.path("log");
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
  {
    Log log(LogLevel::kInfo, fd, LogFormat::kJson);
    log.warn("a \"quoted\" line\\ and \xff");
    log.flush();
  }
  char text[256] = {};
  ASSERT_GT(::pread(fd, text, sizeof text - 1, 0), 0);
  ::close(fd);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["level"], "warn");
  EXPECT_EQ(json["message"], "a \"quoted\" line\\ and \xef\xbf\xbd");
  EXPECT_GT(json["t_ms"].get<std::int64_t>(), 1'600'000'000'000);
  EXPECT_EQ(parse_log_format("json"), LogFormat::kJson);
  EXPECT_FALSE(parse_log_format("JSON"));
}

TEST(Log, KeepsBoundedBytes) {
  Log log(LogLevel::kInfo, -1);
  for (int i = 0; i < 100; ++i) log.info(std::string(4096, 'x'));
  EXPECT_LE(log.lines().size() * 4096, kLogBytesMax);
}

TEST(Log, LevelDecidesWhatIsKept) {
  Log log(LogLevel::kWarn, -1);
  log.info("quiet");
  log.warn("heard");
  log.set_level(LogLevel::kDebug);
  log.debug("heard, too");
  ASSERT_EQ(log.lines().size(), 2u);
  EXPECT_EQ(log.lines()[0].level, LogLevel::kWarn);
  EXPECT_EQ(log.lines()[1].level, LogLevel::kDebug);
  EXPECT_FALSE(log.wants(LogLevel::kTrace));
}

TEST(Log, WritesOneLineEach) {
  ScratchDir dir;
  const int fd = ::open(dir.path("log").c_str(), O_WRONLY | O_CREAT, 0600);
  {
    Log log(LogLevel::kInfo, fd);
    log.info("first");
    log.error("second {}");  // braces are text here
  }
  ::close(fd);
  const std::string text = dir.read("log");
  EXPECT_NE(text.find("Z info first\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Z error second {}\n"), std::string::npos) << text;
}

TEST(LogLevel, HasNames) {
  for (const auto* name : {"trace", "debug", "info", "warn", "error"}) {
    EXPECT_EQ(to_string(*parse_log_level(name)), name);
  }
  EXPECT_FALSE(parse_log_level("loud"));
}

TEST(LineWriter, NeverWaitsForASlowReader) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  LineWriter writer(pipe[1]);
  const std::string line(1000, 'x');
  for (int i = 0; i < 1000; ++i) writer.write(line);  // a pipe holds 64 KiB
  EXPECT_TRUE(writer.waiting());
  EXPECT_GT(writer.dropped_total(), 0u);
  std::string got(1 << 20, '\0');
  std::size_t size = 0;
  ssize_t n = 0;
  while (true) {
    n = ::read(pipe[0], got.data(), got.size());
    ASSERT_GT(n, 0);
    size += static_cast<std::size_t>(n);
    if (writer.flush() && size == (1000 - writer.dropped_total()) * 1001) break;
  }
  EXPECT_FALSE(writer.waiting());
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(LineWriter, TurnsItselfOffWhenNobodyReads) {
  ::signal(SIGPIPE, SIG_IGN);
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  ::close(pipe[0]);
  LineWriter writer(pipe[1]);
  writer.write("into the void");
  EXPECT_FALSE(writer.waiting());
  ::close(pipe[1]);
  writer.write("still harmless");
}

}  // namespace
}  // namespace weft::node
