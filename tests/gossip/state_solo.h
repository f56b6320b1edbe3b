// One node with shared state whose disk and peers are the test itself: each commit ends when the test says so, each question waits for its answer.
#pragma once

#include <deque>

#include "tests/gossip/state_signed.h"

namespace weft::state {

class Solo {
 public:
  Solo() { start(); }

  void start() {
    pending.clear();
    asked.clear();
    state = std::make_unique<State>(self, provider, entropy, Rng(++starts_), Config{}, now());
    for (const std::uint8_t table : {kRowSpace, kRowEntry}) {
      for (const auto& [key, value] : rows) {
        if (key[0] == table) state->restore(now(), key, value);
      }
    }
    state->restored();
  }
  template <class Call>
  OpId call(Call what) {
    const auto op = static_cast<OpId>(++ops_);
    Output out;
    what(op, out);
    for (Persist& p : out.persist) pending.push_back(std::move(p));
    for (const Request& r : out.requests) asked.push_back(r);
    for (const Event& event : out.events) {
      if (const auto* end = std::get_if<StateDone>(&event)) {
        EXPECT_TRUE(done.emplace(end->op, end->entries).second);
      }
      if (const auto* notice = std::get_if<StateNoticed>(&event)) noticed.push_back(*notice);
    }
    return op;
  }
  // The first of the batches that wait.
  void commit(bool ok = true) {
    const Persist batch = pending.front();
    pending.pop_front();
    for (const Write& w : batch.writes) {
      if (!ok) break;
      if (!w.erase) rows[w.key] = w.value;
      else std::erase_if(rows, [&](const auto& row) { return row.first == w.key || (w.key[0] == kRowSpace && std::equal(w.key.begin() + 1, w.key.end(), row.first.begin() + 1)); });
    }
    call([&](OpId, Output& out) { state->on_persisted(now(), batch.ticket, ok, out); });
  }
  void commit_all() {
    while (!pending.empty()) commit();
  }
  void pass(Duration time) {
    mono_ += time;
    call([&](OpId, Output& out) { state->on_deadline(now(), out); });
  }
  OpId make(Access access = Access::kOpen) {
    space_id = make_genesis(self, "n", access).id;
    return call([&](OpId op, Output& out) { state->create(now(), op, "n", access, out); });
  }
  OpId leave() {
    return call([&](OpId op, Output& out) { state->leave(now(), op, space_id, out); });
  }
  OpId change(Change::What what, std::string_view path, std::string_view value, std::int64_t amount = 0) {
    const Change one{.what = what, .path = as_bytes(path), .value = as_bytes(value), .amount = amount};
    return call([&](OpId op, Output& out) { state->write(now(), op, space_id, {&one, 1}, out); });
  }
  OpId set(std::string_view path, std::string_view value) { return change(Change::What::kSet, path, value); }
  OpId import(std::span<const Bytes> wires) {
    const std::vector<ByteView> views(wires.begin(), wires.end());
    return call([&](OpId op, Output& out) { state->import(now(), op, space_id, views, out); });
  }
  void push(const Bytes& wire) {
    const Push word = push_of(space_id, {&wire, 1});
    call([&](OpId, Output& out) { state->on_push(now(), NodeId{{77}}, word, out); });
  }
  // What an operation ended with; kShutdown: it has not.
  std::expected<std::size_t, Error> end_of(OpId op) const {
    const auto at = done.find(op);
    return at == done.end() ? std::unexpected(Error::kShutdown) : at->second;
  }
  // The entries of the last batch that waits.
  std::vector<Bytes> wires_waiting() const {
    std::vector<Bytes> out;
    for (const Write& w : pending.back().writes) {
      if (!w.erase && w.key[0] == kRowEntry) out.push_back(to_bytes(ByteView(w.value).subspan(8)));
    }
    return out;
  }
  Bytes signed_by(const Identity& by, std::uint64_t seq, std::uint64_t stamp, std::string_view path, std::span<const EntryId> saw = {}, std::uint64_t epoch = 5) const {
    const Content content{.space = space_id, .author = by.public_key(), .epoch = epoch, .seq = seq, .prev = {}, .stamp = stamp,
                          .kind = Kind::kSet, .path = as_bytes(path), .body = as_bytes("v"), .saw = saw};
    return sign_entries(by, {&content, 1}).value()[0];
  }
  Now now() const { return {mono_, UnixMillis{1'800'000'000'000 + mono_.time_since_epoch() / 1ms}}; }
  const Space& space() const { return *state->find(space_id); }

  CheapProvider provider;
  Identity self{provider, ByteArray<32>{1}};
  SeededEntropy entropy{1};
  std::unique_ptr<State> state;
  NamespaceId space_id;
  std::map<Bytes, Bytes> rows;
  std::deque<Persist> pending;
  std::deque<Request> asked;
  std::map<OpId, std::expected<std::size_t, Error>> done;
  std::vector<StateNoticed> noticed;

 private:
  Instant mono_{Duration(1s)};
  std::uint64_t starts_ = 0, ops_ = 0;
};

}  // namespace weft::state
