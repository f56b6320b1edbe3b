// One signed change of shared state, as its author wrote it.
//
// Shared state is a set of valid entries; what users see is a pure fold over that set (documents.h), so equal sets mean equal
// values, whatever order they came in. An entry is one datagram at most and never changes.
//
// Content, canonical msgpack (one spelling: what differs from its re-encoding is refused):
//   [2, namespace bin 32, author key bin 32, epoch, seq, prev bin 16 or empty, stamp, kind, path bin, body bin, saw bin 16 * n]
// Entry, canonical msgpack:
//   [content bin, batch size, place in it, siblings bin 32 * n, signature bin 64]
// Header, canonical msgpack, what is hashed of a content; it shows a place in a history without what was written there (fork.h):
//   [2, namespace bin 32, author key bin 32, epoch, seq, prev bin 16 or empty, stamp, kind, rest bin 32]
//   rest = BLAKE2b-256("weft-entry-rest-2", 0, [path bin, body bin, saw bin])
//
// - The id is the first 16 bytes of BLAKE2b-256("weft-entry-2", 0, header). It leaves the signature out, so that an entry signed
//   twice is one entry. Two contents of one id cost 2^64 hashes of their own author and harm what that author wrote.
// - (author, epoch, seq) names a place in the author's history; `prev` is the entry before it. Two ids at one place
//   are a fork, and both signed contents prove it.
// - `saw` names the entries that this one overwrites or removes: ids, ascending, each once. A clock never decides what was
//   seen (Kleppmann 2022: what depends on the set of operations alone converges among honest nodes whatever the others do).
// - One signature may cover up to kBatchMax contents: it is made over the root of a hash tree (Merkle 1987) of which
//   an entry carries its siblings, so each still stands alone.
//
// A liar can sign what it likes under its own key: any stamp, epoch, `prev` or `saw`. Nothing here believes a field; an entry is
// valid or not by its bytes alone, on every node, at every time.
//
// Pure functions; views point into the bytes that were given.
#pragma once

#include <compare>
#include <expected>
#include <optional>
#include <span>

#include "crypto/keys.h"
#include "crypto/wire.h"

namespace weft::state {

inline constexpr std::size_t kEntryBytesMax = 1100;  // a whole entry; leaves room for what carries it in a datagram
inline constexpr std::size_t kPathBytesMax = 255;
inline constexpr std::size_t kSawMax = 48;
inline constexpr std::size_t kBatchMax = 16;
inline constexpr int kStampCounterBits = 16;
inline constexpr std::uint64_t kSeqMax = (std::uint64_t{1} << 53) - 1;
inline constexpr std::string_view kEntryDomain = "weft-entry-2";      // ids
inline constexpr std::string_view kEntryRestDomain = "weft-entry-rest-2";
inline constexpr std::string_view kEntriesDomain = "weft-entries-1";  // signatures

struct EntryId {
  ByteArray<16> bytes{};
  bool operator==(const EntryId&) const = default;
  auto operator<=>(const EntryId& other) const { return compare_bytes(bytes, other.bytes); }
};
struct NamespaceId {
  ByteArray<32> bytes{};
  bool operator==(const NamespaceId&) const = default;
  auto operator<=>(const NamespaceId& other) const { return compare_bytes(bytes, other.bytes); }
};

// What an entry does to the document at its path. Numbers above kLast are for later formats and refused for now.
enum class Kind : std::uint8_t {
  kSet = 1,     // register: the body is the value
  kCount = 2,   // counter: the body is all that this author has added and taken away in this epoch (two numbers)
  kAdd = 3,     // set: the body is an element
  kRemove = 4,  // set: takes the additions in `saw` of the element in the body away
  kClear = 5,   // takes whatever is in `saw` away, at the path and below it
  kCheckpoint = 6,  // says what its author has no more use for: checkpoint.h
  kGrant = 7,       // who may write in an owned namespace: rights.h
  kRevoke = 8,      // who may not any more
  kFork = 9,        // proves that an author signed two entries for one place: fork.h
  kLast = kFork,
};
// What is compared and brought before all else, and never discarded.
constexpr bool comes_first(Kind kind) { return kind == Kind::kGrant || kind == Kind::kRevoke || kind == Kind::kFork; }

// The bytes of a content taken apart.
struct Content {
  NamespaceId space;
  PublicKey author;
  std::uint64_t epoch = 0;
  std::uint64_t seq = 1;         // 1 to kSeqMax
  std::optional<EntryId> prev;   // none: the author knew of no entry of its own
  std::uint64_t stamp = 0;       // milliseconds << 16 | counter (hybrid logical clock, Kulkarni et al. 2014)
  Kind kind = Kind::kSet;
  ByteView path;                 // see valid_path
  ByteView body;
  std::span<const EntryId> saw;  // ascending, at most kSawMax
};

// What a header is made of, beside the namespace, and how it was signed.
struct Header {
  PublicKey author;
  std::uint64_t epoch = 0;
  std::uint64_t seq = 1;
  std::optional<EntryId> prev;
  std::uint64_t stamp = 0;
  Kind kind = Kind::kSet;
  ByteArray<32> rest{};
  bool operator==(const Header&) const = default;
};

// Movable only: content.saw points into saw.
struct Entry {
  Entry() = default;
  Entry(Entry&&) = default;
  Entry& operator=(Entry&&) = default;

  Content content;
  EntryId id;
  ByteArray<32> rest{};    // of the header
  ByteArray<32> root{};    // what the signature is over, with the size of the batch
  std::uint8_t batch = 1;  // 1 to kBatchMax
  std::uint8_t place = 0;  // less than batch
  ByteView siblings;       // in the bytes that were given
  Signature signature;
  std::vector<EntryId> saw;
};

// A path is one or more parts of printable bytes (0x21 to 0x7e and 0x80 up) between single slashes.
bool valid_path(ByteView path);
// Two numbers of a counter's body: added, taken away. nullopt if it has not exactly that form.
struct Counted {
  std::uint64_t up = 0;
  std::uint64_t down = 0;
  bool operator==(const Counted&) const = default;
};
std::optional<Counted> read_count(ByteView body);
Bytes count_body(const Counted& counted);

enum class EntryError : std::uint8_t {
  kTooLarge,  // more than kEntryBytesMax, or a part above its limit
  kMalformed,
  kNotCanonical,
  kUnknownKind,
  kBadSignature,
};
std::string_view to_string(EntryError error);

// Signs 1 to kBatchMax contents of this author at once; entries in the same order. An error if one of them is
// not within its limits; then none is signed. The author of each must be the identity.
std::expected<std::vector<Bytes>, EntryError> sign_entries(const Identity& identity, std::span<const Content> contents);
// The id that an entry of this content has. An error as of sign_entries.
std::expected<EntryId, EntryError> id_of_content(const Content& content);
// Takes an entry apart and checks its form, not its signature. The views of its content point into `bytes`.
std::expected<Entry, EntryError> decode_entry(ByteView bytes);
// The bytes of an entry again from what decode_entry took apart. nullopt: more than kEntryBytesMax.
std::optional<Bytes> assemble_entry(const Content& content, std::uint8_t batch, std::uint8_t place, ByteView siblings,
                                    const Signature& signature);
Header header_of(const Entry& entry);
// The id of the entry of this header.
EntryId id_of_header(const NamespaceId& space, const Header& header);
// The root that its signature is over. nullopt: batch, place and siblings (32 bytes each) do not fit together.
std::optional<ByteArray<32>> root_of_header(const NamespaceId& space, const Header& header, std::uint8_t batch, std::uint8_t place,
                                            ByteView siblings);
// True if `author` signed a batch of this root.
bool verify_root(const CryptoProvider& provider, const PublicKey& author, const ByteArray<32>& root, std::uint8_t batch,
                 const Signature& signature);
// True if its author signed it. Of a batch the answer is the same for all whose root and signature are equal: who keeps
// those that it has verified saves the others' arithmetic.
bool verify_entry(const CryptoProvider& provider, const Entry& entry);

}  // namespace weft::state
