// Properties of comparing two sets (invariants 15, 16 of a walk, and 17; state_properties_set_test.cc lists all): a walk brings what is missing for a bounded
// number of bytes and rounds, goes on where another was cut off, and ends whatever it is answered.
#include <deque>

#include "crypto/sessions.h"
#include "gossip/state/sync.h"
#include "tests/gossip/state_generators.h"

namespace weft::state {
namespace {

using weft::testing::holds;
using weft::testing::OnFailure;

template <class M>
std::size_t bytes_of(const M& m) {
  ByteArray<kDatagramBytesMax> room;
  Writer w(room);
  encode(w, 1, m);
  RC_ASSERT(w.ok());
  RC_ASSERT(w.size() <= kPayloadBytesMax);
  return w.size();
}

// What a page of a walk brings, whoever answers it.
struct Brought {
  bool more = false;
  std::vector<EntryKey> keys;
  std::size_t fresh = 0;
};

// A walk of one replica, and what it costs.
class Walker {
 public:
  using AnswerBranch = std::function<BranchReply(const Branch&)>;
  using AnswerFetch = std::function<Brought(const Fetch&)>;

  explicit Walker(Space& asker) : asker_(asker), walk_(NamespaceId{}) {}

  // Asks until nothing is open, or `most` questions are answered. False: the other one does not answer what it was asked.
  bool run(const AnswerBranch& branch, const AnswerFetch& fetch, std::size_t most = SIZE_MAX) {
    for (; questions < most; ++questions) {
      while (auto question = walk_.next(asker_, entropy_)) {
        std::visit([&](const auto& q) { bytes += bytes_of(q); }, *question);
        open_.push_back(std::move(*question));
        RC_ASSERT(open_.size() <= kQuestionsOpen);
      }
      if (open_.empty()) return true;
      if (left_of_round_ == 0) {
        left_of_round_ = open_.size();
        ++rounds;
      }
      --left_of_round_;
      const Walk::Question question = std::move(open_.front());
      open_.pop_front();
      if (const auto* b = std::get_if<Branch>(&question)) {
        if (!walk_.on_reply(asker_, *b, branch(*b))) return false;
      } else {
        const auto& f = std::get<Fetch>(question);
        const Brought page = fetch(f);
        if (!Walk::asked_for(f, page.more, page.keys) || !walk_.on_reply(f, page.more, page.keys, page.fresh)) return false;
      }
    }
    return true;
  }
  // By one who says what it has.
  bool run_with(const Space& other, std::size_t most = SIZE_MAX) {
    return run(
        [&](const Branch& question) {
          BranchReply reply;
          answer(other, question, reply);
          bytes += bytes_of(reply);
          return reply;
        },
        [&](const Fetch& question) { return page_of(other, question); }, most);
  }
  Brought page_of(const Space& other, const Fetch& question) {
    FetchReply reply;
    answer(other, question, kPayloadBytesMax, reply);
    bytes += bytes_of(reply);
    Brought page{.more = reply.more, .keys = {}, .fresh = 0};
    const auto entries = unpack({}, reply.pack);
    RC_ASSERT(entries.has_value());
    for (const Unpacked& one : *entries) {
      page.keys.push_back(key_of(one.entry));
      const bool fresh = asker_.insert(one.entry, one.bytes, /*settled=*/true) == Space::Inserted::kNew;
      page.fresh += fresh ? 1U : 0U;
      brought += fresh ? one.bytes.size() : 0U;
      entries_brought += fresh ? 1U : 0U;
    }
    return page;
  }
  bool ended() const { return walk_.ended(); }

  std::size_t questions = 0;
  std::size_t rounds = 0;
  std::size_t bytes = 0;  // both ways
  std::size_t brought = 0;
  std::size_t entries_brought = 0;

 private:
  Space& asker_;
  Walk walk_;
  SeededEntropy entropy_{1};
  std::deque<Walk::Question> open_;
  std::size_t left_of_round_ = 0;
};

// Two replicas with parts of what a script says, and of a long history of one author beside it.
struct Two {
  Two() {
    const Script script = *histories(30);
    long_ = *rc::gen::inRange<std::size_t>(0, 300);
    const auto missing = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
    const auto of_a = *rc::gen::arbitrary<std::uint32_t>();
    cast.emplace(script);
    cast->play_all(script);
    all = cast->all();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if ((of_a >> i % 32 & 1) != 0) (void)offer(a, all[i]);
      (void)offer(b, all[i]);
    }
    const std::vector<KeptRef>& tail = series();
    for (std::size_t i = 0; i < long_; ++i) {
      const bool lost = std::ranges::find(missing, i) != missing.end() || (missing.size() > 2 && i + missing[0] > long_);
      if (!lost) (void)offer(a, tail[i]);
      (void)offer(b, tail[i]);
    }
  }
  // Made once: signing is what takes the time.
  static const std::vector<KeptRef>& series() {
    static const auto made = [] {
      std::vector<KeptRef> out;
      for (std::uint64_t seq = 1; seq <= 300; ++seq) {
        const std::string path = "long/" + std::to_string(seq);
        out.push_back(signed_entry(0, {.space = {}, .author = identity_of(0).public_key(), .epoch = 77, .seq = seq, .prev = {}, .stamp = seq,
                                       .kind = Kind::kSet, .path = as_bytes(path), .body = as_bytes("v"), .saw = {}}));
      }
      return out;
    }();
    return made;
  }

  std::optional<Cast> cast;
  std::vector<KeptRef> all;
  std::size_t long_ = 0;
  Space a{Genesis{}}, b{Genesis{}};
};

// Walks until one brings nothing, as digests that differ make nodes do.
void settle(Space& a, const Space& b) {
  for (int i = 0; i < 8 && a.tree().root() != b.tree().root(); ++i) {
    Walker walker(a);
    RC_ASSERT(walker.run_with(b));
    RC_ASSERT(walker.ended());
    if (walker.entries_brought == 0) break;
  }
}

// A missing entry costs its bytes, what leads to it from the root, and its share of questions.
TEST(SyncProperties, AWalkBringsAllForFewBytes) {
  holds(1000, [] {
    Two two;
    Walker walker(two.a);
    RC_ASSERT(walker.run_with(two.b));
    RC_ASSERT(walker.ended());
    constexpr std::size_t kEach = 300, kAlways = 400;
    RC_ASSERT(walker.bytes <= walker.brought + kEach * walker.entries_brought + kAlways);
    RC_ASSERT(walker.rounds <= 12U + walker.entries_brought);
    settle(two.a, two.b);
    settle(two.b, two.a);
    settle(two.a, two.b);
    RC_ASSERT(two.a.tree().root() == two.b.tree().root());
    // And then there is nothing to say.
    Walker again(two.a);
    RC_ASSERT(again.run_with(two.b));
    RC_ASSERT(again.entries_brought == 0U);
    RC_ASSERT(again.questions <= 1U);
    RC_ASSERT(again.bytes <= 200U);
  });
}

// Cut off anywhere, any number of times; the other one changes meanwhile. Nothing that was brought is brought again.
TEST(SyncProperties, AWalkThatIsCutOffGoesOn) {
  holds(600, [] {
    Two two;
    const auto cuts = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
    const std::set<EntryId> before = held(two.a);
    (void)two.a.take_dropped();
    std::size_t brought = 0, dropped = 0;
    for (const std::uint8_t cut : cuts) {
      Walker walker(two.a);
      RC_ASSERT(walker.run_with(two.b, cut % 16U));
      brought += walker.entries_brought;
      dropped += two.a.take_dropped().size();
      if (cut >= 128 && !two.all.empty()) (void)offer(two.b, two.all[cut % two.all.size()]);
    }
    RC_ASSERT(held(two.a).size() + dropped == before.size() + brought);
    settle(two.a, two.b);
    settle(two.b, two.a);
    settle(two.a, two.b);
    RC_ASSERT(two.a.tree().root() == two.b.tree().root());
  });
}

// A key below a prefix, after another: what a liar can make up as one.
EntryKey made_up(const Fetch& question, std::uint8_t step) {
  EntryKey key = question.after.value_or(EntryKey{question.prefix.bytes});
  for (std::size_t i = key.bytes.size(); i > 0 && step > 0; --i) {
    key.bytes[i - 1] = static_cast<std::uint8_t>(key.bytes[i - 1] + step);
    step = key.bytes[i - 1] < step ? 1 : 0;
  }
  return key;
}

void tamper(BranchReply& reply, const Step& lie) {
  if (reply.nodes.size() == 0) return;
  BranchNode& node = reply.nodes[lie.y % reply.nodes.size()];
  switch (lie.does) {
    case 1:  // other hashes, so that all seems to differ
      for (BranchNode& one : reply.nodes) {
        for (BranchPart& part : one.parts) part.hash ^= 1U + lie.z;
      }
      break;
    case 2:  // branches that are not there
      for (BranchNode& one : reply.nodes) {
        one.parts = {};
        one.count = 255;
        for (std::uint8_t nibble = 0; nibble < 16; ++nibble) {
          if (one.at.nibbles < kNibbles) one.parts.push({.nibble = nibble, .count = static_cast<std::uint8_t>(1U + lie.z % 255U), .hash = lie.x});
        }
      }
      break;
    case 3:  // as deep as it goes
      while (node.at.nibbles < kNibbles - lie.z % 4U) node.at = node.at.then(lie.x % 16);
      node.count = 1;
      node.parts = {};
      break;
    case 4: node.at = Prefix{}; break;
    case 5: reply.nodes = {}; break;
    default: break;
  }
}

// One who has a set and lies about it, the same lies over and over.
TEST(SyncProperties, AWalkEndsWhateverItIsAnswered) {
  holds(60, [] {
    Two two;
    const Script lies = *weft::testing::scripts(8, {4, 3, 2, 2, 1, 1, 2});
    Walker walker(two.a);
    std::size_t answers = 0, fresh = 0;
    const auto lie = [&]() -> Step { return lies.empty() ? Step{} : lies[answers++ % lies.size()]; };
    const bool well = walker.run(
        [&](const Branch& question) {
          BranchReply reply;
          answer(two.b, question, reply);
          tamper(reply, lie());
          return reply;
        },
        [&](const Fetch& question) {
          const Step what = lie();
          Brought page = walker.page_of(two.b, question);
          fresh += page.fresh;
          if (what.does == 1) page.keys.clear();
          if (what.does == 2) page.more = true;
          if (what.does == 3) std::ranges::reverse(page.keys);
          if (what.does == 6) page = {.more = true, .keys = {made_up(question, static_cast<std::uint8_t>(1U + what.z))}, .fresh = 0};
          return page;
        },
        (fresh + 400 + 1) * (kVainMax + 1) + kQuestionsOpen + 1);
    RC_ASSERT(!well || walker.ended());
    RC_ASSERT(walker.questions <= (fresh + 1) * (kVainMax + 1) + kQuestionsOpen);
    // Lies brought nothing that was not signed, and another walk with the truth mends the rest.
    settle(two.a, two.b);
    settle(two.b, two.a);
    settle(two.a, two.b);
    RC_ASSERT(two.a.tree().root() == two.b.tree().root());
  });
}

}  // namespace
}  // namespace weft::state
