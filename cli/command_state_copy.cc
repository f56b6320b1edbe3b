// state export and import: a namespace with its signatures as JSON lines, from node to file and back; apply: changes as JSON lines.
//
// The first line is {"weft_export":1,"namespace","genesis":BASE64}, every other one {"entry":BASE64}. A file that was cut off
// holds whole entries up to there. Nothing in it is believed: the node verifies the genesis and each signature.
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/state_parts.h"
#include "node/files.h"
#include "node/log.h"

namespace weft::cli {

namespace {

using Json = nlohmann::ordered_json;
using testnet::encode_query;

constexpr std::size_t kLineBytesMax = 8192;                    // of a file: an entry takes less than 1,600
constexpr std::size_t kBatchBytesMax = 48 * 1024;              // of base64 in one request; the node takes 64 KiB in all
constexpr std::chrono::milliseconds kSettlePause{20};          // for an own entry to become durable
constexpr int kSettleTries = 500;

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin && file != stdout) std::fclose(file);
  }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

Result<File> open_file(const std::string& name, bool write) {
  File file(std::fopen(name.c_str(), write ? "we" : "re"));
  if (file) return file;
  return fail(write ? kExitFailed : kExitUsage, write ? "failed" : "bad_request",
              "cannot open " + name + ": " + node::error_text(errno));
}

Failure cannot_write(const std::string& where) {
  return {kExitFailed, "failed", "cannot write " + where + ": " + node::error_text(errno) + "; what is there is not all", {}};
}

bool put_line(std::FILE* file, const Json& line) {
  const std::string text = dump_line(line);
  return std::fwrite(text.data(), 1, text.size(), file) == text.size();
}

// One line without its end; nullopt: the file has ended, or the line is too long (`failed`).
std::optional<std::string> read_line(std::FILE* file, bool& failed) {
  std::string line;
  for (int c; (c = std::getc(file)) != EOF && c != '\n';) {
    line += static_cast<char>(c);
    failed = line.size() > kLineBytesMax;
    if (failed) return std::nullopt;
  }
  failed = std::ferror(file) != 0;
  if (failed || (line.empty() && std::feof(file) != 0)) return std::nullopt;
  return line;
}

Failure bad_line(const std::string& file, std::size_t number, const char* why) {
  return {kExitUsage, "bad_request", file + ", line " + std::to_string(number) + ": " + why, {}};
}

// Sends entries in batches that the node takes, and adds up what it says.
class Importer {
 public:
  Importer(const NodeClient& client, std::string space, std::string file)
      : client_(client), space_(std::move(space)), file_(std::move(file)) {}

  Result<void> add(std::string entry, std::size_t line) {
    if (entries_.size() == state::kImportMax || bytes_ + entry.size() > kBatchBytesMax) {
      if (auto sent = flush(); !sent) return sent;
    }
    if (entries_.empty()) first_line_ = line;
    bytes_ += entry.size();
    entries_.push_back(std::move(entry));
    last_line_ = line;
    return {};
  }

  Result<void> flush() {
    if (entries_.empty()) return {};
    auto body = client_.post("/v1/state/import", {{"space", space_}, {"entries_base64", std::exchange(entries_, {})}});
    bytes_ = 0;
    if (!body) {
      Failure failure = body.error();
      failure.message = file_ + ", lines " + std::to_string(first_line_) + " to " + std::to_string(last_line_) + ": " + failure.message +
                        "; the " + std::to_string(imported_ + known_) + " entries before are here";
      return std::unexpected(std::move(failure));
    }
    const auto answer = parse_answer(*body);
    if (!answer) return std::unexpected(answer.error());
    imported_ += count_at(*answer, "imported");
    known_ += count_at(*answer, "known");
    return {};
  }

  std::uint64_t imported() const { return imported_; }
  std::uint64_t known() const { return known_; }

 private:
  const NodeClient& client_;
  std::string space_;
  std::string file_;
  std::vector<std::string> entries_;
  std::size_t bytes_ = 0;
  std::size_t first_line_ = 0, last_line_ = 0;
  std::uint64_t imported_ = 0, known_ = 0;
};

// The genesis of the file's first line, if it is an export of that namespace.
Result<std::string> read_head(std::FILE* file, const std::string& name, const SpaceName& space) {
  bool failed = false;
  const auto line = read_line(file, failed);
  const Json head = Json::parse(line.value_or(""), nullptr, /*allow_exceptions=*/false);
  if (!head.is_object() || count_at(head, "weft_export") == 0) return std::unexpected(bad_line(name, 1, "this is no export of a namespace"));
  if (count_at(head, "weft_export") != 1) {
    return std::unexpected(bad_line(name, 1, "a later version of weft wrote this; use that one"));
  }
  const std::string of = text_at(head, "namespace");
  if (of != space.name) return usage(name + " is an export of " + node::escaped(of) + ", not of " + node::escaped(space.name));
  return text_at(head, "genesis");
}

Result<void> read_entries(std::FILE* file, const std::string& name, Importer& importer) {
  bool failed = false;
  for (std::size_t number = 2;; ++number) {
    const auto line = read_line(file, failed);
    if (failed) return std::unexpected(bad_line(name, number, "this cannot be read, or is no entry"));
    if (!line) return importer.flush();
    if (line->empty()) continue;
    std::string entry = text_at(Json::parse(*line, nullptr, /*allow_exceptions=*/false), "entry");
    if (entry.empty()) return std::unexpected(bad_line(name, number, "this is no entry; was the file cut off?"));
    if (auto added = importer.add(std::move(entry), number); !added) return added;
  }
}

}  // namespace

Result<int> run_state_export(const Context& context) {
  const StateFlags& flags = context.args.state;
  if (const auto space = checked_space(flags.name); !space) return std::unexpected(space.error());
  const NodeClient client(context);
  File out(stdout);
  const std::string where = flags.out.value_or("stdout");
  std::string of;
  std::uint64_t entries = 0, cursor = 0;
  std::optional<std::uint64_t> last;  // what arrives while this runs is not waited for
  for (int tries = 0;;) {
    const auto page = ask(client, "/v1/state/export?space=" + encode_query(flags.name) + "&after=" + std::to_string(cursor));
    if (!page) return std::unexpected(page.error());
    if (true_at(*page, "gap")) return fail(kExitFailed, "failed", "the namespace was left and joined again meanwhile; " + where + " has not all of it");
    if (!last) {
      last = count_at(*page, "last");
      if (flags.out) {
        auto opened = open_file(*flags.out, /*write=*/true);
        if (!opened) return std::unexpected(opened.error());
        out = std::move(*opened);
      }
      of = text_at(*page, "namespace");
      const Json head{{"weft_export", 1}, {"namespace", of}, {"genesis", text_at(*page, "genesis_base64")}};
      if (!put_line(out.get(), head)) return std::unexpected(cannot_write(where));
    }
    const Json& list = at(*page, "entries_base64");
    for (const Json& entry : list) {
      if (!put_line(out.get(), {{"entry", entry}})) return std::unexpected(cannot_write(where));
      ++entries;
    }
    cursor = count_at(*page, "cursor");
    if (cursor >= *last) break;
    if (true_at(*page, "more")) continue;
    // Without an own write on its way to the disk, that is all.
    if (count_at(*page, "unsettled") == 0) break;
    if (++tries == kSettleTries) return fail(kExitTimedOut, "timed_out", "the node's store does not keep up; see weft doctor");
    std::this_thread::sleep_for(kSettlePause);
  }
  if (std::fflush(out.get()) != 0) return std::unexpected(cannot_write(where));
  if (!flags.out) return kExitDone;
  return print(context.json ? dump_line({{"namespace", of}, {"entries", entries}, {"file", *flags.out}})
                            : "wrote " + std::to_string(entries) + " entries to " + *flags.out + "\n")
             ? kExitDone
             : kExitFailed;
}

Result<int> run_state_import(const Context& context) {
  const StateFlags& flags = context.args.state;
  const auto space = checked_space(flags.name);
  if (!space) return std::unexpected(space.error());
  const std::string name = flags.file == "-" ? "stdin" : flags.file;
  File file(stdin);
  if (flags.file != "-") {
    auto opened = open_file(flags.file, /*write=*/false);
    if (!opened) return std::unexpected(opened.error());
    file = std::move(*opened);
  }
  const auto genesis = read_head(file.get(), name, *space);
  if (!genesis) return std::unexpected(genesis.error());
  const NodeClient client(context);
  // Of a namespace that is here already this only says which one it is.
  const auto joined = client.post("/v1/state/join", {{"space", flags.name}, {"genesis_base64", *genesis}});
  if (!joined) return std::unexpected(joined.error());
  const auto here = parse_answer(*joined);
  if (!here) return std::unexpected(here.error());
  Importer importer(client, text_at(*here, "namespace") + "@" + text_at(*here, "creator"), name);
  if (auto read = read_entries(file.get(), name, importer); !read) return std::unexpected(read.error());
  return print(context.json ? dump_line({{"namespace", text_at(*here, "namespace")},
                                         {"imported", importer.imported()},
                                         {"known", importer.known()}})
                            : "imported " + std::to_string(importer.imported()) + " entries, " + std::to_string(importer.known()) +
                                  " were here\n")
             ? kExitDone
             : kExitFailed;
}

Result<int> run_state_apply(const Context& context) {
  const StateFlags& flags = context.args.state;
  if (const auto space = checked_space(flags.name); !space) return std::unexpected(space.error());
  const std::string name = flags.file == "-" ? "stdin" : flags.file;
  File file(stdin);
  if (flags.file != "-") {
    auto opened = open_file(flags.file, /*write=*/false);
    if (!opened) return std::unexpected(opened.error());
    file = std::move(*opened);
  }
  const NodeClient client(context);
  nlohmann::json changes = nlohmann::json::array();
  std::size_t first = 1, bytes = 0;
  std::uint64_t made = 0;
  const auto flush = [&](std::size_t next) -> Result<void> {
    if (changes.empty()) return {};
    const auto body = client.post("/v1/state/batch", {{"space", flags.name}, {"changes", std::exchange(changes, nlohmann::json::array())}});
    const auto answer = body ? parse_answer(*body) : std::unexpected(body.error());
    if (!answer) {
      Failure failure = answer.error();
      failure.message = "lines " + std::to_string(first) + " to " + std::to_string(next - 1) + " of " + name + ": " + failure.message +
                        "; the " + std::to_string(made) + " changes before are made";
      return std::unexpected(failure);
    }
    made += count_at(*answer, "changes");
    first = next;
    bytes = 0;
    return {};
  };
  bool failed = false;
  for (std::size_t number = 1;; ++number) {
    const auto line = read_line(file.get(), failed);
    if (failed) return std::unexpected(bad_line(name, number, "this cannot be read, or is too long"));
    if (line && line->empty()) continue;
    if (!line || changes.size() == node::kBatchChangesMax || bytes + line->size() > kBatchBytesMax) {
      if (auto done = flush(number); !done) return std::unexpected(done.error());
    }
    if (!line) break;
    auto change = nlohmann::json::parse(*line, nullptr, /*allow_exceptions=*/false);
    if (!change.is_object()) return std::unexpected(bad_line(name, number, "this is no JSON object"));
    changes.push_back(std::move(change));
    bytes += line->size();
  }
  return print(context.json ? dump_line({{"namespace", flags.name}, {"changes", made}}) : "made " + std::to_string(made) + " changes\n")
             ? kExitDone
             : kExitFailed;
}

}  // namespace weft::cli
