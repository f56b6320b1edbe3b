#include "testnet/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "node/files.h"
#include "node/home.h"
#include "testnet/selection.h"

namespace weft::testnet {

namespace {

namespace fs = std::filesystem;

std::string chosen_dir(const std::string& flag) {
  if (!flag.empty()) return flag;
  if (const char* env = std::getenv("WEFT_TESTNET"); env != nullptr && *env != '\0') return env;
  if (const char* run = std::getenv("XDG_RUNTIME_DIR"); run != nullptr && *run != '\0') {
    return std::string(run) + "/weft-testnet";
  }
  return "/tmp/weft-testnet-" + std::to_string(::getuid());
}

nlohmann::json to_json(const ManifestEntry& entry) {
  return {{"pid", entry.pid}, {"start_time", entry.start_time}};
}

std::optional<ManifestEntry> entry_from(const nlohmann::json& value) {
  if (!value.is_object() || !value.contains("pid") || !value.contains("start_time")) return {};
  if (!value["pid"].is_number_integer() || !value["start_time"].is_number_unsigned()) return {};
  return ManifestEntry{value["pid"].get<std::int64_t>(), value["start_time"].get<std::uint64_t>()};
}

}  // namespace

std::expected<Layout, Failure> locate(const std::string& flag) {
  std::error_code error;
  fs::path path = fs::absolute(chosen_dir(flag), error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  Layout layout{path.string()};
  const std::size_t longest = layout.control(kNodesMax).size();
  if (error || longest > node::kSocketPathBytesMax) {
    return node::refused("the directory " + layout.dir + " is too long for socket paths (" +
                         std::to_string(longest) + " bytes, at most " +
                         std::to_string(node::kSocketPathBytesMax) + "); choose a shorter --dir");
  }
  return layout;
}

std::expected<void, Failure> make_directory(const Layout& layout) {
  std::error_code error;
  fs::create_directories(fs::path(layout.dir).parent_path(), error);
  if (::mkdir(layout.dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return node::failed("cannot create " + layout.dir + ": " + node::error_text(errno) +
                        "; choose another --dir");
  }
  struct stat info {};
  if (::lstat(layout.dir.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
      info.st_uid != ::getuid() || (info.st_mode & 022) != 0) {
    return node::refused(layout.dir +
                         " is not a directory that only you can write; choose another "
                         "--dir");
  }
  return {};
}

std::expected<void, Failure> clear_nodes(const Layout& layout) {
  std::error_code error;
  if (fs::exists(layout.nodes(), error)) {
    if (!read_manifest(layout)) {
      return node::refused(layout.dir + " holds files of something else; choose another --dir");
    }
    fs::remove_all(layout.nodes(), error);
  }
  if (::mkdir(layout.nodes().c_str(), 0700) != 0) {
    return node::failed("cannot create " + layout.nodes() + ": " + node::error_text(errno));
  }
  // From now on the directory is known as ours.
  if (!write_manifest(layout, {})) {
    return node::failed("cannot write " + layout.manifest() + ": " + node::error_text(errno));
  }
  return {};
}

bool write_manifest(const Layout& layout, const Manifest& manifest) {
  nlohmann::json nodes = nlohmann::json::array();
  for (const ManifestEntry& entry : manifest.nodes) nodes.push_back(to_json(entry));
  const nlohmann::json object{{"weft_testnet", 1},
                              {"supervisor", to_json(manifest.supervisor)},
                              {"nodes", std::move(nodes)}};
  // A crash of the machine ends the nodes as well, so nothing is synced.
  const std::string temporary = layout.manifest() + ".new";
  {
    std::ofstream file(temporary, std::ios::trunc);
    file << object.dump() << '\n';
    if (!file.flush()) return false;
  }
  return std::rename(temporary.c_str(), layout.manifest().c_str()) == 0;
}

std::expected<Manifest, Failure> read_manifest(const Layout& layout) {
  const auto text = node::read_small_file(layout.manifest(), 1U << 20, /*secret=*/false);
  if (!text) return std::unexpected(text.error());
  const auto object = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const auto wrong = [&] { return node::failed(layout.manifest() + " is damaged"); };
  if (!object.is_object() || !object.contains("weft_testnet")) return wrong();
  Manifest manifest;
  const auto supervisor = entry_from(object.value("supervisor", nlohmann::json()));
  if (!supervisor || !object.contains("nodes") || !object["nodes"].is_array()) return wrong();
  manifest.supervisor = *supervisor;
  for (const auto& value : object["nodes"]) {
    const auto entry = entry_from(value);
    if (!entry || manifest.nodes.size() == kNodesMax) return wrong();
    manifest.nodes.push_back(*entry);
  }
  return manifest;
}

}  // namespace weft::testnet
