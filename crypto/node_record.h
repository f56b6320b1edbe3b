// The signed record of a node: what a member says of itself, in at most 400 bytes.
//
// Canonical msgpack: [body, signature], where body is the msgpack array
//   [1, key, number, instance, status, [endpoint...], features, minor, network, name, [k, v, ...]]
// and the signature is the key's own, in domain kRecordDomain, over the body's bytes. The number is
// the incarnation of SWIM (Das et al. 2002, section 4.2): a higher one replaces a lower one, and
// only the owner can make it. A record that leaves is one with status `left`; nobody else can sign
// it. Endpoints, name and tags are claims. Records are passed on byte for byte as they came.
//
// Invariants of a decoded record: it is canonical, its signature is valid, id is of its key, the
// number lies in [1, kNumberMax], tags are sorted and unique. Immutable and shared.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "crypto/contact.h"
#include "crypto/inline_vec.h"
#include "crypto/keys.h"
#include "crypto/wire.h"

namespace weft {

inline constexpr std::size_t kRecordBytesMax = 400;
inline constexpr std::size_t kRecordEndpointsMax = 4;
inline constexpr std::size_t kNameBytesMax = 48;
inline constexpr std::size_t kTagsMax = 8;
inline constexpr std::size_t kTagKeyBytesMax = 24;
inline constexpr std::size_t kTagValueBytesMax = 64;
inline constexpr std::uint64_t kNumberMax = (1ULL << 53) - 1;  // exact in JSON

enum class RecordStatus : std::uint8_t { kUp = 0, kLeft = 1 };

struct RecordFields {
  std::uint64_t number = 1;
  std::uint64_t instance = 0;  // drawn at each start; tells two processes with one key apart
  RecordStatus status = RecordStatus::kUp;
  InlineVec<Endpoint, kRecordEndpointsMax> endpoints;
  std::uint32_t features = 0;
  std::uint32_t minor = 0;  // protocol minor
  ByteArray<16> network{};  // hash of the network (network.h)
  std::string name;
  std::map<std::string, std::string> tags;
};

struct NodeRecord : RecordFields {
  PublicKey key;
  NodeId id;
  Bytes wire;            // as signed
  ByteArray<16> hash{};  // BLAKE2b of wire
};
using RecordRef = std::shared_ptr<const NodeRecord>;

enum class RecordError : std::uint8_t {
  kMalformed,
  kNotCanonical,
  kBadSignature,
  kOtherNetwork,
};
std::string_view to_string(RecordError error);

// Signs a record; nullptr if it would exceed a limit above (too long a name, too many tags, more
// than kRecordBytesMax in all).
RecordRef make_record(const Identity& identity, const RecordFields& fields);

// Decodes without verifying the signature; limits and canonical form are checked.
std::expected<NodeRecord, RecordError> decode_record(ByteView wire, Signature& signature);
// Decodes and verifies.
std::expected<RecordRef, RecordError> open_record(const CryptoProvider& provider, ByteView wire);

// The key and number of a record's bytes, without checking anything else: enough to see that it is
// not news. nullopt if malformed.
struct RecordPeek {
  PublicKey key;
  std::uint64_t number = 0;
};
std::optional<RecordPeek> peek_record(ByteView wire);

// Verifies each record once and shares the result by the hash of its bytes. Holds at most
// `capacity` records and forgets the least recently admitted first. In a simulation one cache
// serves all nodes. A record of another network is refused (kOtherNetwork).
class RecordCache {
 public:
  RecordCache(const CryptoProvider& provider, std::size_t capacity);
  std::expected<RecordRef, RecordError> admit(ByteView wire, const ByteArray<16>& network);
  std::uint64_t verified_total() const { return verified_total_; }
  const CryptoProvider& provider() const { return provider_; }

 private:
  const CryptoProvider& provider_;
  std::size_t capacity_;
  std::uint64_t verified_total_ = 0;
  std::uint64_t clock_ = 0;
  std::map<ByteArray<16>, std::pair<RecordRef, std::uint64_t>> by_hash_;
  std::map<std::uint64_t, ByteArray<16>> by_age_;
};

}  // namespace weft
