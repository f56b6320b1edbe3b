// Bringing one value to several holders, as a pure value: whom to ask next, and when it is over.
//
// Holders come nearest first. At most as many are under way as copies are still wanted,
// and kStoresOpenMax; one that refuses, is silent or slow is replaced by the next nearest. A holder without a token is asked for
// one first, and once more if it refuses the token that it was shown. A slow holder whose
// acknowledgement comes late still counts; it is waited for only while there are fewer than
// `needed` copies.
#pragma once

#include <vector>

#include "crypto/effects.h"
#include "dht/messages.h"

namespace weft::dht {

inline constexpr std::size_t kStoresOpenMax = 24;

struct Holder {
  Target to;
  std::optional<Token> token;
};

class StoreRound {
 public:
  struct Options {
    std::size_t wanted = 1;  // copies to reach
    std::size_t needed = 1;  // copies to wait for slow holders for
    std::size_t have = 0;    // copies that exist already (our own)
  };
  // The next thing to do with a holder: store, or get a token if there is none.
  struct Ask {
    Target to;
    std::optional<Token> token;
  };

  StoreRound(const Options& options, std::vector<Holder> nearest_first);

  // The next request, if one should be made now. Call until nullopt after each change.
  std::optional<Ask> next();
  // The holder answered the request for a token: it gave one or not, or it holds the value (or a
  // newer one) already and needs no store.
  void on_token(const NodeId& holder, const std::optional<Token>& token, bool holds);
  // The holder answered a store.
  void on_stored(const NodeId& holder, const Stored& answer);
  void on_slow(const NodeId& holder);
  void on_silent(const NodeId& holder);
  // Nothing more to do or to wait for.
  bool settled() const;
  // Distinct holders that hold the value, those at the start included.
  std::size_t copies() const { return copies_; }
  // Holders of the first `wanted` that have not answered: they may hold it or not.
  std::vector<NodeId> silent() const;
  // The highest number with which a holder refused as stale; 0 if none did.
  std::uint64_t stale_seq() const { return stale_seq_; }
  // True if a holder refused for want of room.
  bool no_room() const { return no_room_; }
  // A holder that named this number, to fetch the newer value from.
  const Target* stale_holder() const;

 private:
  enum class State : std::uint8_t { kIdle, kToken, kStoring, kSlow, kHolds, kFailed };
  struct Place {
    Holder holder;
    State state = State::kIdle;
    bool renewed = false;  // a second token was asked for
    bool silent = false;   // kFailed, because it was
  };
  Place* find(const NodeId& id);
  std::size_t count(State state) const;

  Options options_;
  std::vector<Place> places_;
  std::size_t copies_;
  std::uint64_t stale_seq_ = 0;
  std::size_t stale_at_ = SIZE_MAX;
  bool no_room_ = false;
};

}  // namespace weft::dht
