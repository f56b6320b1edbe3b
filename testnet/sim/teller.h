// Tells in words what a simulated node took and asked for: one step, one line. The cheap provider
// leaves payloads readable, so a line says what a packet says. Nothing random is printed: no macs,
// indices, tokens or digests. What does not decode is called noise or damaged.
//
//   sends n1 INIT 256 early [Ping number 3]
//   takes n1 RESP 108 [Ack number 2, sees n0]
#pragma once

#include <map>
#include <string>

#include "testnet/sim/network.h"

namespace weft::sim {

class Teller {
 public:
  // `network` must run with the cheap provider and outlive the teller.
  explicit Teller(const SimNetwork& network) : net_(network) {}
  // The key is called by this name from now on, not by its hash.
  void name_key(const NodeId& key, std::string name) { keys_[key] = std::move(name); }
  std::string words(const SimNetwork::Step& step) const;

 private:
  std::string packet(ByteView bytes) const;
  std::string payload(ByteView bytes) const;
  std::string event(const node::Event& event) const;
  std::string rows(const node::Persist& persist) const;
  std::string row(const Write& write) const;
  std::string name(const NodeId& id) const;
  std::string name(const Endpoint& endpoint) const;
  std::string names(std::span<const Contact> contacts) const;
  std::string blob(ByteView bytes) const;

  const SimNetwork& net_;
  std::map<NodeId, std::string> keys_;
};

}  // namespace weft::sim
