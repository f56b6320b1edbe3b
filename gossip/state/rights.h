// Who may write what in an owned namespace: grants and revocations, entries of the owner's, and what follows from them.
//
// Every answer is a pure function of the set of grants and revocations and of one entry's own fields: no clock of a reader's and no order
// of arrival is looked at. So nodes with the same of them admit the same entries.
//
// - The owner is the creator of the namespace: the root key. It may write everything, and it alone writes Grants and Revokes. Nobody
//   passes a right on.
// - A Grant gives a node rights at a path and below it (or everywhere), until a moment, for so many entries. An entry of another author than the
//   owner names in `saw` a Grant to it; it is admitted if one that it names covers it. What it names cannot change, so a second
//   Grant after a revocation admits what is written under it and nothing from between.
// - A Grant ends by the stamp of the entry, not by a clock. An honest author stamps by its own and stops in time. A liar can stamp its
//   entries earlier for ever: what ends that is a revocation.
// - A Revoke holds against Grants of lower (stamp, id) and lists the frontier of the revoked: all places of its history at which its issuer had
//   an entry, as runs. All others are cut off, whenever they arrive: also those between (an author may have left gaps on purpose) and those whose entries were
//   dropped. So a revoked author cannot add anything by dating it back, but at places that it had used, which is a fork and shown as one. The cost: what
//   the issuer had not yet seen is lost. A frontier that takes more than one entry is several Revokes, each for a range of places; each holds by itself.
//   An issuer writes at most kRevokesMax for one revocation: of an author that left more gaps than they tell the rest is cut off, too.
//
// Grants, Revokes and proofs of forks are never discarded by checkpoints: what is admitted must not depend on what is kept of them.
//
// A liar without a Grant gets nothing in. One with a Grant writes what it covers, at most `entries` of them (space.h).
//
// Bodies, canonical msgpack; the paths of the entries are kGrantPath and kRevokePath:
//   Grant   [to: node id bin 32, path bin (empty: everywhere), rights 1 to 3, entries (0: no other limit than for all), expires (0: never;
//           milliseconds of Unix time, exclusive)]
//   Revoke  [of: node id bin 32, first epoch, first seq, last epoch, last seq, frontier bin]
//   frontier: for each epoch, ascending, 8 bytes little-endian, then varints: how many runs, and of each run the distance of its first seq from the end
//   of the one before (of the first: from 1) and its length less one
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "gossip/state/genesis.h"

namespace weft::state {

inline constexpr std::string_view kGrantPath = "grant";
inline constexpr std::string_view kRevokePath = "revoke";
inline constexpr std::size_t kGrantsMax = 4096;        // with so many Grants in one namespace, revoked ones too, an owner grants nothing more; it may always revoke
inline constexpr std::size_t kRevokesMax = 200;        // of one revocation
inline constexpr std::size_t kFrontierBytesMax = 760;  // of one Revoke
inline constexpr std::uint64_t kExpiresMsMax = (std::uint64_t{1} << 47) - 1;

inline constexpr std::uint8_t kRightAdd = 1;        // to write values, and take its own away
inline constexpr std::uint8_t kRightOverwrite = 2;  // to overwrite and take away what others wrote
inline constexpr std::uint8_t kRightsAll = kRightAdd | kRightOverwrite;

struct Grant {
  NodeId to;
  Bytes path;  // empty: everywhere
  std::uint8_t rights = kRightsAll;
  std::uint64_t entries = 0;
  std::uint64_t expires_ms = 0;
  bool operator==(const Grant&) const = default;
};
std::optional<Grant> read_grant(ByteView body);
// The path must be empty or valid, the rights from kRightAdd to kRightsAll.
Bytes grant_body(const Grant& grant);

// Places of one epoch, from the first to the last seq.
struct Run {
  std::uint64_t epoch = 0;
  std::uint64_t first = 1;
  std::uint64_t last = 1;
  bool operator==(const Run&) const = default;
};
struct Revocation {
  using Place = std::pair<std::uint64_t, std::uint64_t>;  // epoch, seq
  NodeId of;
  Place first{0, 0};  // of all places from here
  Place last{UINT64_MAX, kSeqMax};
  std::vector<Run> frontier{};  // these stay: ascending, with a gap between two of one epoch, within [first, last]
  bool operator==(const Revocation&) const = default;
};
std::optional<Revocation> read_revocation(ByteView body);
Bytes revocation_body(const Revocation& revocation);
// As few as these runs take, at most kRevokesMax; what they do not tell is cut off.
std::vector<Revocation> revocations(const NodeId& of, std::span<const Run> frontier);

// Why an entry is not admitted.
enum class Refusal : std::uint8_t {
  kNoGrant,    // it names none to its author: or one that is not here yet
  kPath,       // none that covers its path
  kExpired,
  kRevoked,    // cut off
  kNotOwner,   // only the owner writes this
  kOpen,       // an open namespace has no rights
};

class Rights {
 public:
  explicit Rights(const Genesis& genesis) : open_(genesis.access == Access::kOpen), owner_(genesis.creator) {}

  bool open() const { return open_; }
  bool is_owner(const PublicKey& author) const { return author == owner_; }
  // A Grant or Revoke of the owner's that is in the set from now on.
  void add(const Entry& entry);

  struct Verdict {
    std::optional<Refusal> refusal;
    bool over_others = false;  // it may void what others wrote
    bool admitted() const { return !refusal.has_value(); }
  };
  Verdict judge(const Entry& entry) const;

  // The Grant that an author should name for its next entry, of this kind at this path and stamp: one with the right to overwrite if
  // there is one. What has been revoked does not do: its next entry lies beyond any frontier.
  struct Choice {
    EntryId grant;
    bool over_others = false;
  };
  std::expected<Choice, Refusal> choose(const NodeId& author, Kind kind, ByteView path, std::uint64_t stamp) const;
  // The most entries that an author may have in the set; nullopt: no other limit than for all.
  std::optional<std::uint64_t> entries_max(const NodeId& author) const;
  std::size_t size() const { return grants_.size() + revocations_; }
  std::size_t grants() const { return grants_.size(); }
  // The highest of a Grant to or a Revoke of this node; 0: there is none.
  std::uint64_t last_stamp(const NodeId& of) const;

  struct Given {
    EntryId id;
    std::uint64_t stamp = 0;
    Grant grant;
    bool revoked = false;  // by a later Revoke
  };
  // By receiver, then as they were given.
  std::vector<Given> given() const;

 private:
  using Rank = std::pair<std::uint64_t, EntryId>;  // stamp, id
  struct Held {
    Rank rank;
    Grant grant;
  };
  struct Cut {
    Rank rank;
    Revocation revocation;
  };
  // By what it says itself.
  static std::optional<Refusal> refuses(const Grant& grant, Kind kind, ByteView path, std::uint64_t stamp);
  bool cut(const Held& held, const std::function<bool(const Revocation&)>& by) const;

  bool open_;
  PublicKey owner_;
  std::map<EntryId, Held> grants_;
  std::map<NodeId, std::vector<EntryId>> by_receiver_;
  std::map<NodeId, std::vector<Cut>> cuts_;
  std::size_t revocations_ = 0;
};

}  // namespace weft::state
