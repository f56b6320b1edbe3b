// What one step costs: sealing and opening, decoding, the nearest contacts, a record's signature.
// Timings are only comparable on the same quiet machine.
#include <benchmark/benchmark.h>

#include "crypto/node_record.h"
#include "dht/messages.h"
#include "dht/routing_table.h"
#include "node/codec.h"

namespace weft {
namespace {

Now at(Duration since_start) { return {Instant(since_start), {}}; }

ByteArray<32> seed_of(std::uint64_t number) {
  ByteArray<32> seed{};
  store_le(seed.data(), number);
  return seed;
}

Contact contact_of(const CryptoProvider& provider, std::uint64_t number) {
  const Identity identity(provider, seed_of(number));
  return make_contact(identity.public_key(),
                      Endpoint::v4(10, static_cast<std::uint8_t>(number >> 8),
                                   static_cast<std::uint8_t>(number), 1, 9338));
}

void BM_Seal(benchmark::State& state) {
  const SodiumProvider provider;
  const Bytes plain(static_cast<std::size_t>(state.range(0)), 7);
  Bytes sealed(plain.size() + kTagBytes);
  std::uint64_t counter = 0;
  for (auto _ : state) {
    provider.seal(CipherKey{1}, counter++, {}, plain, sealed);
    benchmark::DoNotOptimize(sealed.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Seal)->Arg(64)->Arg(200)->Arg(1170);

void BM_Open(benchmark::State& state) {
  const SodiumProvider provider;
  const Bytes plain(static_cast<std::size_t>(state.range(0)), 7);
  Bytes sealed(plain.size() + kTagBytes), opened(plain.size());
  provider.seal(CipherKey{1}, 5, {}, plain, sealed);
  for (auto _ : state) {
    CHECK(provider.open(CipherKey{1}, 5, {}, sealed, opened));
    benchmark::DoNotOptimize(opened.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Open)->Arg(64)->Arg(200)->Arg(1170);

void BM_VerifyRecord(benchmark::State& state) {
  const SodiumProvider provider;
  const Identity identity(provider, seed_of(1));
  RecordFields fields{.number = 1, .name = "bench"};
  fields.endpoints.push(Endpoint::v4(127, 0, 0, 1, 9338));
  const RecordRef record = make_record(identity, fields);
  for (auto _ : state) {
    const auto opened = open_record(provider, record->wire);
    CHECK(opened.has_value());
    benchmark::DoNotOptimize(opened->get());
  }
}
BENCHMARK(BM_VerifyRecord);

void BM_AdmitKnownRecord(benchmark::State& state) {
  const SodiumProvider provider;
  const Identity identity(provider, seed_of(1));
  RecordFields fields{.number = 1, .name = "bench"};
  fields.endpoints.push(Endpoint::v4(127, 0, 0, 1, 9338));
  const RecordRef record = make_record(identity, fields);
  RecordCache cache(provider, 64);
  for (auto _ : state) benchmark::DoNotOptimize(cache.admit(record->wire, fields.network)->get());
}
BENCHMARK(BM_AdmitKnownRecord);

void BM_DecodeNodes(benchmark::State& state) {
  const SodiumProvider provider;
  dht::Nodes message{.token = dht::Token{}};
  for (std::uint64_t i = 0; i < dht::kContactsPerReply; ++i) {
    message.contacts.push(contact_of(provider, i + 1));
  }
  ByteArray<1200> room;
  Writer writer(room);
  encode(writer, 7, message);
  CHECK(writer.ok());
  for (auto _ : state) {
    Reader reader(writer.view());
    const node::Head head = node::read_head(reader);
    benchmark::DoNotOptimize(head);
    dht::Nodes decoded;
    CHECK(!decode(reader, decoded));
    benchmark::DoNotOptimize(decoded.contacts.size());
  }
}
BENCHMARK(BM_DecodeNodes);

void BM_DecodeFindNode(benchmark::State& state) {
  ByteArray<1200> room;
  Writer writer(room);
  encode(writer, 7, dht::FindNode{});
  for (auto _ : state) {
    Reader reader(writer.view());
    benchmark::DoNotOptimize(node::read_head(reader));
    dht::FindNode decoded;
    CHECK(!decode(reader, decoded));
  }
}
BENCHMARK(BM_DecodeFindNode);

// The twenty nearest of a table that has met so many nodes.
void BM_Closest(benchmark::State& state) {
  const SodiumProvider provider;
  dht::RoutingTable table(contact_of(provider, 0).id, {.prefix_per_bucket = 0, .prefix_per_table = 0});
  for (std::uint64_t i = 1; i <= static_cast<std::uint64_t>(state.range(0)); ++i) {
    table.heard(at(1s), contact_of(provider, i), 1ms);
  }
  Rng rng(1);
  NodeId target;
  for (auto _ : state) {
    store_le(target.bytes.data(), rng.next());
    std::size_t taken = 0;
    table.visit_nearest(target, [&](const dht::RoutingTable::Entry& entry) {
      benchmark::DoNotOptimize(entry.contact.id);
      return ++taken < dht::kContactsPerReply;
    });
  }
}
BENCHMARK(BM_Closest)->Arg(50)->Arg(200)->Arg(2000);

}  // namespace
}  // namespace weft
