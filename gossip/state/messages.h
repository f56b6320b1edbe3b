// Shared state's messages and their msgpack form: see dht/messages.h for the conventions.
//
// What differs between two nodes is found from the root down: Roots compares whole namespaces, Branch the branches of
// nodes of the tree (entry_tree.h), Fetch brings the entries below one of them that the asker lacks. Every answer is a function of the question
// and the set at that moment: nothing is remembered between them, so a lost datagram or an interruption costs what it carried.
//
// Hashes travel as 4 bytes (8 of a whole namespace): SipHash of the tree's 16 under a salt that the asker draws for each question.
// Two sets that differ look equal once in 2^32 questions, and another time under another salt; a liar cannot
// prepare for it.
#pragma once

#include <variant>

#include "crypto/inline_vec.h"
#include "gossip/broadcast/messages.h"
#include "gossip/state/entry_tree.h"
#include "gossip/state/pack.h"

namespace weft::state {

inline constexpr std::size_t kRootsMax = 32;         // namespaces in one message
inline constexpr std::size_t kBranchNodesMax = 8;    // nodes in one question
inline constexpr std::size_t kFetchHaveMax = 64;     // hashes in one
inline constexpr std::size_t kBranchCountMax = 255;  // of entries below a branch; more are told as so many

enum Kinds : std::uint8_t {
  kRoots = 32,
  kRootsReply = 33,
  kBranch = 34,
  kBranchReply = 35,
  kFetch = 36,
  kFetchReply = 37,
  kPush = 38,  // no reply, nor have those that follow
  kIHave = 39,
  kGraft = 40,
  kPrune = 41,
  kLink = 42,
};

// The first 8 bytes of a namespace's id: names it among those of one node.
using SpaceHandle = ByteArray<8>;
SpaceHandle handle_of(const NamespaceId& id);
using Salt = ByteArray<8>;
std::uint32_t short_hash(const Salt& salt, const TreeHash& hash);
std::uint64_t long_hash(const Salt& salt, const TreeHash& hash);

// The namespaces that the asker has, and a hash of each one's root. The answer lists those of them that the answerer has, too.
struct Root {
  SpaceHandle space{};
  std::uint64_t hash = 0;
};
struct Roots {
  Salt salt{};
  InlineVec<Root, kRootsMax> roots;
};
struct RootsReply {
  InlineVec<Root, kRootsMax> roots;
};

// "What is below these?"
struct Branch {
  SpaceHandle space{};
  Salt salt{};
  InlineVec<Prefix, kBranchNodesMax> nodes;
};
// One for each node of the question, in its order. A node with a single entry, or none, has no branches; `at` begins with the prefix
// that was asked for, and count tells which it is.
struct BranchPart {
  std::uint8_t nibble = 0;
  std::uint8_t count = 1;  // 1 to kBranchCountMax
  std::uint32_t hash = 0;
};
struct BranchNode {
  Prefix at;
  std::uint8_t count = 0;
  InlineVec<BranchPart, 16> parts;  // nibbles ascending, none or at least two
};
struct BranchReply {
  InlineVec<BranchNode, kBranchNodesMax> nodes;
};

// "Which entries below this prefix, after this one, have I not?"
struct Fetch {
  SpaceHandle space{};
  Salt salt{};
  Prefix prefix;
  std::optional<EntryKey> after;
  InlineVec<std::uint32_t, kFetchHaveMax> have;  // hashes of ids
};
// Ascending, as many as fit, as a pack (pack.h). `more`: there are others.
struct FetchReply {
  bool more = false;
  Bytes pack;
};

// ---- what broadcast/messages.h says, in a form: Push goes along the tree, the others tend it.

// Entries that are new to the sender, and how many hops each has come.
struct Push {
  SpaceHandle space{};
  InlineVec<std::uint8_t, kPackEntriesMax> hops;
  Bytes pack;
};
struct IHave {
  SpaceHandle space{};
  InlineVec<broadcast::Announcement, broadcast::kAnnouncementsMax> ids;
};
struct Graft {
  SpaceHandle space{};
  bool eager = false;
  InlineVec<EntryId, broadcast::kGraftIdsMax> ids;
};
struct Prune {
  SpaceHandle space{};
};
struct Link {
  SpaceHandle space{};
  broadcast::LinkStep step = broadcast::LinkStep::kNo;
  InlineVec<NodeId, broadcast::kOthersMax> others;
};
using Word = std::variant<Push, IHave, Graft, Prune, Link>;  // none has an answer

// Bytes of FetchReply and Push without their pack, at most.
inline constexpr std::size_t kPackHeadBytes = 1 + 2 + 5 + 10 + 2 + kPackEntriesMax + 3;

// Each writes the whole payload [kind, rpc, ...]; running out of room is told by w.ok().
void encode(Writer& w, std::uint32_t rpc, const Roots& m);
void encode(Writer& w, std::uint32_t rpc, const RootsReply& m);
void encode(Writer& w, std::uint32_t rpc, const Branch& m);
void encode(Writer& w, std::uint32_t rpc, const BranchReply& m);
void encode(Writer& w, std::uint32_t rpc, const Fetch& m);
void encode(Writer& w, std::uint32_t rpc, const FetchReply& m);
void encode(Writer& w, std::uint32_t rpc, const Push& m);
void encode(Writer& w, std::uint32_t rpc, const IHave& m);
void encode(Writer& w, std::uint32_t rpc, const Graft& m);
void encode(Writer& w, std::uint32_t rpc, const Prune& m);
void encode(Writer& w, std::uint32_t rpc, const Link& m);

// Each reads its fields up to the end of the message (array header, kind and rpc are consumed
// already). Packs are not looked into.
std::optional<DecodeError> decode(Reader& r, Roots& m);
std::optional<DecodeError> decode(Reader& r, RootsReply& m);
std::optional<DecodeError> decode(Reader& r, Branch& m);
std::optional<DecodeError> decode(Reader& r, BranchReply& m);
std::optional<DecodeError> decode(Reader& r, Fetch& m);
std::optional<DecodeError> decode(Reader& r, FetchReply& m);
std::optional<DecodeError> decode(Reader& r, Push& m);
std::optional<DecodeError> decode(Reader& r, IHave& m);
std::optional<DecodeError> decode(Reader& r, Graft& m);
std::optional<DecodeError> decode(Reader& r, Prune& m);
std::optional<DecodeError> decode(Reader& r, Link& m);

}  // namespace weft::state
