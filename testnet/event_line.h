// Reading what `weft up --json` prints: the ready line, and the lines that tell of a member.
//
// The supervisor reads N x N member lines while a mesh forms, so those are scanned rather than
// parsed: inside a JSON string every quote has a backslash before it, hence `"id":"` can only be a
// key. Lines that are unusual in any way go through the JSON parser.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::testnet {

enum class Sight : unsigned char { kUnknown, kAlive, kSuspect, kFailed, kLeft };

struct MemberLine {
  std::string_view id;  // into the line
  Sight state = Sight::kUnknown;
};

struct ReadyLine {
  std::string id;
  std::string name;
  std::vector<std::string> listen;
  std::string control;
  std::string http;
};

// A line with an id of 64 hex digits and a member state; nullopt for every other line.
std::optional<MemberLine> scan_member_line(std::string_view line);
std::optional<ReadyLine> parse_ready_line(std::string_view line);

}  // namespace weft::testnet
