// How long a node stays: session lengths of the given median, drawn from a seeded generator.
//
// Weibull with shape 1/2 is what measured peer-to-peer networks look like (Stutzbach, Rejaie 2006
// found 0.34 to 0.59); Pareto with shape 2 has the heavier tail.
#pragma once

#include <optional>
#include <string_view>

#include "crypto/rng.h"
#include "testnet/clock.h"

namespace weft::testnet {

enum class ChurnModel : unsigned char { kExponential, kWeibull, kPareto };

std::optional<ChurnModel> parse_churn_model(std::string_view text);
std::string_view to_string(ChurnModel model);

// Integer arithmetic throughout: libm differs between builds.
//
// A draw with this median, kept within [100 ms, 100 medians].
Milliseconds draw_session(ChurnModel model, Milliseconds median, Rng& rng);
// What is left of the session of somebody met at a random instant, long after all began: the
// equilibrium distribution of renewal theory, density (1 - F(t)) / mean. Within the same limits.
Milliseconds draw_rest_of_session(ChurnModel model, Milliseconds median, Rng& rng);

}  // namespace weft::testnet
