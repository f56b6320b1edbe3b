// The pages that were bundled when weft was built (testnet/web/): that of a testnet, that of one node and a run's report. Constants; any thread.
#pragma once

#include <string_view>

namespace weft::testnet {

// Empty: weft was built without npm.
std::string_view page_html();
// A report without its data: where those are to stand is kReportPlace, once. Empty: as above.
std::string_view report_html();
inline constexpr std::string_view kReportPlace = "__RUNS__";
// The hash of the page's script, as a Content-Security-Policy names it.
std::string_view page_script_hash();
// That of `weft up --http`, in the same way.
std::string_view node_page_html();
std::string_view node_page_script_hash();

}  // namespace weft::testnet
