// The key file of a private network: TOML, 0600, made by `weft network new`.
//
//   name = "office"
//   id = "32 hex digits"
//   keys = ["64 hex digits", ...]     # the first is tried first, all are accepted
//
// rotate() puts a fresh key first; nodes take it on at their next start, and the last key can be
// deleted when every node has it. Messages name the file and the line.
#pragma once

#include <string>

#include "crypto/network.h"
#include "crypto/rng.h"
#include "node/failure.h"

namespace weft::node {

std::expected<Network, Failure> parse_network_file(std::string_view text, const std::string& where);
std::string format_network_file(const Network& network);

std::expected<Network, Failure> read_network_file(const std::string& path);
// Refuses to replace a file. The name is the file's, without directory and extension.
std::expected<Network, Failure> create_network_file(const std::string& path, Entropy& entropy);
std::expected<Network, Failure> rotate_network_file(const std::string& path, Entropy& entropy);

// What `--network` names: with a '/' in it a key file, else an open network.
std::expected<Network, Failure> load_network(const std::string& name_or_file);

}  // namespace weft::node
