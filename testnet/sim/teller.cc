#include "testnet/sim/teller.h"

#include <algorithm>

#include "crypto/session_frame.h"
#include "dht/signed_value.h"
#include "node/codec.h"
#include "testnet/sim/tally.h"

namespace weft::sim {
namespace {

using node::Event;
using session::PacketType;

std::string text(std::uint64_t n) { return std::to_string(n); }
std::string text(OpId op) { return "op" + std::to_string(static_cast<std::uint64_t>(op)); }

std::string failure(const dht::OpFailure& f) {
  std::string s = "failed: " + std::string(to_string(f.error));
  if (f.current_seq > 0) s += ", number " + text(f.current_seq) + " is held";
  if (f.replicas > 0) s += ", on " + text(f.replicas);
  return s;
}

std::string known(const dht::Known& k) { return k.tags.empty() ? "" : ", knows " + text(k.tags.size()); }

std::string_view status(dht::StoreStatus s) {
  switch (s) {
    case dht::StoreStatus::kStored: return "held";
    case dht::StoreStatus::kStale: return "stale";
    case dht::StoreStatus::kBadToken: return "bad token";
    case dht::StoreStatus::kInvalid: return "invalid";
    case dht::StoreStatus::kQuota: return "quota";
    case dht::StoreStatus::kFailed: return "failed";
  }
  return "?";
}

// A short text as it is, anything else by its size: a trace is read on a terminal.
std::string shown(ByteView value) {
  constexpr std::size_t kShownMax = 40;
  const std::string_view s = as_text(value);
  const bool plain = s.size() <= kShownMax &&
                     std::ranges::all_of(s, [](char c) { return c >= ' ' && c <= '~'; });
  return plain ? std::string(s) : text(s.size()) + " bytes";
}

std::string items(const gossip::GossipItems& all) {
  std::size_t records = 0;
  for (const auto& item : all) records += item.record.empty() ? 0U : 1U;
  std::string s;
  if (records > 0) s += ", records " + text(records);
  if (records < all.size()) s += ", suspicions " + text(all.size() - records);
  return s;
}

}  // namespace

std::string Teller::words(const SimNetwork::Step& step) const {
  using What = SimNetwork::Step::What;
  switch (step.what) {
    case What::kDeadline: return "wakes";
    case What::kDatagram: return "takes " + name(step.peer) + " " + packet(step.bytes);
    case What::kSend: return "sends " + name(step.peer) + " " + packet(step.bytes);
    case What::kPersist: return "persists " + rows(*step.persist);
    case What::kPersisted: return "has durable " + rows(*step.persist);
    case What::kEvent: return "tells " + event(*step.event);
  }
  return "?";
}

std::string Teller::packet(ByteView bytes) const {
  const std::string size = " " + text(bytes.size());
  const auto content = payload_of(bytes);
  if (!content) return "noise" + size;
  switch (static_cast<PacketType>(bytes[1])) {
    case PacketType::kInit: return "INIT" + size + (content->empty() ? "" : " early " + payload(*content));
    case PacketType::kResp: return "RESP" + size + " " + payload(*content);
    case PacketType::kData: return "DATA" + size + " " + payload(*content);
    case PacketType::kCookie: return "COOKIE" + size;
    case PacketType::kHello: return "HELLO" + size;
    case PacketType::kRecord: return "RECORD" + size;
  }
  return "noise" + size;
}

std::string Teller::payload(ByteView bytes) const {
  if (bytes.empty()) return "[]";
  Reader r(bytes);
  const node::Head head = node::read_head(r);
  bool damaged = false;
  const auto read = [&](auto message) {
    if (decode(r, message)) damaged = true;
    return message;
  };
  std::string s;
  switch (head.kind) {
    case gossip::kPing: {
      const auto m = read(gossip::Ping{});
      s = "Ping number " + text(m.number) + items(m.items);
      break;
    }
    case gossip::kAck: {
      const auto m = read(gossip::Ack{});
      s = "Ack number " + text(m.number) + ", sees " + name(m.observed) + items(m.items);
      break;
    }
    case gossip::kPingReq: s = "PingReq " + name(read(gossip::PingReq{}).target); break;
    case gossip::kPingReqReply:
      s = read(gossip::PingReqReply{}).answered ? "PingReqReply yes" : "PingReqReply no";
      break;
    case gossip::kGossip: s = "Gossip" + items(read(gossip::Gossip{}).items); break;
    case gossip::kSync: s = "Sync" + items(read(gossip::Sync{}).items); break;
    case gossip::kSyncPage: s = "SyncPage" + items(read(gossip::SyncPage{}).items); break;
    case dht::kFindNode: {
      const auto m = read(dht::FindNode{});
      s = "FindNode " + name(m.target) + (m.want_token ? ", token wanted" : "") + known(m.known);
      break;
    }
    case dht::kNodes: {
      const auto m = read(dht::Nodes{});
      s = std::string("Nodes") + (m.token ? " token" : "") + names(m.contacts);
      break;
    }
    case dht::kGet: {
      const auto m = read(dht::Get{});
      s = "Get " + name(m.key) + (m.author ? " of " + name(*m.author) : "") +
          (m.newer_than > 0 ? " newer than " + text(m.newer_than) : "") +
          (m.want_token ? ", token wanted" : "") + known(m.known);
      break;
    }
    case dht::kValues: {
      const auto m = read(dht::Values{});
      s = std::string("Values") + (m.token ? " token" : "");
      for (const auto& value : m.values) s += " " + blob(value.blob);
      s += names(m.contacts);
      break;
    }
    case dht::kStore: {
      const auto m = read(dht::Store{});
      s = "Store " + name(m.key) + " " + blob(m.blob);
      break;
    }
    case dht::kStored: {
      const auto m = read(dht::Stored{});
      s = "Stored " + std::string(status(m.status)) + " " + text(m.seq);
      break;
    }
    case dht::kStoreMany: {
      const auto m = read(dht::StoreMany{});
      s = "StoreMany";
      for (const auto& item : m.items) s += " " + name(item.key) + " " + blob(item.blob);
      break;
    }
    case dht::kStoredMany: {
      const auto m = read(dht::StoredMany{});
      s = "StoredMany";
      for (const auto& answer : m.answers) s += " " + std::string(status(answer.status)) + " " + text(answer.seq);
      break;
    }
    case dht::kCompare: {
      const auto m = read(dht::Compare{});
      s = "Compare " + text(m.sums.size() / 8) + " from " + name(m.first) + " to " + name(m.last);
      break;
    }
    case dht::kCompared: {
      const auto m = read(dht::Compared{});
      std::size_t missing = 0;
      for (const std::uint8_t byte : m.missing) missing += static_cast<std::size_t>(std::popcount(byte));
      s = std::string("Compared") + (m.token ? " token" : "") + ", lacks " + text(missing);
      break;
    }
    default: s = "kind " + text(head.kind);
  }
  return damaged ? "[damaged]" : "[" + s + "]";
}

std::string Teller::blob(ByteView bytes) const {
  const auto value = dht::decode_value(bytes);
  if (!value) return "(damaged)";
  return "(" + name(node_id_of(value->author)) + " #" + text(value->seq) + " " +
         shown(value->value) + ")";
}

std::string Teller::event(const Event& event) const {
  if (const auto* e = std::get_if<dht::PutDone>(&event)) {
    if (!e->result) return "PutDone " + text(e->op) + " " + failure(e->result.error());
    return "PutDone " + text(e->op) + " number " + text(e->result->seq) + " on " +
           text(e->result->replicas) + " of " + text(e->result->wanted);
  }
  if (const auto* e = std::get_if<dht::GetDone>(&event)) {
    if (!e->result) return "GetDone " + text(e->op) + " " + failure(e->result.error());
    std::string s = "GetDone " + text(e->op);
    for (const auto& v : e->result->values) {
      s += " (" + name(v.author_id) + " #" + text(v.seq) + " " + shown(v.value) + ")";
    }
    return s;
  }
  if (const auto* e = std::get_if<dht::LookupDone>(&event)) return "LookupDone " + text(e->op);
  if (const auto* e = std::get_if<node::PingDone>(&event)) {
    if (!e->rtt) return "PingDone " + text(e->op) + " failed: " + std::string(to_string(e->rtt.error()));
    return "PingDone " + text(e->op) + " rtt " + text(static_cast<std::uint64_t>(e->rtt->count())) + " us";
  }
  if (const auto* e = std::get_if<node::JoinDone>(&event)) return "JoinDone " + text(e->op);
  if (const auto* e = std::get_if<node::LeaveDone>(&event)) return "LeaveDone " + text(e->op);
  if (const auto* e = std::get_if<gossip::MemberChanged>(&event)) {
    return "MemberChanged " + name(e->record->id) + " " + std::string(to_string(e->from)) + " to " +
           std::string(to_string(e->to));
  }
  if (std::holds_alternative<node::Ready>(event)) return "Ready";
  if (std::holds_alternative<node::SeedsWanted>(event)) return "SeedsWanted";
  if (std::holds_alternative<node::TwinFound>(event)) return "TwinFound";
  if (const auto* e = std::get_if<state::StateNoticed>(&event)) {
    return "StateNoticed " + text(static_cast<std::uint64_t>(e->what)) + " of " + name(e->author);
  }
  return "EndpointsChanged";
}

std::string Teller::rows(const node::Persist& persist) const {
  std::string s;
  for (const Write& write : persist.writes) s += (s.empty() ? "" : ", ") + row(write);
  return s;
}

std::string Teller::row(const Write& write) const {
  const auto id_at = [&](std::size_t at) {
    NodeId id;
    if (write.key.size() < at + id.bytes.size()) return std::string();
    std::ranges::copy(ByteView(write.key).subspan(at, id.bytes.size()), id.bytes.begin());
    return " " + name(id);
  };
  std::string s = write.erase ? "no row " : "row ";
  s += static_cast<char>(write.key[0]);
  if (write.key[0] == 'n' && write.value.size() == 8) {
    return s + " " + text(load_le<std::uint64_t>(write.value.data()));
  }
  return s + id_at(1) + id_at(33);
}

std::string Teller::name(const NodeId& id) const {
  for (std::size_t i = 0; i < net_.size(); ++i) {
    if (net_.id(i) == id) return "n" + text(i);
  }
  const auto key = keys_.find(id);
  return key == keys_.end() ? short_string(id) : key->second;
}

std::string Teller::name(const Endpoint& endpoint) const {
  if (const auto index = net_.index_of(endpoint)) return "n" + text(*index);
  return to_string(endpoint);
}

std::string Teller::names(std::span<const Contact> contacts) const {
  std::string s;
  for (const Contact& c : contacts) s += (s.empty() ? ", knows " : " ") + name(c.id);
  return s;
}

}  // namespace weft::sim
