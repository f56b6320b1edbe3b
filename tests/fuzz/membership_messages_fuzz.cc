// Hostile bytes into every decoder of membership, and what decodes into a live Membership object.
#include <memory>

#include "gossip/membership/membership.h"

namespace weft::gossip {
namespace {

struct Target {
  weft::CheapProvider provider;
  weft::RecordCache cache{provider, 1000};
  std::unique_ptr<weft::Identity> self;
  std::unique_ptr<weft::gossip::Membership> core;
  weft::Now now;

  Target() {
    weft::ByteArray<32> seed{};
    self = std::make_unique<weft::Identity>(provider, seed);
    now.mono += std::chrono::seconds(1);
    core = std::make_unique<weft::gossip::Membership>(*self, weft::make_record(*self, {}), cache,
                                                      weft::Rng(1), weft::gossip::Config{}, now);
  }
};

template <class M>
bool read(weft::Reader& r, M& m) {
  return !weft::gossip::decode(r, m);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Target target;
  weft::Reader r(weft::ByteView(data, size));
  r.array(16);
  const auto kind = r.uint(255);
  const auto rpc = static_cast<std::uint32_t>(r.uint(UINT32_MAX));
  weft::Asker asker{weft::make_contact({}, weft::Endpoint::v4(10, 0, 0, 1, 1)), rpc, false, 1170};
  Membership& core = *target.core;
  Output out;
  target.now.mono += 10ms;
  switch (kind) {
    case kPing: {
      Ping m;
      Ack reply;
      if (read(r, m)) core.on_ping(target.now, asker, m, reply, out);
      break;
    }
    case kAck: {
      Ack m;
      if (read(r, m)) {
        core.on_ack(target.now, weft::RequestTag{m.number}, 1ms, asker.contact, m, out);
      }
      break;
    }
    case kPingReq: {
      PingReq m;
      if (read(r, m)) core.on_ping_req(target.now, asker, m, out);
      break;
    }
    case kPingReqReply: {
      PingReqReply m;
      (void)read(r, m);
      break;
    }
    case kGossip: {
      Gossip m;
      if (read(r, m)) core.on_gossip(target.now, asker, m, out);
      break;
    }
    case kSync: {
      Sync m;
      SyncPage reply;
      if (read(r, m)) core.on_sync(target.now, asker, m, reply, out);
      break;
    }
    case kSyncPage: {
      SyncPage m;
      if (read(r, m)) {
        core.on_sync_page(target.now, weft::RequestTag{1ULL << 32}, asker.contact, m, out);
      }
      break;
    }
    default:
      break;
  }
  core.on_deadline(target.now, out);
  return 0;
}

}  // namespace weft::gossip
