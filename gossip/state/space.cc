#include "gossip/state/space.h"

#include "crypto/check.h"
#include "crypto/provider.h"

namespace weft::state {
namespace {

// Of what comes first.
constexpr Prefix kFirstPrefix{.bytes = {}, .nibbles = kAuthorNibbles};

// The same part of `to` as `part` is of `from`.
ByteView part_of(ByteView part, ByteView from, ByteView to) {
  if (part.empty()) return {};
  const std::ptrdiff_t at = part.data() - from.data();
  CHECK(at >= 0 && static_cast<std::size_t>(at) + part.size() <= from.size());
  return to.subspan(static_cast<std::size_t>(at), part.size());
}

}  // namespace

const Space::Held* Space::find(const EntryId& id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

Entry Space::decode(const EntryId& id) const {
  auto entry = decode_entry(entries_.at(id).wire);
  CHECK(entry.has_value());
  return std::move(*entry);
}

Space::Inserted Space::insert(const Entry& entry, ByteView wire, bool settled) {
  if (entries_.contains(entry.id)) return Inserted::kKnown;
  if (unwanted(entry)) return Inserted::kDiscarded;
  Held& held = put(entry, wire, last_arrival_ + 1);
  if (settled) {
    held.settled = true;
    into_tree(entry);
  } else {
    unsettled_.insert(entry.id);
  }
  return Inserted::kNew;
}

bool Space::restore(const Entry& entry, ByteView wire, std::uint64_t arrival) {
  if (entries_.contains(entry.id) || arrivals_.contains(arrival)) return false;
  put(entry, wire, arrival).settled = true;
  tree_.insert(key_of(entry));
  switch (entry.content.kind) {
    case Kind::kCheckpoint: (void)checkpoints_.add(entry); break;
    case Kind::kGrant:
    case Kind::kRevoke: rights_.add(entry); break;
    default: break;
  }
  if (counted(entry.content.kind)) ++heads_[entry.content.author].settled;
  return true;
}

void Space::restored(std::uint64_t luck) {
  last_restored_ = last_arrival_;
  last_arrival_ += kArrivalJump + luck % kArrivalLuck;
  life_begin_ = last_arrival_;
  Changed changed;
  for (const EntryKey& key : first_keys()) {
    const Entry entry = decode(key.id());
    if (entry.content.kind == Kind::kFork && !may_be_proven(accused_by(entry))) drop(entry.id, changed);
    else take_proof(entry);
  }
  proven_.clear();
  forget_lost();
  for (const auto& [author, head] : heads_) {
    enforce(author, /*restoring=*/true);
    drop_unneeded({{author, checkpoints_.counting(author)}}, {});
    trim(author, {});
    std::optional<EntryKey> before;
    for (const EntryKey& key : keys_of(author)) {
      if (before && before->epoch() == key.epoch() && before->seq() == key.seq()) find_forks(decode(key.id()));
      before = key;
    }
  }
  // It went in a former life, and was told then.
  crowded_out_.clear();
}

Space::Held& Space::put(const Entry& entry, ByteView wire, std::uint64_t arrival) {
  CHECK(entry.content.space == genesis_.id);
  const auto [at, fresh] = entries_.try_emplace(entry.id, Held{.wire = to_bytes(wire), .arrival = arrival, .settled = false});
  CHECK(fresh);
  Held& held = at->second;
  last_arrival_ = std::max(last_arrival_, arrival);
  arrivals_.emplace_hint(arrivals_.end(), arrival, &*at);
  bytes_ += wire.size();
  names_ += entry.content.saw.size();
  // The documents look into the bytes that are kept.
  Entry here;
  here.id = entry.id;
  here.content = entry.content;
  here.content.path = part_of(entry.content.path, wire, held.wire);
  here.content.body = part_of(entry.content.body, wire, held.wire);
  documents_.insert(here, judge(entry).over_others);
  // A proof has no place in its author's history.
  if (entry.content.kind != Kind::kFork) note_head(entry.content.author, entry.content.stamp, entry.id);
  if (!rights_.open() && entry.content.kind != Kind::kFork) authors_.emplace(node_id_of(entry.content.author), entry.content.author);
  return held;
}

Space::Head& Space::note_head(const PublicKey& author, std::uint64_t stamp, const EntryId& id) {
  Head& head = heads_[author];
  if (std::pair(stamp, id) > std::pair(head.stamp, head.id)) {
    head.id = id;
    head.stamp = stamp;
  }
  return head;
}

Space::Settled Space::settle(const EntryId& id) {
  Held& held = entries_.at(id);
  if (held.settled) return Settled::kHere;
  const Entry entry = decode(id);
  if (!judge(entry).admitted()) {
    ++cut_off_[entry.content.author];
    dropped_.push_back(id);
    Bytes wire;
    take_out(id, wire);
    return Settled::kNotAdmitted;
  }
  held.settled = true;
  unsettled_.erase(id);
  into_tree(entry);
  return holds(id) ? Settled::kHere : Settled::kTooMany;
}

void Space::into_tree(const Entry& entry) {
  const Content& c = entry.content;
  find_forks(entry);
  tree_.insert(key_of(entry));
  if (comes_first(c.kind)) {
    if (c.kind == Kind::kFork) return take_proof(entry);
    rights_.add(entry);
    // A Revoke changes only what lies in its range, a Grant what names it.
    if (c.kind == Kind::kRevoke) {
      const Revocation revocation = read_revocation(c.body).value();
      if (const auto of = author_of(revocation.of)) enforce(*of, keys_of(*of, revocation.first, revocation.last), false);
    } else if (documents_.is_named(entry.id)) {
      if (const auto to = author_of(read_grant(c.body)->to)) enforce(*to);
    }
    return;
  }
  // Anew, as another write that was withdrawn meanwhile may have taken it along.
  note_head(c.author, c.stamp, entry.id).settled += counted(c.kind) ? 1U : 0U;
  if (const auto places = places_.find(c.author); places != places_.end() && counted(c.kind)) places->second.insert(place_of(entry.id));
  // What was admitted meanwhile, or what it may do, has its say now.
  judge_anew(entry);
  if (discards(entry)) {
    mark_discarded(entry.id, true);
    documents_.keep(entry);
  }
  if (c.kind == Kind::kCheckpoint) {
    drop_unneeded({{c.author, checkpoints_.add(entry)}}, {});
  }
  trim(c.author, entry.id);
}

PublicKey Space::accused_by(const Entry& proof) const { return read_fork(genesis_.id, proof.content.body).value().author(); }

bool Space::may_be_proven(const PublicKey& accused) const {
  if (!rights_.open()) return true;  // rights.h asks more
  bool here = false;
  const Prefix prefix{.bytes = key_of(accused, 0, 0, {}).bytes, .nibbles = kAuthorNibbles};
  tree_.visit(prefix, {}, [&](const EntryKey& key) {
    here = documents_.author(key.id()) == accused && documents_.kind(key.id()) != Kind::kFork;
    return !here;
  });
  return here;
}

// Of the proofs against one author the lowest id stays.
void Space::take_proof(const Entry& entry) {
  if (entry.content.kind != Kind::kFork) return;
  const PublicKey accused = accused_by(entry);
  const auto [at, fresh] = proofs_.emplace(accused, entry.id);
  if (fresh && proven_.size() < kForksToldMax) proven_.push_back(accused);
  if (fresh) forks_.erase(accused);
  if (fresh || at->second == entry.id) return;
  const EntryId other = at->second;
  at->second = std::min(other, entry.id);
  Changed changed;
  drop(std::max(other, entry.id), changed);
}

void Space::find_forks(const Entry& entry) {
  const Content& c = entry.content;
  if (c.kind == Kind::kFork || proofs_.contains(c.author) || forks_.contains(c.author)) return;
  for (const PublicKey& below : {c.author, PublicKey{}}) {
    if (below == PublicKey{} && rights_.size() == 0 && proofs_.empty()) continue;  // nothing comes first
    const Prefix place{.bytes = key_of(below, c.epoch, c.seq, {}).bytes, .nibbles = kPlaceNibbles};
    tree_.visit(place, {}, [&](const EntryKey& key) {
      const EntryId other = key.id();
      if (other == entry.id || documents_.author(other) != c.author || documents_.kind(other) == Kind::kFork) return true;
      if (forks_.size() < kForksToldMax) forks_[c.author] = {entries_.at(entry.id).wire, entries_.at(other).wire};
      return false;
    });
  }
}

bool Space::unwanted(const Entry& entry) const {
  const Content& c = entry.content;
  if (c.kind == Kind::kFork) {
    const PublicKey accused = accused_by(entry);
    const auto proof = proofs_.find(accused);
    return proof == proofs_.end() ? !may_be_proven(accused) : proof->second < entry.id;
  }
  if (discards(entry) && !documents_.holds_down(entry, judge(entry).over_others)) return true;
  if (c.kind == Kind::kCheckpoint) {
    const auto lowest = checkpoints_.count(c.author) < kCheckpointsKept ? std::nullopt : checkpoints_.lowest(c.author);
    return lowest && Rank(c.stamp, entry.id) < *lowest;
  }
  if (comes_first(c.kind) || entries_of(c.author) < entries_max(c.author)) return false;
  const Place mine{.discarded = discards(entry), .rank = {c.stamp, entry.id}};
  const std::set<Place>& all = places(c.author);
  return all.empty() || *all.rbegin() < mine;
}

std::vector<EntryKey> Space::keys_of(const PublicKey& author, Revocation::Place first, Revocation::Place last) const {
  const EntryKey from = key_of(author, first.first, first.second, {});
  std::vector<EntryKey> out;
  const bool all = first == Revocation::Place{0, 0};
  tree_.visit({.bytes = key_of(author, 0, 0, {}).bytes, .nibbles = kAuthorNibbles}, all ? std::nullopt : std::optional(from), [&](const EntryKey& key) {
    if (Revocation::Place(key.epoch(), key.seq()) > last) return false;
    if (documents_.author(key.id()) == author) out.push_back(key);
    return true;
  });
  return out;
}

std::vector<EntryKey> Space::first_keys() const {
  std::vector<EntryKey> out;
  tree_.visit(kFirstPrefix, {}, [&](const EntryKey& key) {
    out.push_back(key);
    return true;
  });
  return out;
}

std::vector<Space::Own> Space::own(const PublicKey& author) const {
  std::vector<Own> out;
  for (const EntryKey& key : keys_of(author)) {
    const Documents::Item& item = documents_.at(key.id());
    out.push_back({.epoch = key.epoch(), .seq = key.seq(), .counts = documents_.counts(item), .checkpoint = item.kind == Kind::kCheckpoint,
                   .discarded = item.discarded});
  }
  return out;
}

std::vector<Space::Own> Space::own_settled(const PublicKey& author) {
  std::vector<std::pair<Entry, bool>> aside;
  for (const EntryId& id : unsettled_) {
    if (documents_.author(id) == author) aside.emplace_back(decode(id), documents_.over_others(id));
  }
  for (const auto& [entry, over_others] : aside) documents_.erase(entry);
  std::vector<Own> out = own(author);
  for (const auto& [entry, over_others] : aside) documents_.insert(entry, over_others);
  return out;
}

std::set<std::uint64_t> Space::open_epochs(const PublicKey& author) const {
  const auto newest = checkpoints_.newest(author);
  std::set<std::uint64_t> out;
  if (newest) out.insert(newest->epoch);
  for (const EntryKey& key : keys_of(author)) {
    const EntryId id = key.id();
    if (!newest || std::pair(documents_.stamp(id), id) > newest->rank) out.insert(key.epoch());
  }
  return out;
}

std::vector<Run> Space::frontier(const NodeId& author) const {
  std::vector<Run> out;
  const auto key = authors_.find(author);
  if (key == authors_.end()) return out;
  for (const EntryKey& place : keys_of(key->second)) {
    const bool goes_on = !out.empty() && out.back().epoch == place.epoch() && place.seq() <= out.back().last + 1;
    if (!goes_on) out.push_back({.epoch = place.epoch(), .first = place.seq(), .last = place.seq()});
    out.back().last = place.seq();
  }
  return out;
}

std::size_t Space::entries_of(const PublicKey& author) const {
  const auto head = heads_.find(author);
  return head == heads_.end() ? 0 : head->second.settled;
}

std::size_t Space::entries_max(const PublicKey& author) const {
  if (rights_.open() || rights_.is_owner(author)) return kAuthorEntriesMax;
  const auto most = rights_.entries_max(node_id_of(author));
  return static_cast<std::size_t>(std::min<std::uint64_t>(most.value_or(kAuthorEntriesMax), kAuthorEntriesMax));
}

// ---- what goes

Space::Place Space::place_of(const EntryId& id) const {
  return {.discarded = documents_.discarded(id), .rank = {documents_.stamp(id), id}};
}

void Space::mark_discarded(const EntryId& id, bool discarded) {
  if (documents_.discarded(id) == discarded) return;
  const auto places = counted(documents_.kind(id)) ? places_.find(documents_.author(id)) : places_.end();
  const bool there = places != places_.end() && places->second.erase(place_of(id)) > 0;
  documents_.set_discarded(id, discarded);
  if (there) places->second.insert(place_of(id));
}

std::set<Space::Place>& Space::places(const PublicKey& author) const {
  const auto [at, fresh] = places_.try_emplace(author);
  if (fresh) {
    for (const EntryKey& key : keys_of(author)) {
      if (counted(documents_.kind(key.id()))) at->second.insert(place_of(key.id()));
    }
  }
  return at->second;
}

// True if that changed what it may do.
bool Space::judge_anew(const Entry& entry) { return documents_.set_over_others(entry, judge(entry).over_others); }

void Space::enforce(const PublicKey& author, std::span<const EntryKey> keys, bool restoring) {
  if (rights_.open() || rights_.is_owner(author)) return;
  std::set<EntryId> candidates;
  Changed changed;
  for (const EntryKey& key : keys) {
    const EntryId id = key.id();
    const Entry entry = decode(id);
    work_ += kDecodeWork;
    if (const auto verdict = judge(entry); !verdict.admitted()) {
      work_ += documents_.visit_keepers(id, [&](const EntryId& keeper) { candidates.insert(keeper); });
      // Its Grant may have been lost, and come again: the row stays.
      const bool aside = restoring && *verdict.refusal == Refusal::kNoGrant;
      if (aside) set_aside_.push_back(entries_.at(id).wire);
      else ++cut_off_[author];
      drop(id, changed);
      if (aside) dropped_.pop_back();
    } else if (judge_anew(entry)) {
      candidates.insert(id);
    }
  }
  drop_unneeded(std::move(changed), std::move(candidates));
}

void Space::trim(const PublicKey& author, const EntryId& coming) {
  while (checkpoints_.count(author) > kCheckpointsKept) {
    Changed changed;
    drop(checkpoints_.lowest(author)->second, changed);
    drop_unneeded(std::move(changed), {});
  }
  const std::size_t most = entries_max(author);
  while (entries_of(author) > most) {
    const EntryId last = places(author).rbegin()->rank.second;
    std::set<EntryId> candidates;
    work_ += documents_.visit_keepers(last, [&](const EntryId& keeper) { candidates.insert(keeper); });
    if (last != coming && !documents_.discarded(last)) ++crowded_out_[author];
    Changed changed;
    drop(last, changed);
    drop_unneeded(std::move(changed), std::move(candidates));
  }
  if (entries_of(author) < most - most / 8) places_.erase(author);
}

void Space::look_at(const PublicKey& author, const Section& section, std::set<EntryId>& candidates) {
  const Prefix epoch{.bytes = key_of(author, section.epoch, 0, {}).bytes, .nibbles = kEpochNibbles};
  std::vector<std::pair<EntryId, bool>> changed;
  tree_.visit(epoch, key_of(author, section.epoch, section.first, {}), [&](const EntryKey& key) {
    const std::uint64_t seq = key.seq();
    if (seq > section.last) return false;
    ++work_;
    if (std::ranges::binary_search(section.wanted, seq)) return true;
    const EntryId id = key.id();
    const Documents::Item& item = documents_.at(id);
    if (item.author != author) return true;
    std::optional<Checkpoints::Rank> above;
    if (item.kind == Kind::kCheckpoint) above = Checkpoints::Rank(item.stamp, id);
    const bool discarded = checkpoints_.discards(author, section.epoch, seq, above);
    if (item.discarded != discarded) changed.emplace_back(id, discarded);
    return true;
  });
  for (const auto& [id, discarded] : changed) {
    mark_discarded(id, discarded);
    if (!discarded) continue;
    candidates.insert(id);
    work_ += documents_.visit_keepers(id, [&](const EntryId& keeper) { candidates.insert(keeper); });
  }
}

void Space::drop_unneeded(Changed changed, std::set<EntryId> candidates) {
  do {
    for (const auto& [author, sections] : std::exchange(changed, {})) {
      for (const Section& section : sections) look_at(author, section, candidates);
    }
    for (const EntryId& id : std::exchange(candidates, {})) {
      if (droppable(id)) drop(id, changed);
    }
  } while (!changed.empty());
}

bool Space::droppable(const EntryId& id) {
  const auto it = entries_.find(id);
  if (it == entries_.end() || !it->second.settled || !documents_.discarded(id)) return false;
  const Entry entry = decode(id);
  work_ += kDecodeWork;
  if (!documents_.holds_down(entry, documents_.over_others(id))) return true;
  documents_.keep(entry);
  return false;
}

Entry Space::take_out(const EntryId& id, Bytes& wire) {
  const auto node = entries_.extract(id);
  CHECK(!node.empty());
  wire = std::move(node.mapped().wire);
  auto entry = decode_entry(wire);
  CHECK(entry.has_value());
  documents_.erase(*entry);
  arrivals_.erase(node.mapped().arrival);
  bytes_ -= wire.size();
  names_ -= entry->content.saw.size();
  unsettled_.erase(id);
  return std::move(*entry);
}

void Space::drop(const EntryId& id, Changed& changed) {
  if (counted(documents_.kind(id))) {
    const PublicKey author = documents_.author(id);
    --heads_[author].settled;
    if (const auto places = places_.find(author); places != places_.end()) places->second.erase(place_of(id));
  }
  Bytes wire;
  const Entry entry = take_out(id, wire);
  tree_.erase(key_of(entry));
  dropped_.push_back(id);
  if (entry.content.kind != Kind::kCheckpoint) return;
  const std::vector<Section> sections = checkpoints_.remove(entry);
  if (sections.empty()) return;
  std::vector<Section>& all = changed[entry.content.author];
  all.insert(all.end(), sections.begin(), sections.end());
}

void Space::withdraw(std::span<const EntryId> ids) {
  std::optional<PublicKey> author;
  for (const EntryId& id : ids) {
    CHECK(!entries_.at(id).settled);
    Bytes wire;
    author = take_out(id, wire).content.author;
  }
  if (!author) return;
  Head& head = heads_[*author];
  head = {.id = {}, .stamp = 0, .settled = head.settled};
  std::vector<EntryKey> keys = keys_of(*author);
  for (const EntryKey& key : first_keys()) {
    if (documents_.author(key.id()) == *author && documents_.kind(key.id()) != Kind::kFork) keys.push_back(key);
  }
  for (const EntryKey& key : keys) note_head(*author, documents_.stamp(key.id()), key.id());
  if (keys.empty()) heads_.erase(*author);
}

std::optional<Space::Head> Space::head(const PublicKey& author) const {
  const auto it = heads_.find(author);
  if (it == heads_.end()) return std::nullopt;
  return it->second;
}

}  // namespace weft::state
