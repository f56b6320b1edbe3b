// Properties of one node with shared state: whatever its disk does (invariant 23) and whatever it is told (18, 24, part of 8 and 21);
// state_properties_set_test.cc lists all.
#include <deque>

#include "crypto/sessions.h"
#include "gossip/broadcast/links.h"
#include "gossip/state/state.h"
#include "tests/gossip/state_reference.h"

namespace weft::state {
namespace {

using weft::testing::holds;
using weft::testing::OnFailure;

constexpr std::size_t kSelf = 0;

const Genesis& genesis() {
  static const Genesis made = make_genesis(identity_of(kSelf), "n", Access::kOpen);
  return made;
}

// A node whose disk does what it is told, and which is looked at after every call.
class Subject {
 public:
  explicit Subject(Config config = {}) : config_(config) {
    start();
    call([&](Output& out) { state->join(now(), next_op(), genesis(), out); });
    while (!pending.empty()) commit(true);
  }

  void start() {
    state = std::make_unique<State>(identity_of(kSelf), provider_, entropy_, Rng(++lives_), config_, now());
    for (const std::uint8_t table : {kRowSpace, kRowEntry}) {
      for (const auto& [key, value] : rows) {
        if (key[0] == table) state->restore(now(), key, value);
      }
    }
    state->restored();
  }
  // What was under way is lost, or its first batches were written and nobody was told.
  void crash(std::size_t written) {
    for (; written > 0 && !pending.empty(); --written) write_rows(take_pending());
    pending.clear();
    open_.clear();
    start();
    last_stamp_ = 0;
    for (const EntryId& id : own) {
      if (space().holds(id)) last_stamp_ = std::max(last_stamp_, known.at(id)->entry.content.stamp);
    }
  }
  void commit(bool ok, bool kept_anyway = false) {
    if (pending.empty()) return;
    const Persist batch = take_pending();
    if (ok || kept_anyway) write_rows(batch);
    call([&](Output& out) { state->on_persisted(now(), batch.ticket, ok, out); });
  }
  // Calls into the state, takes what comes out, and checks what must hold after any call.
  template <class Call>
  void call(Call what) {
    Output out;
    what(out);
    for (Persist& p : out.persist) {
      for (const Write& w : p.writes) note(w);
      pending.push_back(std::move(p));
    }
    for (const Request& r : out.requests) {
      asked.push_back(r);
      std::visit([&](const auto& m) { bytes_out += size_of(m); }, r.message);
    }
    for (const Send& s : out.sends) {
      std::visit([&](const auto& m) { (std::is_same_v<std::decay_t<decltype(m)>, Link> ? link_bytes_out : bytes_out) += size_of(m); }, s.message);
      if (const auto* push = std::get_if<Push>(&s.message)) forwards(*push);
    }
    for (const Event& event : out.events) {
      const auto* done = std::get_if<StateDone>(&event);
      if (done == nullptr) continue;
      RC_ASSERT(open_.erase(done->op) == 1U);  // one operation, one end
      refused = refused || !done->entries;
    }
    const Stats stats = state->stats();
    RC_ASSERT(stats.bytes <= config_.bytes_max / 50 * 51);
    RC_ASSERT(stats.walks <= kWalksMax);
    RC_ASSERT(stats.held_back <= kHeldBackMax);
    RC_ASSERT(stats.neighbours <= broadcast::kNeighboursMax);
  }
  void pass(Duration time) {
    mono_ += time;
    call([&](Output& out) { state->on_deadline(now(), out); });
  }
  void write(std::span<const Change> changes) {
    call([&](Output& out) { state->write(now(), next_op(), genesis().id, changes, out); });
  }
  OpId next_op() {
    const auto op = static_cast<OpId>(++ops_);
    open_.insert(op);
    return op;
  }
  Now now() const { return {mono_, UnixMillis{1'800'000'000'000 + mono_.time_since_epoch() / 1ms + skew_ms}}; }
  const Space& space() const { return *state->find(genesis().id); }
  template <class M>
  static std::size_t size_of(const M& m) {
    ByteArray<2 * kDatagramBytesMax> room;
    Writer w(room);
    encode(w, UINT32_MAX, m);
    RC_ASSERT(w.ok());
    RC_ASSERT(w.size() <= kPayloadBytesMax);
    return w.size();
  }
  // All that is here, durable or not, of what ever came or was written.
  std::vector<KeptRef> here() const {
    std::vector<KeptRef> out;
    for (const auto& [id, kept] : known) {
      if (space().holds(id)) out.push_back(kept);
    }
    return out;
  }
  void reads_as_the_reference() const {
    const std::vector<KeptRef> set = here();
    RC_ASSERT(space().documents().size() == set.size());
    RC_ASSERT(pages(space().documents()) == Reference(set).pages());
  }
  bool durable(const EntryId& id) const {
    return std::ranges::any_of(rows, [&](const auto& row) { return row.first[0] == kRowEntry && equal(ByteView(row.first).last(16), id.bytes); });
  }

  std::unique_ptr<State> state;
  std::map<Bytes, Bytes> rows;
  std::deque<Persist> pending;
  std::vector<Request> asked;
  std::map<EntryId, KeptRef> known;
  std::vector<EntryId> own;  // in the order in which they were written
  std::int64_t skew_ms = 0;
  bool clock_moved = false;
  bool refused = false;  // some operation, since the test has cleared it
  std::size_t bytes_out = 0, link_bytes_out = 0;

 private:
  Persist take_pending() {
    Persist out = std::move(pending.front());
    pending.pop_front();
    return out;
  }
  void write_rows(const Persist& batch) {
    for (const Write& w : batch.writes) {
      if (w.erase) rows.erase(w.key);
      else rows[w.key] = w.value;
    }
  }
  // Each place of our history is used once, whatever was lost; our stamps ascend; an entry names one that is here.
  void note(const Write& w) {
    if (w.erase || w.key[0] != kRowEntry) return;
    const auto kept = std::make_shared<const Kept>(to_bytes(ByteView(w.value).subspan(8)));
    const Content& c = kept->entry.content;
    if (!known.emplace(kept->entry.id, kept).second || c.author != identity_of(kSelf).public_key()) return;
    RC_ASSERT(places_.emplace(std::pair(c.epoch, c.seq), kept->entry.id).second);
    // Also from one epoch to the next, unless somebody has moved the clock.
    RC_ASSERT(c.stamp > last_stamp_ || (clock_moved && c.epoch != epoch_));
    epoch_ = c.epoch;
    last_stamp_ = c.stamp;
    if (c.prev && pending.empty()) RC_ASSERT(here_or_discarded(space(), known.at(*c.prev)->entry));
    own.push_back(kept->entry.id);
  }
  // What goes on is here and was accepted; what is ours, durable.
  void forwards(const Push& push) const {
    const auto entries = unpack(genesis().id, push.pack);
    RC_ASSERT(entries.has_value());
    for (const Unpacked& one : *entries) {
      RC_ASSERT(space().holds(one.entry.id));
      RC_ASSERT(verify_entry(provider_, one.entry));
      if (one.entry.content.author == identity_of(kSelf).public_key()) RC_ASSERT(durable(one.entry.id));
    }
  }

  Config config_;
  CheapProvider provider_;
  SeededEntropy entropy_{1};
  Instant mono_{Duration(1s)};
  std::set<OpId> open_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, EntryId> places_;
  std::uint64_t lives_ = 0, ops_ = 0, last_stamp_ = 0;
  std::optional<std::uint64_t> epoch_;  // of our last entry
};

// What users do: as many changes as the list has numbers, and one.
void write(Subject& subject, const Step& step) {
  std::vector<std::string> texts;
  std::vector<Change> changes;
  texts.reserve(step.list.size() + 1);
  for (std::size_t i = 0; i <= step.list.size(); ++i) {
    const std::uint8_t number = i == 0 ? step.y : step.list[i - 1];
    texts.push_back("v" + std::to_string(number % 7));
    const std::string& path = History::kPaths[number / 8 % History::kPaths.size()];
    changes.push_back({.what = static_cast<Change::What>((step.x + i) % 5), .path = as_bytes(path), .value = as_bytes(texts.back()),
                       .amount = static_cast<std::int64_t>(step.z) - 100});
  }
  subject.write(changes);
}

// ---- the disk

enum Disk : std::uint8_t { kUse, kCommit, kFail, kCrash, kTime, kClock };

TEST(NodeProperties, AcknowledgedWritesSurviveAndNoPlaceIsUsedTwice) {
  holds(2500, [] {
    const Script script = *weft::testing::scripts(40, {8, 6, 2, 2, 2, 1}, 3);
    Subject subject;
    std::set<EntryId> acknowledged, failed;
    for (const Step& step : script) {
      switch (step.does) {
        case kUse: write(subject, step); break;
        case kCommit:
        case kFail: {
          if (subject.pending.empty()) break;
          std::vector<EntryId> in_it;
          for (const Write& w : subject.pending.front().writes) {
            if (!w.erase && w.key[0] == kRowEntry) in_it.push_back(decode_entry(ByteView(w.value).subspan(8))->id);
          }
          subject.refused = false;
          subject.commit(step.does == kCommit, /*kept_anyway=*/step.x % 2 == 1);
          // A write may be refused although it is durable: it contains a count of an earlier one that is not.
          const bool good = step.does == kCommit && !subject.refused;
          (good ? acknowledged : failed).insert(in_it.begin(), in_it.end());
          for (const EntryId& id : in_it) RC_ASSERT(subject.space().holds(id) == good);
          break;
        }
        case kCrash: subject.crash(step.x % 4); break;
        case kTime: subject.pass(std::chrono::milliseconds(1 + step.x * 10)); break;
        case kClock:  // a day either way
          subject.skew_ms = (step.x - 128) * std::int64_t{700'000};
          subject.clock_moved = true;
          break;
      }
      subject.reads_as_the_reference();
      for (const EntryId& id : acknowledged) RC_ASSERT(here_or_discarded(subject.space(), subject.known.at(id)->entry));
      // What others are shown of ours is durable.
      subject.space().tree().visit({}, {}, [&](const EntryKey& key) {
        RC_ASSERT(subject.durable(key.id()));
        return true;
      });
    }
    // A crash here, after each of the batches under way: what is left of each epoch is a prefix of what was written, but for what the disk refused.
    subject.crash(script.size() % 3);
    bool lost = false;
    std::optional<std::uint64_t> epoch;
    for (const EntryId& id : subject.own) {
      const Content& c = subject.known.at(id)->entry.content;
      if (epoch != c.epoch) lost = false;
      epoch = c.epoch;
      if (failed.contains(id)) continue;
      if (!here_or_discarded(subject.space(), subject.known.at(id)->entry)) lost = true;
      else RC_ASSERT(!lost);
    }
    for (const EntryId& id : acknowledged) RC_ASSERT(here_or_discarded(subject.space(), subject.known.at(id)->entry));
    subject.reads_as_the_reference();
    const std::size_t before = subject.own.size();
    const Change change{.what = Change::What::kSet, .path = as_bytes("last"), .value = as_bytes("v")};
    subject.write({&change, 1});
    RC_ASSERT(subject.own.size() == before + 1);
    // A new life opens another epoch, and names the last entry that is left.
    const Content& first = subject.known.at(subject.own.back())->entry.content;
    RC_ASSERT(first.seq == 1U);
    RC_ASSERT(first.prev.has_value() == std::ranges::any_of(subject.own, [&](const EntryId& id) { return id != subject.own.back() && subject.space().holds(id); }));
  });
}

// ---- what it is told

enum Told : std::uint8_t { kPushed, kAnnounced, kGrafted, kPruned, kLinked, kAsked, kDigest, kAnswered, kSilent, kMeanwhile, kOwnWrite, kGone };

// Entries as authors, honest or not, and those who change bytes make them.
std::vector<KeptRef> entries_of_others() {
  std::vector<KeptRef> out;
  for (std::size_t i = 0; i < 12; ++i) {
    std::vector<EntryId> saw;
    if (i % 3 == 2) saw.push_back(out[i - 2]->entry.id);
    constexpr std::uint64_t kNow = 1'800'000'000'000ULL << 16;
    const std::uint64_t stamp = i == 5 ? kNow + (60'000ULL << 16) : i == 7 ? UINT64_MAX : kNow + i;
    out.push_back(signed_entry(1 + i % 3, {.space = genesis().id, .author = identity_of(1 + i % 3).public_key(), .epoch = 1, .seq = 1 + i / 3, .prev = {},
                                           .stamp = stamp, .kind = Kind::kSet, .path = as_bytes("p"), .body = as_bytes(std::to_string(i)), .saw = saw}));
  }
  return out;
}

class Talker {
 public:
  explicit Talker(Subject& subject) : subject_(subject) {
    for (const KeptRef& kept : entries()) subject.known.emplace(kept->entry.id, kept);
  }
  static const std::vector<KeptRef>& entries() {
    static const std::vector<KeptRef> all = entries_of_others();
    return all;
  }

  void say(const Step& step) {
    Subject& s = subject_;
    const NodeId from = identity_of(1 + step.who % 3).id();
    const Contact peer = make_contact(identity_of(1 + step.who % 3).public_key(), Endpoint::v4(10, 0, 0, 1, 1000));
    switch (step.does) {
      case kPushed: return send(push(step), [&](const auto& read, Output& out) { s.state->on_push(s.now(), from, read, out); });
      case kAnnounced: {
        IHave m{.space = handle(step), .ids = {}};
        for (const std::uint8_t number : step.list) (void)m.ids.try_push({.id = id(number).bytes, .hops = step.z});
        return send(m, [&](const auto& read, Output& out) { s.state->on_ihave(s.now(), from, read, out); });
      }
      case kGrafted: {
        Graft m{.space = handle(step), .eager = step.x % 2 == 1, .ids = {}};
        for (const std::uint8_t number : step.list) (void)m.ids.try_push(id(number));
        return send(m, [&](const auto& read, Output& out) { s.state->on_graft(s.now(), from, read, out); });
      }
      case kPruned: return send(Prune{.space = handle(step)}, [&](const auto& read, Output& out) { s.state->on_prune(s.now(), from, read, out); });
      case kLinked: {
        Link m{.space = handle(step), .step = static_cast<broadcast::LinkStep>(1 + step.x % 5), .others = {}};
        for (const std::uint8_t number : step.list) (void)m.others.try_push(identity_of(number % kAuthors).id());
        return send(m, [&](const auto& read, Output& out) { s.state->on_link(s.now(), from, read, out); });
      }
      case kAsked: return ask(step, peer);
      case kDigest: {
        TreeHash digest{};
        digest[0] = step.x;
        bytes_in += 64;  // of an Ack
        return s.call([&](Output& out) { s.state->on_digest(s.now(), peer, digest, out); });
      }
      case kAnswered: return reply(step);
      case kSilent: {
        if (s.asked.empty()) return;
        const RequestTag tag = s.asked[step.x % s.asked.size()].tag;
        return s.call([&](Output& out) { s.state->on_timeout(s.now(), tag, out); });
      }
      case kMeanwhile: return s.pass(std::chrono::milliseconds(1 + step.x * step.y / 16));
      case kOwnWrite:
        write(s, step);
        while (!s.pending.empty()) s.commit(true);
        return;
      default: return s.call([&](Output&) { s.state->forget(s.now(), from); });
    }
  }
  std::size_t bytes_in = 0;

 private:
  // Over the wire, which takes only what has its form.
  template <class M, class Handle>
  void send(const M& m, Handle handle) {
    ByteArray<2 * kDatagramBytesMax> room;
    Writer w(room);
    encode(w, 7, m);
    RC_ASSERT(w.ok());
    bytes_in += w.size() + kDataOverhead;
    Reader r(w.view());
    (void)r.array(8);
    (void)r.uint();
    (void)r.uint();
    M read;
    if (decode(r, read)) return;
    subject_.call([&](Output& out) { handle(read, out); });
  }
  static SpaceHandle handle(const Step& step) { return step.y == 255 ? SpaceHandle{9} : handle_of(genesis().id); }
  EntryId id(std::uint8_t number) const {
    if (number % 4 == 0) return {{number, 1}};  // of nothing
    if (number % 4 == 1 && !subject_.own.empty()) return subject_.own[number % subject_.own.size()];
    return entries()[number % entries().size()]->entry.id;
  }
  Bytes pack(const Step& step, std::size_t* count = nullptr) const {
    Packer packer(kPayloadBytesMax - kPackHeadBytes);
    for (const std::uint8_t number : step.list) {
      Bytes wire = entries()[number % entries().size()]->bytes;
      if (number >= 128) wire[wire.size() - 64 + number % 8] ^= 1;  // of the signature
      (void)packer.add(decode_entry(wire).value());
    }
    if (count != nullptr) *count = packer.count();
    Bytes out = packer.bytes();
    if (step.x % 8 == 7 && !out.empty()) out[step.z % out.size()] ^= static_cast<std::uint8_t>(1U << step.x / 32U);
    return out;
  }
  Push push(const Step& step) const {
    Push m{.space = handle(step), .hops = {}, .pack = {}};
    std::size_t count = 0;
    m.pack = pack(step, &count);
    if (step.x % 16 == 3) ++count;
    while (m.hops.size() < std::min(count, kPackEntriesMax)) m.hops.push(step.z);
    return m;
  }
  Prefix prefix(const Step& step) const {
    const EntryKey towards = key_of(entries()[step.x % entries().size()]->entry);
    Prefix out;
    while (out.nibbles < step.z % (kNibbles + 1)) out = out.then(towards.bytes[out.nibbles / 2] >> (out.nibbles % 2 == 0 ? 4 : 0) & 15);
    return out;
  }
  void ask(const Step& step, const Contact& peer) {
    const Asker asker{.contact = peer, .rpc = 1, .early = step.y % 2 == 1, .reply_max = kPayloadBytesMax};
    if (step.y % 3 == 0) {
      Roots m{.salt = {step.x}, .roots = {}};
      for (const std::uint8_t number : step.list) m.roots.push({.space = number % 2 == 0 ? handle_of(genesis().id) : SpaceHandle{number}, .hash = number});
      send(m, [&](const Roots& read, Output&) {
        RootsReply out;
        subject_.state->on_roots(subject_.now(), asker, read, out);
        RC_ASSERT(out.roots.size() <= m.roots.size());
        (void)Subject::size_of(out);
      });
    } else if (step.y % 3 == 1) {
      Branch m{.space = handle(step), .salt = {step.x}, .nodes = {}};
      for (std::size_t i = 0; i < step.list.size(); ++i) (void)m.nodes.try_push(prefix(step));
      send(m, [&](const Branch& read, Output&) {
        BranchReply out;
        if (subject_.state->on_branch(subject_.now(), asker, read, out)) RC_ASSERT(out.nodes.size() == m.nodes.size());
        (void)Subject::size_of(out);
      });
    } else {
      const Fetch m{.space = handle(step), .salt = {step.x}, .prefix = prefix(step), .after = {}, .have = {}};
      send(m, [&](const Fetch& read, Output&) {
        FetchReply out;
        (void)subject_.state->on_fetch(subject_.now(), asker, read, out);
        (void)Subject::size_of(out);
      });
    }
  }
  // To a question of its own, by whom it asked: what another set would answer, or anything.
  void reply(const Step& step) {
    Subject& s = subject_;
    if (s.asked.empty()) return;
    const Request question = s.asked[s.asked.size() - 1 - step.who / 4U % std::min<std::size_t>(s.asked.size(), 8)];
    Space other(genesis());
    for (std::size_t i = 0; i < entries().size(); ++i) {
      if ((step.x >> i % 8 & 1) != 0) (void)offer(other, entries()[i]);
    }
    if (const auto* roots = std::get_if<Roots>(&question.message)) {
      RootsReply m;
      for (const Root& root : roots->roots) m.roots.push({.space = root.space, .hash = step.y});
      send(m, [&](const RootsReply& read, Output& out) { s.state->on_roots_reply(s.now(), question.tag, read, out); });
    } else if (const auto* branch = std::get_if<Branch>(&question.message)) {
      BranchReply m;
      answer(other, *branch, m);
      if (step.y % 4 == 3 && m.nodes.size() > 0) m.nodes[0].at = prefix(step);
      if (step.y % 8 == 6) m.nodes = {};
      send(m, [&](const BranchReply& read, Output& out) { s.state->on_branch_reply(s.now(), question.tag, read, out); });
    } else {
      FetchReply m;
      answer(other, std::get<Fetch>(question.message), kPayloadBytesMax, m);
      if (step.y % 4 == 3) m.more = !m.more;
      if (step.y % 4 == 2) m.pack = pack(step);
      send(m, [&](const FetchReply& read, Output& out) { s.state->on_fetch_reply(s.now(), question.tag, read, out); });
    }
  }

  Subject& subject_;
};

// A little room, so that it is full now and then.
TEST(NodeProperties, WhateverItIsToldItKeepsItsBoundsAndItsOwn) {
  holds(1500, [] {
    const Script script = *weft::testing::scripts(60, {8, 3, 3, 1, 3, 2, 3, 6, 1, 4, 2, 1}, 8);
    const auto room = *rc::gen::inRange<std::uint64_t>(0, 8);
    Subject subject({.bytes_max = room < 2 ? 2000 + 100 * room : 256ULL << 20});
    Talker talker(subject);
    std::set<EntryId> mine;
    for (const Step& step : script) {
      talker.say(step);
      subject.reads_as_the_reference();
      // Nobody takes a word of ours out of the set, and what is there was signed by its author.
      for (const EntryId& id : subject.own) {
        if (subject.durable(id)) mine.insert(id);
      }
      for (const EntryId& id : mine) RC_ASSERT(subject.space().holds(id));
      // A bad datagram is answered with less than it was, over all; what is said of links has its own limits.
      constexpr std::size_t kTimes = 12, kAlways = 4096;
      RC_ASSERT(subject.bytes_out <= kTimes * talker.bytes_in + kAlways);
    }
    // In the end it is as able as before.
    for (int i = 0; i < 20; ++i) subject.pass(1s);
    while (!subject.pending.empty()) subject.commit(true);
    const TreeHash digest = subject.state->digest().value();
    subject.crash(0);
    RC_ASSERT(subject.state->digest().value() == digest);
  });
}

}  // namespace
}  // namespace weft::state
