// The page of a testnet as it was bundled when weft was built (testnet/web/). Constants; any thread.
#pragma once

#include <string_view>

namespace weft::testnet {

// Empty: weft was built without npm.
std::string_view page_html();
// The hash of its script, as a Content-Security-Policy names it.
std::string_view page_script_hash();

}  // namespace weft::testnet
