// What property tests of shared state draw: authors who write, lie, discard and meet as a script says, and replicas to which entries come
// in any order, twice, in part and over restarts.
//
// Honest authors write as State does: what they see decides what an entry names, a checkpoint discards only what counts for
// nothing where they stand, stamps of one author ascend. The last of the authors may lie: it signs whatever the numbers of a
// step say. Everything follows from the script.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "gossip/state/space.h"
#include "tests/gossip/state_history.h"
#include "tests/property.h"

namespace weft::state {

using weft::testing::Script;
using weft::testing::Step;

inline constexpr std::size_t kAuthors = 4;
inline constexpr std::size_t kLiar = kAuthors - 1;

// Steps of a history.
enum Does : std::uint8_t {
  kWrite,           // who; x kind, y path, z body and stamp
  kMeet,            // who sees what the list says, counted from the last
  kMeetAll,         // who sees all that x sees
  kDiscard,         // who writes a checkpoint of what it sees
  kBegin,           // who begins another epoch
  kLie,             // x kind, y path, z the rest; the list is what it names
  kLyingDiscard,    // x, y, z the section; the list is what is wanted
};
inline const std::vector<std::uint8_t> kHonest = {10, 4, 3, 2, 1};
inline const std::vector<std::uint8_t> kWithLiar = {8, 4, 3, 2, 1, 6, 4};
inline const std::vector<std::uint8_t> kWithLiarWhoDiscards = {3, 2, 2, 1, 1, 6, 12};
inline rc::Gen<Script> histories(std::size_t most, const std::vector<std::uint8_t>& weights = kWithLiar) {
  return weft::testing::scripts(most, weights);
}

inline const Identity& identity_of(std::size_t author) {
  static const CheapProvider provider;
  static const auto all = [] {
    std::vector<std::unique_ptr<Identity>> made;
    for (std::size_t i = 0; i < kAuthors; ++i) made.push_back(std::make_unique<Identity>(provider, ByteArray<32>{static_cast<std::uint8_t>(i + 1)}));
    return made;
  }();
  return *all[author];
}

inline KeptRef signed_entry(std::size_t author, const Content& content) {
  const auto wires = sign_entries(identity_of(author), {&content, 1});
  return wires ? std::make_shared<const Kept>((*wires)[0]) : nullptr;
}

// Offers it as one who has it would: true if that changed anything.
inline bool offer(Space& space, const KeptRef& kept) {
  return space.insert(kept->entry, kept->bytes, /*settled=*/true) == Space::Inserted::kNew;
}

// All again and again, until nothing changes, as walks do. Returns false if it never comes to rest.
inline bool offer_all(Space& space, const std::vector<KeptRef>& all) {
  for (int round = 0; round < 40; ++round) {
    const TreeHash before = space.tree().root();
    bool any = false;
    for (const KeptRef& kept : all) any = offer(space, kept) || any;
    if (!any || (round > 0 && space.tree().root() == before)) return true;
  }
  return false;
}

inline std::set<EntryId> held(const Space& space) {
  std::set<EntryId> out;
  space.visit_arrivals(0, [&](std::uint64_t, const EntryId& id, ByteView) { return out.insert(id).second; });
  return out;
}

class Cast {
 public:
  struct Author {
    std::uint64_t epoch = 1;
    std::uint64_t seq = 0;
    std::uint64_t stamp = 0;
    std::optional<EntryId> head{};
    Space sees{Genesis{}};
    std::set<EntryId> seen{};  // all that it ever saw and wrote
  };
  // What an honest author had seen when it wrote. Of a liar's, what was shown: by discarding what stands above the rest it may bring that back, as if it were new.
  struct Made {
    KeptRef kept;
    std::size_t author = 0;
    std::set<EntryId> seen{};
    bool honest = true;
  };

  // The last author is honest, too, if the script has nothing else in store for it.
  explicit Cast(const Script& to_come)
      : authors(kAuthors), has_liar_(std::ranges::any_of(to_come, [](const Step& step) { return step.does >= kLie; })) {}
  void play_all(const Script& script) {
    for (const Step& step : script) (void)play(step);
  }

  // The entry that the step wrote, if it did.
  KeptRef play(const Step& step) {
    const std::size_t who = step.who % (has_liar_ ? kLiar : kAuthors);
    switch (step.does) {
      case kWrite: return write(who, static_cast<Kind>(1 + step.x % 5), step.y, step.z);
      case kMeet:
        for (const std::uint8_t back : step.list) meet(who, named(back));
        return nullptr;
      case kMeetAll: {
        const std::set<EntryId> theirs = held(authors[step.x % kAuthors].sees);
        for (const Made& one : made) {
          if (theirs.contains(one.kept->entry.id)) meet(who, one.kept);
        }
        return nullptr;
      }
      case kDiscard: return discard(who);
      case kBegin: return begin(who);
      case kLie: return lie(step);
      case kLyingDiscard: return lying_discard(step);
      default: return nullptr;
    }
  }
  KeptRef begin(std::size_t who) {
    ++authors[who].epoch;
    authors[who].seq = 0;
    return nullptr;
  }
  void meet(std::size_t who, const KeptRef& kept) {
    if (kept == nullptr) return;
    (void)offer(authors[who].sees, kept);
    authors[who].seen.insert(kept->entry.id);
  }
  void meet_all(std::size_t who) {
    (void)offer_all(authors[who].sees, all());
    for (const Made& one : made) authors[who].seen.insert(one.kept->entry.id);
  }

  // What State::write makes of a change.
  KeptRef write(std::size_t who, Kind kind, std::uint8_t path_number, std::uint8_t number) {
    Author& author = authors[who];
    const ByteView path = as_bytes(History::kPaths[path_number % History::kPaths.size()]);
    const PublicKey& self = identity_of(who).public_key();
    const Documents& documents = author.sees.documents();
    Bytes body = body_of(kind, number);
    if (kind == Kind::kCount) {
      Counted counted = documents.counted_by(path, self, author.epoch);
      (number % 2 == 0 ? counted.up : counted.down) += number / 2U;
      body = count_body(counted);
    }
    const auto saw = documents.seen(kind, path, body, self, author.epoch).saw;
    if (saw.empty() && (kind == Kind::kRemove || kind == Kind::kClear)) return nullptr;
    // Clocks of different authors are far apart.
    author.stamp += 1U + (number & 3U) * 1000U;
    return keep(who, {.space = {}, .author = self, .epoch = author.epoch, .seq = author.seq + 1, .prev = author.head,
                      .stamp = author.stamp, .kind = kind, .path = path, .body = body, .saw = saw}, /*honest=*/true);
  }
  // Of its own that counts for nothing where it stands, and of its checkpoints before.
  KeptRef discard(std::size_t who) {
    Author& author = authors[who];
    const PublicKey& self = identity_of(who).public_key();
    std::map<std::uint64_t, Section> by_epoch;
    for (const Section& old : author.sees.checkpoints().counting(self)) {
      Section& section = by_epoch.try_emplace(old.epoch, Section{.epoch = old.epoch}).first->second;
      section.last = std::max(section.last, old.last);
    }
    for (const Space::Own& own : author.sees.own(self)) {
      Section& section = by_epoch.try_emplace(own.epoch, Section{.epoch = own.epoch}).first->second;
      section.last = std::max(section.last, own.seq);
      if (own.counts) section.wanted.push_back(own.seq);
    }
    std::vector<Section> sections;
    for (auto& [epoch, section] : by_epoch) sections.push_back(std::move(section));
    if (sections.empty() || sections.size() > kSectionsMax) return nullptr;
    return checkpoint(who, sections, author.stamp + 1, author.epoch, author.seq + 1, /*honest=*/true);
  }
  // Says what a script came to, for people.
  void tell(std::ostream& out) const {
    std::map<EntryId, std::size_t> numbers;
    for (const Made& one : made) {
      const Content& c = one.kept->entry.content;
      numbers.emplace(one.kept->entry.id, numbers.size());
      out << "#" << numbers.size() - 1 << " author " << one.author << (one.honest ? "" : " lies") << ", epoch " << c.epoch << ", seq " << c.seq
          << ", stamp " << c.stamp << ": kind " << static_cast<int>(c.kind) << " at " << as_text(c.path);
      if (c.kind == Kind::kCheckpoint) {
        const std::vector<Section> sections = read_checkpoint(c.body).value();
        for (const Section& s : sections) {
          out << " [epoch " << s.epoch << ", " << s.first << " to " << s.last << " but";
          for (const std::uint64_t seq : s.wanted) out << " " << seq;
          out << "]";
        }
      } else {
        out << " of " << to_hex(c.body);
      }
      for (const EntryId& id : c.saw) out << (numbers.contains(id) ? " saw #" + std::to_string(numbers.at(id)) : " saw nothing");
      out << "\n";
    }
  }

  std::vector<KeptRef> all() const {
    std::vector<KeptRef> out;
    for (const Made& one : made) out.push_back(one.kept);
    return out;
  }

  std::vector<Author> authors;
  std::vector<Made> made;

 private:
  static Bytes body_of(Kind kind, std::uint8_t number) {
    if (kind == Kind::kSet) return to_bytes(as_bytes("v" + std::to_string(number % 5)));
    if (kind == Kind::kAdd || kind == Kind::kRemove) return to_bytes(as_bytes("e" + std::to_string(number % 3)));
    if (kind != Kind::kCount) return {};
    // Of a liar: what is large, and what is not.
    constexpr std::uint64_t kCounts[] = {0, 1, 1000, UINT64_MAX, UINT64_MAX - 1, std::uint64_t{1} << 63};
    return count_body({kCounts[number % 6], kCounts[number / 6 % 6]});
  }
  std::set<EntryId> seen_by(const Author& author) const {
    std::set<EntryId> out = author.seen;
    std::erase_if(out, [&](const EntryId& id) {
      const Documents& documents = author.sees.documents();
      return lies_.contains(id) && !(documents.contains(id) && documents.counts(documents.at(id)));
    });
    return out;
  }
  KeptRef named(std::uint8_t back) const { return made.empty() ? nullptr : made[made.size() - 1 - back % made.size()].kept; }

  KeptRef lie(const Step& step) {
    const auto kind = static_cast<Kind>(1 + step.x % 5);
    const Bytes body = body_of(kind, step.z);
    std::vector<EntryId> saw;
    for (const std::uint8_t back : step.list) {
      if (back == 255) saw.push_back({{back}});  // of nothing
      else if (const KeptRef other = named(back); other != nullptr) saw.push_back(other->entry.id);
    }
    std::ranges::sort(saw);
    saw.erase(std::unique(saw.begin(), saw.end()), saw.end());
    if (saw.empty() && (kind == Kind::kRemove || kind == Kind::kClear)) return nullptr;
    constexpr std::uint64_t kStamps[] = {0, 1, 50, UINT64_MAX};
    const KeptRef before = named(step.x);
    std::optional<EntryId> prev;
    if (before != nullptr && step.z % 3 != 0) prev = before->entry.id;
    // Forks, gaps and steps back, in a few epochs.
    return keep(kLiar, {.space = {}, .author = identity_of(kLiar).public_key(), .epoch = 1U + step.y / 64U,
                        .seq = step.x / 32 == 7 ? kSeqMax : 1U + step.x / 32U, .prev = prev, .stamp = kStamps[step.y / 16 % 4], .kind = kind,
                        .path = as_bytes(History::kPaths[step.y % History::kPaths.size()]), .body = body, .saw = saw},
                /*honest=*/false);
  }
  KeptRef lying_discard(const Step& step) {
    Section one{.epoch = 1U + step.x % 4U, .first = 1U + step.y % 8U, .last = 1U + step.y % 8U + step.z % 8U, .wanted = {}};
    if (step.z / 8 % 8 == 7) one.last = kSeqMax;
    for (const std::uint8_t seq : step.list) one.wanted.push_back(one.first + seq % 8U);
    std::ranges::sort(one.wanted);
    one.wanted.erase(std::unique(one.wanted.begin(), one.wanted.end()), one.wanted.end());
    std::erase_if(one.wanted, [&](std::uint64_t seq) { return seq > one.last; });
    return checkpoint(kLiar, {&one, 1}, step.z / 64U * 40U, 1U + step.x / 64U, 1U + step.x / 4 % 8U, /*honest=*/false);
  }
  KeptRef checkpoint(std::size_t who, std::span<const Section> sections, std::uint64_t stamp, std::uint64_t epoch, std::uint64_t seq, bool honest) {
    const Bytes body = checkpoint_body(sections);
    return keep(who, {.space = {}, .author = identity_of(who).public_key(), .epoch = epoch, .seq = seq, .prev = authors[who].head,
                      .stamp = stamp, .kind = Kind::kCheckpoint, .path = as_bytes(kCheckpointPath), .body = body, .saw = {}}, honest);
  }
  KeptRef keep(std::size_t who, const Content& content, bool honest) {
    Author& author = authors[who];
    KeptRef kept = signed_entry(who, content);
    if (kept == nullptr) return nullptr;
    const bool again = std::ranges::any_of(made, [&](const Made& one) { return one.kept->entry.id == kept->entry.id; });
    if (again) return nullptr;
    made.push_back({.kept = kept, .author = who, .seen = seen_by(author), .honest = honest});
    if (!honest) lies_.insert(kept->entry.id);
    if (honest) {
      author.seq = content.seq;
      author.stamp = std::max(author.stamp, content.stamp);
      author.head = kept->entry.id;
    }
    meet(who, kept);
    return kept;
  }

  bool has_liar_;
  std::set<EntryId> lies_;
};

// One to whom entries come as a script says.
class Replica {
 public:
  enum Comes : std::uint8_t {
    kSome,       // those that the list says
    kRun,        // from x on, y of them; backwards if z is odd
    kRestart,    // out of the store, in the order that x says
    kWithdrawn,  // the first of the list is written here and could not be made durable
    kSettled,    // or could; what else the list says comes meanwhile
  };
  static rc::Gen<Script> scripts(std::size_t most) { return weft::testing::scripts(most, {6, 4, 1, 1, 1}, 8); }

  void play(const Step& step, const std::vector<KeptRef>& all) {
    if (all.empty()) return;
    const auto at = [&](std::size_t i) -> const KeptRef& { return all[i % all.size()]; };
    switch (step.does) {
      case kSome:
        for (const std::uint8_t i : step.list) (void)offer(*space, at(i));
        break;
      case kRun:
        for (std::size_t i = 0; i < step.y % 32U; ++i) (void)offer(*space, at(step.z % 2 == 0 ? step.x + i : step.x + 256 * all.size() - i));
        break;
      case kRestart: restart(step.x); break;
      default:
        if (!step.list.empty()) own(at(step.list[0]), step, all);
        break;
    }
  }
  void restart(std::size_t turn) {
    std::vector<std::pair<std::uint64_t, Bytes>> rows;
    space->visit_arrivals(0, [&](std::uint64_t arrival, const EntryId&, ByteView wire) {
      rows.emplace_back(arrival, to_bytes(wire));
      return true;
    });
    if (turn % 2 == 1) std::ranges::reverse(rows);
    if (!rows.empty()) std::ranges::rotate(rows, rows.begin() + static_cast<std::ptrdiff_t>(turn / 2 % rows.size()));
    space = std::make_unique<Space>(Genesis{});
    for (const auto& [arrival, wire] : rows) RC_ASSERT(space->restore(decode_entry(wire).value(), wire, arrival));
    space->restored();
  }

  std::unique_ptr<Space> space = std::make_unique<Space>(Genesis{});

 private:
  // Checkpoints of the same author wait for what it writes, as they do in State. What is not durable nobody has heard of, so nobody names it.
  void own(const KeptRef& mine, const Step& step, const std::vector<KeptRef>& all) {
    if (space->documents().is_named(mine->entry.id)) return;
    if (space->insert(mine->entry, mine->bytes, /*settled=*/false) != Space::Inserted::kNew) return;
    for (const std::uint8_t i : step.list) {
      const KeptRef& other = all[i % all.size()];
      const bool names_it = std::ranges::find(other->entry.content.saw, mine->entry.id) != other->entry.content.saw.end();
      if (other->entry.content.author != mine->entry.content.author && !names_it) (void)offer(*space, other);
    }
    if (step.does == kSettled) space->settle(mine->entry.id);
    else space->withdraw({&mine->entry.id, 1});
  }
};

}  // namespace weft::state
