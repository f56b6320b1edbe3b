#include "cli/completions.h"

namespace weft::cli {

namespace {

// One row a command: its path ("testnet kill"; empty for the root) and its node.
struct Row {
  std::string path;
  const CommandNode* node;
};

void collect(const CommandNode& node, const std::string& path, std::vector<Row>& rows) {
  rows.push_back({path, &node});
  for (const CommandNode& child : node.commands) {
    collect(child, path.empty() ? child.name : path + " " + child.name, rows);
  }
}

std::vector<Row> rows_of(const CommandNode& root) {
  std::vector<Row> rows;
  collect(root, "", rows);
  return rows;
}

void append_word(std::string& list, const std::string& word) {
  if (!list.empty()) list += ' ';
  list += word;
}

// Options of the root may stand behind every command.
std::string option_words(const CommandNode& root, const CommandNode& node, bool only_with_value) {
  std::string words;
  std::vector<const CommandNode*> sources{&node};
  if (&root != &node) sources.push_back(&root);
  for (const CommandNode* source : sources) {
    for (const OptionNode& option : source->options) {
      if (only_with_value && !option.takes_value) continue;
      for (const std::string& name : option.names) {
        if ((" " + words + " ").find(" " + name + " ") == std::string::npos) {
          append_word(words, name);
        }
      }
    }
  }
  return words;
}

std::string command_words(const CommandNode& node) {
  std::string words;
  for (const CommandNode& child : node.commands) append_word(words, child.name);
  return words;
}

// Shell text in single quotes.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// A description as one short line.
std::string first_sentence(std::string_view text) {
  return std::string(text.substr(0, text.find_first_of("\n;")));
}

// The functions that tell, for a command path, its commands, its options, and those with a value.
std::string bash_tables(const CommandNode& root, const std::vector<Row>& rows) {
  std::string commands = "_weft_commands() {\n  case \"$1\" in\n";
  std::string options = "_weft_options() {\n  case \"$1\" in\n";
  std::string values = "_weft_valued() {\n  case \"$1\" in\n";
  for (const auto& [path, node] : rows) {
    const std::string label = "    " + quoted(path) + ") echo ";
    if (!node->commands.empty()) commands += label + quoted(command_words(*node)) + " ;;\n";
    options += label + quoted(option_words(root, *node, false)) + " ;;\n";
    values += label + quoted(option_words(root, *node, true)) + " ;;\n";
  }
  return commands + "  esac\n}\n" + options + "  esac\n}\n" + values + "  esac\n}\n";
}

std::string bash_script(const CommandNode& root) {
  return "# bash completion for weft; source it, or put it into bash-completion's directory.\n" +
         bash_tables(root, rows_of(root)) +
         R"SH(_weft() {
  local current="${COMP_WORDS[COMP_CWORD]}" path="" skip=0 i word
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    if ((skip)); then skip=0; continue; fi
    if [[ "$word" == -- ]]; then COMPREPLY=(); return; fi
    if [[ "$word" == -* ]]; then
      [[ " $(_weft_valued "$path") " == *" $word "* ]] && skip=1
      continue
    fi
    if [[ " $(_weft_commands "$path") " == *" $word "* ]]; then
      path="${path:+$path }$word"
    fi
  done
  if ((skip)); then
    COMPREPLY=($(compgen -f -- "$current"))
  elif [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$(_weft_options "$path")" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$(_weft_commands "$path")" -- "$current"))
    ((${#COMPREPLY[@]})) || COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _weft weft
)SH";
}

// One `value:description` for zsh's _describe; colons in the value need a backslash.
std::string zsh_entry(const std::string& value, const std::string& description) {
  return " " + quoted(value + ":" + first_sentence(description));
}

std::string zsh_script(const CommandNode& root) {
  std::string commands = "_weft_commands() {\n  case \"$1\" in\n";
  std::string options = "_weft_options() {\n  case \"$1\" in\n";
  std::string values = "_weft_valued() {\n  case \"$1\" in\n";
  for (const auto& [path, node] : rows_of(root)) {
    const std::string label = "    " + quoted(path) + ") ";
    if (!node->commands.empty()) {
      commands += label + "reply=(";
      for (const CommandNode& child : node->commands) {
        commands += zsh_entry(child.name, child.description);
      }
      commands += " ) ;;\n";
    }
    options += label + "reply=(";
    for (const CommandNode* source : {node, &root}) {
      if (source == &root && node == &root && options.ends_with(")")) continue;
      for (const OptionNode& option : source->options) {
        for (const std::string& name : option.names) {
          options += zsh_entry(name, option.description);
        }
      }
      if (node == &root) break;
    }
    options += " ) ;;\n";
    values += label + "reply=(" + option_words(root, *node, true) + ") ;;\n";
  }
  return "#compdef weft\n# zsh completion for weft; put it as _weft into a directory of $fpath.\n" +
         commands + "    *) reply=() ;;\n  esac\n}\n" + options +
         "    *) reply=() ;;\n  esac\n}\n" + values + "    *) reply=() ;;\n  esac\n}\n" +
         R"SH(_weft() {
  local path_so_far="" word i skip=0
  local -a reply
  for ((i = 2; i < CURRENT; i++)); do
    word="${words[i]}"
    if ((skip)); then skip=0; continue; fi
    [[ "$word" == -- ]] && { _files; return }
    if [[ "$word" == -* ]]; then
      _weft_valued "$path_so_far"
      ((${reply[(Ie)$word]})) && skip=1
      continue
    fi
    _weft_commands "$path_so_far"
    if ((${#reply[(r)$word:*]})); then
      path_so_far="${path_so_far:+$path_so_far }$word"
    fi
  done
  if ((skip)); then _files; return; fi
  if [[ "${words[CURRENT]}" == -* ]]; then
    _weft_options "$path_so_far"
    _describe option reply
    return
  fi
  _weft_commands "$path_so_far"
  if ((${#reply})); then _describe command reply; else _files; fi
}
if [[ "$funcstack[1]" == _weft ]]; then _weft "$@"; else compdef _weft weft; fi
)SH";
}

std::string fish_script(const CommandNode& root) {
  std::string out =
      "# fish completion for weft; put it as weft.fish into ~/.config/fish/completions.\n"
      "complete -c weft -f\n";
  for (const auto& [path, node] : rows_of(root)) {
    // At a command: all its words have been seen, and none of its own commands yet.
    std::string condition;
    std::string seen = path;
    for (std::size_t at = 0; !seen.empty() && at != std::string::npos;) {
      const std::size_t end = seen.find(' ', at);
      if (!condition.empty()) condition += "; and ";
      condition += "__fish_seen_subcommand_from " +
                   seen.substr(at, end == std::string::npos ? end : end - at);
      at = end == std::string::npos ? end : end + 1;
    }
    const std::string here =
        node->commands.empty()
            ? condition
            : (condition.empty() ? "not __fish_seen_subcommand_from "
                                 : condition + "; and not __fish_seen_subcommand_from ") +
                  command_words(*node);
    for (const CommandNode& child : node->commands) {
      out += "complete -c weft -n " + quoted(here) + " -a " + quoted(child.name) + " -d " +
             quoted(first_sentence(child.description)) + "\n";
    }
    for (const OptionNode& option : node->options) {
      out += "complete -c weft";
      if (!condition.empty()) out += " -n " + quoted(condition);
      for (const std::string& name : option.names) {
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (option.takes_value) out += " -r -F";
      out += " -d " + quoted(first_sentence(option.description)) + "\n";
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> completion_script(const CommandNode& root, std::string_view shell) {
  if (shell == "bash") return bash_script(root);
  if (shell == "zsh") return zsh_script(root);
  if (shell == "fish") return fish_script(root);
  return std::nullopt;
}

}  // namespace weft::cli
