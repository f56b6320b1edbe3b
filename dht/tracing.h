// What the operations that a user has traced ask of others, request by request.
//
// A traced operation has an id of its own, and each of its requests one more (W3C Trace Context, 16 and 8 random bytes):
// they travel with the request (messages.h, Traced), so that whoever was asked can tell what it did for it. Here is
// written down what was asked when and what came of it, until the operation ends. Bounded: kTracedStepsMax requests an
// operation, of more none is traced; operations by Config::ops_max. Costs nothing while nothing is traced.
#pragma once

#include <map>
#include <vector>

#include "crypto/effects.h"
#include "crypto/rng.h"
#include "dht/dht.h"

namespace weft::dht {

class Lookup;
enum class OpKey : std::uint64_t;

inline constexpr std::size_t kTracedStepsMax = 512;

// What there was in an answer.
struct Answer {
  std::size_t contacts = 0;
  std::size_t values = 0;
  std::optional<StoreStatus> status = {};
};
inline Answer answer_of(const Nodes& m) { return {.contacts = m.contacts.size()}; }
inline Answer answer_of(const Values& m) { return {.contacts = m.contacts.size(), .values = m.values.size()}; }
inline Answer answer_of(const Stored& m) { return {.status = m.status}; }
inline Answer answer_of(const Compared&) { return {}; }
inline Answer answer_of(const StoredMany&) { return {}; }

class Tracing {
 public:
  explicit Tracing(Entropy& entropy) : entropy_(entropy) {}

  // The requests of `op` are traced from now on.
  void begin(OpKey op, Instant now);
  void end(OpKey op);

  // `op` asks `peer`: what travels with the request; nullopt: it is not traced.
  std::optional<TraceContext> asked(OpKey op, RequestTag tag, Role role, const Contact& peer, Instant now);
  // What came of a request of `op`; one that is not traced changes nothing.
  void answered(OpKey op, RequestTag tag, Instant now, const Answer& answer);

  // All requests so far in the order they were asked in, those of the lookup with who had named whom.
  Trace trace(OpKey op, const Lookup& lookup) const;

 private:
  struct Asked {
    RequestTag tag{};
    Step step;
  };
  struct Traced {
    ByteArray<16> id{};
    Instant began;
    std::vector<Asked> asked;
  };
  Entropy& entropy_;
  std::map<OpKey, Traced> traced_;
};

}  // namespace weft::dht
