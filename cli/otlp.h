// A traced operation as OpenTelemetry's OTLP/JSON (ExportTraceServiceRequest), which Jaeger and collectors read: one span for the operation, one
// for each node that was asked, below the span of who had named it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "crypto/rng.h"
#include "crypto/time.h"

namespace weft::cli {

// `answer`: of put, get or lookup with its steps. `name`: of the operation; `key`: as the user typed it. `ended`: now; that the answer tells how
// long it took says when it began. `entropy` gives the ids. Times of the steps are those of the node. A step that was silent has the status of an error
// and lasts until the end.
// Ids are those of the answer, which travelled with the requests; where it has none they are drawn from `entropy`.
std::string otlp_trace(const nlohmann::ordered_json& answer, const std::string& name, const std::string& key, UnixMillis ended, Entropy& entropy);
// What nodes did for traced operations (the list that `weft trace --json` prints) as spans of the servers, each below the span of the
// request that asked for it; in the resource of its node.
std::string otlp_served(const nlohmann::ordered_json& served);

}  // namespace weft::cli
