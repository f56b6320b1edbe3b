// The JSON of docs/CONTROL.md, made from the core's views. Pure.
//
// Text from peers is made valid UTF-8 on the way. Long lists are written element by element, so a
// list of many members never exists as a tree in memory.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "node/doctor.h"
#include "node/log.h"
#include "node/shell_facts.h"

namespace weft::node {

// Compact text; text that is not UTF-8 is replaced, never thrown at.
std::string dump(const nlohmann::ordered_json& value);
std::string base64(ByteView bytes);
// Microseconds as milliseconds.
double as_ms(Duration duration);

std::string status_json(const NodeCore& core, const ShellFacts& facts, Now now);
std::string members_json(const NodeCore& core);
std::string peers_json(const NodeCore& core, Now now);
// Own values after `after` (all, if none) in the order of their keys, at most `max`.
std::string own_json(const NodeCore& core, Now now, const std::optional<NodeId>& after, std::size_t max);
std::string id_json(const NodeCore& core);
std::string config_json(const ShellFacts& facts);
std::string doctor_json(const std::vector<DoctorCheck>& checks);
std::string log_line_json(const LogLine& line);
std::string level_json(LogLevel level);
std::string faults_json(std::string_view link, std::size_t blocked);
std::string ping_json(Duration rtt);
std::string join_json(std::size_t joined, std::size_t alive, Duration elapsed);
std::string wait_json(std::size_t alive, Duration elapsed);

std::string put_json(std::string_view key, const NodeId& author, const dht::PutOk& put, bool traced,
                     Duration elapsed);
std::string rm_json(std::string_view key, const dht::PutOk& put);
// What was encrypted for this node is opened.
std::string get_json(std::string_view key, const NodeId& dht_key, const dht::GetOk& get, const NodeCore& core,
                     bool traced, Duration elapsed);
// Of the values under a providers key: whose are records of nodes that are up. nullopt: of nobody's.
std::optional<std::string> providers_json(const NodeCore& core, const dht::GetOk& get);
std::string lookup_json(std::string_view target, const dht::LookupOk& lookup, Duration elapsed);

// What this node did for others' traced operations (node/served.h), oldest first; of one of them, or of all.
std::string served_json(const NodeCore& core, const std::optional<ByteArray<16>>& trace);

// What this node said to whom (node/flow.h) after the cursor; without one nothing yet. A cursor of another life of the node counts as none.
std::string flow_json(const NodeCore& core, std::optional<std::uint64_t> after);

// "key" as the API takes it: hex: and 64 digits.
std::string hex_key(const NodeId& key);

}  // namespace weft::node
