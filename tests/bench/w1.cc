// One node of a mesh, driven in process through the library as its users have it, for tests/bench/w1.py.
//
//   w1 NETWORK SEED      SEED as the library takes it: HOST:PORT
//
// Reads commands from stdin and answers each with a line of JSON:
//   wait N                              until it sees N members
//   put FIRST COUNT OPEN COPIES         values of 256 bytes under keys FIRST and up, OPEN at a time; COPIES 0: the default
//   get FIRST COUNT OPEN                the same values, whose bytes are compared
//   mark NAME                           under callgrind: counts so far are dumped, and begin anew
#include <weft/weft.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_DUMP_STATS_AT(name) (void)(name)
#endif

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kValueBytes = 256;

std::string key(std::size_t i) { return "w1-" + std::to_string(i); }
std::string value(std::size_t i) {
  std::string out = std::to_string(i);
  out.resize(kValueBytes, static_cast<char>('a' + i % 26));
  return out;
}

// COUNT calls, OPEN at a time. `begin` is given what to call when its operation has ended.
void drive(const char* what, std::size_t count, std::size_t open_max, const std::function<void(std::size_t, std::function<void(bool)>)>& begin) {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t open = 0, ended = 0, failed = 0;
  std::vector<double> ms(count);
  const auto began = Clock::now();
  const auto since = [](Clock::time_point then) { return std::chrono::duration<double, std::milli>(Clock::now() - then).count(); };
  for (std::size_t i = 0; i < count; ++i) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return open < open_max; });
    ++open;
    lock.unlock();
    const auto then = Clock::now();
    begin(i, [&, i, then](bool ok) {
      const std::lock_guard guard(mutex);
      ms[i] = since(then);
      --open;
      ++ended;
      failed += ok ? 0 : 1;
      changed.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return ended == count; });
  const double seconds = since(began) / 1000;
  std::ranges::sort(ms);
  const auto at = [&](double share) { return ms.empty() ? 0.0 : ms[static_cast<std::size_t>(share * static_cast<double>(ms.size() - 1))]; };
  std::printf("{\"did\":\"%s\",\"count\":%zu,\"failed\":%zu,\"seconds\":%.4f,\"per_s\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", what, count, failed, seconds,
              static_cast<double>(count) / seconds, at(0.5), at(0.99));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: w1 NETWORK SEED\n");
    return 2;
  }
  auto node = weft::Node::open({.network = argv[1], .listen = {"127.0.0.1:0"}, .seeds = {argv[2]}, .name = "w1"});
  if (!node) {
    std::fprintf(stderr, "w1: %s\n", node.error().message.c_str());
    return 1;
  }
  std::printf("{\"id\":\"%s\",\"home\":\"%s\"}\n", node->id().c_str(), node->home().c_str());
  std::fflush(stdout);
  char line[256];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    char verb[16] = "", name[80] = "";
    std::size_t first = 0, count = 0, open = 1, copies = 0;
    std::sscanf(line, "%15s %79s", verb, name);
    std::sscanf(line, "%*s %zu %zu %zu %zu", &first, &count, &open, &copies);
    const std::string_view what = verb;
    if (what == "wait") {
      const auto seen = node->wait_members(first, {.deadline = std::chrono::seconds(120)});
      std::printf("{\"alive\":%zu}\n", seen.value_or(0));
    } else if (what == "put") {
      drive("put", count, open, [&](std::size_t i, std::function<void(bool)> done) {
        node->put(key(first + i), value(first + i), {.copies = copies}, [done](weft::Result<weft::PutReceipt>&& got) { done(got.has_value()); });
      });
    } else if (what == "get") {
      drive("get", count, open, [&](std::size_t i, std::function<void(bool)> done) {
        node->get(key(first + i), {}, [done, want = value(first + i)](weft::Result<weft::Found>&& got) { done(got && got->bytes() == want); });
      });
    } else if (what == "mark") {
      CALLGRIND_DUMP_STATS_AT(name);
      std::printf("{\"marked\":\"%s\"}\n", name);
    } else {
      return 2;
    }
    std::fflush(stdout);
  }
}
