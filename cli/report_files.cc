#include "cli/report_files.h"

#include <cstdio>
#include <ctime>

#include "cli/scenario_file.h"
#include "testnet/page.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

bool is_operation(const std::string& line) { return line.find("\"event\":\"op\"") != std::string::npos; }

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

std::pair<Json, std::size_t> events_for_page(std::istream& log, std::size_t bytes_max) {
  std::size_t operations = 0, others = 0;
  for (std::string line; std::getline(log, line);) (is_operation(line) ? operations : others) += line.size() + 1;
  const std::size_t room = bytes_max > others ? bytes_max - others : 0;
  // Each so many-th operation; none at all where the rest fills the page.
  const std::size_t every = operations <= room ? 1 : room == 0 ? 0 : (operations + room - 1) / room;
  log.clear();
  log.seekg(0);
  Json kept = Json::array();
  std::size_t bytes = 0, seen = 0, left_out = 0;
  for (std::string line; std::getline(log, line);) {
    const bool operation = is_operation(line);
    const bool wanted = operation ? every > 0 && seen++ % every == 0 : bytes + line.size() < bytes_max;
    Json event = wanted ? Json::parse(line, nullptr, /*allow_exceptions=*/false) : Json();
    if (!event.is_object()) {
      ++left_out;
      continue;
    }
    bytes += line.size() + 1;
    kept.push_back(std::move(event));
  }
  return {std::move(kept), left_out};
}

std::string report_page(const std::vector<Json>& runs) {
  const std::string_view page = testnet::report_html();
  const std::size_t place = page.find(testnet::kReportPlace);
  if (place == std::string_view::npos) return {};
  std::string data;
  // A '<' of a text could end the script element that the data stand in.
  for (const char c : Json(runs).dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') data += "\\u003c";
    else data += c;
  }
  return std::string(page.substr(0, place)) + data + std::string(page.substr(place + testnet::kReportPlace.size()));
}

std::optional<Json> run_of_page(std::string_view page) {
  constexpr std::string_view kBegin = R"(id="runs">)", kEnd = "</script>";
  const std::size_t begin = page.find(kBegin);
  const std::size_t end = begin == std::string_view::npos ? begin : page.find(kEnd, begin);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = page.substr(begin + kBegin.size(), end - begin - kBegin.size());
  Json runs = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!runs.is_array() || runs.empty() || !runs.back().is_object() || !runs.back().contains("report")) return std::nullopt;
  return std::move(runs.back());
}

Result<ReportFiles> ReportFiles::open(const std::string& dir, const std::vector<std::string>& compare) {
  std::vector<Json> earlier;
  for (const std::string& other : compare) {
    const std::string path = other + "/report.html";
    std::ifstream in(path, std::ios::binary);
    std::string page(kPageBytesMax, '\0');
    in.read(page.data(), static_cast<std::streamsize>(page.size()));
    page.resize(static_cast<std::size_t>(in.gcount()));
    auto run = run_of_page(page);
    if (!run) return usage(path + " is no report to compare with");
    earlier.push_back(std::move(*run));
  }
  if (auto made = make_directory(dir); !made) return std::unexpected(made.error());
  ReportFiles files;
  files.earlier_ = std::move(earlier);
  files.dir_ = dir;
  files.events_.open(dir + "/events.jsonl", std::ios::binary | std::ios::trunc);
  if (!files.events_) return fail(kExitFailed, "io", "cannot write " + dir + "/events.jsonl");
  return files;
}

Result<void> ReportFiles::finish(const Json& report, const RunFacts& facts) {
  const std::string log = dir_ + "/events.jsonl";
  events_.close();
  if (!events_) return fail(kExitFailed, "io", "cannot write " + log);
  if (auto written = write_text(dir_ + "/report.json", report.dump(2) + "\n"); !written) return written;
  std::ifstream back(log, std::ios::binary);
  auto [events, left_out] = events_for_page(back);
  std::vector<Json> runs = std::move(earlier_);
  runs.push_back(Json{{"report", report},
                      {"events", std::move(events)},
                      {"events_left_out", left_out},
                      {"scenario_text", facts.scenario},
                      {"command", facts.command},
                      {"world", facts.world},
                      {"trace_hash", facts.trace_hash},
                      {"made", now_text()}});
  const std::string page = report_page(runs);
  if (page.empty()) {
    std::fputs("weft was built without npm: there is no report.html\n", stderr);
    return {};
  }
  return write_text(dir_ + "/report.html", page);
}

}  // namespace weft::cli
