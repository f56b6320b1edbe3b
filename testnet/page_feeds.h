// What a page shows of the nodes' talk with each other, asked of the nodes while a page asks for it (shapes: docs/DASHBOARD.md).
//
// MessageFeed: the messages that nodes send (node/flow.h). Rounds of at most a part of the nodes, in turn, one a kFlowEvery, so that a page
// costs no more calls in a large testnet than it must; the last kFlowKept messages are kept, numbered, for pages that come at different
// times. Who asks later than that is told how many it missed. Nothing is kept for long after the last page.
// TreeFeed: who hangs on whom in the tree along which a namespace spreads. Who asks while the nodes are being asked about the same
// namespace shares the answer; at most kTreesMax namespaces at a time.
//
// What nodes answer is not trusted to have the right shape. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/control_types.h"
#include "testnet/testbed.h"

namespace weft::testnet {

inline constexpr Milliseconds kFlowEvery{900};
inline constexpr Milliseconds kFlowTimeout{3000};
inline constexpr std::size_t kFlowAsked = 64;     // nodes in a round, or a quarter of all
inline constexpr std::size_t kFlowKept = 8192;    // messages
inline constexpr std::size_t kFlowPageMax = 4000;  // messages in one answer
inline constexpr Milliseconds kFlowForget{20'000};  // after it was asked for last
inline constexpr Milliseconds kTreeTimeout{5000};
inline constexpr std::size_t kTreesMax = 4;

// Of the request that waits for it.
using AnswerPage = std::function<void(node::RequestId, node::ControlReply)>;
using ClockOfTestnet = std::function<std::int64_t()>;  // ms since it began, now

class MessageFeed {
 public:
  // All must outlive it.
  MessageFeed(Testbed& testbed, AnswerPage answer, ClockOfTestnet t_ms);
  ~MessageFeed();
  // Answers, maybe later: what came after the cursor; without one, from now on.
  void ask(MonoTime now, node::RequestId id, std::optional<std::uint64_t> after);
  void on_gone(node::RequestId id);
  void forget();

 private:
  struct Inside;
  std::shared_ptr<Inside> inside_;
};

class TreeFeed {
 public:
  TreeFeed(Testbed& testbed, AnswerPage answer);
  ~TreeFeed();
  // Answers, maybe later. False: too many are under way.
  bool ask(node::RequestId id, const std::string& space);
  void on_gone(node::RequestId id);

 private:
  struct Inside;
  std::shared_ptr<Inside> inside_;
};

}  // namespace weft::testnet
