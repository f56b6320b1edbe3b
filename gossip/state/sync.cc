#include "gossip/state/sync.h"

#include <utility>

#include "crypto/check.h"

namespace weft::state {
namespace {

std::uint8_t told_count(std::size_t count) { return static_cast<std::uint8_t>(std::min(count, kBranchCountMax)); }

TreeHash leaf_hash(const EntryKey& key) { return key.id().bytes; }

}  // namespace

void answer(const Space& space, const Branch& question, BranchReply& reply) {
  for (const Prefix& asked : question.nodes) {
    const EntryTree::Part part = space.tree().part(asked);
    BranchNode node{.at = part.at, .count = told_count(part.count), .parts = {}};
    const auto branches = space.tree().branches(asked);
    for (std::uint8_t nibble = 0; nibble < 16; ++nibble) {
      const EntryTree::Part& below = branches[nibble];
      if (below.count == 0) continue;
      node.parts.push({.nibble = nibble, .count = told_count(below.count), .hash = short_hash(question.salt, below.hash)});
    }
    reply.nodes.push(node);
  }
}

void answer(const Space& space, const Fetch& question, std::size_t budget, FetchReply& reply) {
  Packer packer(budget - std::min(budget, kPackHeadBytes));
  space.tree().visit(question.prefix, question.after, [&](const EntryKey& key) {
    const std::uint32_t hash = short_hash(question.salt, leaf_hash(key));
    if (std::ranges::find(question.have, hash) != question.have.end()) return true;
    const auto entry = decode_entry(space.find(key.id())->wire);
    CHECK(entry.has_value());
    reply.more = !packer.add(*entry);
    return !reply.more;
  });
  reply.pack = packer.bytes();
}

std::optional<Walk::Question> Walk::next(const Space& space, Entropy& entropy) {
  if (open_ == kQuestionsOpen) return std::nullopt;
  if (idle() && std::exchange(all_later_, false)) branches_.push_back({});
  Salt salt;
  if (!fetches_.empty()) {
    const Page page = fetches_.front();
    fetches_.pop_front();
    entropy.fill(salt);
    Fetch out{.space = handle_, .salt = salt, .prefix = page.prefix, .after = page.after, .have = {}};
    space.tree().visit(page.prefix, page.after,
                       [&](const EntryKey& key) { return out.have.try_push(short_hash(salt, leaf_hash(key))); });
    ++open_;
    return out;
  }
  if (branches_.empty()) return std::nullopt;
  entropy.fill(salt);
  Branch out{.space = handle_, .salt = salt, .nodes = {}};
  while (!branches_.empty() && out.nodes.try_push(branches_.front())) branches_.pop_front();
  ++open_;
  return out;
}

bool Walk::gone_on(bool brought) {
  CHECK(open_ > 0);
  --open_;
  vain_ = brought ? 0 : vain_ + 1;
  return vain_ <= kVainMax && branches_.size() + fetches_.size() <= kWalkTodoMax;
}

bool Walk::on_reply(const Space& space, const Branch& question, const BranchReply& reply) {
  if (reply.nodes.size() != question.nodes.size()) return false;
  const EntryTree& tree = space.tree();
  for (std::size_t i = 0; i < reply.nodes.size(); ++i) {
    const BranchNode& node = reply.nodes[i];
    if (!question.nodes[i].covers(node.at)) return false;
    if (node.count == 1 && (node.at.nibbles != kNibbles || !tree.contains({node.at.bytes}))) {
      fetches_.push_back({.prefix = question.nodes[i], .after = {}});
    }
    for (const BranchPart& part : node.parts) {
      const Prefix below = node.at.then(part.nibble);
      const EntryTree::Part own = tree.part(below);
      if (own.count > 0 && short_hash(question.salt, own.hash) == part.hash) continue;
      if (below.nibbles == kNibbles || (part.count <= kFetchBelow && own.count <= kFetchHaveMax)) {
        fetches_.push_back({.prefix = below, .after = {}});
      } else {
        branches_.push_back(below);
      }
    }
  }
  return gone_on(false);
}

bool Walk::asked_for(const Fetch& question, bool more, std::span<const EntryKey> keys) {
  if (more && keys.empty()) return false;
  std::optional<EntryKey> before = question.after;
  for (const EntryKey& key : keys) {
    if (!question.prefix.covers(key) || (before && key <= *before)) return false;
    before = key;
  }
  return true;
}

bool Walk::on_reply(const Fetch& question, bool more, std::span<const EntryKey> keys, std::size_t fresh) {
  if (!asked_for(question, more, keys)) return false;
  if (more) fetches_.push_back({.prefix = question.prefix, .after = keys.back()});
  return gone_on(fresh > 0);
}

}  // namespace weft::state
