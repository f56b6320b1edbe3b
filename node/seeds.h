// Names of seeds to endpoints, by the system's resolver on libuv's one worker thread.
//
// Addresses need no resolver and no thread. Every resolve() calls back exactly once, later, unless
// the object goes first. Loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "node/seed_text.h"

struct uv_loop_s;

namespace weft::node {

class UvTimer;

inline constexpr std::size_t kAddressesPerName = 4;

class SeedResolver {
 public:
  // `seeds` in the order of the texts; `unresolved` lists the hosts without an address.
  using Done = std::function<void(std::vector<Seed> seeds, std::vector<std::string> unresolved)>;

  explicit SeedResolver(uv_loop_s* loop);
  ~SeedResolver();

  void resolve(std::vector<SeedText> texts, Done done);
  // Look-ups that the resolver has not given back; they cannot be called off.
  bool busy() const;

 private:
  struct Job;
  struct Shared;
  void settle();

  uv_loop_s* loop_;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<UvTimer> timer_;
};

}  // namespace weft::node
