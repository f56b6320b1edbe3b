// Properties of entries, packs and checkpoints as bytes (invariant 7; state_properties_set_test.cc lists all): what is signed is read as it
// was, there is one spelling of it, and nothing that anybody else changes is accepted. With real signatures. Each bit of one
// entry: Entry.NoSingleBitCanBeChanged. Messages: StateMessages.*, tests/fuzz/state_messages_fuzz.cc.
#include "gossip/state/checkpoint.h"
#include "gossip/state/pack.h"
#include "tests/gossip/state_generators.h"

namespace weft::state {
namespace {

using weft::testing::holds;

const SodiumProvider& sodium() {
  static const SodiumProvider provider;
  return provider;
}
const Identity& author() {
  static const Identity identity(sodium(), ByteArray<32>{1});
  return identity;
}

// Where the number of bytes that a number takes changes, and limits.
constexpr std::uint64_t kNumbers[] = {0, 1, 23, 24, 127, 128, 255, 256, 65535, 65536, UINT32_MAX, 1ULL << 32, kSeqMax - 1, kSeqMax, kSeqMax + 1, UINT64_MAX};

// A content that a step says, and what it points to.
struct Drawn {
  Bytes path, body;
  std::vector<EntryId> saw;
  Content content;
  bool good = true;  // by docs/PROTOCOL-state.md; it may be too large still
};

Bytes checkpoint_of(const Step& step) {
  std::vector<Section> sections;
  std::uint64_t epoch = step.x;
  for (const std::uint8_t number : step.list) {
    if (number % 3 == 0) epoch += number;
    const bool after = !sections.empty() && sections.back().epoch == epoch;
    Section one{.epoch = epoch, .first = 1 + (after ? sections.back().last : 0) + number % 7U, .last = 0, .wanted = {}};
    one.last = one.first + number * 3U;
    for (std::uint64_t seq = one.first; seq <= one.last; seq += 1 + number % 11U) one.wanted.push_back(seq);
    sections.push_back(std::move(one));
  }
  return sections.empty() ? Bytes{} : checkpoint_body(sections);
}

std::unique_ptr<Drawn> drawn(const Step& step) {
  auto out = std::make_unique<Drawn>();
  const auto number = [&](std::size_t i) { return i < step.list.size() ? step.list[i] : std::uint8_t{0}; };
  const auto kind = static_cast<Kind>(1 + step.z % 6);
  out->path = Bytes(std::size_t{1} + number(0), 'p');
  if (number(0) % 16 >= 14) out->path.insert(out->path.begin() + 1, number(0) % 2 == 0 ? '/' : ' ');
  out->body = Bytes(number(2) % 4 == 3 ? number(1) * std::size_t{4} : number(1) / 4U + 1U, number(2));
  if (kind == Kind::kCheckpoint) {
    out->path = to_bytes(as_bytes(number(0) == 255 ? "other" : kCheckpointPath));
    out->body = checkpoint_of(step);
  } else if (kind == Kind::kCount && number(1) % 8 != 7) {
    out->body = count_body({kNumbers[number(2) % 16], number(1)});
  } else if (kind == Kind::kClear && number(1) % 8 != 7) {
    out->body.clear();
  }
  if (kind != Kind::kCheckpoint || number(3) == 255) {
    for (std::size_t i = 0; i < (number(3) % 4 == 3 ? number(3) % 60U : number(3) % 4U); ++i) out->saw.push_back({{static_cast<std::uint8_t>(i), number(4)}});
    if (number(4) % 16 == 15) std::ranges::reverse(out->saw);
    if (number(4) % 16 == 14 && !out->saw.empty()) out->saw.push_back(out->saw.back());
  }
  out->content = {.space = {}, .author = author().public_key(), .epoch = kNumbers[step.who % 16], .seq = kNumbers[step.x % 32 < 16 ? step.x % 16 : 1 + step.x % 13], .prev = {},
                  .stamp = kNumbers[step.y % 16], .kind = kind, .path = out->path, .body = out->body, .saw = out->saw};
  if (step.y % 3 == 1) out->content.prev = EntryId{{step.y}};
  const Content& c = out->content;
  const std::string path(as_text(c.path));
  out->good = c.seq >= 1 && c.seq <= kSeqMax && c.saw.size() <= 48 && path.size() <= 255 && path.find(' ') == path.npos && path.back() != '/';
  for (std::size_t i = 1; i < c.saw.size(); ++i) out->good = out->good && c.saw[i - 1].bytes < c.saw[i].bytes;
  if (kind == Kind::kCount) out->good = out->good && c.body.size() == 16;
  if (kind == Kind::kAdd || kind == Kind::kRemove) out->good = out->good && !c.body.empty();
  if (kind == Kind::kClear) out->good = out->good && c.body.empty();
  if (kind == Kind::kRemove || kind == Kind::kClear) out->good = out->good && !c.saw.empty();
  if (kind == Kind::kCheckpoint) out->good = out->good && c.saw.empty() && path == "checkpoint" && read_checkpoint(c.body).has_value();
  return out;
}

// The entries of a batch; none if one of them is not to be signed.
std::vector<Bytes> batch_of(const Script& script) {
  std::vector<std::unique_ptr<Drawn>> keep;
  std::vector<Content> contents;
  for (const Step& step : script) {
    keep.push_back(drawn(step));
    if (contents.size() < kBatchMax && keep.back()->good) contents.push_back(keep.back()->content);
  }
  while (!contents.empty()) {
    if (auto wires = sign_entries(author(), contents)) return *wires;
    contents.pop_back();
  }
  return {};
}
rc::Gen<Script> batches(std::size_t most = 16) { return weft::testing::scripts(most, {1}, 8); }

bool accepted(ByteView bytes) {
  const auto entry = decode_entry(bytes);
  return entry.has_value() && verify_entry(sodium(), *entry);
}

TEST(WireProperties, WhatIsSignedIsReadAsItWas) {
  holds(1500, [] {
    for (const Step& step : *batches(4)) {
      const auto one = drawn(step);
      const Content& c = one->content;
      const auto wires = sign_entries(author(), {&c, 1});
      RC_ASSERT((one->good ? wires.has_value() || wires.error() == EntryError::kTooLarge : !wires.has_value()));
      if (!wires) continue;
      const Bytes& wire = (*wires)[0];
      RC_ASSERT(wire.size() <= kEntryBytesMax);
      RC_ASSERT(accepted(wire));
      const Entry entry = decode_entry(wire).value();
      const Content& read = entry.content;
      RC_ASSERT(read.space == c.space && read.author == c.author && read.epoch == c.epoch && read.seq == c.seq && read.prev == c.prev);
      RC_ASSERT(read.stamp == c.stamp && read.kind == c.kind && equal(read.path, c.path) && equal(read.body, c.body));
      RC_ASSERT(std::ranges::equal(read.saw, c.saw));
      RC_ASSERT(id_of_content(c).value() == entry.id);
      RC_ASSERT(assemble_entry(read, entry.batch, entry.place, entry.siblings, entry.signature) == wire);
    }
  });
}

TEST(WireProperties, ABatchIsTheSameEntriesAndAPackBringsThemBack) {
  holds(800, [] {
    const Script script = *batches();
    const auto budget = *rc::gen::inRange<std::size_t>(0, 3000);
    const std::vector<Bytes> wires = batch_of(script);
    Packer packer(budget);
    std::vector<Bytes> packed;
    for (const Bytes& wire : wires) {
      RC_ASSERT(accepted(wire));
      const Entry entry = decode_entry(wire).value();
      RC_ASSERT(id_of_content(entry.content).value() == entry.id);
      const std::size_t before = packer.bytes().size();
      if (packer.add(entry)) packed.push_back(wire);
      else RC_ASSERT(packer.bytes().size() == before);
    }
    RC_ASSERT(packer.bytes().size() <= budget);
    const auto back = unpack({}, packer.bytes());
    RC_ASSERT(back.has_value() && back->size() == packed.size());
    for (std::size_t i = 0; i < packed.size(); ++i) RC_ASSERT((*back)[i].bytes == packed[i]);
  });
}

TEST(WireProperties, NoBitCanBeChanged) {
  holds(800, [] {
    const std::vector<Bytes> wires = batch_of(*batches());
    const auto places = *rc::gen::container<std::vector<std::uint32_t>>(20, rc::gen::arbitrary<std::uint32_t>());
    for (const std::uint32_t place : places) {
      if (wires.empty()) break;
      Bytes bent = wires[place % wires.size()];
      const std::size_t bit = place / 16 % (8 * bent.size());
      bent[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
      RC_ASSERT(!accepted(bent));
    }
  });
}

// A step changes bytes: some are left out, come twice, are another's or are said in the list.
Bytes edited(Bytes bytes, const Step& step, const Bytes& other) {
  const std::size_t at = (step.x * 256U + step.y) % (bytes.size() + 1);
  const std::size_t count = std::min<std::size_t>(step.z, bytes.size() - at);
  const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  const auto to = from + static_cast<std::ptrdiff_t>(count);
  const Bytes middle(from, to);
  switch (step.does) {
    case 0: bytes.erase(from, to); break;
    case 1: bytes.insert(to, middle.begin(), middle.end()); break;
    case 2: bytes.insert(from, step.list.begin(), step.list.end()); break;
    case 3:
      for (std::size_t i = 0; i < count && at + i < other.size(); ++i) bytes[at + i] = other[at + i];
      break;
    default: bytes.resize(at); break;
  }
  return bytes;
}

// The size of a batch and the place in it are signed as well.
TEST(WireProperties, AnEntryHasOnePlaceInItsBatch) {
  holds(600, [] {
    const std::vector<Bytes> wires = batch_of(*batches());
    const auto batch = static_cast<std::uint8_t>(*rc::gen::inRange<std::size_t>(1, kBatchMax + 1));
    for (const Bytes& wire : wires) {
      const Entry entry = decode_entry(wire).value();
      for (std::uint8_t place = 0; place < batch; ++place) {
        const auto other = assemble_entry(entry.content, batch, place, entry.siblings, entry.signature);
        if (other) RC_ASSERT(accepted(*other) == (batch == entry.batch && place == entry.place));
      }
    }
  });
}

TEST(WireProperties, NothingThatOthersChangeIsAccepted) {
  holds(1500, [] {
    const std::vector<Bytes> wires = batch_of(*batches(6));
    const Script edits = *weft::testing::scripts(12, {1, 1, 1, 2, 1});
    if (wires.empty()) return;
    for (const Step& edit : edits) {
      const Bytes changed = edited(wires[edit.who % wires.size()], edit, wires[edit.who / 16 % wires.size()]);
      RC_ASSERT(!accepted(changed) || std::ranges::find(wires, changed) != wires.end());
      // As a pack: what comes of it is an entry in its one spelling, whoever signed it.
      Packer packer(4 * kEntryBytesMax);
      for (const Bytes& wire : wires) (void)packer.add(decode_entry(wire).value());
      const auto unpacked = unpack({}, edited(packer.bytes(), edit, {}));
      if (!unpacked) continue;
      RC_ASSERT(unpacked->size() <= kPackEntriesMax);
      for (const Unpacked& one : *unpacked) {
        const auto entry = decode_entry(one.bytes);
        RC_ASSERT(entry.has_value() && entry->id == one.entry.id);
      }
    }
  });
}

// One value of msgpack at the start of `bytes`, of those that entries consist of, with `wider` more bytes for its number.
struct Token {
  std::size_t head = 1;    // bytes of it without those that a bin holds
  std::uint64_t number = 0;
  std::uint8_t kind = 0;   // 'a'rray, 'b'in, 'u'int
};
Token token_of(ByteView bytes) {
  const std::uint8_t first = bytes[0];
  const auto be = [&](std::size_t count) {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < count; ++i) out = out << 8 | bytes[1 + i];
    return out;
  };
  if (first < 0x80) return {.head = 1, .number = first, .kind = 'u'};
  if (first >= 0x90 && first <= 0x9f) return {.head = 1, .number = first & 15U, .kind = 'a'};
  if (first >= 0xc4 && first <= 0xc6) return {.head = 1U + (1U << (first - 0xc4U)), .number = be(1U << (first - 0xc4U)), .kind = 'b'};
  RC_ASSERT(first >= 0xcc && first <= 0xcf);
  return {.head = 1U + (1U << (first - 0xccU)), .number = be(1U << (first - 0xccU)), .kind = 'u'};
}
Bytes spelt(const Token& token, std::size_t width) {
  const std::uint8_t base = token.kind == 'a' ? 0xdc : token.kind == 'b' ? 0xc4 : 0xcc;
  Bytes out;
  std::uint8_t log = 0;
  while (std::size_t{1} << log < width) ++log;
  out.push_back(static_cast<std::uint8_t>(base + log - (token.kind == 'a' ? 1 : 0)));
  for (std::size_t i = width; i > 0; --i) out.push_back(static_cast<std::uint8_t>(token.number >> 8 * (i - 1)));
  return out;
}
// The same values, of which one is spelt with more bytes; nullopt: there is no longer spelling of it, or no such value.
std::optional<Bytes> respelt(const Bytes& bytes, std::size_t which, std::size_t steps) {
  std::size_t at = 0;
  for (std::size_t i = 0; at < bytes.size(); ++i) {
    const Token token = token_of(ByteView(bytes).subspan(at));
    const std::size_t size = token.head + (token.kind == 'b' ? static_cast<std::size_t>(token.number) : 0);
    if (i == which) {
      std::size_t width = token.head == 1 ? (token.kind == 'a' ? 2 : 1) : 2 * (token.head - 1);
      for (; steps > 0; --steps) width *= 2;
      if (width > (token.kind == 'u' ? 8U : 4U)) return std::nullopt;
      Bytes out(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
      const Bytes head = spelt(token, width);
      out.insert(out.end(), head.begin(), head.end());
      out.insert(out.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at + token.head), bytes.end());
      return out;
    }
    at += size;
  }
  return std::nullopt;
}

TEST(WireProperties, OtherSpellingsAreRefusedBeforeTheSignature) {
  holds(1500, [] {
    const std::vector<Bytes> wires = batch_of(*batches(8));
    const auto which = *rc::gen::inRange<std::size_t>(0, 12);
    const auto steps = *rc::gen::inRange<std::size_t>(0, 3);
    const bool inner = *rc::gen::arbitrary<bool>();
    for (const Bytes& wire : wires) {
      std::optional<Bytes> other;
      if (!inner) {
        other = respelt(wire, which, steps);
      } else {
        const Token content = token_of(ByteView(wire).subspan(1));
        const auto begin = wire.begin() + 1 + static_cast<std::ptrdiff_t>(content.head);
        const auto end = begin + static_cast<std::ptrdiff_t>(content.number);
        if (const auto respelt_content = respelt(Bytes(begin, end), which, steps)) {
          const Token longer{.head = 1, .number = respelt_content->size(), .kind = 'b'};
          other = spelt(longer, longer.number < 256 ? 1 : 2);
          other->insert(other->begin(), wire[0]);
          other->insert(other->end(), respelt_content->begin(), respelt_content->end());
          other->insert(other->end(), end, wire.end());
        }
      }
      if (other) RC_ASSERT(!decode_entry(*other).has_value());
    }
  });
}

TEST(WireProperties, ACheckpointHasOneSpelling) {
  holds(1500, [] {
    const Script script = *weft::testing::scripts(6, {1, 1, 1, 0, 1}, 10);
    for (const Step& step : script) {
      Bytes body = checkpoint_of(step);
      if (!body.empty()) RC_ASSERT(checkpoint_body(read_checkpoint(body).value()) == body);
      for (const Step& edit : script) {
        body = edited(body, edit, {});
        // What is read at all is what would be written, in order.
        const auto sections = read_checkpoint(body);
        if (!sections) continue;
        RC_ASSERT(checkpoint_body(*sections) == body);
        for (std::size_t i = 1; i < sections->size(); ++i) {
          const Section &before = (*sections)[i - 1], &section = (*sections)[i];
          RC_ASSERT(before.epoch < section.epoch || (before.epoch == section.epoch && before.last < section.first));
        }
      }
    }
  });
}

}  // namespace
}  // namespace weft::state
