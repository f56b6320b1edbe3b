#include "dht/messages.h"

#include <gtest/gtest.h>

#include "crypto/outbox.h"
#include "tests/dht/mesh.h"

namespace weft::dht {
namespace {

constexpr std::size_t kPayloadRoom = kDatagramBytesMax - 30;  // sessions.h: kPayloadBytesMax

Bytes random_bytes(Rng& rng, std::size_t size) {
  Bytes out(size);
  for (auto& byte : out) byte = static_cast<std::uint8_t>(rng.next());
  return out;
}
NodeId random_id(Rng& rng) {
  NodeId id;
  std::ranges::copy(random_bytes(rng, 32), id.bytes.begin());
  return id;
}
Token random_token(Rng& rng) {
  Token token;
  std::ranges::copy(random_bytes(rng, token.size()), token.begin());
  return token;
}
Contact random_contact(Rng& rng) {
  PublicKey key;
  std::ranges::copy(random_bytes(rng, 32), key.bytes.begin());
  const auto port = static_cast<std::uint16_t>(1 + rng.below(65535));
  if (rng.chance({1, 2})) {
    const auto octet = [&rng] { return static_cast<std::uint8_t>(rng.below(256)); };
    return make_contact(key, Endpoint::v4(octet(), octet(), octet(), octet(), port));
  }
  ByteArray<16> ip;
  std::ranges::copy(random_bytes(rng, 16), ip.begin());
  ip[0] = 0x20;
  return make_contact(key, Endpoint::v6(ip, port));
}

template <class M>
Bytes encoded(std::uint32_t rpc, const M& m) {
  Bytes room(4096);
  Writer w(room);
  encode(w, rpc, m);
  EXPECT_TRUE(w.ok());
  return to_bytes(w.view());
}

// Decodes into `out`; the fields' array was announced with any length.
template <class M>
std::optional<DecodeError> decoded(ByteView bytes, M& out) {
  Reader r(bytes);
  (void)r.array(16);
  (void)r.uint(255);
  (void)r.uint(UINT32_MAX);
  return decode(r, out);
}

// What was decoded says the same as what was encoded, and no prefix of it is accepted.
template <class M>
void round_trip(std::uint32_t rpc, const M& m) {
  const Bytes bytes = encoded(rpc, m);
  M again;
  ASSERT_FALSE(decoded(bytes, again).has_value());
  EXPECT_EQ(encoded(rpc, again), bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    M part;
    EXPECT_TRUE(decoded(ByteView(bytes).first(size), part).has_value()) << "at " << size;
  }
  Bytes longer = bytes;
  longer.push_back(0xc0);
  M more;
  EXPECT_TRUE(decoded(longer, more).has_value());
}

// One time in two none.
Known random_known(Rng& rng) {
  Known known{};
  if (rng.chance({1, 2})) return known;
  known.salt = static_cast<std::uint16_t>(rng.next());
  for (std::size_t i = 1 + rng.below(kKnownTagsMax); i > 0; --i) known.tags.push(static_cast<std::uint16_t>(rng.next()));
  return known;
}

TEST(Messages, EveryMessageSurvivesTheRoundTripAndNoTruncationDoes) {
  Rng rng(test_seed(21));
  for (int round = 0; round < 30; ++round) {
    const auto rpc = static_cast<std::uint32_t>(rng.next());
    round_trip(rpc, FindNode{.target = random_id(rng),
                             .contacts_max = static_cast<std::uint8_t>(rng.below(21)),
                             .want_token = rng.chance({1, 2}), .known = random_known(rng)});
    Nodes nodes;
    if (rng.chance({1, 2})) nodes.token = random_token(rng);
    for (std::size_t i = rng.below(21); i > 0; --i) nodes.contacts.push(random_contact(rng));
    round_trip(rpc, nodes);
    Get get{.key = random_id(rng), .want_token = rng.chance({1, 2}),
            .newer_than = rng.below(kSeqMax + 1), .known = random_known(rng)};
    if (rng.chance({1, 2})) get.author = random_id(rng);
    if (rng.chance({1, 2})) get.after = random_id(rng);
    round_trip(rpc, get);
    std::vector<Bytes> blobs;
    Values values{.more = rng.chance({1, 2})};
    for (std::size_t i = rng.below(4); i > 0; --i) {
      blobs.push_back(random_bytes(rng, rng.below(300)));
    }
    for (const Bytes& blob : blobs) {
      values.values.push({static_cast<std::uint32_t>(rng.below(kLifetimeMaxS)), blob});
    }
    for (std::size_t i = rng.below(5); i > 0; --i) values.contacts.push(random_contact(rng));
    round_trip(rpc, values);
    const Bytes blob = random_bytes(rng, rng.below(kBlobBytesMax + 1));
    round_trip(rpc, Store{.key = random_id(rng), .token = random_token(rng),
                          .remaining_s = static_cast<std::uint32_t>(rng.below(kLifetimeMaxS)),
                          .blob = blob});
    round_trip(rpc, Stored{.status = static_cast<StoreStatus>(rng.below(6)),
                           .seq = rng.below(kSeqMax)});
    const Bytes short_blob = random_bytes(rng, rng.below(200));
    StoreMany many{.token = random_token(rng)};
    StoredMany stored;
    for (std::size_t i = 1 + rng.below(kStoreItemsMax); i > 0; --i) {
      many.items.push({.key = random_id(rng), .remaining_s = static_cast<std::uint32_t>(rng.below(kLifetimeMaxS)),
                       .blob = short_blob});
      stored.answers.push({.status = static_cast<StoreStatus>(rng.below(6)), .seq = rng.below(kSeqMax)});
    }
    round_trip(rpc, many);
    round_trip(rpc, stored);
    const Bytes sums = random_bytes(rng, 8 * (1 + rng.below(kCompareItemsMax)));
    Compare compare{.first = random_id(rng), .last = random_id(rng), .salt = rng.next(), .sums = sums};
    if (compare.last < compare.first) std::swap(compare.first, compare.last);
    round_trip(rpc, compare);
    const Bytes bits = random_bytes(rng, rng.below(kCompareItemsMax / 8 + 1));
    Compared compared{.missing = bits};
    if (rng.chance({1, 2})) compared.token = random_token(rng);
    round_trip(rpc, compared);
    const Bytes request = encoded(rpc, FindNode{.target = random_id(rng)});
    Traced traced{.request = request};
    std::ranges::copy(random_bytes(rng, 16), traced.context.trace.begin());
    std::ranges::copy(random_bytes(rng, 8), traced.context.span.begin());
    round_trip(rpc, traced);
  }
}

TEST(Messages, TheLongestTracedRequestFitsOneDatagramAndALongerOneIsRefused) {
  const Bytes request(kTracedRequestBytesMax + 1, 7);
  EXPECT_LE(encoded(UINT32_MAX, Traced{.request = ByteView(request).first(kTracedRequestBytesMax)}).size(), kPayloadRoom);
  Traced out;
  EXPECT_TRUE(decoded(encoded(1, Traced{.request = request}), out));
}

TEST(Messages, TheEndsOfACompareAreSentWithoutTheirTails) {
  const Bytes sums(8, 1);
  Compare whole{.first = id_of("a"), .last = id_of("a"), .sums = sums};
  Compare cut = whole;
  std::fill(cut.first.bytes.begin() + 8, cut.first.bytes.end(), std::uint8_t{0});
  std::fill(cut.last.bytes.begin() + 8, cut.last.bytes.end(), std::uint8_t{0xff});
  EXPECT_EQ(encoded(1, cut).size() + 2 * 24, encoded(1, whole).size());
  round_trip(1, cut);
  Compare all{.last = {}, .sums = sums};  // nothing is left of either end
  all.last.bytes.fill(0xff);
  round_trip(1, all);
}

TEST(Messages, TheLargestCompareFitsOneDatagram) {
  const Bytes sums(8 * kCompareItemsMax, 0xff), bits(kCompareItemsMax / 8, 0xff);
  NodeId first, last;  // of which nothing can be left out
  first.bytes.fill(1);
  last.bytes.fill(2);
  EXPECT_LE(encoded(UINT32_MAX, Compare{.first = first, .last = last, .sums = sums}).size(), kPayloadRoom);
  EXPECT_LE(encoded(UINT32_MAX, Compared{.token = Token{}, .missing = bits}).size(), kComparedBytesMax);
}

TEST(Messages, TheLargestStoreManyFitsOneDatagram) {
  static_assert(kStoreManyBytesMax == kPayloadRoom);
  const Bytes blob(kBlobBytesMax, 0xff);
  const StoreItem largest{.key = NodeId{{0xff}}, .remaining_s = kLifetimeMaxS, .blob = blob};
  EXPECT_LE(kStoreManyHeadBytes + store_item_bytes(largest), kStoreManyBytesMax);
  StoreMany m;
  m.items.push(largest);
  EXPECT_LE(encoded(UINT32_MAX, m).size(), kStoreManyHeadBytes + store_item_bytes(largest));
  StoreMany full;
  std::size_t bytes = kStoreManyHeadBytes;
  while (full.items.try_push({.remaining_s = kLifetimeMaxS, .blob = ByteView(blob).first(150)})) {
    bytes += store_item_bytes(full.items[0]);
  }
  EXPECT_LE(encoded(UINT32_MAX, full).size(), bytes);
}

TEST(Messages, AListOfNoValuesOrHalfAValueIsRefused) {
  const auto refused = [](std::size_t fields, auto into) {
    Bytes room(64);
    Writer w(room);
    const bool asks = std::is_same_v<decltype(into), StoreMany>;
    w.array(asks ? 4 : 3).uint(asks ? kStoreMany : kStoredMany).uint(1);
    if (asks) w.bin(Token{});
    w.array(fields);
    for (std::size_t i = 0; i < fields; ++i) w.uint(1);
    EXPECT_TRUE(w.ok());
    return decoded(to_bytes(w.view()), into).has_value();
  };
  EXPECT_TRUE(refused(0, StoreMany{}));
  EXPECT_TRUE(refused(0, StoredMany{}));
  EXPECT_TRUE(refused(2, StoreMany{}));
  EXPECT_TRUE(refused(1, StoredMany{}));
  EXPECT_TRUE(refused(2 * kStoreItemsMax + 2, StoredMany{}));
  EXPECT_FALSE(refused(2, StoredMany{}));
}

TEST(Messages, AnImpossibleCompareIsRefused) {
  const auto refused = [](const Compare& m) {
    const Bytes bytes = encoded(1, m);
    Reader r(bytes);
    (void)r.array(16);
    (void)r.uint();
    (void)r.uint();
    Compare out;
    return decode(r, out).has_value();
  };
  const Bytes sums(8 * (kCompareItemsMax + 1), 1);
  const auto shown = [&sums](std::size_t size) { return ByteView(sums).first(size); };
  EXPECT_FALSE(refused({.sums = shown(8)}));
  EXPECT_TRUE(refused({.sums = shown(0)})) << "nothing asked";
  EXPECT_TRUE(refused({.sums = shown(12)})) << "half a sum";
  EXPECT_TRUE(refused({.first = NodeId{{1}}, .sums = shown(8)})) << "ends before it begins";
}

TEST(Messages, TheLargestStoreAndTheLargestValueFitOneDatagram) {
  const Bytes blob(kBlobBytesMax, 0xff);
  Store store{.blob = blob};
  store.remaining_s = kLifetimeMaxS;
  EXPECT_LE(encoded(UINT32_MAX, store).size(), kPayloadRoom);
  Values values{.token = Token{}, .more = true};
  values.values.push({kLifetimeMaxS, blob});
  EXPECT_LE(encoded(UINT32_MAX, values).size(), kPayloadRoom);
}

TEST(Messages, TheSizesTheServersCountWithAreUpperBounds) {
  Rng rng(test_seed(22));
  for (int round = 0; round < 100; ++round) {
    Nodes nodes{.token = random_token(rng)};
    std::size_t bound = kNodesHeadBytes + kTokenBytes;
    for (std::size_t i = rng.below(21); i > 0; --i) {
      nodes.contacts.push(random_contact(rng));
      bound += contact_bytes(nodes.contacts[nodes.contacts.size() - 1]);
    }
    EXPECT_LE(encoded(UINT32_MAX, nodes).size(), bound);
    Values values{.token = random_token(rng)};
    const Bytes blob = random_bytes(rng, rng.below(kBlobBytesMax));
    values.values.push({kLifetimeMaxS, blob});
    values.contacts = nodes.contacts;
    EXPECT_LE(encoded(UINT32_MAX, values).size(),
              bound - kNodesHeadBytes + kValuesHeadBytes + value_bytes(values.values[0]));
  }
}

TEST(Messages, ImpossibleContentIsRefused) {
  Stored stored;
  Bytes room(256);
  const auto message = [&](auto&&... fields) {
    Writer w(room);
    w.array(2 + sizeof...(fields)).uint(0).uint(0);
    (fields(w), ...);
    return to_bytes(w.view());
  };
  const auto number = [](std::uint64_t n) { return [n](Writer& w) { w.uint(n); }; };
  EXPECT_FALSE(decoded(message(number(5), number(0)), stored).has_value());
  EXPECT_EQ(decoded(message(number(6), number(0)), stored), DecodeError::kBadValue);
  EXPECT_EQ(decoded(message(number(0), number(kSeqMax + 1)), stored), DecodeError::kBadValue);
  Nodes nodes;
  const auto nil = [](Writer& w) { w.nil(); };
  const auto contact_of = [](std::size_t size) {
    return [size](Writer& w) { w.array(1).bin(Bytes(size, 1)); };
  };
  EXPECT_FALSE(decoded(message(nil, contact_of(38)), nodes).has_value());
  for (const std::size_t size : {0UL, 31UL, 32UL, 37UL, 39UL, 49UL}) {
    EXPECT_TRUE(decoded(message(nil, contact_of(size)), nodes).has_value()) << size;
  }
  EXPECT_TRUE(decoded(message(nil, contact_of(51)), nodes).has_value());
  const auto too_many = [](Writer& w) {
    w.array(21);
    for (int i = 0; i < 21; ++i) w.bin(Bytes(1, 1));
  };
  EXPECT_EQ(decoded(message(nil, too_many), nodes), DecodeError::kTooLarge);
  Values values;
  const auto odd = [](Writer& w) { w.array(1).uint(1); };
  const auto no = [](Writer& w) { w.boolean(false); };
  const auto none = [](Writer& w) { w.array(0); };
  EXPECT_EQ(decoded(message(nil, no, odd, none), values), DecodeError::kBadValue);
  FindNode find;
  const auto target = [](Writer& w) { w.bin(Bytes(32, 7)); };
  EXPECT_EQ(decoded(message(target, number(21), no), find), DecodeError::kBadValue);
  const auto known = [](std::size_t bytes) { return [bytes](Writer& w) { w.bin(Bytes(bytes, 1)); }; };
  EXPECT_FALSE(decoded(message(target, number(20), no, known(4)), find).has_value());
  EXPECT_EQ(find.known.salt, 0x0101U);
  EXPECT_EQ(find.known.tags.size(), 1U);
  EXPECT_EQ(decoded(message(target, number(20), no, known(2)), find), DecodeError::kBadValue) << "a salt and no tag";
  EXPECT_EQ(decoded(message(target, number(20), no, known(5)), find), DecodeError::kBadValue) << "half a tag";
  EXPECT_EQ(decoded(message(target, number(20), no, known(2 + 2 * kKnownTagsMax + 2)), find), DecodeError::kTooLarge);
  EXPECT_EQ(decoded(message(target, number(20), no, known(4), no), find), DecodeError::kTrailing);
  EXPECT_EQ(decoded(message(target, number(20), no, nil), find), DecodeError::kTrailing);
  EXPECT_FALSE(decoded(message(target, number(20), no), find).has_value());
  EXPECT_TRUE(find.known.tags.empty()) << "of the message before";
}

}  // namespace
}  // namespace weft::dht
