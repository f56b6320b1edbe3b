#include "node/network_file.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>

#include "node/files.h"

namespace weft::node {
namespace {

constexpr std::size_t kFileBytesMax = 16 * 1024;

std::string place(const std::string& where, const toml::source_region& source) {
  return where + ":" + std::to_string(source.begin.line);
}

bool plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kNetworkNameBytesMax &&
         std::ranges::all_of(name,
                             [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

std::expected<std::vector<ByteArray<32>>, Failure> read_keys(const toml::node& node,
                                                             const std::string& where) {
  const toml::array* list = node.as_array();
  if (list == nullptr || list->empty() || list->size() > kNetworkKeysMax) {
    return refused(place(where, node.source()) + ": keys must be a list of 1 to " +
                   std::to_string(kNetworkKeysMax) + " keys");
  }
  std::vector<ByteArray<32>> keys;
  for (const toml::node& item : *list) {
    const auto text = item.value_exact<std::string>();
    const auto key = text ? array_from_hex<32>(*text) : std::nullopt;
    if (!key) return refused(place(where, item.source()) + ": a key is a text of 64 hex digits");
    if (std::ranges::find(keys, *key) != keys.end()) {
      return refused(place(where, item.source()) + ": this key is in the list twice");
    }
    keys.push_back(*key);
  }
  return keys;
}

std::expected<Network, Failure> read_table(const toml::table& table, const std::string& where) {
  for (const auto& [key, value] : table) {
    if (key.str() == "name" || key.str() == "id" || key.str() == "keys") continue;
    return refused(place(where, key.source()) + ": unknown entry " + std::string(key.str()) +
                   "; a key file has name, id and keys");
  }
  for (const std::string_view entry : {"name", "id", "keys"}) {
    if (!table.contains(entry))
      return refused(where + ": the entry " + std::string(entry) + " is missing");
  }
  const toml::node& name_node = *table.get("name");
  const auto name = name_node.value_exact<std::string>();
  if (!name || !plain_name(*name)) {
    return refused(place(where, name_node.source()) + ": name must be 1 to " +
                   std::to_string(kNetworkNameBytesMax) + " plain characters in quotes");
  }
  const toml::node& id_node = *table.get("id");
  const auto id_text = id_node.value_exact<std::string>();
  const auto id = id_text ? array_from_hex<16>(*id_text) : std::nullopt;
  if (!id) return refused(place(where, id_node.source()) + ": id must be a text of 32 hex digits");
  auto keys = read_keys(*table.get("keys"), where);
  if (!keys) return std::unexpected(keys.error());
  return private_network(*name, *id, std::move(*keys));
}

}  // namespace

std::expected<Network, Failure> parse_network_file(std::string_view text,
                                                   const std::string& where) {
  const toml::parse_result parsed = toml::parse(text, where);
  if (!parsed) {
    return refused(place(where, parsed.error().source()) + ": " +
                   std::string(parsed.error().description()));
  }
  return read_table(parsed.table(), where);
}

std::string format_network_file(const Network& network) {
  std::string text =
      "# Key file of a private weft network. Whoever has it can join: keep it secret.\n"
      "# The first key sends, all are accepted.\n";
  text += "name = \"" + network.name + "\"\n";
  text += "id = \"" + to_hex(network.id) + "\"\n";
  text += "keys = [\n";
  for (const auto& key : network.keys) text += "  \"" + to_hex(key) + "\",\n";
  return text + "]\n";
}

std::expected<Network, Failure> read_network_file(const std::string& path) {
  const auto text = read_small_file(path, kFileBytesMax, /*secret=*/true);
  if (!text) return std::unexpected(text.error());
  return parse_network_file(*text, path);
}

std::expected<Network, Failure> create_network_file(const std::string& path, Entropy& entropy) {
  std::string name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0: the whole path
  if (const std::size_t dot = name.rfind('.'); dot != std::string::npos && dot != 0)
    name.resize(dot);
  if (!plain_name(name)) {
    return refused("\"" + name + "\" cannot name a network: 1 to " +
                   std::to_string(kNetworkNameBytesMax) + " plain characters, please");
  }
  ByteArray<16> id;
  ByteArray<32> key;
  entropy.fill(id);
  entropy.fill(key);
  Network network = private_network(std::move(name), id, {key});
  const auto written =
      write_file_atomically(path, format_network_file(network), 0600, /*keep_existing=*/true);
  if (!written) return std::unexpected(written.error());
  return network;
}

std::expected<Network, Failure> rotate_network_file(const std::string& path, Entropy& entropy) {
  auto network = read_network_file(path);
  if (!network) return network;
  if (network->keys.size() == kNetworkKeysMax) {
    return refused(path + " holds " + std::to_string(kNetworkKeysMax) +
                   " keys already; delete the last ones, which no node sends with any more");
  }
  ByteArray<32> key;
  entropy.fill(key);
  network->keys.insert(network->keys.begin(), key);
  const auto written = write_file_atomically(path, format_network_file(*network), 0600);
  if (!written) return std::unexpected(written.error());
  return network;
}

std::expected<Network, Failure> load_network(const std::string& name_or_file) {
  if (name_or_file.find('/') != std::string::npos) return read_network_file(name_or_file);
  if (!plain_name(name_or_file)) {
    return refused("a network's name has 1 to " + std::to_string(kNetworkNameBytesMax) +
                   " plain characters; a key file needs a / in its path (./FILE)");
  }
  return open_network(name_or_file);
}

}  // namespace weft::node
