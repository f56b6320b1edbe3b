#include "gossip/membership/messages.h"

namespace weft::gossip {
namespace {

void head(Writer& w, std::size_t fields, Kind kind, std::uint32_t rpc) {
  w.array(fields + 2).uint(kind).uint(rpc);
}

void write_items(Writer& w, const GossipItems& items) {
  w.array(items.size());
  for (const GossipItem& item : items) {
    if (!item.record.empty()) {
      w.bin(item.record);
      continue;
    }
    w.array(4).bin(item.suspicion.subject.bytes).uint(item.suspicion.number);
    w.bin(item.suspicion.accuser.bytes).bin(item.suspicion.signature.bytes);
  }
}

void read_items(Reader& r, GossipItems& items) {
  items.clear();
  const std::size_t count = r.array(kGossipItemsMax);
  for (std::size_t i = 0; i < count && !r.failed(); ++i) {
    GossipItem item;
    if (r.next_is_bin()) {
      item.record = r.bin(kRecordBytesMax);
      // An empty record would read back as a suspicion that nobody wrote.
      if (!r.failed() && item.record.empty()) r.fail(DecodeError::kBadValue);
    } else {
      const std::size_t fields = r.array(4);
      if (!r.failed() && fields < 3) r.fail(DecodeError::kBadValue);
      item.suspicion.subject.bytes = r.bin_exact<32>();
      item.suspicion.number = r.uint(kNumberMax);
      item.suspicion.accuser.bytes = r.bin_exact<32>();
      if (fields == 3) continue;  // of a node before kSuspicionMinor
      item.suspicion.signature.bytes = r.bin_exact<64>();
    }
    items.push(item);
  }
}

void write_buckets(Writer& w, const InlineVec<std::uint64_t, kSyncBuckets>& buckets) {
  w.array(buckets.size());
  for (const std::uint64_t hash : buckets) w.uint(hash);
}

void read_buckets(Reader& r, InlineVec<std::uint64_t, kSyncBuckets>& buckets) {
  buckets.clear();
  r.array_of(kSyncBuckets);
  for (std::size_t i = 0; i < kSyncBuckets && !r.failed(); ++i) buckets.push(r.uint());
}

}  // namespace

std::size_t wire_size(const GossipItem& item) {
  if (!item.record.empty()) return item.record.size() + (item.record.size() < 256 ? 2 : 3);
  return 1 + 34 + 9 + 34 + 66;  // array, subject, the longest number, accuser, signature
}

void encode(Writer& w, std::uint32_t rpc, const Ping& m) {
  head(w, 3, kPing, rpc);
  w.uint(m.number).uint(m.digest);
  write_items(w, m.items);
}

void encode(Writer& w, std::uint32_t rpc, const Ack& m) {
  head(w, m.state ? 6 : 5, kAck, rpc);
  ByteArray<kEndpointWireMax> raw{};
  w.uint(m.number).uint(m.instance).uint(m.digest);
  w.bin(ByteView(raw).first(encode_endpoint(m.observed, raw)));
  write_items(w, m.items);
  if (m.state) w.bin(*m.state);
}

void encode(Writer& w, std::uint32_t rpc, const PingReq& m) {
  head(w, 1, kPingReq, rpc);
  w.bin(m.target.bytes);
}

void encode(Writer& w, std::uint32_t rpc, const PingReqReply& m) {
  head(w, 1, kPingReqReply, rpc);
  w.boolean(m.answered);
}

void encode(Writer& w, std::uint32_t rpc, const Gossip& m) {
  head(w, 1, kGossip, rpc);
  write_items(w, m.items);
}

void encode(Writer& w, std::uint32_t rpc, const Sync& m) {
  head(w, 4, kSync, rpc);
  w.uint(m.digest);
  write_buckets(w, m.buckets);
  if (m.after)
    w.bin(m.after->bytes);
  else
    w.nil();
  write_items(w, m.items);
}

void encode(Writer& w, std::uint32_t rpc, const SyncPage& m) {
  head(w, 4, kSyncPage, rpc);
  write_buckets(w, m.buckets);
  w.boolean(m.more).bin(m.last.bytes);
  write_items(w, m.items);
}

std::optional<DecodeError> decode(Reader& r, Ping& m) {
  m.number = r.uint(kNumberMax);
  m.digest = r.uint();
  read_items(r, m.items);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Ack& m) {
  m.number = r.uint(kNumberMax);
  m.instance = r.uint();
  m.digest = r.uint();
  const auto observed = decode_endpoint(r.bin(kEndpointWireMax));
  if (observed)
    m.observed = *observed;
  else
    r.fail(DecodeError::kBadValue);
  read_items(r, m.items);
  m.state.reset();
  if (r.next_is_bin()) m.state = r.bin_exact<16>();
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, PingReq& m) {
  m.target.bytes = r.bin_exact<32>();
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, PingReqReply& m) {
  m.answered = r.boolean();
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Gossip& m) {
  read_items(r, m.items);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, Sync& m) {
  m.digest = r.uint();
  read_buckets(r, m.buckets);
  m.after.reset();
  if (!r.skip_nil()) m.after = NodeId{r.bin_exact<32>()};
  read_items(r, m.items);
  return r.finish();
}

std::optional<DecodeError> decode(Reader& r, SyncPage& m) {
  read_buckets(r, m.buckets);
  m.more = r.boolean();
  m.last.bytes = r.bin_exact<32>();
  read_items(r, m.items);
  return r.finish();
}

}  // namespace weft::gossip
