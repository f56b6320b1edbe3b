// What a set of entries means, worked out a second time from the rules in gossip/state/documents.h and checkpoint.h, with nothing of their code: of
// the library only the form of an entry and of a checkpoint's body is used. Slow and plain, so that a reader can see that it is right.
//
// Pure functions.
#pragma once

#include <map>
#include <set>
#include <string>

#include "gossip/state/checkpoint.h"
#include "gossip/state/documents.h"

namespace weft::sim {

struct NaiveFold {
  struct Value {
    std::uint64_t stamp = 0;
    PublicKey author;
    state::EntryId id;
    Bytes bytes;
  };
  // By path; only where something is left.
  std::map<std::string, std::vector<Value>> registers;  // the highest first
  std::map<std::string, std::int64_t> counters;
  std::map<std::string, std::set<Bytes>> sets;
  std::set<std::string> paths;
  // In the set, discarded by their authors, and of no use to anybody.
  std::vector<state::EntryId> droppable;
  std::size_t malformed = 0;

  // Whether an entry, in the set or not, is discarded by a checkpoint of its author's that is in the set and counts; and takes nothing away
  // that is in the set and not discarded, so that it is not to be kept.
  bool discards(const state::Entry& entry) const;
  bool unwanted(const state::Entry& entry) const;

  struct Checkpoint {
    std::uint64_t stamp = 0;
    state::EntryId id;
    std::vector<state::Section> sections;
  };
  std::map<PublicKey, std::vector<Checkpoint>> counting;
  std::vector<Bytes> wires;
  std::map<state::EntryId, state::Entry> all;  // views into them
  std::set<state::EntryId> discarded;
};

// A checkpoint taken apart; and whether it discards a place of its author's if it counts.
NaiveFold::Checkpoint checkpoint_of(const state::Entry& entry);
bool leaves_out(const NaiveFold::Checkpoint& by, std::uint64_t epoch, std::uint64_t seq);
NaiveFold naive_fold(std::vector<Bytes> entries);
// Whether these documents say the same.
bool same(const NaiveFold& fold, const state::Documents& documents);

}  // namespace weft::sim
