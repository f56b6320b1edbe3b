#include "node/runtime.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "node/control_json.h"
#include "node/interfaces.h"
#include "node/network_file.h"
#include "node/runtime_node.h"
#include "node/store_sqlite.h"

namespace weft::node {
namespace {

// What a long-lived small process wants of the allocator: one arena for both threads, freed memory
// back to the system. Before any thread.
void prepare_process() {
  // A descriptor 0, 1 or 2 that came closed would be given to a socket, and lines be written there.
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));
  }
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  ::mallopt(M_TOP_PAD, 16 * 1024);
  ::mallopt(M_MMAP_THRESHOLD, 64 * 1024);
  ::setenv("UV_THREADPOOL_SIZE", "1", /*overwrite=*/0);  // name look-ups only
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);  // whatever is written is the owner's alone
  configure_sqlite();
}

// A disk or a resolver that hangs must not keep the process: SIGALRM ends it with the status that
// it was about to have.
volatile sig_atomic_t g_watchdog_status = 0;
bool g_watchdog_armed = false;
void on_watchdog(int) { ::_exit(g_watchdog_status); }

std::vector<Endpoint> default_listen() {
  return {Endpoint::v4(0, 0, 0, 0, kDefaultPort), Endpoint::v6({}, kDefaultPort)};
}

// Limits per address prefix make no sense between processes of one machine that share 127.0.0.1 or
// ::1; a test mesh spread over 127.x.y.z has prefixes and keeps them.
bool shares_one_address(const std::vector<Endpoint>& listen) {
  return std::ranges::all_of(listen, [](const Endpoint& endpoint) {
    const std::string ip = ip_string(endpoint);
    return ip == "127.0.0.1" || ip == "::1";
  });
}

}  // namespace

void arm_watchdog(int exit_status) {
  g_watchdog_status = exit_status;
  if (std::exchange(g_watchdog_armed, true)) return;
  struct sigaction action {};
  action.sa_handler = on_watchdog;
  ::sigaction(SIGALRM, &action, nullptr);
  itimerval at{};
  at.it_value.tv_sec = kExitMaxMs / 1000;
  at.it_value.tv_usec = kExitMaxMs % 1000 * 1000;
  ::setitimer(ITIMER_REAL, &at, nullptr);
}

RunningNode::RunningNode(RuntimeOptions options)
    : options_(std::move(options)),
      log_(parse_log_level(options_.log_level).value_or(LogLevel::kInfo), options_.log_fd, parse_log_format(options_.log_format).value_or(LogFormat::kText)),
      stdout_(options_.embedded ? -1 : STDOUT_FILENO),
      records_(provider_, kRecordCacheMax) {
  CHECK(uv_loop_init(&loop_) == 0);
  loop_open_ = true;
  const auto timer = [this](void (RunningNode::*on_time)()) {
    return std::make_unique<UvTimer>(&loop_, [this, on_time] { (this->*on_time)(); });
  };
  api_timer_ = timer(&RunningNode::on_api_timer);
  output_timer_ = timer(&RunningNode::retry_output);
  interfaces_timer_ = timer(&RunningNode::poll_interfaces);
  touch_timer_ = timer(&RunningNode::touch);
  flush_timer_ = timer(&RunningNode::stop_when_flushed);
  leave_timer_ = std::make_unique<UvTimer>(&loop_, [this] { finish(exit_status_, stop_reason_); });
  stall_timer_ = std::make_unique<UvTimer>(&loop_, [this] { shell_->stall(stall_); });
  store_wake_ = std::make_unique<UvAsync>(&loop_, [this] { shell_->on_store_done(); });
  resolver_ = std::make_unique<SeedResolver>(&loop_);
  shell_ = std::make_unique<UvShell>(&loop_);
}

RunningNode::~RunningNode() { take_apart(); }

std::expected<void, Failure> RunningNode::start() {
  if (!options_.embedded) watch_process();
  const Now now = read_clocks();
  started_wall_ = now.wall;
  if (!parse_log_level(options_.log_level)) {
    return refused("log level " + escaped(options_.log_level) +
                   " is none of trace, debug, info, warn, error");
  }
  auto network = load_network(options_.network);
  if (!network) return std::unexpected(network.error());
  for (const std::string& text : options_.seeds) {
    auto seed = parse_seed(text);
    if (!seed) return refused(seed.error());
    seeds_.push_back(std::move(*seed));
  }
  options_.limits = limits_of_this_node(options_.limits);
  auto home = Home::open(options_.home);
  if (!home) return std::unexpected(home.error());
  if (options_.embedded && !home->is_closed()) {
    return refused("others may look into " + home->directory() + "; run: chmod 700 " + home->directory());
  }
  home_.emplace(std::move(*home));
  last_seen_ = home_->last_seen();

  IdentitySeed fresh;
  entropy_.fill(fresh);
  const auto seed = home_->load_or_create_identity(fresh);
  if (!seed) return std::unexpected(seed.error());
  identity_ = std::make_unique<Identity>(provider_, *seed);

  if (options_.listen.empty()) options_.listen = default_listen();
  if (auto opened = shell_->sockets().open(options_.listen); !opened) {
    return std::unexpected(opened.error());
  }
  listen_ = shell_->sockets().bound();
  if (options_.faults) shell_->enable_faults();

  auto config = make_config(std::move(*network));
  if (!config) return std::unexpected(config.error());
  auto stored = open_store(*home_, now.wall);
  if (!stored) return std::unexpected(stored.error());
  core_ = std::make_unique<NodeCore>(std::move(*config), std::move(*stored), now,
                                     Deps{*identity_, provider_, records_, entropy_});
  api_ = std::make_unique<ControlApi>(*core_, *this);
  if (auto opened = open_control(); !opened) return std::unexpected(opened.error());

  shell_->attach(*core_, *store_,
                 [this](Now at, const Event& event, Output& out) { on_event(at, event, out); });
  touch_timer_->start(kTouchEveryMs);
  log_.info("weft " WEFT_VERSION " starts: node " + short_string(identity_->id()) + ", network " +
            network_name_ + ", home " + home_->directory());
  shell_->turn([this](Now at, Output& out) { core_->start(at, out); });
  if (!options_.embedded) ::malloc_trim(0);  // what loading has freed
  return {};
}

std::expected<Config, Failure> RunningNode::make_config(Network network) {
  Config config;
  config.name = options_.name.empty() ? short_string(identity_->id()) : options_.name;
  config.tags = options_.tags;
  const bool wildcard = std::ranges::any_of(listen_, &Endpoint::is_unspecified);
  advertised_ = options_.advertise;
  if (advertised_.empty()) {
    advertised_ =
        reachable_endpoints(listen_, wildcard ? interface_addresses() : std::vector<Endpoint>{});
    if (wildcard) interfaces_timer_->start(kInterfacesEveryMs);
  }
  config.endpoints = advertised_;
  config.ipv4 = std::ranges::any_of(listen_, &Endpoint::is_v4);
  config.ipv6 = !std::ranges::all_of(listen_, &Endpoint::is_v4);
  config.loopback_only = shares_one_address(listen_);
  config.rng_seed = entropy_.next_u64();
  config.sessions.sessions_max = options_.limits.sessions;
  config.sessions.new_endpoints_per_minute = options_.limits.new_endpoints_per_minute;
  config.dht.values_bytes_max = options_.limits.store_bytes;
  config.dht.values_per_author_max = values_per_author(options_.limits);
  config.dht.values_memory_max = in_memory() ? 0 : kValuesMemoryMax;
  config.dht.background_bytes_per_s = options_.limits.background_bytes_per_s;
  network_name_ = network.name;
  network_private_ = network.is_private;
  config.network = std::move(network);
  if (auto checked = check_record(config); !checked) return std::unexpected(checked.error());
  return config;
}

// The record of a node carries its name and tags; a record that cannot be made is the user's input.
std::expected<void, Failure> RunningNode::check_record(const Config& config) const {
  if (config.name.size() > kNameBytesMax) {
    return refused("--name may have " + std::to_string(kNameBytesMax) + " bytes");
  }
  RecordFields fields;
  fields.number = kNumberMax;
  fields.instance = UINT64_MAX;
  fields.minor = kProtocolMinor;
  fields.network = config.network.id;
  fields.name = config.name;
  fields.tags = config.tags;
  for (std::size_t i = 0; i < kRecordEndpointsMax; ++i) {
    fields.endpoints.push(Endpoint::v6({0x20, 0x01, 0x0d, 0xb8, static_cast<std::uint8_t>(i)}, 1));
  }
  if (make_record(*identity_, fields) != nullptr) return {};
  return refused("name and tags do not fit into the node's record: at most " +
                 std::to_string(kTagsMax) + " tags, keys of " + std::to_string(kTagKeyBytesMax) +
                 " and values of " + std::to_string(kTagValueBytesMax) + " bytes, less in all");
}

std::expected<Stored, Failure> RunningNode::open_store(const Home& home, UnixMillis now) {
  if (options_.ephemeral) {
    store_ = std::make_unique<MemoryStore>();
    return Stored{};
  }
  if (auto moved = move_old_store(old_store_path(home.directory()), store_path(home.directory())); !moved) {
    return std::unexpected(moved.error());
  }
  auto opened = open_sqlite_store({store_path(home.directory()), !options_.durable,
                                   [wake = store_wake_.get()] { wake->send(); },
                                   in_memory() ? SIZE_MAX : kValuesMemoryMax});
  if (!opened) return std::unexpected(opened.error());
  store_ = std::move(opened->store);
  last_seen_ = std::max(last_seen_, opened->last_seen);
  Stored stored{.rows = std::move(opened->rows)};
  if (!opened->held_in_rows) stored.values_on_disk = opened->held;
  // The home was touched after the last commit.
  if (opened->node_time.value > 0) {
    stored.node_time = {opened->node_time.value + (last_seen_.value - opened->last_seen.value)};
  }
  if (last_seen_.value > 0 && now > last_seen_) {
    stored.down = std::chrono::milliseconds(now.value - last_seen_.value);
  }
  return stored;
}

std::expected<void, Failure> RunningNode::open_control() {
  http_ = std::make_unique<HttpServer>(
      &loop_,
      [this](RequestId id, const ControlRequest& request) { return on_request(id, request); },
      [this](RequestId id) { on_gone(id); },
      // A browser sends the cookies of every port of this host. Memory is taken for connections that are open.
      options_.page.html.empty() || !options_.http ? HttpServer::Bounds{} : HttpServer::Bounds{.connection_memory = kPageConnectionMemory});
  if (auto opened = http_->listen_unix(control_path(home_->directory())); !opened) return opened;
  if (options_.http) {
    const auto bound = http_->listen_tcp(*options_.http);
    if (!bound) return std::unexpected(bound.error());
    http_text_ = to_string(*bound);
  }
  log_.on_line([this](const LogLine& line) {
    if (log_.waiting()) output_timer_->start(kRetryOutputMs);
    if (http_->has_streams(StreamStart::Kind::kLog)) {
      http_->publish(StreamStart::Kind::kLog, line.level, log_line_json(line));
    }
  });
  return {};
}

void RunningNode::watch_process() {
  const auto watch = [this](int number, std::function<void()> call) {
    signals_.push_back(std::make_unique<UvSignal>(&loop_, number, std::move(call)));
  };
  watch(SIGTERM, [this] { on_stop_signal("SIGTERM"); });
  watch(SIGINT, [this] { on_stop_signal("SIGINT"); });
  watch(SIGHUP, [this] { reload(); });
  if (options_.parent_fd >= 0) {
    parent_ = std::make_unique<UvPoll>(&loop_, options_.parent_fd,
                                       [this](int events) { on_parent(events); });
    parent_->start(UV_READABLE | UV_DISCONNECT);
  }
}

int RunningNode::run(const std::function<void()>& at_end) {
  uv_run(&loop_, UV_RUN_DEFAULT);
  if (at_end) at_end();
  if (options_.embedded) {
    take_apart();
    return exit_status_;
  }
  // From here on nothing may take long, and should it, the watchdog ends the process. A further
  // signal changes nothing any more; libuv would leave it to kill the process with another status.
  arm_watchdog(exit_status_);
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  take_apart();
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  ::pthread_sigmask(SIG_UNBLOCK, &stop_signals, nullptr);
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  return exit_status_;
}

void RunningNode::take_apart() {
  if (!loop_open_) return;
  loop_open_ = false;
  log_.on_line(nullptr);
  if (http_) http_->close();
  shell_->detach();
  const UnixMillis end = read_clocks().wall;
  if (store_) store_->close({end, core_ ? core_->node_time(read_clocks()) : UnixMillis{}});
  if (home_) home_->touch(end);
  own_requests_.clear();
  api_.reset();
  core_.reset();
  store_.reset();
  http_.reset();
  resolver_.reset();
  shell_.reset();
  signals_.clear();
  parent_.reset();
  for (auto* timer : {&api_timer_, &output_timer_, &interfaces_timer_, &touch_timer_, &leave_timer_,
                      &flush_timer_, &stall_timer_}) {
    timer->reset();
  }
  store_wake_.reset();
  uv_run(&loop_, UV_RUN_DEFAULT);  // the close callbacks
  CHECK(uv_loop_close(&loop_) == 0);
  stdout_.flush();
  log_.flush();
}

int run_node(RuntimeOptions options) {
  prepare_process();
  RunningNode node(std::move(options));
  const auto started = node.start();
  if (!started) {
    std::fprintf(stderr, "weft: %s\n", started.error().message.c_str());
    return started.error().exit_status;
  }
  return node.run();
}

}  // namespace weft::node
