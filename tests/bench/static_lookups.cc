// Lookups in a frozen mesh, of which papers tell results: no joins, no sessions, no time, no repair. Prints one line of JSON.
//
//   static_lookups [--nodes 65536] [--lookups 1000] [--seed 1] [--dead 30] [--hostile 20] [--bucket 20] [--want 20]
//                  [--parallelism 3] [--parallelism-max 8] [--paths 1] [--greedy 1] [--tree 1]
//
// Ids are hashes of random keys. A node's table is what RoutingTable keeps of the contacts that it hears, which are so many of each bucket as it
// takes, drawn from all who belong there; it is a function of the seed and the node, and is made anew each time the node is asked. From it the node
// names the 20 nearest to what is looked for, and a Lookup starts from the `bucket` nearest of the asker's; both as in dht/server.cc and Core::seed.
// Answers come in the order of the questions.
//
// A share of nodes (percent) is dead: silent, and in the tables, as if all had died at once. Another is hostile: it names those hostile nodes that are
// nearest to what is looked for, and nobody else. Asker and target are honest and alive; a lookup succeeds if it brings the target.
//
// --greedy: no Lookup, but routing as Gummadi et al. 2003 have it for the XOR geometry: one contact a bucket; each node hands on to the
// contact nearest to the target that is alive and nearer than itself; without one the path has failed.
// --tree: the same for their tree (Plaxton's): to the one contact of the bucket that the target belongs to, or nobody.
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string_view>

#include "dht/dht.h"
#include "dht/lookup.h"
#include "dht/routing_table.h"

namespace weft::dht {
namespace {

constexpr std::size_t kNodesMax = 1 << 20;
constexpr std::size_t kHopsMax = 64;

struct Settings {
  std::size_t nodes = 65'536;
  std::size_t lookups = 1'000;
  std::uint64_t seed = 1;
  std::size_t dead = 0;     // percent
  std::size_t hostile = 0;  // percent
  std::size_t bucket = Config{}.bucket_size;
  std::size_t want = Config{}.bucket_size;
  std::size_t parallelism = Config{}.parallelism;
  std::size_t parallelism_max = Config{}.parallelism_max;
  std::size_t paths = 1;
  bool greedy = false;
  bool tree = false;
};

struct Node {
  Contact contact;
  bool dead = false;
  bool hostile = false;
};

bool bit_of(const NodeId& id, std::size_t bit) { return ((id.bytes[bit / 8] >> (7 - bit % 8)) & 1) != 0; }

// Nodes in the order of their ids: who shares a prefix lies together.
class People {
 public:
  void add(const Node& node) { nodes_.push_back(node); }
  void sort() {
    std::ranges::sort(nodes_, [](const Node& a, const Node& b) { return a.contact.id < b.contact.id; });
  }
  std::size_t size() const { return nodes_.size(); }
  Node& operator[](std::size_t i) { return nodes_[i]; }
  const Node& operator[](std::size_t i) const { return nodes_[i]; }
  std::size_t index_of(const NodeId& id) const {
    const auto it = std::ranges::lower_bound(nodes_, id, {}, [](const Node& n) { return n.contact.id; });
    return static_cast<std::size_t>(it - nodes_.begin());
  }

  // Calls visit(first, last) for each bucket of `self` that somebody belongs to, the farthest first.
  template <class Visit>
  void for_each_bucket(std::size_t self, Visit visit) const {
    std::size_t first = 0;
    std::size_t last = size();
    for (std::size_t bit = 0; last - first > 1; ++bit) {
      const std::size_t middle = split(first, last, bit);
      if (self < middle) {
        if (middle < last) visit(middle, last);
        last = middle;
      } else {
        if (first < middle) visit(first, middle);
        first = middle;
      }
    }
  }
  // The nearest to `target`, nearest first.
  std::vector<Contact> nearest(const NodeId& target, std::size_t count) const {
    std::vector<Contact> out;
    take_nearest(target, count, 0, size(), 0, out);
    return out;
  }

 private:
  // Where those begin whose bit is set, of some who share all bits before it.
  std::size_t split(std::size_t first, std::size_t last, std::size_t bit) const {
    const auto begin = nodes_.begin();
    const auto it = std::partition_point(begin + static_cast<std::ptrdiff_t>(first), begin + static_cast<std::ptrdiff_t>(last),
                                         [bit](const Node& n) { return !bit_of(n.contact.id, bit); });
    return static_cast<std::size_t>(it - begin);
  }
  void take_nearest(const NodeId& target, std::size_t count, std::size_t first, std::size_t last, std::size_t bit, std::vector<Contact>& out) const {
    if (first == last || out.size() == count) return;
    if (last - first == 1) return out.push_back(nodes_[first].contact);
    const std::size_t middle = split(first, last, bit);
    const bool set = bit_of(target, bit);
    take_nearest(target, count, set ? middle : first, set ? last : middle, bit + 1, out);
    take_nearest(target, count, set ? first : middle, set ? middle : last, bit + 1, out);
  }

  std::vector<Node> nodes_;
};

struct Found {
  bool target = false;
  std::size_t hops = 0;
  std::size_t queries = 0;
  std::size_t near = 0;  // of the nearest honest and living `replicas`
};

class Mesh {
 public:
  explicit Mesh(const Settings& settings) : settings_(settings), rng_(settings.seed) {
    std::vector<std::uint8_t> fates(settings.nodes, 0);
    const std::size_t dead = settings.nodes * settings.dead / 100;
    const std::size_t hostile = settings.nodes * settings.hostile / 100;
    std::fill_n(fates.begin(), dead, 1);
    std::fill_n(fates.begin() + static_cast<std::ptrdiff_t>(dead), hostile, 2);
    rng_.shuffle(std::span(fates));
    for (std::size_t i = 0; i < settings.nodes; ++i) {
      PublicKey key;
      for (std::size_t b = 0; b < 32; b += 8) store_le(key.bytes.data() + b, rng_.next());
      const auto byte = [i](int shift) { return static_cast<std::uint8_t>(i >> shift); };
      const Node node{.contact = make_contact(key, Endpoint::v4(10, byte(16), byte(8), byte(0), 9338)), .dead = fates[i] == 1, .hostile = fates[i] == 2};
      all_.add(node);
      if (node.hostile) hostile_.add(node);
      if (fates[i] == 0) honest_.add(node);
    }
    for (People* people : {&all_, &hostile_, &honest_}) people->sort();
  }

  Found run() {
    const Contact& from = honest_[rng_.below(honest_.size())].contact;
    const Contact* to = &from;
    while (to->id == from.id) to = &honest_[rng_.below(honest_.size())].contact;
    return settings_.greedy || settings_.tree ? route(from.id, to->id) : look_up(from.id, to->id);
  }

 private:
  // So many of [first, last) in random order, all different.
  static std::vector<std::size_t> draw(Rng& rng, std::size_t first, std::size_t last, std::size_t count) {
    std::vector<std::size_t> out;
    if (last - first <= 2 * count) {
      for (std::size_t i = first; i < last; ++i) out.push_back(i);
      rng.shuffle(std::span(out));
      out.resize(std::min(out.size(), count));
      return out;
    }
    while (out.size() < count) {
      const std::size_t i = first + rng.below(last - first);
      if (std::ranges::find(out, i) == out.end()) out.push_back(i);
    }
    return out;
  }
  Rng luck_of(std::size_t node) const { return Rng(settings_.seed * kNodesMax + node); }

  RoutingTable table_of(std::size_t node) const {
    const RoutingTable::Config config{.bucket_size = settings_.bucket, .prefix_per_bucket = 0, .prefix_per_table = 0};
    RoutingTable table(all_[node].contact.id, config);
    Rng rng = luck_of(node);
    all_.for_each_bucket(node, [&](std::size_t first, std::size_t last) {
      for (const std::size_t i : draw(rng, first, last, config.bucket_size + config.replacements)) {
        (void)table.heard({}, all_[i].contact, std::nullopt);
      }
    });
    return table;
  }
  static std::vector<Contact> nearest_of(const RoutingTable& table, const NodeId& target, std::size_t count, const NodeId& but) {
    std::vector<Contact> out;
    table.visit_nearest(target, [&](const RoutingTable::Entry& entry) {
      if (entry.contact.id != but) out.push_back(entry.contact);
      return out.size() < count;
    });
    return out;
  }
  std::vector<Contact> answer(const Node& node, std::size_t index, const NodeId& target, const NodeId& asker) const {
    if (node.hostile) return hostile_.nearest(target, kContactsPerReply);
    return nearest_of(table_of(index), target, kContactsPerReply, asker);
  }

  Found look_up(const NodeId& from, const NodeId& target) const {
    Lookup lookup({.self = from, .target = target, .want = settings_.want, .parallelism = settings_.parallelism,
                   .parallelism_max = settings_.parallelism_max, .paths = settings_.paths});
    const std::size_t seeds = std::max(settings_.bucket, Config{}.replicas);
    for (const Contact& seed : nearest_of(table_of(all_.index_of(from)), target, seeds, from)) lookup.seed(seed);
    std::deque<NodeId> open;
    while (!lookup.finished()) {
      while (const auto to = lookup.next()) open.push_back(to->id);
      if (open.empty()) break;
      const NodeId who = open.front();
      open.pop_front();
      const std::size_t index = all_.index_of(who);
      const Node& node = all_[index];
      if (node.dead) lookup.on_timeout(who);
      else lookup.on_reply(who, 1ms, answer(node, index, target, from));
    }
    return judge(lookup);
  }
  Found judge(const Lookup& lookup) const {
    const std::vector<Target> found = lookup.closest(SIZE_MAX);
    const auto brings = [&found](const NodeId& id) { return std::ranges::find(found, id, &Target::id) != found.end(); };
    Found out{.target = brings(lookup.target()), .hops = lookup.hop_of(lookup.target()), .queries = lookup.queries()};
    for (const Contact& contact : honest_.nearest(lookup.target(), Config{}.replicas)) {
      if (brings(contact.id)) ++out.near;
    }
    return out;
  }

  Found route(const NodeId& from, const NodeId& target) const {
    Found out;
    NodeId at = from;
    const std::size_t goal = all_.index_of(target);
    while (at != target) {
      const std::size_t self = all_.index_of(at);
      Rng rng = luck_of(self);
      NodeId next = at;
      all_.for_each_bucket(self, [&](std::size_t first, std::size_t last) {
        const Node& node = all_[first + rng.below(last - first)];
        const bool may = !settings_.tree || (first <= goal && goal < last);
        if (may && !node.dead && closer(target, node.contact.id, next)) next = node.contact.id;
      });
      if (next == at) return out;
      at = next;
      ++out.hops;
    }
    out.target = true;
    return out;
  }

  Settings settings_;
  Rng rng_;
  People all_, hostile_, honest_;
};

void tell(const Settings& settings) {
  Mesh mesh(settings);
  std::size_t found = 0;
  std::size_t queries = 0;
  std::size_t near = 0;
  std::array<std::size_t, kHopsMax> hops{};
  for (std::size_t i = 0; i < settings.lookups; ++i) {
    const Found one = mesh.run();
    queries += one.queries;
    near += one.near;
    if (!one.target) continue;
    ++found;
    ++hops[std::min(one.hops, kHopsMax - 1)];
  }
  const auto of = [&settings](std::size_t sum) { return static_cast<double>(sum) / static_cast<double>(settings.lookups); };
  std::printf("{\"lookups\":%zu,\"found\":%zu,\"near_share\":%.6f,\"queries_mean\":%.3f,\"hops\":[", settings.lookups, found,
              of(near) / static_cast<double>(Config{}.replicas), of(queries));
  for (std::size_t i = 0; i < kHopsMax; ++i) std::printf("%s%zu", i == 0 ? "" : ",", hops[i]);
  std::printf("]}\n");
}

bool read(Settings& settings, std::string_view name, std::size_t value) {
  if (name == "--nodes") settings.nodes = value;
  else if (name == "--lookups") settings.lookups = value;
  else if (name == "--seed") settings.seed = value;
  else if (name == "--dead") settings.dead = value;
  else if (name == "--hostile") settings.hostile = value;
  else if (name == "--bucket") settings.bucket = value;
  else if (name == "--want") settings.want = value;
  else if (name == "--parallelism") settings.parallelism = value;
  else if (name == "--parallelism-max") settings.parallelism_max = value;
  else if (name == "--paths") settings.paths = value;
  else if (name == "--greedy") settings.greedy = value != 0;
  else if (name == "--tree") settings.tree = value != 0;
  else return false;
  return true;
}

bool possible(const Settings& s) {
  return s.nodes <= kNodesMax && s.dead + s.hostile < 100 && s.nodes * (100 - s.dead - s.hostile) / 100 >= 2 && s.lookups > 0 && s.bucket > 0 &&
         s.bucket <= kBucketSizeMax && s.want > 0 && s.parallelism > 0 && s.paths > 0 && s.paths <= kPathsMax;
}

int main_of(int argc, char** argv) {
  Settings settings;
  bool good = argc % 2 == 1;
  for (int i = 1; good && i + 1 < argc; i += 2) {
    char* end = nullptr;
    const std::size_t value = std::strtoull(argv[i + 1], &end, 10);
    good = end != argv[i + 1] && *end == '\0' && read(settings, argv[i], value);
  }
  if (!good || !possible(settings)) {
    std::fprintf(stderr, "static_lookups: see the head of static_lookups.cc for what it takes\n");
    return 2;
  }
  tell(settings);
  return 0;
}

}  // namespace
}  // namespace weft::dht

int main(int argc, char** argv) { return weft::dht::main_of(argc, argv); }
