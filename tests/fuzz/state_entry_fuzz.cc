// Hostile bytes as entries of shared state, alone and as a history: what is decoded has one spelling, and a fold of anything
// reads the same in both orders.
#include "crypto/check.h"
#include "gossip/state/documents.h"
#include "tests/fuzz/fuzz_input.h"

namespace weft::state {
namespace {

void check_one(const Entry& entry, const CryptoProvider& provider) {
  CHECK(valid_path(entry.content.path));
  CHECK(entry.content.seq >= 1 && entry.content.seq <= kSeqMax);
  CHECK(entry.content.saw.size() <= kSawMax);
  (void)verify_entry(provider, entry);
}

void check(const std::uint8_t* data, std::size_t size) {
  static const CheapProvider provider;
  static const Identity author(provider, ByteArray<32>{1});
  if (const auto entry = decode_entry(ByteView(data, size))) check_one(*entry, provider);

  // The input as a history: what its bytes choose, signed by one author in epochs of its choice.
  weft::testing::FuzzInput input(data, size);
  static const std::string_view paths[] = {"a", "a/b", "ab", "a/b/c"};
  std::vector<Bytes> encoded;
  std::vector<EntryId> ids;
  while (!input.empty() && encoded.size() < 24) {
    const auto kind = static_cast<Kind>(1 + input.below(5));
    Bytes body = to_bytes(input.take(input.below(4)));
    if (kind == Kind::kCount) body = count_body({input.byte(), input.byte()});
    if (kind == Kind::kClear) body.clear();
    std::vector<EntryId> saw;
    for (std::size_t i = input.below(4); i > 0 && !ids.empty(); --i) saw.push_back(ids[input.below(ids.size())]);
    std::ranges::sort(saw);
    saw.erase(std::unique(saw.begin(), saw.end()), saw.end());
    const Content content{.space = {}, .author = author.public_key(), .epoch = input.byte(), .seq = 1U + input.byte(), .prev = {},
                                 .stamp = input.byte(), .kind = kind, .path = as_bytes(paths[input.below(4)]), .body = body, .saw = saw};
    const auto made = sign_entries(author, std::span(&content, 1));
    if (!made) continue;
    encoded.push_back((*made)[0]);
    const auto entry = decode_entry(encoded.back());
    CHECK(entry.has_value());
    check_one(*entry, provider);
    ids.push_back(entry->id);
  }
  Documents forth, back;
  for (const Bytes& bytes : encoded) (void)forth.insert(*decode_entry(bytes));
  for (auto it = encoded.rbegin(); it != encoded.rend(); ++it) (void)back.insert(*decode_entry(*it));
  CHECK(forth.size() == back.size());
  CHECK(forth.paths({}, 100) == back.paths({}, 100));
  for (const std::string_view path : paths) {
    CHECK(forth.read_register(as_bytes(path)) == back.read_register(as_bytes(path)));
    CHECK(forth.counter(as_bytes(path)) == back.counter(as_bytes(path)));
    CHECK(forth.elements(as_bytes(path)) == back.elements(as_bytes(path)));
  }
}

}  // namespace
}  // namespace weft::state

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weft::state::check(data, size);
  return 0;
}
