// Requests under way: from the packet that asks to the one that answers, or to giving up.
//
// One table for all parts of a node. A request is sent; silent for one RTO it is sent once more and
// its owner is told that it is slow (time to hedge); silent again it may try a fresh handshake, as
// the peer may have restarted; then it ends. To a peer that may be gone the handshake goes at once,
// where no packet is lost. An answer matches by rpc id, kind and peer, all three.
// Of a peer that is hardly known a Get's owner is told before the RTO that it is late: when all others would
// have answered (PeerStats). Nothing else is done then.
//
// Invariants: a slot is free or carries exactly one request; each request ends exactly once; at
// most kRequestsMax are under way; rpc ids carry a random half that changes with each use of a slot,
// so an old answer cannot match a new request. The table only keeps the books: NodeCore sends.
#pragma once

#include <optional>
#include <vector>

#include "crypto/effects.h"
#include "crypto/rng.h"
#include "crypto/timer_queue.h"
#include "dht/messages.h"

namespace weft::node {

inline constexpr std::size_t kRequestsMax = 4096;
// Slots above these give their buffers back when the request ends.
inline constexpr std::size_t kWarmRequests = 16;
// INITs to a peer that may be gone.
inline constexpr int kFewTries = 2;
// In RTOs, without a session: one until the second INIT, which may take longer than the first to be answered.
inline constexpr int kFewTriesPatience = 4;
// Where hardly any answer is late (PeerStats), nobody's packets are lost, and one INIT says as much as two. It is waited for for so
// many RTOs, and for half as long again as the slowest of the last answers took: to wait costs no bytes, and whoever lives and is
// given up is missed in what was looked for.
inline constexpr int kOneTryPatience = 2;
inline constexpr Ratio kOneTrySlowest = {3, 2};
// No request waits longer for its answer.
inline constexpr Duration kPatienceMax = 8s;

enum class Owner : std::uint8_t { kDht, kMembership, kState, kPingOp, kTwin };

struct RequestInfo {
  Owner owner = Owner::kDht;
  RequestTag tag{};
  std::uint8_t reply_kind = 0;   // the kind that answers it
  Target to;
  bool early_ok = false;         // may travel as early data of a handshake
  bool may_rehandshake = true;
  bool may_be_gone = false;      // only named by others, or asked in the background: worth kFewTries, or one
  bool once = false;             // is not sent again
  bool hedge = false;            // of the DHT: told that it is late before it goes out again
  bool look_again = false;       // an address that was silent waits for kBackoffOfSecondLooks at most
  Duration patience{};           // total, at most kPatienceMax; 0: a few RTOs
  std::optional<dht::TraceContext> trace{};
};

class RequestTable {
 public:
  struct Request : RequestInfo {
    std::uint32_t rpc = 0;
    Bytes payload;
    Instant sent_at;
    Instant give_up_at;
    Duration rto{};
    int attempt = 0;             // 0: sent once
    std::size_t endpoint = 0;    // index of the endpoint tried last
    Endpoint tried;              // where the last handshake went
    TimerQueue::Handle timer;
    bool told_slow = false;
    bool one_try = false;        // one INIT, and no more has gone out
    bool in_use = false;
    std::uint16_t generation = 0;
  };

  explicit RequestTable(Entropy& entropy) : entropy_(entropy) {}

  // A new request in a free slot, or nullptr if kRequestsMax are under way. The pointer is valid
  // until the next open(). The caller fills payload, times and timer.
  Request* open(const RequestInfo& info);
  // The request with this rpc id, or nullptr.
  Request* find(std::uint32_t rpc);
  // The request that this answer matches, or nullptr.
  Request* match(std::uint32_t rpc, std::uint8_t kind, const NodeId& peer);
  void close(Request& request);
  std::size_t size() const { return live_; }

  template <class F>
  void for_each(F&& visit) {
    for (Request& r : slots_) {
      if (r.in_use) visit(r);
    }
  }

 private:
  Entropy& entropy_;
  std::vector<Request> slots_;
  std::vector<std::uint32_t> free_;  // lowest slots are taken first: sorted, descending
  std::size_t live_ = 0;
};

}  // namespace weft::node
