// Some nodes with shared state in virtual time: messages take a while or are lost, disks take a while or fail, nodes crash.
//
// Stands in for membership and NodeCore: every node asks another one for its digest once a second, requests end after a second,
// and every message is encoded and decoded on its way. Counts what goes over the wire.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "crypto/sessions.h"
#include "gossip/state/state.h"

namespace weft::state {

struct LabOptions {
  std::uint64_t seed = 1;
  Duration one_way = 25ms;
  std::uint64_t loss_percent = 0;
  Duration commit = 2ms;
  Duration probe_every = 1s;
};

class StateLab {
 public:
  explicit StateLab(std::size_t nodes, LabOptions options = {}) : rng(options.seed), options_(options), entropy_(options.seed) {
    for (std::size_t i = 0; i < nodes; ++i) {
      ByteArray<32> secret{};
      store_le(secret.data(), options.seed * 1000 + i + 1);
      nodes_.push_back(std::make_unique<Node>(provider, secret));
      start(i);
      at(rng.between(Duration::zero(), options_.probe_every), [this, i] { probe(i); });
    }
  }

  // ---- what users do; each returns what the operation ended with, after a run of at most a second
  std::expected<std::size_t, Error> create(std::size_t node, std::string_view name, Access access = Access::kOpen) {
    return run_op(node, [&](OpId op, Output& out) { state(node).create(now(node), op, name, access, out); });
  }
  std::expected<std::size_t, Error> join(std::size_t node, const Genesis& genesis) {
    return run_op(node, [&](OpId op, Output& out) { state(node).join(now(node), op, genesis, out); });
  }
  std::expected<std::size_t, Error> leave(std::size_t node, const NamespaceId& space) {
    return run_op(node, [&](OpId op, Output& out) { state(node).leave(now(node), op, space, out); });
  }
  std::expected<std::size_t, Error> import(std::size_t node, const NamespaceId& space, std::span<const ByteView> wires) {
    return run_op(node, [&](OpId op, Output& out) { state(node).import(now(node), op, space, wires, out); });
  }
  std::expected<std::size_t, Error> change(std::size_t node, Change::What what, std::string_view path, std::string_view value,
                                           std::int64_t amount = 0) {
    const Change one{.what = what, .path = as_bytes(path), .value = as_bytes(value), .amount = amount};
    return write(node, {&one, 1});
  }
  std::expected<std::size_t, Error> write(std::size_t node, std::span<const Change> changes) {
    return run_op(node, [&](OpId op, Output& out) { state(node).write(now(node), op, space_id, changes, out); });
  }
  std::expected<std::size_t, Error> set(std::size_t node, std::string_view path, std::string_view value) {
    return change(node, Change::What::kSet, path, value);
  }
  std::expected<std::size_t, Error> grant(std::size_t node, const Grant& grant) {
    return run_op(node, [&](OpId op, Output& out) { state(node).grant(now(node), op, space_id, grant, out); });
  }
  std::expected<std::size_t, Error> revoke(std::size_t node, const NodeId& of) {
    return run_op(node, [&](OpId op, Output& out) { state(node).revoke(now(node), op, space_id, of, out); });
  }
  // All nodes into one namespace, made by the first.
  void share(std::string_view name = "notes", Access access = Access::kOpen) {
    ASSERT_TRUE(create(0, name, access).has_value());
    const Genesis genesis = make_genesis(*nodes_[0]->identity, name, access);
    space_id = genesis.id;
    for (std::size_t i = 1; i < nodes_.size(); ++i) ASSERT_TRUE(join(i, genesis).has_value());
  }

  // ---- what happens to nodes
  void crash(std::size_t node) {
    nodes_[node]->state.reset();
    ++nodes_[node]->life;
  }
  void start(std::size_t node) {
    Node& n = *nodes_[node];
    n.state = std::make_unique<State>(*n.identity, provider, entropy_, rng.fork(std::to_string(++starts_)), config, now(node));
    for (const std::uint8_t table : {kRowSpace, kRowEntry}) {
      for (const auto& [key, value] : n.rows) {
        if (key[0] == table) n.state->restore(now(node), key, value);
      }
    }
    n.state->restored();
  }
  void split(std::set<std::size_t> side) { side_ = std::move(side); }
  void heal() { side_.clear(); }

  // ---- time
  Now now(std::size_t node) const { return {mono_, UnixMillis{1'800'000'000'000 + mono_.time_since_epoch() / 1ms + nodes_[node]->skew_ms}}; }
  void at(Duration in, std::function<void()> what) { events_.emplace(std::pair(mono_ + in, ++order_), std::move(what)); }
  void run(Duration span) {
    const Instant end = mono_ + span;
    for (;;) {
      Instant next = events_.empty() ? end : std::min(end, events_.begin()->first.first);
      std::optional<std::size_t> due;
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const auto deadline = nodes_[i]->state ? nodes_[i]->state->next_deadline() : std::nullopt;
        if (deadline && *deadline < next) {
          next = std::max(*deadline, mono_);
          due = i;
        }
      }
      mono_ = std::max(mono_, next);
      if (due) {
        Output out;
        state(*due).on_deadline(now(*due), out);
        carry_out(*due, out);
      } else if (events_.empty() || events_.begin()->first.first > end) {
        break;
      } else {
        const auto what = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        what();
      }
      if (mono_ >= end && !due && (events_.empty() || events_.begin()->first.first > end)) break;
    }
    mono_ = end;
  }
  // Until all live nodes have one digest; false after `patience`.
  bool run_until_equal(Duration patience) {
    const Instant end = mono_ + patience;
    while (mono_ < end) {
      if (equal_now()) return true;
      run(100ms);
    }
    return equal_now();
  }
  bool equal_now() const {
    std::set<std::optional<TreeHash>> all;
    for (const auto& n : nodes_) {
      if (n->state) all.insert(n->state->digest());
    }
    return all.size() <= 1;
  }

  State& state(std::size_t node) { return *nodes_[node]->state; }
  bool lives(std::size_t node) const { return nodes_[node]->state != nullptr; }
  const Space& space(std::size_t node) { return *state(node).find(space_id); }
  const Documents& documents(std::size_t node) { return space(node).documents(); }
  Identity& identity(std::size_t node) { return *nodes_[node]->identity; }
  Contact contact(std::size_t node) const {
    Endpoint endpoint = Endpoint::v4(10, 0, 0, 1, static_cast<std::uint16_t>(1000 + node));
    return make_contact(nodes_[node]->identity->public_key(), endpoint);
  }
  std::size_t size() const { return nodes_.size(); }
  const std::vector<StateNoticed>& noticed(std::size_t node) const { return nodes_[node]->noticed; }
  std::map<Bytes, Bytes>& rows(std::size_t node) { return nodes_[node]->rows; }
  void set_skew(std::size_t node, std::int64_t ms) { nodes_[node]->skew_ms = ms; }
  void set_disk_fails(std::size_t node, bool fails) { nodes_[node]->disk_fails = fails; }
  // What goes out of a node, before it goes: for liars.
  void deliver_push(std::size_t from, std::size_t to, const Push& push) { send(from, to, 0, push); }

  CheapProvider provider;
  Rng rng;
  Config config;
  NamespaceId space_id;
  std::uint64_t bytes_sent = 0;
  std::uint64_t datagrams_sent = 0;

 private:
  struct Node {
    Node(const CryptoProvider& provider, const ByteArray<32>& secret) : identity(std::make_unique<Identity>(provider, secret)) {}
    std::unique_ptr<Identity> identity;
    std::unique_ptr<State> state;
    std::map<Bytes, Bytes> rows;
    std::map<OpId, std::expected<std::size_t, Error>> done;
    std::vector<StateNoticed> noticed;
    std::size_t life = 0;
    std::int64_t skew_ms = 0;
    bool disk_fails = false;
  };
  using Begin = std::function<void(OpId, Output&)>;

  std::expected<std::size_t, Error> run_op(std::size_t node, const Begin& begin) {
    const auto op = static_cast<OpId>(++ops_);
    Output out;
    begin(op, out);
    carry_out(node, out);
    for (int i = 0; i < 100 && !nodes_[node]->done.contains(op); ++i) run(10ms);
    const auto it = nodes_[node]->done.find(op);
    EXPECT_NE(it, nodes_[node]->done.end()) << "an operation never ended";
    return it == nodes_[node]->done.end() ? std::unexpected(Error::kShutdown) : it->second;
  }

  void probe(std::size_t node) {
    at(options_.probe_every, [this, node] { probe(node); });
    const std::size_t to = rng.below(nodes_.size());
    if (to == node || !lives(node) || !reaches(node, to)) return;
    at(2 * options_.one_way, [this, node, to] {
      if (!lives(node) || !lives(to)) return;
      const auto digest = state(to).digest();
      if (!digest) return;
      Output out;
      state(node).on_digest(now(node), contact(to), *digest, out);
      carry_out(node, out);
    });
  }

  bool reaches(std::size_t a, std::size_t b) { return side_.contains(a) == side_.contains(b) && rng.below(100) >= options_.loss_percent; }
  std::size_t index_of(const NodeId& id) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i]->identity->id() == id) return i;
    }
    return nodes_.size();
  }

  template <class M>
  void send(std::size_t from, std::size_t to, std::uint32_t rpc, const M& message, RequestTag tag = {}) {
    auto raw = std::make_shared<Bytes>(kDatagramBytesMax);
    Writer w(*raw);
    encode(w, rpc, message);
    ASSERT_TRUE(w.ok());
    ASSERT_LE(w.size(), kPayloadBytesMax);
    raw->resize(w.size());
    bytes_sent += w.size();
    ++datagrams_sent;
    if (!reaches(from, to)) return;
    at(options_.one_way, [this, from, to, raw, tag] {
      if (!lives(to)) return;
      Reader r(*raw);
      (void)r.array(8);
      (void)r.uint();
      (void)r.uint();
      M m;
      ASSERT_FALSE(decode(r, m));
      receive(from, to, m, tag);
    });
  }

  void receive(std::size_t from, std::size_t to, const Push& m, RequestTag) {
    heard(to, [&](Output& out) { state(to).on_push(now(to), contact(from).id, m, out); });
  }
  void receive(std::size_t from, std::size_t to, const IHave& m, RequestTag) {
    heard(to, [&](Output& out) { state(to).on_ihave(now(to), contact(from).id, m, out); });
  }
  void receive(std::size_t from, std::size_t to, const Graft& m, RequestTag) {
    heard(to, [&](Output& out) { state(to).on_graft(now(to), contact(from).id, m, out); });
  }
  void receive(std::size_t from, std::size_t to, const Prune& m, RequestTag) {
    heard(to, [&](Output& out) { state(to).on_prune(now(to), contact(from).id, m, out); });
  }
  void receive(std::size_t from, std::size_t to, const Link& m, RequestTag) {
    heard(to, [&](Output& out) { state(to).on_link(now(to), contact(from).id, m, out); });
  }
  template <class Handle>
  void heard(std::size_t node, Handle handle) {
    Output out;
    handle(out);
    carry_out(node, out);
  }
  Asker asker(std::size_t from) const { return {.contact = contact(from), .rpc = 0, .early = false, .reply_max = kPayloadBytesMax}; }
  void receive(std::size_t from, std::size_t to, const Roots& m, RequestTag tag) {
    RootsReply reply;
    state(to).on_roots(now(to), asker(from), m, reply);
    send(to, from, 0, reply, tag);
  }
  void receive(std::size_t from, std::size_t to, const Branch& m, RequestTag tag) {
    BranchReply reply;
    if (state(to).on_branch(now(to), asker(from), m, reply)) send(to, from, 0, reply, tag);
  }
  void receive(std::size_t from, std::size_t to, const Fetch& m, RequestTag tag) {
    FetchReply reply;
    if (state(to).on_fetch(now(to), asker(from), m, reply)) send(to, from, 0, reply, tag);
  }
  template <class Handle>
  void answered(std::size_t node, RequestTag tag, Handle handle) {
    open_.erase({node, nodes_[node]->life, tag});
    Output out;
    handle(out);
    carry_out(node, out);
  }
  void receive(std::size_t, std::size_t to, const RootsReply& m, RequestTag tag) {
    answered(to, tag, [&](Output& out) { state(to).on_roots_reply(now(to), tag, m, out); });
  }
  void receive(std::size_t, std::size_t to, const BranchReply& m, RequestTag tag) {
    answered(to, tag, [&](Output& out) { state(to).on_branch_reply(now(to), tag, m, out); });
  }
  void receive(std::size_t, std::size_t to, const FetchReply& m, RequestTag tag) {
    answered(to, tag, [&](Output& out) { state(to).on_fetch_reply(now(to), tag, m, out); });
  }

  void carry_out(std::size_t node, Output& out) {
    Node& n = *nodes_[node];
    for (Persist& p : out.persist) {
      auto batch = std::make_shared<Persist>(std::move(p));
      at(options_.commit, [this, node, life = n.life, batch] { commit(node, life, *batch); });
    }
    for (const Request& request : out.requests) {
      const std::size_t to = index_of(request.to.id);
      open_.insert({node, n.life, request.tag});
      std::visit([&](const auto& m) { send(node, to, 0, m, request.tag); }, request.message);
      at(1s, [this, node, life = n.life, tag = request.tag] {
        if (open_.erase({node, life, tag}) == 0 || nodes_[node]->life != life || !lives(node)) return;
        Output late;
        state(node).on_timeout(now(node), tag, late);
        carry_out(node, late);
      });
    }
    for (const Send& s : out.sends) {
      std::visit([&](const auto& word) { send(node, index_of(s.to), 0, word); }, s.message);
    }
    for (const Event& event : out.events) {
      if (const auto* notice = std::get_if<StateNoticed>(&event)) n.noticed.push_back(*notice);
      const auto* done = std::get_if<StateDone>(&event);
      if (done == nullptr) continue;
      EXPECT_TRUE(n.done.emplace(done->op, done->entries).second) << "one operation, two ends";
    }
  }
  void commit(std::size_t node, std::size_t life, const Persist& batch) {
    Node& n = *nodes_[node];
    if (n.life != life || n.state == nullptr) return;
    for (const Write& w : batch.writes) {
      if (n.disk_fails) break;
      if (!w.erase) n.rows[w.key] = w.value;
      else erase(n.rows, w.key);
    }
    Output out;
    n.state->on_persisted(now(node), batch.ticket, !n.disk_fails, out);
    carry_out(node, out);
  }
  static void erase(std::map<Bytes, Bytes>& rows, const Bytes& key) {
    rows.erase(key);
    if (key[0] != kRowSpace) return;
    // Its entries with it.
    Bytes entries = key;
    entries[0] = kRowEntry;
    for (auto row = rows.lower_bound(entries); row != rows.end() && std::equal(entries.begin(), entries.end(), row->first.begin());) row = rows.erase(row);
  }

  LabOptions options_;
  SeededEntropy entropy_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> events_;
  std::set<std::tuple<std::size_t, std::size_t, RequestTag>> open_;
  std::set<std::size_t> side_;
  Instant mono_{Duration(1s)};
  std::uint64_t order_ = 0, ops_ = 0, starts_ = 0;
};

}  // namespace weft::state
