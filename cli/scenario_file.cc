#include "cli/scenario_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "cli/output.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

Result<std::string> read_text(const std::string& path, std::size_t most) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return usage("cannot read " + path + ": " + std::strerror(errno));
  std::string text(most + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return usage("cannot read " + path);
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

Result<LoadedScenario> load_scenario(const SimFlags& flags, scenario::World world) {
  auto text = read_text(flags.scenario, scenario::kTextMax);
  if (!text) return std::unexpected(text.error());
  auto parsed = scenario::parse_scenario(*text, flags.scenario);
  if (!parsed) return usage(to_string(parsed.error()));
  if (flags.nodes) parsed->nodes = static_cast<std::uint32_t>(*flags.nodes);
  if (flags.seed) parsed->seed = *flags.seed;
  if (const auto no = unsupported(*parsed, world, flags.scenario)) {
    return usage(to_string(*no));
  }
  LoadedScenario loaded{std::move(*parsed), {}, {}};
  const std::string& file = loaded.scenario.link.spec.matrix_file;
  if (!file.empty()) {
    // Beside the scenario, unless the path is absolute.
    const auto path = std::filesystem::path(flags.scenario).parent_path() / file;
    auto csv = read_text(path.string(), 1 << 20);
    if (!csv) return std::unexpected(csv.error());
    auto matrix = testnet::parse_rtt_matrix(*csv);
    if (!matrix) return usage(path.string() + ": " + matrix.error());
    loaded.matrix = std::move(*matrix);
    loaded.matrix_csv = std::move(*csv);
  }
  if (loaded.scenario.churn && !loaded.scenario.churn->trace_file.empty()) {
    const auto path = std::filesystem::path(flags.scenario).parent_path() / loaded.scenario.churn->trace_file;
    auto csv = read_text(path.string(), testnet::kTraceBytesMax);
    if (!csv) return std::unexpected(csv.error());
    if (const auto no = attach_trace(loaded.scenario, *csv, path.string())) return usage(to_string(*no));
  }
  return loaded;
}

namespace {

std::string cell(const Json& value, const char* unit) {
  if (value.is_null()) return "-";
  char text[40];
  const double number = value.get<double>();
  std::snprintf(text, sizeof text, "%.4g%s", number < 0.0005 ? 0 : number, unit);
  return text;
}

}  // namespace

std::string report_text(const Json& report) {
  Table table({"phase", "from", "to", "alive", "converged", "false", "detected", "puts", "gets",
               "get p50", "get p99", "B/node/s"});
  for (const Json& p : report.at("phases")) {
    const Json& m = p.at("members");
    const auto share = [&](const char* op) {
      return p.at(op).at("ops").get<std::uint64_t>() == 0
                 ? std::string("-")
                 : std::to_string(p.at(op).at("ok").get<std::uint64_t>()) + "/" +
                       std::to_string(p.at(op).at("ops").get<std::uint64_t>());
    };
    table.add({p.at("name").get<std::string>(), cell(p.at("start_s"), "s"), cell(p.at("end_s"), "s"),
               std::to_string(p.at("nodes_alive").get<std::uint64_t>()),
               m.at("converged").get<bool>() ? cell(m.at("converge_s"), "s") : "no",
               std::to_string(m.at("false_failures").get<std::uint64_t>()),
               cell(m.at("detect_all_s").at("max"), "s"), share("puts"), share("gets"),
               cell(p.at("gets").at("latency_ms").at("p50"), "ms"),
               cell(p.at("gets").at("latency_ms").at("p99"), "ms"),
               cell(p.at("traffic").at("bytes_per_node_s"), "")});
  }
  std::string text = table.text();
  for (const Json& check : report.at("checks")) {
    text += std::string(check.at("passed").get<bool>() ? "ok    " : "FAIL  ") +
            check.at("field").get<std::string>() + " " + check.at("is").get<std::string>() + " " +
            check.at("value").dump() + ": " + check.at("got").dump() + "\n";
  }
  return text;
}

std::string failed_check(const Json& report) {
  for (const auto& check : report.at("checks")) {
    if (check.at("passed").get<bool>()) continue;
    return "check " + check.at("field").get<std::string>() + " " + check.at("is").get<std::string>() + " " +
           check.at("value").dump() + ": it is " + check.at("got").dump();
  }
  return "nothing";
}

Result<void> write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) return fail(kExitFailed, "io", "cannot write " + path + ": " + std::strerror(errno));
  return {};
}

Result<void> make_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail(kExitFailed, "io", "cannot make " + path + ": " + error.message());
  return {};
}

}  // namespace weft::cli
