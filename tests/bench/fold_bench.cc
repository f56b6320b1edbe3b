// A walk between two nodes: how fast the one takes in the entries that it brings, against how fast the same processor checks their
// signatures (what a late joiner waits for), and how many bytes it takes. Prints one JSON object.
//
//   fold_bench [ENTRIES [AUTHORS [ROUNDS [MISSING]]]]     the joiner lacks the last MISSING of them (all, if that is left out)
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

void put_row(State& state, Now now, const Genesis& genesis, std::uint64_t arrival, const Bytes& wire) {
  const auto entry = decode_entry(wire).value();
  Bytes key{kRowEntry};
  key.insert(key.end(), genesis.id.bytes.begin(), genesis.id.bytes.end());
  key.insert(key.end(), entry.id.bytes.begin(), entry.id.bytes.end());
  Bytes value(8);
  store_le(value.data(), arrival);
  value.insert(value.end(), wire.begin(), wire.end());
  state.restore(now, key, value);
}

// What a message takes as a payload, before it is sealed.
template <class M>
std::size_t size_of(const M& message) {
  ByteArray<kDatagramBytesMax> room;
  Writer w(room);
  encode(w, 1, message);
  return w.size();
}

int run(std::size_t entries, std::size_t authors, std::size_t rounds, std::size_t missing) {
  const SodiumProvider provider;
  const Made made = make(provider, entries, authors);
  const Now now{Instant(Duration(1s)), UnixMillis{1'800'000'000'000}};
  SeededEntropy entropy(1);
  const Identity holder_identity(provider, ByteArray<32>{200}), joiner_identity(provider, ByteArray<32>{201});
  State holder(holder_identity, provider, entropy, Rng(1), {}, now);
  Output out;
  holder.join(now, OpId{1}, made.genesis, out);
  for (std::size_t i = 0; i < entries; ++i) put_row(holder, now, made.genesis, i + 1, made.wires[i]);
  holder.restored();
  const Endpoint endpoint = Endpoint::v4(10, 0, 0, 1, 1);
  const Contact peer = make_contact(holder_identity.public_key(), endpoint);
  const Asker asker{.contact = make_contact(joiner_identity.public_key(), endpoint), .rpc = 0, .early = false, .reply_max = kPayloadBytesMax};

  double folding = 0, checking = 0;
  std::size_t folded = 0, checked = 0, questions_bytes = 0, answers_bytes = 0, datagrams = 0, missed_bytes = 0;
  for (std::size_t i = entries - missing; i < entries; ++i) missed_bytes += made.wires[i].size();
  for (std::size_t round = 0; round < rounds; ++round) {
    State joiner(joiner_identity, provider, entropy, Rng(2 + round), {}, now);
    out.clear();
    joiner.join(now, OpId{1}, made.genesis, out);
    for (std::size_t i = 0; i < entries - missing; ++i) put_row(joiner, now, made.genesis, i + 1, made.wires[i]);
    joiner.restored();
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
      questions_bytes += std::visit([](const auto& message) { return size_of(message); }, question.message);
      datagrams += 2;
      const auto count = [&](const auto& reply) { answers_bytes += size_of(reply); };
      if (const auto* roots = std::get_if<Roots>(&question.message)) {
        RootsReply reply;
        holder.on_roots(now, asker, *roots, reply);
        count(reply);
        timed(folding, [&] { joiner.on_roots_reply(now, question.tag, reply, out); });
      } else if (const auto* branch = std::get_if<Branch>(&question.message)) {
        BranchReply reply;
        holder.on_branch(now, asker, *branch, reply);
        count(reply);
        timed(folding, [&] { joiner.on_branch_reply(now, question.tag, reply, out); });
      } else {
        FetchReply reply;
        holder.on_fetch(now, asker, std::get<Fetch>(question.message), reply);
        count(reply);
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
    folded += missing;
  }
  const double per_fold = folding / static_cast<double>(folded), per_check = checking / static_cast<double>(checked);
  std::printf("{\"entries\":%zu,\"authors\":%zu,\"missing\":%zu,\"fold_us\":%.2f,\"check_us\":%.2f,\"folds_per_s\":%.0f,\"share_of_checks\":%.3f,"
              "\"missed_bytes\":%zu,\"questions_bytes\":%zu,\"answers_bytes\":%zu,\"datagrams\":%zu}\n",
              entries, authors, missing, 1e6 * per_fold, 1e6 * per_check, 1 / per_fold, per_check / per_fold, missed_bytes,
              questions_bytes / rounds, answers_bytes / rounds, datagrams / rounds);
  return 0;
}

}  // namespace
}  // namespace weft::state

int main(int count, char** words) {
  const auto number = [&](int at, std::size_t otherwise) {
    return count > at ? static_cast<std::size_t>(std::strtoull(words[at], nullptr, 10)) : otherwise;
  };
  const std::size_t entries = number(1, 20'000);
  return weft::state::run(entries, number(2, 50), number(3, 3), std::min(number(4, entries), entries));
}
