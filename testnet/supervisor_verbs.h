// The verbs of a testnet, as the supervisor answers them. Each is a JSON object {"do":VERB,...}:
//
//   status, nodes, down, heal
//   kill, stop, pause, resume, restart   "which"
//   add                                  "count"
//   partition                            "which", "one_way", "heal_after_ms"
//   link                                 "spec", "matrix" (text of the CSV file)
//   churn                                "model", "median_ms", "for_ms" (0: until the client goes)
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "testnet/supervisor_server.h"
#include "testnet/testbed.h"

namespace weft::testnet {

// Answers into `reply`, or returns the job that will. `testbed` outlives the job.
std::unique_ptr<Job> answer_verb(Testbed& testbed, const std::string& request, Reply& reply);

// The plan of a SPEC, with its matrix as CSV text, laid over `plan`. The error is for people.
std::expected<FaultPlan, std::string> plan_with_link(FaultPlan plan, const std::string& spec,
                                                     const std::string& matrix_csv);

}  // namespace weft::testnet
