// Whether all running nodes show the same shared state: their digests over the control sockets, again and again.
//
// A round asks every running node; when all have answered it is judged, and the next begins kRoundEvery after it began. So what it says
// is as old as two rounds at most. A node that does not answer differs.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "testnet/control_client.h"
#include "testnet/fleet.h"

namespace weft::testnet {

inline constexpr Milliseconds kRoundEvery{500};

class DigestPoll {
 public:
  // Of the namespace of this name. All must outlive it, and the pool must not be advanced after it is gone.
  DigestPoll(std::string space, Fleet& fleet, const Layout& layout, CallPool& calls)
      : space_(std::move(space)), fleet_(fleet), layout_(layout), calls_(calls) {}

  void advance(MonoTime now);
  // By the last round that has ended; nullopt: none has, or fewer than `least` nodes took part.
  std::optional<bool> equal(std::size_t least) const;

 private:
  struct Round {
    std::size_t asked = 0, answered = 0, failed = 0;
    std::string first;
    bool differs = false;
  };
  std::string space_;
  Fleet& fleet_;
  const Layout& layout_;
  CallPool& calls_;
  std::shared_ptr<Round> running_;
  std::optional<Round> last_;
  std::optional<MonoTime> begun_;
};

}  // namespace weft::testnet
