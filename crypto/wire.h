// Bounded, canonical msgpack: the only way in which weft reads and writes structured bytes.
//
// Writer packs into memory that the caller owns and never allocates; running out of room is
// remembered and told by ok(). Reader parses a whole datagram at once with msgpack-c's visitor
// interface into a fixed table of tokens, under limits that are checked before anything is kept:
// kMaxTokens values, kMaxDepth nested arrays, no maps, floats, signed integers or extensions, no trailing bytes.
// Then the tokens are read in order; the first mismatch latches an error and every later read
// returns an empty value, so a decoder reads straight down and asks error() once.
//
// Reading is lenient about how long an integer's encoding is; whoever signs bytes compares them
// with their canonical form (see node_record.cc). After a Reader of a thread has once been used,
// no Reader of that thread allocates. Views point into the bytes given to the constructor.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "crypto/bytes.h"

namespace weft {

enum class DecodeError : std::uint8_t {
  kTruncated,  // ended in the middle of a value, or fewer values than the message needs
  kTrailing,   // more bytes or more values than the message has
  kTooLarge,   // more tokens, deeper or longer than a named limit
  kBadType,    // another type than expected, or one that weft never uses
  kBadValue,   // right type, impossible content
};
std::string_view to_string(DecodeError error);

class Writer {
 public:
  explicit Writer(MutableBytes room) : room_(room) {}

  Writer& array(std::size_t count);
  Writer& uint(std::uint64_t value);
  Writer& boolean(bool value);
  Writer& nil();
  Writer& bin(ByteView bytes);
  Writer& str(std::string_view text);
  // Starts a bin of `length` bytes and hands out its room to be filled; empty if it does not fit.
  MutableBytes bin_room(std::size_t length);

  bool ok() const { return !overflow_; }
  std::size_t size() const { return size_; }
  std::size_t left() const { return room_.size() - size_; }
  ByteView view() const { return room_.first(size_); }

  // For msgpack::packer.
  void write(const char* data, std::size_t size);

 private:
  MutableBytes room_;
  std::size_t size_ = 0;
  bool overflow_ = false;
};

class Reader {
 public:
  static constexpr std::size_t kMaxTokens = 128;
  static constexpr std::size_t kMaxDepth = 6;

  explicit Reader(ByteView bytes);

  // Number of elements of an array of at most `max` (the elements follow as tokens).
  std::size_t array(std::size_t max);
  // An array of exactly `count` elements.
  void array_of(std::size_t count);
  std::uint64_t uint(std::uint64_t max = UINT64_MAX);
  bool boolean();
  // Bytes of at most `max`, or of exactly N.
  ByteView bin(std::size_t max);
  template <std::size_t N>
  ByteArray<N> bin_exact() {
    ByteArray<N> out{};
    const ByteView view = bin(N);
    if (!failed() && view.size() != N) fail(DecodeError::kBadValue);
    if (!failed()) std::ranges::copy(view, out.begin());
    return out;
  }
  std::string_view str(std::size_t max);
  // If the next value is nil, skips it and returns true.
  bool skip_nil();
  // Whether the next value is a byte string; false at the end.
  bool next_is_bin() const;
  // Latches an error of the caller's own (an impossible value).
  void fail(DecodeError error);
  bool failed() const { return error_.has_value(); }
  // All values read? Otherwise latches kTrailing. Returns the first error, if any.
  std::optional<DecodeError> finish();

  struct Token {
    enum class Kind : std::uint8_t { kNil, kBool, kUint, kBin, kStr, kArray };
    Kind kind = Kind::kNil;
    std::uint32_t length = 0;           // bytes, or elements
    std::uint64_t number = 0;           // kUint, kBool
    const std::uint8_t* data = nullptr;  // kBin, kStr
  };

 private:
  const Token* take(Token::Kind kind);

  std::array<Token, kMaxTokens> tokens_;
  std::size_t count_ = 0;
  std::size_t next_ = 0;
  std::optional<DecodeError> error_;
};

}  // namespace weft
