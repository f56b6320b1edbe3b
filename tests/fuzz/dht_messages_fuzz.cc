// Hostile bytes into every decoder of the DHT, and what decodes into a live Dht object.
#include <memory>

#include "dht/dht.h"

namespace weft::dht {
namespace {

struct Target {
  CheapProvider provider;
  SeededEntropy entropy{1};
  std::unique_ptr<Identity> self;
  std::unique_ptr<Dht> core;
  Now now;
  std::uint64_t op = 0;

  Target() {
    now.mono += 1s;
    self = std::make_unique<Identity>(provider, ByteArray<32>{});
    Config config;
    config.values_memory_max = 4096;  // so that it is paged before long
    core = std::make_unique<Dht>(*self, provider, entropy, Rng(1), config, now);
    Output out;
    for (std::uint8_t i = 1; i < 40; ++i) {
      PublicKey key;
      key.bytes.fill(i);
      core->heard_from(now, make_contact(key, Endpoint::v4(i, i, i, i, 9338)), {}, out);
    }
  }
  // Something is always under way, so that answers find an operation.
  RequestTag ask(Output& out) {
    out.clear();
    const auto id = static_cast<OpId>(++op);
    const NodeId key{blake2b_256(as_bytes("k"))};
    switch (op % 3) {
      case 0: core->get(now, id, key, {.all = op % 2 == 0}, out); break;
      case 1: core->put(now, id, key, {1, 2, 3}, {}, out); break;
      default: core->lookup(now, id, key, {.trace = true}, out); break;
    }
    const RequestTag asked = out.requests.empty() ? RequestTag{} : out.requests[0].tag;
    out.clear();
    return asked;
  }
};

void feed(ByteView bytes) {
  static Target target;
  Reader r(bytes);
  r.array(16);
  const auto kind = r.uint(255);
  const auto rpc = static_cast<std::uint32_t>(r.uint(UINT32_MAX));
  const Asker asker{make_contact({}, Endpoint::v4(10, 0, 0, 1, 1)), rpc, false,
                          rpc % 1171};
  Dht& core = *target.core;
  Output out;
  target.now.mono += 1s;
  // An honest token, so that the checks behind it are reached.
  const auto give_token = [&](const NodeId& key, Token& token) {
    Nodes reply;
    core.on_find_node(target.now, asker, {.target = key, .want_token = true}, reply);
    if (reply.token) token = *reply.token;
  };
  const auto commit = [&] {
    const auto persist = out.persist;
    for (const Persist& p : persist) core.on_persisted(target.now, p.ticket, rpc % 2 == 0, out);
  };
  switch (kind) {
    case kFindNode: {
      FindNode m;
      Nodes reply;
      if (!decode(r, m)) core.on_find_node(target.now, asker, m, reply);
      break;
    }
    case kGet: {
      Get m;
      Values reply;
      if (!decode(r, m)) core.on_get(target.now, asker, m, reply, out);
      break;
    }
    case kStore: {
      Store m;
      if (decode(r, m)) break;
      give_token(m.key, m.token);
      core.on_store(target.now, asker, m, out);
      commit();
      break;
    }
    case kStoreMany: {
      StoreMany m;
      if (decode(r, m)) break;
      give_token(m.items[0].key, m.token);
      core.on_store_many(target.now, asker, m, out);
      commit();
      break;
    }
    case kStoredMany: {
      StoredMany m;
      if (!decode(r, m)) core.on_stored_many(target.now, target.ask(out), 1ms, m, out);
      break;
    }
    case kNodes: {
      Nodes m;
      if (!decode(r, m)) core.on_nodes(target.now, target.ask(out), 1ms, m, out);
      break;
    }
    case kValues: {
      Values m;
      if (!decode(r, m)) core.on_values(target.now, target.ask(out), 1ms, m, out);
      break;
    }
    case kStored: {
      Stored m;
      if (!decode(r, m)) core.on_stored(target.now, target.ask(out), 1ms, m, out);
      break;
    }
    case kCompare: {
      Compare m;
      Compared reply;
      ByteArray<kCompareItemsMax / 8> room;
      if (!decode(r, m)) core.on_compare(target.now, asker, m, room, reply, out);
      break;
    }
    case kCompared: {
      Compared m;
      if (!decode(r, m)) core.on_compared(target.now, target.ask(out), 1ms, m, out);
      break;
    }
    case kTraced: {
      Traced m;
      if (!decode(r, m)) CHECK(m.request.size() <= kTracedRequestBytesMax);
      break;
    }
    default:
      break;
  }
  core.on_deadline(target.now, out);
  // What the store of a paged node could say: nothing there, or a failure.
  const std::vector<Load> loads = std::move(out.loads);
  out.loads.clear();
  for (const Load& load : loads) {
    Loaded loaded{};
    loaded.ticket = load.ticket;
    loaded.ok = rpc % 3 != 0;
    core.on_loaded(target.now, loaded, out);
  }
}

}  // namespace
}  // namespace weft::dht

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weft::dht::feed({data, size});
  return 0;
}
