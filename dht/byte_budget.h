// Bytes a second that upkeep may send: an account that may be overdrawn by what is under way.
//
// Kept as the instant until which everything sent so far is paid for (a virtual clock, as in
// GCRA), in integers. Whoever is overdrawn starts nothing new until then; what has been started
// goes on, so a node overdraws by what its bounded number of operations can send.
#pragma once

#include <algorithm>

#include "crypto/check.h"
#include "crypto/time.h"

namespace weft::dht {

// What was not used may be sent later at once, up to so long's worth.
inline constexpr Duration kBudgetSaved = 1s;

class ByteBudget {
 public:
  // `bytes_per_s` is above 0.
  explicit ByteBudget(std::uint64_t bytes_per_s) : bytes_per_s_(bytes_per_s) {
    CHECK(bytes_per_s_ > 0);
  }

  void spend(Now now, std::size_t bytes) {
    if (bytes == 0) return;
    paid_until_ = std::max(paid_until_, now.mono - kBudgetSaved) +
                  Duration(static_cast<std::int64_t>(bytes * 1'000'000 / bytes_per_s_));
  }
  bool overdrawn(Now now) const { return paid_until_ > now.mono; }
  // When it is no longer overdrawn.
  Instant paid_until() const { return paid_until_; }
  // Another rate; an old debt is forgiven.
  void set_rate(std::uint64_t bytes_per_s) {
    CHECK(bytes_per_s > 0);
    bytes_per_s_ = bytes_per_s;
    paid_until_ = Instant{};
  }

 private:
  std::uint64_t bytes_per_s_;
  Instant paid_until_{};
};

}  // namespace weft::dht
