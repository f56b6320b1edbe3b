// What the models of published systems share (plain_kademlia.cc, plain_bamboo.cc): who lives, how far they are from each other, what is sent, and
// how lookups went. Nodes are numbers, a message is an event; nothing is lost or queued. Not weft's code, but for churn models and the matrix.
//
// - A node is replaced by a newcomer, somebody else, the instant it dies. The newcomer knows one node that lives.
// - Round trips are the matrix's between the nodes' regions and what each end's line adds, as in testnet/sim/weather.h; or, with --rtt-mean-us and
//   --rtt-median-us, drawn for each pair from the log-normal distribution of that mean and median.
// - `bytes_s`: of messages, 20 each and 4 for each id or contact named (Li et al. 2005), per living node and second. `wire_bytes_s`: 28 bytes of IP
//   and UDP, 26 for each contact (20 of id, 6 of address), the sender included, 20 for an id, 12 for kind and nonce; these sizes are ours, after OverSim's.
#pragma once

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
#include <vector>

#include "testnet/churn_model.h"
#include "testnet/rtt_matrix.h"

namespace weft::testnet::plain {

using Id = std::uint64_t;
using Who = std::uint32_t;  // position in everybody who ever lived

inline constexpr std::uint64_t kSecond = 1'000'000;  // times are microseconds

struct Settings {
  std::string matrix;
  ChurnModel model = ChurnModel::kExponential;
  bool target_node = false;
  std::map<std::string, std::uint64_t, std::less<>> n = {
      {"seed", 1},        {"nodes", 1024},         {"median-session-ms", 2'495'000}, {"access-us", 2500}, {"warm-s", 3600}, {"measure-s", 3600},
      {"lookup-every-s", 600}, {"limit-ms", 4000}, {"timeout-rtts", 3},              {"timeout-ms", 0},   {"rtt-mean-us", 0}, {"rtt-median-us", 0}};
  std::uint64_t operator[](std::string_view name) const { return n.find(name)->second; }
};

class World {
 public:
  World(const Settings& settings, const RttMatrix& matrix, std::string_view name) : s_(settings), matrix_(matrix), rng_(Rng(settings["seed"]).fork(name)) {}
  virtual ~World() = default;

  void run() {
    for (std::uint64_t i = 0; i < s_["nodes"]; ++i) {
      const Who who = born();
      people_[who].session = static_cast<std::uint64_t>(draw_rest_of_session(s_.model, median(), rng_).count()) * 1000;
    }
    for (Who who = 0; who < s_["nodes"]; ++who) {
      first(who);
      live(who);
    }
    const std::uint64_t end = (s_["warm-s"] + s_["measure-s"]) * kSecond;
    at(s_["warm-s"] * kSecond, [this] { measuring_ = true; });
    while (!queue_.empty() && queue_.top().at <= end) {
      const Event event = std::move(const_cast<Event&>(queue_.top()));
      queue_.pop();
      now_ = event.at;
      event.what();
    }
  }
  void report() {
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

 protected:
  struct Person {
    Id id = 0;
    std::size_t region = 0;
    std::uint64_t line = 0;  // one way
    std::uint64_t session = 0;
    bool alive = true;
  };
  // One of those that live when time begins; a newcomer, who knows `told`, before and after its clocks are set; whoever lives; one that dies.
  virtual void first(Who who) = 0;
  virtual void came(Who who, Who told) = 0;
  virtual void begins(Who who) = 0;
  virtual void lives(Who who) = 0;
  virtual void went(Who who) = 0;
  virtual void look_up_now(Who who) = 0;

  void at(std::uint64_t when, std::function<void()> what) { queue_.push({when, order_++, std::move(what)}); }
  Milliseconds median() const { return Milliseconds(static_cast<std::int64_t>(s_["median-session-ms"])); }
  Who someone() { return alive_[rng_.below(alive_.size())]; }

  std::uint64_t one_way(Who a, Who b) const {
    if (s_["rtt-mean-us"] != 0) return drawn_rtt(a, b) / 2;
    const Person& from = people_[a];
    const Person& to = people_[b];
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(matrix_.rtt[from.region][to.region]).count()) / 2 + from.line + to.line;
  }
  std::uint64_t patience(std::uint64_t way) const { return s_["timeout-ms"] != 0 ? s_["timeout-ms"] * 1000 : s_["timeout-rtts"] * 2 * way; }
  void count(std::size_t ids, std::size_t contacts, std::size_t bytes = 0) {
    if (!measuring_) return;
    ++messages_;
    names_ += ids + contacts;
    // Each message also names its sender.
    wire_bytes_ += 28 + 12 + 26 + 20 * ids + 26 * contacts + bytes;
  }
  // A request that is answered if it finds `to` alive: what happens there, what happens here then, or what happens here when it is not answered.
  // What is sent is counted by the caller.
  void ask(Who from, Who to, std::function<std::function<void()>()> there, std::function<void()> silent) {
    const std::uint64_t way = one_way(from, to);
    auto answered = std::make_shared<bool>(false);
    at(now_ + way, [this, from, to, way, answered, there = std::move(there)] {
      if (!people_[to].alive) return;
      at(now_ + way, [this, from, answered, then = there()] {
        *answered = true;
        if (people_[from].alive && then) then();
      });
    });
    at(now_ + patience(way), [this, from, answered, silent = std::move(silent)] {
      if (!*answered && people_[from].alive) silent();
    });
  }

  const Settings& s_;
  const RttMatrix& matrix_;
  Rng rng_;
  std::uint64_t now_ = 0;
  std::vector<Person> people_;
  std::map<Id, Who> by_id_;  // the living
  std::vector<Who> alive_;
  bool measuring_ = false;
  std::size_t lookups_ = 0;
  std::size_t failed_ = 0;
  std::size_t asked_ = 0;
  std::vector<std::uint64_t> took_;
  std::uint64_t requests_ = 0;
  std::uint64_t unanswered_ = 0;

 private:
  struct Event {
    std::uint64_t at = 0;
    std::uint64_t order = 0;
    std::function<void()> what;
    bool operator<(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };
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
    people_.push_back(person);
    return who;
  }
  void live(Who who) {
    at(now_ + people_[who].session, [this, who] { die(who); });
    next_lookup(who);
    lives(who);
  }
  void die(Who who) {
    people_[who].alive = false;
    went(who);
    by_id_.erase(people_[who].id);
    const std::uint32_t place = place_[who];
    alive_[place] = alive_.back();
    place_[alive_[place]] = place;
    alive_.pop_back();
    const Who told = someone();
    const Who newcomer = born();
    people_[newcomer].session = static_cast<std::uint64_t>(draw_session(s_.model, median(), rng_).count()) * 1000;
    came(newcomer, told);
    live(newcomer);
    begins(newcomer);
  }
  void next_lookup(Who who) {
    // Exponential gaps: the model's, with that mean (the median of an exponential is ln 2 of it).
    const auto gap = draw_session(ChurnModel::kExponential, Milliseconds(static_cast<std::int64_t>(s_["lookup-every-s"] * 693)), rng_);
    at(now_ + static_cast<std::uint64_t>(gap.count()) * 1000, [this, who] {
      if (!people_[who].alive) return;
      look_up_now(who);
      next_lookup(who);
    });
  }
  // The same for a pair whenever it is asked for. Box and Muller's normal deviate; of a log-normal distribution the mean is exp(sigma^2 / 2) medians.
  std::uint64_t drawn_rtt(Who a, Who b) const {
    const auto uniform = [](Rng& rng) { return (static_cast<double>(rng.next() >> 11) + 0.5) / static_cast<double>(std::uint64_t{1} << 53); };
    Rng rng(s_["seed"] << 48 ^ std::uint64_t{std::min(a, b)} << 24 ^ std::max(a, b));
    const double median_us = static_cast<double>(s_["rtt-median-us"]);
    const double sigma = std::sqrt(2 * std::log(static_cast<double>(s_["rtt-mean-us"]) / median_us));
    const double normal = std::sqrt(-2 * std::log(uniform(rng))) * std::cos(2 * std::numbers::pi * uniform(rng));
    return static_cast<std::uint64_t>(median_us * std::exp(sigma * normal));
  }
  double rtt_p50() {
    std::vector<std::uint64_t> drawn;
    for (int i = 0; i < 20'000; ++i) drawn.push_back(2 * one_way(someone(), someone()));
    std::ranges::sort(drawn);
    return static_cast<double>(drawn[drawn.size() / 2]) / 1000;
  }

  std::uint64_t order_ = 0;
  std::priority_queue<Event> queue_;
  std::vector<std::uint32_t> place_;  // in alive_
  std::uint64_t messages_ = 0;
  std::uint64_t names_ = 0;
  std::uint64_t wire_bytes_ = 0;
};

inline bool read(Settings& settings, std::string_view name, const char* value) {
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

// The whole of a tool: `settings` knows its names, with what they are by default; none in `positive` may be 0.
template <class Model>
int main_of(int argc, char** argv, Settings settings, std::initializer_list<const char*> positive) {
  bool good = argc % 2 == 1;
  for (int i = 1; good && i + 1 < argc; i += 2) good = read(settings, argv[i], argv[i + 1]);
  for (const char* name : positive) good = good && settings[name] > 0;
  for (const char* name : {"nodes", "lookup-every-s", "measure-s", "median-session-ms"}) good = good && settings[name] > 0;
  if (!good || settings["nodes"] < 2 || settings["rtt-mean-us"] < settings["rtt-median-us"]) {
    std::fprintf(stderr, "%s: see the head of its source for what it takes\n", argv[0]);
    return 2;
  }
  std::ifstream file(settings.matrix);
  const auto matrix = parse_rtt_matrix(std::string(std::istreambuf_iterator<char>(file), {}));
  if (!matrix) {
    std::fprintf(stderr, "%s: %s: %s\n", argv[0], settings.matrix.c_str(), matrix.error().c_str());
    return 2;
  }
  Model model(settings, *matrix);
  model.run();
  model.report();
  return 0;
}

}  // namespace weft::testnet::plain
