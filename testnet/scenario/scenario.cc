#include "testnet/scenario/scenario.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <cmath>
#include <initializer_list>
#include <set>

#include "crypto/check.h"
#include "node/units.h"

namespace weft::scenario {
namespace {

// One table of the file: hands out its values by key, each checked, and refuses what nobody asked
// for. The first problem stays.
class Reader {
 public:
  Reader(const toml::table& table, std::string_view file, std::optional<Problem>& problem)
      : table_(table), file_(file), problem_(problem) {
    line_ = table.source().begin.line;
  }
  std::uint32_t line() const { return line_; }
  bool has(std::string_view key) const { return table_.contains(key); }

  const toml::node* find(std::string_view key) {
    asked_.insert(std::string(key));
    return table_.get(key);
  }
  void wrong(const toml::node* node, const std::string& message) {
    if (problem_) return;
    const std::uint32_t line = node != nullptr ? node->source().begin.line : line_;
    problem_ = Problem{std::string(file_), line, message};
  }
  std::optional<std::string> text(std::string_view key) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    auto value = node->value_exact<std::string>();
    if (!value) wrong(node, std::string(key) + " takes a text in quotes");
    return value;
  }
  template <class T>
  void parsed(std::string_view key, std::optional<T> (*parse)(std::string_view), const char* like,
              T& out) {
    const toml::node* node = table_.get(key);
    const auto value = text(key);
    if (!value) return;
    const auto got = parse(*value);
    if (!got) return wrong(node, std::string(key) + " takes " + like);
    out = *got;
  }
  void duration(std::string_view key, Duration& out, Duration most = kDurationMax) {
    const Duration before = out;
    parsed<Duration>(key, &node::parse_duration, "a duration like \"250ms\" or \"5m\"", out);
    if (out <= most) return;
    out = before;
    wrong(table_.get(key), std::string(key) + " is at most " + node::format_duration(most));
  }
  void duration(std::string_view key, std::optional<Duration>& out) {
    if (!has(key)) return;
    Duration got{};
    duration(key, got);
    out = got;
  }
  void share(std::string_view key, std::uint32_t& out) {
    parsed<std::uint32_t>(key, &node::parse_share, "a share like \"25%\"", out);
  }
  template <class T>
  void whole(std::string_view key, T& out, std::int64_t least, std::int64_t most) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
      return wrong(node, std::string(key) + " takes a whole number from " + std::to_string(least) +
                             " to " + std::to_string(most));
    }
    out = static_cast<T>(*value);
  }
  void flag(std::string_view key, bool& out) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<bool>();
    if (!value) return wrong(node, std::string(key) + " takes true or false");
    out = *value;
  }
  // One of the words of an enumeration whose values are 0 to `last`.
  template <class E>
  bool word(std::string_view key, E last, E& out) {
    const toml::node* node = table_.get(key);
    const auto value = text(key);
    if (!value) return false;
    std::string all;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
      const auto one = static_cast<E>(i);
      if (to_string(one) == *value) {
        out = one;
        return true;
      }
      all += (i == 0 ? "" : ", ") + std::string(to_string(one));
    }
    wrong(node, std::string(key) + " is one of " + all);
    return false;
  }
  // Every key that was not asked for is one too many.
  void finish(std::string_view where) {
    for (const auto& [key, node] : table_) {
      if (asked_.contains(std::string(key.str()))) continue;
      wrong(&node, std::string(where) + " has no key '" + std::string(key.str()) + "'");
    }
  }

 private:
  const toml::table& table_;
  std::string_view file_;
  std::optional<Problem>& problem_;
  std::uint32_t line_ = 0;
  std::set<std::string> asked_;
};

Link read_link(Reader& in) {
  Link link;
  link.place.line = in.line();
  // The words of SPEC go through SPEC's own parser, so that both have the same bounds.
  std::string spec;
  for (const char* key : {"latency", "jitter", "loss", "dup", "reorder", "rate"}) {
    if (const auto value = in.text(key)) {
      if (std::string_view(key) == "latency" && *value == kCoordinates) {
        link.plane.emplace();
        continue;
      }
      spec += (spec.empty() ? "" : ",") + std::string(key) + "=" + *value;
      const auto one = node::parse_link_spec(std::string(key) + "=" + *value);
      if (!one) in.wrong(in.find(key), one.error());
    }
  }
  if (const auto parsed = node::parse_link_spec(spec)) link.spec = *parsed;
  Plane plane;
  in.duration("base", plane.base, 10s);
  in.duration("spread", plane.spread, 10s);
  if (link.plane) {
    if (plane.spread < 1us) in.wrong(in.find("latency"), "latency = \"coordinates\" needs a spread");
    link.plane = plane;
  } else if (in.has("base") || in.has("spread")) {
    in.wrong(in.find(in.has("base") ? "base" : "spread"), "base and spread belong to latency = \"coordinates\"");
  }
  in.duration("access", link.access, 10s);
  in.share("corrupt", link.corrupt_ppm);
  in.whole("mtu", link.mtu, 576, 65'535);
  in.duration("burst", link.burst, 10min);
  in.share("unroutable", link.unroutable_ppm);
  in.duration("nat_expiry", link.nat_expiry, 1h);
  return link;
}

// Of the scenario's own [link]: a node cannot move behind a NAT while it runs.
void read_nat(Reader& in, Link& link) {
  in.share("nat_share", link.nat_ppm);
  if (!in.has("nat")) {
    if (in.has("nat_share")) in.wrong(in.find("nat_share"), "nat_share belongs to nat");
    return;
  }
  in.word("nat", NatKind::kMixed, link.nat);
  if (link.nat != NatKind::kNone && link.nat_ppm == 0) in.wrong(in.find("nat"), "nat needs a nat_share");
  if (link.nat == NatKind::kNone) link.nat_ppm = 0;
}

std::optional<testnet::ChurnModel> churn_model(std::string_view text) {
  return testnet::parse_churn_model(text);
}

// What is new about a node that returns.
void read_return(Reader& in, Churn& churn) {
  const auto is_new = [&in](std::string_view key) {
    const auto word = in.text(key);
    if (word && *word != "new" && *word != "same") {
      in.wrong(in.find(key), std::string(key) + " is \"same\" or \"new\"");
    }
    return word == "new";
  };
  churn.new_identity = is_new("identity");
  churn.new_address = is_new("address");
  if (churn.new_identity && in.has("address") && !churn.new_address) {
    in.wrong(in.find("address"), "who comes back as somebody else has another address");
  }
}

Churn read_churn(Reader& in) {
  Churn churn;
  churn.place.line = in.line();
  read_return(in, churn);
  if (in.text("model") == "trace") {
    churn.trace_file = in.text("trace").value_or("");
    if (churn.trace_file.empty() || churn.trace_file.size() > kFileNameMax) {
      in.wrong(in.find("trace"), "model = \"trace\" needs trace = \"FILE.csv\"");
    }
    in.finish("[churn] model = \"trace\"");
    return churn;
  }
  in.parsed<testnet::ChurnModel>("model", &churn_model, "weibull, exponential, pareto or trace",
                                 churn.model);
  in.duration("median_session", churn.median_session);
  if (churn.median_session < 1s) in.wrong(in.find("median_session"), "[churn] needs a median_session of at least 1s");
  churn.median_absence = churn.median_session;
  in.duration("median_absence", churn.median_absence);
  if (churn.median_absence < 100ms) in.wrong(in.find("median_absence"), "median_absence is at least 100ms");
  if (const auto start = in.text("start")) {
    churn.fresh = *start == "fresh";
    if (*start != "fresh" && *start != "midway") {
      in.wrong(in.find("start"), "start is \"midway\" or \"fresh\"");
    }
  }
  in.duration("from", churn.from);
  in.duration("until", churn.until);
  if (churn.until && *churn.until <= churn.from) in.wrong(in.find("until"), "until must come after from");
  in.share("share", churn.share_ppm);
  in.whole("seeds", churn.seeds, 1, static_cast<std::int64_t>(kNodesMax));
  in.finish("[churn]");
  return churn;
}

DhtSettings read_dht(Reader& in) {
  DhtSettings dht;
  dht.place.line = in.line();
  in.whole("bucket_size", dht.bucket_size, 1, static_cast<std::int64_t>(kBucketSizeMax));
  in.whole("lookup_want", dht.lookup_want, 1, static_cast<std::int64_t>(kBucketSizeMax));
  in.whole("parallelism", dht.parallelism, 1, 8);
  in.whole("paths", dht.paths, 1, static_cast<std::int64_t>(kPathsMax));
  in.duration("refresh", dht.refresh);
  if (in.has("refresh") && dht.refresh < 10s) in.wrong(in.find("refresh"), "refresh is at least 10s");
  in.finish("[dht]");
  return dht;
}

MembershipSettings read_membership(Reader& in) {
  MembershipSettings m;
  m.place.line = in.line();
  in.duration("probe_interval", m.probe_interval, 1min);
  if (in.has("probe_interval") && m.probe_interval < 100ms) in.wrong(in.find("probe_interval"), "probe_interval is at least 100ms");
  in.duration("suspicion_min", m.suspicion_min);
  in.duration("suspicion_max", m.suspicion_max);
  if (in.has("indirect_probes")) in.whole("indirect_probes", m.indirect_probes.emplace(), 0, static_cast<std::int64_t>(kIndirectProbesMax));
  if (in.has("gossip_fanout")) in.whole("gossip_fanout", m.gossip_fanout.emplace(), 0, static_cast<std::int64_t>(kIndirectProbesMax));
  in.flag("health", m.health);
  in.flag("tries", m.tries);
  in.flag("nacks", m.nacks);
  in.flag("buddy", m.buddy);
  in.flag("shortening", m.shortening);
  in.flag("own_probe", m.own_probe);
  in.flag("proofs", m.proofs);
  in.flag("burst", m.burst);
  in.flag("forming", m.forming);
  in.flag("stalls", m.stalls);
  in.flag("credit", m.credit);
  in.finish("[membership]");
  return m;
}

Load read_load(Reader& in, Duration duration) {
  Load load;
  load.place.line = in.line();
  if (!in.has("do")) in.wrong(nullptr, "[[load]] needs do = \"put\", \"get\", \"lookup\" or \"state\"");
  in.word("do", LoadKind::kState, load.kind);
  if (const toml::node* rate = in.find("rate")) {
    std::optional<double> value = rate->value<double>();
    if (!value || !(*value >= 0.001) || *value > 100'000) {
      in.wrong(rate, "rate is a number of operations per second from 0.001 to 100000");
    } else {
      load.per_1000s = static_cast<std::uint64_t>(std::llround(*value * 1000));
    }
  }
  in.whole("count", load.count, 1, 1'000'000);
  if (load.kind == LoadKind::kGet && in.has("every")) {
    in.duration("every", load.every);
    if (load.every < 1s) in.wrong(in.find("every"), "every is at least 1s");
  }
  const int spacings = (load.count != 0) + (load.per_1000s != 0) + (load.every != Duration{});
  if (spacings != 1) in.wrong(nullptr, "[[load]] needs either rate or count; a get may have every in place of them");
  const bool state = load.kind == LoadKind::kState;
  in.whole("size", load.size, 1, static_cast<std::int64_t>(state ? kStateValueMax : kValueBytesMax));
  if (load.kind == LoadKind::kPut || state) in.whole("keys", load.keys, 1, 1'000'000);
  if (state) in.whole("writers", load.writers, 1, 1'000'000);
  if (state) in.whole("batch", load.batch, 1, static_cast<std::int64_t>(kStateBatchMax));
  if (load.kind == LoadKind::kPut || load.kind == LoadKind::kGet) in.whole("quorum", load.quorum, 1, 32);
  if (load.kind == LoadKind::kLookup) {
    const auto target = in.text("target");
    if (target && *target != "random" && *target != "node") in.wrong(in.find("target"), "target is \"random\" or \"node\"");
    load.of_node = target == "node";
  }
  in.duration("from", load.from, duration);
  in.duration("until", load.until);
  if (load.until && (*load.until <= load.from || *load.until > duration)) {
    in.wrong(in.find("until"), "until must come after from and not after the duration");
  }
  in.finish("[[load]]");
  return load;
}

// Which keys an action takes beside t, when, within, do and phase. `!`: required.
struct Shape {
  Do what;
  std::initializer_list<std::string_view> keys;
};
const Shape kShapes[] = {
    {Do::kKill, {"!who"}},
    {Do::kStop, {"!who"}},
    {Do::kPause, {"!who", "for"}},
    {Do::kResume, {"!who"}},
    {Do::kRestart, {"!who"}},
    {Do::kAdd, {"!nodes", "dead_seeds"}},
    {Do::kPartition, {"share", "who", "partial", "one_way", "for"}},
    {Do::kHeal, {}},
    {Do::kLink, {"latency", "base", "spread", "jitter", "loss", "dup", "reorder", "rate", "access", "corrupt", "mtu",
                 "burst", "unroutable", "nat_expiry"}},
    {Do::kNote, {}},
    {Do::kPut, {"!count"}},
    {Do::kGet, {"!count"}},
    {Do::kSlowCpu, {"!who", "!amount", "for"}},
    {Do::kSlowDisk, {"!who", "!amount", "for"}},
    {Do::kFailDisk, {"!who", "for"}},
    {Do::kLateReceive, {"!who", "!amount", "for"}},
    {Do::kBlock, {"!who", "for"}},
    {Do::kClockStep, {"!who", "!amount", "for"}},
    {Do::kClockSkew, {"!who", "!ppm", "for"}},
    {Do::kClockDrift, {"!who", "!ppm", "!every", "for"}},
    {Do::kHostile, {"!who", "!role", "for"}},
    {Do::kEnd, {}},
    {Do::kCalm, {"!who"}},
    {Do::kBackup, {"!who"}},
    {Do::kRestoreBackup, {"!who"}},
    {Do::kTwin, {"!who"}},
};

Action read_action(Reader& in, Duration duration) {
  Action action;
  action.place.line = in.line();
  in.duration("t", action.t, duration);
  if (const auto when = in.text("when")) {
    if (*when == "converged") action.when = Action::When::kConverged;
    else if (*when == "idle") action.when = Action::When::kIdle;
    else in.wrong(in.find("when"), "when is \"converged\" or \"idle\"");
    in.duration("within", action.within);
  } else if (!in.has("t")) {
    in.wrong(nullptr, "[[at]] needs t or when");
  }
  if (!in.has("do") && !in.has("phase")) in.wrong(nullptr, "[[at]] needs do or phase");
  in.word("do", Do::kLast, action.what);
  const std::string name(to_string(action.what));
  const Shape* shape = nullptr;
  for (const Shape& one : kShapes) {
    if (one.what == action.what) shape = &one;
  }
  for (const std::string_view entry : shape->keys) {
    const bool required = entry.starts_with('!');
    const std::string_view key = required ? entry.substr(1) : entry;
    if (required && !in.has(key)) in.wrong(nullptr, name + " needs " + std::string(key));
    if (key == "who") {
      if (const auto who = in.text("who")) {
        const auto selection = testnet::parse_selection(*who);
        if (!selection) in.wrong(in.find("who"), selection.error());
        else action.who = *selection;
      }
    } else if (key == "nodes") {
      in.whole("nodes", action.nodes, 1, static_cast<std::int64_t>(kNodesMax));
    } else if (key == "dead_seeds") {
      in.whole("dead_seeds", action.dead_seeds, 0, static_cast<std::int64_t>(kDeadSeedsMax));
    } else if (key == "share") {
      in.share("share", action.share_ppm);
    } else if (key == "partial") {
      in.share("partial", action.partial_ppm);
    } else if (key == "every") {
      in.duration("every", action.every, 1h);
      if (action.every < 100ms) in.wrong(in.find("every"), "every is at least 100ms");
    } else if (key == "one_way") {
      in.flag("one_way", action.one_way);
    } else if (key == "for") {
      in.duration("for", action.lasts);
    } else if (key == "count") {
      in.whole("count", action.count, 1, 100'000);
    } else if (key == "amount") {
      if (action.what == Do::kClockStep) {
        // A step may go back: "-5s".
        const auto text = in.text("amount");
        const bool back = text && text->starts_with('-');
        const auto size = text ? node::parse_duration(back ? text->substr(1) : *text) : std::nullopt;
        if (!size) in.wrong(in.find("amount"), "amount takes a duration, with a - for back");
        else action.amount = back ? -*size : *size;
      } else {
        in.duration("amount", action.amount, 1min);
      }
    } else if (key == "ppm") {
      in.whole("ppm", action.ppm, action.what == Do::kClockDrift ? 1 : -200'000, 200'000);
    } else if (key == "role") {
      in.word("role", Role::kLast, action.role);
    }
  }
  if (action.what == Do::kPartition && in.has("share") == in.has("who")) {
    in.wrong(nullptr, "partition needs either share or who");
  }
  if (action.what == Do::kLink) action.link = read_link(in);
  if (const auto say = in.text("say")) {
    action.say = *say;
    if (say->size() > kSayMax || std::ranges::any_of(*say, [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
      in.wrong(in.find("say"), "say takes one line of at most 300 bytes");
    }
  }
  if (const auto phase = in.text("phase")) {
    action.phase = *phase;
    const bool plain = std::ranges::all_of(*phase, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
    if (phase->empty() || phase->size() > kPhaseNameMax || !plain) {
      in.wrong(in.find("phase"), "a phase is named by up to 64 of a-z, 0-9, _ and -");
    }
  }
  in.finish("[[at]] do = \"" + name + "\"");
  return action;
}

Check read_check(Reader& in) {
  Check check;
  check.place.line = in.line();
  const auto field = in.text("field");
  if (!field || field->empty() || field->size() > 200 ||
      field->find_first_of("/~") != std::string::npos) {
    in.wrong(in.find("field"), "[[check]] needs a field of the report, like \"total.gets.ok_share\"");
  } else {
    check.field = *field;
  }
  if (!in.has("is")) in.wrong(nullptr, "[[check]] needs is = \"==\", \"!=\", \"<\", \"<=\", \">\" or \">=\"");
  in.word("is", Compare::kAtLeast, check.compare);
  const toml::node* value = in.find("value");
  if (value == nullptr) {
    in.wrong(nullptr, "[[check]] needs a value");
  } else if (const auto on = value->value_exact<bool>()) {
    check.value = *on ? 1 : 0;
  } else if (const auto number = value->value<double>(); number && std::isfinite(*number)) {
    check.value = *number;
  } else {
    in.wrong(value, "value takes a number, true or false");
  }
  in.finish("[[check]]");
  return check;
}

// Each table of an array of tables, at most `most` of them.
template <class Read>
void each(Reader& in, std::string_view key, std::size_t most, std::string_view file,
          std::optional<Problem>& problem, Read read) {
  const toml::node* node = in.find(key);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  const std::string name = "[[" + std::string(key) + "]]";
  if (array == nullptr) return in.wrong(node, name + " is a list of tables");
  if (array->size() > most) {
    return in.wrong(node, "at most " + std::to_string(most) + " of " + name);
  }
  for (const toml::node& element : *array) {
    const toml::table* table = element.as_table();
    if (table == nullptr) return in.wrong(&element, name + " is a list of tables");
    Reader one(*table, file, problem);
    read(one);
  }
}

template <class Read>
void one(Reader& in, std::string_view key, std::string_view file, std::optional<Problem>& problem,
         Read read) {
  const toml::node* node = in.find(key);
  if (node == nullptr) return;
  const toml::table* table = node->as_table();
  if (table == nullptr) return in.wrong(node, std::string(key) + " is a table");
  Reader inner(*table, file, problem);
  read(inner);
}

std::string stem(std::string_view file) {
  if (const auto slash = file.rfind('/'); slash != std::string_view::npos) file.remove_prefix(slash + 1);
  if (file.ends_with(".toml")) file.remove_suffix(5);
  return std::string(file);
}

}  // namespace

std::expected<Scenario, Problem> parse_scenario(std::string_view text, std::string_view file) {
  const auto at = [&](std::uint32_t line, std::string message) {
    return std::unexpected(Problem{std::string(file), line, std::move(message)});
  };
  if (text.size() > kTextMax) return at(0, "a scenario has at most 256 KiB");
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) return at(parsed.error().source().begin.line, std::string(parsed.error().description()));
  std::optional<Problem> problem;
  Reader in(parsed.table(), file, problem);
  Scenario s;
  s.name = in.text("name").value_or(stem(file));
  if (s.name.empty() || s.name.size() > 100) in.wrong(in.find("name"), "a name has 1 to 100 bytes");
  in.whole("seed", s.seed, 0, INT64_MAX);
  if (!in.has("nodes")) in.wrong(nullptr, "a scenario needs nodes");
  in.whole("nodes", s.nodes, 1, static_cast<std::int64_t>(kNodesMax));
  in.duration("duration", s.duration);
  if (s.duration < 1s) in.wrong(in.find("duration"), "duration is at least 1s");
  in.duration("settle", s.settle);
  in.duration("heal", s.heal);
  // Either a table of settings, or false.
  if (const toml::node* node = in.find("membership"); node != nullptr && node->is_table()) {
    one(in, "membership", file, problem, [&](Reader& table) { s.membership_settings = read_membership(table); });
  } else {
    in.flag("membership", s.membership);
  }
  in.flag("by_kind", s.by_kind);
  in.whole("values_memory", s.values_memory, 0, INT64_MAX);
  in.flag("sweep", s.sweep);
  in.duration("commit", s.commit, 1min);
  one(in, "link", file, problem, [&](Reader& table) {
    s.link = read_link(table);
    read_nat(table, s.link);
    table.finish("[link]");
  });
  one(in, "dht", file, problem, [&](Reader& table) { s.dht = read_dht(table); });
  one(in, "churn", file, problem, [&](Reader& table) { s.churn = read_churn(table); });
  each(in, "load", kLoadsMax, file, problem,
       [&](Reader& table) { s.loads.push_back(read_load(table, s.duration)); });
  std::set<std::string> phases = {"form", "run", "heal", "total"};
  each(in, "at", kActionsMax, file, problem, [&](Reader& table) {
    s.actions.push_back(read_action(table, s.duration));
    const std::string& phase = s.actions.back().phase;
    if (!phase.empty() && !phases.insert(phase).second) {
      table.wrong(table.find("phase"), "there is a phase '" + phase + "' already");
    }
  });
  each(in, "check", kChecksMax, file, problem,
       [&](Reader& table) { s.checks.push_back(read_check(table)); });
  in.finish("a scenario");
  if (problem) return std::unexpected(*problem);
  return s;
}

std::optional<Problem> attach_trace(Scenario& scenario, std::string_view csv, std::string_view file) {
  CHECK(scenario.churn.has_value());
  auto trace = testnet::parse_churn_trace(csv, scenario.nodes);
  if (!trace) return Problem{std::string(file), trace.error().line, trace.error().message};
  scenario.churn->trace = std::move(*trace);
  return std::nullopt;
}

}  // namespace weft::scenario
