#include "node/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <initializer_list>
#include <iterator>
#include <limits>

#include "dht/hand_overs.h"
#include "dht/hints.h"
#include "dht/own_values.h"
#include "node/requests.h"
#include "node/store_sqlite.h"

namespace weft::node {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Sample {
  double value;
  std::string label = {};  // value of the family's one label; empty: no label
};

class Families {
 public:
  void gauge(const char* name, const char* help, double value) {
    add(MetricType::Gauge, name, help, "", {{value}});
  }
  void counter(const char* name, const char* help, std::uint64_t value) {
    add(MetricType::Counter, name, help, "", {{static_cast<double>(value)}});
  }
  void add(MetricType type, const char* name, const char* help, const char* label,
           const std::vector<Sample>& samples) {
    MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    for (const Sample& sample : samples) {
      ClientMetric metric;
      if (!sample.label.empty()) metric.label.push_back({label, sample.label});
      (type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = sample.value;
      family.metric.push_back(std::move(metric));
    }
    families_.push_back(std::move(family));
  }
  // Times in seconds.
  void histogram(const char* name, const char* help, const Histogram& times) {
    MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = MetricType::Histogram;
    ClientMetric metric;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < Histogram::kEnds.size(); ++i) {
      below += times.counts()[i];
      metric.histogram.bucket.push_back({.cumulative_count = below, .upper_bound = seconds(Histogram::kEnds[i])});
    }
    metric.histogram.sample_count = times.count();
    metric.histogram.bucket.push_back({.cumulative_count = times.count(), .upper_bound = std::numeric_limits<double>::infinity()});
    metric.histogram.sample_sum = seconds(times.sum());
    family.metric.push_back(std::move(metric));
    families_.push_back(std::move(family));
  }
  // How much of a bound is taken, and what it is.
  void bound(std::string name, double used, double most) {
    used_.push_back({used, name});
    most_.push_back({most, std::move(name)});
  }
  void end_bounds() {
    add(MetricType::Gauge, "weft_bound_used", "How much of each bound is taken: entries, or bytes where the name says so.", "bound", used_);
    add(MetricType::Gauge, "weft_bound_max", "What each bound is.", "bound", most_);
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  static double seconds(Duration time) { return static_cast<double>(time.count()) / 1e6; }

  std::vector<MetricFamily> families_;
  std::vector<Sample> used_, most_;
};

template <class Enum, std::size_t N>
std::vector<Sample> by_cause(const std::array<std::uint64_t, N>& counts) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < N; ++i) {
    samples.push_back(
        {static_cast<double>(counts[i]), std::string(to_string(static_cast<Enum>(i)))});
  }
  return samples;
}

// By dht::StoreStatus, without kStored.
std::vector<Sample> stores_refused(const dht::Stats& s) {
  constexpr std::array<const char*, 6> kNames{"", "stale", "bad_token", "invalid", "quota", "failed"};
  static_assert(std::size(decltype(dht::Stats::stores_refused_total){}) == kNames.size());
  std::vector<Sample> samples;
  for (std::size_t i = 1; i < kNames.size(); ++i) samples.push_back({static_cast<double>(s.stores_refused_total[i]), kNames[i]});
  return samples;
}

double real(std::size_t value) { return static_cast<double>(value); }

void add_core(Families& out, const Status& s, Now now) {
  out.gauge("weft_uptime_seconds", "Time since the node started.",
            static_cast<double>((now.mono - s.started).count()) / 1e6);
  out.gauge("weft_ready", "1 when the node speaks.", s.ready ? 1 : 0);
  out.add(MetricType::Gauge, "weft_members", "Members known, by state.", "state",
          {{real(s.members.alive), "alive"},
           {real(s.members.suspect), "suspect"},
           {real(s.members.failed), "failed"},
           {real(s.members.left), "left"}});
  out.gauge("weft_local_health", "0 is well; higher: this node is slow or loses packets.",
            real(s.members.health));
  out.gauge("weft_gossip_queue", "Updates that wait to be spread.", real(s.members.queue));
  out.counter("weft_probes_total", "Probes sent.", s.members.probes_total);
  out.counter("weft_probe_failures_total", "Probes without an answer.",
              s.members.probe_failures_total);
  out.counter("weft_suspicions_total", "Suspicions started.", s.members.suspicions_total);
  out.counter("weft_refutations_total", "Suspicions of this node refuted.",
              s.members.refutations_total);
  out.counter("weft_syncs_total", "Full exchanges.", s.members.syncs_total);
  out.counter("weft_suspicions_dropped_total", "Suspicions of others that named a number nobody has signed.", s.members.suspicions_dropped_total);
  out.counter("weft_records_refused_total", "Records of members that were malformed or not signed.", s.members.records_refused_total);
  out.counter("weft_gossip_queue_dropped_total", "Updates that gave way to others before they were spread.", s.members.queue_dropped_total);
  out.gauge("weft_routing_contacts", "Contacts in the routing table.", real(s.dht.contacts));
  out.gauge("weft_routing_buckets", "Buckets in use.", real(s.dht.buckets));
  out.gauge("weft_values", "Values held.", real(s.dht.values));
  out.gauge("weft_values_bytes", "Bytes of values held.", real(s.dht.values_bytes));
  out.gauge("weft_values_memory_bytes", "Bytes of them in memory.", real(s.dht.values_memory_bytes));
  out.counter("weft_loads_total", "Questions to the store about values that are not in memory.", s.dht.loads_total);
  out.counter("weft_loads_failed_total", "Those that it could not answer.", s.dht.loads_failed_total);
  out.counter("weft_rounds_late_total", "Rounds of publishing stored values that took longer than their period.",
              s.dht.rounds_late_total);
  out.counter("weft_background_bytes_total", "Bytes that upkeep of the DHT asked with.",
              s.dht.background_bytes_total);
  out.counter("weft_background_held_back_total", "Times upkeep had to wait for limits.background.",
              s.dht.background_held_back_total);
  out.gauge("weft_hints", "Values that silent peers get when they are heard again.", real(s.dht.hints));
  out.gauge("weft_hand_overs_waiting", "Values that wait to be handed to new holders.",
            real(s.dht.hand_overs_waiting));
  out.counter("weft_tokens_withheld_total", "Write tokens asked for while the store failed.",
              s.dht.tokens_withheld_total);
  out.gauge("weft_own_values", "Own values kept alive.", real(s.dht.own));
  out.counter("weft_lookups_total", "Iterative lookups.", s.dht.lookups_total);
  out.counter("weft_dht_requests_total", "Requests of the DHT sent.", s.dht.requests_total);
  out.counter("weft_hints_kept_total", "Values brought to peers that had missed them.", s.dht.hints_kept_total);
  out.counter("weft_compares_total", "Holders asked which values they lack.", s.dht.compares_total);
  out.counter("weft_copies_missing_total", "Copies that such holders lacked.", s.dht.copies_missing_total);
  out.counter("weft_republished_total", "Values republished.", s.dht.republished_total);
  out.counter("weft_handed_over_total", "Values handed to new neighbours.",
              s.dht.handed_over_total);
  out.add(MetricType::Counter, "weft_stores_refused_total", "Requests to store a value that this node did not take, by its answer.", "answer", stores_refused(s.dht));
  out.counter("weft_equal_number_conflicts_total", "Values that came with the number of another one of the same author.", s.dht.equal_number_conflicts_total);
  out.counter("weft_evictions_frozen_total", "Silent contacts kept, as most others were silent, too.", s.dht.evictions_frozen_total);
  out.counter("weft_values_evicted_total", "Values that gave way to one nearer to this node.", s.dht.values_evicted_total);
  out.counter("weft_contacts_evicted_total", "Silent contacts that gave way to one that speaks.", s.dht.contacts_evicted_total);
  out.counter("weft_contacts_displaced_total", "Contacts that gave way to one that is nearer by far.", s.dht.contacts_displaced_total);
  out.counter("weft_crowded_keys_total", "Puts and gets of keys around which are more nodes than chance puts there: they go beside, too.", s.dht.crowded_total);
  out.counter("weft_slow_overtaken_total", "Lookups that ended without waiting for a slow answer.", s.dht.slow_overtaken_total);
  out.counter("weft_repairs_total", "Copies repaired on reading.", s.dht.repairs_total);
  out.gauge("weft_sessions", "Sealed sessions.", real(s.sessions));
  out.gauge("weft_requests_pending", "Requests that wait for an answer.", real(s.requests_pending));
  out.gauge("weft_network_size_estimate", "Estimated nodes in the mesh.",
            static_cast<double>(s.network_size_estimate));
  out.counter("weft_sent_bytes_total", "Bytes of datagrams sent.", s.sent_bytes);
  out.counter("weft_sent_packets_total", "Datagrams sent.", s.sent_packets);
  out.counter("weft_received_bytes_total", "Bytes of datagrams received.", s.received_bytes);
  out.counter("weft_received_packets_total", "Datagrams received.", s.received_packets);
  out.counter("weft_handshakes_started_total", "Handshakes started.",
              s.session_stats.handshakes_started_total);
  out.counter("weft_handshakes_answered_total", "Handshakes answered.",
              s.session_stats.handshakes_answered_total);
  out.counter("weft_handshakes_done_total", "Handshakes completed.",
              s.session_stats.handshakes_done_total);
  out.histogram("weft_round_trip_seconds", "Round trips of requests that were sent once.", s.timings.round_trip);
  out.histogram("weft_probe_round_trip_seconds", "Of these, direct probes of members.", s.timings.probe);
  out.histogram("weft_put_seconds", "Puts of this node's users.", s.timings.put);
  out.histogram("weft_get_seconds", "Gets of this node's users.", s.timings.get);
  out.histogram("weft_lookup_seconds", "Lookups of this node's users.", s.timings.lookup);
  out.add(MetricType::Counter, "weft_operations_failed_total", "Of these, those that ended with an error; a get that found nothing, too.", "operation",
          {{static_cast<double>(s.timings.put_failed), "put"},
           {static_cast<double>(s.timings.get_failed), "get"},
           {static_cast<double>(s.timings.lookup_failed), "lookup"}});
  out.histogram("weft_state_lag_seconds", "From when an entry of shared state was written elsewhere, by that clock, until it came.", s.state.lag);
  out.add(MetricType::Counter, "weft_drops_total", "Messages dropped, by cause.", "cause",
          by_cause<Drop>(s.drops));
  out.add(MetricType::Counter, "weft_session_drops_total", "Datagrams dropped, by cause.", "cause",
          by_cause<SessionDrop>(s.session_stats.drops));
}

void add_state(Families& out, const state::Stats& s) {
  out.gauge("weft_state_namespaces", "Namespaces of shared state here.", real(s.namespaces));
  out.gauge("weft_state_entries", "Entries of all of them.", real(s.entries));
  out.gauge("weft_state_bytes", "Bytes of these entries.", static_cast<double>(s.bytes));
  out.gauge("weft_state_held_back", "Entries whose stamp lies in the future, which wait for it.", real(s.held_back));
  out.gauge("weft_state_parked", "Entries whose grant is not here yet, which wait for it.", real(s.parked));
  out.gauge("weft_state_delayed", "Writes that wait, as others' come late here.", real(s.delayed));
  out.gauge("weft_state_write_pause_seconds", "Pause after each own entry, of which such writes wait.", static_cast<double>(s.pause / 1us) / 1e6);
  out.gauge("weft_state_forked_authors", "Authors proven to have signed two entries for one place.", real(s.forked));
  out.gauge("weft_state_neighbours", "Nodes that are told of new entries, over all namespaces.", real(s.neighbours));
  out.gauge("weft_state_walks", "Comparisons with another node under way.", real(s.walks));
  out.counter("weft_state_written_total", "Own entries that became durable.", s.written_total);
  out.counter("weft_state_delayed_total", "Writes that had to wait, as others' came late here.", s.delayed_total);
  out.counter("weft_state_received_total", "Entries of others that were new.", s.received_total);
  out.counter("weft_state_fetched_total", "Of these, by comparing with another node.", s.fetched_total);
  out.counter("weft_state_pushed_total", "Entries sent on at once.", s.pushed_total);
  out.counter("weft_state_push_known_total", "Entries that were sent here at once and were known.", s.push_known_total);
  out.counter("weft_state_walks_total", "Comparisons begun.", s.walks_total);
  out.counter("weft_state_walks_failed_total", "Comparisons that ended early.", s.walks_failed_total);
  out.counter("weft_state_refused_total", "Entries refused: malformed, not signed, or of no namespace here.", s.refused_total);
  out.counter("weft_state_forbidden_total", "Entries whose authors had no right to write them.", s.forbidden_total);
  out.counter("weft_state_parked_total", "Entries that had to wait for a grant.", s.parked_total);
  out.counter("weft_state_parked_lost_total", "Of these, given up for want of room.", s.parked_lost_total);
  out.counter("weft_state_held_back_total", "Entries that came from the future.", s.held_back_total);
  out.counter("weft_state_cut_off_total", "Entries taken away by a revocation.", s.cut_off_total);
  out.counter("weft_state_over_quota_total", "Entries taken away because their authors had too many.", s.crowded_out_total);
  out.counter("weft_state_proofs_total", "Proofs of forks written by this node.", s.proofs_total);
  out.counter("weft_state_announced_total", "Ids of entries told to neighbours.", s.announced_total);
  out.counter("weft_state_discarded_total", "Entries that came after their authors had discarded them.", s.discarded_total);
  out.counter("weft_state_dropped_total", "Entries dropped as their authors discarded them.", s.dropped_total);
  out.counter("weft_state_checkpoints_total", "Own checkpoints written.", s.checkpoints_total);
  out.counter("weft_state_full_total", "Entries refused for want of room.", s.full_total);
}

// Of bounds that are not full of their own accord, as the routing table's are.
void add_bounds(Families& out, const Status& s, const ShellFacts& facts) {
  out.bound("requests", real(s.requests_pending), real(kRequestsMax));
  out.bound("sessions", real(s.sessions), real(facts.limits.sessions));
  out.bound("values_bytes", real(s.dht.values_bytes), real(facts.limits.store_bytes));
  out.bound("own_values", real(s.dht.own), real(dht::kOwnValuesMax));
  out.bound("hints", real(s.dht.hints), real(dht::kHintsMax));
  out.bound("hand_overs", real(s.dht.hand_overs_waiting), real(dht::kTransfersMax));
  out.bound("store_queue_bytes", real(facts.store.queued_bytes), real(kStoreQueueBytesMax));
  out.bound("state_namespaces", real(s.state.namespaces), real(state::kSpacesMax));
  out.bound("state_entries", real(s.state.entries), real(state::kEntriesMax));
  out.bound("state_held_back", real(s.state.held_back), real(state::kHeldBackMax));
  out.bound("state_parked", real(s.state.parked), real(state::kParkedMax));
  out.bound("state_walks", real(s.state.walks), real(state::kWalksMax));
  out.bound("state_writes_delayed", real(s.state.delayed), real(state::kWritesMax));
  out.end_bounds();
}

void add_shell(Families& out, const ShellFacts& facts) {
  out.counter("weft_store_commits_total", "Commits of the store.", facts.store.commits_total);
  out.counter("weft_store_rows_total", "Rows written.", facts.store.rows_written_total);
  out.counter("weft_store_failures_total", "Batches that could not be written.",
              facts.store.failures_total);
  out.counter("weft_store_loads_total", "Times that held values were asked for.", facts.store.loads_total);
  out.counter("weft_store_load_failures_total", "Of these, without an answer.", facts.store.load_failures_total);
  out.counter("weft_store_rows_loaded_total", "Rows read again.", facts.store.rows_loaded_total);
  out.counter("weft_store_rotten_rows_total", "Damaged rows met while reading.", facts.store.rotten_rows_total);
  out.histogram("weft_store_commit_seconds", "Commits of the store.", facts.store.commit);
  out.gauge("weft_values_bytes_max", "Bytes of values that may be held (limits.store).",
            real(facts.limits.store_bytes));
  out.gauge("weft_store_queued_bytes", "Bytes that wait for a commit.",
            real(facts.store.queued_bytes));
  out.counter("weft_send_failed_total", "Datagrams that the system refused.",
              facts.send_failed_total);
  out.counter("weft_send_dropped_total", "Datagrams dropped as the socket was full.",
              facts.send_dropped_total);
  out.counter("weft_link_dropped_total", "Datagrams dropped on purpose (--faults).",
              facts.link_dropped_total);
  out.counter("weft_loop_late_total", "Times the loop came back more than 100 ms late.",
              facts.late_total);
  out.counter("weft_log_left_out_total", "Lines beyond the log's limit.", facts.log_left_out_total);
}

}  // namespace

std::string metrics_text(const Status& status, const ShellFacts& facts, Now now) {
  Families out;
  out.add(MetricType::Gauge, "weft_build_info", "Version of the program.", "version",
          {{1, WEFT_VERSION}});
  add_core(out, status, now);
  add_state(out, status.state);
  add_shell(out, facts);
  add_bounds(out, status, facts);
  return out.text();
}

}  // namespace weft::node
