// Properties of nodes that share state while datagrams are lost, they crash and are split, disks fail, clocks are days apart and step back, and
// somebody lies (invariants 8, 16, 19, 21, 22; state_properties_set_test.cc lists all).
#include "tests/gossip/state_lab.h"
#include "tests/gossip/state_reference.h"

namespace weft::state {
namespace {

using weft::testing::holds;
using weft::testing::OnFailure;

constexpr std::size_t kNodes = 3;  // and one more, which is never up: the liar

enum Event : std::uint8_t { kUse, kRun, kCrash, kStart, kSplit, kHeal, kClock, kDisk, kLies };

class Mesh {
 public:
  explicit Mesh(std::uint64_t loss) : lab(kNodes + 1, {.seed = 1, .loss_percent = loss}), readers_(kNodes) {
    lab.crash(kNodes);
    RC_ASSERT(lab.create(0, "notes").has_value());
    const Genesis genesis = make_genesis(lab.identity(0), "notes", Access::kOpen);
    lab.space_id = genesis.id;
    for (std::size_t i = 1; i < kNodes; ++i) RC_ASSERT(lab.join(i, genesis).has_value());
  }

  void play(const Step& step) {
    const std::size_t who = step.who % kNodes;
    switch (step.does) {
      case kUse: use(who, step); break;
      case kRun: lab.run(Duration(10ms) * (1 + step.x)); break;
      case kCrash:
        if (lab.lives(who)) lab.crash(who);
        break;
      case kStart: start(who); break;
      case kSplit: lab.split({who}); break;
      case kHeal: lab.heal(); break;
      case kClock: lab.set_skew(who, (step.x - 128) * std::int64_t{700'000}); break;
      case kDisk:
        lab.set_disk_fails(who, step.x % 2 == 1);
        refused_.insert(who);
        break;
      case kLies: lie(who, step); break;
      default: break;
    }
    for (std::size_t i = 0; i < kNodes; ++i) read(i);
  }
  // All is well again, and what was held back is due.
  void settle() {
    lab.heal();
    for (std::size_t i = 0; i < kNodes; ++i) {
      lab.set_disk_fails(i, false);
      lab.set_skew(i, 4 * 24 * 3600 * std::int64_t{1000});
      start(i);
    }
    lab.run(61s);  // what is held back is looked at at least once a minute
    RC_ASSERT(lab.run_until_equal(120s));
    for (std::size_t i = 0; i < kNodes; ++i) {
      read(i);
      RC_ASSERT(lab.state(i).stats().held_back <= far_);
      for (const KeptRef& kept : acknowledged_) RC_ASSERT(here_or_discarded(lab.space(i), kept->entry));
      std::vector<KeptRef> set;
      std::set<EntryId> honest;
      lab.space(i).visit_arrivals(0, [&](std::uint64_t, const EntryId& id, ByteView wire) {
        set.push_back(std::make_shared<const Kept>(to_bytes(wire)));
        if (is_honest(set.back()->entry)) honest.insert(id);
        return true;
      });
      RC_ASSERT(pages(lab.documents(i)) == Reference(set).pages());
      // The application has been told of each once, and of all.
      RC_ASSERT(std::ranges::includes(readers_[i].told, honest));
    }
  }

  StateLab lab;

 private:
  // An application that reads on from the number that it remembers, over crashes too.
  struct Reader {
    std::uint64_t last = 0;
    std::set<EntryId> told{};
  };

  void start(std::size_t who) {
    if (!lab.lives(who)) lab.start(who);
  }
  bool is_honest(const Entry& entry) { return entry.content.author != lab.identity(kNodes).public_key(); }
  void use(std::size_t who, const Step& step) {
    if (!lab.lives(who)) return;
    const std::string value = "v" + std::to_string(step.z % 5);
    const std::uint64_t before = lab.space(who).last_arrival();
    const auto done = lab.change(who, static_cast<Change::What>(step.x % 5), History::kPaths[step.y % History::kPaths.size()], value, step.z - 100);
    if (!done) {
      RC_ASSERT(done.error() == Error::kNothingThere || done.error() == Error::kStore);
      return;
    }
    lab.space(who).visit_arrivals(before, [&](std::uint64_t, const EntryId&, ByteView wire) {
      if (decode_entry(wire)->content.author == lab.identity(who).public_key()) acknowledged_.push_back(std::make_shared<const Kept>(to_bytes(wire)));
      return true;
    });
  }
  void read(std::size_t who) {
    if (!lab.lives(who)) return;
    Reader& reader = readers_[who];
    const Space& space = lab.space(who);
    if (!space.knows_arrival(reader.last)) reader = {};
    space.visit_arrivals(reader.last, [&](std::uint64_t arrival, const EntryId& id, ByteView wire) {
      const Entry entry = decode_entry(wire).value();
      RC_ASSERT(arrival > reader.last);
      reader.last = arrival;
      const bool fresh = reader.told.insert(id).second;
      if (!is_honest(entry)) return true;  // a liar discards its own, and may bring them back
      // What the disk refused is forgotten by a crash, and comes again.
      RC_ASSERT(fresh || refused_.contains(who));
      const auto place = std::tuple(entry.content.author, entry.content.epoch, entry.content.seq);
      RC_ASSERT(places_.try_emplace(place, id).first->second == id);
      return true;
    });
  }
  // Of its own, whatever it likes, to one node; some of another's, bent.
  void lie(std::size_t to, const Step& step) {
    std::vector<EntryId> saw;
    for (const std::uint8_t number : step.list) {
      if (!seen_.empty()) saw.push_back(seen_[number % seen_.size()]);
    }
    for (const auto& [place, id] : places_) seen_.push_back(id);
    std::ranges::sort(saw);
    saw.erase(std::unique(saw.begin(), saw.end()), saw.end());
    auto kind = static_cast<Kind>(1 + step.x % 6);
    if (saw.empty() && (kind == Kind::kRemove || kind == Kind::kClear)) kind = Kind::kSet;
    Bytes body = to_bytes(as_bytes("v" + std::to_string(step.z % 5)));
    std::string_view path = History::kPaths[step.y % History::kPaths.size()];
    if (kind == Kind::kCount) body = count_body({step.z, step.y});
    if (kind == Kind::kClear) body.clear();
    if (kind == Kind::kCheckpoint) {
      const Section section{.epoch = 1, .first = 1U + step.y % 4U, .last = 1U + step.y % 4U + step.z % 8U};
      body = checkpoint_body({&section, 1});
      path = kCheckpointPath;
      saw.clear();
    }
    const auto wall = static_cast<std::uint64_t>(lab.now(to).wall.value);
    const std::uint64_t stamps[] = {0, wall << 16, (wall + 60'000) << 16, UINT64_MAX};
    const std::uint64_t stamp = stamps[step.z / 16 % 4];
    far_ += stamp == UINT64_MAX ? 1U : 0U;
    const Content content{.space = lab.space_id, .author = lab.identity(kNodes).public_key(), .epoch = 1, .seq = 1U + step.z % 8U, .prev = {},
                          .stamp = stamp, .kind = kind, .path = as_bytes(path), .body = body, .saw = saw};
    Bytes wire = sign_entries(lab.identity(kNodes), {&content, 1}).value()[0];
    if (step.who >= 192) wire[wire.size() - 64 + step.z % 8] ^= 1;
    Packer packer(kPayloadBytesMax - kPackHeadBytes);
    RC_ASSERT(packer.add(decode_entry(wire).value()));
    lab.deliver_push(kNodes, to, {.space = handle_of(lab.space_id), .hops = {1}, .pack = packer.bytes()});
  }

  std::vector<Reader> readers_;
  std::set<std::size_t> refused_;
  std::vector<KeptRef> acknowledged_;
  std::map<std::tuple<PublicKey, std::uint64_t, std::uint64_t>, EntryId> places_;
  std::vector<EntryId> seen_;
  std::size_t far_ = 0;
};

TEST(MeshProperties, ConvergesTellsOnceAndLosesNothing) {
  holds(800, [] {
    const auto loss = *rc::gen::inRange<std::uint64_t>(0, 21);
    const Script script = *weft::testing::scripts(40, {12, 8, 2, 3, 1, 2, 1, 1, 4});
    Mesh mesh(loss);
    for (const Step& step : script) mesh.play(step);
    mesh.settle();
  });
}

// Equal sets, however they came: one digest of 16 bytes in an Ack is all that is said (17).
TEST(MeshProperties, AConvergedPairSaysNothing) {
  holds(200, [] {
    const Script script = *weft::testing::scripts(20, {1});
    StateLab lab(2);
    RC_ASSERT(lab.create(0, "notes").has_value());
    const Genesis genesis = make_genesis(lab.identity(0), "notes", Access::kOpen);
    lab.space_id = genesis.id;
    RC_ASSERT(lab.join(1, genesis).has_value());
    for (const Step& step : script) {
      (void)lab.change(step.who % 2, static_cast<Change::What>(step.x % 5), History::kPaths[step.y % History::kPaths.size()],
                       "v" + std::to_string(step.z % 5), step.z);
    }
    RC_ASSERT(lab.run_until_equal(60s));
    for (std::size_t i = 0; i < 2; ++i) {
      Output out;
      lab.state(i).on_digest(lab.now(i), lab.contact(1 - i), lab.state(1 - i).digest().value(), out);
      RC_ASSERT(out.empty());
    }
    lab.run(5s);
    const std::uint64_t before = lab.bytes_sent;
    lab.run(10s);
    RC_ASSERT(lab.bytes_sent <= before + 2 * 64);
  });
}

}  // namespace
}  // namespace weft::state
