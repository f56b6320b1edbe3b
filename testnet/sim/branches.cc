#include "testnet/sim/branches.h"

namespace weft::sim {

void count_branches(const node::Status& status, Branches& branches) {
  const auto dropped = [&](SessionDrop drop) {
    return status.session_stats.drops[static_cast<std::size_t>(drop)];
  };
  const auto refused = [&](dht::StoreStatus why) {
    return status.dht.stores_refused_total[static_cast<std::size_t>(why)];
  };
  branches["contact_evicted"] += status.dht.contacts_evicted_total;
  branches["contact_displaced"] += status.dht.contacts_displaced_total;
  branches["eviction_frozen"] += status.dht.evictions_frozen_total;
  branches["token_withheld"] += status.dht.tokens_withheld_total;
  branches["value_evicted"] += status.dht.values_evicted_total;
  branches["slow_overtaken"] += status.dht.slow_overtaken_total;
  branches["read_repaired"] += status.dht.repairs_total;
  branches["hint_kept"] += status.dht.hints_kept_total;
  branches["copy_missing"] += status.dht.copies_missing_total;
  branches["handed_over"] += status.dht.handed_over_total;
  branches["store_stale"] += refused(dht::StoreStatus::kStale);
  branches["token_expired"] += refused(dht::StoreStatus::kBadToken);
  branches["store_full"] += refused(dht::StoreStatus::kQuota);
  branches["store_failed"] += refused(dht::StoreStatus::kFailed);
  branches["suspected"] += status.members.suspicions_total;
  branches["refuted"] += status.members.refutations_total;
  branches["probe_failed"] += status.members.probe_failures_total;
  branches["record_refused"] += status.members.records_refused_total;
  branches["cookie_demanded"] += status.session_stats.cookies_sent_total;
  branches["packet_replayed"] += dropped(SessionDrop::kReplayed);
  branches["packet_damaged"] += dropped(SessionDrop::kBadTag);
  branches["session_unknown"] += dropped(SessionDrop::kUnknownIndex);
  branches["handshakes_crossed"] += dropped(SessionDrop::kCrossed);
  branches["wrong_address"] += dropped(SessionDrop::kWrongAddress);
  branches["mac_wrong"] += dropped(SessionDrop::kMac);
  branches["rate_limited"] += dropped(SessionDrop::kRateLimited);
}

}  // namespace weft::sim
