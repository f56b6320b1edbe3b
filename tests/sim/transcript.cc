#include "tests/sim/transcript.h"

#include <cstdio>
#include <sstream>

#include "crypto/check.h"
#include "testnet/sim/network.h"

namespace weft::sim {
namespace {

std::string text(std::uint64_t n) { return std::to_string(n); }

}  // namespace

std::string Transcript::play(const std::string& script) {
  std::istringstream in(script);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') out += line + "\n";
    if (!line.starts_with("> ")) continue;
    out += line + "\n" + command(line.substr(2));
  }
  return out;
}

std::string Transcript::command(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  const auto number = [&words] {
    std::size_t n = 0;
    CHECK(words >> n);
    return n;
  };
  const auto who = [&words] {
    std::string node;
    CHECK(words >> node);
    return static_cast<std::size_t>(std::stoul(node.substr(1)));
  };
  const auto key = [&words, this] {
    std::string text;
    CHECK(words >> text);
    const NodeId id = dht::key_of_text(text);
    teller_->name_key(id, text);
    return id;
  };
  told_.clear();
  if (verb == "nodes") {
    const std::size_t count = number();
    std::size_t replicas = 3;
    std::size_t idle_ms = 0;
    for (std::string option; words >> option;) (option == "idle" ? idle_ms : replicas) = number();
    form(count, replicas, idle_ms);
    return {};
  }
  if (verb == "rest") {
    net_->run_for(std::chrono::milliseconds(number()));
    return {};
  }
  input_.clear();
  net_->tap([this](const SimNetwork::Step& step) { tell(step); });
  if (verb == "run") {
    net_->run_for(std::chrono::milliseconds(number()));
  } else {
    zero_ = net_->now().mono;
    const std::size_t at = who();
    const auto operate = [&](const auto& call) {
      last_op_[at] = net_->operate(
          at, [&](node::NodeCore& core, Now now, node::Output& out) { return call(core, now, out); });
    };
    if (verb == "ping") {
      const NodeId to = net_->id(who());
      operate([&](auto& core, Now now, auto& out) { return core.ping(now, to, out); });
    } else if (verb == "put") {
      const NodeId id = key();
      std::string value;
      words >> value;
      operate([&](auto& core, Now now, auto& out) {
        return core.put(now, id, to_bytes(as_bytes(value)), {}, out);
      });
    } else if (verb == "get") {
      const NodeId id = key();
      operate([&](auto& core, Now now, auto& out) { return core.get(now, id, {}, out); });
    } else if (verb == "leave") {
      operate([&](auto& core, Now now, auto& out) { return core.leave(now, out); });
    } else if (verb == "cancel") {
      const OpId op = last_op_.at(at);
      operate([&](auto& core, Now now, auto& out) {
        core.cancel(now, op, out);
        return op;
      });
    } else {
      CHECK(verb == "crash");
      net_->crash(at);
    }
  }
  net_->tap({});
  return told_;
}

// At rest: probes and upkeep are far away, links take exactly a millisecond.
void Transcript::form(std::size_t nodes, std::size_t replicas, std::size_t idle_ms) {
  net_ = std::make_unique<SimNetwork>(
      NetworkOptions{.seed = 1, .link = {.latency_min = 1ms, .latency_max = 1ms}});
  teller_ = std::make_unique<Teller>(*net_);
  for (std::size_t i = 0; i < nodes; ++i) {
    net_->add(i == 0 ? std::nullopt : std::optional<std::size_t>(0), [&](node::Config& config) {
      config.membership.probe_interval = 1h;
      config.dht.replicas = replicas;
      if (idle_ms > 0) config.sessions.idle_out = std::chrono::milliseconds(idle_ms);
    });
    net_->run_for(100ms);
  }
  CHECK(net_->run_until([&] { return net_->all_see(nodes); }, 30s));
  net_->run_for(100s);
}

void Transcript::tell(const SimNetwork::Step& step) {
  using What = SimNetwork::Step::What;
  const auto us = (step.now.mono - zero_).count();
  char stamp[32];
  std::snprintf(stamp, sizeof stamp, "%4lld.%03lld ", static_cast<long long>(us / 1000),
                static_cast<long long>(us % 1000));
  std::string line = stamp;
  line += "n" + text(step.node);
  if (step.what == What::kDeadline) {
    input_ = line + " wakes\n";
    return;
  }
  line += " " + teller_->words(step);
  const bool is_input = step.what == What::kDatagram || step.what == What::kPersisted;
  if (!is_input) told_ += input_;
  input_.clear();
  told_ += line + "\n";
}

}  // namespace weft::sim
