// The commands, one function each. They print on stdout what they found and return the exit
// status, or the failure that the caller prints.
#pragma once

#include "cli/context.h"

namespace weft::cli {

// A node (command_node.cc, command_members.cc)
Result<int> run_up(const Context& context);
Result<int> run_status(const Context& context);
Result<int> run_members(const Context& context);
Result<int> run_peers(const Context& context);
Result<int> run_ping(const Context& context);
Result<int> run_wait(const Context& context);
Result<int> run_join(const Context& context);
Result<int> run_leave(const Context& context);

// Values (command_values.cc)
Result<int> run_put(const Context& context);
Result<int> run_get(const Context& context);
Result<int> run_watch(const Context& context);
Result<int> run_rm(const Context& context);
Result<int> run_provide(const Context& context);
Result<int> run_providers(const Context& context);
Result<int> run_own(const Context& context);
Result<int> run_lookup(const Context& context);
Result<int> run_trace(const Context& context);

// Shared state: `state` and what follows it (command_state.cc), of which these have files of their own
Result<int> run_state(const Context& context);
Result<int> run_state_watch(const Context& context);
Result<int> run_state_grant(const Context& context);
Result<int> run_state_revoke(const Context& context);
Result<int> run_state_rights(const Context& context);
Result<int> run_state_forks(const Context& context);
Result<int> run_state_export(const Context& context);
Result<int> run_state_import(const Context& context);
Result<int> run_state_apply(const Context& context);

// Setting up and looking inside (command_tools.cc)
Result<int> run_network(const Context& context);
Result<int> run_id(const Context& context);
Result<int> run_doctor(const Context& context);
Result<int> run_backup(const Context& context);  // and restore
Result<int> run_config(const Context& context);
Result<int> run_log(const Context& context);
Result<int> run_metrics(const Context& context);
Result<int> run_completions(const Context& context);

// command_testnet.cc
Result<int> run_testnet(const Context& context);
Result<int> run_testnet_scenario(const Context& context);  // testnet run
// command_sim.cc
Result<int> run_sim(const Context& context);

// The whole program: argv to exit status.
int run(int argc, char** argv);

}  // namespace weft::cli
