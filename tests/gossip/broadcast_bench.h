// One Tree under test and any number of made-up peers, with time by hand: the rules, row by row. What the Tree says is looked at and
// not carried.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/gossip/broadcast_lab.h"

namespace weft::broadcast::test {

// A tree of node 0, and others by number. Peers become neighbours by asking.
class Bench {
 public:
  Bench() : tree(id(0), Rng(3), {}) {}

  const NodeId& id(std::size_t i) {
    while (ids.size() <= i) ids.push_back(make_id(rng));
    return ids[i];
  }
  // Message number i; its first byte is i.
  static MessageId message(std::size_t i) {
    MessageId m{};
    m[0] = static_cast<std::uint8_t>(i);
    m[1] = static_cast<std::uint8_t>(i >> 8);
    return m;
  }
  Now stamp() const { return {now, {}}; }

  void link(std::size_t i, LinkStep step) { tree.on_link(stamp(), id(i), step, {}, out); }
  void lazy(std::size_t i) { link(i, LinkStep::kAsk); }
  void home(std::size_t i) { link(i, LinkStep::kAskEager); }
  // An eager neighbour by a link that is none of the tree of uplinks.
  void detour(std::size_t i) {
    lazy(i);
    tree.on_graft(stamp(), id(i), /*eager=*/true, {}, out);
  }
  void push(std::size_t from, std::size_t m, std::uint32_t hops = 1) {
    tree.accepted(stamp(), message(m), id(from), hops, out);
  }
  void again(std::size_t from, std::size_t m, std::uint32_t hops = 1) {
    tree.duplicate(stamp(), message(m), id(from), hops, out);
  }
  void ihave(std::size_t from, std::size_t m, bool here = false, std::uint32_t hops = 1) {
    const Heard one{message(m), hops, here};
    tree.on_ihave(stamp(), id(from), {&one, 1}, out);
  }
  void graft(std::size_t from, std::size_t m, bool eager = true) {
    const MessageId one = message(m);
    tree.on_graft(stamp(), id(from), eager, {&one, 1}, out);
  }
  void run(Duration span) {
    const Instant end = now + span;
    while (const auto deadline = tree.next_deadline()) {
      if (*deadline > end) break;
      now = std::max(now, *deadline);
      tree.on_deadline(stamp(), out);
      const auto after = tree.next_deadline();
      CHECK(!after || *after > now);
    }
    now = end;
  }
  // The neighbour as it is now.
  const Neighbour* at(std::size_t i) {
    const auto place = tree.links().find(id(i));
    return place ? &tree.links().at(*place) : nullptr;
  }
  bool eager(std::size_t i) { return at(i) != nullptr && at(i)->eager; }

  // What was said since the last time, as text: "push 2 #1 hops 3; prune 4". Questions for links only if `asks`.
  std::string said(bool asks = false) {
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
    const auto number = [](const MessageId& m) { return " #" + std::to_string(m[0] + (m[1] << 8)); };
    for (const Push& p : out.pushes) add("push " + who(p.to) + number(p.id) + " hops " + std::to_string(p.hops));
    for (const IHave& p : out.ihaves) {
      std::string list;
      for (const Announcement& one : p.ids) list += number(one.id);
      add("ihave " + who(p.to) + list);
    }
    for (const Graft& p : out.grafts) {
      std::string list;
      for (const MessageId& one : p.ids) list += number(one);
      add("graft " + who(p.to) + list + (p.eager ? " eager" : ""));
    }
    for (const Prune& p : out.prunes) add("prune " + who(p.to));
    static constexpr const char* kSteps[] = {"?", "ask", "ask eager", "yes", "no", "spare"};
    for (const Link& p : out.links) {
      const bool is_answer = p.step == LinkStep::kYes || p.step == LinkStep::kNo;
      if (asks || is_answer) add(std::string(kSteps[static_cast<int>(p.step)]) + " " + who(p.to));
    }
    out.clear();
    return text;
  }
  std::string who(const NodeId& other) {
    const auto found = std::ranges::find(ids, other);
    return found == ids.end() ? "?" : std::to_string(found - ids.begin());
  }

  Rng rng{11};
  std::vector<NodeId> ids;
  Tree tree;
  Output out;
  Instant now{Duration(1'000'000'000)};
};

}  // namespace weft::broadcast::test
