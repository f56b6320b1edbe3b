// Real nodes in this process through weft.h: what they do, and what misuse does to them. Sockets on loopback, homes in /tmp.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <weft/weft.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "tests/node/scratch_dir.h"

namespace weft {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using node::ScratchDir;
using testing::ElementsAre;
using testing::HasSubstr;

NodeOptions alone(const std::string& home = "") { return {.home = home, .listen = {"127.0.0.1:0"}}; }
NodeOptions joining(const Node& other, const std::string& home = "") {
  NodeOptions options = alone(home);
  options.seeds = {other.id() + "@" + other.listen()[0]};
  return options;
}

// Results that arrive on another thread.
template <class T>
class Inbox {
 public:
  Then<T> taker() {
    return [this](Result<T>&& result) {
      const std::lock_guard lock(mutex_);
      results_.push_back(std::move(result));
      changed_.notify_all();
    };
  }
  // Once there are so many.
  std::vector<Result<T>> wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 30s, [&] { return results_.size() >= count; });
    return results_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Result<T>> results_;
};

std::size_t threads_of_this_process() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

std::size_t descriptors_of_this_process() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

TEST(Embedding, TwoNodesShareValuesMembersAndState) {
  auto a = Node::open(alone());
  ASSERT_TRUE(a) << a.error().message;
  const auto start = a->member_changes();
  auto b = Node::open(joining(*a));
  ASSERT_TRUE(b) << b.error().message;
  ASSERT_EQ(b->wait_members(2, {20s}), 2u);

  // Members: the list, and what has changed in it.
  const auto changes = a->member_changes({.after = start->cursor, .wait = 20s});
  ASSERT_TRUE(changes) << changes.error().message;
  ASSERT_EQ(changes->changes.size(), 1u);
  EXPECT_EQ(changes->changes[0].id, b->id());
  EXPECT_EQ(changes->changes[0].from, std::nullopt);
  EXPECT_EQ(a->members()->size(), 2u);

  // Values.
  ASSERT_TRUE(a->put("color", "blue", {.lifetime = 600s}));
  EXPECT_EQ(b->get("color")->bytes(), "blue");
  EXPECT_EQ(b->get("color")->values[0].author, a->id());
  ASSERT_TRUE(b->put("color", "red"));
  EXPECT_EQ(b->get("color", {.all = true})->values.size(), 2u);
  EXPECT_EQ(b->get("color", {.author = a->id()})->bytes(), "blue");
  ASSERT_TRUE(a->put("secret", "for b", {.reader = b->id()}));
  EXPECT_EQ(b->get("secret")->values[0].sealing, FoundValue::Sealing::kForUs);
  ASSERT_TRUE(a->remove("color"));
  EXPECT_EQ(b->get("color")->bytes(), "red");
  ASSERT_TRUE(a->provide("films"));
  EXPECT_EQ(b->providers("films")->at(0).id, a->id());

  // State.
  const auto made = a->state_create("room");
  ASSERT_TRUE(made) << made.error().message;
  Result<Namespace> joined = b->state_join("room");
  for (int tries = 0; !joined && tries < 100; ++tries) {
    std::this_thread::sleep_for(100ms);
    joined = b->state_join("room");
  }
  ASSERT_TRUE(joined) << joined.error().message;
  EXPECT_EQ(joined->id, made->id);
  ASSERT_TRUE(a->state_set("room/topic", "weather"));
  EXPECT_EQ(a->state_inc("room/visits", 5), 5);
  std::set<std::string> arrived;  // in whatever order
  for (std::uint64_t cursor = joined->cursor; arrived.size() < 2;) {
    const auto told = b->state_changes("room", {.after = cursor, .wait = 20s});
    ASSERT_TRUE(told) << told.error().message;
    ASSERT_FALSE(told->changes.empty());
    for (const Change& change : told->changes) arrived.insert(change.doc);
    cursor = told->cursor;
  }
  EXPECT_THAT(arrived, ElementsAre("room/topic", "room/visits"));
  EXPECT_EQ(b->state_get("room/topic")->value->bytes, "weather");
  EXPECT_THAT(b->state_add("room/people", "bob")->items, ElementsAre("bob"));
  EXPECT_TRUE(b->state_del("room/people", "bob")->items.empty());
  EXPECT_EQ(b->state_spaces()->size(), 1u);
  ASSERT_TRUE(b->state_leave("room"));
  EXPECT_EQ(b->state_get("room/topic").error().code, Code::kNotFound);
}

TEST(Embedding, InAnOwnedNamespaceItWritesWhatItWasGranted) {
  auto a = Node::open(alone());
  ASSERT_TRUE(a) << a.error().message;
  auto b = Node::open(joining(*a));
  ASSERT_TRUE(b) << b.error().message;
  ASSERT_EQ(b->wait_members(2, {20s}), 2u);
  const auto made = a->state_create("plans", {.owned = true});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->access, "owned");
  Result<Namespace> joined = b->state_join("plans");
  for (int tries = 0; !joined && tries < 100; ++tries) {
    std::this_thread::sleep_for(100ms);
    joined = b->state_join("plans");
  }
  ASSERT_TRUE(joined) << joined.error().message;
  EXPECT_FALSE(joined->may_write);
  EXPECT_EQ(b->state_set("plans/drafts/one", "x").error().code, Code::kDenied);
  EXPECT_EQ(b->state_grant("plans", b->id()).error().code, Code::kDenied);
  ASSERT_TRUE(a->state_grant("plans", b->id(), {.path = "drafts", .overwrite = false, .entries = 5, .lasts = 3600s}));
  Result<Document> set = b->state_set("plans/drafts/one", "x");
  for (int tries = 0; !set && tries < 100; ++tries) {
    std::this_thread::sleep_for(100ms);
    set = b->state_set("plans/drafts/one", "x");
  }
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(b->state_set("plans/other", "x").error().code, Code::kDenied);
  EXPECT_TRUE(b->state_spaces()->at(0).may_write);
  ASSERT_TRUE(a->state_revoke("plans", b->id()));
  Result<Document> last = b->state_set("plans/drafts/two", "x");
  for (int tries = 0; last && tries < 100; ++tries) {
    std::this_thread::sleep_for(100ms);
    last = b->state_set("plans/drafts/two", "x");
  }
  EXPECT_EQ(last.error().code, Code::kDenied);
}

TEST(Embedding, AHomeIsTheSameNodeWhenItComesBack) {
  const ScratchDir dir;
  std::string id;
  {
    auto node = Node::open(alone(dir.path("home")));
    ASSERT_TRUE(node) << node.error().message;
    id = node->id();
    EXPECT_EQ(node->home(), dir.path("home"));
    EXPECT_EQ(dir.mode("home"), 0700u);
    ASSERT_TRUE(node->state_create("room"));
    ASSERT_TRUE(node->state_set("room/topic", "kept"));
    ASSERT_TRUE(node->put("color", "blue"));
    const auto second = Node::open(alone(dir.path("home")));
    EXPECT_EQ(second.error().code, Code::kCannotStart);
    EXPECT_THAT(second.error().message, HasSubstr("in use"));
  }
  auto node = Node::open(alone(dir.path("home")));
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(node->id(), id);
  EXPECT_EQ(node->state_get("room/topic")->value->bytes, "kept");
  EXPECT_EQ(node->get("color")->bytes(), "blue");
}

TEST(Embedding, WithoutAHomeNothingIsLeft) {
  std::string home;
  {
    auto node = Node::open(alone());
    ASSERT_TRUE(node) << node.error().message;
    home = node->home();
    EXPECT_TRUE(std::filesystem::exists(home + "/control.sock"));
  }
  EXPECT_FALSE(std::filesystem::exists(home));
}

TEST(Embedding, BadOptionsAreRefusedAndLeaveNothing) {
  const ScratchDir dir;
  const std::size_t threads = threads_of_this_process();
  const auto refused = [&](NodeOptions options) {
    auto node = Node::open(std::move(options));
    EXPECT_FALSE(node);
    return node ? "" : std::string(to_string(node.error().code)) + ": " + node.error().message;
  };
  const auto with = [&](auto change) {
    NodeOptions options = alone(dir.path("home"));
    change(options);
    return refused(options);
  };
  EXPECT_THAT(with([](auto& o) { o.listen = {"nowhere"}; }), HasSubstr("bad_request: listen"));
  EXPECT_THAT(with([](auto& o) { o.advertise = {"1.2.3.4"}; }), HasSubstr("bad_request: advertise"));
  EXPECT_THAT(with([](auto& o) { o.network = ""; }), HasSubstr("bad_request: network"));
  EXPECT_THAT(with([](auto& o) { o.network = "/no/such/file"; }), HasSubstr("/no/such/file"));
  EXPECT_THAT(with([](auto& o) { o.seeds = {"no port"}; }), HasSubstr("bad_request"));
  EXPECT_THAT(with([](auto& o) { o.log_level = "loud"; }), HasSubstr("bad_request: log level"));
  EXPECT_THAT(with([](auto& o) { o.name = std::string(1000, 'x'); }), HasSubstr("bad_request"));
  EXPECT_THAT(with([](auto& o) { o.deadline = 0ms; }), HasSubstr("bad_request: a deadline"));
  EXPECT_THAT(with([](auto& o) { o.listen = {"192.0.2.1:9"}; }), HasSubstr("cannot_start"));
  EXPECT_THAT(with([](auto& o) { o.home = "/proc/weft"; }), HasSubstr("bad_request"));
  EXPECT_THAT(with([](auto& o) { o.home = "/tmp/" + std::string(120, 'x'); }), HasSubstr("shorter"));
  std::filesystem::create_directory(dir.path("open"));
  std::filesystem::permissions(dir.path("open"), std::filesystem::perms{0755});
  EXPECT_THAT(with([&](auto& o) { o.home = dir.path("open"); }), HasSubstr("chmod 700"));
  EXPECT_EQ(threads_of_this_process(), threads);
}

TEST(Embedding, WithoutFileDescriptorsItDoesNotStart) {
  ASSERT_TRUE(Node::open(alone()));  // what a process opens once is open
  const ScratchDir dir;
  const std::size_t in_use = descriptors_of_this_process();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::size_t refused = 0;
  for (std::size_t free = 0; free < 48; ++free) {
    rlimit few = before;
    few.rlim_cur = in_use + free;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    auto node = Node::open(alone(dir.path("home")));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    if (node) continue;
    ++refused;
    EXPECT_EQ(node.error().code, Code::kCannotStart);
    EXPECT_THAT(node.error().message, HasSubstr("file descriptors"));
  }
  EXPECT_GT(refused, 20u);  // the count above is of one more, that which counts
  EXPECT_LT(refused, 48u);
  EXPECT_EQ(descriptors_of_this_process(), in_use) << "nothing is left open";
}

TEST(Embedding, ItsProcessIsLeftAlone) {
  struct sigaction before {}, after {};
  ::sigaction(SIGTERM, nullptr, &before);
  const mode_t mask = ::umask(022);
  {
    auto node = Node::open(alone());
    ASSERT_TRUE(node) << node.error().message;
    ::sigaction(SIGTERM, nullptr, &after);
    EXPECT_EQ(after.sa_handler, before.sa_handler);
    EXPECT_EQ(::umask(022), 022u);
  }
  ::umask(mask);
  itimerval timer{};
  ::getitimer(ITIMER_REAL, &timer);
  EXPECT_EQ(timer.it_value.tv_sec, 0) << "no watchdog is left";
}

TEST(Embedding, CallsAfterTheEndSaySo) {
  auto node = Node::open(alone());
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(node->ended(), std::nullopt);
  node->stop();
  node->stop();
  ASSERT_NE(node->ended(), std::nullopt);
  EXPECT_EQ(node->put("color", "blue").error().code, Code::kShutdown);
  bool called = false;
  node->get("color", {}, [&](Result<Found>&& found) {
    called = true;
    EXPECT_EQ(found.error().code, Code::kShutdown);
  });
  EXPECT_TRUE(called) << "refused at once";
  EXPECT_EQ(node->id().size(), 64u);

  Node moved = std::move(*node);
  EXPECT_EQ(node->members().error().code, Code::kShutdown);  // NOLINT: what a moved-from Node says is part of the contract
  EXPECT_EQ(node->id(), "");
  node->stop();
  EXPECT_EQ(moved.id().size(), 64u);
}

TEST(Embedding, CallsUnderWayAreBounded) {
  auto node = Node::open(alone());
  ASSERT_TRUE(node) << node.error().message;
  Inbox<std::size_t> inbox;
  for (std::size_t i = 0; i < kCallsMax; ++i) node->wait_members(2, {600s}, inbox.taker());
  EXPECT_EQ(node->members().error().code, Code::kOverloaded);
  EXPECT_TRUE(inbox.wait(0).empty()) << "those under way are not touched";
  // One of them may end: then there is room again.
  auto other = Node::open(joining(*node));
  ASSERT_TRUE(other) << other.error().message;
  const auto results = inbox.wait(kCallsMax);
  ASSERT_EQ(results.size(), kCallsMax);
  EXPECT_EQ(results[0], 2u);
  EXPECT_TRUE(node->members());
}

TEST(Embedding, ADeadlineIsKept) {
  auto node = Node::open(alone());
  ASSERT_TRUE(node) << node.error().message;
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(node->wait_members(2, {50ms}).error().code, Code::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 50ms + kGrace + 5s);
  EXPECT_EQ(node->member_changes({.wait = 50ms})->changes.size(), 0u) << "a wait that ends is no failure";
}

TEST(Embedding, ANodeThatStandsStillIsGivenUp) {
  auto node = Node::open(alone());
  ASSERT_TRUE(node) << node.error().message;
  // Two calls are under way when a `then` that must not take long takes long; a third comes meanwhile.
  std::vector<std::thread> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.emplace_back([&node] { EXPECT_EQ(node->wait_members(9, {300ms}).error().code, Code::kTimedOut); });
  }
  std::this_thread::sleep_for(100ms);
  node->members({}, [](Result<std::vector<Member>>&&) { std::this_thread::sleep_for(3s); });
  std::this_thread::sleep_for(50ms);
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(node->members({100ms}).error().code, Code::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 2500ms);
  for (std::thread& thread : waiting) thread.join();
  // All of them have made room.
  ASSERT_TRUE(node->members());
  Inbox<std::size_t> inbox;
  for (std::size_t i = 0; i < kCallsMax; ++i) node->wait_members(1, {}, inbox.taker());
  for (const Result<std::size_t>& result : inbox.wait(kCallsMax)) EXPECT_EQ(result, 1u);
}

TEST(Embedding, DestroyedWhileCallsAreUnderWay) {
  const std::size_t threads = threads_of_this_process();
  std::atomic<std::size_t> ended = 0;
  std::vector<std::thread> waiting;
  {
    auto node = Node::open(alone());
    ASSERT_TRUE(node) << node.error().message;
    for (int i = 0; i < 20; ++i) {
      node->wait_members(9, {600s}, [&](Result<std::size_t>&& result) { ended += !result && result.error().code == Code::kShutdown; });
    }
    for (int i = 0; i < 4; ++i) node->put("k" + std::to_string(i), "v", {}, [&](Result<PutReceipt>&&) { ++ended; });
    for (int i = 0; i < 4; ++i) {
      waiting.emplace_back([&ended, &stopping = *node] {
        ended += stopping.member_changes({.wait = 60s}).error().code == Code::kShutdown;
      });
    }
    std::this_thread::sleep_for(100ms);
    node->stop();
    for (std::thread& thread : waiting) thread.join();
  }
  EXPECT_EQ(ended, 28u);
  EXPECT_EQ(threads_of_this_process(), threads);
}

TEST(Embedding, CallsFromManyThreadsAndStopsFromTwo) {
  auto node = Node::open(alone());
  ASSERT_TRUE(node) << node.error().message;
  ASSERT_TRUE(node->state_create("room"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&node] {
      for (int k = 0; k < 20; ++k) EXPECT_TRUE(node->state_inc("room/visits"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(node->state_get("room/visits")->counter, 160);
  threads.clear();
  for (int i = 0; i < 2; ++i) threads.emplace_back([&node] { node->stop(); });
  for (std::thread& thread : threads) thread.join();
}

TEST(Embedding, WithinAnAnswerOneMayCallButNotWait) {
  auto node = Node::open(alone());
  ASSERT_TRUE(node) << node.error().message;
  std::mutex mutex;
  std::condition_variable changed;
  Code waited = Code::kInternal;
  bool done = false;
  node->members({}, [&](Result<std::vector<Member>>&&) {
    waited = node->members().error().code;
    node->put("color", "blue", {}, [&](Result<PutReceipt>&& put) {
      EXPECT_TRUE(put);
      const std::lock_guard lock(mutex);
      done = true;
      changed.notify_all();
    });
  });
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, 30s, [&] { return done; }));
  EXPECT_EQ(waited, Code::kBadRequest);
}

TEST(Embedding, AnAnswerMayEndOrDestroyItsOwnNode) {
  const std::size_t threads = threads_of_this_process();
  auto stopping = Node::open(alone());
  ASSERT_TRUE(stopping) << stopping.error().message;
  stopping->members({}, [&](Result<std::vector<Member>>&&) { stopping->stop(); });
  stopping->stop();
  EXPECT_NE(stopping->ended(), std::nullopt);

  auto opened = Node::open(alone());
  ASSERT_TRUE(opened) << opened.error().message;
  auto owned = std::make_shared<std::optional<Node>>(std::move(*opened));
  const std::string home = (*owned)->home();
  (*owned)->members({}, [owned](Result<std::vector<Member>>&&) { owned->reset(); });
  owned.reset();
  // It ends by itself, and takes its home with it.
  for (int i = 0; i < 300 && (std::filesystem::exists(home) || threads_of_this_process() > threads); ++i) {
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_FALSE(std::filesystem::exists(home));
  EXPECT_EQ(threads_of_this_process(), threads);
}

TEST(Embedding, WhatARequestCannotSayIsRefused) {
  auto node = Node::open(alone());
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(node->get("caf\xe9").error().code, Code::kBadRequest);
  EXPECT_EQ(node->get("k", {.deadline = -1ms}).error().code, Code::kBadRequest);
  EXPECT_EQ(node->put("k", "").error().code, Code::kBadRequest);
  EXPECT_EQ(node->put("k", std::string(kPutBytesMax + 1, 'x')).error().code, Code::kTooLarge);
  EXPECT_EQ(node->put("", "v").error().code, Code::kBadRequest);
  EXPECT_EQ(node->state_set("nodoc", "v").error().code, Code::kBadRequest);
  EXPECT_EQ(node->state_inc("room/a").error().code, Code::kNotFound);
  EXPECT_EQ(node->state_create("a b").error().code, Code::kBadRequest);
  EXPECT_EQ(node->member_changes({.limit = 0}).error().code, Code::kBadRequest);
  node->get("k", {}, nullptr);  // nobody listens
}

}  // namespace
}  // namespace weft
