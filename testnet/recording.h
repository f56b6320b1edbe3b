// Reading the log of a run (docs/SIMULATOR.md): events.jsonl of a report, or what `weft sim run --log` writes, which tells ids and who saw
// whom besides.
//
// Read as a stream, a line at a time; what comes out has been checked: times do not go back, nodes are below kReplayNodesMax, a sighting is
// of two nodes. Bounded: kLogLineMax a line, kLogWordMax a text. Events that a page has no use for come as kOther. Pure. One thread.
#pragma once

#include <cstdint>
#include <expected>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "testnet/sightings.h"

namespace weft::testnet {

inline constexpr std::size_t kLogLineMax = 1U << 20;
inline constexpr std::size_t kLogWordMax = 1000;         // of a link, a phase, a name
inline constexpr std::size_t kReplayNodesMax = 4000;      // who sees whom is 16 MB then
inline constexpr std::int64_t kLogTimeMaxMs = 60LL * 24 * 3600 * 1000;

struct LogSight {
  std::uint32_t observer = 0, subject = 0;
  Sight state = Sight::kUnknown;
};

struct LogEvent {
  enum class What : std::uint8_t {
    kRecording, kPhase, kStart, kBoot, kReady, kEnd, kLost, kPause, kResume, kRestart, kCutOff, kPartition, kHeal, kLink, kChurn,
    kChurnOver, kSaw, kSample, kOperation, kFalseFailure, kDone, kOther
  };
  // What an operation was; the first three as in kOperations of rates.h.
  enum class Operation : std::uint8_t { kPut, kGet, kLookup, kWrite };

  What what = What::kOther;
  std::int64_t t_ms = 0;
  std::size_t node = 0;                // kStart to kRestart, kFalseFailure
  std::string text;                    // kBoot: id; kPhase: name; kLink: spec; kRecording: the scenario's name
  bool one_way = false;                // kPartition
  std::vector<std::uint32_t> nodes;    // kCutOff
  std::vector<LogSight> sights;        // kSaw
  std::uint64_t up = 0, members_min = 0, members_median = 0, members_max = 0, bytes = 0, packets = 0;  // kSample
  std::optional<std::uint64_t> values, own_values;  // kSample; not told by every log
  std::vector<std::uint64_t> arrivals;              // kSample; by class of Histogram, shorter: the rest is 0
  Operation operation = Operation::kPut;  // kOperation
  std::optional<std::int64_t> took_us;    // kOperation; none: it failed
};

class LogReader {
 public:
  // `in` must outlive it.
  explicit LogReader(std::istream& in) : in_(in) {}
  // The next event; nothing at the end; or what is wrong, in a sentence that names the line. After that it must not be asked again.
  std::expected<std::optional<LogEvent>, std::string> next();

 private:
  enum class Got : std::uint8_t { kLine, kEnd, kTooLong, kFailed };
  Got read_line();

  std::istream& in_;
  std::string line_;
  std::size_t number_ = 0;
  std::int64_t t_ms_ = 0;
};

// The event of one line, or what is wrong with it.
std::expected<LogEvent, std::string> parse_log_line(std::string_view line);

// What has to be known before a log is shown.
struct LogFacts {
  std::size_t nodes = 0;
  std::int64_t length_ms = 0;
  std::string scenario;          // its name; empty: not told
  std::vector<std::string> ids;  // by node, empty where not told
  bool told_ready = false;       // it says when a node is ready
  bool told_sights = false;      // and who saw whom
};
// Reads all of it.
std::expected<LogFacts, std::string> survey_log(std::istream& in);

}  // namespace weft::testnet
