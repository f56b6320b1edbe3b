// Finding out what a peer has and we have not, and bringing it: one walk down two Merkle trees (entry_tree.h) at a time.
//
// A walk asks for the branches of the nodes that differ, and where few entries are left below one, for the entries. It brings only; what
// the peer lacks, the peer's own walk brings. Several questions are under way at once and answers may come in any order.
//
// It ends on all answers: each goes down the tree by at least one of kNibbles levels or forward in the order of keys, and
// after kVainMax questions in a row that brought nothing new the walk is given up. For how long a peer may take to answer them it does not
// know: its owner ends it after a while (kWalkMax, state.h). It may be dropped at any time:
// what it has brought is kept, and the next one finds those branches equal.
//
// Bytes, for d missing entries in c clusters of a set of n: about 16 * 5 bytes a node, log16(n) nodes a cluster, answered eight at a
// time; then the entries in packs (pack.h), with 30 bytes of datagram and some 60 of question for each.
#pragma once

#include <deque>
#include <variant>

#include "gossip/state/messages.h"
#include "gossip/state/space.h"

namespace weft::state {

inline constexpr std::size_t kQuestionsOpen = 8;   // of one walk
inline constexpr std::size_t kFetchBelow = 32;     // entries of the peer's below a branch that are asked for by name
inline constexpr std::size_t kVainMax = 4096;      // questions
inline constexpr std::size_t kWalkTodoMax = 65536;  // branches; above, the walk is given up

// What a node with this set answers.
void answer(const Space& space, const Branch& question, BranchReply& reply);
// `budget`: bytes for the whole message.
void answer(const Space& space, const Fetch& question, std::size_t budget, FetchReply& reply);

class Walk {
 public:
  // `first`: what comes first (entry.h) is compared, and brought, before all else.
  explicit Walk(const NamespaceId& space, bool first = false) : handle_(handle_of(space)), all_later_(first) {
    branches_.push_back(first ? Prefix{.bytes = {}, .nibbles = kAuthorNibbles} : Prefix{});
  }

  using Question = std::variant<Branch, Fetch>;
  // The next question, or none while enough are under way or nothing is left to ask.
  std::optional<Question> next(const Space& space, Entropy& entropy);
  // The answer to one of the questions, before its entries are put into the space. False: the peer does not answer
  // what it was asked, and the walk is over.
  bool on_reply(const Space& space, const Branch& question, const BranchReply& reply);
  // Whether these are keys that the question asked for, in order: to be looked at before the entries are.
  static bool asked_for(const Fetch& question, bool more, std::span<const EntryKey> keys);
  // `keys`: of the entries in the reply, in its order. `fresh`: how many of them were taken.
  bool on_reply(const Fetch& question, bool more, std::span<const EntryKey> keys, std::size_t fresh);
  bool ended() const { return idle() && !all_later_; }

 private:
  bool gone_on(bool brought);
  bool idle() const { return open_ == 0 && branches_.empty() && fetches_.empty(); }

  struct Page {
    Prefix prefix;
    std::optional<EntryKey> after;
  };
  SpaceHandle handle_;
  std::deque<Prefix> branches_;
  std::deque<Page> fetches_;
  std::size_t open_ = 0;
  std::size_t vain_ = 0;
  bool all_later_ = false;  // the root is still to be asked about
};

}  // namespace weft::state
