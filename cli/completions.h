// Completion scripts for bash, zsh and fish, made from the tree of commands. Pure text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::cli {

struct OptionNode {
  std::vector<std::string> names;  // with their dashes
  std::string description;
  bool takes_value = false;
};

struct CommandNode {
  std::string name;
  std::string description;
  std::vector<OptionNode> options;
  std::vector<CommandNode> commands;
};

// The script for `shell`; nullopt for a shell that we do not know.
std::optional<std::string> completion_script(const CommandNode& root, std::string_view shell);

}  // namespace weft::cli
