// Properties 9 and 10 of the study: what is admitted to an owned namespace depends on the set alone, and so does who is found to have forked.
#include "tests/gossip/state_history.h"
#include "tests/gossip/state_signed.h"
#include "tests/property.h"

namespace weft::state {
namespace {

using weft::testing::holds;
using weft::testing::Script;
using weft::testing::Step;

const std::vector<std::string> kPaths = {"a", "a/b", "c"};

// An owner that grants and revokes, and others that write with and without a right, date back, fork and name what they like.
class World {
 public:
  World() {
    for (std::uint8_t i = 1; i <= 4; ++i) authors.push_back(std::make_unique<Identity>(provider, ByteArray<32>{i}));
    genesis = make_genesis(*authors[0], "mine", Access::kOwned);
  }
  void run(const Script& script) {
    for (const Step& step : script) take(step);
  }

  // ---- the rules once more, read off the text of rights.h
  struct Said {
    bool admitted = false;
    bool over_others = false;
  };
  Said said(const Entry& e) const {
    const Content& c = e.content;
    if (c.author == genesis.creator) return {true, true};
    if (c.kind == Kind::kGrant || c.kind == Kind::kRevoke) return {};
    Said out;
    for (const KeptRef& kept : all) {
      const Content& g = kept->entry.content;
      if (g.kind != Kind::kGrant || g.author != genesis.creator) continue;
      if (std::ranges::find(e.saw, kept->entry.id) == e.saw.end()) continue;
      const Grant grant = read_grant(g.body).value();
      if (grant.to != node_id_of(c.author)) continue;
      const std::string top(as_text(grant.path)), path(as_text(c.path));
      if (!top.empty() && path != top && !path.starts_with(top + "/")) continue;
      if (grant.expires_ms != 0 && c.stamp / 65536 >= grant.expires_ms) continue;
      if (is_cut(c, grant, g.stamp, kept->entry.id)) continue;
      out.admitted = true;
      out.over_others = out.over_others || (grant.rights & kRightOverwrite) != 0;
    }
    return out;
  }

  CheapProvider provider;
  Genesis genesis;
  std::vector<std::unique_ptr<Identity>> authors;
  std::vector<KeptRef> all;

 private:
  bool is_cut(const Content& c, const Grant& grant, std::uint64_t stamp, const EntryId& id) const {
    for (const KeptRef& other : all) {
      const Content& r = other->entry.content;
      if (r.kind != Kind::kRevoke || r.author != genesis.creator) continue;
      const Revocation revocation = read_revocation(r.body).value();
      if (revocation.of != grant.to || std::pair(r.stamp, other->entry.id) < std::pair(stamp, id)) continue;
      bool stays = false;
      for (const Run& run : revocation.frontier) stays = stays || (run.epoch == c.epoch && run.first <= c.seq && c.seq <= run.last);
      if (!stays) return true;
    }
    return false;
  }
  void sign(std::size_t author, const Step& step, Kind kind, std::string_view path, const Bytes& body, std::vector<EntryId> saw) {
    std::ranges::sort(saw);
    saw.erase(std::unique(saw.begin(), saw.end()), saw.end());
    if (saw.empty() && kind == Kind::kClear) return;
    const Content content{.space = genesis.id, .author = authors[author]->public_key(), .epoch = std::uint64_t{step.y} % 3,
                          .seq = std::uint64_t{1} + step.y / 3 % 6, .prev = {}, .stamp = (std::uint64_t{1} + step.z % 40) << kStampCounterBits,
                          .kind = kind, .path = as_bytes(path), .body = body, .saw = saw};
    all.push_back(std::make_shared<const Kept>(sign_entries(*authors[author], {&content, 1}).value()[0]));
  }
  void take(const Step& step) {
    const auto number = [&](std::size_t i) { return i < step.list.size() ? step.list[i] : std::uint8_t{0}; };
    const std::string& path = kPaths[step.x % kPaths.size()];
    const std::size_t who = 1 + step.who % 3U;
    const NodeId id = authors[who]->id();
    switch (step.does) {
      case 0: {
        const Grant grant{.to = id, .path = number(0) % 2 == 0 ? Bytes{} : to_bytes(as_bytes(path)),
                          .rights = number(1) % 2 == 0 ? kRightsAll : kRightAdd, .entries = 0, .expires_ms = number(2) % 3 * 15U};
        return sign(0, step, Kind::kGrant, kGrantPath, grant_body(grant), {});
      }
      case 1: {
        Revocation cut{.of = id};
        for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
          const std::uint64_t first = 1 + number(epoch) / 2 % 4;
          if (number(epoch) % 2 == 0) cut.frontier.push_back({epoch, first, first + number(epoch) / 8 % 3});
        }
        return sign(0, step, Kind::kRevoke, kRevokePath, revocation_body(cut), {});
      }
      case 2: return sign(who, step, Kind::kGrant, kGrantPath, grant_body({.to = id, .path = {}}), {});  // to itself
      default: {
        std::vector<EntryId> saw;
        for (const std::uint8_t one : step.list) {
          if (!all.empty()) saw.push_back(all[one % all.size()]->entry.id);
        }
        const Kind kind = step.does == 3 ? Kind::kClear : Kind::kSet;
        const Bytes body = kind == Kind::kSet ? Bytes{step.z} : Bytes{};
        return sign(step.does == 4 ? 0 : who, step, kind, path, body, saw);
      }
    }
  }
};

// Everything is offered until nothing changes any more, as peers do, with a restart in between; who is found to have forked is noted.
struct Offered {
  explicit Offered(World& world, Rng rng) : space(world.genesis) {
    std::vector<KeptRef> queue = world.all;
    for (int round = 0; round < 8; ++round) {
      rng.shuffle(std::span(queue));
      for (const KeptRef& kept : queue) {
        if (space.judge(kept->entry).admitted()) space.insert(kept->entry, kept->bytes, /*settled=*/true);
        note(world);
      }
      if (round != 2 || rng.below(2) == 0) continue;
      Space again(world.genesis);
      space.visit_arrivals(0, [&](std::uint64_t arrival, const EntryId&, ByteView wire) {
        return again.restore(decode_entry(wire).value(), wire, arrival);
      });
      again.restored();
      RC_ASSERT(again.tree().root() == space.tree().root());
      space = std::move(again);
      note(world);
    }
    space.visit_arrivals(0, [&](std::uint64_t, const EntryId& id, ByteView) { return ids.insert(id).second; });
  }
  void note(World& world) {
    for (const auto& [author, fork] : space.take_forks()) {
      const auto body = fork_body(decode_entry(fork.first).value(), decode_entry(fork.second).value());
      RC_ASSERT(body.has_value());
      const auto proof = read_fork(world.genesis.id, *body);
      RC_ASSERT(proof && proof->author() == author && verify_fork(world.provider, world.genesis.id, *proof));
      forked.insert(author);
    }
  }
  Space space;
  std::set<EntryId> ids;
  std::set<PublicKey> forked;
};

std::set<PublicKey> who_forked(const std::vector<KeptRef>& all, const std::set<EntryId>* among = nullptr) {
  std::map<std::tuple<PublicKey, std::uint64_t, std::uint64_t>, std::set<EntryId>> places;
  std::set<PublicKey> out;
  for (const KeptRef& kept : all) {
    const Content& c = kept->entry.content;
    if (among != nullptr && !among->contains(kept->entry.id)) continue;
    std::set<EntryId>& here = places[{c.author, c.epoch, c.seq}];
    here.insert(kept->entry.id);
    if (here.size() > 1) out.insert(c.author);
  }
  return out;
}

TEST(RightsProperties, WhatIsAdmittedAndWhoForkedFollowFromTheSet) {
  holds(600, [] {
    World world;
    world.run(*weft::testing::scripts(40, {3, 2, 1, 3, 1, 8}, 3));
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    std::set<EntryId> expected;
    Documents documents;
    for (const KeptRef& kept : world.all) {
      const auto said = world.said(kept->entry);
      if (said.admitted && documents.insert(kept->entry, said.over_others)) expected.insert(kept->entry.id);
    }
    for (std::uint64_t order = 0; order < 3; ++order) {
      const Offered offered(world, Rng(seed + order));
      RC_ASSERT(offered.ids == expected);
      RC_ASSERT(offered.space.tree().size() == expected.size());
      for (const std::string& path : kPaths) RC_ASSERT(values(offered.space.documents(), path) == values(documents, path));
      // Both sides of a fork that are here were found; who is found has signed two entries for one place.
      const auto here = who_forked(world.all, &expected), ever = who_forked(world.all);
      RC_ASSERT(std::ranges::includes(offered.forked, here));
      RC_ASSERT(std::ranges::includes(ever, offered.forked));
    }
  });
}

// Two authors with a few entries each, who discard their own and hold each other's down.
TEST(RightsProperties, WhatAQuotaLeavesFollowsFromTheSet) {
  holds(1500, [] {
    World world;
    const auto sign = [&](std::size_t author, std::uint64_t seq, std::uint64_t stamp, Kind kind, std::string_view path, const Bytes& body,
                          std::span<const EntryId> saw) {
      const Content content{.space = world.genesis.id, .author = world.authors[author]->public_key(), .epoch = 5, .seq = seq, .prev = {},
                            .stamp = stamp, .kind = kind, .path = as_bytes(path), .body = body, .saw = saw};
      world.all.push_back(std::make_shared<const Kept>(sign_entries(*world.authors[author], {&content, 1}).value()[0]));
    };
    std::array<EntryId, 3> grants;
    for (std::size_t who = 1; who <= 2; ++who) {
      const Bytes body = grant_body({.to = world.authors[who]->id(), .path = {}, .entries = 2 + who});
      sign(0, who, who, Kind::kGrant, kGrantPath, body, {});
      grants[who] = world.all.back()->entry.id;
    }
    std::uint64_t seq = 0;
    for (const Step& step : *weft::testing::scripts(24, {6, 2}, 4)) {
      const std::size_t who = 1 + step.who % 2U;
      ++seq;
      if (step.does == 1) {
        const std::uint64_t first = 1 + step.x % seq;
        const Section section{.epoch = 5, .first = first, .last = first + step.y % 4};
        const Bytes body = checkpoint_body({&section, 1});
        sign(who, seq, step.z, Kind::kCheckpoint, kCheckpointPath, body, {&grants[who], 1});
        continue;
      }
      std::vector<EntryId> saw{grants[who]};
      for (const std::uint8_t one : step.list) saw.push_back(world.all[one % world.all.size()]->entry.id);
      std::ranges::sort(saw);
      saw.erase(std::unique(saw.begin(), saw.end()), saw.end());
      sign(who, seq, step.z, Kind::kSet, step.x % 2 == 0 ? "a" : "c", to_bytes(as_bytes("v")), saw);
    }
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    std::optional<std::set<EntryId>> first;
    for (std::uint64_t order = 0; order < 4; ++order) {
      const Offered offered(world, Rng(seed + order));
      for (std::size_t who = 1; who <= 2; ++who) RC_ASSERT(offered.space.entries_of(world.authors[who]->public_key()) <= 2 + who);
      if (!first) first = offered.ids;
      RC_ASSERT(offered.ids == *first);
    }
  });
}

}  // namespace
}  // namespace weft::state
