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
// - A node is replaced by a newcomer the instant it dies. A newcomer knows one node that lives, looks for its own id with want = k, and then for an id
//   in each bucket that is farther than its nearest contact.
// - A bucket that no lookup visited for --refresh-s is looked up. These lookups and a newcomer's end when the --refresh-want nearest have answered: k, as
//   theirs do (section 2.3), unless told otherwise.
// - Round trips are the matrix's between the nodes' regions and what each end's line adds, as in testnet/sim/weather.h; or, with --rtt-mean-us and
//   --rtt-median-us, drawn for each pair from the log-normal distribution of that mean and median (King's measurements, which Li et al. used, have
//   178 and 156 ms). Nothing is lost or queued.
//
// A lookup is right if it ends within the limit with the node that was the nearest living one when it began or ended (--target node: with the node whose
// id was asked for, if that lives when it ends). Lookups of askers that die are not counted. `bytes_s`: of requests and answers, 20 a message and 4 for
// each id that it names (Li et al.), per living node and second. `wire_bytes_s`: as OverSim would send them, which Heep used: 28 bytes of IP and UDP,
// 26 for each contact (20 of id, 6 of address), 20 for an id, 12 for kind and nonce; these sizes are ours.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <numbers>
#include <queue>
#include <string>
#include <string_view>

#include "testnet/churn_model.h"
#include "testnet/rtt_matrix.h"

namespace weft::testnet {
namespace {

using Id = std::uint64_t;
using Who = std::uint32_t;  // position in everybody who ever lived

constexpr std::size_t kBuckets = 64;
constexpr std::uint64_t kSecond = 1'000'000;  // times are microseconds

struct Settings {
  std::string matrix;
  ChurnModel model = ChurnModel::kExponential;
  bool target_node = false;
  std::map<std::string, std::uint64_t, std::less<>> n = {
      {"seed", 1},        {"nodes", 1024},  {"median-session-ms", 2'495'000}, {"access-us", 2500}, {"warm-s", 3600},    {"measure-s", 3600},
      {"lookup-every-s", 600}, {"limit-ms", 4000}, {"k", 16},                 {"alpha", 3},        {"tell", 8},         {"want", 1},
      {"refresh-s", 900}, {"refresh-want", 0}, {"timeout-rtts", 3},           {"timeout-ms", 0},   {"learn", 1},
      {"rtt-mean-us", 0}, {"rtt-median-us", 0}, {"by-steps", 0},              {"request", 0},      {"ping-full", 0},    {"penalty-ms", 0}};
  std::uint64_t operator[](std::string_view name) const { return n.find(name)->second; }
};

struct Bucket {
  std::vector<Who> live;    // the longest known first
  std::vector<Who> spares;  // the newest last
  std::uint64_t visited = 0;
  bool pinging = false;
};
struct Person {
  Id id = 0;
  std::size_t region = 0;
  std::uint64_t line = 0;  // one way
  std::uint64_t session = 0;
  bool alive = true;
  std::vector<Bucket> buckets = std::vector<Bucket>(kBuckets);
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

class Mesh {
 public:
  Mesh(const Settings& settings, const RttMatrix& matrix) : s_(settings), matrix_(matrix), rng_(Rng(settings["seed"]).fork("plain kademlia")) {
    for (std::uint64_t i = 0; i < s_["nodes"]; ++i) {
      const Who who = born();
      people_[who].session = static_cast<std::uint64_t>(draw_rest_of_session(s_.model, median(), rng_).count()) * 1000;
    }
    // Those of the beginning know some of each other, and look around in the first minute.
    for (Who who = 0; who < people_.size(); ++who) {
      for (std::size_t i = 0; i < s_["k"]; ++i) learn(who, static_cast<Who>(rng_.below(people_.size())));
      at(rng_.below(60 * kSecond), [this, who] { look_around(who); });
      live(who);
    }
  }

  void run() {
    const std::uint64_t end = (s_["warm-s"] + s_["measure-s"]) * kSecond;
    at(s_["warm-s"] * kSecond, [this] { measuring_ = true; });
    while (!queue_.empty() && queue_.top().at <= end) {
      const Event event = std::move(const_cast<Event&>(queue_.top()));
      queue_.pop();
      now_ = event.at;
      event.what();
    }
  }
  void tell() {
    std::ranges::sort(took_);
    const auto percentile = [this](double share) { return took_.empty() ? 0.0 : static_cast<double>(took_[static_cast<std::size_t>(share * static_cast<double>(took_.size() - 1))]) / 1000; };
    double sum = 0;
    for (const std::uint64_t us : took_) sum += static_cast<double>(us) / 1000;
    const double ended = static_cast<double>(std::max<std::size_t>(took_.size(), 1));
    const double node_seconds = static_cast<double>(s_["nodes"] * s_["measure-s"]);
    std::printf("{\"lookups\":%zu,\"failed\":%zu,\"p50_ms\":%.1f,\"mean_ms\":%.1f,\"p95_ms\":%.1f,\"asked_mean\":%.2f,\"bytes_s\":%.3f,\"wire_bytes_s\":%.2f,"
                "\"messages_s\":%.4f,\"unanswered_share\":%.4f,\"rtt_p50_ms\":%.1f}\n",
                lookups_, failed_, percentile(0.5), sum / ended, percentile(0.95), static_cast<double>(asked_) / ended,
                static_cast<double>(20 * messages_ + 4 * names_) / node_seconds, static_cast<double>(wire_bytes_) / node_seconds,
                static_cast<double>(messages_) / node_seconds, static_cast<double>(unanswered_) / static_cast<double>(std::max<std::uint64_t>(requests_, 1)), rtt_p50());
  }

 private:
  struct Event {
    std::uint64_t at = 0;
    std::uint64_t order = 0;
    std::function<void()> what;
    bool operator<(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };
  void at(std::uint64_t when, std::function<void()> what) { queue_.push({when, order_++, std::move(what)}); }
  std::size_t refresh_want() const { return s_["refresh-want"] != 0 ? s_["refresh-want"] : s_["k"]; }
  Milliseconds median() const { return Milliseconds(static_cast<std::int64_t>(s_["median-session-ms"])); }

  // ---- who lives
  Who born() {
    const auto who = static_cast<Who>(people_.size());
    Person person;
    do person.id = rng_.next();
    while (by_id_.contains(person.id));
    person.region = region_of(s_["seed"], who, matrix_.regions.size());
    person.line = rng_.below(2 * s_["access-us"] + 1);
    by_id_.emplace(person.id, who);
    place_.push_back(static_cast<std::uint32_t>(alive_.size()));
    alive_.push_back(who);
    people_.push_back(std::move(person));
    return who;
  }
  void live(Who who) {
    at(now_ + people_[who].session, [this, who] { die(who); });
    next_lookup(who);
    at(now_ + rng_.below(s_["refresh-s"] * kSecond + 1), [this, who] { refresh(who); });
  }
  void die(Who who) {
    people_[who].alive = false;
    people_[who].buckets.clear();
    by_id_.erase(people_[who].id);
    const std::uint32_t place = place_[who];
    alive_[place] = alive_.back();
    place_[alive_[place]] = place;
    alive_.pop_back();
    const Who told = alive_[rng_.below(alive_.size())];
    const Who newcomer = born();
    people_[newcomer].session = static_cast<std::uint64_t>(draw_session(s_.model, median(), rng_).count()) * 1000;
    learn(newcomer, told);
    live(newcomer);
    look_around(newcomer);
  }
  void look_around(Who who) {
    if (!people_[who].alive) return;
    look_up(who, people_[who].id, s_["k"], false, [this, who](const Lookup&) {
      std::size_t deepest = 0;
      for (std::size_t i = 0; i < kBuckets; ++i) {
        if (!people_[who].buckets[i].live.empty()) deepest = i;
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
    Bucket& bucket = people_[who].buckets[bucket_of(who, people_[peer].id)];
    std::erase(bucket.spares, peer);
    const bool known = std::erase(bucket.live, peer) > 0;
    if (known || bucket.live.size() < s_["k"]) return bucket.live.push_back(peer);
    bucket.spares.push_back(peer);
    if (bucket.spares.size() > s_["k"]) bucket.spares.erase(bucket.spares.begin());
    if (s_["ping-full"] != 0 && !bucket.pinging) ping(who, bucket_of(who, people_[peer].id));
  }
  void ping(Who who, std::size_t place) {
    Bucket& bucket = people_[who].buckets[place];
    const Who oldest = bucket.live.front();
    bucket.pinging = true;
    count(0, 0);
    const std::uint64_t way = one_way(who, oldest);
    auto answered = std::make_shared<bool>(false);
    at(now_ + way, [this, who, oldest, way, answered] {
      if (!people_[oldest].alive) return;
      count(0, 0);
      learn(oldest, who);
      at(now_ + way, [this, who, oldest, answered] {
        *answered = true;
        learn(who, oldest);
      });
    });
    at(now_ + (s_["timeout-ms"] != 0 ? s_["timeout-ms"] * 1000 : s_["timeout-rtts"] * 2 * way), [this, who, oldest, place, answered] {
      if (!people_[who].alive) return;
      people_[who].buckets[place].pinging = false;
      if (!*answered) forget(who, oldest);
    });
  }
  void forget(Who who, Who peer) {
    if (!people_[who].alive) return;
    Bucket& bucket = people_[who].buckets[bucket_of(who, people_[peer].id)];
    std::erase(bucket.spares, peer);
    if (std::erase(bucket.live, peer) == 0 || bucket.spares.empty()) return;
    bucket.live.push_back(bucket.spares.back());
    bucket.spares.pop_back();
  }
  std::vector<Candidate> known(Who who, Id target, std::size_t count) const {
    std::vector<Candidate> out;
    for (const Bucket& bucket : people_[who].buckets) {
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
      if (!people_[who].buckets[i].live.empty()) deepest = i;
    }
    for (std::size_t i = 0; i <= deepest; ++i) {
      if (now_ - people_[who].buckets[i].visited >= s_["refresh-s"] * kSecond) look_up(who, id_in(who, i), refresh_want(), false, {});
    }
    at(now_ + s_["refresh-s"] * kSecond, [this, who] { refresh(who); });
  }

  // ---- lookups
  void next_lookup(Who who) {
    // Exponential gaps: the model's, with that mean (the median of an exponential is ln 2 of it).
    const auto gap = draw_session(ChurnModel::kExponential, Milliseconds(static_cast<std::int64_t>(s_["lookup-every-s"] * 693)), rng_);
    at(now_ + static_cast<std::uint64_t>(gap.count()) * 1000, [this, who] {
      if (!people_[who].alive) return;
      const Id target = s_.target_node ? people_[alive_[rng_.below(alive_.size())]].id : rng_.next();
      look_up(who, target, s_["want"], measuring_, {});
      next_lookup(who);
    });
  }
  void look_up(Who who, Id target, std::size_t want, bool counted, std::function<void(const Lookup&)> then) {
    auto lookup = std::make_shared<Lookup>(Lookup{.asker = who, .target = target, .want = want, .began = now_, .right_at_begin = nearest_but(who, target),
                                                  .counted = counted, .candidates = known(who, target, s_["k"]), .then = std::move(then)});
    if (target != people_[who].id) people_[who].buckets[bucket_of(who, target)].visited = now_;
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
      count(0, 0);
      count(0, 0);
      wire_bytes_ += 200;
    }
    asked_ += lookup->asked;
    if (!found || took > s_["limit-ms"] * 1000) ++failed_;
    if (s_["penalty-ms"] != 0 && (!found || took > s_["limit-ms"] * 1000)) took = s_["penalty-ms"] * 1000;
    else if (first == lookup->candidates.end()) return;
    took_.push_back(took);
  }
  std::uint64_t one_way(Who a, Who b) const {
    if (s_["rtt-mean-us"] != 0) return drawn_rtt(a, b) / 2;
    const Person& from = people_[a];
    const Person& to = people_[b];
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(matrix_.rtt[from.region][to.region]).count()) / 2 + from.line + to.line;
  }
  // The same for a pair whenever it is asked for. Box and Muller's normal deviate; of a log-normal distribution the mean is exp(sigma^2 / 2) medians.
  std::uint64_t drawn_rtt(Who a, Who b) const {
    const auto uniform = [](Rng& rng) { return (static_cast<double>(rng.next() >> 11) + 0.5) / static_cast<double>(std::uint64_t{1} << 53); };
    Rng rng(s_["seed"] << 48 ^ std::uint64_t{std::min(a, b)} << 24 ^ std::max(a, b));
    const double median = static_cast<double>(s_["rtt-median-us"]);
    const double sigma = std::sqrt(2 * std::log(static_cast<double>(s_["rtt-mean-us"]) / median));
    const double normal = std::sqrt(-2 * std::log(uniform(rng))) * std::cos(2 * std::numbers::pi * uniform(rng));
    return static_cast<std::uint64_t>(median * std::exp(sigma * normal));
  }
  void count(std::size_t ids, std::size_t contacts) {
    if (!measuring_) return;
    ++messages_;
    names_ += ids + contacts;
    // Each message also names its sender.
    wire_bytes_ += 28 + 12 + 26 + 20 * ids + 26 * contacts;
  }
  void ask(const std::shared_ptr<Lookup>& lookup, Who peer) {
    const Who asker = lookup->asker;
    ++lookup->asked;
    count(1, 0);
    if (measuring_) ++requests_;
    const std::uint64_t way = one_way(asker, peer);
    const std::uint64_t patience = s_["timeout-ms"] != 0 ? s_["timeout-ms"] * 1000 : s_["timeout-rtts"] * 2 * way;
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
    at(now_ + patience, [this, lookup, asker, peer, answered] {
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
  double rtt_p50() {
    std::vector<std::uint64_t> drawn;
    for (int i = 0; i < 20'000; ++i) drawn.push_back(2 * one_way(alive_[rng_.below(alive_.size())], alive_[rng_.below(alive_.size())]));
    std::ranges::sort(drawn);
    return static_cast<double>(drawn[drawn.size() / 2]) / 1000;
  }

  const Settings& s_;
  const RttMatrix& matrix_;
  Rng rng_;
  std::uint64_t now_ = 0;
  std::uint64_t order_ = 0;
  std::priority_queue<Event> queue_;
  std::vector<Person> people_;
  std::map<Id, Who> by_id_;  // the living
  std::vector<Who> alive_;
  std::vector<std::uint32_t> place_;  // in alive_
  bool measuring_ = false;
  std::size_t lookups_ = 0;
  std::size_t failed_ = 0;
  std::size_t asked_ = 0;
  std::vector<std::uint64_t> took_;
  std::uint64_t messages_ = 0;
  std::uint64_t names_ = 0;
  std::uint64_t wire_bytes_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t unanswered_ = 0;
};

bool read(Settings& settings, std::string_view name, const char* value) {
  if (!name.starts_with("--")) return false;
  name.remove_prefix(2);
  if (name == "matrix") return settings.matrix = value, true;
  if (name == "target") return settings.target_node = value == std::string_view("node"), settings.target_node || value == std::string_view("key");
  if (name == "model") {
    const auto model = parse_churn_model(value);
    if (model) settings.model = *model;
    return model.has_value();
  }
  const auto it = settings.n.find(name);
  if (it == settings.n.end()) return false;
  char* end = nullptr;
  it->second = std::strtoull(value, &end, 10);
  return end != value && *end == '\0';
}

int main_of(int argc, char** argv) {
  Settings settings;
  bool good = argc % 2 == 1;
  for (int i = 1; good && i + 1 < argc; i += 2) good = read(settings, argv[i], argv[i + 1]);
  for (const char* name : {"nodes", "k", "alpha", "tell", "want", "refresh-s", "lookup-every-s", "measure-s", "median-session-ms"}) good = good && settings[name] > 0;
  if (!good || settings["nodes"] < 2 || settings["rtt-mean-us"] < settings["rtt-median-us"]) {
    std::fprintf(stderr, "plain_kademlia: see the head of plain_kademlia.cc for what it takes\n");
    return 2;
  }
  std::ifstream file(settings.matrix);
  const auto matrix = parse_rtt_matrix(std::string(std::istreambuf_iterator<char>(file), {}));
  if (!matrix) {
    std::fprintf(stderr, "plain_kademlia: %s: %s\n", settings.matrix.c_str(), matrix.error().c_str());
    return 2;
  }
  Mesh mesh(settings, *matrix);
  mesh.run();
  mesh.tell();
  return 0;
}

}  // namespace
}  // namespace weft::testnet

int main(int argc, char** argv) { return weft::testnet::main_of(argc, argv); }
