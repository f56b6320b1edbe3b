#include "gossip/state/genesis.h"

#include "crypto/check.h"

namespace weft::state {
namespace {

constexpr std::uint64_t kFormat = 1;

NamespaceId id_of(ByteView body) {
  const ByteArray<1> zero{};
  return {blake2b_256(as_bytes(kNamespaceDomain), zero, body)};
}

ByteView encode_body(const Genesis& g, MutableBytes room) {
  Writer w(room);
  w.array(4).uint(kFormat).uint(static_cast<std::uint64_t>(g.access)).bin(as_bytes(g.name)).bin(g.creator.bytes);
  CHECK(w.ok());
  return w.view();
}

ByteView encode_wire(ByteView body, const Signature& signature, MutableBytes room) {
  Writer w(room);
  w.array(2).bin(body).bin(signature.bytes);
  CHECK(w.ok());
  return w.view();
}

}  // namespace

bool valid_name(std::string_view name) {
  return name.size() <= kNameMax && valid_path(as_bytes(name)) && name.find_first_of("/@") == std::string_view::npos;
}

NodeId name_key(std::string_view name) {
  const ByteArray<1> zero{};
  return {blake2b_256(as_bytes(kNameDomain), zero, as_bytes(name))};
}

Genesis make_genesis(const Identity& creator, std::string_view name, Access access) {
  CHECK(valid_name(name));
  Genesis out{.id = {}, .access = access, .name = std::string(name), .creator = creator.public_key(), .wire = {}};
  ByteArray<kGenesisBytesMax> body_room;
  ByteArray<kGenesisBytesMax> room;
  const ByteView body = encode_body(out, body_room);
  out.id = id_of(body);
  out.wire = to_bytes(encode_wire(body, creator.sign(kNamespaceDomain, body), room));
  return out;
}

std::expected<Genesis, EntryError> read_genesis(const CryptoProvider& provider, ByteView wire) {
  if (wire.size() > kGenesisBytesMax) return std::unexpected(EntryError::kTooLarge);
  Reader outer(wire);
  outer.array_of(2);
  const ByteView body = outer.bin(kGenesisBytesMax);
  const Signature signature{outer.bin_exact<64>()};
  if (outer.finish()) return std::unexpected(EntryError::kMalformed);
  Reader r(body);
  Genesis out;
  r.array_of(4);
  if (r.uint() != kFormat) r.fail(DecodeError::kBadValue);
  const std::uint64_t access = r.uint();
  const ByteView name = r.bin(kNameMax);
  out.creator.bytes = r.bin_exact<32>();
  if (r.finish()) return std::unexpected(EntryError::kMalformed);
  if (access > static_cast<std::uint64_t>(Access::kLast)) return std::unexpected(EntryError::kUnknownKind);
  if (!valid_name(as_text(name))) return std::unexpected(EntryError::kMalformed);
  out.access = static_cast<Access>(access);
  out.name = as_text(name);
  ByteArray<kGenesisBytesMax> body_room;
  ByteArray<kGenesisBytesMax> room;
  if (!equal(encode_body(out, body_room), body) || !equal(encode_wire(body, signature, room), wire)) {
    return std::unexpected(EntryError::kNotCanonical);
  }
  if (!verify(provider, out.creator, kNamespaceDomain, body, signature)) return std::unexpected(EntryError::kBadSignature);
  out.id = id_of(body);
  out.wire = to_bytes(wire);
  return out;
}

}  // namespace weft::state
