#include "testnet/churn_model.h"

#include <algorithm>
#include <cmath>

namespace weft::testnet {

std::optional<ChurnModel> parse_churn_model(std::string_view text) {
  if (text == "exponential") return ChurnModel::kExponential;
  if (text == "weibull") return ChurnModel::kWeibull;
  if (text == "pareto") return ChurnModel::kPareto;
  return std::nullopt;
}

std::string_view to_string(ChurnModel model) {
  switch (model) {
    case ChurnModel::kExponential:
      return "exponential";
    case ChurnModel::kWeibull:
      return "weibull";
    case ChurnModel::kPareto:
      return "pareto";
  }
  return "?";
}

Milliseconds draw_session(ChurnModel model, Milliseconds median, Rng& rng) {
  // Uniform in (0, 1): the top 53 bits, moved off zero by half a step.
  const double u = (static_cast<double>(rng.next() >> 11) + 0.5) * 0x1p-53;
  const double doublings = -std::log2(u);  // exponential with median 1
  double medians = doublings;
  switch (model) {
    case ChurnModel::kExponential:
      break;
    case ChurnModel::kWeibull:
      medians = doublings * doublings;
      break;  // shape 1/2
    case ChurnModel::kPareto:
      medians = std::sqrt(1 / u) / std::sqrt(2.0);
      break;  // shape 2
  }
  const double ms = std::min(medians, 100.0) * static_cast<double>(median.count());
  return std::max(Milliseconds(100), Milliseconds(static_cast<std::int64_t>(ms)));
}

}  // namespace weft::testnet
