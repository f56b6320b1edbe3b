#include "tests/sim/transcript.h"

#include <cstdio>
#include <sstream>

#include "crypto/check.h"
#include "crypto/session_frame.h"
#include "dht/signed_value.h"
#include "node/codec.h"
#include "testnet/sim/network.h"

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

std::string items(const gossip::GossipItems& all) {
  std::size_t records = 0;
  for (const auto& item : all) records += item.record.empty() ? 0U : 1U;
  std::string s;
  if (records > 0) s += ", records " + text(records);
  if (records < all.size()) s += ", suspicions " + text(all.size() - records);
  return s;
}

}  // namespace

std::string Transcript::play(const std::string& script) {
  std::istringstream in(script);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') out += line + "\n";
    if (!line.starts_with("> ")) continue;
    out += line + "\n" + command(line.substr(2));
  }
  return out;
}

std::string Transcript::command(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  const auto number = [&words] {
    std::size_t n = 0;
    CHECK(words >> n);
    return n;
  };
  const auto who = [&words] {
    std::string node;
    CHECK(words >> node);
    return static_cast<std::size_t>(std::stoul(node.substr(1)));
  };
  const auto key = [&words, this] {
    std::string text;
    CHECK(words >> text);
    const NodeId id = dht::key_of_text(text);
    keys_[id] = text;
    return id;
  };
  told_.clear();
  if (verb == "nodes") {
    const std::size_t count = number();
    std::size_t replicas = 3;
    std::size_t idle_ms = 0;
    for (std::string option; words >> option;) (option == "idle" ? idle_ms : replicas) = number();
    form(count, replicas, idle_ms);
    return {};
  }
  if (verb == "rest") {
    net_->run_for(std::chrono::milliseconds(number()));
    return {};
  }
  input_.clear();
  net_->tap([this](const SimNetwork::Step& step) { tell(step); });
  if (verb == "run") {
    net_->run_for(std::chrono::milliseconds(number()));
  } else {
    zero_ = net_->now().mono;
    const std::size_t at = who();
    const auto operate = [&](const auto& call) {
      last_op_[at] = net_->operate(
          at, [&](node::NodeCore& core, Now now, node::Output& out) { return call(core, now, out); });
    };
    if (verb == "ping") {
      const NodeId to = net_->id(who());
      operate([&](auto& core, Now now, auto& out) { return core.ping(now, to, out); });
    } else if (verb == "put") {
      const NodeId id = key();
      std::string value;
      words >> value;
      operate([&](auto& core, Now now, auto& out) {
        return core.put(now, id, to_bytes(as_bytes(value)), {}, out);
      });
    } else if (verb == "get") {
      const NodeId id = key();
      operate([&](auto& core, Now now, auto& out) { return core.get(now, id, {}, out); });
    } else if (verb == "leave") {
      operate([&](auto& core, Now now, auto& out) { return core.leave(now, out); });
    } else if (verb == "cancel") {
      const OpId op = last_op_.at(at);
      operate([&](auto& core, Now now, auto& out) {
        core.cancel(now, op, out);
        return op;
      });
    } else {
      CHECK(verb == "crash");
      net_->crash(at);
    }
  }
  net_->tap({});
  return told_;
}

// At rest: probes and upkeep are far away, links take exactly a millisecond.
void Transcript::form(std::size_t nodes, std::size_t replicas, std::size_t idle_ms) {
  net_ = std::make_unique<SimNetwork>(
      NetworkOptions{.seed = 1, .link = {.latency_min = 1ms, .latency_max = 1ms}});
  for (std::size_t i = 0; i < nodes; ++i) {
    net_->add(i == 0 ? std::nullopt : std::optional<std::size_t>(0), [&](node::Config& config) {
      config.membership.probe_interval = 1h;
      config.dht.replicas = replicas;
      if (idle_ms > 0) config.sessions.idle_out = std::chrono::milliseconds(idle_ms);
    });
    net_->run_for(100ms);
  }
  CHECK(net_->run_until([&] { return net_->all_see(nodes); }, 30s));
  net_->run_for(100s);
}

void Transcript::tell(const SimNetwork::Step& step) {
  using What = SimNetwork::Step::What;
  const auto us = (step.now.mono - zero_).count();
  char stamp[32];
  std::snprintf(stamp, sizeof stamp, "%4lld.%03lld ", static_cast<long long>(us / 1000),
                static_cast<long long>(us % 1000));
  std::string line = stamp;
  line += "n" + text(step.node);
  switch (step.what) {
    case What::kDeadline:
      input_ = line + " wakes\n";
      return;
    case What::kDatagram: line += " takes " + name(step.peer) + " " + packet(step.bytes); break;
    case What::kSend: line += " sends " + name(step.peer) + " " + packet(step.bytes); break;
    case What::kPersist: line += " persists " + rows(*step.persist); break;
    case What::kPersisted: line += " has durable " + rows(*step.persist); break;
    case What::kEvent: line += " tells " + event(*step.event); break;
  }
  const bool is_input = step.what == What::kDatagram || step.what == What::kPersisted;
  if (!is_input) told_ += input_;
  input_.clear();
  told_ += line + "\n";
}

std::string Transcript::packet(ByteView bytes) const {
  const auto inside = [&](std::size_t from, std::size_t behind) {
    return bytes.subspan(from, bytes.size() - from - behind);
  };
  const std::string size = " " + text(bytes.size());
  switch (static_cast<PacketType>(bytes[1])) {
    case PacketType::kInit: {
      const ByteView content =
          inside(session::kInitNoiseAt + noise::kFirstOverhead - kTagBytes, kTagBytes + 2 * session::kMacBytes);
      const std::size_t early = load_le<std::uint16_t>(content.data() + 32);
      if (early == 0) return "INIT" + size;
      return "INIT" + size + " early " + payload(content.subspan(session::kInitHead, early));
    }
    case PacketType::kResp:
      return "RESP" + size + " " +
             payload(inside(session::kRespNoiseAt + noise::kDhBytes, kTagBytes + session::kMacBytes));
    case PacketType::kData:
      return "DATA" + size + " " + payload(inside(session::kDataSealedAt, kTagBytes));
    case PacketType::kCookie: return "COOKIE" + size;
    case PacketType::kHello: return "HELLO" + size;
    case PacketType::kRecord: return "RECORD" + size;
  }
  return "?";
}

std::string Transcript::payload(ByteView bytes) const {
  if (bytes.empty()) return "[]";
  Reader r(bytes);
  const node::Head head = node::read_head(r);
  const auto read = [&r](auto message) {
    CHECK(!decode(r, message));
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
      s = "FindNode " + name(m.target) + (m.want_token ? ", token wanted" : "");
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
          (m.want_token ? ", token wanted" : "");
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
    default: s = "kind " + text(head.kind);
  }
  return "[" + s + "]";
}

std::string Transcript::blob(ByteView bytes) const {
  const auto value = dht::decode_value(bytes);
  CHECK(value);
  return "(" + name(node_id_of(value->author)) + " #" + text(value->seq) + " " +
         std::string(as_text(value->value)) + ")";
}

std::string Transcript::event(const Event& event) const {
  if (const auto* e = std::get_if<dht::PutDone>(&event)) {
    if (!e->result) return "PutDone " + text(e->op) + " " + failure(e->result.error());
    return "PutDone " + text(e->op) + " number " + text(e->result->seq) + " on " +
           text(e->result->replicas) + " of " + text(e->result->wanted);
  }
  if (const auto* e = std::get_if<dht::GetDone>(&event)) {
    if (!e->result) return "GetDone " + text(e->op) + " " + failure(e->result.error());
    std::string s = "GetDone " + text(e->op);
    for (const auto& v : e->result->values) {
      s += " (" + name(v.author_id) + " #" + text(v.seq) + " " + std::string(as_text(v.value)) + ")";
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
  return "EndpointsChanged";
}

std::string Transcript::rows(const node::Persist& persist) const {
  std::string s;
  for (const Write& write : persist.writes) s += (s.empty() ? "" : ", ") + row(write);
  return s;
}

std::string Transcript::row(const Write& write) const {
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

std::string Transcript::name(const NodeId& id) const {
  for (std::size_t i = 0; i < net_->size(); ++i) {
    if (net_->id(i) == id) return "n" + text(i);
  }
  const auto key = keys_.find(id);
  return key == keys_.end() ? short_string(id) : key->second;
}

std::string Transcript::name(const Endpoint& endpoint) const {
  for (std::size_t i = 0; i < net_->size(); ++i) {
    if (net_->endpoint(i) == endpoint) return "n" + text(i);
  }
  return to_string(endpoint);
}

std::string Transcript::names(std::span<const Contact> contacts) const {
  std::string s;
  for (const Contact& c : contacts) s += (s.empty() ? ", knows " : " ") + name(c.id);
  return s;
}

}  // namespace weft::sim
