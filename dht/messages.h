// The DHT's requests and replies, and their msgpack form.
//
// A payload is the array [kind, rpc, ...fields]; encode writes the whole array, decode is called
// with a Reader that has consumed the array header, kind and rpc (node/codec.h), and reads the
// rest. Views in a decoded message point into the datagram. Limits are named here; the bytes are
// described, with test vectors, in docs/PROTOCOL-dht.md.
#pragma once

#include <optional>

#include "crypto/contact.h"
#include "crypto/inline_vec.h"
#include "crypto/wire.h"
#include "dht/known.h"

namespace weft::dht {

inline constexpr std::size_t kContactsPerReply = 20;
inline constexpr std::size_t kValuesPerReply = 8;
inline constexpr std::size_t kValueBytesMax = 1000;
// A signed value as stored and sent (signed_value.h): author key 32, number 8, lifetime 4,
// signature 64, then the value. A fixed layout, because the largest Store must fit one datagram.
inline constexpr std::size_t kBlobHeadBytes = 32 + 8 + 4 + 64;
inline constexpr std::size_t kBlobBytesMax = kBlobHeadBytes + kValueBytesMax;
// Values that one Compare asks about.
inline constexpr std::size_t kCompareItemsMax = 128;
// Values in one StoreMany: of short ones no more fit one datagram.
inline constexpr std::size_t kStoreItemsMax = 5;
inline constexpr std::uint64_t kSeqMax = (1ULL << 53) - 1;
// Authors that may hold a slot under one key at one holder. Keys of authors cost nothing, so without
// this one key near a holder would be enough to fill it: 1,024 of the largest values are a tenth of
// its room.
inline constexpr std::size_t kAuthorsPerKeyMax = 1024;
inline constexpr std::uint32_t kLifetimeMaxS = 7 * 24 * 3600;

enum Kind : std::uint8_t {
  kFindNode = 16,
  kNodes = 17,
  kGet = 18,
  kValues = 19,
  kStore = 20,
  kStored = 21,
  kCompare = 22,
  kCompared = 23,
  kStoreMany = 24,
  kStoredMany = 25,
  kTraced = 26,
};

// A write token. 8 bytes: it is only ever guessed online, one try a Store, within ten minutes; and
// with 16 the largest Store would not fit one datagram.
using Token = ByteArray<8>;

struct FindNode {
  NodeId target = {};
  std::uint8_t contacts_max = kContactsPerReply;  // 0: just answer
  bool want_token = false;                        // a write token for `target`
  Known known = {};                               // need not be named
};
struct Nodes {
  std::optional<Token> token = std::nullopt;
  InlineVec<Contact, kContactsPerReply> contacts = {};
};
struct Get {
  NodeId key = {};
  std::optional<NodeId> author = std::nullopt;  // only this author's value
  std::optional<NodeId> after = std::nullopt;   // only authors with a greater id: the next page
  bool want_token = false;
  // Values with this number or a lower one are left out: a writer who remembers its number, or a
  // holder who asks whether another holds the same, need not be sent the bytes.
  std::uint64_t newer_than = 0;
  Known known = {};  // need not be named
};
struct HeldValue {
  std::uint32_t remaining_s = 0;  // of its signed lifetime, counted down by holders
  ByteView blob = {};             // a SignedValue, at most kBlobBytesMax
};
struct Values {
  std::optional<Token> token = std::nullopt;
  bool more = false;  // further authors, or values that did not fit
  InlineVec<HeldValue, kValuesPerReply> values = {};
  InlineVec<Contact, kContactsPerReply> contacts = {};
};
struct Store {
  NodeId key = {};
  Token token = {};
  std::uint32_t remaining_s = 0;
  ByteView blob = {};
};
enum class StoreStatus : std::uint8_t {
  kStored = 0,    // held now (also: the same value was held already)
  kStale = 1,     // a higher number is held; it is told
  kBadToken = 2,
  kInvalid = 3,   // signature, lifetime or form
  kQuota = 4,
  kFailed = 5,    // could not be made durable
};
struct Stored {
  StoreStatus status = StoreStatus::kStored;
  std::uint64_t seq = 0;  // the number held now
};
// Several values for one holder, as many as one datagram takes; each is judged as if it came in a Store.
struct StoreItem {
  NodeId key = {};
  std::uint32_t remaining_s = 0;
  ByteView blob = {};
};
struct StoreMany {
  Token token = {};  // good for every key
  InlineVec<StoreItem, kStoreItemsMax> items = {};  // at least one
};
// The answers, in the order of the values; sent when the last of them is known.
struct StoredMany {
  InlineVec<Stored, kStoreItemsMax> answers = {};
};
// "Which of these do you lack?" The values are shown by 8 bytes each (signed_value.h, compare_item), in
// the order of their keys, which lie from `first` to `last`.
struct Compare {
  NodeId first = {};  // zeros at its end are not sent...
  NodeId last = {};   // ...nor ones, in whole bytes
  std::uint64_t salt = 0;
  ByteView sums = {};  // 1 to kCompareItemsMax, little-endian
  bool publishes = false;  // the asker sees to all copies: what both hold is published for this time
};
// A bit for each of them, the lowest of the first byte first: set if no such value is held here. No bits: too many
// values would have to be looked at to tell.
struct Compared {
  std::optional<Token> token = std::nullopt;  // good for every key from `first` to `last`
  ByteView missing = {};
};
// The most that a Compared takes.
inline constexpr std::size_t kComparedBytesMax = 1 + 1 + 5 + 2 + sizeof(Token) + 2 + kCompareItemsMax / 8;

// The ids of a traced operation and of one request of it, as in W3C's Trace Context.
struct TraceContext {
  ByteArray<16> trace = {};
  ByteArray<8> span = {};
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};
// A request of this part within another payload, so that whoever is asked can tell what it did for which operation.
struct Traced {
  TraceContext context = {};
  ByteView request = {};  // [kind, rpc, ...], with the same rpc
};

// The most that the envelope of a payload takes: array header, kind, rpc.
inline constexpr std::size_t kEnvelopeBytesMax = 1 + 1 + 5;
// What a Traced takes besides its request, and so the longest request in one; a longer one goes without.
inline constexpr std::size_t kTracedHeadBytes = kEnvelopeBytesMax + 2 + 16 + 2 + 8 + 3;
inline constexpr std::size_t kTracedRequestBytesMax = 1170 - kTracedHeadBytes;
// Whether a request of this kind may be in a Traced.
inline constexpr bool may_be_traced(std::uint8_t kind) { return kind == kFindNode || kind == kGet || kind == kStore; }
// Bytes of a contact inside a reply, with its header; of a value; and the most that a Nodes and a
// Values take besides. The servers fill replies up to Asker::reply_max by these.
std::size_t contact_bytes(const Contact& contact);
std::size_t value_bytes(const HeldValue& value);
inline constexpr std::size_t kTokenBytes = 2 + sizeof(Token);
// The same of a StoreMany, which may be kStoreManyBytesMax long: what a datagram in a session carries.
std::size_t store_item_bytes(const StoreItem& item);
inline constexpr std::size_t kStoreManyHeadBytes = kEnvelopeBytesMax + kTokenBytes + 1;
inline constexpr std::size_t kStoreManyBytesMax = 1170;
inline constexpr std::size_t kNodesHeadBytes = kEnvelopeBytesMax + 1 + 3;
inline constexpr std::size_t kValuesHeadBytes = kEnvelopeBytesMax + 1 + 1 + 3 + 3;

// Each writes the whole payload; Writer::ok() tells whether it fitted.
void encode(Writer& w, std::uint32_t rpc, const FindNode& m);
void encode(Writer& w, std::uint32_t rpc, const Nodes& m);
void encode(Writer& w, std::uint32_t rpc, const Get& m);
void encode(Writer& w, std::uint32_t rpc, const Values& m);
void encode(Writer& w, std::uint32_t rpc, const Store& m);
void encode(Writer& w, std::uint32_t rpc, const Stored& m);
void encode(Writer& w, std::uint32_t rpc, const Compare& m);
void encode(Writer& w, std::uint32_t rpc, const Compared& m);
void encode(Writer& w, std::uint32_t rpc, const StoreMany& m);
void encode(Writer& w, std::uint32_t rpc, const StoredMany& m);
void encode(Writer& w, std::uint32_t rpc, const Traced& m);

// Each reads its fields up to the end of the message. Nothing is allocated; on an error `m` is
// worthless.
std::optional<DecodeError> decode(Reader& r, FindNode& m);
std::optional<DecodeError> decode(Reader& r, Nodes& m);
std::optional<DecodeError> decode(Reader& r, Get& m);
std::optional<DecodeError> decode(Reader& r, Values& m);
std::optional<DecodeError> decode(Reader& r, Store& m);
std::optional<DecodeError> decode(Reader& r, Stored& m);
std::optional<DecodeError> decode(Reader& r, Compare& m);
std::optional<DecodeError> decode(Reader& r, Compared& m);
std::optional<DecodeError> decode(Reader& r, StoreMany& m);
std::optional<DecodeError> decode(Reader& r, StoredMany& m);
std::optional<DecodeError> decode(Reader& r, Traced& m);

}  // namespace weft::dht
