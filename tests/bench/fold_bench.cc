// How fast a node takes in entries that a walk brings, against how fast the same processor checks their signatures: what a late joiner
// waits for. Prints one JSON object.
//
//   fold_bench [ENTRIES [AUTHORS [ROUNDS]]]
#include <ctime>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

#include "crypto/sessions.h"
#include "gossip/state/state.h"

namespace weft::state {
namespace {

double cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Adds what a call takes to a sum.
template <class Call>
auto timed(double& sum, Call call) {
  const double began = cpu_s();
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    sum += cpu_s() - began;
  } else {
    auto out = call();
    sum += cpu_s() - began;
    return out;
  }
}

struct Made {
  Genesis genesis;
  std::vector<Bytes> wires;
};

// Each author's entries in series, one signature for each, at paths of their own: nothing is void.
Made make(const SodiumProvider& provider, std::size_t entries, std::size_t authors) {
  Made out;
  std::vector<std::unique_ptr<Identity>> identities;
  for (std::size_t i = 0; i < authors; ++i) {
    ByteArray<32> secret{};
    store_le(secret.data(), std::uint64_t{i} + 1);
    identities.push_back(std::make_unique<Identity>(provider, secret));
  }
  out.genesis = make_genesis(*identities[0], "bench", Access::kOpen);
  std::vector<std::optional<EntryId>> heads(authors);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t author = i % authors;
    const std::string path = "k/" + std::to_string(i);
    const Content content{.space = out.genesis.id, .author = identities[author]->public_key(), .epoch = author + 1, .seq = i / authors + 1,
                          .prev = heads[author], .stamp = std::uint64_t{i + 1} << kStampCounterBits, .kind = Kind::kSet,
                          .path = as_bytes(path), .body = as_bytes("a value of some forty bytes, as they often are"), .saw = {}};
    out.wires.push_back(sign_entries(*identities[author], {&content, 1}).value()[0]);
    heads[author] = decode_entry(out.wires.back())->id;
  }
  return out;
}

int run(std::size_t entries, std::size_t authors, std::size_t rounds) {
  const SodiumProvider provider;
  const Made made = make(provider, entries, authors);
  const Now now{Instant(Duration(1s)), UnixMillis{1'800'000'000'000}};
  SeededEntropy entropy(1);
  const Identity holder_identity(provider, ByteArray<32>{200}), joiner_identity(provider, ByteArray<32>{201});
  State holder(holder_identity, provider, entropy, Rng(1), {}, now);
  Output out;
  holder.join(now, OpId{1}, made.genesis, out);
  std::uint64_t arrival = 0;
  for (const Bytes& wire : made.wires) {
    const auto entry = decode_entry(wire).value();
    Bytes key{kRowEntry};
    key.insert(key.end(), made.genesis.id.bytes.begin(), made.genesis.id.bytes.end());
    key.insert(key.end(), entry.id.bytes.begin(), entry.id.bytes.end());
    Bytes value(8);
    store_le(value.data(), ++arrival);
    value.insert(value.end(), wire.begin(), wire.end());
    holder.restore(now, key, value);
  }
  holder.restored();
  const Endpoint endpoint = Endpoint::v4(10, 0, 0, 1, 1);
  const Contact peer = make_contact(holder_identity.public_key(), endpoint);
  const Asker asker{.contact = make_contact(joiner_identity.public_key(), endpoint), .rpc = 0, .early = false, .reply_max = kPayloadBytesMax};

  double folding = 0, checking = 0;
  std::size_t folded = 0, checked = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    State joiner(joiner_identity, provider, entropy, Rng(2 + round), {}, now);
    out.clear();
    joiner.join(now, OpId{1}, made.genesis, out);
    out.clear();
    timed(folding, [&] { joiner.greet(now, peer, out); });
    std::deque<Request> questions;
    std::size_t next = 0;
    for (;;) {
      for (Request& request : out.requests) questions.push_back(std::move(request));
      out.clear();
      if (questions.empty()) break;
      const Request question = std::move(questions.front());
      questions.pop_front();
      if (const auto* roots = std::get_if<Roots>(&question.message)) {
        RootsReply reply;
        holder.on_roots(now, asker, *roots, reply);
        timed(folding, [&] { joiner.on_roots_reply(now, question.tag, reply, out); });
      } else if (const auto* branch = std::get_if<Branch>(&question.message)) {
        BranchReply reply;
        holder.on_branch(now, asker, *branch, reply);
        timed(folding, [&] { joiner.on_branch_reply(now, question.tag, reply, out); });
      } else {
        FetchReply reply;
        holder.on_fetch(now, asker, std::get<Fetch>(question.message), reply);
        timed(folding, [&] { joiner.on_fetch_reply(now, question.tag, reply, out); });
      }
      // By turns, so that both see the same machine.
      for (std::size_t i = 0; i < 8 && next < made.wires.size(); ++i, ++next) {
        const auto entry = decode_entry(made.wires[next]).value();
        const bool good = timed(checking, [&] { return verify_entry(provider, entry); });
        if (!good) return 1;
        ++checked;
      }
    }
    if (joiner.find(made.genesis.id)->tree().root() != holder.find(made.genesis.id)->tree().root()) {
      std::fprintf(stderr, "the joiner has %zu entries of %zu\n", joiner.stats().entries, entries);
      return 1;
    }
    folded += entries;
  }
  const double per_fold = folding / static_cast<double>(folded), per_check = checking / static_cast<double>(checked);
  std::printf("{\"entries\":%zu,\"authors\":%zu,\"fold_us\":%.2f,\"check_us\":%.2f,\"folds_per_s\":%.0f,\"share_of_checks\":%.3f}\n", entries,
              authors, 1e6 * per_fold, 1e6 * per_check, 1 / per_fold, per_check / per_fold);
  return 0;
}

}  // namespace
}  // namespace weft::state

int main(int count, char** words) {
  const auto number = [&](int at, std::size_t otherwise) {
    return count > at ? static_cast<std::size_t>(std::strtoull(words[at], nullptr, 10)) : otherwise;
  };
  return weft::state::run(number(1, 20'000), number(2, 50), number(3, 3));
}
