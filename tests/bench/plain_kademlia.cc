// Kademlia as it was published, in virtual time: what papers measured, in the network that the simulator gives weft. Prints one line of JSON.
//
//   plain_kademlia --matrix FILE.csv [--seed 1] [--nodes 1024] [--model exponential|weibull|pareto] [--median-session-ms N] [--access-us 2500]
//                  [--warm-s 3600] [--measure-s 3600] [--lookup-every-s 600] [--limit-ms 4000] [--target key|node]
//                  [--k 16] [--alpha 3] [--tell 8] [--want 1] [--refresh-s 900] [--refresh-want K] [--timeout-rtts 3] [--timeout-ms 0] [--learn 1]
//                  [--rtt-mean-us 0 --rtt-median-us 0] [--by-steps 0] [--request 0] [--ping-full 0] [--penalty-ms 0]
//
// A model, not weft's code: nodes are numbers, a message is an event. It has what Maymounkov, Mazieres 2002 describe (buckets of k, a cache of as
// many spares, iterative lookups with alpha requests under way, refreshes of buckets that no lookup has visited) and the parameters that Li et al.
// 2005 and Heep 2010 vary. What it has not: sealed sessions, round trips learned, hedges, contacts believed for a time, near peers preferred.
//
// - Whoever asks or answers becomes a contact (--learn 0: who answers alone). A full bucket keeps its contacts; newcomers wait among the spares.
//   A contact that does not answer leaves, and the newest spare takes its place.
// - A lookup begins with the k nearest known; each answer names the `tell` nearest. It ends when the `want` nearest that are not silent have answered;
//   whoever has not answered after the timeout is silent: --timeout-rtts round trips to it, which is known exactly, or --timeout-ms.
// - With --by-steps 1 a lookup goes as OverSim's default settings have it (IterativeLookup: no use of all parallel responses, no new request on a
//   timeout or where an answer brings nothing new): of the requests of a step the first answer counts, the others are lost but for the target's own;
//   it is followed by as many requests as it has named nodes among the --tell nearest, alpha at most; when none is under way, by alpha. It ends, too, with
//   whoever knows nobody nearer to the id than itself.
// - With --request 1 the node that was found is sent a request of 100 bytes and answers it; the time of that counts. With --penalty-ms a failed one
//   counts that much in the mean (Heep 2010: 10 s).
// - With --ping-full 1 whoever hears of a newcomer for a full bucket asks its longest known contact whether it lives (section 2.2), once at a time.
// - A newcomer (plain_world.h) looks for its own id with want = k, and then for an id in each bucket that is farther than its nearest contact.
// - A bucket that no lookup visited for --refresh-s is looked up. These lookups and a newcomer's end when the --refresh-want nearest have answered: k, as
//   theirs do (section 2.3), unless told otherwise.
//
// A lookup is right if it ends within the limit with the node that was the nearest living one when it began or ended (--target node: with the node whose
// id was asked for, if that lives when it ends). Lookups of askers that die are not counted.
#include "tests/bench/plain_world.h"

namespace weft::testnet::plain {
namespace {

constexpr std::size_t kBuckets = 64;

struct Bucket {
  std::vector<Who> live;    // the longest known first
  std::vector<Who> spares;  // the newest last
  std::uint64_t visited = 0;
  bool pinging = false;
};
enum class State : std::uint8_t { kHeard, kAsked, kAnswered, kSilent };
struct Candidate {
  Id away = 0;
  Who who = 0;
  State state = State::kHeard;
};
struct Lookup {
  Who asker = 0;
  Id target = 0;
  std::size_t want = 1;
  std::uint64_t began = 0;
  Who right_at_begin = 0;
  bool counted = false;
  bool over = false;
  std::size_t asked = 0;
  std::size_t step = 0;
  std::size_t open = 0;               // of --by-steps: requests of this step
  std::vector<Candidate> candidates;  // nearest first
  std::function<void(const Lookup&)> then;
};

class Mesh final : public World {
 public:
  Mesh(const Settings& settings, const RttMatrix& matrix) : World(settings, matrix, "plain kademlia") {}

 private:
  std::size_t refresh_want() const { return s_["refresh-want"] != 0 ? s_["refresh-want"] : s_["k"]; }
  std::vector<Bucket>& buckets(Who who) {
    while (buckets_.size() <= who) buckets_.emplace_back(kBuckets);
    return buckets_[who];
  }

  // ---- who lives
  // Those of the beginning know some of each other, and look around in the first minute.
  void first(Who who) override {
    for (std::size_t i = 0; i < s_["k"]; ++i) learn(who, static_cast<Who>(rng_.below(people_.size())));
    at(rng_.below(60 * kSecond), [this, who] { look_around(who); });
  }
  void came(Who who, Who told) override { learn(who, told); }
  void begins(Who who) override { look_around(who); }
  void lives(Who who) override {
    at(now_ + rng_.below(s_["refresh-s"] * kSecond + 1), [this, who] { refresh(who); });
  }
  void went(Who who) override { buckets(who).clear(); }
  void look_around(Who who) {
    if (!people_[who].alive) return;
    look_up(who, people_[who].id, s_["k"], false, [this, who](const Lookup&) {
      std::size_t deepest = 0;
      for (std::size_t i = 0; i < kBuckets; ++i) {
        if (!buckets(who)[i].live.empty()) deepest = i;
      }
      for (std::size_t i = 0; i < deepest; ++i) look_up(who, id_in(who, i), refresh_want(), false, {});
    });
  }
  // The living node nearest to an id, but for one.
  Who nearest_but(Who who, Id target) {
    auto own = by_id_.extract(people_[who].id);
    const Who found = nearest(target);
    by_id_.insert(std::move(own));
    return found;
  }
  Who nearest(Id target) const {
    Id low = 0;
    auto first = by_id_.begin();
    auto last = by_id_.end();
    // Bit by bit into the half that agrees with the target, or into the other if nobody is there.
    for (int bit = 63; bit >= 0 && std::next(first) != last; --bit) {
      const Id half = low | Id{1} << bit;
      const auto middle = by_id_.lower_bound(half);
      const bool up = ((target >> bit & 1) != 0 && middle != last) || middle == first;
      if (up) low = half, first = middle;
      else last = middle;
    }
    return first->second;
  }

  // ---- contacts
  std::size_t bucket_of(Who who, Id id) const { return static_cast<std::size_t>(std::countl_zero(people_[who].id ^ id)); }
  void learn(Who who, Who peer) {
    if (who == peer || !people_[who].alive) return;
    Bucket& bucket = buckets(who)[bucket_of(who, people_[peer].id)];
    std::erase(bucket.spares, peer);
    const bool known = std::erase(bucket.live, peer) > 0;
    if (known || bucket.live.size() < s_["k"]) return bucket.live.push_back(peer);
    bucket.spares.push_back(peer);
    if (bucket.spares.size() > s_["k"]) bucket.spares.erase(bucket.spares.begin());
    if (s_["ping-full"] != 0 && !bucket.pinging) ping(who, bucket_of(who, people_[peer].id));
  }
  void ping(Who who, std::size_t place) {
    Bucket& bucket = buckets(who)[place];
    const Who oldest = bucket.live.front();
    bucket.pinging = true;
    count(0, 0);
    const auto there = [this, who, oldest] {
      count(0, 0);
      learn(oldest, who);
      return [this, who, oldest] { learn(who, oldest); };
    };
    World::ask(who, oldest, there, [this, who, oldest] { forget(who, oldest); });
    at(now_ + patience(one_way(who, oldest)), [this, who, place] {
      if (people_[who].alive) buckets(who)[place].pinging = false;
    });
  }
  void forget(Who who, Who peer) {
    if (!people_[who].alive) return;
    Bucket& bucket = buckets(who)[bucket_of(who, people_[peer].id)];
    std::erase(bucket.spares, peer);
    if (std::erase(bucket.live, peer) == 0 || bucket.spares.empty()) return;
    bucket.live.push_back(bucket.spares.back());
    bucket.spares.pop_back();
  }
  std::vector<Candidate> known(Who who, Id target, std::size_t count) const {
    std::vector<Candidate> out;
    for (const Bucket& bucket : buckets_[who]) {
      for (const Who peer : bucket.live) out.push_back({.away = people_[peer].id ^ target, .who = peer});
    }
    const auto kept = std::min(count, out.size());
    std::ranges::partial_sort(out, out.begin() + static_cast<std::ptrdiff_t>(kept), {}, &Candidate::away);
    out.resize(kept);
    return out;
  }
  Id id_in(Who who, std::size_t bucket) {
    const Id flipped = Id{1} << (63 - bucket);
    return ((people_[who].id ^ flipped) & ~(flipped - 1)) | (rng_.next() & (flipped - 1));
  }
  void refresh(Who who) {
    if (!people_[who].alive) return;
    std::size_t deepest = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      if (!buckets(who)[i].live.empty()) deepest = i;
    }
    for (std::size_t i = 0; i <= deepest; ++i) {
      if (now_ - buckets(who)[i].visited >= s_["refresh-s"] * kSecond) look_up(who, id_in(who, i), refresh_want(), false, {});
    }
    at(now_ + s_["refresh-s"] * kSecond, [this, who] { refresh(who); });
  }

  // ---- lookups
  void look_up_now(Who who) override {
    const Id target = s_.target_node ? people_[someone()].id : rng_.next();
    look_up(who, target, s_["want"], measuring_, {});
  }
  void look_up(Who who, Id target, std::size_t want, bool counted, std::function<void(const Lookup&)> then) {
    auto lookup = std::make_shared<Lookup>(Lookup{.asker = who, .target = target, .want = want, .began = now_, .right_at_begin = nearest_but(who, target),
                                                  .counted = counted, .candidates = known(who, target, s_["k"]), .then = std::move(then)});
    if (target != people_[who].id) buckets(who)[bucket_of(who, target)].visited = now_;
    if (by_steps(*lookup)) step(lookup, s_["alpha"]);
    else pump(lookup);
  }
  bool by_steps(const Lookup& lookup) const { return s_["by-steps"] != 0 && lookup.want == 1; }
  void step(const std::shared_ptr<Lookup>& lookup, std::size_t most) {
    if (lookup->over || !people_[lookup->asker].alive) return;
    for (Candidate& candidate : lookup->candidates) {
      if (most == 0) break;
      if (candidate.state != State::kHeard) continue;
      candidate.state = State::kAsked;
      --most;
      ++lookup->open;
      ask(lookup, candidate.who);
    }
    if (lookup->open == 0) end(lookup);
  }
  void pump(const std::shared_ptr<Lookup>& lookup) {
    if (lookup->over || !people_[lookup->asker].alive) return;
    std::size_t open = 0;
    for (const Candidate& candidate : lookup->candidates) open += candidate.state == State::kAsked ? 1 : 0;
    std::size_t window = 0;
    std::size_t answered = 0;
    for (Candidate& candidate : lookup->candidates) {
      if (candidate.state == State::kSilent) continue;
      if (window < lookup->want) answered += candidate.state == State::kAnswered ? 1 : 0;
      ++window;
      if (candidate.state != State::kHeard || open >= s_["alpha"]) continue;
      // Beyond the `want` nearest it asks only while it may: alpha requests are always under way.
      candidate.state = State::kAsked;
      ++open;
      ask(lookup, candidate.who);
    }
    if (answered == std::min(window, lookup->want)) end(lookup);
  }
  void end(const std::shared_ptr<Lookup>& lookup) {
    lookup->over = true;
    if (lookup->then) lookup->then(*lookup);
    if (!lookup->counted) return;
    if (s_.target_node && !by_id_.contains(lookup->target)) return;
    const auto first = std::ranges::find(lookup->candidates, State::kAnswered, &Candidate::state);
    const bool found = first != lookup->candidates.end() && (first->who == lookup->right_at_begin || first->who == nearest_but(lookup->asker, lookup->target));
    std::uint64_t took = now_ - lookup->began;
    ++lookups_;
    if (s_["request"] != 0 && found) {
      took += 2 * one_way(lookup->asker, first->who);
      count(0, 0, 100);
      count(0, 0, 100);
    }
    asked_ += lookup->asked;
    if (!found || took > s_["limit-ms"] * 1000) ++failed_;
    if (s_["penalty-ms"] != 0 && (!found || took > s_["limit-ms"] * 1000)) took = s_["penalty-ms"] * 1000;
    else if (first == lookup->candidates.end()) return;
    took_.push_back(took);
  }
  void ask(const std::shared_ptr<Lookup>& lookup, Who peer) {
    const Who asker = lookup->asker;
    ++lookup->asked;
    count(1, 0);
    if (measuring_) ++requests_;
    const std::uint64_t way = one_way(asker, peer);
    auto answered = std::make_shared<bool>(false);
    at(now_ + way, [this, lookup, asker, peer, way, asked_in = lookup->step, answered] {
      if (!people_[peer].alive) return;
      std::vector<Candidate> named = known(peer, lookup->target, s_["tell"]);
      const bool knows_nearer = !named.empty() && named.front().away < (people_[peer].id ^ lookup->target);
      std::erase_if(named, [asker](const Candidate& one) { return one.who == asker; });
      if (s_["learn"] != 0) learn(peer, asker);
      count(0, named.size());
      at(now_ + way, [this, lookup, asker, peer, asked_in, answered, knows_nearer, named = std::move(named)] {
        *answered = true;
        if (!people_[asker].alive) return;
        learn(asker, peer);
        if (by_steps(*lookup)) take_step(lookup, peer, named, asked_in, knows_nearer);
        else take(lookup, peer, named);
      });
    });
    at(now_ + patience(way), [this, lookup, asker, peer, answered] {
      if (*answered) return;
      if (measuring_) ++unanswered_;
      forget(asker, peer);
      if (const auto it = std::ranges::find(lookup->candidates, peer, &Candidate::who); it != lookup->candidates.end()) it->state = State::kSilent;
      if (by_steps(*lookup)) end_request(lookup);
      else pump(lookup);
    });
  }
  void end_request(const std::shared_ptr<Lookup>& lookup) {
    if (!lookup->over && --lookup->open == 0) step(lookup, s_["alpha"]);
  }
  void take_step(const std::shared_ptr<Lookup>& lookup, Who peer, const std::vector<Candidate>& named, std::size_t asked_in, bool knows_nearer) {
    if (lookup->over) return;
    // Whoever knows nobody nearer takes itself for the node that is meant; late is not too late for that.
    if (asked_in != lookup->step && knows_nearer) return end_request(lookup);
    if (const auto it = std::ranges::find(lookup->candidates, peer, &Candidate::who); it != lookup->candidates.end()) it->state = State::kAnswered;
    --lookup->open;
    ++lookup->step;
    if (!knows_nearer) {
      std::erase_if(lookup->candidates, [peer](const Candidate& one) { return one.who != peer; });
      return end(lookup);
    }
    std::size_t news = 0;
    for (const Candidate& one : named) {
      const auto it = std::ranges::lower_bound(lookup->candidates, one.away, {}, &Candidate::away);
      if (it != lookup->candidates.end() && it->away == one.away) continue;
      if (static_cast<std::size_t>(it - lookup->candidates.begin()) < s_["tell"]) ++news;
      lookup->candidates.insert(it, one);
    }
    step(lookup, std::min<std::size_t>(lookup->open == 0 ? std::max<std::size_t>(news, 1) : news, s_["alpha"]));
  }
  void take(const std::shared_ptr<Lookup>& lookup, Who peer, const std::vector<Candidate>& named) {
    if (lookup->over) return;
    if (const auto it = std::ranges::find(lookup->candidates, peer, &Candidate::who); it != lookup->candidates.end()) it->state = State::kAnswered;
    for (const Candidate& one : named) {
      const auto it = std::ranges::lower_bound(lookup->candidates, one.away, {}, &Candidate::away);
      if (it == lookup->candidates.end() || it->away != one.away) lookup->candidates.insert(it, one);
    }
    pump(lookup);
  }
  std::vector<std::vector<Bucket>> buckets_;  // by who
};

}  // namespace
}  // namespace weft::testnet::plain

int main(int argc, char** argv) {
  weft::testnet::plain::Settings settings;
  settings.n.insert({{"k", 16}, {"alpha", 3}, {"tell", 8}, {"want", 1}, {"refresh-s", 900}, {"refresh-want", 0}, {"learn", 1},
                     {"by-steps", 0}, {"request", 0}, {"ping-full", 0}, {"penalty-ms", 0}});
  return weft::testnet::plain::main_of<weft::testnet::plain::Mesh>(argc, argv, std::move(settings), {"k", "alpha", "tell", "want", "refresh-s"});
}
