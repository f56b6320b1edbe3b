#include "testnet/sim/shared_space.h"

#include <algorithm>
#include <tuple>

namespace weft::sim {
namespace {

constexpr std::string_view kName = "scenario";

std::string told(std::size_t node) { return "node " + std::to_string(node); }

}  // namespace

SharedSpace::SharedSpace(SimNetwork& network) : network_(network) {
  // Nobody's key: whoever makes a namespace need not be in it.
  ByteArray<32> secret{};
  std::ranges::copy(as_bytes(kName), secret.begin());
  genesis_ = state::make_genesis(Identity(provider_, secret), kName, state::Access::kOpen);
}

void SharedSpace::take_in(std::size_t node) {
  if (!network_.alive(node)) return;
  members_.insert(node);
  network_.operate(node, [this](node::NodeCore& core, Now now, node::Output& out) { return core.state_join(now, genesis_, out); });
}

const state::Space* SharedSpace::space(std::size_t node) const {
  return network_.alive(node) ? network_.core(node).shared_state().find(genesis_.id) : nullptr;
}

void SharedSpace::twin_of(std::size_t twin, std::size_t of) {
  members_.insert(twin);
  if (hostile_.contains(of)) hostile(twin);
  for (auto& [id, written] : written_) {
    if (on_disk(twin, id) && !hostile_.contains(twin)) written.holders.insert(twin);
  }
}

void SharedSpace::hostile(std::size_t node) {
  hostile_.insert(node);
  for (auto& [id, open] : open_) open.missing.erase(node);
  lose(node, [](const state::EntryId&) { return true; });
}

bool SharedSpace::on_disk(std::size_t node, const state::EntryId& id) const {
  Bytes row{state::kRowEntry};
  row.insert(row.end(), genesis_.id.bytes.begin(), genesis_.id.bytes.end());
  row.insert(row.end(), id.bytes.begin(), id.bytes.end());
  return network_.durable(node).contains(row);
}

// Whatever this node holds of which lost(id) is true, it holds no more.
template <class Lost>
void SharedSpace::lose(std::size_t node, Lost lost) {
  for (auto& [id, written] : written_) {
    if (written.holders.contains(node) && lost(id)) written.holders.erase(node);
  }
}

void SharedSpace::on_disk_replaced(std::size_t node) {
  lose(node, [&](const state::EntryId& id) { return !on_disk(node, id); });
}

void SharedSpace::on_gone(std::size_t node) {
  members_.erase(node);
  lose(node, [](const state::EntryId&) { return true; });
}

bool SharedSpace::due(std::uint64_t stamp) const {
  return static_cast<std::int64_t>(stamp >> 16) <= network_.now().wall.value + state::kSkewMax / 1ms;
}

std::vector<Duration> SharedSpace::on_arrived(std::size_t node) {
  const state::Space* here = space(node);
  if (here == nullptr) return {};
  const PublicKey& self = network_.core(node).identity().public_key();
  const bool member = members_.contains(node) && !hostile_.contains(node);
  std::uint64_t& looked = looked_[node];
  here->visit_arrivals(looked, [&](std::uint64_t arrival, const state::EntryId& id, ByteView wire) {
    looked = arrival;
    if (const auto known = written_.find(id); known != written_.end()) {
      if (member) known->second.holders.insert(node);
      if (const auto open = open_.find(id); open != open_.end()) open->second.missing.erase(node);
      return true;
    }
    const bool own = here->documents().author(id) == self;
    if (!member || (!own && foreign_ == kForeignMax)) return true;
    Written& written = written_[id];
    written.stamp = here->documents().stamp(id);
    written.wire = to_bytes(wire);
    written.holders.insert(node);
    if (!due(written.stamp)) ahead_.insert(id);
    if (!own) {
      ++foreign_;
      return true;
    }
    written.writer = node;
    if (!on_disk(node, id)) problems_.push_back(told(node) + " acknowledged an entry that is not on its disk");
    if (open_.size() == kEntriesWatched) return true;
    Open& open = open_[id];
    open.born = network_.now().mono;
    for (const std::size_t other : members_) {
      if (other != node && !hostile_.contains(other) && space(other) != nullptr) open.missing.insert(other);
    }
    return true;
  });
  return take_complete();
}

std::vector<Duration> SharedSpace::take_complete() {
  std::vector<Duration> ages;
  std::erase_if(open_, [&](const auto& entry) {
    if (!entry.second.missing.empty()) return false;
    ages.push_back(network_.now().mono - entry.second.born);
    return true;
  });
  return ages;
}

std::vector<Duration> SharedSpace::on_down(std::size_t node) {
  if (network_.alive(node)) {
    const Sums sums = sums_of(network_.core(node).shared_state().stats());
    ended_.sent += sums.sent;
    ended_.received += sums.received;
  }
  looked_.erase(node);
  lose(node, [&](const state::EntryId& id) { return !on_disk(node, id); });
  for (auto& [id, open] : open_) open.missing.erase(node);
  return take_complete();
}

std::vector<std::size_t> SharedSpace::living() const {
  std::vector<std::size_t> out;
  for (const std::size_t node : members_) {
    if (!hostile_.contains(node) && space(node) != nullptr) out.push_back(node);
  }
  return out;
}

bool SharedSpace::same_roots() const {
  std::optional<state::TreeHash> first;
  for (const std::size_t node : living()) {
    const state::TreeHash root = space(node)->tree().root();
    if (!first) first = root;
    if (root != *first) return false;
  }
  return true;
}

bool SharedSpace::equal() const {
  if (same_roots()) return true;
  Early early;
  for (const state::EntryId& id : ahead_) {
    if (due(written_.at(id).stamp)) continue;
    early.ids.insert(id);
    early.of_liars = early.of_liars || !written_by_author(id);
  }
  if (early.ids.empty()) return false;
  const std::vector<std::size_t> members = living();
  // The last look may have been at the same sets.
  std::vector<state::TreeHash> roots;
  for (const std::size_t node : members) roots.push_back(space(node)->tree().root());
  if (compared_.roots == roots && compared_.early == early.ids.size()) return compared_.equal;
  compared_ = {.roots = std::move(roots), .early = early.ids.size(), .equal = same_but(members, early)};
  return compared_.equal;
}

bool SharedSpace::same_but(std::span<const std::size_t> members, const Early& early) const {
  std::optional<std::vector<state::EntryKey>> first;
  for (const std::size_t node : members) {
    std::vector<state::EntryKey> keys;
    space(node)->tree().visit({}, {}, [&](const state::EntryKey& key) {
      const bool left_out = early.ids.contains(key.id()) || (early.of_liars && !written_by_author(key.id()));
      if (!left_out) keys.push_back(key);
      return true;
    });
    if (!first) first = std::move(keys);
    else if (keys != *first) return false;
  }
  return true;
}

SharedSpace::Sums SharedSpace::sums_of(const state::Stats& stats) {
  return {.sent = stats.pushed_total + stats.fetched_total, .received = stats.received_total};
}

SharedSpace::Sums SharedSpace::sums() const {
  Sums out = ended_;
  for (const std::size_t node : members_) {
    if (!network_.alive(node)) continue;
    const Sums here = sums_of(network_.core(node).shared_state().stats());
    out.sent += here.sent;
    out.received += here.received;
  }
  return out;
}

SharedSpace::Acknowledged SharedSpace::acknowledged() const {
  Acknowledged out;
  for (const auto& [id, written] : written_) {
    if (!acknowledged(written)) continue;
    ++out.entries;
    out.ahead += ahead_.contains(id) ? 1U : 0U;
    if (written.holders.empty()) ++out.lost;
    else if (!reachable(written)) ++out.unreachable;
  }
  return out;
}

bool SharedSpace::reachable(const Written& written) const {
  return std::ranges::any_of(living(), [&](std::size_t node) { return written.holders.contains(node); });
}

bool SharedSpace::has_lower_proof(std::size_t node, const state::Entry& proof) const {
  const auto fork = state::read_fork(genesis_.id, proof.content.body);
  const auto& proofs = space(node)->proofs();
  const auto at = fork ? proofs.find(fork->author()) : proofs.end();
  return at != proofs.end() && at->second < proof.id;
}

// Every fork that is in a member's set is proven there, and nobody is proven to have forked who kept the protocol.
void SharedSpace::check_forks(std::size_t node, const NaiveFold& fold) {
  const state::Space& here = *space(node);
  std::set<PublicKey> honest;
  for (const std::size_t member : members_) {
    if (!hostile_.contains(member)) honest.insert(network_.public_key(member));
  }
  for (const auto& [accused, proof] : here.proofs()) {
    if (honest.contains(accused)) problems_.push_back(told(node) + " holds a proof of a fork against a member");
    const auto entry = fold.all.find(proof);
    const auto fork = entry == fold.all.end() ? std::nullopt : state::read_fork(genesis_.id, entry->second.content.body);
    if (!fork || !state::verify_fork(provider_, genesis_.id, *fork)) problems_.push_back(told(node) + " holds a proof of a fork that proves nothing");
  }
  std::map<std::tuple<PublicKey, std::uint64_t, std::uint64_t>, std::size_t> places;
  std::set<PublicKey> forked;
  for (const auto& [id, entry] : fold.all) {
    const state::Content& c = entry.content;
    if (c.kind != state::Kind::kFork && ++places[{c.author, c.epoch, c.seq}] == 2) forked.insert(c.author);
  }
  forks_seen_ = std::max(forks_seen_, forked.size());
  for (const PublicKey& author : forked) {
    if (!here.proofs().contains(author)) problems_.push_back(told(node) + " has both sides of a fork and no proof of it");
  }
}

void SharedSpace::check_kept(std::span<const std::size_t> members, const std::map<std::size_t, const NaiveFold*>& folds) {
  std::map<PublicKey, std::vector<NaiveFold::Checkpoint>> ever;
  for (const auto& [id, written] : written_) {
    const auto entry = state::decode_entry(written.wire);
    if (entry->content.kind == state::Kind::kCheckpoint) ever[entry->content.author].push_back(checkpoint_of(*entry));
  }
  const auto may_lack = [&](const Written& written, std::size_t node) {
    const auto entry = state::decode_entry(written.wire);
    const state::Content& c = entry->content;
    if (c.kind == state::Kind::kFork) return has_lower_proof(node, *entry);
    if (acknowledged(written)) return hostile_.empty() ? folds.at(node)->unwanted(*entry) : folds.at(node)->discards(*entry);
    return std::ranges::any_of(ever[c.author], [&](const auto& one) { return leaves_out(one, c.epoch, c.seq); });
  };
  std::map<std::size_t, std::pair<std::size_t, std::size_t>> lacking;  // acknowledged ones, and others
  for (const auto& [id, written] : written_) {
    if (!reachable(written)) continue;
    for (const std::size_t node : members) {
      if (space(node)->holds(id) || may_lack(written, node)) continue;
      ++(acknowledged(written) ? lacking[node].first : lacking[node].second);
    }
  }
  for (const auto& [node, count] : lacking) {
    if (count.first > 0) problems_.push_back(told(node) + " lacks " + std::to_string(count.first) + " acknowledged entries");
    if (count.second > 0) problems_.push_back(told(node) + " lacks " + std::to_string(count.second) + " entries of liars that members had");
  }
}

// A home put back or started twice must not make its author give one place to two entries.
void SharedSpace::check_places() {
  std::map<std::tuple<PublicKey, std::uint64_t, std::uint64_t>, std::size_t> places;
  for (const auto& [id, written] : written_) {
    if (!acknowledged(written)) continue;
    const auto entry = state::decode_entry(written.wire);
    const state::Content& c = entry->content;
    if (c.kind != state::Kind::kFork && ++places[{c.author, c.epoch, c.seq}] == 2) {
      problems_.push_back(told(*written.writer) + " gave the place " + std::to_string(c.seq) + " in one epoch to two entries");
    }
  }
}

bool SharedSpace::written_by_author(const state::EntryId& id) const {
  const auto it = written_.find(id);
  return it != written_.end() && it->second.writer.has_value();
}

// Nothing but what its author has signed, and nothing of a member's that this one did not write.
void SharedSpace::check_authors(std::size_t node, std::span<const Bytes> entries) {
  std::set<PublicKey> honest;
  for (const std::size_t member : members_) {
    if (!hostile_.contains(member)) honest.insert(network_.public_key(member));
  }
  std::size_t forged = 0, foisted = 0;
  for (const Bytes& wire : entries) {
    const auto entry = state::decode_entry(wire);
    if (!entry || !state::verify_entry(provider_, *entry)) ++forged;
    else if (honest.contains(entry->content.author) && !written_by_author(entry->id)) ++foisted;
  }
  if (forged > 0) problems_.push_back(told(node) + " holds " + std::to_string(forged) + " entries that their authors have not signed");
  if (foisted > 0) problems_.push_back(told(node) + " holds " + std::to_string(foisted) + " entries of members that these never wrote");
}

// All clocks go on to when the last entry of a member's is due.
void SharedSpace::a_day_later() {
  std::int64_t last = 0;
  for (const state::EntryId& id : ahead_) {
    const std::uint64_t stamp = written_.at(id).stamp;
    if (!due(stamp)) last = std::max(last, static_cast<std::int64_t>(stamp >> 16));
  }
  if (last == 0) return;
  const Duration step = std::chrono::milliseconds(last + 1'000 - network_.now().wall.value);
  for (std::size_t i = 0; i < network_.size(); ++i) {
    if (!network_.alive(i)) continue;
    NodeFaults later;
    later.wall_step = step;
    network_.set_faults(i, later);
  }
  const auto all = [this] { return same_roots(); };
  if (!network_.run_until(all, kDayLaterMax)) problems_.push_back("when what clocks ahead have stamped is due, the members differ");
}

void SharedSpace::final_checks() {
  const auto held_back = [this](std::size_t node) { return network_.core(node).shared_state().stats().held_back > 0; };
  if (!equal() && std::ranges::any_of(living(), held_back)) network_.run_until([this] { return equal(); }, kDueSpread);
  if (!equal()) problems_.push_back("after the heal phase the members differ");
  a_day_later();
  const std::vector<std::size_t> members = living();
  // Equal sets are folded once.
  std::map<state::TreeHash, NaiveFold> folds;
  std::map<std::size_t, const NaiveFold*> fold_of;
  for (const std::size_t node : members) {
    const state::Space& here = *space(node);
    const auto [at, fresh] = folds.try_emplace(here.tree().root());
    fold_of[node] = &at->second;
    if (fresh) {
      std::vector<Bytes> entries;
      here.visit_arrivals(0, [&](std::uint64_t, const state::EntryId&, ByteView wire) {
        entries.push_back(to_bytes(wire));
        return true;
      });
      check_authors(node, entries);
      at->second = naive_fold(std::move(entries));
      if (at->second.malformed > 0) problems_.push_back(told(node) + " holds what is no entry");
      if (!at->second.droppable.empty()) {
        problems_.push_back(told(node) + " keeps " + std::to_string(at->second.droppable.size()) + " entries that their authors have discarded");
      }
    }
    if (fresh) check_forks(node, at->second);
    if (!same(at->second, here.documents())) problems_.push_back(told(node) + " shows documents that are not the fold of its entries");
  }
  check_kept(members, fold_of);
  check_places();
}

}  // namespace weft::sim
