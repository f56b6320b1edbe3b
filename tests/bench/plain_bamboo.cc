// Bamboo (Rhea, Geels, Roscoe, Kubiatowicz 2004, "Handling churn in a DHT"), in virtual time: what the paper measured, in the network that the simulator
// gives weft. Prints one line of JSON.
//
//   plain_bamboo --matrix FILE.csv [--seed 1] [--nodes 1000] [--model exponential|weibull|pareto] [--median-session-ms 84000] [--access-us 2500]
//                [--warm-s 300] [--measure-s 300] [--lookup-every-s 500] [--limit-ms 60000] [--leaves 4] [--leaf-ms 4000] [--local-ms 10000]
//                [--global-ms 20000] [--timeout-rtts 3] [--timeout-ms 0] [--forget-s 60] [--join-again-ms 5000] [--rtt-mean-us 0 --rtt-median-us 0]
//
// A model, not weft's code, and not Bamboo's: a ring of ids of 64 bits, Pastry's prefix table (digits of 4 bits) and leaf sets (--leaves on each side). What
// Rhea et al. hold to matter is in it: recovery is periodic, not a reaction to a death; a message that is not acknowledged in its time goes on to the
// next best at once; near neighbours are preferred. Periods are those of OverSim's Bamboo (leaf set 4 s, local tuning 10 s, global tuning 20 s).
//
// - Routing is recursive: to the nearest of the leaf set if that spans the key, else to the table's entry for the key's next digit, else to whoever known is
//   nearer to the key and shares as much of it. Each hop is acknowledged; who does not acknowledge within the timeout leaves leaf set and table, and the
//   message goes elsewhere. The last answers the asker itself.
// - Nobody gets into a leaf set or a table but by a message of its own: whoever is named is asked first, if it would get in. Who was silent is not asked again for
//   --forget-s, unless it speaks.
// - Every --leaf-ms a node sends its leaf set to one of it and gets that one's (push and pull). Every --local-ms it asks a node of a row of its table for that
//   node's row, and asks those that it does not know how far they are. Every --global-ms it routes to a random id that shares a prefix of random length.
//   Of two for one place of the table the nearer stays.
// - A newcomer sends a request to its own id through somebody who is in the ring; nodes on the way send it their row, the last its leaf set. It asks again
//   after --join-again-ms while its leaf set is empty. Those of the beginning come one after the other in the
//   first half of --warm-s.
//
// A lookup is right if it ends within the limit with the node that was nearest to the key on the ring when it began or ended. Lookups of askers that die
// are not counted. Rhea et al. call lookups consistent that agree with most of ten; being right is harder.
#include <array>
#include <optional>
#include <set>

#include "tests/bench/plain_world.h"

namespace weft::testnet::plain {
namespace {

constexpr int kDigitBits = 4;
constexpr std::size_t kDigits = 16;  // values of one
constexpr std::size_t kRows = 64 / kDigitBits;
constexpr Who kNobody = UINT32_MAX;

std::size_t digit(Id id, std::size_t row) { return id >> (64 - kDigitBits * (row + 1)) & (kDigits - 1); }
std::size_t prefix(Id a, Id b) { return a == b ? kRows : static_cast<std::size_t>(std::countl_zero(a ^ b) / kDigitBits); }
Id apart(Id a, Id b) { return std::min(a - b, b - a); }  // on the ring

struct Tables {
  std::vector<Who> up;    // leaves whose ids follow, the nearest first
  std::vector<Who> down;  // that precede
  std::array<std::array<Who, kDigits>, kRows> rows;
  std::set<Who> asked;
  std::map<Who, std::uint64_t> silent_until;
};
enum class Purpose : std::uint8_t { kLookup, kJoin, kTune };
struct Message {
  Purpose purpose = Purpose::kLookup;
  Who from = 0;
  Id key = 0;
  std::uint64_t began = 0;
  Who right_at_begin = 0;
  bool counted = false;
  std::size_t hops = 0;
  bool over = false;
};
using MessageRef = std::shared_ptr<Message>;

class Mesh final : public World {
 public:
  Mesh(const Settings& settings, const RttMatrix& matrix) : World(settings, matrix, "plain bamboo") {}

 private:
  // ---- who lives
  // One after the other, in the first half of what is not measured.
  void first(Who who) override {
    if (who > 0) at(s_["warm-s"] * kSecond / 2 * who / s_["nodes"], [this, who] { join(who); });
  }
  void came(Who, Who) override {}
  void begins(Who who) override { join(who); }
  void lives(Who who) override {
    while (tables_.size() <= who) {
      tables_.push_back(std::make_unique<Tables>());
      for (auto& row : tables_.back()->rows) row.fill(kNobody);
    }
    every(who, "leaf-ms", [this, who] { share_leaves(who); });
    every(who, "local-ms", [this, who] { tune_locally(who); });
    every(who, "global-ms", [this, who] { tune_globally(who); });
  }
  void went(Who who) override { tables_[who].reset(); }
  void every(Who who, const char* period, std::function<void()> what) {
    at(now_ + rng_.below(s_[period] * 1000) + 1, [this, who, period, what] { repeat(who, period, what); });
  }
  void repeat(Who who, const char* period, const std::function<void()>& what) {
    if (!people_[who].alive) return;
    what();
    at(now_ + s_[period] * 1000, [this, who, period, what] { repeat(who, period, what); });
  }
  Who nearest(Id key) const {
    auto after = by_id_.lower_bound(key);
    if (after == by_id_.end()) after = by_id_.begin();
    const auto before = after == by_id_.begin() ? std::prev(by_id_.end()) : std::prev(after);
    return apart(after->first, key) <= apart(before->first, key) ? after->second : before->second;
  }
  Id id(Who who) const { return people_[who].id; }
  Tables& tables(Who who) { return *tables_[who]; }

  // ---- leaf set and table
  std::vector<Who> leaves(Who who) {
    std::vector<Who> out = tables(who).up;
    for (const Who leaf : tables(who).down) {
      if (std::ranges::find(out, leaf) == out.end()) out.push_back(leaf);
    }
    return out;
  }
  // Where `peer` would stand among `side`, whose distances `away` tells; none if too far.
  template <class Away>
  std::optional<std::size_t> place(const std::vector<Who>& side, Who peer, const Away& away) const {
    std::size_t i = 0;
    while (i < side.size() && away(side[i]) < away(peer)) ++i;
    if (i == s_["leaves"]) return std::nullopt;
    return i;
  }
  bool is_leaf(Who who, Who peer) {
    return std::ranges::find(tables(who).up, peer) != tables(who).up.end() || std::ranges::find(tables(who).down, peer) != tables(who).down.end();
  }
  auto after(Who who) const {
    return [this, who](Who peer) { return id(peer) - id(who); };
  }
  auto before(Who who) const {
    return [this, who](Who peer) { return id(who) - id(peer); };
  }
  Who& slot(Who who, Who peer) {
    const std::size_t row = prefix(id(who), id(peer));
    return tables(who).rows[row][digit(id(peer), row)];
  }
  // It spoke.
  void heard(Who who, Who peer) {
    if (who == peer || !people_[who].alive) return;
    Tables& own = tables(who);
    own.silent_until.erase(peer);
    own.asked.erase(peer);
    const auto take = [&](std::vector<Who>& side, const auto& away) {
      if (std::ranges::find(side, peer) != side.end()) return;
      const auto at_place = place(side, peer, away);
      if (!at_place) return;
      side.insert(side.begin() + static_cast<std::ptrdiff_t>(*at_place), peer);
      if (side.size() > s_["leaves"]) side.pop_back();
    };
    take(own.up, after(who));
    take(own.down, before(who));
    Who& held = slot(who, peer);
    if (held == kNobody || one_way(who, peer) < one_way(who, held)) held = peer;
  }
  void silent(Who who, Who peer) {
    if (measuring_) ++unanswered_;
    Tables& own = tables(who);
    std::erase(own.up, peer);
    std::erase(own.down, peer);
    if (slot(who, peer) == peer) slot(who, peer) = kNobody;
    own.asked.erase(peer);
    own.silent_until[peer] = now_ + s_["forget-s"] * kSecond;
  }
  // Somebody named them. `far`: also those are asked that might only be nearer than who is in the table.
  void named(Who who, const std::vector<Who>& peers, bool far) {
    for (const Who peer : peers) {
      if (peer == who || is_leaf(who, peer) || tables(who).asked.contains(peer)) continue;
      const auto until = tables(who).silent_until.find(peer);
      if (until != tables(who).silent_until.end() && until->second > now_) continue;
      const Who held = slot(who, peer);
      const bool leaf = place(tables(who).up, peer, after(who)) || place(tables(who).down, peer, before(who));
      if (!leaf && (held == peer || (held != kNobody && !far))) continue;
      ping(who, peer);
    }
  }
  void request(Who from, Who to, std::function<std::function<void()>()> there) {
    if (measuring_) ++requests_;
    ask(from, to, std::move(there), [this, from, to] { silent(from, to); });
  }
  void ping(Who who, Who peer) {
    tables(who).asked.insert(peer);
    count(0, 0);
    request(who, peer, [this, who, peer] {
      count(0, 0);
      heard(peer, who);
      return [this, who, peer] { heard(who, peer); };
    });
  }

  // ---- periodic recovery
  void share_leaves(Who who) {
    const std::vector<Who> mine = leaves(who);
    if (mine.empty()) return;
    const Who peer = mine[rng_.below(mine.size())];
    count(0, mine.size());
    request(who, peer, [this, who, peer, mine] {
      heard(peer, who);
      named(peer, mine, false);
      const std::vector<Who> theirs = leaves(peer);
      count(0, theirs.size());
      return [this, who, peer, theirs] {
        heard(who, peer);
        named(who, theirs, false);
      };
    });
  }
  std::vector<Who> row_of(Who who, std::size_t row) {
    std::vector<Who> out;
    for (const Who peer : tables(who).rows[row]) {
      if (peer != kNobody) out.push_back(peer);
    }
    return out;
  }
  // A row of the table that somebody is in.
  std::size_t some_row(Who who) {
    std::vector<std::size_t> filled;
    for (std::size_t row = 0; row < kRows; ++row) {
      if (!row_of(who, row).empty()) filled.push_back(row);
    }
    return filled.empty() ? kRows : filled[rng_.below(filled.size())];
  }
  void tune_locally(Who who) {
    const std::size_t row = some_row(who);
    if (row == kRows) return;
    const std::vector<Who> peers = row_of(who, row);
    const Who peer = peers[rng_.below(peers.size())];
    count(0, 0);
    request(who, peer, [this, who, peer, row] {
      heard(peer, who);
      const std::vector<Who> theirs = row_of(peer, row);
      count(0, theirs.size());
      return [this, who, peer, theirs] {
        heard(who, peer);
        named(who, theirs, true);
      };
    });
  }
  void tune_globally(Who who) {
    const std::size_t row = some_row(who);
    if (row == kRows) return;
    const int kept = kDigitBits * static_cast<int>(row);
    const Id low = kept == 0 ? ~Id{0} : ~Id{0} >> kept;
    route(who, std::make_shared<Message>(Message{.purpose = Purpose::kTune, .from = who, .key = (id(who) & ~low) | (rng_.next() & low)}));
  }

  // ---- routing
  void look_up_now(Who who) override {
    const Id key = rng_.next();
    const auto message = std::make_shared<Message>(
        Message{.purpose = Purpose::kLookup, .from = who, .key = key, .began = now_, .right_at_begin = nearest(key), .counted = measuring_});
    at(now_ + s_["limit-ms"] * 1000, [this, message] { end(message, kNobody); });
    route(who, message);
  }
  bool settled(Who who) { return tables(who).up.size() == s_["leaves"] && tables(who).down.size() == s_["leaves"]; }
  // Through somebody who is in the ring; if nobody is found whose leaf set is full, the first of all.
  Who gateway(Who who) {
    for (int i = 0; i < 1000; ++i) {
      const Who through = someone();
      if (through != who && settled(through)) return through;
    }
    return alive_.front() == who ? alive_.back() : alive_.front();
  }
  void join(Who who) {
    if (!people_[who].alive) return;
    at(now_ + s_["join-again-ms"] * 1000, [this, who] {
      if (people_[who].alive && leaves(who).empty()) join(who);
    });
    const Who through = gateway(who);
    if (who == through || !people_[through].alive) return;
    const auto message = std::make_shared<Message>(Message{.purpose = Purpose::kJoin, .from = who, .key = id(who)});
    count(1, 0);
    at(now_ + one_way(who, through), [this, message, through] {
      if (people_[through].alive) arrived(through, message);
    });
  }
  void arrived(Who who, const MessageRef& message) {
    if (message->purpose == Purpose::kJoin) {
      const std::size_t row = std::min(prefix(id(who), message->key), kRows - 1);
      tell(who, message->from, row_of(who, row));
    }
    route(who, message);
  }
  // Contacts for a newcomer, with the teller's own.
  void tell(Who who, Who newcomer, const std::vector<Who>& contacts) {
    count(0, contacts.size());
    at(now_ + one_way(who, newcomer), [this, who, newcomer, contacts] {
      if (!people_[newcomer].alive) return;
      heard(newcomer, who);
      named(newcomer, contacts, false);
    });
  }
  // The next node; itself, if none is better.
  Who next(Who who, const Message& message) {
    const auto but = [&](Who peer) { return peer == kNobody || (message.purpose == Purpose::kJoin && peer == message.from); };
    const Tables& own = tables(who);
    const auto nearer = [&](Who a, Who b) { return apart(id(a), message.key) < apart(id(b), message.key); };
    const bool spans = own.up.size() < s_["leaves"] || own.down.size() < s_["leaves"] || message.key - id(own.down.back()) <= id(own.up.back()) - id(own.down.back());
    Who best = who;
    if (spans) {
      for (const Who peer : leaves(who)) {
        if (!but(peer) && nearer(peer, best)) best = peer;
      }
      return best;
    }
    const std::size_t row = prefix(id(who), message.key);
    if (row < kRows && !but(own.rows[row][digit(message.key, row)])) return own.rows[row][digit(message.key, row)];
    const auto consider = [&](Who peer) {
      if (!but(peer) && prefix(id(peer), message.key) >= row && nearer(peer, best)) best = peer;
    };
    for (const Who peer : leaves(who)) consider(peer);
    for (const auto& each : own.rows) std::ranges::for_each(each, consider);
    return best;
  }
  void route(Who who, const MessageRef& message) {
    if (!people_[who].alive || message->over) return;
    const Who to = next(who, *message);
    if (to == who) return deliver(who, message);
    count(1, 1);  // the asker is named in it
    if (measuring_) ++requests_;
    ask(who, to,
        [this, who, to, message] {
          count(0, 0);  // the acknowledgement
          heard(to, who);
          ++message->hops;
          arrived(to, message);
          return [this, who, to] { heard(who, to); };
        },
        [this, who, to, message] {
          silent(who, to);
          route(who, message);
        });
  }
  void deliver(Who who, const MessageRef& message) {
    if (message->purpose == Purpose::kJoin) return tell(who, message->from, leaves(who));
    if (who == message->from) return end(message, who);
    count(1, 0);
    at(now_ + one_way(who, message->from), [this, who, message] {
      if (people_[message->from].alive) heard(message->from, who);
      end(message, who);
    });
  }
  // kNobody: it took too long.
  void end(const MessageRef& message, Who root) {
    if (message->over) return;
    message->over = true;
    if (!message->counted || !people_[message->from].alive) return;
    ++lookups_;
    asked_ += message->hops;
    if (root == kNobody || (root != message->right_at_begin && root != nearest(message->key))) ++failed_;
    if (root != kNobody) took_.push_back(now_ - message->began);
  }

  std::vector<std::unique_ptr<Tables>> tables_;  // by who
};

}  // namespace
}  // namespace weft::testnet::plain

int main(int argc, char** argv) {
  weft::testnet::plain::Settings settings;
  for (const auto& [name, value] : {std::pair("nodes", 1000U), {"median-session-ms", 84'000U}, {"warm-s", 300U}, {"measure-s", 300U}, {"lookup-every-s", 500U},
                                    {"limit-ms", 60'000U}, {"leaves", 4U}, {"leaf-ms", 4000U}, {"local-ms", 10'000U}, {"global-ms", 20'000U}, {"forget-s", 60U},
                                    {"join-again-ms", 5000U}}) {
    settings.n[name] = value;
  }
  return weft::testnet::plain::main_of<weft::testnet::plain::Mesh>(argc, argv, std::move(settings), {"leaves", "leaf-ms", "local-ms", "global-ms", "join-again-ms"});
}
