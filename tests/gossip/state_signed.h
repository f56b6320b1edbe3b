// What tests of rights and forks share: values as text, and pushes of entries that a test has signed itself.
#pragma once

#include "tests/gossip/state_lab.h"

namespace weft::state {

inline std::vector<std::string> values(const Documents& documents, std::string_view path) {
  std::vector<std::string> out;
  for (const Written& w : documents.read_register(as_bytes(path))) out.emplace_back(as_text(w.value));
  return out;
}

inline Push push_of(const NamespaceId& space, std::span<const Bytes> wires) {
  Push out{.space = handle_of(space), .hops = {}, .pack = {}};
  Packer packer(kPayloadBytesMax - kPackHeadBytes);
  for (const Bytes& wire : wires) {
    EXPECT_TRUE(packer.add(decode_entry(wire).value()));
    out.hops.push(1);
  }
  out.pack = packer.bytes();
  return out;
}

}  // namespace weft::state
