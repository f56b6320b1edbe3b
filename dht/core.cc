#include "dht/core.h"

#include <utility>

#include "dht/operation.h"

namespace weft::dht {
namespace {

// The owner comes a little before the holders, so that its refresh is the one they wait for.
constexpr Ratio kJitter = {1, 5};
// An incomplete publication is tried again after this.
constexpr Duration kRetryPublication = 2min;
// What a request costs on the wire besides a value: frame, seal, head, key, token.
constexpr std::size_t kRequestBytes = 120;

std::size_t request_bytes(const Core::Message& message) {
  if (const auto* store = std::get_if<Store>(&message)) return kRequestBytes + store->blob.size();
  if (const auto* compare = std::get_if<Compare>(&message)) return kRequestBytes + compare->sums.size();
  return kRequestBytes;
}

}  // namespace

Core::Core(const Identity& id, const CryptoProvider& crypto, Entropy& entropy, Rng luck,
           const Config& configuration, Now now)
    : identity(id),
      provider(crypto),
      config(configuration),
      rng(luck),
      table(id.id(), {.bucket_size = config.bucket_size,
                      .replacements = config.replacements,
                      .prefix_per_bucket = config.prefix_per_bucket,
                      .prefix_per_table = config.prefix_per_table}),
      store(id.id(), {.bytes_max = config.values_bytes_max,
                      .per_author_max = config.values_per_author_max,
                      .per_key_max = config.authors_per_key_max}),
      tokens(entropy, now),
      budget(config.background_bytes_per_s) {}

Core::~Core() = default;

void Core::ask(OpKey asked_by, Role role, const Target& to, const Message& message,
               bool background, Output& out, std::uint32_t detail) {
  CHECK(!to.endpoints.empty());
  const auto tag = static_cast<RequestTag>(++tags_);
  Contact peer{to.key, to.id, to.endpoints[0]};
  Target target = to;
  // Where it proved its key beats where somebody said it was.
  if (const RoutingTable::Entry* known = table.find(to.id)) {
    if (known->contact.endpoint != to.endpoints[0]) {
      target = target_of(known->contact);
      for (const Endpoint& other : to.endpoints) {
        if (other != known->contact.endpoint) target.endpoints.try_push(other);
      }
    }
    peer.endpoint = known->contact.endpoint;
  }
  asked.emplace(tag, Asked{asked_by, role, peer, detail});
  ++counters.requests_total;
  if (background) background_bytes += request_bytes(message);
  out.requests.push_back({tag, target, message, background});
}

void Core::ping(const Contact& peer, Output& out) {
  // A FindNode for no contacts: the answer alone is what we want.
  ask({}, Role::kPing, target_of(peer), FindNode{.target = self(), .contacts_max = 0},
      /*background=*/true, out);
}

void Core::write(std::vector<Write> writes, Output& out) {
  if (writes.empty()) return;
  out.persist.push_back({next_ticket(), std::move(writes)});
}

void Core::note_commit(Now now, bool ok) {
  if (ok) store_try.reset();
  else store_try = now.mono + kStoreTryEvery;
}

bool Core::may_spend(Now now) {
  counters.background_bytes_total += background_bytes;
  budget.spend(now, std::exchange(background_bytes, 0));
  return !budget.overdrawn(now);
}

void Core::seed(Now, Lookup& lookup) {
  const std::size_t wanted = std::max(config.bucket_size, config.replicas);
  std::size_t healthy = 0;
  table.visit_nearest(lookup.target(), [&](const RoutingTable::Entry& entry) {
    if (entry.failures == 0) {
      lookup.seed(entry.contact);
      ++healthy;
    }
    return healthy < wanted;
  });
  if (healthy >= wanted) return;
  // Few are known to be well: those that were silent lately may be back, or it was us.
  table.visit_nearest(lookup.target(), [&](const RoutingTable::Entry& entry) {
    if (entry.failures != 0) lookup.seed(entry.contact);
    return ++healthy < 2 * wanted;
  });
  if (table.size() >= config.parallelism) return;
  for (const Contact& contact : restored) lookup.seed(contact);
}

bool Core::hold(const Slot& slot, Held held, Output& out) {
  const auto evicted = store.insert(slot, std::move(held));
  if (!evicted) return false;
  counters.values_evicted_total += evicted->size();
  std::vector<Write> gone;
  for (const Slot& other : *evicted) gone.push_back(value_erased(other));
  write(std::move(gone), out);
  return true;
}

void Core::adopt(Now now, const Slot& slot, ByteView blob, std::uint32_t remaining_s,
                 Output& out) {
  const auto value = decode_value(blob);
  if (!value || remaining_s == 0 || store_commits.size() >= kCommitsMax) return;
  if (store.judge(slot, value->seq, blob) != Verdict::kNewer) return;
  if (!store.has_room(slot, blob.size())) return;
  const Instant expires = now.mono + std::chrono::seconds(std::min(remaining_s, value->lifetime_s));
  const Ticket ticket = next_ticket();
  store_commits[ticket] = {
      .reply = {}, .slot = slot,
      .held = {to_bytes(blob), value->seq, expires, holder_republish(now)}};
  newest_commit[slot] = ticket;
  out.persist.push_back({ticket, {value_row(now, slot, blob, expires)}});
}

bool Core::responsible_for(const NodeId& key) const {
  std::size_t nearer = 0;
  table.visit_nearest(key, [&](const RoutingTable::Entry& entry) {
    if (!closer(key, entry.contact.id, self())) return false;
    return ++nearer < config.replicas;
  });
  return nearer < config.replicas;
}

OpKey Core::spawn(std::unique_ptr<Operation> operation) {
  if (operation->background()) {
    if (background_open >= kBackgroundOpsMax) return {};
    ++background_open;
  }
  const auto key = static_cast<OpKey>(++operations_);
  operation->set_key(key);
  spawned.push_back(std::move(operation));
  return key;
}

Instant Core::holder_republish(Now now) {
  return now.mono + rng.jitter(config.republish_every, kJitter);
}

Duration Core::owner_every(std::uint32_t lifetime_s, unsigned calm) const {
  const Duration lifetime = std::chrono::seconds(lifetime_s);
  Duration every = config.republish_every * 7 / 10;
  // Twice before a renewal is due.
  every = std::max<Duration>(every, std::min<Duration>(every * (1 << calm), lifetime * 3 / 20));
  return std::max<Duration>(std::min<Duration>(every, lifetime * 9 / 20), 1s);
}

Instant Core::owner_republish(Now now, std::uint32_t lifetime_s, bool complete, unsigned calm) {
  Duration every = owner_every(lifetime_s, calm);
  if (!complete) every = std::min(every, kRetryPublication);
  return now.mono + rng.jitter(every, kJitter);
}

void Core::note_missed(Now now, const Slot& slot, std::size_t wanted, const Lookup& lookup,
                       const StoreRound& round) {
  for (const NodeId& peer : lookup.missing(wanted)) hints.add(now, peer, slot);
  for (const NodeId& peer : round.silent()) hints.add(now, peer, slot);
}

void Core::note_nearest(const NodeId& target, const std::vector<Target>& nearest) {
  std::vector<Distance> away;
  away.reserve(nearest.size());
  for (const Target& to : nearest) away.push_back(distance(to.id, target));
  size.note(away);
}

}  // namespace weft::dht
