// The test vectors of docs/PROTOCOL-dht.md, parsed out of the very page.
#include <gtest/gtest.h>

#include "crypto/sealed_value.h"
#include "dht/rows.h"
#include "dht/signed_value.h"
#include "dht/write_token.h"
#include "tests/dht/mesh.h"
#include "tests/vectors.h"

namespace weft::dht {
namespace {

std::map<std::string, Vector> vectors() { return vectors_of("PROTOCOL-dht.md"); }

std::uint64_t number(const Vector& v, const std::string& field) {
  return std::strtoull(v.at(field).c_str(), nullptr, 10);
}
Bytes bytes(const Vector& v, const std::string& field) {
  return from_hex(v.at(field)).value_or(Bytes{});
}
NodeId id(const Vector& v, const std::string& field) {
  return {array_from_hex<32>(v.at(field)).value_or(ByteArray<32>{})};
}
std::optional<NodeId> maybe_id(const Vector& v, const std::string& field) {
  if (v.at(field) == "nil") return std::nullopt;
  return id(v, field);
}
std::optional<Token> maybe_token(const Vector& v) {
  if (v.at("token") == "nil") return std::nullopt;
  return array_from_hex<8>(v.at("token"));
}
Contact contact(const Vector& v, const std::string& field) {
  const Bytes raw = bytes(v, field);
  PublicKey key;
  std::ranges::copy(ByteView(raw).first(32), key.bytes.begin());
  return make_contact(key, decode_endpoint(ByteView(raw).subspan(32)).value_or(Endpoint{}));
}

template <class M>
void expect_message(const Vector& v, const M& m) {
  Bytes room(1200);
  Writer w(room);
  encode(w, static_cast<std::uint32_t>(number(v, "rpc")), m);
  EXPECT_EQ(to_hex(w.view()), v.at("payload"));
  const Bytes payload = bytes(v, "payload");  // the decoded message points into it
  Reader r(payload);
  (void)r.array(16);
  (void)r.uint();
  (void)r.uint();
  M again;
  EXPECT_FALSE(decode(r, again).has_value());
}

struct Fixed final : Entropy {
  ByteArray<32> secret{};
  void fill(MutableBytes out) override {
    std::ranges::copy(ByteView(secret).first(out.size()), out.begin());
  }
};

TEST(ProtocolDht, KeyOfAText) {
  const Vector v = vectors().at("key");
  EXPECT_EQ(to_string(key_of_text(v.at("text"))), v.at("key"));
  EXPECT_EQ(to_string(providers_key(key_of_text(v.at("text")))), v.at("providers"));
}

TEST(ProtocolDht, SealedValue) {
  const Vector v = vectors().at("sealed");
  const auto bytes32 = [&](const char* name) { return *array_from_hex<32>(v.at(name)); };
  const SodiumProvider provider;
  const Identity reader(provider, bytes32("reader_seed"));
  Fixed ephemeral;
  ephemeral.secret = bytes32("ephemeral");
  const NodeId author{bytes32("author")}, key{bytes32("key")};
  const auto value = seal_value(provider, ephemeral, author, key, reader.public_key(), as_bytes(v.at("plain")));
  ASSERT_TRUE(value);
  EXPECT_EQ(to_hex(*value), v.at("value"));
  EXPECT_EQ(to_string(reader.id()), v.at("reader"));
  const auto opened = open_value(provider, reader, author, key, *value);
  ASSERT_TRUE(opened);
  EXPECT_EQ(as_text(*opened), v.at("plain"));
}

TEST(ProtocolDht, SignedValue) {
  const Vector v = vectors().at("value");
  const SodiumProvider provider;
  const Identity author(provider, array_from_hex<32>(v.at("seed")).value_or(ByteArray<32>{}));
  EXPECT_EQ(to_hex(author.public_key().bytes), v.at("author"));
  const Bytes value = bytes(v, "value");
  const auto seq = number(v, "number");
  const auto lifetime = static_cast<std::uint32_t>(number(v, "lifetime"));
  Bytes room(2000);
  Writer w(room);
  w.array(5).bin(id(v, "key").bytes).bin(author.public_key().bytes).uint(seq).uint(lifetime);
  w.bin(value);
  EXPECT_EQ(to_hex(w.view()), v.at("message"));
  const Bytes blob = sign_value(
      author, {.key = id(v, "key"), .seq = seq, .lifetime_s = lifetime, .value = value});
  EXPECT_EQ(to_hex(blob), v.at("blob"));
  EXPECT_EQ(to_hex(blob_hash(blob)), v.at("hash"));
  const Bytes known = bytes(v, "blob");  // the decoded value is a view into it
  const auto decoded = decode_value(known);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_TRUE(verify_value(provider, id(v, "key"), *decoded));
  const Now now{Instant{}, UnixMillis{static_cast<std::int64_t>(number(v, "wall"))}};
  const Instant expires(std::chrono::seconds(number(v, "remaining")));
  const Write row = value_row(now, {id(v, "key"), author.id()}, blob, expires);
  EXPECT_EQ(to_hex(row.key), v.at("row_key"));
  EXPECT_EQ(to_hex(row.value), v.at("row_value"));
}

TEST(ProtocolDht, WriteToken) {
  const Vector v = vectors().at("token");
  Fixed entropy;
  entropy.secret = array_from_hex<32>(v.at("secret")).value_or(ByteArray<32>{});
  WriteTokens tokens(entropy, {});
  EXPECT_EQ(to_hex(tokens.make({}, contact(v, "asker"), id(v, "key"))), v.at("token"));
}

TEST(ProtocolDht, Messages) {
  const auto all = vectors();
  const Vector& find = all.at("FindNode");
  const auto contacts_max = static_cast<std::uint8_t>(number(find, "contacts_max"));
  expect_message(find, FindNode{.target = id(find, "target"), .contacts_max = contacts_max,
                                .want_token = number(find, "want_token") != 0});
  const Vector& knowing = all.at("FindNode-known");
  Known known{.salt = static_cast<std::uint16_t>(number(knowing, "salt"))};
  for (const char* name : {"known1", "known2"}) {
    const Contact told = contact(knowing, name);
    known.tags.push(known_tag(known.salt, told.id, told.endpoint));
  }
  expect_message(knowing, FindNode{.target = id(knowing, "target"), .known = known});
  const Vector& nodes_vector = all.at("Nodes");
  Nodes nodes{.token = maybe_token(nodes_vector)};
  nodes.contacts.push(contact(nodes_vector, "contact1"));
  nodes.contacts.push(contact(nodes_vector, "contact2"));
  expect_message(nodes_vector, nodes);
  const Vector& get = all.at("Get");
  expect_message(get, Get{.key = id(get, "key"), .author = maybe_id(get, "author"),
                          .after = maybe_id(get, "after"),
                          .want_token = number(get, "want_token") != 0,
                          .newer_than = number(get, "newer_than")});
  const Vector& getting = all.at("Get-known");
  expect_message(getting, Get{.key = id(getting, "key"), .known = known});
  const Vector& values_vector = all.at("Values");
  Values values{.token = maybe_token(values_vector), .more = number(values_vector, "more") != 0};
  const Bytes blob = bytes(values_vector, "blob");
  values.values.push({static_cast<std::uint32_t>(number(values_vector, "remaining")), blob});
  values.contacts.push(contact(values_vector, "contact"));
  expect_message(values_vector, values);
  const Vector& store = all.at("Store");
  const Bytes stored_blob = bytes(store, "blob");
  expect_message(store, Store{.key = id(store, "key"), .token = *maybe_token(store),
                              .remaining_s = static_cast<std::uint32_t>(number(store, "remaining")),
                              .blob = stored_blob});
  const Vector& stored = all.at("Stored");
  expect_message(stored, Stored{.status = static_cast<StoreStatus>(number(stored, "status")),
                                .seq = number(stored, "number")});
  const Vector& compare = all.at("Compare");
  const Bytes sums = bytes(compare, "sums");
  expect_message(compare, Compare{.first = id(compare, "first"), .last = id(compare, "last"),
                                  .salt = number(compare, "salt"), .sums = sums,
                                  .publishes = number(compare, "publishes") != 0});
  const Vector& value = all.at("value");
  ByteArray<8> sum;
  store_le(sum.data(), compare_item(number(compare, "salt"),
                                      common_prefix_bits(id(compare, "first"), id(compare, "last")),
                                      id(value, "key"), bytes(value, "blob")));
  EXPECT_EQ(to_hex(ByteView(sum)), compare.at("sums").substr(0, 16));
  const Vector& many_vector = all.at("StoreMany");
  const Bytes first_blob = bytes(many_vector, "blob1"), second_blob = bytes(many_vector, "blob2");
  StoreMany many{.token = *maybe_token(many_vector)};
  many.items.push({id(many_vector, "key1"), static_cast<std::uint32_t>(number(many_vector, "remaining1")), first_blob});
  many.items.push({id(many_vector, "key2"), static_cast<std::uint32_t>(number(many_vector, "remaining2")), second_blob});
  expect_message(many_vector, many);
  const Vector& stored_many_vector = all.at("StoredMany");
  StoredMany stored_many;
  for (const char* place : {"1", "2"}) {
    stored_many.answers.push(
        {.status = static_cast<StoreStatus>(number(stored_many_vector, std::string("status") + place)),
         .seq = number(stored_many_vector, std::string("number") + place)});
  }
  expect_message(stored_many_vector, stored_many);
  const Vector& traced_vector = all.at("Traced");
  const Bytes request = bytes(traced_vector, "request");
  Traced traced{.request = request};
  std::ranges::copy(bytes(traced_vector, "trace"), traced.context.trace.begin());
  std::ranges::copy(bytes(traced_vector, "span"), traced.context.span.begin());
  expect_message(traced_vector, traced);
  const Vector& compared = all.at("Compared");
  const Bytes missing = bytes(compared, "missing");
  expect_message(compared, Compared{.token = maybe_token(compared), .missing = missing});
}

}  // namespace
}  // namespace weft::dht
