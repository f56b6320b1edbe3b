// What a namespace is: its name, who made it and who may write there.
//
// Body, canonical msgpack:      [1, access, name bin, creator key bin 32]
// Genesis, canonical msgpack:   [body bin, signature bin 64], the creator's, in domain "weft-namespace-1"
//
// The id is BLAKE2b-256("weft-namespace-1", 0, body). So the same creator, name and access are the same namespace
// wherever and whenever it is made, two creators' namespaces of one name are two, and nobody can make another's.
//
// Pure functions; views point into the bytes that were given.
#pragma once

#include <string>

#include "gossip/state/entry.h"

namespace weft::state {

inline constexpr std::size_t kNameMax = 63;  // bytes of a namespace's name
inline constexpr std::size_t kGenesisBytesMax = 200;
inline constexpr std::string_view kNamespaceDomain = "weft-namespace-1";
inline constexpr std::string_view kNameDomain = "weft-namespace-name-1";

enum class Access : std::uint8_t {
  kOpen = 0,   // whoever is in the network may write every document
  kOwned = 1,  // its creator, and who is granted it: rights.h
  kLast = kOwned,
};

struct Genesis {
  NamespaceId id;
  Access access = Access::kOpen;
  std::string name;
  PublicKey creator;
  Bytes wire;
  bool operator==(const Genesis&) const = default;
};

// 1 to kNameMax bytes, a valid path of one part (entry.h) without '@'.
bool valid_name(std::string_view name);
// The key of the DHT under which geneses of namespaces of this name are published.
NodeId name_key(std::string_view name);
// `name` must be valid.
Genesis make_genesis(const Identity& creator, std::string_view name, Access access);
// Takes one apart and verifies it.
std::expected<Genesis, EntryError> read_genesis(const CryptoProvider& provider, ByteView wire);

}  // namespace weft::state
