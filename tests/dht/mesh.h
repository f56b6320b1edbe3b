// A tiny network of Dht objects in virtual time: what NodeCore does around a Dht, without sessions.
//
// Every message travels encoded, so the codec and Asker::reply_max are exercised too. A request
// is sent again and reported slow after `slow_after`, and given up after `patience`; loss and death
// are decided here.
// Everything happens in the order of (time, arrival), so a seed gives one run.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <queue>

#include "dht/dht.h"
#include "dht/rows.h"
#include "testnet/sim/disk.h"

namespace weft::dht {

// The seed of a random test: SEED from the environment or `fallback`; told if the test fails.
inline std::uint64_t test_seed(std::uint64_t fallback) {
  const char* text = std::getenv("SEED");
  const std::uint64_t seed = text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
  std::cout << "SEED=" << seed << '\n';
  return seed;
}

inline NodeId id_of(std::string_view text) { return key_of_text(text); }

class Mesh {
 public:
  struct Options {
    std::uint64_t seed = 1;
    Config config = {};
    Duration latency = 1ms;  // one way
    Ratio loss = {0, 1};
    Duration slow_after = 20ms;
    Duration patience = 200ms;
    Duration commit = 100us;
    Duration load = 100us;
    std::size_t reply_max = 1170;
  };
  struct Counts {
    std::uint64_t find_node = 0, get = 0, store = 0, compare = 0, background = 0, bytes = 0;
    std::uint64_t foreground() const { return find_node + get + store + compare - background; }
  };
  struct Node {
    std::unique_ptr<Identity> identity;
    std::unique_ptr<Dht> dht;
    Contact contact;
    bool up = true;
    std::uint64_t persists = 0;
    bool disk_fails = false;
    bool tells_nothing = false;  // in its answers to Compare, as who holds too much beside what is asked about
    std::map<Bytes, Bytes> rows;
    std::map<OpId, std::vector<Event>> events;
    std::map<RequestTag, Instant> open;
  };

  explicit Mesh(const Options& o) : options(o), rng(o.seed), entropy(o.seed) {
    options.config.prefix_per_bucket = 0;
    options.config.prefix_per_table = 0;
    // All of it with stores that have next to nothing in memory: MEMORY=1.
    if (const char* memory = std::getenv("MEMORY")) {
      options.config.values_memory_max = std::strtoull(memory, nullptr, 10);
    }
  }

  Now now() const {
    return {clock, UnixMillis{1'700'000'000'000 + clock.time_since_epoch().count() / 1000}};
  }

  std::size_t add() {
    const std::size_t index = nodes.size();
    nodes.push_back(std::make_unique<Node>());
    ByteArray<32> seed{};
    store_le(seed.data(), rng.next());
    store_le(seed.data() + 8, static_cast<std::uint64_t>(index));
    Node& n = *nodes.back();
    n.identity = std::make_unique<Identity>(provider, seed);
    n.contact = make_contact(n.identity->public_key(),
                             Endpoint::v4(127, 0, 0, 1, static_cast<std::uint16_t>(10000 + index)));
    by_id[n.contact.id] = index;
    boot(index);
    return index;
  }
  void boot(std::size_t index) {
    Node& n = *nodes[index];
    n.dht = std::make_unique<Dht>(*n.identity, provider, entropy,
                                  rng.fork("node" + std::to_string(index)), options.config, now());
    n.up = true;
    arm(index);
  }
  void kill(std::size_t index) { nodes[index]->up = false; }
  // Crashes and starts again from its rows.
  void restart(std::size_t index, Duration down) {
    Node& n = *nodes[index];
    n.open.clear();
    ++lives[index];
    clock += down;
    boot(index);
    const HeldTotals held = sim::held_totals(n.rows);
    const bool paged = held.bytes + held.values * kHeldOverheadBytes > options.config.values_memory_max;
    for (const auto& [key, value] : n.rows) {
      if (!paged || key[0] != kValueTable) n.dht->restore(now(), key, value, down);
    }
    if (paged) n.dht->values_on_disk(held);
    arm(index);
  }
  // a learns b and b learns a, as after a handshake.
  void introduce(std::size_t a, std::size_t b) {
    hear(a, b, std::nullopt);
    hear(b, a, std::nullopt);
  }
  void hear(std::size_t who, std::size_t whom, std::optional<Duration> rtt) {
    Output out;
    nodes[who]->dht->heard_from(now(), nodes[whom]->contact, rtt, out);
    carry_out(who, out);
  }
  // `count` nodes that joined one by one through random earlier ones, and have looked around.
  void grow(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = add();
      if (index == 0) continue;
      introduce(index, rng.below(index));
      bootstrap(index);
      if (i % 8 == 7) run_for(50ms);
    }
    run_for(3s);
  }
  void leave(std::size_t index) {
    Output out;
    nodes[index]->dht->leave(now(), out);
    carry_out(index, out);
  }
  void bootstrap(std::size_t index) {
    Output out;
    nodes[index]->dht->bootstrap(now(), out);
    carry_out(index, out);
  }

  // Looks when a node wants to be called next.
  void arm(std::size_t index) {
    const auto at = nodes[index]->dht->next_deadline();
    if (!at) return;
    auto& armed = timers[index];
    if (armed && *armed <= *at && *armed > clock) return;
    armed = *at;
    const std::uint64_t life = lives[index];
    const Instant wanted = *at;
    after(std::max<Duration>(*at - clock, 0us), [this, index, life, wanted] {
      if (lives[index] != life || !nodes[index]->up || timers[index] != wanted) return;
      timers[index].reset();
      Output out;
      nodes[index]->dht->on_deadline(now(), out);
      carry_out(index, out);
    });
  }

  OpId put(std::size_t who, std::string_view key, std::string_view value, PutOptions o = {}) {
    return put_bytes(who, id_of(key), to_bytes(as_bytes(value)), o);
  }
  OpId put_bytes(std::size_t who, const NodeId& key, Bytes value, PutOptions o = {}) {
    const auto op = static_cast<OpId>(++ops);
    Output out;
    nodes[who]->dht->put(now(), op, key, std::move(value), o, out);
    carry_out(who, out);
    return op;
  }
  OpId get(std::size_t who, std::string_view key, GetOptions o = {}) {
    const auto op = static_cast<OpId>(++ops);
    Output out;
    nodes[who]->dht->get(now(), op, id_of(key), o, out);
    carry_out(who, out);
    return op;
  }
  OpId lookup(std::size_t who, const NodeId& target, const LookupOptions& how = {}) {
    const auto op = static_cast<OpId>(++ops);
    Output out;
    nodes[who]->dht->lookup(now(), op, target, how, out);
    carry_out(who, out);
    return op;
  }
  bool done(std::size_t who, OpId op) const { return nodes[who]->events.contains(op); }
  // Runs until the operation is done (at most a minute) and returns its one event.
  template <class T>
  T finish(std::size_t who, OpId op) {
    const Instant last = clock + 60s;
    while (!done(who, op) && clock < last && step()) {
    }
    const auto it = nodes[who]->events.find(op);
    if (it == nodes[who]->events.end()) {
      ADD_FAILURE() << "no Done event";
      return T{op, std::unexpected(OpFailure{})};
    }
    EXPECT_EQ(it->second.size(), 1U);
    return std::get<T>(it->second.front());
  }
  PutDone put_done(std::size_t who, OpId op) { return finish<PutDone>(who, op); }
  GetDone get_done(std::size_t who, OpId op) { return finish<GetDone>(who, op); }

  void run_for(Duration time) {
    const Instant end = clock + time;
    while (!queue.empty() && queue.top().at <= end) step();
    clock = end;
  }

  // Indices of the living, nearest to the key first, found naively.
  std::vector<std::size_t> nearest(const NodeId& key) const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i]->up) out.push_back(i);
    }
    std::ranges::sort(out, [&](std::size_t a, std::size_t b) {
      return closer(key, nodes[a]->contact.id, nodes[b]->contact.id);
    });
    return out;
  }
  // What `who` answers to a Get for the key and author: its number, 0 if it holds nothing.
  std::uint64_t held_seq(std::size_t who, const NodeId& key, const NodeId& author) {
    Values reply;
    const Asker asker{.contact = nodes[who]->contact, .rpc = 1, .early = false, .reply_max = 1170};
    Node& n = *nodes[who];
    if (n.dht->stats().values_paged) {
      const auto row = n.rows.find(value_erased({key, author}).key);
      return row == n.rows.end() ? 0 : read_value_row(row->first, row->second)->value.seq;
    }
    n.dht->on_get(now(), asker, {.key = key, .author = author}, reply, ignored);
    return reply.values.empty() ? 0 : load_le<std::uint64_t>(reply.values[0].blob.data() + 32);
  }
  std::size_t holders(const NodeId& key, const NodeId& author, std::uint64_t seq) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i]->up && held_seq(i, key, author) == seq) ++count;
    }
    return count;
  }

  Options options;
  Rng rng;
  SeededEntropy entropy;
  CheapProvider provider;
  std::vector<std::unique_ptr<Node>> nodes;
  std::map<NodeId, std::size_t> by_id;
  std::map<std::size_t, std::uint64_t> lives;
  Counts counts;
  Instant clock{};
  std::uint64_t ops = 0;
  std::uint64_t loads = 0;
  Output ignored;
  // A test may look at (and swallow) each request: return false to lose it.
  std::function<bool(std::size_t from, std::size_t to, const Request&)> filter;

 private:
  struct Happening {
    Instant at;
    std::uint64_t order = 0;
    std::function<void()> what;
    bool operator<(const Happening& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  void after(Duration delay, std::function<void()> what) {
    queue.push({clock + delay, ++order, std::move(what)});
  }
  bool step() {
    if (queue.empty()) return false;
    Happening next = queue.top();
    queue.pop();
    clock = std::max(clock, next.at);
    next.what();
    return true;
  }
  void carry_out(std::size_t index, Output& out) {
    Node& n = *nodes[index];
    for (Persist& p : out.persist) {
      n.persists += 1;
      const bool ok = !n.disk_fails;
      for (const Write& w : p.writes) {
        if (!ok) continue;
        if (w.erase) n.rows.erase(w.key);
        else n.rows[w.key] = w.value;
      }
      const Ticket ticket = p.ticket;
      guarded(index, options.commit, [this, index, ticket, ok] {
        Output more;
        nodes[index]->dht->on_persisted(now(), ticket, ok, more);
        carry_out(index, more);
      });
    }
    for (Load& load : out.loads) {
      // Read as it is asked for or as it is answered, by turns.
      std::optional<Loaded> early;
      if (++loads % 2 == 0) early = sim::answer(n.rows, load);
      guarded(index, options.load, [this, index, load = std::move(load), early = std::move(early)] {
        Node& here = *nodes[index];
        Loaded loaded{};
        if (here.disk_fails) loaded.ticket = load.ticket;
        else loaded = early ? *early : sim::answer(here.rows, load);
        Output more;
        here.dht->on_loaded(now(), loaded, more);
        carry_out(index, more);
      });
    }
    for (const Request& r : out.requests) send(index, r);
    const auto late = [&](const ReplyTo& to, const auto& message) {
      Bytes room(1200);
      Writer w(room);
      encode(w, to.rpc, message);
      EXPECT_TRUE(w.ok());
      reply_to(index, by_id.at(to.contact.id), to.rpc, to_bytes(w.view()));
    };
    for (const Reply& r : out.replies) late(r.to, r.message);
    for (const ReplyMany& r : out.replies_many) late(r.to, r.message);
    for (const LateValues& r : out.late_values) late(r.to, r.message);
    for (const LateCompared& r : out.late_compared) late(r.to, Compared{r.token, r.missing});
    for (Event& e : out.events) {
      const OpId op = std::visit([](const auto& done) { return done.op; }, e);
      n.events[op].push_back(std::move(e));
    }
    arm(index);
  }
  void guarded(std::size_t index, Duration delay, std::function<void()> what) {
    const std::uint64_t life = lives[index];
    after(delay, [this, index, life, what = std::move(what)] {
      if (lives[index] == life && nodes[index]->up) what();
    });
  }
  bool lost() { return options.loss.numerator != 0 && rng.chance(options.loss); }

  void send(std::size_t from, const Request& r) {
    Node& n = *nodes[from];
    const auto rpc = static_cast<std::uint32_t>(r.tag);
    Bytes room(1170);
    Writer w(room);
    std::visit([&](const auto& m) { encode(w, rpc, m); }, r.message);
    EXPECT_TRUE(w.ok());
    counts.bytes += w.size();
    if (r.background) ++counts.background;
    if (std::holds_alternative<FindNode>(r.message)) ++counts.find_node;
    if (std::holds_alternative<Get>(r.message)) ++counts.get;
    if (std::holds_alternative<Store>(r.message)) ++counts.store;
    if (const auto* many = std::get_if<StoreMany>(&r.message)) counts.store += many->items.size();
    if (std::holds_alternative<Compare>(r.message)) ++counts.compare;
    n.open[r.tag] = clock;
    const RequestTag tag = r.tag;
    const auto bytes = std::make_shared<const Bytes>(to_bytes(w.view()));
    const auto it = by_id.find(r.to.id);  // an invented contact: silence
    const bool reachable = it != by_id.end() && (!filter || filter(from, it->second, r));
    const std::size_t to = reachable ? it->second : from;
    if (reachable) transmit(from, to, bytes);
    guarded(from, options.slow_after, [this, from, to, tag, bytes, reachable] {
      if (!nodes[from]->open.contains(tag)) return;
      if (reachable) transmit(from, to, bytes);  // once more, as NodeCore does
      Output out;
      nodes[from]->dht->on_slow(now(), tag, out);
      carry_out(from, out);
    });
    guarded(from, options.patience, [this, from, tag] {
      if (nodes[from]->open.erase(tag) == 0) return;
      Output out;
      nodes[from]->dht->on_timeout(now(), tag, out);
      carry_out(from, out);
    });
  }
  void transmit(std::size_t from, std::size_t to, std::shared_ptr<const Bytes> bytes) {
    if (lost()) return;
    guarded(to, options.latency, [this, from, to, bytes] { serve(from, to, *bytes); });
  }

  void serve(std::size_t from, std::size_t at, const Bytes& bytes) {
    hear(at, from, std::nullopt);
    Reader r(bytes);
    (void)r.array(16);
    const std::uint64_t kind = r.uint();
    const auto rpc = static_cast<std::uint32_t>(r.uint());
    const Asker asker{.contact = nodes[from]->contact, .rpc = rpc, .early = false,
                      .reply_max = options.reply_max};
    Dht& dht = *nodes[at]->dht;
    Bytes room(options.reply_max);
    Writer w(room);
    if (kind == kFindNode) {
      FindNode m;
      ASSERT_FALSE(decode(r, m));
      Nodes reply;
      dht.on_find_node(now(), asker, m, reply);
      encode(w, rpc, reply);
    } else if (kind == kGet) {
      Get m;
      ASSERT_FALSE(decode(r, m));
      Values reply;
      Output out;
      const bool now_or_later = dht.on_get(now(), asker, m, reply, out);
      carry_out(at, out);
      if (!now_or_later) return;
      encode(w, rpc, reply);
    } else if (kind == kCompare) {
      Compare m;
      ASSERT_FALSE(decode(r, m));
      Compared reply;
      ByteArray<kCompareItemsMax / 8> bits;
      Output out;
      const bool now_or_later = dht.on_compare(now(), asker, m, bits, reply, out);
      carry_out(at, out);
      if (!now_or_later) return;
      if (nodes[at]->tells_nothing) reply.missing = {};
      encode(w, rpc, reply);
    } else if (kind == kStoreMany) {
      StoreMany m;
      ASSERT_FALSE(decode(r, m));
      Output out;
      dht.on_store_many(now(), asker, m, out);
      carry_out(at, out);
      return;
    } else {
      Store m;
      ASSERT_FALSE(decode(r, m));
      Output out;
      dht.on_store(now(), asker, m, out);
      carry_out(at, out);
      return;
    }
    EXPECT_TRUE(w.ok()) << "a reply did not fit into reply_max";
    reply_to(at, from, rpc, to_bytes(w.view()));
  }

  void reply_to(std::size_t from, std::size_t to, std::uint32_t rpc, Bytes bytes) {
    counts.bytes += bytes.size();
    if (lost()) return;
    guarded(to, options.latency, [this, from, to, rpc, bytes = std::move(bytes)] {
      Node& n = *nodes[to];
      const auto tag = static_cast<RequestTag>(rpc);
      const auto it = n.open.find(tag);
      if (it == n.open.end()) return;
      const Duration rtt = clock - it->second;
      n.open.erase(it);
      hear(to, from, rtt);
      Reader r(bytes);
      (void)r.array(16);
      const std::uint64_t kind = r.uint();
      (void)r.uint();
      Output out;
      if (kind == kNodes) {
        Nodes m;
        ASSERT_FALSE(decode(r, m));
        n.dht->on_nodes(now(), tag, rtt, m, out);
      } else if (kind == kValues) {
        Values m;
        ASSERT_FALSE(decode(r, m));
        n.dht->on_values(now(), tag, rtt, m, out);
      } else if (kind == kCompared) {
        Compared m;
        ASSERT_FALSE(decode(r, m));
        n.dht->on_compared(now(), tag, rtt, m, out);
      } else if (kind == kStoredMany) {
        StoredMany m;
        ASSERT_FALSE(decode(r, m));
        n.dht->on_stored_many(now(), tag, rtt, m, out);
      } else {
        Stored m;
        ASSERT_FALSE(decode(r, m));
        n.dht->on_stored(now(), tag, rtt, m, out);
      }
      carry_out(to, out);
    });
  }

  std::priority_queue<Happening> queue;
  std::map<std::size_t, std::optional<Instant>> timers;
  std::uint64_t order = 0;
};

}  // namespace weft::dht
