// A room that nodes share: values, members and shared state through the library, in one page.
//
//   c++ -std=c++23 room.cc $(pkg-config --cflags --libs weft) -o room
//   ./room                      two nodes in this process, which know nobody else
//   ./room 127.0.0.1:9338       one node that joins the mesh of another on this machine, maybe a `weft up`
//   ./room 127.0.0.1:9338 NET   in a network of that name, or of that key file
//
// It ends when its input does: press Ctrl-D, or run it with </dev/null.
#include <weft/weft.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using std::chrono::hours;
using std::chrono::seconds;

// What a call has given, or the end of this program.
template <class T>
T need(weft::Result<T> result, const char* what) {
  if (result) {
    if constexpr (std::is_void_v<T>) return;
    else return std::move(*result);
  }
  std::fprintf(stderr, "%s: %s (%s)\n", what, result.error().message.c_str(),
               std::string(to_string(result.error().code)).c_str());
  std::exit(1);
}

weft::Node open_node(const std::string& name, const std::string& network, std::vector<std::string> seeds) {
  // Without a home it is somebody new each time. A real program names a directory, and is the same node when it comes back.
  return need(weft::Node::open({.network = network, .listen = {"127.0.0.1:0"}, .seeds = std::move(seeds), .name = name}), "open");
}

// Joining by name needs the name to be found, which takes a moment after somebody has made the namespace.
weft::Namespace join_room(weft::Node& node) {
  weft::Result<weft::Namespace> room = node.state_join("room");
  for (int tries = 0; !room && room.error().code == weft::Code::kNotFound && tries < 100; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    room = node.state_join("room");
  }
  return need(std::move(room), "join the room");
}

// Prints what arrives in the room, on the node's own thread: each answer asks for what comes after it.
void follow(weft::Node& node, std::optional<std::uint64_t> after) {
  node.state_changes("room", {.after = after, .wait = seconds(30)}, [&node](weft::Result<weft::Changes>&& told) {
    if (!told) return;  // the node ends, most likely
    if (told->gap) std::printf("gap: everything is told anew\n");
    for (const weft::Change& change : told->changes) {
      std::printf("change: %s %s\n", change.doc.c_str(),
                  change.kind == weft::Change::Kind::kIncrement ? std::to_string(change.counter).c_str() : change.bytes.c_str());
    }
    std::fflush(stdout);
    follow(node, told->cursor);
  });
}

void visit(weft::Node& node, const std::string& name) {
  // A value: one author's, on the nodes nearest to its key, for a while.
  const auto stored = need(node.put("greeting/" + name, "hello from " + name, {.lifetime = hours(1)}), "put");
  std::printf("put: number %llu on %zu nodes\n", static_cast<unsigned long long>(stored.number), stored.copies);
  const auto found = need(node.get("greeting/" + name), "get");
  std::printf("get: %s\n", found.bytes().c_str());

  // Shared state: documents that everybody in the room has and may write.
  need(node.state_set("room/topic", "the weather"), "set");
  std::printf("visits: %lld\n", static_cast<long long>(need(node.state_inc("room/visits"), "inc")));
  const auto people = need(node.state_add("room/people", name), "add");
  for (const std::string& person : people.items) std::printf("in the room: %s\n", person.c_str());
  const auto topic = need(node.state_get("room/topic"), "read the topic");
  std::printf("topic: %s\n", topic.value ? topic.value->bytes.c_str() : "none");
}

}  // namespace

int main(int argc, char** argv) {
  std::string seed = argc > 1 ? argv[1] : "";
  const std::string network = argc > 2 ? argv[2] : "weft-example";
  std::optional<weft::Node> alice;
  if (seed.empty()) {
    alice = open_node("alice", network, {});
    need(alice->state_create("room"), "create");
    seed = alice->id() + "@" + alice->listen()[0];
    follow(*alice, 0);  // from the first change on
  }
  weft::Node bob = open_node("bob", network, {seed});
  need(bob.wait_members(2, {.deadline = seconds(20)}), "join the mesh");
  for (const weft::Member& member : need(bob.members(), "list")) {
    std::printf("member: %s at %s\n", member.name.c_str(), member.address.c_str());
  }
  join_room(bob);
  if (!alice) follow(bob, 0);
  visit(bob, "bob");
  std::printf("ready\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) {}
  // The destructors leave the mesh. What follows the changes ends first, with kShutdown.
}
