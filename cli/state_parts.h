// Shared by the command_state*.cc: names as the command line takes them, and questions to the node. Include nowhere else.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/node_client.h"
#include "node/control_state.h"

namespace weft::cli {

using node::SpaceName;

// A name that is none is refused before a node is asked. Names are UTF-8, as JSON knows nothing else.
Result<node::SpaceName> checked_space(const std::string& text);
Result<node::DocName> checked_doc(const std::string& text);

// A GET, with its answer taken apart.
Result<nlohmann::ordered_json> ask(const NodeClient& client, const std::string& target);

}  // namespace weft::cli
