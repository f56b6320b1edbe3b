// A bare peer for measurements: a real UDP socket and real sealed sessions, without a NodeCore
// behind them, so that a driver decides packet by packet what a running node gets to see.
//
// It answers what the node asks (emptily), so the node takes it for a living peer. Blocking; one
// thread; every wait is bounded.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crypto/sessions.h"
#include "node/codec.h"

namespace weft::bench {

// Both clocks, as the shell of a node reads them.
Now read_clocks();

// The number of a peer's record.
inline constexpr std::uint64_t kPeerNumber = 2;

struct Traffic {
  std::uint64_t sent_packets = 0, sent_bytes = 0, received_packets = 0, received_bytes = 0;
};

class Peer {
 public:
  // Binds an ephemeral port on `local_ip` ("127.0.0.1"). Aborts with a message if it cannot.
  Peer(const std::string& local_ip, const Network& network);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Gets the node's record by a hello. False if nothing came back within the time.
  bool meet(const Endpoint& node, Duration within);
  const Contact& node() const { return node_; }
  // Its own signed record, for those who want to become members.
  const RecordRef& record() const { return record_; }

  // A message with a fresh request number, which is returned.
  template <class Message>
  std::uint32_t ask(const Message& message) {
    Writer writer(payload_);
    const std::uint32_t rpc = ++rpc_;
    encode(writer, rpc, message);
    CHECK(writer.ok());
    send_payload(writer.view());
    return rpc;
  }
  // Takes one datagram if it comes within the time; true if one came. Replies go to on_reply.
  bool take(Duration within);

  // kind, request number, and a reader that stands behind them.
  std::function<void(std::uint8_t, std::uint32_t, Reader&)> on_reply;
  // Every datagram as it leaves and as it comes, for those who want to send it again.
  std::function<void(bool /*sent*/, ByteView)> on_datagram;

  const Identity& identity() const { return identity_; }
  const CryptoProvider& provider() const { return provider_; }
  Entropy& entropy() { return entropy_; }
  const Traffic& traffic() const { return traffic_; }
  int socket() const { return socket_; }
  Endpoint local() const { return local_; }

 private:
  void send_payload(ByteView payload);
  void flush();
  void answer(std::uint8_t kind, std::uint32_t rpc);

  SodiumProvider provider_;
  SystemEntropy entropy_;
  Network network_;
  Identity identity_;
  RecordCache records_;
  Sessions sessions_;
  RecordRef record_;
  Outbox out_;
  Contact node_;
  Endpoint local_;
  int socket_ = -1;
  std::uint32_t rpc_ = 0;
  ByteArray<kPayloadBytesMax> payload_{};
  ByteArray<2048> datagram_{};
  Traffic traffic_;
};

}  // namespace weft::bench
