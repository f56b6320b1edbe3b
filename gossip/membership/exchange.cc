// Gossip messages, and full exchanges: when one starts, how its pages are asked, served and used.
#include "gossip/membership/membership_state.h"

#include <span>

#include "crypto/check.h"
#include "crypto/planted.h"

namespace weft::gossip {
namespace {

// Items for one peer in as many datagrams as they need, `most` of them. The last leaves by finish().
class Batch {
 public:
  Batch(const Target& to, std::size_t most, Output& out) : to_(to), left_(most), out_(out) {}
  // All of `together` in one datagram, for which they are not too large. False: that would be one too many.
  bool add(std::span<const GossipItem> together) {
    std::size_t bytes = 0;
    for (const GossipItem& item : together) bytes += wire_size(item);
    CHECK(bytes <= kRoom && together.size() <= kGossipItemsMax);
    if (bytes > budget_ || items_.size() + together.size() > kGossipItemsMax) {
      if (left_ <= 1) return false;
      --left_;
      finish();
    }
    for (const GossipItem& item : together) items_.push(item);
    budget_ -= bytes;
    return true;
  }
  bool add(const GossipItem& item) { return add({&item, 1}); }
  void finish() {
    if (!items_.empty()) out_.sends.push_back({to_, Gossip{items_}});
    items_.clear();
    budget_ = kRoom;
  }

 private:
  static constexpr std::size_t kRoom = kPayloadBytesMax - kGossipHeadBytes;
  Target to_;
  std::size_t left_;
  Output& out_;
  GossipItems items_;
  std::size_t budget_ = kRoom;
};

}  // namespace

// SWIM 4.1: each update is sent lambda * log(n) times by each member.
std::size_t Membership::State::transmit_limit() const {
  std::size_t digits = 0;  // ceil(log10(n + 1)) for n members, in integers
  for (std::size_t n = table.live(); n > 0; n /= 10) ++digits;
  return std::max<std::size_t>(1, config.retransmit_factor * digits);
}

GossipItem Membership::State::record_item(Slot slot) const {
  return {.record = table[slot].record->wire, .suspicion = {}};
}

bool Membership::State::add_item(GossipItems& items, std::size_t& budget,
                                 const GossipItem& item) const {
  const std::size_t size = wire_size(item);
  if (size > budget || !items.try_push(item)) return false;
  budget -= size;
  return true;
}

void Membership::State::send_items(const Target& to, const GossipItems& items, Output& out) {
  out.sends.push_back({to, Gossip{items}});
}

// Members to gossip with: random ones of those whose key we proved. Only who has proved fewer than kAcquainted adds a stranger,
// one at a time: a message to a stranger costs a handshake (four scalar multiplications on either side), and in the first
// seconds of a large mesh everybody is a stranger to everybody. Until probes have made all acquainted, news travel along
// the sessions that there are: a random graph of twice kAcquainted edges a node and more.
std::size_t Membership::State::pick_peers(InlineVec<Slot, kGossipFanoutMax>& picked,
                                          std::size_t count) {
  count = std::min({count, live.size(), kGossipFanoutMax});
  const auto may = [&](Slot slot) {
    return table[slot].state == MemberState::kAlive && std::ranges::find(picked, slot) == picked.end();
  };
  for (std::size_t tries = 0; tries < 8 * count && picked.size() < count; ++tries) {
    const Slot slot = live.slots()[static_cast<std::size_t>(peer_rng.below(live.size()))];
    if (table[slot].proven.port != 0 && may(slot)) picked.push(slot);
  }
  if (picked.size() == count) return count;
  // Few of many are acquaintances: look at all in turn, from a random place.
  InlineVec<Slot, kAcquainted> known;
  Slot stranger = kNoSlot;
  const auto start = static_cast<std::size_t>(live.empty() ? 0 : peer_rng.below(live.size()));
  for (std::size_t i = 0; i < live.size() && !known.full(); ++i) {
    const Slot slot = live.slots()[(start + i) % live.size()];
    if (!may(slot)) continue;
    if (table[slot].proven.port != 0) known.push(slot);
    else if (stranger == kNoSlot) stranger = slot;
  }
  if (!known.full() && stranger != kNoSlot) picked.push(stranger);
  while (picked.size() < count && !known.empty()) {
    const auto at = static_cast<std::size_t>(peer_rng.below(known.size()));
    picked.push(known[at]);
    known.erase_at(at);
  }
  return picked.size();
}

// Relays: members whose key we proved and that nobody suspects.
std::size_t Membership::State::pick_relays(InlineVec<Slot, kRelaysPerProbeMax>& picked,
                                           Slot subject) {
  const std::size_t count = std::min({config.indirect_probes, live.size(), kRelaysPerProbeMax});
  const auto consider = [&](Slot slot) {
    const Member& member = table[slot];
    if (slot == subject || member.proven.port == 0) return;
    if (member.state != MemberState::kAlive) return;
    if (std::ranges::find(picked, slot) == picked.end()) picked.push(slot);
  };
  for (std::size_t tries = 0; tries < 8 * count && picked.size() < count; ++tries) {
    consider(live.slots()[static_cast<std::size_t>(peer_rng.below(live.size()))]);
  }
  // Few of many are known: look at them in turn, from a random place.
  if (picked.size() < count) {
    const auto start = static_cast<std::size_t>(peer_rng.below(live.size()));
    for (std::size_t i = 0; i < live.size() && picked.size() < count; ++i) {
      consider(live.slots()[(start + i) % live.size()]);
    }
  }
  return picked.size();
}

void Membership::State::arm_gossip(Now now) {
  if (gossip_timer || queue.empty() || live.empty()) return;
  const Instant at = std::max(now.mono + kFirstGossipDelay, last_gossip + config.gossip_interval);
  gossip_timer = timers.arm(at, kGossipTimer);
}

void Membership::State::on_gossip_timer(Now now, Output& out) {
  gossip_timer.reset();
  last_gossip = now.mono;
  InlineVec<Slot, kGossipFanoutMax> picked;
  pick_peers(picked, config.gossip_fanout);
  for (const Slot slot : picked) {
    constexpr std::size_t room = kPayloadBytesMax - kGossipHeadBytes;
    GossipItems items;
    queue.fill(items, queue.accusation_next() ? kAccusingDatagrams * room : room, transmit_limit(), slot, takes_suspicions(slot));
    for (int i = planted(Plant::kGossipFlood) ? 16 : 1; i > 0; --i) {
      Batch batch(target(slot), items.size(), out);
      for (const GossipItem& item : items) CHECK(batch.add(item));
      batch.finish();
    }
  }
  arm_gossip(now);
}

// Two nodes that agree have equal digests. If they differ although gossip has settled, something
// was missed: compare in full. Fruitless exchanges (a member that one side can reach and the other
// cannot) back off.
void Membership::State::compare_digests(Now now, const Contact& peer, std::uint64_t theirs,
                                        bool stranger, Output& out) {
  if (theirs == table.digest()) {
    mismatch_since.reset();
    if (agreed_digest != theirs) agreements = 0;
    agreed_digest = theirs;
    if (agreements > 0 && agreed_peer == peer.id) return;
    agreed_peer = peer.id;
    if (++agreements < kAgreementsEnough) return;
    queue.drop_records();
    note_missed();
    return;
  }
  agreements = 0;
  if (!mismatch_since) mismatch_since = now.mono;
  const bool own_running =
      std::ranges::any_of(jobs, [](const SyncJob& job) { return job.joins == 0; });
  if (own_running || job_with(peer.id) != nullptr) return;
  if (table.digest() != digest_at_sync) {
    sync_not_before = std::min(sync_not_before, now.mono + kSyncAgain);
    sync_backoff = kSyncAgain;
  }
  if (now.mono < sync_not_before) return;
  const bool quiet = now.mono - last_news >= kQuiet;
  const bool patient = now.mono - *mismatch_since < kMismatchPatience;
  if (!quiet && patient && !stranger) return;
  start_sync(now, peer, 0, out);
}

SyncJob* Membership::State::job_with(const NodeId& peer) {
  const auto it =
      std::ranges::find_if(jobs, [&](const SyncJob& job) { return job.peer.id == peer; });
  return it == jobs.end() ? nullptr : &*it;
}

void Membership::State::start_sync(Now now, const Contact& peer, std::size_t joins, Output& out) {
  if (SyncJob* running = job_with(peer.id)) {
    running->joins += joins;
    return;
  }
  if (is_self(peer.id) || jobs.size() == kSyncJobsMax) {
    for (std::size_t i = 0; i < joins; ++i) out.events.push_back(SyncDone{peer.id, false});
    return;
  }
  SyncJob job;
  job.id = next_job++;
  job.peer = peer;
  job.joins = joins;
  job.newcomer = live.empty();
  jobs.push_back(job);
  ++counters.syncs_total;
  send_sync(now, jobs.back(), out);
}

void Membership::State::send_sync(Now now, SyncJob& job, Output& out) {
  (void)now;
  Sync sync{.digest = table.digest(), .buckets = {}, .after = job.after, .items = {}};
  for (std::size_t i = 0; i < kSyncBuckets; ++i) {
    sync.buckets.push(job.newcomer ? 0 : table.buckets()[i]);
  }
  job.sent = sync.buckets;
  job.tag = requests.add(Purpose::kSync, job.id);
  if (job.joins > 0 || job.newcomer) sync.items.push(record_item(self_slot));
  const Slot slot = table.find(job.peer.id);
  Target to = slot == kNoSlot ? target_of(job.peer) : target(slot);
  if (std::ranges::find(to.endpoints, job.peer.endpoint) == to.endpoints.end()) {
    (void)to.endpoints.try_push(job.peer.endpoint);
  }
  out.requests.push_back({.tag = job.tag,
                          .to = to,
                          .message = sync,
                          .patience = health.stretch(3 * config.probe_interval),
                          .may_rehandshake = true});
}

void Membership::State::serve_sync(Now now, const Asker& asker, const Sync& m, SyncPage& reply,
                                   Output& out) {
  reply = SyncPage{};
  Seen seen;
  if (!asker.early) apply(now, m.items, {.peer = asker.contact.id}, seen, out);
  reply.buckets = table.buckets();
  MemberTable::Buckets theirs = m.buckets;
  while (!theirs.full()) theirs.push(0);
  const bool newcomer = std::ranges::all_of(theirs, [](std::uint64_t h) { return h == 0; });

  std::size_t budget = std::min(asker.reply_max, kPayloadBytesMax);
  budget -= std::min(budget, kSyncPageHeadBytes);
  // A node that lost its own number is shown its newest record first.
  for (const Slot slot : seen.stale) {
    if (table[slot].record->id != asker.contact.id) continue;
    (void)add_item(reply.items, budget, record_item(slot));
  }
  // Everybody holds its own record, so it is left out; but a newcomer must learn whether the mesh
  // shows its key already.
  const NodeId skip = newcomer ? NodeId{} : asker.contact.id;
  PageEnd end = fill_page(table, theirs, m.after, skip, now.mono, budget, reply.items);
  // A newcomer lacks everything, so a page is followed by three more datagrams at once: joining a
  // mesh of two hundred takes nine round trips instead of forty.
  const Slot slot = table.find(asker.contact.id);
  for (std::size_t i = 0; newcomer && !asker.early && end.more && i < kSyncExtra; ++i) {
    GossipItems items;
    const PageEnd next = fill_page(table, theirs, end.last, skip, now.mono,
                                   kPayloadBytesMax - kGossipHeadBytes, items);
    if (items.empty()) break;
    send_items(slot == kNoSlot ? target_of(asker.contact) : target(slot), items, out);
    end = next;
  }
  if (slot != kNoSlot && !asker.early) hand_suspects(slot, theirs, {m.after, end.more ? std::optional(end.last) : std::nullopt}, out);
  reply.more = end.more;
  reply.last = end.last;
}

// Each in one datagram with the records without which it is not heard, as this may overtake the page: its accuser's, and the suspect's.
void Membership::State::hand_suspects(Slot asker, const MemberTable::Buckets& theirs, const PageRange& range, Output& out) {
  if (!takes_suspicions(asker)) return;
  Batch batch(target(asker), kSuspectDatagramsMax, out);
  std::size_t handed = 0;
  for (const auto& [slot, suspected] : suspicions) {
    const NodeId& id = table[slot].record->id;
    const bool listed = (!range.after || *range.after < id) && (!range.last || id <= *range.last) && theirs[bucket_of(id)] != table.buckets()[bucket_of(id)];
    if (!listed || slot == asker) continue;
    // In its first accuser's name, so that each one's credit bears some of it; if that is gone, in ours.
    const Slot accuser = table.find(suspected.first.accuser);
    const bool gone = accuser == kNoSlot || !is_live(table[accuser].state);
    if (accuser == asker || (gone && !suspected.own)) continue;
    const GossipItem needed[] = {record_item(gone ? self_slot : accuser), record_item(slot), {.record = {}, .suspicion = gone ? *suspected.own : suspected.first}};
    if (!batch.add(needed) || ++handed == kSuspectsHandedMax) break;
  }
  batch.finish();
}

void Membership::State::on_page(Now now, std::uint32_t id, const Contact& from, const SyncPage& m,
                                Output& out) {
  const auto it = std::ranges::find(jobs, id, &SyncJob::id);
  if (it == jobs.end() || it->peer.id != from.id) return;
  SyncJob& job = *it;
  if (m.buckets.size() != kSyncBuckets) return finish_sync(now, id, false, out);
  Seen seen;
  apply(now, m.items, {.peer = from.id, .spread = !job.newcomer}, seen, out);
  job.news += seen.news;
  ++job.pages;
  const bool forward = !job.after || m.last > *job.after;
  if (m.more && !forward) {
    // A reply to early data may have had room for nothing: ask once more. Otherwise a liar.
    if (++job.tries >= kSyncTriesMax) return finish_sync(now, id, false, out);
    return send_sync(now, job, out);
  }
  if (!job.newcomer) push_missing(job, m, seen, out);
  if (!m.more) return finish_sync(now, id, true, out);
  if (job.pages >= kSyncPagesMax) return finish_sync(now, id, false, out);
  job.after = m.last;
  job.tries = 0;
  send_sync(now, job, out);
}

// The page told what the peer holds in its range, so what it did not list, it lacks (or holds
// failed: then it will look again).
void Membership::State::push_missing(const SyncJob& job, const SyncPage& m, const Seen& seen,
                                     Output& out) {
  Batch batch(target_of(job.peer), kPushDatagramsMax, out);
  const Slot peer = table.find(job.peer.id);
  const bool tell_doubts = peer != kNoSlot && takes_suspicions(peer);
  const auto push = [&](Slot slot) {
    if (slot == peer) return true;
    if (!batch.add(record_item(slot))) return false;
    const auto suspected = suspicions.find(slot);
    return suspected == suspicions.end() || !tell_doubts || batch.add({.record = {}, .suspicion = suspected->second.first});
  };
  bool room = true;
  for (std::size_t i = 0; room && i < seen.stale.size(); ++i) room = push(seen.stale[i]);
  const PageRange range{job.after, m.more ? std::optional(m.last) : std::nullopt};
  for_each_missing(table, job.sent, m.buckets, range, seen.ids, [&](Slot slot) { return room = room && push(slot); });
  batch.finish();
}

void Membership::State::mark_missed(Member& member) {
  if (!member.restored || member.missed || member.state != MemberState::kFailed) return;
  member.missed = true;
  --unheard;
}

void Membership::State::note_missed() {
  if (unheard == 0 || unheard > live.size() / kMissedShare || !jobs.empty()) return;
  for (const Slot slot : failed.slots()) mark_missed(table[slot]);
}

void Membership::State::finish_sync(Now now, std::uint32_t id, bool ok, Output& out) {
  const auto it = std::ranges::find(jobs, id, &SyncJob::id);
  const SyncJob job = *it;
  (void)requests.take(job.tag);
  jobs.erase(it);
  for (std::size_t i = 0; i < job.joins; ++i) out.events.push_back(SyncDone{job.peer.id, ok});
  // If the request travelled as early data, our record in it was not learned.
  if (ok && job.newcomer) {
    GossipItems items;
    items.push(record_item(self_slot));
    send_items(target_of(job.peer), items, out);
  }
  sync_backoff = job.news > 0 ? kSyncAgain : std::min(kSyncBackoffMax, 2 * sync_backoff);
  sync_not_before = now.mono + timer_rng.jitter(sync_backoff, {1, 4});
  digest_at_sync = table.digest();
}

}  // namespace weft::gossip
