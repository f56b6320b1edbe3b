// The grammar of `weft state`.
#include <charconv>
#include <limits>

#include "cli/parse_parts.h"

namespace weft::cli {

namespace {

constexpr const char* kSpaceHelp = "The namespace: its name, or NAME@ID with the creator's node id (8 digits or more)";
constexpr const char* kDocHelp = "The document: NAMESPACE/PATH";

CLI::Option* take_name(CLI::App* app, StateFlags& flags, const char* label, const char* help) {
  return app->add_option(label, flags.name, help);
}

// CLI11's own numbers are cut to their range without a word.
void take_amount(CLI::App* app, StateFlags& flags) {
  app->add_option_function<std::string>(
         "N",
         [&flags](const std::string& text) {
           const char* const end = text.data() + text.size();
           const auto [stop, error] = std::from_chars(text.data(), end, flags.amount);
           if (error != std::errc() || stop != end || flags.amount == std::numeric_limits<std::int64_t>::min()) {
             throw CLI::ValidationError("N", "'" + text + "' is no whole number of up to 63 bits");
           }
         },
         "By how much (1); negative ones after --")
      ->type_name("NUMBER");
}

void add_namespace_commands(CLI::App& state, StateFlags& flags) {
  CLI::App* app = add_command(state, "create", "Make a namespace of this node's, and publish its name",
                              "weft state create room\n  weft state set room/topic 'hello'");
  take_name(app, flags, "NS", "Its name: up to 63 bytes without spaces, / and @")->required();
  CLI::Option* open = app->add_flag("--open", flags.open, "Whoever is in the network may write (the default)");
  app->add_flag("--owned", flags.owned, "This node writes, and who is granted it")->excludes(open);
  app = add_command(state, "join", "Keep a copy of a namespace that another node has",
                    "weft state join room\n  weft state join room@1f0c22ab");
  take_name(app, flags, "NS", kSpaceHelp)->required();
  app = add_command(state, "leave", "Forget a namespace and its entries here; other nodes keep theirs", "weft state leave room");
  take_name(app, flags, "NS", kSpaceHelp)->required();
  app = add_command(state, "ls", "The namespaces here, or the documents of one", "weft state ls\n  weft state ls room");
  take_name(app, flags, "NS", kSpaceHelp);
  app = add_command(state, "digest", "A hash of all entries: equal on nodes that have the same", "weft state digest room");
  take_name(app, flags, "NS", kSpaceHelp);
}

void add_document_commands(CLI::App& state, StateFlags& flags) {
  CLI::App* app = add_command(state, "set", "Write a register; concurrent values that are seen here give way",
                              "weft state set room/topic 'the new plan'\n  date | weft state set room/now -");
  take_name(app, flags, "DOC", kDocHelp)->required();
  app->add_option("VALUE", flags.value, "The value; - reads stdin")->required();
  app = add_command(state, "get", "Print a register's value as it is, or what a counter stands at",
                    "weft state get room/topic\n  weft state get room/topic --json");
  take_name(app, flags, "DOC", kDocHelp)->required();
  app = add_command(state, "rm", "Take away what is at a path and below it", "weft state rm room/topic");
  take_name(app, flags, "DOC", kDocHelp)->required();
  app = add_command(state, "inc", "Count", "weft state inc room/visits\n  weft state inc room/visits -- -3");
  take_name(app, flags, "DOC", kDocHelp)->required();
  take_amount(app, flags);
  app = add_command(state, "add", "Put an element into a set", "weft state add room/people alice");
  take_name(app, flags, "DOC", kDocHelp)->required();
  app->add_option("ELEMENT", flags.value, "The element; - reads stdin")->required();
  app = add_command(state, "del", "Take an element out of a set", "weft state del room/people alice");
  take_name(app, flags, "DOC", kDocHelp)->required();
  app->add_option("ELEMENT", flags.value, "The element; - reads stdin")->required();
  app = add_command(state, "items", "The elements of a set, one a line", "weft state items room/people");
  take_name(app, flags, "DOC", kDocHelp)->required();
}

void add_stream_commands(CLI::App& state, StateFlags& flags) {
  CLI::App* app = add_command(state, "watch", "Print changes as they arrive here, each with a cursor to go on from",
                              "weft state watch room\n  weft state watch room/topic --from 0 --count 3 --json");
  take_name(app, flags, "DOC|NS", "A namespace, or a document: it and what is below it")->required();
  add_number(*app, "--from", flags.from, "Begin with what came after this CURSOR (0: with everything here)");
  add_number(*app, "--count", flags.count, "End after so many changes");
  app = add_command(state, "export", "All entries of a namespace with their signatures, as JSON lines",
                    "weft state export room --out ./room.entries");
  take_name(app, flags, "NS", kSpaceHelp)->required();
  add_text(*app, "--out", flags.out, "Write to F in place of stdout");
  app = add_command(state, "import", "Take entries from an export; joins its namespace if that is not here",
                    "weft state import room ./room.entries");
  take_name(app, flags, "NS", kSpaceHelp)->required();
  app->add_option("FILE", flags.file, "The file; - reads stdin")->required();
}

// Who may write where, and who lied.
void add_rights_commands(CLI::App& state, StateFlags& flags) {
  CLI::App* app = add_command(state, "grant", "Give a node rights in an owned namespace of this node's",
                              "weft state grant room 1f0c22ab\n  weft state grant room 1f0c22ab --path notes --rights add --expires 24h");
  take_name(app, flags, "NS", kSpaceHelp)->required();
  app->add_option("ID", flags.node, "The node: its id, 8 digits of it or more, or its name")->required();
  add_text(*app, "--path", flags.path, "At this PATH and below it only");
  add_text(*app, "--rights", flags.rights, "add (to write, and take its own away), or add,overwrite (the default): what others wrote as well");
  add_number(*app, "--entries", flags.entries, "At most so many entries of the node's at a time, an eighth (one at least) of them to overwrite its own; with 1, one that stays as it is");
  add_duration(*app, "--expires", flags.expires, "Until this DURATION has passed");
  app = add_command(state, "revoke", "Take a node's rights away; what of its writing is here stays, all else is cut off everywhere",
                    "weft state revoke room 1f0c22ab");
  take_name(app, flags, "NS", kSpaceHelp)->required();
  app->add_option("ID", flags.node, "The node: its id, 8 digits of it or more, or its name")->required();
  app = add_command(state, "rights", "Who may write where in a namespace", "weft state rights room");
  take_name(app, flags, "NS", kSpaceHelp)->required();
  app = add_command(state, "forks", "Authors proven to have signed two entries for one place of their history, with both headers",
                    "weft state forks\n  weft state forks room --json");
  take_name(app, flags, "NS", kSpaceHelp);
}

// Changes as lines.
void add_apply(CLI::App& state, StateFlags& flags) {
  CLI::App* app = add_command(state, "apply", "Make many changes, one a line, 64 of them at a time all or none",
                              "printf '%s\\n' '{\"path\":\"topic\",\"what\":\"set\",\"value\":\"hello\"}' "
                              "'{\"path\":\"visits\",\"what\":\"inc\"}' | weft state apply room -");
  take_name(app, flags, "NS", kSpaceHelp)->required();
  app->add_option("FILE", flags.file, "JSON lines of path, what (set, rm, inc, add or del), value or value_base64, amount; - reads stdin")->required();
}

}  // namespace

void add_state_commands(CLI::App& root, StateFlags& flags) {
  CLI::App* state = add_command(root, "state", "Documents that many nodes write and all of them keep",
                                "weft state create room\n"
                                "  weft state set room/topic 'hello'\n"
                                "  weft state inc room/visits\n"
                                "  weft state watch room");
  state->group("Shared state")->require_subcommand(1, 1);
  add_namespace_commands(*state, flags);
  add_document_commands(*state, flags);
  add_stream_commands(*state, flags);
  add_apply(*state, flags);
  add_rights_commands(*state, flags);
}

}  // namespace weft::cli
