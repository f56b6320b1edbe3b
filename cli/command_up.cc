// `weft up`: settles the settings and becomes the node.
#include "cli/commands.h"
#include "node/runtime.h"
#include "testnet/page.h"

namespace weft::cli {

namespace {

Result<node::RuntimeOptions> options_of(const Args& args, const Environment& env,
                                        const std::string& home) {
  std::optional<std::string> chosen = args.up.config;
  if (const auto found = env.find("WEFT_CONFIG");
      !chosen && found != env.end() && !found->second.empty()) {
    chosen = found->second;
  }
  const auto file = load_config(chosen, home);
  if (!file) return std::unexpected(file.error());
  auto options = resolve_up({args.up, env, file->values, file->path}, home);
  if (!options) return options;
  options->json = args.json;
  if (args.verbose > 0 && options->effective["log_level"].second == "default") {
    options->log_level = args.verbose > 1 ? "trace" : "debug";
    options->effective["log_level"] = {options->log_level, "flag"};
  }
  return options;
}

}  // namespace

Result<int> run_up(const Context& context) {
  auto options = options_of(context.args, context.env, context.home);
  if (!options) return std::unexpected(options.error());
  options->reload = [args = context.args, env = context.env,
                     home = context.home](node::RuntimeOptions& running) {
    auto fresh = options_of(args, env, home);
    if (!fresh) {
      print_failure(fresh.error(), /*json=*/false);
      return false;
    }
    // What can change while a node runs: seeds, log level and limits.
    running.seeds = std::move(fresh->seeds);
    running.log_level = std::move(fresh->log_level);
    running.limits = fresh->limits;
    for (auto& [option, value] : fresh->effective) {
      if (option == "join" || option == "log_level" || option.starts_with("limits.")) {
        running.effective[option] = std::move(value);
      }
    }
    return true;
  };
  options->page = {testnet::node_page_html(), testnet::node_page_script_hash()};
  return node::run_node(std::move(*options));
}

}  // namespace weft::cli
