#include "node/seeds.h"

#include <netdb.h>

#include <algorithm>
#include <cstring>
#include <list>

#include "node/uv_handles.h"

namespace weft::node {
namespace {

std::vector<Endpoint> endpoints_of(const addrinfo* found, std::uint16_t port) {
  std::vector<Endpoint> list;
  for (; found != nullptr && list.size() < kAddressesPerName; found = found->ai_next) {
    Endpoint endpoint;
    if (found->ai_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, found->ai_addr, sizeof v4);
      std::uint8_t ip[4];
      std::memcpy(ip, &v4.sin_addr, sizeof ip);
      endpoint = Endpoint::v4(ip[0], ip[1], ip[2], ip[3], port);
    } else if (found->ai_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, found->ai_addr, sizeof v6);
      ByteArray<16> ip;
      std::memcpy(ip.data(), &v6.sin6_addr, ip.size());
      endpoint = Endpoint::v6(ip, port);
    } else {
      continue;
    }
    if (std::ranges::find(list, endpoint) == list.end()) list.push_back(endpoint);
  }
  return list;
}

}  // namespace

// One resolve(): an answer a text, and how many are still open.
struct SeedResolver::Job {
  std::vector<SeedText> texts;
  std::vector<std::vector<Endpoint>> found;  // by text
  std::size_t open = 0;
  Done done;
};

// Outlives the resolver until libuv has given back the last look-up.
struct SeedResolver::Shared {
  SeedResolver* owner = nullptr;  // nullptr: has gone
  std::list<std::shared_ptr<Job>> jobs;
  std::list<uv_getaddrinfo_t*> requests;
};

namespace {

struct Lookup {
  uv_getaddrinfo_t request{};
  std::function<void(const addrinfo*)> answer;
};

void on_answer(uv_getaddrinfo_t* request, int status, addrinfo* found) {
  const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(request->data));
  lookup->answer(status == 0 ? found : nullptr);
  uv_freeaddrinfo(found);
}

}  // namespace

SeedResolver::SeedResolver(uv_loop_s* loop)
    : loop_(loop),
      shared_(std::make_shared<Shared>()),
      timer_(std::make_unique<UvTimer>(loop, [this] { settle(); })) {
  shared_->owner = this;
}

SeedResolver::~SeedResolver() {
  shared_->owner = nullptr;
  for (uv_getaddrinfo_t* request : shared_->requests) {
    uv_cancel(reinterpret_cast<uv_req_t*>(request));
  }
}

bool SeedResolver::busy() const { return !shared_->requests.empty(); }

void SeedResolver::resolve(std::vector<SeedText> texts, Done done) {
  auto job = std::make_shared<Job>();
  job->texts = std::move(texts);
  job->found.resize(job->texts.size());
  job->done = std::move(done);
  for (std::size_t i = 0; i < job->texts.size(); ++i) {
    const SeedText& text = job->texts[i];
    if (const auto literal = text.literal()) {
      job->found[i] = {*literal};
      continue;
    }
    auto lookup = std::make_unique<Lookup>();
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_DGRAM;
    uv_getaddrinfo_t* request = &lookup->request;
    request->data = lookup.get();
    lookup->answer = [shared = shared_, job, i, request](const addrinfo* found) {
      job->found[i] = endpoints_of(found, job->texts[i].port);
      --job->open;
      shared->requests.remove(request);
      if (shared->owner != nullptr) shared->owner->settle();
    };
    if (uv_getaddrinfo(loop_, request, on_answer, text.host.c_str(), nullptr, &hints) != 0)
      continue;
    ++job->open;
    shared_->requests.push_back(request);
    static_cast<void>(lookup.release());  // on_answer owns it
  }
  shared_->jobs.push_back(std::move(job));
  timer_->start(0);  // never answers from within the caller's call
}

void SeedResolver::settle() {
  // A callback may start another resolve(), so finished jobs are taken out first.
  std::list<std::shared_ptr<Job>> finished;
  for (auto next = shared_->jobs.begin(); next != shared_->jobs.end();) {
    const auto current = next++;
    if ((*current)->open == 0) finished.splice(finished.end(), shared_->jobs, current);
  }
  for (const auto& job : finished) {
    std::vector<Seed> seeds;
    std::vector<std::string> unresolved;
    for (std::size_t i = 0; i < job->texts.size(); ++i) {
      for (const Endpoint& endpoint : job->found[i]) seeds.push_back({job->texts[i].id, endpoint});
      if (job->found[i].empty()) unresolved.push_back(job->texts[i].host);
    }
    job->done(std::move(seeds), std::move(unresolved));
  }
}

}  // namespace weft::node
