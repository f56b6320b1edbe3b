// Hostile bytes into every decoder of shared state, as a genesis, and what decodes into a live State object.
#include "crypto/check.h"
#include "crypto/sessions.h"
#include "gossip/state/state.h"

namespace weft::state {
namespace {

struct Target {
  CheapProvider provider;
  SeededEntropy entropy{1};
  Identity self{provider, ByteArray<32>{1}};
  Identity peer{provider, ByteArray<32>{2}};
  State core;
  Now now{Instant(Duration(1s)), UnixMillis{1'800'000'000'000}};
  NamespaceId space;
  std::vector<RequestTag> asked;

  Target() : core(self, provider, entropy, Rng(1), {}, now) {
    Output out;
    core.create(now, OpId{1}, "n", Access::kOpen, out);
    take(out);
    core.for_each([&](const Space& s) { space = s.genesis().id; });
    for (int i = 0; i < 40; ++i) {
      const std::string path = "p" + std::to_string(i % 7);
      const Change change{.what = Change::What::kSet, .path = as_bytes(path), .value = as_bytes("v")};
      core.write(now, OpId{2}, space, {&change, 1}, out);
      take(out);
    }
  }
  // Everything is durable at once; questions are kept, so that answers can match.
  void take(Output& out) {
    std::vector<Ticket> tickets;
    for (const Persist& p : out.persist) tickets.push_back(p.ticket);
    for (const Request& r : out.requests) asked.push_back(r.tag);
    if (asked.size() > 64) asked.erase(asked.begin(), asked.end() - 64);
    out.clear();
    for (const Ticket ticket : tickets) core.on_persisted(now, ticket, true, out);
    out.clear();
  }
  RequestTag some_tag(std::uint32_t rpc) const { return asked.empty() ? RequestTag{rpc} : asked[rpc % asked.size()]; }
};

// What decodes says the same after it was encoded and decoded again.
template <class M>
bool read(Reader& r, M& m) {
  if (decode(r, m)) return false;
  ByteArray<2 * kDatagramBytesMax> room;
  Writer w(room);
  encode(w, 7, m);
  CHECK(w.ok());
  Reader again(w.view());
  (void)again.array(8);
  (void)again.uint();
  (void)again.uint();
  M copy;
  CHECK(!decode(again, copy));
  ByteArray<2 * kDatagramBytesMax> other_room;
  Writer other(other_room);
  encode(other, 7, copy);
  CHECK(equal(w.view(), other.view()));
  return true;
}

template <class M>
void fits(const M& reply) {
  ByteArray<kPayloadBytesMax> room;
  Writer w(room);
  encode(w, UINT32_MAX, reply);
  CHECK(w.ok());
}

void check(const std::uint8_t* data, std::size_t size) {
  static Target target;
  const ByteView input(data, size);
  if (const auto genesis = read_genesis(target.provider, input)) CHECK(valid_name(genesis->name));
  // A pack gives entries that pack to the same bytes again.
  if (const auto entries = unpack(target.space, input)) {
    Packer packer(2 * input.size());
    for (const Unpacked& one : *entries) CHECK(packer.add(one.entry));
    CHECK(packer.bytes().size() <= input.size());
  }
  (void)read_checkpoint(input);
  Reader r(input);
  (void)r.array(16);
  const auto kind = r.uint(255);
  const auto rpc = static_cast<std::uint32_t>(r.uint(UINT32_MAX));
  State& core = target.core;
  target.now.mono += 10ms;
  Output out;
  const Contact from = make_contact(target.peer.public_key(), Endpoint::v4(10, 0, 0, 1, 1));
  const Asker asker{.contact = from, .rpc = rpc, .early = false, .reply_max = kPayloadBytesMax};
  switch (kind) {
    case kRoots: {
      Roots m;
      RootsReply reply;
      if (!read(r, m)) break;
      core.on_roots(target.now, asker, m, reply);
      fits(reply);
      break;
    }
    case kBranch: {
      Branch m;
      BranchReply reply;
      if (!read(r, m)) break;
      m.space = handle_of(target.space);
      CHECK(core.on_branch(target.now, asker, m, reply));
      fits(reply);
      break;
    }
    case kFetch: {
      Fetch m;
      FetchReply reply;
      if (!read(r, m)) break;
      m.space = handle_of(target.space);
      CHECK(core.on_fetch(target.now, asker, m, reply));
      fits(reply);
      break;
    }
    case kPush: {
      Push m;
      if (!read(r, m)) break;
      m.space = handle_of(target.space);
      core.on_push(target.now, from.id, m, out);
      break;
    }
    case kIHave: {
      IHave m;
      if (!read(r, m)) break;
      m.space = handle_of(target.space);
      core.on_ihave(target.now, from.id, m, out);
      break;
    }
    case kGraft: {
      Graft m;
      if (!read(r, m)) break;
      m.space = handle_of(target.space);
      core.on_graft(target.now, from.id, m, out);
      break;
    }
    case kPrune: {
      Prune m;
      if (read(r, m)) core.on_prune(target.now, from.id, {.space = handle_of(target.space)}, out);
      break;
    }
    case kLink: {
      Link m;
      if (!read(r, m)) break;
      m.space = handle_of(target.space);
      core.on_link(target.now, from.id, m, out);
      break;
    }
    case kRootsReply: {
      RootsReply m;
      if (!read(r, m)) break;
      for (Root& root : m.roots) root.space = handle_of(target.space);
      core.on_roots_reply(target.now, target.some_tag(rpc), m, out);
      break;
    }
    case kBranchReply: {
      BranchReply m;
      if (read(r, m)) core.on_branch_reply(target.now, target.some_tag(rpc), m, out);
      break;
    }
    case kFetchReply: {
      FetchReply m;
      if (read(r, m)) core.on_fetch_reply(target.now, target.some_tag(rpc), m, out);
      break;
    }
    default: {
      TreeHash digest{};
      digest[0] = static_cast<std::uint8_t>(kind);
      core.on_digest(target.now, from, digest, out);
      break;
    }
  }
  target.take(out);
  core.on_deadline(target.now, out);
  target.take(out);
  if (rpc % 16 == 0) core.on_timeout(target.now, target.some_tag(rpc), out);
}

}  // namespace
}  // namespace weft::state

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  weft::state::check(data, size);
  return 0;
}
