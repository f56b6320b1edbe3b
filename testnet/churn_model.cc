#include "testnet/churn_model.h"

#include <algorithm>
#include <bit>
#include <cstdint>

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

namespace {

__extension__ using Wide = unsigned __int128;
constexpr std::uint64_t kOne = std::uint64_t{1} << 32;  // 1 in the fixed point used here
constexpr std::uint64_t kMediansMax = 100 * kOne;
constexpr std::uint64_t kHalfRoot = 3'037'000'500;      // 1/sqrt(2)

// -log2(r / 2^64) for r > 0: an exponential draw with median 1. Digits by repeated squaring.
std::uint64_t doublings(std::uint64_t r) {
  const int zeros = std::countl_zero(r);
  std::uint64_t mantissa = r << zeros;  // in [2^63, 2^64): 1 to 2
  std::uint64_t fraction = 0;
  for (int bit = 0; bit < 32; ++bit) {
    const Wide square = static_cast<Wide>(mantissa) * mantissa;  // 1 to 4, of 2^126
    const bool two = (square >> 127) != 0;
    fraction = fraction << 1 | (two ? 1U : 0U);
    mantissa = static_cast<std::uint64_t>(square >> (two ? 64 : 63));
  }
  return (static_cast<std::uint64_t>(zeros) + 1) * kOne - fraction;
}

std::uint64_t square(std::uint64_t x) {
  return static_cast<std::uint64_t>(std::min<Wide>((static_cast<Wide>(x) * x) >> 32, kMediansMax));
}

std::uint64_t root(Wide x) {
  std::uint64_t low = 0, high = UINT64_MAX;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2 + 1;
    if (static_cast<Wide>(middle) * middle <= x) low = middle;
    else high = middle - 1;
  }
  return low;
}

std::uint64_t positive(Rng& rng) { return std::max<std::uint64_t>(rng.next(), 1); }

Milliseconds session_of(std::uint64_t medians, Milliseconds median) {
  const Wide ms = static_cast<Wide>(std::min(medians, kMediansMax)) *
                  static_cast<std::uint64_t>(median.count());
  return std::max(Milliseconds(100), Milliseconds(static_cast<std::int64_t>(ms >> 32)));
}

}  // namespace

Milliseconds draw_session(ChurnModel model, Milliseconds median, Rng& rng) {
  const std::uint64_t r = positive(rng);
  std::uint64_t medians = 0;
  switch (model) {
    case ChurnModel::kExponential:
      medians = doublings(r);
      break;
    case ChurnModel::kWeibull:  // shape 1/2
      medians = square(doublings(r));
      break;
    case ChurnModel::kPareto:  // shape 2: sqrt(1 / 2u)
      medians = root((static_cast<Wide>(1) << 127) / r);
      break;
  }
  return session_of(medians, median);
}

Milliseconds draw_rest_of_session(ChurnModel model, Milliseconds median, Rng& rng) {
  const std::uint64_t r = positive(rng);
  std::uint64_t medians = 0;
  switch (model) {
    case ChurnModel::kExponential:  // knows no age
      medians = doublings(r);
      break;
    case ChurnModel::kWeibull:  // with y = sqrt(t) it is 1 - (1 + y) exp(-y): two exponentials
      medians = square(doublings(r) + doublings(positive(rng)));
      break;
    case ChurnModel::kPareto: {  // half of it even up to the least session x, half x / u
      const std::uint64_t u = positive(rng);
      medians = r >> 63 != 0
                    ? static_cast<std::uint64_t>(static_cast<Wide>(kHalfRoot) * u >> 64)
                    : static_cast<std::uint64_t>(std::min<Wide>(
                          (static_cast<Wide>(kHalfRoot) << 64) / u, kMediansMax));
      break;
    }
  }
  return session_of(medians, median);
}

}  // namespace weft::testnet
