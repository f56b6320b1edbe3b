#include "dht/walk.h"

namespace weft::dht {
namespace {

// The payload of a datagram in a session; a reply that comes within one contact of it was full.
constexpr std::size_t kFullReplyBytes = 1170 - (2 + kContactWireMax);

bool ran_out_of_room(const Values& m) {
  if (m.values.empty() || m.contacts.full()) return false;
  std::size_t used = kValuesHeadBytes + kTokenBytes;
  for (const HeldValue& value : m.values) used += value_bytes(value);
  for (const Contact& contact : m.contacts) used += contact_bytes(contact);
  return used > kFullReplyBytes;
}

std::size_t paths_of(const Core& core, const Walk::Options& options) {
  if (options.background) return 1;
  return options.paths != 0 ? options.paths : core.config.paths;
}

}  // namespace

Walk::Walk(Now now, Core& core, OpKey op, const Options& options)
    : op_(op),
      began_(now.mono),
      options_(options),
      lookup_({.self = core.self(), .target = options.target, .want = options.want,
               .parallelism = core.config.parallelism,
               .parallelism_max = core.config.parallelism_max,
               .paths = paths_of(core, options),
               .nodes = options.hurry && core.size.samples() >= kCrowdSamples ? core.mesh_size() : 0}) {
  core.seed(now, lookup_);
  core.table.note_lookup(now, options.target);
  ++core.counters.lookups_total;
}

Known Walk::known_now(Core& core) const { return lookup_.known(static_cast<std::uint16_t>(core.rng.next())); }

void Walk::pump(Now now, Core& core, Output& out) {
  while (const auto to = lookup_.next(now.mono - began_)) {
    const Known known = known_now(core);
    std::visit(
        [&](auto m) {
          m.known = known;
          core.ask(op_, Role::kWalk, *to, m, options_.background, out);
        },
        options_.message);
  }
}

void Walk::on_nodes(const Asked& asked, Duration rtt, const Nodes& m) {
  const std::span<const Contact> contacts(m.contacts.begin(), m.contacts.size());
  if (asked.role == Role::kContacts) {
    if (contacts_open_ > 0) --contacts_open_;
    lookup_.learn(asked.peer.id, contacts);
    return;
  }
  if (m.token) tokens_[asked.peer.id] = *m.token;
  lookup_.on_reply(asked.peer.id, rtt, contacts);
}

void Walk::on_values(const Asked& asked, Duration rtt, const Values& m) {
  if (m.token) tokens_[asked.peer.id] = *m.token;
  lookup_.on_reply(asked.peer.id, rtt, {m.contacts.begin(), m.contacts.size()});
  if (ran_out_of_room(m)) short_of_contacts_.push_back(asked.peer.id);
}

void Walk::on_late(const Asked& asked) {
  if (asked.role == Role::kWalk) lookup_.on_late(asked.peer.id);
}

void Walk::on_slow(const Asked& asked) {
  if (asked.role == Role::kContacts) {
    if (contacts_open_ > 0) --contacts_open_;
  } else {
    lookup_.on_slow(asked.peer.id);
  }
}

void Walk::on_timeout(const Asked& asked) {
  if (asked.role == Role::kContacts) {
    if (contacts_open_ > 0) --contacts_open_;
  } else {
    lookup_.on_timeout(asked.peer.id);
  }
}

bool Walk::ended(Core& core, Output& out) {
  if (!lookup_.finished() || contacts_open_ > 0) return false;
  if (!overtaken_ && lookup_.slow() > 0) {
    overtaken_ = true;
    ++core.counters.slow_overtaken_total;
  }
  if (short_of_contacts_.empty()) return true;
  std::ranges::sort(short_of_contacts_, [this](const NodeId& a, const NodeId& b) {
    return closer(options_.target, a, b);
  });
  const FindNode message{.target = options_.target, .known = known_now(core)};
  for (const Target& to : lookup_.closest(SIZE_MAX)) {
    if (contacts_open_ == kContactsAskedMax) break;
    if (std::ranges::find(short_of_contacts_, to.id) == short_of_contacts_.end()) continue;
    ++contacts_open_;
    core.ask(op_, Role::kContacts, to, message, options_.background, out);
  }
  short_of_contacts_.clear();
  return contacts_open_ == 0;
}

std::vector<Holder> Walk::holders() const {
  std::vector<Holder> out;
  for (Target& to : lookup_.closest(SIZE_MAX)) {
    const auto it = tokens_.find(to.id);
    std::optional<Token> token;
    if (it != tokens_.end()) token = it->second;
    out.push_back({.to = std::move(to), .token = token});
  }
  return out;
}

}  // namespace weft::dht
