// What a run leaves behind with --report DIR: the event log events.jsonl, report.json, and report.html, the story of both in one file that
// needs no network (docs/SIMULATOR.md).
//
// report.html holds at most kPageEventsBytesMax of the log: of a longer one each k-th operation, and all else as long as it fits; how many lines were left out it
// says. Where weft was built without its pages there is none, and a line on stderr says so.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/context.h"

namespace weft::cli {

inline constexpr std::size_t kPageEventsBytesMax = 1'500'000;
inline constexpr std::size_t kPageBytesMax = 64U << 20;  // of a page that is read for comparison

// What a report's page says of its run besides.
struct RunFacts {
  std::string world;     // "simulator" or "processes"
  std::string command;   // that repeats it
  std::string scenario;  // TOML
  std::string trace_hash;
};

class ReportFiles {
 public:
  // Makes the folder and begins the log. `compare`: folders of earlier reports, whose runs the page shows first; one that has no page is
  // an error (exit 2).
  static Result<ReportFiles> open(const std::string& dir, const std::vector<std::string>& compare = {});
  void log(const std::string& line) { events_ << line << '\n'; }
  // Ends the log and writes the other two.
  Result<void> finish(const nlohmann::ordered_json& report, const RunFacts& facts);

 private:
  std::string dir_;
  std::vector<nlohmann::ordered_json> earlier_;
  std::ofstream events_;
};

// The page of these runs: JSON objects with `report`, `events`, `events_left_out` and the facts. Empty: there is no page.
std::string report_page(const std::vector<nlohmann::ordered_json>& runs);
// The last of the runs that a page holds; nothing if it is none of report_page's.
std::optional<nlohmann::ordered_json> run_of_page(std::string_view page);
// The events of a log that a page takes, and how many lines it leaves out.
std::pair<nlohmann::ordered_json, std::size_t> events_for_page(std::istream& log, std::size_t bytes_max = kPageEventsBytesMax);

}  // namespace weft::cli
