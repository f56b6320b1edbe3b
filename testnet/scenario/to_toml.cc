#include <cstdio>

#include "node/units.h"
#include "testnet/scenario/scenario.h"

namespace weft::scenario {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  std::string out = text;
  // TOML tells 1 from 1.0; both are read alike, but "1e+20" needs its point or exponent only.
  return out;
}

class Writer {
 public:
  void head(std::string_view name) { out += "\n" + std::string(name) + "\n"; }
  void raw(std::string_view key, const std::string& value) {
    out += std::string(key) + " = " + value + "\n";
  }
  void text(std::string_view key, std::string_view value) { raw(key, quoted(value)); }
  void whole(std::string_view key, std::uint64_t value) { raw(key, std::to_string(value)); }
  void duration(std::string_view key, Duration value) { text(key, node::format_duration(value)); }
  void share(std::string_view key, std::uint32_t ppm) { text(key, node::format_share(ppm)); }

  std::string out;
};

std::string who_text(const testnet::Selection& who) {
  if (who.share_ppm) return node::format_share(*who.share_ppm);
  std::string out;
  for (const auto& range : who.ranges) {
    if (!out.empty()) out += ",";
    out += std::to_string(range.first);
    if (range.last != range.first) out += "-" + std::to_string(range.last);
  }
  return out;
}

void write_link(Writer& w, const Link& link) {
  const node::LinkSpec& spec = link.spec;
  if (link.plane) {
    w.text("latency", kCoordinates);
    if (link.plane->base.count() != 0) w.duration("base", link.plane->base);
    w.duration("spread", link.plane->spread);
  } else if (!spec.matrix_file.empty()) {
    w.text("latency", "matrix:" + spec.matrix_file);
  } else if (spec.latency.count() != 0) {
    w.duration("latency", spec.latency);
  }
  if (spec.jitter_ppm != 0) w.share("jitter", spec.jitter_ppm);
  if (spec.loss_ppm != 0) w.share("loss", spec.loss_ppm);
  if (spec.dup_ppm != 0) w.share("dup", spec.dup_ppm);
  if (spec.reorder_ppm != 0) w.share("reorder", spec.reorder_ppm);
  if (spec.rate_bytes_s != 0) w.text("rate", node::format_size(spec.rate_bytes_s));
  if (link.access.count() != 0) w.duration("access", link.access);
  if (link.corrupt_ppm != 0) w.share("corrupt", link.corrupt_ppm);
  if (link.mtu != 0) w.whole("mtu", link.mtu);
  if (link.burst.count() != 0) w.duration("burst", link.burst);
  if (link.unroutable_ppm != 0) w.share("unroutable", link.unroutable_ppm);
  if (link.nat != NatKind::kNone) {
    w.text("nat", to_string(link.nat));
    w.share("nat_share", link.nat_ppm);
  }
  if (link.nat_expiry != Link{}.nat_expiry) w.duration("nat_expiry", link.nat_expiry);
}

void write_churn(Writer& w, const Churn& churn) {
  if (!churn.trace_file.empty()) {
    w.text("model", "trace");
    w.text("trace", churn.trace_file);
  } else {
    w.text("model", testnet::to_string(churn.model));
    w.duration("median_session", churn.median_session);
    w.duration("median_absence", churn.median_absence);
  }
  w.text("identity", churn.new_identity ? "new" : "same");
  if (churn.new_address) w.text("address", "new");
  if (!churn.trace_file.empty()) return;
  if (churn.fresh) w.text("start", "fresh");
  w.duration("from", churn.from);
  if (churn.until) w.duration("until", *churn.until);
  w.share("share", churn.share_ppm);
  if (churn.seeds != 0) w.whole("seeds", churn.seeds);
}

void write_dht(Writer& w, const DhtSettings& dht) {
  if (dht.bucket_size != 0) w.whole("bucket_size", dht.bucket_size);
  if (dht.lookup_want != 0) w.whole("lookup_want", dht.lookup_want);
  if (dht.parallelism != 0) w.whole("parallelism", dht.parallelism);
  if (dht.paths != 0) w.whole("paths", dht.paths);
  if (dht.refresh.count() != 0) w.duration("refresh", dht.refresh);
}

void write_membership(Writer& w, const MembershipSettings& m) {
  if (m.probe_interval.count() != 0) w.duration("probe_interval", m.probe_interval);
  if (m.suspicion_min) w.duration("suspicion_min", *m.suspicion_min);
  if (m.suspicion_max) w.duration("suspicion_max", *m.suspicion_max);
  if (m.indirect_probes) w.whole("indirect_probes", *m.indirect_probes);
  if (m.gossip_fanout) w.whole("gossip_fanout", *m.gossip_fanout);
  const auto off = [&w](std::string_view part, bool on) {
    if (!on) w.raw(part, "false");
  };
  off("health", m.health);
  off("tries", m.tries);
  off("nacks", m.nacks);
  off("buddy", m.buddy);
  off("shortening", m.shortening);
  off("own_probe", m.own_probe);
  off("proofs", m.proofs);
  off("burst", m.burst);
  off("forming", m.forming);
  off("stalls", m.stalls);
  off("credit", m.credit);
}

void write_action(Writer& w, const Action& a) {
  const Action plain;
  w.duration("t", a.t);
  if (a.when != Action::When::kTime) {
    w.text("when", a.when == Action::When::kConverged ? "converged" : "idle");
    w.duration("within", a.within);
  }
  w.text("do", to_string(a.what));
  if (a.who != plain.who) w.text("who", who_text(a.who));
  if (a.nodes != 0) w.whole("nodes", a.nodes);
  if (a.dead_seeds != 0) w.whole("dead_seeds", a.dead_seeds);
  if (a.what == Do::kPartition) {
    if (a.who == plain.who) w.share("share", a.share_ppm);
    if (a.partial_ppm != 0) w.share("partial", a.partial_ppm);
    if (a.one_way) w.raw("one_way", "true");
  }
  if (a.lasts) w.duration("for", *a.lasts);
  if (a.what == Do::kLink) write_link(w, a.link);
  if (a.what == Do::kClockStep) {
    const bool back = a.amount.count() < 0;
    w.text("amount", (back ? "-" : "") + node::format_duration(back ? -a.amount : a.amount));
  } else if (a.what == Do::kSlowCpu || a.what == Do::kSlowDisk || a.what == Do::kLateReceive) {
    w.duration("amount", a.amount);
  }
  if (a.ppm != 0 || a.what == Do::kClockSkew) w.raw("ppm", std::to_string(a.ppm));
  if (a.every.count() != 0) w.duration("every", a.every);
  if (a.what == Do::kHostile) w.text("role", to_string(a.role));
  if (a.count != 0) w.whole("count", a.count);
  if (!a.say.empty()) w.text("say", a.say);
  if (!a.phase.empty()) w.text("phase", a.phase);
}

}  // namespace

std::string to_toml(const Scenario& s) {
  const Scenario plain;
  Writer w;
  w.text("name", s.name);
  w.whole("seed", s.seed);
  w.whole("nodes", s.nodes);
  w.duration("duration", s.duration);
  if (s.settle != plain.settle) w.duration("settle", s.settle);
  if (s.heal != plain.heal) w.duration("heal", s.heal);
  if (!s.membership) w.raw("membership", "false");
  if (s.by_kind) w.raw("by_kind", "true");
  if (s.values_memory != 0) w.whole("values_memory", s.values_memory);
  if (!s.sweep) w.raw("sweep", "false");
  if (s.commit != plain.commit) w.duration("commit", s.commit);
  if (s.link != plain.link) {
    w.head("[link]");
    write_link(w, s.link);
  }
  if (s.dht != DhtSettings{}) {
    w.head("[dht]");
    write_dht(w, s.dht);
  }
  if (s.membership_settings != MembershipSettings{}) {
    w.head("[membership]");
    write_membership(w, s.membership_settings);
  }
  if (s.churn) {
    w.head("[churn]");
    write_churn(w, *s.churn);
  }
  for (const Load& load : s.loads) {
    w.head("[[load]]");
    w.text("do", to_string(load.kind));
    if (load.count != 0) w.whole("count", load.count);
    else if (load.every != Duration{}) w.duration("every", load.every);
    else w.raw("rate", number(static_cast<double>(load.per_1000s) / 1000));
    w.whole("size", load.size);
    if (load.keys != 0) w.whole("keys", load.keys);
    if (load.batch != 1) w.whole("batch", load.batch);
    if (load.writers != 0) w.whole("writers", load.writers);
    if (load.quorum != 0) w.whole("quorum", load.quorum);
    if (load.of_node) w.text("target", "node");
    w.duration("from", load.from);
    if (load.until) w.duration("until", *load.until);
  }
  for (const Action& action : s.actions) {
    w.head("[[at]]");
    write_action(w, action);
  }
  for (const Check& check : s.checks) {
    w.head("[[check]]");
    w.text("field", check.field);
    w.text("is", to_string(check.compare));
    w.raw("value", number(check.value));
  }
  return w.out;
}

}  // namespace weft::scenario
