#include "testnet/sim/tally.h"

#include "crypto/session_frame.h"
#include "node/codec.h"

namespace weft::sim {
namespace {

using session::PacketType;

std::string_view type_name(PacketType type) {
  switch (type) {
    case PacketType::kInit: return "INIT";
    case PacketType::kResp: return "RESP";
    case PacketType::kData: return "DATA";
    case PacketType::kCookie: return "COOKIE";
    case PacketType::kHello: return "HELLO";
    case PacketType::kRecord: return "RECORD";
  }
  return "noise";
}

std::string kind_name(std::size_t kind) {
  switch (kind) {
    case gossip::kPing: return "Ping";
    case gossip::kAck: return "Ack";
    case gossip::kPingReq: return "PingReq";
    case gossip::kPingReqReply: return "PingReqReply";
    case gossip::kGossip: return "Gossip";
    case gossip::kSync: return "Sync";
    case gossip::kSyncPage: return "SyncPage";
    case dht::kFindNode: return "FindNode";
    case dht::kNodes: return "Nodes";
    case dht::kGet: return "Get";
    case dht::kValues: return "Values";
    case dht::kStore: return "Store";
    case dht::kStored: return "Stored";
    case dht::kCompare: return "Compare";
    case dht::kCompared: return "Compared";
    case dht::kStoreMany: return "StoreMany";
    case dht::kStoredMany: return "StoredMany";
    case dht::kTraced: return "Traced";
    default: return "kind " + std::to_string(kind);
  }
}

template <class M>
M read(Reader& r) {
  M message;
  (void)decode(r, message);
  return message;
}

// In the model that counts names one has four bytes, and a tag has two.
std::size_t tags_as_names(const dht::Known& known) { return (known.tags.size() + 1) / 2; }

}  // namespace

std::optional<ByteView> payload_of(ByteView datagram) {
  if (datagram.size() < 2) return std::nullopt;
  const auto inside = [&](std::size_t from, std::size_t behind) -> std::optional<ByteView> {
    if (datagram.size() < from + behind) return std::nullopt;
    return datagram.subspan(from, datagram.size() - from - behind);
  };
  switch (static_cast<PacketType>(datagram[1])) {
    case PacketType::kInit: {
      const auto content =
          inside(session::kInitNoiseAt + noise::kFirstOverhead - kTagBytes, kTagBytes + 2 * session::kMacBytes);
      if (!content || content->size() < session::kInitHead) return std::nullopt;
      const std::size_t early = load_le<std::uint16_t>(content->data() + session::kInitHead - 2);
      if (session::kInitHead + early > content->size()) return std::nullopt;
      return content->subspan(session::kInitHead, early);
    }
    case PacketType::kResp:
      return inside(session::kRespNoiseAt + noise::kDhBytes, kTagBytes + session::kMacBytes);
    case PacketType::kData: return inside(session::kDataSealedAt, kTagBytes);
    case PacketType::kCookie:
    case PacketType::kHello:
    case PacketType::kRecord: return ByteView{};
  }
  return std::nullopt;
}

void Tally::sent(ByteView datagram) {
  const auto payload = payload_of(datagram);
  std::size_t kind = 0;
  if (payload && !payload->empty()) {
    Reader r(*payload);
    kind = node::read_head(r).kind % kKinds;
    if (kind == dht::kFindNode) names_ += 1 + tags_as_names(read<dht::FindNode>(r).known);
    else if (kind == dht::kGet) names_ += 1 + tags_as_names(read<dht::Get>(r).known);
    else if (kind == dht::kNodes) names_ += read<dht::Nodes>(r).contacts.size();
    else if (kind == dht::kValues) names_ += read<dht::Values>(r).contacts.size();
  }
  Sent& sent = kinds_[payload ? datagram[1] % kTypes : 0][kind];
  ++sent.packets;
  sent.bytes += datagram.size();
}

std::string Tally::name(std::size_t type, std::size_t kind) {
  const auto packet = static_cast<PacketType>(type);
  if (kind == 0) return std::string(type_name(packet));
  return (packet == PacketType::kData ? "" : std::string(type_name(packet)) + " ") + kind_name(kind);
}

}  // namespace weft::sim
